"""The items of virtio-net, and what the back ends of a network card are told of them.

Facts from QEMU's hw/net/virtio-net.c (what a command of the control queue changes, and what post_load sets again) and
net/tap-linux.c (TUNSETOFFLOAD). What a vDPA device is told is in `vmstate.devices.virtio.net_control`: between two
states every difference is sent, the way back to a default too, which QEMU's own functions for a start leave out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vmstate.devices.virtio.config import features_of
from vmstate.devices.virtio.early import (
    ALWAYS,
    BODY,
    CONSTANTS,
    EVENTS,
    GUEST_FEATURES,
    RESET,
    SET_BY_LOAD,
    VALUE,
    host_item,
    items_of,
    layout_of,
)
from vmstate.devices.virtio.net import RX_MODES
from vmstate.devices.virtio.net_control import (
    Settings,
    replay,
    send_guest_offloads,
    send_mac,
    send_mac_table,
    send_queue_pairs,
    send_rss,
    send_rx_mode,
    send_vlan,
)
from vmstate.devices.virtio.status import NetStatus
from vmstate.early.items import BackendName, Item, ItemTable
from vmstate.early.layout import RingLayout
from vmstate.early.operations import Operation, Role

CTRL_VQ, MQ, VERSION_1, HASH_REPORT, RSS, STANDBY = 17, 22, 32, 57, 60, 62
NET = f"{BODY}.net"

TUN_OFFLOADS = {1: 0x01, 7: 0x02, 8: 0x04, 9: 0x08, 10: 0x10, 54: 0x20, 55: 0x40}
"""The bit of an offload in the device's word -> in the argument of TUNSETOFFLOAD (linux/if_tun.h)."""


def has(state: Any, bit: int) -> bool:
    """Whether the driver accepted a feature."""
    return bool(features_of(state.virtio) >> bit & 1)


def is_multiqueue(state: Any) -> bool:
    """Whether the driver can use several pairs."""
    return has(state, MQ) or has(state, RSS)


def pairs_of(state: Any) -> int:
    """The number of queue pairs in use."""
    return (state.virtio.net.curr_queue_pairs or 1) if is_multiqueue(state) else 1


def control_of(state: Any) -> int | None:
    """The number of the control queue: behind those of all pairs that there are, or of the one that is used."""
    pairs = (state.virtio.net.max_queue_pairs or 1) if is_multiqueue(state) else 1
    queues = state.virtio.vq
    return 2 * pairs if has(state, CTRL_VQ) and 2 * pairs < len(queues) and queues[2 * pairs].desc else None


def layout(state: Any) -> RingLayout:
    """The queues of the pairs in use, and the control queue."""
    net = state.virtio.net
    return layout_of(
        state,
        data=range(2 * pairs_of(state)),
        control=control_of(state),
        link_up=bool(net.status & NetStatus.LINK_UP),
        backend_state=net.backend is not None,
    )


# What a tap device is told, whether QEMU or the kernel moves its packets.


def tun_offloads(before: Any, after: Any) -> Iterator[Operation]:
    """TUNSETOFFLOAD: the offloads, in the kernel's bits."""
    word = Settings.of(after).offloads
    yield Operation("TUNSETOFFLOAD", None, sum(tun for bit, tun in TUN_OFFLOADS.items() if word >> bit & 1))


def tun_steering(before: Any, after: Any) -> Iterator[Operation]:
    """TUNSETSTEERINGEBPF: attached or detached where scaling was switched; a new table goes into the eBPF map."""
    if _steers(before) != _steers(after):
        yield Operation("TUNSETSTEERINGEBPF", None, "attach" if _steers(after) else "detach")


def _steers(state: Any) -> bool:
    rss = state.virtio.net.rss
    return rss is not None and rss.enabled and not rss.populate_hash


def tun_replay(state: Any) -> Iterator[Operation]:
    """What brings a tap device to a state: the header that follows the features, the offloads, the steering."""
    features = features_of(state.virtio)
    size = 10
    if state.virtio.net.mergeable_rx_bufs or features >> VERSION_1 & 1:
        size = 20 if features >> HASH_REPORT & 1 else 12
    yield Operation("TUNSETVNETHDRSZ", None, size, "guest_features")
    for operation in tun_offloads(None, state):
        yield operation.replace(item="guest_offloads")
    if _steers(state):
        yield Operation("TUNSETSTEERINGEBPF", None, "attach", "rss")


def notices(state: Any) -> tuple[str, ...]:
    """What the world is told, once, when a guest goes on: where the card is now, and that a primary may be plugged."""
    return ("announce", "FAILOVER_NEGOTIATED") if has(state, STANDBY) else ("announce",)


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
            role=Role.FEATURES,
        ),
        (
            Item(
                "mac",
                VALUE,
                (f"{NET}.mac",),
                "CTRL_MAC_ADDR_SET; the configuration space of a legacy driver",
                tracked=6,
                shown=f"{NET}.mac",
                operations={VDPA: send_mac},
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
                operations={VDPA: send_mac_table},
            ),
            Item(
                "queue_pairs",
                VALUE,
                (f"{NET}.curr_queue_pairs",),
                "CTRL_MQ_VQ_PAIRS_SET, and CTRL_MQ_RSS_CONFIG: tap queues are attached and detached",
                tracked=11,
                shown=f"{NET}.curr_queue_pairs",
                operations={VDPA: send_queue_pairs},
                role=Role.EXTENT,
            ),
            Item(
                "rss",
                VALUE,
                (f"{NET}.rss",),
                "CTRL_MQ_RSS_CONFIG, HASH_CONFIG; every command of CTRL_MQ switches it off first",
                tracked=12,
                operations={TAP: tun_steering, VHOST_NET: tun_steering, VDPA: send_rss},
            ),
            Item(
                "guest_offloads",
                VALUE,
                (f"{NET}.curr_guest_offloads",),
                "CTRL_GUEST_OFFLOADS_SET; set again with the features",
                tracked=11,
                shown=f"{NET}.curr_guest_offloads",
                operations={TAP: tun_offloads, VHOST_NET: tun_offloads, VDPA: send_guest_offloads},
            ),
            Item(
                "rx_mode",
                VALUE,
                tuple(f"{NET}.{mode}" for mode in RX_MODES),
                "CTRL_RX_PROMISC to CTRL_RX_NOBCAST",
                tracked=9,
                operations={VDPA: send_rx_mode},
            ),
            Item(
                "vlan",
                VALUE,
                (f"{NET}.vlans",),
                "CTRL_VLAN_ADD, CTRL_VLAN_DEL; all ones where the driver has no CTRL_VLAN",
                tracked=10,
                shown=f"{BODY}.net.vlan_ids",
                operations={VDPA: send_vlan},
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
        "config_write": ("mac",),
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
    {TAP: tun_replay, VHOST_NET: tun_replay, VDPA: replay},
    notices,
    # Where the features say none, virtio_net_post_load_device sets them to what the features allow.
    set_by_load=(*SET_BY_LOAD, "curr_guest_offloads"),
    allocated=("indirections_table",),
)
