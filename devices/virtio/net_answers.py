"""What a virtio-net says to query-rx-filter.

Facts from QEMU's qapi/net.json and hw/net/virtio-net.c.
"""

from __future__ import annotations

from collections.abc import Callable

from vmstate.devices.virtio.answers import flag, has
from vmstate.devices.virtio.net import MAX_VLAN
from vmstate.vmsd.question import Ask, Keys, Questions

CTRL_VLAN = 19


def mac_table(ask: Ask) -> list[str]:
    """The addresses of the filter; none where there are more than the table holds."""
    table = bytes(ask("virtio.net.macs") or b"")
    return [table[start : start + 6].hex(":") for start in range(0, len(table), 6)]


def first_multicast(table: list[str]) -> int:
    """Where the multicast addresses begin: at the first, as QEMU finds it when it loads."""
    multicast = (place for place, address in enumerate(table) if int(address[:2], 16) & 1)
    return next(multicast, len(table))


def unicast_table(ask: Ask) -> list[str]:
    """The unicast addresses, the last first as QMP lists them."""
    table = mac_table(ask)
    return table[: first_multicast(table)][::-1]


def multicast_table(ask: Ask) -> list[str]:
    """The multicast addresses, the last first as QMP lists them."""
    table = mac_table(ask)
    return table[first_multicast(table) :][::-1]


def vlan_table(ask: Ask) -> list[int]:
    """The VLANs that pass, the highest first as QMP lists them."""
    words = ask("virtio.net.vlans")
    return [vid for vid in reversed(range(MAX_VLAN)) if words[vid >> 5] >> (vid & 31) & 1]


def vlan(ask: Ask) -> str:
    """The RxState of VLANs: all pass where the driver cannot filter them."""
    if not has(ask, CTRL_VLAN):
        return "all"
    return "normal" if any(ask("virtio.net.vlans")) else "none"


def rx_state(none: str, every: str) -> Callable[[Ask], str]:
    """The RxState of two modes, of which the first wins."""

    def answer(ask: Ask) -> str:
        if ask(f"virtio.net.{none}"):
            return "none"
        return "all" if ask(f"virtio.net.{every}") else "normal"

    return answer


def mac(ask: Ask) -> str:
    """The card's own address."""
    return bytes(ask("virtio.net.mac")).hex(":")


RX_FILTER: Keys = {
    "promiscuous": flag("virtio.net.promisc"),
    "multicast": rx_state("nomulti", "allmulti"),
    "unicast": rx_state("nouni", "alluni"),
    "vlan": vlan,
    # QEMU says here whether broadcast is off.
    "broadcast-allowed": flag("virtio.net.nobcast"),
    "multicast-overflow": flag("virtio.net.multi_overflow"),
    "unicast-overflow": flag("virtio.net.uni_overflow"),
    "main-mac": mac,
    "vlan-table": vlan_table,
    "unicast-table": unicast_table,
    "multicast-table": multicast_table,
}

ANSWERS: Questions = {"query-rx-filter": RX_FILTER}
