"""The messages of vhost-user, the protocol between QEMU (the front end) and a back end in another process.

A message is a header (request, flags, size) and a payload. Descriptors go beside it and are no part of it. There are
two channels, each with its own requests: on the first the front end asks and the back end answers, on the other, which
SET_BACKEND_REQ_FD opens, the back end asks. A reply has the number of its request and the reply flag.

Facts from QEMU 10.2.50: docs/interop/vhost-user.rst for the protocol, hw/virtio/vhost-user.c for what a real front end
sends and accepts, include/system/cryptodev.h for the sessions of crypto devices. Shared memory regions
(GET_SHMEM_CONFIG, SHMEM_MAP, SHMEM_UNMAP) are newer: from the patches on QEMU's mailing list of 2025 and 2026, not seen
in use. Numbers are in the byte order of the host: little-endian here, as in every recorded transcript.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from typing import ClassVar, Literal
from uuid import UUID

from construct import this

from vmstate.devices.vhost.abi import (
    U32,
    U56,
    U64,
    LengthOf,
    Octets,
    OneOf,
    Rest,
    Structure,
    Uuid,
    array,
    int64,
    member,
    named,
    octets,
    raw,
    structure,
    uint8,
    uint16,
    uint32,
    uint64,
    unused,
)
from vmstate.devices.vhost.kernel import IotlbMessage, VringAddr, VringBase, VringState
from vmstate.errors import DecodeError, EncodeError, TruncatedError
from vmstate.vmsd.data import Value

VERSION = 1
"""The version of the protocol, in the flags of every message."""
TABLE_SLOTS = 8
"""VHOST_MEMORY_BASELINE_NREGIONS: the regions that there is a place for in the memory table of the specification."""
SHMEM_REGIONS = 256
"""The shared memory regions that a device can have."""
AKCIPHER_CREATE_SESSION = 0x404
"""VIRTIO_CRYPTO_AKCIPHER_CREATE_SESSION: the operation that makes an asymmetric session; all others are symmetric."""


class FrontendRequest(IntEnum):
    """What the front end asks."""

    GET_FEATURES = 1
    SET_FEATURES = 2
    SET_OWNER = 3
    RESET_OWNER = 4
    SET_MEM_TABLE = 5
    SET_LOG_BASE = 6
    SET_LOG_FD = 7
    SET_VRING_NUM = 8
    SET_VRING_ADDR = 9
    SET_VRING_BASE = 10
    GET_VRING_BASE = 11
    SET_VRING_KICK = 12
    SET_VRING_CALL = 13
    SET_VRING_ERR = 14
    GET_PROTOCOL_FEATURES = 15
    SET_PROTOCOL_FEATURES = 16
    GET_QUEUE_NUM = 17
    SET_VRING_ENABLE = 18
    SEND_RARP = 19
    NET_SET_MTU = 20
    SET_BACKEND_REQ_FD = 21
    IOTLB_MSG = 22
    SET_VRING_ENDIAN = 23
    GET_CONFIG = 24
    SET_CONFIG = 25
    CREATE_CRYPTO_SESSION = 26
    CLOSE_CRYPTO_SESSION = 27
    POSTCOPY_ADVISE = 28
    POSTCOPY_LISTEN = 29
    POSTCOPY_END = 30
    GET_INFLIGHT_FD = 31
    SET_INFLIGHT_FD = 32
    GPU_SET_SOCKET = 33
    RESET_DEVICE = 34
    VRING_KICK = 35
    GET_MAX_MEM_SLOTS = 36
    ADD_MEM_REG = 37
    REM_MEM_REG = 38
    SET_STATUS = 39
    GET_STATUS = 40
    GET_SHARED_OBJECT = 41
    SET_DEVICE_STATE_FD = 42
    CHECK_DEVICE_STATE = 43
    GET_SHMEM_CONFIG = 44


class BackendRequest(IntEnum):
    """What the back end asks."""

    IOTLB_MSG = 1
    CONFIG_CHANGE_MSG = 2
    VRING_HOST_NOTIFIER_MSG = 3
    VRING_CALL = 4
    VRING_ERR = 5
    SHARED_OBJECT_ADD = 6
    SHARED_OBJECT_REMOVE = 7
    SHARED_OBJECT_LOOKUP = 8
    SHMEM_MAP = 9
    SHMEM_UNMAP = 10


class MessageFlags(IntFlag):
    """The flags of a message; the lowest two bits are the version of the protocol, which is 1."""

    VERSION_1 = 1
    REPLY = 1 << 2
    NEED_REPLY = 1 << 3


class ProtocolFeature(IntFlag):
    """What front end and back end can agree on beside the device's features."""

    MQ = 1 << 0
    LOG_SHMFD = 1 << 1
    RARP = 1 << 2
    REPLY_ACK = 1 << 3
    MTU = 1 << 4
    BACKEND_REQ = 1 << 5
    CROSS_ENDIAN = 1 << 6
    CRYPTO_SESSION = 1 << 7
    PAGEFAULT = 1 << 8
    CONFIG = 1 << 9
    BACKEND_SEND_FD = 1 << 10
    HOST_NOTIFIER = 1 << 11
    INFLIGHT_SHMFD = 1 << 12
    RESET_DEVICE = 1 << 13
    INBAND_NOTIFICATIONS = 1 << 14
    CONFIGURE_MEM_SLOTS = 1 << 15
    STATUS = 1 << 16
    XEN_MMAP = 1 << 17
    SHARED_OBJECT = 1 << 18
    DEVICE_STATE = 1 << 19
    GET_VRING_BASE_INFLIGHT = 1 << 20


class FdFlags(IntFlag):
    """What stands above the lowest byte of a word that goes with a descriptor: bit 8 of the word is bit 0 here."""

    INVALID_FD = 1
    """No descriptor goes with it."""


class XenMapFlags(IntFlag):
    """How a region of a Xen guest is mapped."""

    FOREIGN = 1 << 0
    GRANT = 1 << 1
    NO_ADVANCE_MAP = 1 << 8


class ConfigFlags(IntFlag):
    """Why the configuration space is read or written; 0 is the front end's ordinary way."""

    MIGRATION = 1


class MmapFlags(IntFlag):
    """How a piece of a shared memory region is mapped."""

    RW = 1


class TransferDirection(IntEnum):
    """Which way the state of a back end goes."""

    SAVE = 0
    LOAD = 1


class TransferPhase(IntEnum):
    """When the state of a back end goes."""

    STOPPED = 0


# ---------------------------------------------------------------------------------------------------------------------
# The payloads; those that Linux's vhost has too are in `kernel`.


@structure
class Header(Structure):
    """The 12 bytes in front of every payload; `size` is that of the payload."""

    request: int = uint32()
    flags: MessageFlags = named(MessageFlags, U32)
    size: int = uint32()


@structure
class Ack(Structure):
    """The reply to a request that has no reply of its own: 0 is success. NEED_REPLY asks for it."""

    status: int = uint64(default=0)


@structure
class U64Value(Structure):
    """A number: features, an MTU, a number of queues, a device status."""

    value: int = uint64()


@structure
class ProtocolFeatures(Structure):
    """The features of the protocol, not of the device."""

    features: ProtocolFeature = named(ProtocolFeature, U64)


@structure
class VringFd(Structure):
    """A ring, with a descriptor that goes beside the message. A ring without one is polled."""

    index: int = uint8()
    flags: FdFlags = named(FdFlags, U56, default=FdFlags(0))


@structure
class VringArea(Structure):
    """Where the page lies that a driver writes to instead of being trapped: bytes of the descriptor beside it."""

    index: int = uint8()
    flags: FdFlags = named(FdFlags, U56, default=FdFlags(0))
    size: int = uint64()
    offset: int = uint64()


@structure
class Rarp(Structure):
    """The MAC address for which the back end sends a fake RARP when a migration has ended."""

    mac: bytes = raw(6)
    padding: bytes = unused(2, default=bytes(2))


@structure
class MemoryRegion(Structure):
    """A part of guest memory: where it lies in the guest, in the front end, in the descriptor beside the message."""

    guest_phys_addr: int = uint64()
    memory_size: int = uint64()
    userspace_addr: int = uint64()
    mmap_offset: int = uint64()


@structure
class XenMemoryRegion(MemoryRegion):
    """A part of a Xen guest's memory, where XEN_MMAP was agreed on."""

    xen_mmap_flags: XenMapFlags = named(XenMapFlags, U32)
    domid: int = uint32()


@structure
class SingleRegion(Structure):
    """One region to add or to remove."""

    padding: int = uint64(default=0)
    region: MemoryRegion = member(MemoryRegion.layout)


@structure
class XenSingleRegion(Structure):
    """One region of a Xen guest to add or to remove."""

    padding: int = uint64(default=0)
    region: XenMemoryRegion = member(XenMemoryRegion.layout)


class RegionTable(Structure):
    """What the two tables have in common."""

    __slots__ = ()
    region: ClassVar[type[MemoryRegion]]

    @classmethod
    def sizes(cls) -> str:
        """How long it can be, in words."""
        return f"8 bytes and {cls.region.sizeof()} for each region or for {TABLE_SLOTS}"

    @classmethod
    def fits(cls, data: memoryview) -> bool:
        """Whether these bytes are as long as the number of regions says, or as a table with all its slots."""
        count = int.from_bytes(data[:4], "little")
        slots = (len(data) - 8) / cls.region.sizeof()
        return count == slots or count < slots == TABLE_SLOTS


@structure
class MemoryTable(RegionTable):
    """All regions of guest memory. QEMU sends those that there are; the specification's table has eight slots.

    `spare` is what stands in the slots without a region, and on its own (`decode`) takes all that is left of the data.
    """

    nregions = LengthOf("regions", U32)
    padding: int = uint32(default=0)
    regions: tuple[MemoryRegion, ...] = array(MemoryRegion, this.nregions)
    spare: bytes = member(Rest(), default=b"")
    region = MemoryRegion


@structure
class XenMemoryTable(RegionTable):
    """All regions of a Xen guest's memory."""

    nregions = LengthOf("regions", U32)
    padding: int = uint32(default=0)
    regions: tuple[XenMemoryRegion, ...] = array(XenMemoryRegion, this.nregions)
    spare: bytes = member(Rest(), default=b"")
    region = XenMemoryRegion


@structure
class Log(Structure):
    """Where the log of dirty pages lies in the descriptor beside it: a bit for each page of 4 KiB."""

    mmap_size: int = uint64()
    mmap_offset: int = uint64()


@structure
class Config(Structure):
    """A piece of the device's configuration space, from `offset` on. To be read it is sent with any content."""

    offset: int = uint32()
    size = LengthOf("region", U32)
    flags: ConfigFlags = named(ConfigFlags, U32, default=ConfigFlags(0))
    region: bytes = raw(this.size)

    @classmethod
    def sizes(cls) -> str:
        """How long it can be, in words."""
        return "12 bytes and as many more as its size says"

    @classmethod
    def fits(cls, data: memoryview) -> bool:
        """Whether these bytes are as long as the size of the piece says."""
        return len(data) >= cls.sizeof() and len(data) == cls.sizeof() + int.from_bytes(data[4:8], "little")


@structure
class Inflight(Structure):
    """Where the account of requests in flight lies in the descriptor beside it, and for how many queues it is."""

    mmap_size: int = uint64()
    mmap_offset: int = uint64()
    num_queues: int = uint16()
    queue_size: int = uint16()
    padding: bytes = unused(4, default=bytes(4))


@structure
class SharedObject(Structure):
    """The UUID of an object (a dma-buf) that a back end shares with others."""

    uuid: UUID = member(Uuid())


@structure
class DeviceStateTransfer(Structure):
    """The state of the back end is to go through the descriptor beside it."""

    direction: TransferDirection = named(TransferDirection, U32)
    phase: TransferPhase = named(TransferPhase, U32, default=TransferPhase.STOPPED)


@structure
class DeviceStateReply(Structure):
    """Whether the back end agrees (status 0), and whether another descriptor beside it is to be used instead."""

    status: int = uint8(default=0)
    flags: FdFlags = named(FdFlags, U56, default=FdFlags.INVALID_FD)


@structure
class ShmemConfig(Structure):
    """The sizes of the shared memory regions, by their ids; 0 where there is none."""

    nregions: int = uint32()
    padding: int = uint32(default=0)
    memory_sizes: tuple[int, ...] = array(U64, SHMEM_REGIONS)


@structure
class Mmap(Structure):
    """A piece of the descriptor beside it that is to be mapped in a shared memory region, or taken away."""

    shmid: int = uint8()
    padding: bytes = unused(7, default=bytes(7))
    fd_offset: int = uint64()
    shm_offset: int = uint64()
    len: int = uint64()
    flags: MmapFlags = named(MmapFlags, U64, default=MmapFlags(0))


@structure
class SymmetricSession(Structure):
    """Ciphers, hashes and MACs. The pointers are the front end's own; what they point at follows."""

    cipher_alg: int = uint32()
    key_len: int = uint32()
    hash_alg: int = uint32()
    hash_result_len: int = uint32()
    auth_key_len: int = uint32()
    add_len: int = uint32()
    op_type: int = uint8()
    direction: int = uint8()
    hash_mode: int = uint8()
    alg_chain_order: int = uint8()
    alignment: bytes = unused(4, default=bytes(4))
    cipher_key_pointer: int = uint64(default=0)
    auth_key_pointer: int = uint64(default=0)
    cipher_key: bytes = raw(64)
    auth_key: bytes = raw(512)
    padding: bytes = unused(432, default=bytes(432))


@structure
class AsymmetricSession(Structure):
    """RSA and its like. The pointer is the front end's own; what it points at follows."""

    algo: int = uint32()
    keytype: int = uint32()
    keylen: int = uint32()
    alignment: bytes = unused(4, default=bytes(4))
    key_pointer: int = uint64(default=0)
    rsa_padding_algo: int = uint32()
    rsa_hash_algo: int = uint32()
    key: bytes = raw(1024)


@structure
class CryptoSession(Structure):
    """A session of a crypto device to be made, as QEMU lays it out on a 64-bit host; its id is negative on failure.

    The specification leaves the layout open.
    """

    op_code: int = uint64()
    session: SymmetricSession | AsymmetricSession = member(
        OneOf(this.op_code, {AKCIPHER_CREATE_SESSION: AsymmetricSession.layout}, SymmetricSession.layout)
    )
    session_id: int = int64(default=0)


# ---------------------------------------------------------------------------------------------------------------------
# Which request has which payloads.

Kind = type[Structure] | None


class Payloads(Value):
    """The payloads that a request and its reply can have; None is no payload. The first that fits is meant."""

    request: tuple[Kind, ...]
    reply: tuple[Kind, ...]


NOTHING: tuple[Kind, ...] = (None,)
ACK: tuple[Kind, ...] = (Ack,)
# In postcopy the back end answers with the addresses of its own mappings, which the front end acknowledges.
TABLE: tuple[Kind, ...] = (Ack, MemoryTable, XenMemoryTable)
REGION: tuple[Kind, ...] = (Ack, SingleRegion, XenSingleRegion)

FRONTEND_PAYLOADS: Mapping[FrontendRequest, Payloads] = {
    FrontendRequest.GET_FEATURES: Payloads(NOTHING, (U64Value,)),
    FrontendRequest.SET_FEATURES: Payloads((U64Value,), ACK),
    FrontendRequest.SET_OWNER: Payloads(NOTHING, ACK),
    FrontendRequest.RESET_OWNER: Payloads(NOTHING, ACK),
    FrontendRequest.SET_MEM_TABLE: Payloads(TABLE, TABLE),
    # Without LOG_SHMFD it is an address. Back ends answer with what is left in their buffer: it is no status.
    FrontendRequest.SET_LOG_BASE: Payloads((Log, U64Value), (U64Value, None)),
    FrontendRequest.SET_LOG_FD: Payloads(NOTHING, ACK),
    FrontendRequest.SET_VRING_NUM: Payloads((VringState,), ACK),
    FrontendRequest.SET_VRING_ADDR: Payloads((VringAddr,), ACK),
    FrontendRequest.SET_VRING_BASE: Payloads((VringBase,), ACK),
    FrontendRequest.GET_VRING_BASE: Payloads((VringState,), (VringBase,)),
    FrontendRequest.SET_VRING_KICK: Payloads((VringFd,), ACK),
    FrontendRequest.SET_VRING_CALL: Payloads((VringFd,), ACK),
    FrontendRequest.SET_VRING_ERR: Payloads((VringFd,), ACK),
    FrontendRequest.GET_PROTOCOL_FEATURES: Payloads(NOTHING, (ProtocolFeatures,)),
    FrontendRequest.SET_PROTOCOL_FEATURES: Payloads((ProtocolFeatures,), ACK),
    FrontendRequest.GET_QUEUE_NUM: Payloads(NOTHING, (U64Value,)),
    FrontendRequest.SET_VRING_ENABLE: Payloads((VringState,), ACK),
    FrontendRequest.SEND_RARP: Payloads((Rarp,), ACK),
    FrontendRequest.NET_SET_MTU: Payloads((U64Value,), ACK),
    FrontendRequest.SET_BACKEND_REQ_FD: Payloads(NOTHING, ACK),
    FrontendRequest.IOTLB_MSG: Payloads((IotlbMessage,), ACK),
    FrontendRequest.SET_VRING_ENDIAN: Payloads((VringState,), ACK),
    # No payload at all is how a back end says that it failed.
    FrontendRequest.GET_CONFIG: Payloads((Config,), (Config, None)),
    FrontendRequest.SET_CONFIG: Payloads((Config,), ACK),
    FrontendRequest.CREATE_CRYPTO_SESSION: Payloads((CryptoSession,), (CryptoSession,)),
    FrontendRequest.CLOSE_CRYPTO_SESSION: Payloads((U64Value,), ACK),
    # The answer is a descriptor.
    FrontendRequest.POSTCOPY_ADVISE: Payloads(NOTHING, NOTHING),
    FrontendRequest.POSTCOPY_LISTEN: Payloads(NOTHING, ACK),
    FrontendRequest.POSTCOPY_END: Payloads(NOTHING, ACK),
    FrontendRequest.GET_INFLIGHT_FD: Payloads((Inflight,), (Inflight,)),
    FrontendRequest.SET_INFLIGHT_FD: Payloads((Inflight,), ACK),
    FrontendRequest.GPU_SET_SOCKET: Payloads(NOTHING, ACK),
    FrontendRequest.RESET_DEVICE: Payloads(NOTHING, ACK),
    FrontendRequest.VRING_KICK: Payloads((VringState,), ACK),
    FrontendRequest.GET_MAX_MEM_SLOTS: Payloads(NOTHING, (U64Value,)),
    FrontendRequest.ADD_MEM_REG: Payloads(REGION, REGION),
    FrontendRequest.REM_MEM_REG: Payloads((SingleRegion, XenSingleRegion), ACK),
    FrontendRequest.SET_STATUS: Payloads((U64Value,), ACK),
    FrontendRequest.GET_STATUS: Payloads(NOTHING, (U64Value,)),
    # QEMU says 0 for the size, so that the UUID stays behind. The answer is a descriptor; libvhost-user sends back what
    # it was sent.
    FrontendRequest.GET_SHARED_OBJECT: Payloads((SharedObject, None), (None, SharedObject)),
    FrontendRequest.SET_DEVICE_STATE_FD: Payloads((DeviceStateTransfer,), (DeviceStateReply,)),
    FrontendRequest.CHECK_DEVICE_STATE: Payloads(NOTHING, ACK),
    FrontendRequest.GET_SHMEM_CONFIG: Payloads(NOTHING, (ShmemConfig,)),
}

BACKEND_PAYLOADS: Mapping[BackendRequest, Payloads] = {
    BackendRequest.IOTLB_MSG: Payloads((IotlbMessage,), ACK),
    BackendRequest.CONFIG_CHANGE_MSG: Payloads(NOTHING, ACK),
    BackendRequest.VRING_HOST_NOTIFIER_MSG: Payloads((VringArea,), ACK),
    BackendRequest.VRING_CALL: Payloads((VringState,), ACK),
    BackendRequest.VRING_ERR: Payloads((VringState,), ACK),
    BackendRequest.SHARED_OBJECT_ADD: Payloads((SharedObject,), ACK),
    BackendRequest.SHARED_OBJECT_REMOVE: Payloads((SharedObject,), ACK),
    # A descriptor goes beside the answer.
    BackendRequest.SHARED_OBJECT_LOOKUP: Payloads((SharedObject,), ACK),
    BackendRequest.SHMEM_MAP: Payloads((Mmap,), ACK),
    BackendRequest.SHMEM_UNMAP: Payloads((Mmap,), ACK),
}

CHANNELS: Mapping[str, type[FrontendRequest] | type[BackendRequest]] = {
    "frontend": FrontendRequest,
    "backend": BackendRequest,
}


# ---------------------------------------------------------------------------------------------------------------------
# The message.


class Message(Value):
    """A message with what is in it.

    `request` also tells the channel, by its type. Flags without a name are kept. `payload` is None where there is none.
    """

    request: FrontendRequest | BackendRequest
    payload: Structure | None = None
    flags: MessageFlags = MessageFlags.VERSION_1

    @property
    def is_reply(self) -> bool:
        """Whether it answers a request."""
        return MessageFlags.REPLY in self.flags

    @property
    def needs_reply(self) -> bool:
        """Whether an answer is asked for that the request would not have by itself."""
        return MessageFlags.NEED_REPLY in self.flags

    @classmethod
    def decode(cls, data: Octets, *, channel: Literal["frontend", "backend"] = "frontend") -> Message:
        """Read a message: `data` is its header and its payload, and nothing else.

        `channel` is who asks on the socket the bytes are of; the replies on it are the other's. Raises
        `TruncatedError` where bytes are missing (`needed` says how long the message is), `DecodeError` for a version
        other than 1, an unknown request, a size that is not the payload's, and a value that has no meaning.
        """
        view = octets(data)
        header = Header.decode(view)
        _check_version(header.flags, DecodeError)
        request = _request(header.request, channel)
        _check_length(view, header.size)
        return cls(request, _payload(view, request, header.flags), header.flags)

    def encode(self) -> bytes:
        """Write the header and the payload.

        Raises `EncodeError` for a payload that is not the request's, a version other than 1, and a value that its
        member cannot hold.
        """
        _check_version(self.flags, EncodeError)
        kinds = _kinds(self.request, self.flags)
        payload_type = None if self.payload is None else type(self.payload)
        if payload_type not in kinds:
            shown = "nothing" if payload_type is None else payload_type.__name__
            raise _misplaced(EncodeError, self.request, kinds, shown, Header.sizeof())
        body = b"" if self.payload is None else self.payload.encode(offset=Header.sizeof())
        if _fitting(memoryview(body), kinds)[:1] != (payload_type,):
            # A table without a region, or with spare bytes that are no slots: it would be read as something else.
            raise _misplaced(EncodeError, self.request, kinds, f"{len(body)} bytes", Header.sizeof())
        return Header(request=self.request, flags=self.flags, size=len(body)).encode() + body


def _check_version(flags: MessageFlags, error: type[DecodeError] | type[EncodeError]) -> None:
    version = flags & 3
    if version != VERSION:
        raise error("a version that nobody speaks", path="flags", offset=4, expected="1", found=f"{int(version)}")


def _request(number: int, channel: str) -> FrontendRequest | BackendRequest:
    requests = CHANNELS.get(channel)
    if requests is None:
        raise DecodeError("no such channel", expected=" or ".join(CHANNELS), found=repr(channel))
    try:
        return requests(number)
    except ValueError:
        raise DecodeError(
            f"an unknown request of the {channel}",
            path="request",
            offset=0,
            expected=f"1 to {max(requests)}",
            found=f"{number}",
        ) from None


def _check_length(view: memoryview, size: int) -> None:
    end = Header.sizeof() + size
    if end > len(view):
        raise TruncatedError(
            "the data ends inside the payload",
            needed=end,
            offset=Header.sizeof(),
            expected=f"{size} bytes",
            found=f"{len(view) - Header.sizeof()}",
        )
    if end < len(view):
        raise DecodeError(
            "the data goes on behind the message",
            offset=end,
            expected="its end",
            found=f"{len(view) - end} more bytes",
        )


def _kinds(request: FrontendRequest | BackendRequest, flags: MessageFlags) -> tuple[Kind, ...]:
    """The payloads that a message with these flags can have."""
    both = FRONTEND_PAYLOADS[request] if isinstance(request, FrontendRequest) else BACKEND_PAYLOADS[request]
    return both.reply if MessageFlags.REPLY in flags else both.request


def _fitting(body: memoryview, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """The kinds of payload that these bytes can be."""
    return tuple(kind for kind in kinds if (len(body) == 0 if kind is None else kind.fits(body)))


def _payload(view: memoryview, request: FrontendRequest | BackendRequest, flags: MessageFlags) -> Structure | None:
    kinds = _kinds(request, flags)
    body = view[Header.sizeof() :]
    fitting = _fitting(body, kinds)
    if not fitting:
        raise _misplaced(DecodeError, request, kinds, f"{len(body)} bytes", offset=8)
    kind = fitting[0]
    return None if kind is None else kind.decode(view, Header.sizeof())


def _misplaced(
    error: type[DecodeError] | type[EncodeError],
    request: FrontendRequest | BackendRequest,
    kinds: tuple[Kind, ...],
    found: str,
    offset: int,
) -> DecodeError | EncodeError:
    expected = " or ".join("nothing" if kind is None else f"{kind.__name__} ({kind.sizes()})" for kind in kinds)
    return error(
        f"the payload is none of {request.name}", path="payload", offset=offset, expected=expected, found=found
    )
