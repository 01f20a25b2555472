"""The items of virtio-net, and what the back ends of a network card are told of them.

Facts from QEMU's hw/net/virtio-net.c (what a control queue command changes, and what post_load sets again),
net/vhost-vdpa.c (which commands bring a vDPA device to a state) and net/tap-linux.c (TUNSETOFFLOAD). An action's first
state is None where the back end has just been reset: then only what differs from a reset is sent, as QEMU does. Between
two states every difference is sent, the way back to a default too, which QEMU's own functions for a start leave out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devices.virtio.core import features_of
from devices.virtio.early import (
    ALWAYS,
    BODY,
    CONSTANTS,
    EVENTS,
    GUEST_FEATURES,
    RESET,
    VALUE,
    host_item,
    items_of,
    layout_of,
)
from devices.virtio.net import RX_MODES
from devices.virtio.status import NetStatus
from vmstate.early.items import BackendName, Item, ItemTable
from vmstate.early.layout import Layout
from vmstate.early.operations import Operation

CTRL_GUEST_OFFLOADS, CTRL_VQ, CTRL_RX, CTRL_VLAN, CTRL_RX_EXTRA, MQ, CTRL_MAC_ADDR = 2, 17, 18, 19, 20, 22, 23
HASH_REPORT, RSS = 57, 60
NET = f"{BODY}.net"

TUN_OFFLOADS = {1: 0x01, 7: 0x02, 8: 0x04, 9: 0x08, 10: 0x10, 54: 0x20, 55: 0x40}
"""The bit of an offload in the device's word -> in the argument of TUNSETOFFLOAD (linux/if_tun.h)."""
OFFLOADS = (1 << 1, 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 54, 1 << 55, 1 << 65, 1 << 66)
"""The features that are offloads; those above 63 stand 17 bits lower in the device's word."""


def has(state: Any, bit: int) -> bool:
    """Whether the driver accepted a feature."""
    return bool(features_of(state.virtio) >> bit & 1)


def is_multiqueue(state: Any) -> bool:
    """Whether the driver can use several pairs."""
    return has(state, MQ) or has(state, RSS)


def pairs_of(state: Any) -> int:
    """The number of queue pairs in use."""
    return (state.virtio.net.curr_queue_pairs or 1) if is_multiqueue(state) else 1


def layout(state: Any) -> Layout:
    """The queues of the pairs in use, and the control queue, which is the last that there is."""
    net = state.virtio.net
    return layout_of(
        state,
        data=range(2 * pairs_of(state)),
        control=state.virtio.num_queues - 1 if has(state, CTRL_VQ) and state.virtio.num_queues else None,
        link_up=bool(net.status & NetStatus.LINK_UP),
        backend_state=net.backend is not None,
    )


def default_offloads(state: Any) -> int:
    """The offloads after a reset: all that were negotiated."""
    features = features_of(state.virtio)
    word = sum(bit for bit in OFFLOADS if features & bit and bit < 1 << 64)
    return word | sum(bit >> 17 for bit in OFFLOADS if features & bit and bit >= 1 << 64)


# What a vDPA device is told, by its control queue.


def cvq_mac(before: Any, after: Any) -> Iterator[Operation]:
    """The address: a command where there is one, else a write to the configuration space."""
    mac = str(after.virtio.net.mac)
    if before is None or before.virtio.net.mac != after.virtio.net.mac:
        yield Operation("MAC_ADDR_SET" if has(after, CTRL_MAC_ADDR) else "SET_CONFIG", None, mac)


def cvq_mac_table(before: Any, after: Any) -> Iterator[Operation]:
    """The whole filter in one command, also when it is empty now."""
    if not has(after, CTRL_RX):
        return
    table = tuple(map(str, after.virtio.net.mac_table))
    if before is not None or table:
        yield Operation("MAC_TABLE_SET", None, table)


def cvq_queue_pairs(before: Any, after: Any) -> Iterator[Operation]:
    """The number of pairs."""
    if is_multiqueue(after) and (before is None or pairs_of(before) != pairs_of(after)):
        yield Operation("VQ_PAIRS_SET", None, pairs_of(after))


def cvq_rss(before: Any, after: Any) -> Iterator[Operation]:
    """Receive-side scaling, or hash reports alone; off is sent too, as a configuration without hash types."""
    rss = after.virtio.net.rss
    if rss is None or not rss.enabled:
        if before is not None and (has(after, RSS) or has(after, HASH_REPORT)):
            yield Operation("RSS_CONFIG" if has(after, RSS) else "HASH_CONFIG", None, 0)
        return
    if before is None and not rss.hash_types:
        return
    key = bytes(rss.key).hex()
    if rss.redirect:
        table = tuple(rss.indirections_table)
        yield Operation("RSS_CONFIG", None, (rss.hash_types, table, rss.default_queue, pairs_of(after), key))
    else:
        yield Operation("HASH_CONFIG", None, (rss.hash_types, key))


def cvq_guest_offloads(before: Any, after: Any) -> Iterator[Operation]:
    """The offloads; between two states also when they are all on again."""
    word = after.virtio.net.curr_guest_offloads
    if word is None or (before is None and word == default_offloads(after)):
        return
    yield Operation("GUEST_OFFLOADS_SET", None, word)


def _sent_modes(state: Any) -> dict[str, int]:
    """The receive modes as a device needs them: a filter that overflowed is all packets of its kind."""
    net = state.virtio.net
    modes = {mode: int(bool(getattr(net, mode))) for mode in RX_MODES}
    modes["promisc"] |= int(bool(net.uni_overflow))
    modes["allmulti"] |= int(bool(net.multi_overflow))
    return modes


def cvq_rx_mode(before: Any, after: Any) -> Iterator[Operation]:
    """One command for each mode that changed, in both directions. After a reset a device is promiscuous."""
    if not has(after, CTRL_RX):
        return
    known = {"promisc": 1} if before is None else _sent_modes(before)
    for mode, on in _sent_modes(after).items():
        is_extra = mode not in ("promisc", "allmulti")
        if on != known.get(mode, 0) and (not is_extra or has(after, CTRL_RX_EXTRA)):
            yield Operation(mode.upper(), None, on)


def cvq_filters(before: Any, after: Any) -> Iterator[Operation]:
    """The filter, and the modes that stand in for one that overflowed."""
    yield from cvq_mac_table(before, after)
    if before is not None:
        yield from cvq_rx_mode(before, after)


def cvq_vlan(before: Any, after: Any) -> Iterator[Operation]:
    """One command for each VLAN that was added or removed."""
    if not has(after, CTRL_VLAN):
        return
    known = frozenset() if before is None else before.virtio.net.vlan_ids
    wanted = after.virtio.net.vlan_ids
    for vid in sorted(known - wanted):
        yield Operation("VLAN_DEL", None, vid)
    for vid in sorted(wanted - known):
        yield Operation("VLAN_ADD", None, vid)


# What a tap device is told, whether QEMU or the kernel moves its packets.


def tun_offloads(before: Any, after: Any) -> Iterator[Operation]:
    """TUNSETOFFLOAD: the offloads, in the kernel's bits."""
    word = after.virtio.net.curr_guest_offloads
    if word is None:
        word = default_offloads(after)
    yield Operation("TUNSETOFFLOAD", None, sum(tun for bit, tun in TUN_OFFLOADS.items() if word >> bit & 1))


def tun_steering(before: Any, after: Any) -> Iterator[Operation]:
    """TUNSETSTEERINGEBPF: attached or detached where scaling was switched; a new table goes into the eBPF map."""
    was = before is not None and _steers(before)
    if was != _steers(after):
        yield Operation("TUNSETSTEERINGEBPF", None, "attach" if _steers(after) else "detach")


def _steers(state: Any) -> bool:
    rss = state.virtio.net.rss
    return rss is not None and rss.enabled and not rss.populate_hash


def tun_header(before: Any, after: Any) -> Iterator[Operation]:
    """TUNSETVNETHDRSZ: the header follows the features: 10 bytes, 12 with MRG_RXBUF or VERSION_1, 20 with hashes."""
    features = features_of(after.virtio)
    size = 10
    if after.virtio.net.mergeable_rx_bufs or features >> 32 & 1:
        size = 20 if features >> HASH_REPORT & 1 else 12
    yield Operation("TUNSETVNETHDRSZ", None, size)


TAP, VHOST_NET, VDPA = BackendName.TAP, BackendName.VHOST_NET, BackendName.VHOST_VDPA


ITEMS = ItemTable(
    "virtio-net",
    items_of(
        host_item(
            f"{NET}.has_vnet_hdr",
            f"{NET}.has_ufo",
            f"{NET}.max_queue_pairs",
            source="virtio_net_post_load_vnet: the destination's back end must take the same headers and queues",
        ),
        Item(
            "guest_features",
            RESET,
            (*GUEST_FEATURES.paths, f"{NET}.mergeable_rx_bufs"),
            "virtio_net_set_features: multiqueue, headers, failover and the length of a buffer follow",
            operations={TAP: tun_header, VHOST_NET: tun_header},
        ),
        (
            Item(
                "mac",
                VALUE,
                (f"{NET}.mac",),
                "CTRL_MAC_ADDR_SET; the configuration space of a legacy driver",
                tracked=6,
                shown=f"{NET}.mac",
                operations={VDPA: cvq_mac},
            ),
            Item(
                "mac_table",
                VALUE,
                (
                    f"{NET}.in_use",
                    f"{NET}.macs",
                    f"{NET}.macs_too_many",
                    f"{NET}.multi_overflow",
                    f"{NET}.uni_overflow",
                ),
                "CTRL_MAC_TABLE_SET: the whole table; first_multi is found again at load",
                tracked=7,
                shown=f"{NET}.mac_table",
                operations={VDPA: cvq_filters},
            ),
            Item(
                "queue_pairs",
                VALUE,
                (f"{NET}.curr_queue_pairs",),
                "CTRL_MQ_VQ_PAIRS_SET, and CTRL_MQ_RSS_CONFIG: tap queues are attached and detached",
                tracked=11,
                shown=f"{NET}.curr_queue_pairs",
                operations={VDPA: cvq_queue_pairs},
            ),
            Item(
                "rss",
                VALUE,
                (f"{NET}.rss",),
                "CTRL_MQ_RSS_CONFIG, HASH_CONFIG; every command of CTRL_MQ switches it off first",
                tracked=12,
                operations={TAP: tun_steering, VHOST_NET: tun_steering, VDPA: cvq_rss},
            ),
            Item(
                "guest_offloads",
                VALUE,
                (f"{NET}.curr_guest_offloads",),
                "CTRL_GUEST_OFFLOADS_SET; set again with the features",
                tracked=11,
                shown=f"{NET}.curr_guest_offloads",
                operations={TAP: tun_offloads, VHOST_NET: tun_offloads, VDPA: cvq_guest_offloads},
            ),
            Item(
                "rx_mode",
                VALUE,
                tuple(f"{NET}.{mode}" for mode in RX_MODES),
                "CTRL_RX_PROMISC to CTRL_RX_NOBCAST",
                tracked=9,
                operations={VDPA: cvq_rx_mode},
            ),
            Item(
                "vlan",
                VALUE,
                (f"{NET}.vlans",),
                "CTRL_VLAN_ADD, CTRL_VLAN_DEL; all ones where the driver has no CTRL_VLAN",
                tracked=10,
                shown=f"{BODY}.net.vlan_ids",
                operations={VDPA: cvq_vlan},
            ),
            Item(
                "net_status",
                VALUE,
                (f"{NET}.status",),
                "virtio_net_set_link_status, virtio_net_announce and the driver's acknowledgement",
                tracked=8,
                shown=f"{NET}.status",
            ),
            Item(
                "backend_state",
                RESET,
                (f"{NET}.backend",),
                "vhost_save_backend_state: of a back end that stands still; it cannot be loaded into one that runs",
                forbids_early_start="the back end has state of its own, which cannot be loaded into a started one",
            ),
        ),
        (
            Item(
                "tx_waiting",
                ALWAYS,
                (f"{NET}.vqs", f"{NET}.tx_waiting"),
                "virtio_net_handle_tx_timer and virtio_net_tx_bh: with every packet under load",
                tracked=13,
            ),
        ),
    ),
    layout,
    CONSTANTS,
    {
        **EVENTS,
        "config_write": ("config", "mac"),
        "set_link": ("net_status",),
        "announce": ("net_status",),
        "MAC_ADDR_SET": ("mac",),
        "MAC_TABLE_SET": ("mac_table",),
        "VQ_PAIRS_SET": ("queue_pairs", "rss"),
        "RSS_CONFIG": ("queue_pairs", "rss"),
        "HASH_CONFIG": ("rss",),
        "GUEST_OFFLOADS_SET": ("guest_offloads",),
        **{mode.upper(): ("rx_mode",) for mode in RX_MODES},
        "VLAN_ADD": ("vlan",),
        "VLAN_DEL": ("vlan",),
    },
)
