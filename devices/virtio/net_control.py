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

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from devices.virtio.features import NetFeatures
from devices.virtio.net import RX_MODES, MacAddress, Rss
from vmstate.early.operations import Operation
from vmstate.vmsd.data import Value

if TYPE_CHECKING:
    from devices.virtio.net import VirtIONet

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
        """Those of a card that was just reset and has accepted these features; its address is its own."""
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

    def as_commands(self) -> dict[str, Any]:
        """The settings by the commands that make them; VLAN_ADD has the set of all VLANs."""
        commands = {
            operation.name: operation.value
            for operation in _to(Settings.after_reset(self.features), self, everything=True)
        }
        return commands | {"VLAN_ADD": self.vlans}

    def are_in(self, commands: Mapping[str, Any]) -> bool:
        """Whether a card has these settings that was given these commands since its reset."""
        reset = Settings.after_reset(self.features).as_commands()
        return {**reset, **commands} == self.as_commands()


def all_offloads(features: NetFeatures) -> int:
    """What a card does for the driver once these features are accepted, in the bits of curr_guest_offloads."""
    return int(features & OFFLOAD_FEATURES) | sum(
        bit for feature, bit in TUNNEL_OFFLOADS.items() if feature in features
    )


def _rss(rss: Rss | None) -> tuple[int, int, tuple[int, ...], str] | None:
    if rss is None or not rss.enabled or not rss.hash_types:
        return None
    return rss.hash_types, rss.default_queue, tuple(rss.indirections_table), bytes(rss.key).hex()


def replay(device: VirtIONet) -> tuple[Operation, ...]:
    """The commands that lead from a reset to this state, in QEMU's order; what a reset brings is left out."""
    after = Settings.of(device)
    return tuple(_to(Settings.after_reset(after.features), after, everything=False))


def difference(before: VirtIONet, after: VirtIONet) -> tuple[Operation, ...]:
    """The commands that lead from one state to the other, which has the same features."""
    return tuple(operation for send in SENDERS.values() for operation in send(before, after))


def _to(before: Settings, after: Settings, *, everything: bool) -> Iterator[Operation]:
    """From a card that was reset; `everything` also sends what the reset brought."""
    features = after.features
    yield from _mac(after)
    if everything or after.unicast or after.multicast:
        yield from _mac_table(after)
    if NetFeatures.MQ in features:
        yield Operation("VQ_PAIRS_SET", value=after.pairs, item="queue_pairs")
    if after.rss is not None:
        yield from _rss_config(after)
    if everything or after.offloads != before.offloads:
        yield from _offloads(after)
    for place, mode in enumerate(RX_MODES):
        if everything or after.modes[place] != before.modes[place]:
            yield from _mode(after, mode)
    yield from _vlans(frozenset(), after)


# -------------------------------------------------------------------------------------------------------------------
# One sender for each item: from the state that the card was set to early to the one it must have.


def send_mac(before: VirtIONet, after: VirtIONet) -> tuple[Operation, ...]:
    """MAC_ADDR_SET, or a write to the configuration space where the driver has no such command."""
    old, new = Settings.of(before), Settings.of(after)
    return () if old.mac == new.mac else tuple(_mac(new, otherwise="SET_CONFIG"))


def send_mac_table(before: VirtIONet, after: VirtIONet) -> tuple[Operation, ...]:
    """MAC_TABLE_SET, also when the filter is empty now; and the modes, where its overflow alone changes them."""
    old, new = Settings.of(before), Settings.of(after)
    same = (old.unicast, old.multicast) == (new.unicast, new.multicast)
    table = () if same else tuple(_mac_table(new))
    return table if _modes_changed(before, after) else (*table, *_modes(old, new, "mac_table"))


def send_queue_pairs(before: VirtIONet, after: VirtIONet) -> tuple[Operation, ...]:
    """VQ_PAIRS_SET; or, while scaling is on, RSS_CONFIG, which names the pairs too."""
    old, new = Settings.of(before), Settings.of(after)
    if old.pairs == new.pairs or NetFeatures.MQ not in new.features:
        return ()
    if new.rss is None:
        return (Operation("VQ_PAIRS_SET", value=new.pairs, item="queue_pairs"),)
    again = tuple(_rss_config(new, "queue_pairs")) if old.rss == new.rss else ()
    if NetFeatures.RSS in new.features:
        return again
    return (Operation("VQ_PAIRS_SET", value=new.pairs, item="queue_pairs"), *again)


def send_rss(before: VirtIONet, after: VirtIONet) -> tuple[Operation, ...]:
    """RSS_CONFIG or HASH_CONFIG; with no hash types where it is off now."""
    old, new = Settings.of(before), Settings.of(after)
    return () if old.rss == new.rss else tuple(_rss_config(new))


def send_guest_offloads(before: VirtIONet, after: VirtIONet) -> tuple[Operation, ...]:
    """GUEST_OFFLOADS_SET, also when all offloads are on again."""
    old, new = Settings.of(before), Settings.of(after)
    return () if old.offloads == new.offloads else tuple(_offloads(new))


def send_rx_mode(before: VirtIONet, after: VirtIONet) -> tuple[Operation, ...]:
    """One command for each mode that the card must change, in both directions."""
    if not _modes_changed(before, after):
        return ()
    return tuple(_modes(Settings.of(before), Settings.of(after), "rx_mode"))


def send_vlan(before: VirtIONet, after: VirtIONet) -> tuple[Operation, ...]:
    """VLAN_ADD and VLAN_DEL for each VLAN that changed: there is no command for many."""
    return tuple(_vlans(Settings.of(before).vlans, Settings.of(after)))


SENDERS = {
    "mac": send_mac,
    "mac_table": send_mac_table,
    "queue_pairs": send_queue_pairs,
    "rss": send_rss,
    "guest_offloads": send_guest_offloads,
    "rx_mode": send_rx_mode,
    "vlan": send_vlan,
}
"""The senders by the item each is for, in the order in which they are applied."""


def _modes_changed(before: VirtIONet, after: VirtIONet) -> bool:
    return any(getattr(before.net, mode) != getattr(after.net, mode) for mode in RX_MODES)


def _mac(after: Settings, otherwise: str | None = None) -> Iterator[Operation]:
    if NetFeatures.CTRL_MAC_ADDR in after.features:
        yield Operation("MAC_ADDR_SET", value=after.mac, item="mac")
    elif otherwise is not None:
        yield Operation(otherwise, value=after.mac, item="mac")


def _mac_table(after: Settings) -> Iterator[Operation]:
    if NetFeatures.CTRL_RX in after.features:
        yield Operation("MAC_TABLE_SET", value=(after.unicast, after.multicast), item="mac_table")


def _rss_config(after: Settings, item: str = "rss") -> Iterator[Operation]:
    """The value is (hash types, default queue, indirection table, queue pairs, key); of a hash report alone, without
    the middle three."""
    types, default, table, key = after.rss if after.rss is not None else (0, 0, (), "")
    if NetFeatures.RSS in after.features:
        yield Operation("RSS_CONFIG", value=(types, default, table, after.pairs, key), item=item)
    elif NetFeatures.HASH_REPORT in after.features:
        yield Operation("HASH_CONFIG", value=(types, key), item=item)


def _offloads(after: Settings) -> Iterator[Operation]:
    if NetFeatures.CTRL_GUEST_OFFLOADS in after.features:
        yield Operation("GUEST_OFFLOADS_SET", value=after.offloads, item="guest_offloads")


def _modes(before: Settings, after: Settings, item: str) -> Iterator[Operation]:
    for place, mode in enumerate(RX_MODES):
        if before.modes[place] != after.modes[place]:
            yield from _mode(after, mode, item)


def _mode(after: Settings, mode: str, item: str = "rx_mode") -> Iterator[Operation]:
    needed = NetFeatures.CTRL_RX_EXTRA if mode in EXTRA_MODES else NetFeatures.CTRL_RX
    if needed in after.features:
        yield Operation(mode.upper(), value=after.modes[RX_MODES.index(mode)], item=item)


def _vlans(before: frozenset[int], after: Settings) -> Iterator[Operation]:
    if NetFeatures.CTRL_VLAN in after.features:
        for vid in sorted(before ^ after.vlans):
            yield Operation("VLAN_ADD" if vid in after.vlans else "VLAN_DEL", value=vid, item="vlan")
