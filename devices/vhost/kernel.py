"""The ABI of Linux's vhost: the structures its ioctls take, the messages of its IOTLB, the numbers of the ioctls.

Facts from QEMU's copies of the kernel's headers, linux-headers/linux/vhost.h and
include/standard-headers/linux/vhost_types.h. Numbers are in the byte order of the host: little-endian here.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

from construct import this

from vmstate.devices.vhost.abi import (
    S32,
    U8,
    U16,
    U32,
    U64,
    LengthOf,
    Structure,
    array,
    int32,
    named,
    part,
    raw,
    structure,
    uint16,
    uint32,
    uint64,
    unused,
)

VHOST_FILE_UNBIND = -1
"""The descriptor that takes a ring's file away."""
PAGE_SIZE = 0x1000
"""What addresses and sizes of memory regions are multiples of."""


class VringFlags(IntFlag):
    """Flags of a ring's addresses."""

    LOG = 1
    """Writes to the used ring are logged."""


class Access(IntFlag):
    """What an entry of the IOTLB allows."""

    RO = 1
    WO = 2


class IotlbType(IntEnum):
    """What a message of the IOTLB says."""

    MISS = 1
    UPDATE = 2
    INVALIDATE = 3
    ACCESS_FAIL = 4
    BATCH_BEGIN = 5
    BATCH_END = 6


class BackendFeature(IntFlag):
    """The features of VHOST_GET_BACKEND_FEATURES."""

    IOTLB_MSG_V2 = 1 << 1
    IOTLB_BATCH = 1 << 2
    IOTLB_ASID = 1 << 3
    SUSPEND = 1 << 4
    RESUME = 1 << 5
    ENABLE_AFTER_DRIVER_OK = 1 << 6
    DESC_ASID = 1 << 7
    IOTLB_PERSIST = 1 << 8


@structure
class VringState(Structure):
    """vhost_vring_state: a number for a ring. Which number, the request says; for the enabling of a ring 0 or 1."""

    index: int = uint32()
    num: int = uint32()


@structure
class VringBase(VringState):
    """vhost_vring_state as the state of a ring that stands still: where the back end goes on.

    `num` of a split ring is the index of the next entry of the available ring to take, free-running. Of a packed ring
    it is two indices with their wrap counters.
    """

    @property
    def last_avail_idx(self) -> int:
        """Of a split ring: the next entry of the available ring to take."""
        return self.num & 0xFFFF

    @property
    def packed_avail(self) -> tuple[int, bool]:
        """Of a packed ring: the next descriptor to take, and the driver's wrap counter."""
        return self.num & 0x7FFF, bool(self.num >> 15 & 1)

    @property
    def packed_used(self) -> tuple[int, bool]:
        """Of a packed ring: the next descriptor to give back, and the device's wrap counter."""
        return self.num >> 16 & 0x7FFF, bool(self.num >> 31)


@structure
class VringGroup(VringState):
    """vhost_vring_state as the group of a ring: rings of one group share an address space."""

    @property
    def group(self) -> int:
        """The group."""
        return self.num


@structure
class GroupAsid(VringState):
    """vhost_vring_state as the address space of a group."""

    @property
    def group(self) -> int:
        """The group."""
        return self.index

    @property
    def asid(self) -> int:
        """The address space."""
        return self.num


@structure
class VringFile(Structure):
    """vhost_vring_file: a descriptor for a ring; -1 takes it away."""

    index: int = uint32()
    fd: int = int32()


@structure
class VringAddr(Structure):
    """vhost_vring_addr: where a ring lies in the address space of QEMU (or of the IOMMU), and what is logged of it."""

    index: int = uint32()
    flags: VringFlags = named(VringFlags, U32)
    desc_user_addr: int = uint64()
    used_user_addr: int = uint64()
    avail_user_addr: int = uint64()
    log_guest_addr: int = uint64()


@structure
class MemoryRegion(Structure):
    """vhost_memory_region: a part of guest memory, and where it lies in the address space of QEMU."""

    guest_phys_addr: int = uint64()
    memory_size: int = uint64()
    userspace_addr: int = uint64()
    flags_padding: int = uint64(default=0)


@structure
class Memory(Structure):
    """vhost_memory: guest memory, region by region."""

    nregions = LengthOf("regions", U32)
    padding: int = uint32(default=0)
    regions: tuple[MemoryRegion, ...] = array(MemoryRegion, this.nregions)


@structure
class IotlbMessage(Structure):
    """vhost_iotlb_msg: an entry of the IOTLB that is missed, set or taken away. Of a batch only the type counts."""

    iova: int = uint64()
    size: int = uint64()
    uaddr: int = uint64()
    perm: Access = named(Access, U8)
    type: IotlbType = named(IotlbType, U8)
    padding: bytes = unused(6, default=bytes(6))


class MessageType(IntEnum):
    """Which of the two messages a vhost device's file takes."""

    IOTLB_MSG = 1
    IOTLB_MSG_V2 = 2


@structure
class MessageV1(Structure):
    """vhost_msg: what is written to and read from the file of a vhost device."""

    type: MessageType = named(MessageType, S32, default=MessageType.IOTLB_MSG)
    padding: bytes = unused(4, default=bytes(4))
    iotlb: IotlbMessage = part(IotlbMessage)
    reserved: bytes = unused(32, default=bytes(32))


@structure
class MessageV2(Structure):
    """vhost_msg_v2: the same with the address space that it is for."""

    type: MessageType = named(MessageType, U32, default=MessageType.IOTLB_MSG_V2)
    asid: int = uint32(default=0)
    iotlb: IotlbMessage = part(IotlbMessage)
    reserved: bytes = unused(32, default=bytes(32))


@structure
class VdpaConfig(Structure):
    """vhost_vdpa_config: a piece of the configuration space, from `off` on."""

    off: int = uint32()
    len = LengthOf("buf", U32)
    buf: bytes = raw(this.len)


@structure
class IovaRange(Structure):
    """vhost_vdpa_iova_range: the first and the last address that can be mapped."""

    first: int = uint64()
    last: int = uint64()


@structure
class WorkerState(Structure):
    """vhost_worker_state: the id of a worker thread."""

    worker_id: int = uint32()


@structure
class VringWorker(Structure):
    """vhost_vring_worker: the worker thread of a ring."""

    index: int = uint32()
    worker_id: int = uint32()


@structure
class FeaturesArray(Structure):
    """vhost_features_array: features, 64 to a word."""

    count = LengthOf("features", U64)
    features: tuple[int, ...] = array(U64, this.count)


@structure
class ScsiTarget(Structure):
    """vhost_scsi_target: the target that a vhost-scsi device is bound to; its name ends at a NUL."""

    abi_version: int = int32()
    vhost_wwpn: bytes = raw(224)
    vhost_tpgt: int = uint16()
    reserved: int = uint16(default=0)


class Direction(IntFlag):
    """Which way the argument of an ioctl goes, seen from the program.

    Alpha, MIPS, PowerPC and SPARC have other numbers for it.
    """

    NONE = 0
    WRITE = 1
    READ = 2


MAGIC = 0xAF
"""VHOST_VIRTIO: the type byte of every ioctl here."""

_NONE, _W, _R, _WR = Direction.NONE, Direction.WRITE, Direction.READ, Direction.WRITE | Direction.READ


class Ioctl(IntEnum):
    """The ioctls by their numbers, computed from direction, number and argument.

    The argument is a structure, a number (a declaration of construct) or None.
    """

    direction: Direction
    nr: int
    argument: Any

    def __new__(cls, direction: Direction, nr: int, argument: Any = None) -> Ioctl:
        """Bits 30-31 direction, 16-29 size of the argument, 8-15 type, 0-7 number."""
        size = 0 if argument is None else getattr(argument, "layout", argument).sizeof()
        made = int.__new__(cls, direction << 30 | size << 16 | MAGIC << 8 | nr)
        made._value_ = int(made)
        made.direction = direction
        made.nr = nr
        made.argument = argument
        return made

    VHOST_GET_FEATURES = _R, 0x00, U64
    VHOST_SET_FEATURES = _W, 0x00, U64
    VHOST_SET_OWNER = _NONE, 0x01
    VHOST_RESET_OWNER = _NONE, 0x02
    VHOST_SET_MEM_TABLE = _W, 0x03, Memory
    VHOST_SET_LOG_BASE = _W, 0x04, U64
    VHOST_SET_LOG_FD = _W, 0x07, S32
    VHOST_NEW_WORKER = _R, 0x08, WorkerState
    VHOST_FREE_WORKER = _W, 0x09, WorkerState
    VHOST_SET_VRING_NUM = _W, 0x10, VringState
    VHOST_SET_VRING_ADDR = _W, 0x11, VringAddr
    VHOST_SET_VRING_BASE = _W, 0x12, VringBase
    VHOST_GET_VRING_BASE = _WR, 0x12, VringBase
    VHOST_SET_VRING_ENDIAN = _W, 0x13, VringState
    VHOST_GET_VRING_ENDIAN = _W, 0x14, VringState
    VHOST_ATTACH_VRING_WORKER = _W, 0x15, VringWorker
    VHOST_GET_VRING_WORKER = _WR, 0x16, VringWorker
    VHOST_SET_VRING_KICK = _W, 0x20, VringFile
    VHOST_SET_VRING_CALL = _W, 0x21, VringFile
    VHOST_SET_VRING_ERR = _W, 0x22, VringFile
    VHOST_SET_VRING_BUSYLOOP_TIMEOUT = _W, 0x23, VringState
    VHOST_GET_VRING_BUSYLOOP_TIMEOUT = _W, 0x24, VringState
    VHOST_SET_BACKEND_FEATURES = _W, 0x25, U64
    VHOST_GET_BACKEND_FEATURES = _R, 0x26, U64
    VHOST_NET_SET_BACKEND = _W, 0x30, VringFile
    VHOST_SCSI_SET_ENDPOINT = _W, 0x40, ScsiTarget
    VHOST_SCSI_CLEAR_ENDPOINT = _W, 0x41, ScsiTarget
    VHOST_SCSI_GET_ABI_VERSION = _W, 0x42, S32
    VHOST_SCSI_SET_EVENTS_MISSED = _W, 0x43, U32
    VHOST_SCSI_GET_EVENTS_MISSED = _W, 0x44, U32
    VHOST_VSOCK_SET_GUEST_CID = _W, 0x60, U64
    VHOST_VSOCK_SET_RUNNING = _W, 0x61, S32
    VHOST_VDPA_GET_DEVICE_ID = _R, 0x70, U32
    VHOST_VDPA_GET_STATUS = _R, 0x71, U8
    VHOST_VDPA_SET_STATUS = _W, 0x72, U8
    VHOST_VDPA_GET_CONFIG = _R, 0x73, VdpaConfig
    VHOST_VDPA_SET_CONFIG = _W, 0x74, VdpaConfig
    VHOST_VDPA_SET_VRING_ENABLE = _W, 0x75, VringState
    VHOST_VDPA_GET_VRING_NUM = _R, 0x76, U16
    VHOST_VDPA_SET_CONFIG_CALL = _W, 0x77, S32
    VHOST_VDPA_GET_IOVA_RANGE = _R, 0x78, IovaRange
    VHOST_VDPA_GET_CONFIG_SIZE = _R, 0x79, U32
    VHOST_VDPA_GET_AS_NUM = _R, 0x7A, U32
    VHOST_VDPA_GET_VRING_GROUP = _WR, 0x7B, VringGroup
    VHOST_VDPA_SET_GROUP_ASID = _W, 0x7C, GroupAsid
    VHOST_VDPA_SUSPEND = _NONE, 0x7D
    VHOST_VDPA_RESUME = _NONE, 0x7E
    VHOST_VDPA_GET_VRING_DESC_GROUP = _WR, 0x7F, VringGroup
    VHOST_VDPA_GET_VQS_COUNT = _R, 0x80, U32
    VHOST_VDPA_GET_GROUP_NUM = _R, 0x81, U32
    VHOST_VDPA_GET_VRING_SIZE = _WR, 0x82, VringState
    VHOST_GET_FEATURES_ARRAY = _R, 0x83, FeaturesArray
    VHOST_SET_FEATURES_ARRAY = _W, 0x83, FeaturesArray
    VHOST_SET_FORK_FROM_OWNER = _W, 0x84, U8
    VHOST_GET_FORK_FROM_OWNER = _R, 0x85, U8
