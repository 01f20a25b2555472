"""What a virtio-net card's back end is told when the card's settings change: the commands of the control queue.

A card that implements virtio itself (vhost-vDPA) is set through its control queue. QEMU restores such a card after a
migration by the commands that lead from a card that was just reset to the state that came over (`replay`), and sends
nothing for what a reset brings anyway. Between two states that is not enough: a setting that went back to its default
has to be sent too. The senders here do that, one for each item; `difference` is all of them.

Two things reach across items. Every command of the class MQ switches receive-side scaling off first, so a change of the
queue pairs alone sends it again; RSS_CONFIG names the queue pairs itself, so then one command is enough. And a filter
of addresses that overflowed lets everything pass, so the modes that a card is set to follow from both.

Facts from QEMU's net/vhost-vdpa.c (vhost_vdpa_net_cvq_load and below it), hw/net/virtio-net.c (virtio_net_handle_mq,
virtio_net_handle_rss, virtio_net_reset) and include/standard-headers/linux/virtio_net.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vmstate.devices.virtio.features import NetFeatures
from vmstate.devices.virtio.net import RX_MODES, MacAddress, Rss
from vmstate.early.operations import Operation
from vmstate.vmsd.data import Value

if TYPE_CHECKING:
    from vmstate.devices.virtio.net import VirtIONet

OFFLOAD_FEATURES = (
    NetFeatures.GUEST_CSUM
    | NetFeatures.GUEST_TSO4
    | NetFeatures.GUEST_TSO6
    | NetFeatures.GUEST_ECN
    | NetFeatures.GUEST_UFO
    | NetFeatures.GUEST_USO4
    | NetFeatures.GUEST_USO6
)
"""The features below 64 that are offloads; their bits in curr_guest_offloads are the features'."""

TUNNEL_OFFLOADS = {NetFeatures.GUEST_UDP_TUNNEL_GSO: 1 << 46, NetFeatures.GUEST_UDP_TUNNEL_GSO_CSUM: 1 << 47}
"""The features above 63 that are offloads, and their bits in curr_guest_offloads."""

EXTRA_MODES = RX_MODES[2:]
"""The modes that need CTRL_RX_EXTRA."""


class Settings(Value):
    """The settings of a card that its control queue can change.

    `modes` are the receive modes that the card is set to, in the order of `RX_MODES`: with a filter that overflowed all
    packets of its kind pass. `rss` is None while scaling and hash reports are off, else (hash types, default queue,
    indirection table, key in hex). `unicast` and `multicast` are the filter; addresses are text.
    """

    features: NetFeatures
    mac: str
    unicast: tuple[str, ...]
    multicast: tuple[str, ...]
    pairs: int
    rss: tuple[int, int, tuple[int, ...], str] | None
    offloads: int
    modes: tuple[int, ...]
    vlans: frozenset[int]

    @classmethod
    def of(cls, device: VirtIONet) -> Settings:
        """The settings in a device's state."""
        net = device.net
        table = net.mac_table
        first_multi = next((place for place, mac in enumerate(table) if mac[0] & 1), len(table))
        modes = [int(bool(getattr(net, mode))) for mode in RX_MODES]
        modes[0] |= int(bool(net.uni_overflow))
        modes[1] |= int(bool(net.multi_overflow))
        features = device.features
        offloads = net.curr_guest_offloads
        return cls(
            features=features,
            mac=str(net.mac),
            unicast=tuple(str(mac) for mac in table[:first_multi]),
            multicast=tuple(str(mac) for mac in table[first_multi:]),
            pairs=net.curr_queue_pairs or 1,
            rss=_rss(net.rss),
            offloads=all_offloads(features) if offloads is None else offloads,
            modes=tuple(modes),
            vlans=net.vlan_ids if NetFeatures.CTRL_VLAN in features else frozenset(),
        )

    @classmethod
    def after_reset(cls, features: NetFeatures) -> Settings:
        """The settings of a card that was just reset and has accepted these features; its address is its own."""
        return cls(
            features=features,
            mac=str(MacAddress()),
            unicast=(),
            multicast=(),
            pairs=1,
            rss=None,
            offloads=all_offloads(features),
            modes=(1, 0, 0, 0, 0, 0),
            vlans=frozenset(),
        )

    def are_in(self, commands: Mapping[str, Any]) -> bool:
        """Whether a card has these settings that was given these commands since its reset (`VhostVdpa.settings`)."""
        return {**_commands(Settings.after_reset(self.features)), **commands} == _commands(self)


def _commands(settings: Settings) -> dict[str, Any]:
    """The settings by the commands that make them, as far as the features have them."""
    features = settings.features
    made: dict[str, Any] = {"VLAN_ADD": settings.vlans}
    if NetFeatures.CTRL_MAC_ADDR in features:
        made["MAC_ADDR_SET"] = settings.mac
    if NetFeatures.CTRL_RX in features:
        made["MAC_TABLE_SET"] = settings.unicast, settings.multicast
        modes = dict(zip(RX_MODES, settings.modes, strict=True))
        extra = NetFeatures.CTRL_RX_EXTRA in features
        made |= {mode.upper(): on for mode, on in modes.items() if extra or mode not in EXTRA_MODES}
    if NetFeatures.MQ in features:
        made["VQ_PAIRS_SET"] = settings.pairs
    if NetFeatures.CTRL_GUEST_OFFLOADS in features:
        made["GUEST_OFFLOADS_SET"] = settings.offloads
    if settings.rss is not None:
        made |= {operation.name: operation.value for operation in _rss_config(settings, "rss")}
    return made


def all_offloads(features: NetFeatures) -> int:
    """What a card does for the driver once these features are accepted, in the bits of curr_guest_offloads."""
    return int(features & OFFLOAD_FEATURES) | sum(
        bit for feature, bit in TUNNEL_OFFLOADS.items() if feature in features
    )


def _rss(rss: Rss | None) -> tuple[int, int, tuple[int, ...], str] | None:
    if rss is None or not rss.enabled or not rss.hash_types:
        return None
    return rss.hash_types, rss.default_queue, tuple(rss.indirections_table), bytes(rss.key).hex()


# One sender for each item: from what the card was set to already to the state that it must have. Without the first the
# card was just reset, and what a reset brings is left out.


def send_mac(before: VirtIONet | None, after: VirtIONet) -> Iterator[Operation]:
    """MAC_ADDR_SET; between two states a write to the configuration space where the driver has no such command."""
    new = Settings.of(after)
    if before is not None and Settings.of(before).mac == new.mac:
        return
    if NetFeatures.CTRL_MAC_ADDR in new.features:
        yield Operation("MAC_ADDR_SET", value=new.mac, item="mac")
    elif before is not None:
        yield Operation("SET_CONFIG", value=new.mac, item="mac")


def send_mac_table(before: VirtIONet | None, after: VirtIONet) -> Iterator[Operation]:
    """MAC_TABLE_SET, also when the filter is empty now; and the modes, where its overflow alone changes them."""
    old, new = _settings(before, after)
    if NetFeatures.CTRL_RX in new.features and (old.unicast, old.multicast) != (new.unicast, new.multicast):
        yield Operation("MAC_TABLE_SET", value=(new.unicast, new.multicast), item="mac_table")
    if before is not None and not _modes_changed(before, after):
        yield from _modes(old, new, "mac_table")


def send_queue_pairs(before: VirtIONet | None, after: VirtIONet) -> Iterator[Operation]:
    """VQ_PAIRS_SET; or, while scaling is on, RSS_CONFIG, which names the pairs too."""
    old, new = _settings(before, after)
    if NetFeatures.MQ not in new.features or (before is not None and old.pairs == new.pairs):
        return
    if before is None or new.rss is None or NetFeatures.RSS not in new.features:
        yield Operation("VQ_PAIRS_SET", value=new.pairs, item="queue_pairs")
    if new.rss is not None and old.rss == new.rss:
        # The command, or the one that it is instead of, switches scaling off.
        yield from _rss_config(new, "queue_pairs")


def send_rss(before: VirtIONet | None, after: VirtIONet) -> Iterator[Operation]:
    """RSS_CONFIG or HASH_CONFIG; with no hash types where it is off now."""
    old, new = _settings(before, after)
    if old.rss != new.rss:
        yield from _rss_config(new, "rss")


def send_guest_offloads(before: VirtIONet | None, after: VirtIONet) -> Iterator[Operation]:
    """GUEST_OFFLOADS_SET, also when all offloads are on again."""
    old, new = _settings(before, after)
    if NetFeatures.CTRL_GUEST_OFFLOADS in new.features and old.offloads != new.offloads:
        yield Operation("GUEST_OFFLOADS_SET", value=new.offloads, item="guest_offloads")


def send_rx_mode(before: VirtIONet | None, after: VirtIONet) -> Iterator[Operation]:
    """One command for each mode that the card must change, in both directions."""
    if before is None or _modes_changed(before, after):
        yield from _modes(*_settings(before, after), "rx_mode")


def send_vlan(before: VirtIONet | None, after: VirtIONet) -> Iterator[Operation]:
    """VLAN_ADD and VLAN_DEL for each VLAN that changed: there is no command for many."""
    old, new = _settings(before, after)
    if NetFeatures.CTRL_VLAN in new.features:
        for vid in sorted(old.vlans ^ new.vlans):
            yield Operation("VLAN_ADD" if vid in new.vlans else "VLAN_DEL", value=vid, item="vlan")


SENDERS: dict[str, Callable[[VirtIONet | None, VirtIONet], Iterator[Operation]]] = {
    "mac": send_mac,
    "mac_table": send_mac_table,
    "queue_pairs": send_queue_pairs,
    "rss": send_rss,
    "guest_offloads": send_guest_offloads,
    "rx_mode": send_rx_mode,
    "vlan": send_vlan,
}
"""The senders by the item each is for, in QEMU's order."""


def replay(device: VirtIONet) -> tuple[Operation, ...]:
    """The commands that lead from a reset to this state, as QEMU sends them when it starts a card."""
    return tuple(operation for send in SENDERS.values() for operation in send(None, device))


def difference(before: VirtIONet, after: VirtIONet) -> tuple[Operation, ...]:
    """The commands that lead from one state to the other, which has the same features."""
    return tuple(operation for send in SENDERS.values() for operation in send(before, after))


def _settings(before: VirtIONet | None, after: VirtIONet) -> tuple[Settings, Settings]:
    new = Settings.of(after)
    return Settings.after_reset(new.features) if before is None else Settings.of(before), new


def _modes_changed(before: VirtIONet, after: VirtIONet) -> bool:
    return any(getattr(before.net, mode) != getattr(after.net, mode) for mode in RX_MODES)


def _modes(before: Settings, after: Settings, item: str) -> Iterator[Operation]:
    for mode, was, now in zip(RX_MODES, before.modes, after.modes, strict=True):
        needed = NetFeatures.CTRL_RX_EXTRA if mode in EXTRA_MODES else NetFeatures.CTRL_RX
        if was != now and needed in after.features:
            yield Operation(mode.upper(), value=now, item=item)


def _rss_config(after: Settings, item: str) -> Iterator[Operation]:
    types, default, table, key = after.rss if after.rss is not None else (0, 0, (), "")
    if NetFeatures.RSS in after.features:
        yield Operation("RSS_CONFIG", value=(types, default, table, after.pairs, key), item=item)
    elif NetFeatures.HASH_REPORT in after.features:
        yield Operation("HASH_CONFIG", value=(types, key), item=item)
