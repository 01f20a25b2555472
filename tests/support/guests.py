"""A guest with a network card, as QEMU's device model would have it: what its driver does, to a recorded state.

Each action is what a handler of QEMU does (hw/net/virtio-net.c, hw/virtio/virtio.c, hw/virtio/virtio-pci.c), reports
the event that a hook in it would report, and does nothing where the driver has not the feature for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from recorded import opened

from vmstate.devices.virtio.config import features_of
from vmstate.devices.virtio.core import Broken, Disabled, PackedVirtQueue, RingSize, RingSizes
from vmstate.devices.virtio.features import NetFeatures
from vmstate.devices.virtio.net import MAC_TABLE_ENTRIES, RSS_MAX_KEY_SIZE, MacAddress, Rss, VirtIONet
from vmstate.devices.virtio.net_control import all_offloads
from vmstate.devices.virtio.pci import NO_VECTOR, QUEUE_MAX
from vmstate.devices.virtio.status import DeviceStatus, NetStatus
from vmstate.early.source import Source
from vmstate.vmsd.state import facts_of

GUESTS = {
    "four pairs, RSS, features above 63": "pairs/qemu-11.1-mq4-rss-on-early.mig.xz",
    "four pairs, RSS": "pairs/qemu-7.2-mq4-rss-on-early.mig.xz",
    "one pair, filters": "qemu-7.2-q35-virtio-net-filters.mig.xz",
    "packed ring": "qemu-7.2-q35-virtio-net-packed.mig.xz",
    "legacy device": "qemu-7.2-pc-virtio-net-legacy.mig.xz",
    "MMIO": "qemu-7.2-microvm-virtio-net-mmio.mig.xz",
    "back-end state": "vhost-user/qemu-11.1-passt-early.mig.xz",
    "no driver": "qemu-11.1-q35-virtio-net-cold.mig.xz",
}
"""The recorded streams that guests start from."""

PACKED = NetFeatures.RING_PACKED
NOTHING = NetFeatures(0)


@cache
def recorded_section(guest: str) -> tuple[bytes, dict[str, Any]]:
    """The bytes of the card's section, and the facts to read them with."""
    with opened(GUESTS[guest]) as stream:
        state = next(section.state for section in stream.sections if section.name.endswith("/virtio-net"))
        return VirtIONet.vmsd.encode(state, force=True), dict(facts_of(state))


def card_of(guest: str) -> VirtIONet:
    """The card's state, of one's own."""
    data, facts = recorded_section(guest)
    state: VirtIONet = VirtIONet.vmsd.decode(data, facts=facts)
    return state


class Guest:
    """A driver, and QEMU around it. `source` is where its card is now."""

    def __init__(self, source: Source) -> None:
        self.source = source

    @property
    def card(self) -> VirtIONet:
        return self.source.device  # type: ignore[no-any-return]

    @property
    def features(self) -> NetFeatures:
        return NetFeatures(features_of(self.card.virtio))

    @property
    def is_up(self) -> bool:
        return bool(self.card.virtio.status & DeviceStatus.DRIVER_OK)

    def has(self, feature: NetFeatures) -> bool:
        return self.is_up and feature in self.features

    def does(self, event: str | None, how: Callable[[VirtIONet], None]) -> None:
        self.source.change(how, *([] if event is None else [event]))

    # The control queue.

    def set_mac(self, mac: bytes) -> None:
        if self.has(NetFeatures.CTRL_MAC_ADDR):
            self.does("MAC_ADDR_SET", lambda card: setattr(card.net, "mac", MacAddress(mac)))
        elif self.is_up and not self.has(NetFeatures.VERSION_1):
            self.does("config_write", lambda card: self._write_mac(card, mac))

    @staticmethod
    def _write_mac(card: VirtIONet, mac: bytes) -> None:
        card.virtio.config = bytes(mac) + card.virtio.config[6:]
        card.net.mac = MacAddress(mac)

    def set_mac_table(self, unicast: int, multicast: int, seed: int) -> None:
        def put(card: VirtIONet) -> None:
            uni = [bytes([2, 0, seed, 0, 0, number]) for number in range(unicast)]
            multi = [bytes([1, 0, seed, 0, 0, number]) for number in range(multicast)]
            card.net.uni_overflow = int(len(uni) > MAC_TABLE_ENTRIES)
            kept = [] if card.net.uni_overflow else uni
            card.net.multi_overflow = int(len(kept) + len(multi) > MAC_TABLE_ENTRIES)
            card.net.mac_table = [*kept, *([] if card.net.multi_overflow else multi)]

        if self.has(NetFeatures.CTRL_RX):
            self.does("MAC_TABLE_SET", put)

    def set_mode(self, mode: str, on: bool) -> None:
        extra = mode not in ("promisc", "allmulti")
        if self.has(NetFeatures.CTRL_RX_EXTRA if extra else NetFeatures.CTRL_RX):
            self.does(mode.upper(), lambda card: setattr(card.net, mode, int(on)))

    def set_vlan(self, vid: int, on: bool) -> None:
        def put(card: VirtIONet) -> None:
            words = list(card.net.vlans)
            words[vid >> 5] = words[vid >> 5] | 1 << (vid & 31) if on else words[vid >> 5] & ~(1 << (vid & 31))
            card.net.vlans = words

        if self.has(NetFeatures.CTRL_VLAN):
            self.does("VLAN_ADD" if on else "VLAN_DEL", put)

    def set_pairs(self, pairs: int) -> None:
        most = self.card.net.max_queue_pairs or 1
        if self.has(NetFeatures.MQ) and pairs <= most:
            self.does("VQ_PAIRS_SET", lambda card: self._pairs(card, pairs, None))

    def set_rss(self, pairs: int, table: Sequence[int], types: int) -> None:
        most = self.card.net.max_queue_pairs or 1
        if self.has(NetFeatures.RSS) and self.has(NetFeatures.MQ) and pairs <= most:
            scaling = self._scaling(types, table, redirect=True) if types else None
            self.does("RSS_CONFIG", lambda card: self._pairs(card, pairs, scaling))

    def set_hash(self, types: int) -> None:
        if self.has(NetFeatures.HASH_REPORT):
            scaling = self._scaling(types, [0], redirect=False) if types else None
            pairs = self.card.net.curr_queue_pairs or 1
            self.does("HASH_CONFIG", lambda card: self._pairs(card, pairs, scaling))

    def _scaling(self, types: int, table: Sequence[int], *, redirect: bool) -> Rss:
        old = self.card.virtio.virtio.features128 is None
        scaling = Rss(
            enabled=True,
            redirect=redirect,
            populate_hash=not redirect,
            hash_types=types,
            supported_hash_types=None if old else 511,
            indirections_len=len(table),
            default_queue=0,
            key=bytes([types]) * RSS_MAX_KEY_SIZE,
            indirections_table=list(table),
        )
        if old:
            # QEMU of that time sends version 1.
            data = Rss.vmsd.encode(scaling, version_id=1)
            scaling = Rss.vmsd.decode(data, version_id=1)
        return scaling

    @staticmethod
    def _pairs(card: VirtIONet, pairs: int, scaling: Rss | None) -> None:
        card.net.rss = scaling
        if card.net.curr_queue_pairs is None or card.net.curr_queue_pairs == pairs:
            return
        card.net.curr_queue_pairs = pairs
        flags = list(card.net.tx_waiting.vqs_1)[: pairs - 1]
        waiting = type(card.net.vqs)
        card.net.tx_waiting.vqs_1 = [*flags, *(waiting(tx_waiting=0) for _ in range(pairs - 1 - len(flags)))]

    def set_offloads(self, mask: int) -> None:
        if self.has(NetFeatures.CTRL_GUEST_OFFLOADS):
            word = all_offloads(self.features) & mask
            self.does("GUEST_OFFLOADS_SET", lambda card: setattr(card.net, "curr_guest_offloads", word))

    # The card and the network.

    def set_link(self, up: bool) -> None:
        def put(card: VirtIONet) -> None:
            card.net.status = card.net.status | NetStatus.LINK_UP if up else card.net.status & ~NetStatus.LINK_UP

        self.does("set_link", put)

    def announce(self, on: bool) -> None:
        def put(card: VirtIONet) -> None:
            card.net.status = card.net.status | NetStatus.ANNOUNCE if on else card.net.status & ~NetStatus.ANNOUNCE

        if self.has(NetFeatures.GUEST_ANNOUNCE):
            self.does("announce", put)

    def read_config(self) -> None:
        """QEMU fills its buffer anew whenever the driver reads."""

        def put(card: VirtIONet) -> None:
            space = card.config_space
            space.mac = bytes(card.net.mac)
            if space.status is not None:
                space.status = int(card.net.status)
            card.config_space = space

        self.does(None, put)

    def send(self, queue: int, count: int) -> None:
        """The driver makes buffers available and the device takes them."""
        if not self.is_up or queue >= len(self.card.virtio.vq) or not self.card.virtio.vq[queue].desc:
            return

        def put(card: VirtIONet) -> None:
            body = card.virtio
            packed = body.virtio.packed_virtqueues
            if PACKED in self.features and packed is not None:
                entry: PackedVirtQueue = packed.vq[queue]
                num = body.vq[queue].num
                place = entry.last_avail_idx + count % num
                if place >= num:
                    entry.last_avail_wrap_counter = not entry.last_avail_wrap_counter
                entry.last_avail_idx = entry.used_idx = place % num
                entry.used_wrap_counter = entry.last_avail_wrap_counter
            body.vq[queue].last_avail_idx = (body.vq[queue].last_avail_idx + count) & 0xFFFF
            body.isr |= 1

        self.does(None, put)

    def wait(self, pair: int, on: bool) -> None:
        """Transmission is put off, or taken up again."""

        def put(card: VirtIONet) -> None:
            if pair == 0:
                card.net.vqs.tx_waiting = int(on)
            elif pair <= len(card.net.tx_waiting.vqs_1):
                card.net.tx_waiting.vqs_1[pair - 1].tx_waiting = int(on)

        if self.is_up:
            self.does(None, put)

    def select(self, queue: int, word: int) -> None:
        def put(card: VirtIONet) -> None:
            card.virtio.queue_sel = queue
            modern = _modern(card)
            if modern is not None:
                modern.dfselect = modern.gfselect = word

        self.does(None, put)

    # Interrupts and the bus.

    def steer(self, vector: int, address: int, masked: bool) -> None:
        def put(card: VirtIONet) -> None:
            entry = card.virtio.transport.msix_table[vector]
            entry.address, entry.control = address, int(masked)

        if vector < len(getattr(self.card.virtio.transport, "msix_table", ())):
            self.does("msix_write", put)

    def use_vector(self, queue: int, vector: int) -> None:
        def put(card: VirtIONet) -> None:
            if queue < len(card.virtio.vq):
                card.virtio.vq[queue].vector = vector
            else:
                card.virtio.transport.config_vector = vector

        if vector < len(getattr(self.card.virtio.transport, "msix_table", ())):
            self.does("vector_setup", put)

    def write_pci(self, master: bool) -> None:
        def put(card: VirtIONet) -> None:
            device = card.virtio.transport.pci_dev
            name = "conventional_config" if device.conventional_config is not None else "express_config"
            config = bytearray(getattr(device, name))
            config[4] = config[4] | 4 if master else config[4] & ~4
            setattr(device, name, bytes(config))

        if hasattr(self.card.virtio.transport, "pci_dev"):
            self.does("pci_config_write", put)

    # What goes wrong, and what begins again.

    def virtio_error(self) -> None:
        """QEMU finds something wrong: the device is broken until it is reset."""

        def put(card: VirtIONet) -> None:
            card.virtio.virtio.broken = Broken(broken=True)
            if NetFeatures.VERSION_1 in self.features:
                card.virtio.status |= DeviceStatus.NEEDS_RESET

        if self.is_up:
            self.does("virtio_error", put)

    def fail(self) -> None:
        """The driver has given up."""
        self.does("status_write", lambda card: setattr(card.virtio, "status", card.virtio.status | DeviceStatus.FAILED))

    def disable(self, off: bool) -> None:
        self.does(
            "status_write",
            lambda card: setattr(card.virtio.virtio, "disabled", Disabled(disabled=True) if off else None),
        )

    def restart_queue(self, queue: int, num: int, place: int) -> bool:
        """Reset one data queue and set it up elsewhere. Whether the driver can."""
        layout = self.source.layout
        if not (self.has(NetFeatures.RING_RESET) and queue < len(layout.rings)) or queue == layout.control:
            return False
        self.does("queue_setup", lambda card: _set_ring(card, queue, num, place))
        return True

    def reset(self, *, drop: NetFeatures = NOTHING, comes_back: bool = True, num: int = 256, place: int = 0) -> None:
        """A reset, by the driver or a reboot; and a driver that comes back, with fewer features or other rings."""
        features = self.features & ~drop
        self.source.reset(lambda card: _reset(card, features if comes_back else NOTHING, num, place, comes_back))

    def change_back_end_state(self, data: bytes) -> bool:
        """The back end has another state of its own."""
        if self.card.net.backend is None:
            return False
        self.does(None, lambda card: setattr(card.net.backend.backend, "pieces", [data]))
        return True


def _modern(card: VirtIONet) -> Any:
    """The registers of a modern PCI device."""
    extra = card.virtio.virtio.extra_state
    return None if extra is None else getattr(extra.extra_state, "modern_state", None)


def _registers(card: VirtIONet) -> Any:
    """The queues as the registers of a modern device show them."""
    extra = card.virtio.virtio.extra_state
    if extra is None:
        return None
    registers = getattr(extra.extra_state, "modern_state", None) or getattr(extra.extra_state, "state", None)
    return None if registers is None else registers.vqs


def _set_ring(card: VirtIONet, queue: int, num: int, place: int) -> None:
    """Set a queue up at a place, or take it away where there is none; the size that a reset brings back is kept."""
    body = card.virtio
    desc = 0x40000000 + 0x10000 * queue + place if place else 0
    avail, used = (desc + 0x4000, desc + 0x8000) if desc else (0, 0)
    ring = body.vq[queue]
    default = ring.num if body.virtio.ringsize is None else body.virtio.ringsize.vq[queue].num_default
    ring.num, ring.desc, ring.last_avail_idx = num, desc, 0
    if body.virtio.virtqueues is not None:
        body.virtio.virtqueues.vq[queue].avail, body.virtio.virtqueues.vq[queue].used = avail, used
    if body.virtio.packed_virtqueues is not None:
        body.virtio.packed_virtqueues.vq[queue] = PackedVirtQueue(
            last_avail_idx=0, last_avail_wrap_counter=True, used_idx=0, used_wrap_counter=True, inuse=0
        )
    registers = _registers(card)
    if registers is not None:
        entry = registers[queue]
        entry.num, entry.enabled = num, bool(desc)
        # The registers of virtio-mmio are two words each, the lower first.
        is_flat = isinstance(entry.desc, int)
        places = (desc, avail, used) if is_flat else ([desc, 0], [avail, 0], [used, 0])
        entry.desc, entry.avail, entry.used = places
    if num != default and body.virtio.ringsize is None:
        sizes = [queue.num for queue in body.vq]
        sizes[queue] = default
        body.virtio.ringsize = RingSizes(
            vq=[RingSize(num_default=sizes[at] if at < len(sizes) else 0) for at in range(QUEUE_MAX)]
        )
    _drop_default_sizes(card)


def _drop_default_sizes(card: VirtIONet) -> None:
    """The sizes are sent only while one was changed."""
    body = card.virtio
    sizes = body.virtio.ringsize
    if sizes is not None and all(queue.num == sizes.vq[at].num_default for at, queue in enumerate(body.vq)):
        body.virtio.ringsize = None


def _reset(card: VirtIONet, features: NetFeatures, num: int, place: int, comes_back: bool) -> None:
    body, net = card.virtio, card.net
    up = DeviceStatus.ACKNOWLEDGE | DeviceStatus.DRIVER | DeviceStatus.DRIVER_OK
    if NetFeatures.VERSION_1 in features:
        up |= DeviceStatus.FEATURES_OK
    body.status = up if comes_back else DeviceStatus(0)
    body.isr = body.queue_sel = 0
    body.virtio.broken = body.virtio.disabled = None
    sizes = body.virtio.ringsize
    for queue, ring in enumerate(body.vq):
        default = ring.num if sizes is None else sizes.vq[queue].num_default
        _set_ring(card, queue, num if comes_back else default, place + 0x1000 if comes_back else 0)
        if ring.vector is not None and not comes_back:
            ring.vector = NO_VECTOR
    if getattr(body.transport, "config_vector", None) is not None and not comes_back:
        body.transport.config_vector = NO_VECTOR
    _set_features(card, features)
    net.promisc, net.allmulti, net.alluni, net.nomulti, net.nouni, net.nobcast = 1, 0, 0, 0, 0, 0
    net.mac_table, net.uni_overflow, net.multi_overflow = [], 0, 0
    net.status &= ~NetStatus.ANNOUNCE
    net.vlans = [0 if NetFeatures.CTRL_VLAN in features else 0xFFFFFFFF] * 128
    Guest._pairs(card, 1, None)
    net.curr_guest_offloads = all_offloads(features) if NetFeatures.CTRL_GUEST_OFFLOADS in features else None


def _set_features(card: VirtIONet, features: NetFeatures) -> None:
    body = card.virtio
    body.guest_features = int(features) & 0xFFFFFFFF
    if body.virtio.features64 is not None:
        body.virtio.features64.guest_features = int(features) & (1 << 64) - 1
    if body.virtio.features128 is not None:
        body.virtio.features128.guest_features = int(features) >> 64
    card.net.mergeable_rx_bufs = int(NetFeatures.MRG_RXBUF in features)
    modern = _modern(card)
    if modern is not None:
        modern.guest_features = [int(features) & 0xFFFFFFFF, int(features) >> 32 & 0xFFFFFFFF]
        if int(features) >> 64 == 0:
            modern.features128 = None
