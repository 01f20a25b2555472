"""virtio-net.

Facts from QEMU's hw/net/virtio-net.c and include/hw/virtio/virtio-net.h.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vmstate.declare import (
    MACS,
    RELEASE,
    Feature,
    Release,
    VMState,
    array,
    boolean,
    buffer,
    description,
    fact,
    if_set,
    info,
    known_since,
    len_,
    max_,
    otherwise,
    part,
    rule,
    set_facts,
    struct,
    subsection,
    this,
    uint8,
    uint16,
    uint16_device,
    uint16_equal,
    uint32,
    uint32_device,
    uint32_host,
    uint64,
    unused_varray,
    up,
    varray,
    vbuffer,
    version_id,
    virtio_device,
    with_tmp,
)
from vmstate.devices.virtio.config import ConfigSpace, features_of, reaches
from vmstate.devices.virtio.core import BackendState, VirtIO, VirtIODevice, set_features, virtio_state
from vmstate.devices.virtio.status import NetStatus
from vmstate.devices.virtio.transport import VHOST
from vmstate.errors import EncodeError

if TYPE_CHECKING:
    from vmstate.devices.virtio.features import GuestOffloads, HashTypes, NetFeatures

FEATURES = (
    Feature(0, "VIRTIO_NET_F_CSUM"),
    Feature(1, "VIRTIO_NET_F_GUEST_CSUM"),
    Feature(2, "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS"),
    Feature(3, "VIRTIO_NET_F_MTU", property="host_mtu"),
    Feature(5, "VIRTIO_NET_F_MAC", property=None),
    Feature(7, "VIRTIO_NET_F_GUEST_TSO4"),
    Feature(8, "VIRTIO_NET_F_GUEST_TSO6"),
    Feature(9, "VIRTIO_NET_F_GUEST_ECN"),
    Feature(10, "VIRTIO_NET_F_GUEST_UFO"),
    Feature(11, "VIRTIO_NET_F_HOST_TSO4"),
    Feature(12, "VIRTIO_NET_F_HOST_TSO6"),
    Feature(13, "VIRTIO_NET_F_HOST_ECN"),
    Feature(14, "VIRTIO_NET_F_HOST_UFO"),
    Feature(15, "VIRTIO_NET_F_MRG_RXBUF"),
    Feature(16, "VIRTIO_NET_F_STATUS"),
    Feature(17, "VIRTIO_NET_F_CTRL_VQ"),
    Feature(18, "VIRTIO_NET_F_CTRL_RX"),
    Feature(19, "VIRTIO_NET_F_CTRL_VLAN"),
    Feature(20, "VIRTIO_NET_F_CTRL_RX_EXTRA"),
    Feature(21, "VIRTIO_NET_F_GUEST_ANNOUNCE"),
    Feature(22, "VIRTIO_NET_F_MQ"),
    Feature(23, "VIRTIO_NET_F_CTRL_MAC_ADDR"),
    Feature(53, "VIRTIO_NET_F_NOTF_COAL", Release(8, 2)),
    Feature(54, "VIRTIO_NET_F_GUEST_USO4", Release(8, 2)),
    # Up to 10.1 QEMU says GUEST_USO4 here too, but for stable releases of late 2025.
    Feature(55, "VIRTIO_NET_F_GUEST_USO6", Release(8, 2)),
    Feature(56, "VIRTIO_NET_F_HOST_USO", Release(8, 2)),
    Feature(57, "VIRTIO_NET_F_HASH_REPORT", property="hash"),
    Feature(60, "VIRTIO_NET_F_RSS"),
    Feature(61, "VIRTIO_NET_F_RSC_EXT", property="guest_rsc_ext"),
    Feature(62, "VIRTIO_NET_F_STANDBY", property="failover"),
    Feature(63, "VIRTIO_NET_F_SPEED_DUPLEX", property="speed"),
    Feature(6, "VIRTIO_NET_F_GSO"),
    Feature(27, "VHOST_NET_F_VIRTIO_NET_HDR", property=None, driver=False),
    *VHOST,
    Feature(65, "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO", Release(10, 2)),
    # QMP has one name for both bits.
    Feature(
        66,
        "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM",
        Release(10, 2),
        property="guest_udp_tunnel_gso",
        qmp="VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO",
    ),
    Feature(67, "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO", Release(10, 2)),
    Feature(68, "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM", Release(10, 2)),
    Feature(50, "VIRTIO_NET_F_DEVICE_STATS", None),
    Feature(52, "VIRTIO_NET_F_VQ_NOTF_COAL", None),
    Feature(59, "VIRTIO_NET_F_GUEST_HDRLEN", None),
)

MAC_TABLE_ENTRIES = 64
MAX_VLAN = 4096
MAX_QUEUE_PAIRS = 0x8000
"""The most pairs the virtio specification allows."""
RSS_MAX_KEY_SIZE = 40
CTRL_GUEST_OFFLOADS = 2
"""The feature bit with which a driver can change the offloads."""

RX_MODES = ("promisc", "allmulti", "alluni", "nomulti", "nouni", "nobcast")

MULTI_QUEUE = fact(
    "multi_queue",
    advice={
        True: "give the destination's device mq=on and its backend as many queues (queues=)",
        False: "give the destination's device mq=off",
    },
    proven=True,
)
"""Whether the host's device can have more than one queue pair: then the number of pairs is sent."""


class MacAddress(bytes):
    """Six bytes that read as an Ethernet address: `52:54:00:12:34:56`."""

    __slots__ = ()

    def __new__(cls, value: bytes | str = bytes(6)) -> MacAddress:
        raw = bytes.fromhex(value.replace(":", "")) if isinstance(value, str) else bytes(value)
        return super().__new__(cls, raw)

    def __str__(self) -> str:
        return self.hex(":")

    def __repr__(self) -> str:
        return f"MacAddress('{self}')"


@description("virtio-net config")
class VirtIONetConfig(VMState):
    """The configuration space: as many members as the features that the host offers need, at least the address."""

    mac: bytes = buffer(6)
    status: int | None = uint16_device(exists=reaches(8))
    max_virtqueue_pairs: int | None = uint16_device(exists=reaches(10))
    mtu: int | None = uint16_device(exists=reaches(12))
    speed: int | None = uint32_device(exists=reaches(16), doc="Mbit/s; -1 as a signed number: not known")
    duplex: int | None = uint8(exists=reaches(17), doc="0 half, 1 full, 255 not known")
    rss_max_key_size: int | None = uint8(exists=reaches(18))
    rss_max_indirection_table_length: int | None = uint16_device(exists=reaches(20))
    supported_hash_types: int | None = uint32_device(exists=reaches(24))


@description("virtio-net-queue-tx_waiting")
class TxWaiting(VMState):
    """Whether a transmit queue has work that waits for its timer or bottom half."""

    tx_waiting: int = uint32()


@description("virtio-net-vnet")
class HasVnetHdr(VMState):
    """Whether the back end takes a virtio header with each packet; the destination's must then too."""

    has_vnet_hdr: int = uint32(
        rules=(
            if_set(
                "virtio-net-vnet-hdr",
                "has_vnet_hdr",
                "the source's back end has virtio-net headers (vnet_hdr), the destination's has not",
                qemu_error="virtio-net: saved image requires vnet_hdr=on",
                advice="give the destination a back end with vnet_hdr, as a tap device has, or the source one without",
            ),
        )
    )


@description("virtio-net-ufo")
class HasUfo(VMState):
    """Whether the back end takes UDP fragmentation; the destination's must then too."""

    has_ufo: int = uint8(
        rules=(
            if_set(
                "virtio-net-ufo",
                "has_ufo",
                "the source's back end takes UDP fragmentation (UFO), the destination's does not",
                qemu_error="virtio-net: saved image requires TUN_F_UFO support",
                advice="the kernels of the two hosts differ here: "
                "set host_ufo=off,guest_ufo=off on the source's device",
            ),
        )
    )


@description("virtio-net-tx_waiting")
class TxWaitingRest(VMState):
    """The flags of the queue pairs behind the first."""

    vqs_1: list[TxWaiting] = varray(TxWaiting, count=max_(otherwise(up.curr_queue_pairs, 1), 1) - 1)


@description(
    "virtio-net-device/rss",
    version_id=2,
    minimum_version_id=1,
    rules=(
        rule(
            "virtio-net-rss-version",
            (version_id < 2) | (Release(11, 0) <= RELEASE),
            "version 2 is of release 11.0 and later",
        ),
    ),
)
class Rss(VMState):
    """Receive-side scaling or hash reports; sent while either is on."""

    enabled: bool = boolean(name="rss_data.enabled")
    redirect: bool = boolean(name="rss_data.redirect")
    populate_hash: bool = boolean(name="rss_data.populate_hash")
    hash_types: int = uint32(name="rss_data.runtime_hash_types")
    supported_hash_types: int | None = uint32(name="rss_data.supported_hash_types", version=2)
    indirections_len: int = uint16(name="rss_data.indirections_len")
    default_queue: int = uint16(name="rss_data.default_queue")
    key: bytes = buffer(RSS_MAX_KEY_SIZE, name="rss_data.key")
    indirections_table: list[int] = varray(
        uint16,
        count=this.indirections_len,
        name="rss_data.indirections_table",
        rules=(
            rule(
                "virtio-net-rss-table",
                len_(this.indirections_table) == this.indirections_len,
                "the indirection table has as many entries as indirections_len says",
            ),
        ),
    )

    @property
    def hashes(self) -> HashTypes:
        """The kinds of packets that are hashed: `hash_types` by name."""
        from vmstate.devices.virtio.features import HashTypes

        return HashTypes(self.hash_types)

    @hashes.setter
    def hashes(self, types: int) -> None:
        self.hash_types = int(types)


@description("virtio-net-device/backend", rules=(known_since(Release(10, 0)),))
class Backend(VMState):
    """The state of the vhost-user back end, where it can give it."""

    backend: BackendState = info("virtio-net vhost-user backend state", BackendState)


@part(provisional={"rss": None, "backend": None})
@description("virtio-net-device", version_id=11, minimum_version_id=11)
class VirtIONetDevice(VMState):
    """The network card."""

    mac: MacAddress = buffer(6, value=MacAddress)
    vqs: TxWaiting = struct(TxWaiting)
    mergeable_rx_bufs: int = uint32()
    status: NetStatus = uint16(value=NetStatus)
    promisc: int = uint8()
    allmulti: int = uint8()
    in_use: int = uint32(
        name="mac_table.in_use",
        rules=(
            rule(
                "virtio-net-mac-table",
                this.in_use <= MAC_TABLE_ENTRIES,
                f"a filter of more than {MAC_TABLE_ENTRIES} addresses is dropped: the device then takes all packets",
                mended=True,
            ),
            rule(
                "virtio-net-mac-table-count",
                (this.in_use < 1 << 31) | (Release(11, 1) > RELEASE),
                "as many addresses follow as are counted: 11.1 takes a count from 2**31 on for one",
            ),
        ),
    )
    macs: bytes | None = vbuffer(
        this.in_use,
        multiply=6,
        name="mac_table.macs",
        private=MACS,
        exists=this.in_use <= MAC_TABLE_ENTRIES,
        default=b"",
    )
    macs_too_many: None = unused_varray(
        # Up to 10.2 at least QEMU counts with an int: from 2**31 on there are none.
        6,
        count=this.in_use,
        exists=(this.in_use > MAC_TABLE_ENTRIES) & (this.in_use < 1 << 31),
    )
    vlans: list[int] = array(uint32_host, MAX_VLAN >> 5)
    has_vnet_hdr: HasVnetHdr = with_tmp(HasVnetHdr)
    multi_overflow: int = uint8(name="mac_table.multi_overflow")
    uni_overflow: int = uint8(name="mac_table.uni_overflow")
    alluni: int = uint8()
    nomulti: int = uint8()
    nouni: int = uint8()
    nobcast: int = uint8()
    has_ufo: HasUfo = with_tmp(HasUfo)
    max_queue_pairs: int | None = uint16_equal(exists=MULTI_QUEUE)
    curr_queue_pairs: int | None = uint16(
        exists=MULTI_QUEUE,
        rules=(
            rule(
                "virtio-net-queue-pairs",
                this.curr_queue_pairs <= this.max_queue_pairs,
                "no more queue pairs are in use than there are",
            ),
        ),
    )
    tx_waiting: TxWaitingRest = with_tmp(TxWaitingRest)
    curr_guest_offloads: int | None = uint64(exists=up.guest_features.has(CTRL_GUEST_OFFLOADS))
    rss: Rss | None = subsection(Rss)
    backend: Backend | None = subsection(Backend)

    @property
    def mac_table(self) -> list[MacAddress]:
        """The addresses of the receive filter: the unicast ones, then the multicast ones."""
        table = self.macs or b""
        return [MacAddress(table[start : start + 6]) for start in range(0, len(table), 6)]

    @mac_table.setter
    def mac_table(self, addresses: Iterable[bytes | str]) -> None:
        table = [MacAddress(address) for address in addresses]
        self.in_use = len(table)
        self.macs = b"".join(table)

    @property
    def vlan_ids(self) -> frozenset[int]:
        """The VLANs whose packets pass: bit `vid % 32` of word `vid // 32` of the map."""
        used = [(place << 5, word) for place, word in enumerate(self.vlans) if word]
        return frozenset(first + bit for first, word in used for bit in range(32) if word >> bit & 1)

    @vlan_ids.setter
    def vlan_ids(self, ids: Iterable[int]) -> None:
        words = [0] * (MAX_VLAN >> 5)
        for vid in ids:
            if not 0 <= vid < MAX_VLAN:
                raise EncodeError("no VLAN id", expected=f"0 to {MAX_VLAN - 1}", found=str(vid))
            words[vid >> 5] |= 1 << (vid & 31)
        self.vlans = words

    @property
    def offloads(self) -> GuestOffloads | None:
        """The offloads that are on: `curr_guest_offloads` by name; None where the driver cannot change them."""
        from vmstate.devices.virtio.features import GuestOffloads

        return None if self.curr_guest_offloads is None else GuestOffloads(self.curr_guest_offloads)

    @offloads.setter
    def offloads(self, offloads: int | None) -> None:
        self.curr_guest_offloads = None if offloads is None else int(offloads)

    @property
    def rx_modes(self) -> frozenset[str]:
        """The receive modes that are on: promisc, allmulti, alluni, nomulti, nouni, nobcast."""
        return frozenset(mode for mode in RX_MODES if getattr(self, mode))

    @rx_modes.setter
    def rx_modes(self, modes: Iterable[str]) -> None:
        wanted = set(modes)
        if wanted - set(RX_MODES):
            raise EncodeError("no receive mode", expected=", ".join(RX_MODES), found=", ".join(wanted - set(RX_MODES)))
        for mode in RX_MODES:
            setattr(self, mode, int(mode in wanted))


@description("virtio-net body")
class VirtIONetBody(VirtIODevice):
    """Everything a virtio-net device saves."""

    net: VirtIONetDevice = struct(VirtIONetDevice)
    virtio: VirtIO = virtio_state()


@virtio_device(
    "virtio-net",
    models="vmstate.devices.virtio.models:NET",
    id=1,
    features=FEATURES,
    items="vmstate.devices.virtio.net_items:ITEMS",
    answers="vmstate.devices.virtio.net_answers:ANSWERS",
    exercise="vmstate.devices.vhost.exercise:NET",
)
@description("virtio-net", version_id=11, minimum_version_id=11)
class VirtIONet(VMState):
    """A virtio-net device on any transport."""

    virtio: VirtIONetBody = info("virtio", VirtIONetBody)
    config_space = ConfigSpace(VirtIONetConfig)

    @property
    def net(self) -> VirtIONetDevice:
        """The network card itself."""
        return self.virtio.net

    @property
    def features(self) -> NetFeatures:
        """The features that the driver accepted."""
        # Some sixty names take as long to define as the rest of the device.
        from vmstate.devices.virtio.features import NetFeatures

        return NetFeatures(features_of(self.virtio))

    @features.setter
    def features(self, features: int) -> None:
        set_features(self.virtio, features)

    @property
    def queue_pairs(self) -> int:
        """The pairs of a receive and a transmit queue that the device has."""
        return self.net.max_queue_pairs or 1

    def with_queue_pairs(self, pairs: int) -> VirtIONet:
        """The same device as it would be with another number of queue pairs, all of them like the first.

        Where every queue has a vector of its own, the MSI-X table follows, in the PCI configuration space too.
        """
        if not 1 <= pairs <= MAX_QUEUE_PAIRS:
            raise EncodeError("no number of queue pairs", expected=f"1 to {MAX_QUEUE_PAIRS}", found=str(pairs))
        from copy import deepcopy

        state = deepcopy(self)
        body = state.virtio
        if len(body.vq) < 2:
            raise EncodeError("no driver has set up the queues yet", path="virtio.vq")
        control = body.vq[-1:] if len(body.vq) % 2 else []
        one_each = getattr(body.transport, "msix_table", None) and len(body.transport.msix_table) > len(body.vq)
        queues = [deepcopy(queue) for _ in range(pairs) for queue in body.vq[:2]] + control
        if one_each:
            body.transport.set_vectors(len(body.transport.msix_table) + len(queues) - len(body.vq))
        body.vq = queues
        body.num_queues = len(queues)
        state.net.max_queue_pairs = state.net.curr_queue_pairs = pairs
        state.net.tx_waiting.vqs_1 = [TxWaiting() for _ in range(pairs - 1)]
        set_facts(state, multi_queue=True)
        return state
