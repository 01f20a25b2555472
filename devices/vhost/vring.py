"""The rings of a virtqueue as they lie in guest memory, split and packed.

Facts from QEMU's include/standard-headers/linux/virtio_ring.h and hw/virtio/virtio.c. Numbers are little-endian, as in
every modern device; a legacy device of a big-endian guest has its rings in the order of the guest, and is no matter of
this module. An offset is one in the buffer that is given, an address one in the guest: who has the guest's memory maps
the one to the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntFlag
from typing import Generic, Self, TypeVar

import construct as cs
from construct import this

from vmstate.devices.vhost.abi import (
    U16,
    Layout,
    Octets,
    Structure,
    array,
    member,
    named,
    structure,
    uint16,
    uint32,
    uint64,
)
from vmstate.errors import DecodeError
from vmstate.vmsd.data import Data, Value

D = TypeVar("D")

QUEUE_SIZE_MAX = 1 << 15
"""The most descriptors a queue can have."""
DESC_ALIGN = 16
AVAIL_ALIGN = 2
USED_ALIGN = 4
EVENT_ALIGN = 4
"""What the addresses of the parts are multiples of: of the descriptors, of the split rings, of the packed events."""


class RingFeature(IntFlag):
    """The features of a device that concern its rings."""

    INDIRECT_DESC = 1 << 28
    EVENT_IDX = 1 << 29
    PACKED = 1 << 34


class DescFlags(IntFlag):
    """The flags of a descriptor; the last two only in a packed ring."""

    NEXT = 1
    WRITE = 2
    """The device writes to the buffer, and does not read it."""
    INDIRECT = 4
    """The buffer is a table of descriptors."""
    AVAIL = 1 << 7
    USED = 1 << 15


class AvailFlags(IntFlag):
    """The flags of a split available ring: what the driver asks for."""

    NO_INTERRUPT = 1


class UsedFlags(IntFlag):
    """The flags of a split used ring: what the device asks for."""

    NO_NOTIFY = 1


class EventFlags(IntFlag):
    """When the other side of a packed ring wants to be told; 0 is always."""

    DISABLE = 1
    DESC = 2
    """Once the descriptor that is named has been reached."""


@structure
class Desc(Structure):
    """vring_desc: a buffer of a split queue, by its address in the guest. `next` counts only with NEXT."""

    addr: int = uint64()
    len: int = uint32()
    flags: DescFlags = named(DescFlags, U16)
    next: int = uint16()


@structure
class PackedDesc(Structure):
    """vring_packed_desc: a buffer of a packed queue. `id` is the driver's name for the chain it ends."""

    addr: int = uint64()
    len: int = uint32()
    id: int = uint16()
    flags: DescFlags = named(DescFlags, U16)

    def is_available(self, wrap_counter: bool) -> bool:
        """Whether the driver has given it, seen by a device with this wrap counter."""
        return self._marks == (wrap_counter, not wrap_counter)

    def is_used(self, wrap_counter: bool) -> bool:
        """Whether the device has given it back, seen by a driver with this wrap counter."""
        return self._marks == (wrap_counter, wrap_counter)

    @property
    def _marks(self) -> tuple[bool, bool]:
        return DescFlags.AVAIL in self.flags, DescFlags.USED in self.flags


@structure
class PackedDescEvent(Structure):
    """vring_packed_desc_event: when one side of a packed ring wants to be told by the other."""

    off_wrap: int = uint16()
    flags: EventFlags = named(EventFlags, U16)

    @property
    def offset(self) -> int:
        """The descriptor that is waited for."""
        return self.off_wrap & 0x7FFF

    @property
    def wrap_counter(self) -> bool:
        """The wrap counter at which it is."""
        return bool(self.off_wrap >> 15)


@structure
class UsedElem(Structure):
    """vring_used_elem: the head of a chain that is done with, and the bytes that were written to its buffers."""

    id: int = uint32()
    len: int = uint32()


class Ring(Layout):
    """A split ring: it is as long as its queue has descriptors, and ends in an index where EVENT_IDX is agreed on."""

    __slots__ = ()

    @classmethod
    def sizeof(cls, num: int, features: RingFeature) -> int:
        """Its bytes for a queue of `num` descriptors."""
        return int(cls.layout.sizeof(num=split_queue_size(num), event_idx=RingFeature.EVENT_IDX in features))

    @classmethod
    def decode(cls, data: Octets, offset: int, num: int, features: RingFeature) -> Self:
        """Read the ring of a queue of `num` descriptors that begins at `offset`.

        Raises `TruncatedError` where the data ends too early, `DecodeError` for a number that is no queue's.
        """
        event_idx = RingFeature.EVENT_IDX in features
        return cls._read(data, offset, num=split_queue_size(num), event_idx=event_idx)


@structure
class Avail(Ring):
    """vring_avail: the heads of the chains that the driver has given. `idx` is free-running.

    `used_event` is the index of the used ring from which on the driver wants an interrupt.
    """

    flags: AvailFlags = named(AvailFlags, U16)
    idx: int = uint16()
    ring: tuple[int, ...] = array(U16, this._params.num)
    used_event: int | None = member(cs.If(this._params.event_idx, U16), default=None)

    def encode(self, *, offset: int = 0) -> bytes:
        """Write it, at `offset` of a larger buffer."""
        return self._written(offset, num=length(self.ring), event_idx=self.used_event is not None)


@structure
class Used(Ring):
    """vring_used: the chains that the device is done with. `idx` is free-running.

    `avail_event` is the index of the available ring from which on the device wants to be kicked.
    """

    flags: UsedFlags = named(UsedFlags, U16)
    idx: int = uint16()
    ring: tuple[UsedElem, ...] = array(UsedElem, this._params.num)
    avail_event: int | None = member(cs.If(this._params.event_idx, U16), default=None)

    def encode(self, *, offset: int = 0) -> bytes:
        """Write it, at `offset` of a larger buffer."""
        return self._written(offset, num=length(self.ring), event_idx=self.avail_event is not None)


def length(ring: object) -> int:
    """The elements of a ring; what has none is refused where it is to be written."""
    return len(ring) if isinstance(ring, Sequence) else 0


class _Descriptors(Data, Generic[D]):
    """Descriptors that lie one behind the other. Where they stood in the buffer is no part of what they are."""

    descs: tuple[D, ...]
    offset: int = 0

    def __eq__(self, other: object) -> bool:
        return self.descs == other.descs if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.descs)


class DescTable(_Descriptors[Desc]):
    """The descriptors of a split queue, or those of an indirect table. `offset` is where they stood in the buffer."""

    @classmethod
    def decode(cls, data: Octets, offset: int, num: int) -> DescTable:
        """Read the table of a queue of `num` descriptors."""
        return cls(Desc.decode_array(data, offset, split_queue_size(num)), offset)

    @classmethod
    def decode_indirect(cls, data: Octets, offset: int, desc: Desc | PackedDesc) -> DescTable:
        """Read the table that the buffer of `desc` is, and that begins at `offset` of the data."""
        if DescFlags.INDIRECT not in desc.flags:
            raise DecodeError("the descriptor has no table", expected="INDIRECT", found=repr(desc.flags))
        num, rest = divmod(desc.len, Desc.sizeof())
        if rest or not 0 < num <= QUEUE_SIZE_MAX:
            raise DecodeError(
                "no indirect table",
                offset=offset,
                expected=f"a multiple of {Desc.sizeof()} bytes, at most {QUEUE_SIZE_MAX * Desc.sizeof()}",
                found=f"{desc.len}",
            )
        return cls(Desc.decode_array(data, offset, num), offset)

    def encode(self) -> bytes:
        """Write it."""
        return b"".join(desc.encode(offset=index * Desc.sizeof()) for index, desc in enumerate(self.descs))

    def chain(self, head: int = 0) -> tuple[Desc, ...]:
        """The buffers that hang together, from `head` on. A descriptor with INDIRECT is the last: the table goes on.

        Raises `DecodeError` where the chain leaves the table, comes back to itself, or goes on behind an indirect one.
        """
        chain: dict[int, Desc] = {}
        index = head
        while True:
            if not 0 <= index < len(self.descs) or index in chain:
                raise self._broken(index, chain)
            desc = chain[index] = self.descs[index]
            if DescFlags.NEXT not in desc.flags:
                return tuple(chain.values())
            if DescFlags.INDIRECT in desc.flags:
                raise DecodeError(
                    "a chain goes on behind an indirect table",
                    path=f"desc[{index}].flags",
                    offset=self.offset + index * Desc.sizeof() + 12,
                    expected="NEXT or INDIRECT",
                    found=repr(desc.flags),
                )
            index = desc.next

    def _broken(self, index: int, indices: Iterable[int]) -> DecodeError:
        passed = list(indices)
        return DecodeError(
            f"a chain of descriptors {'comes back to itself' if index in passed else 'leaves the table'}",
            path=f"desc[{passed[-1]}].next" if passed else None,
            offset=self.offset + passed[-1] * Desc.sizeof() + 14 if passed else self.offset,
            expected=f"a descriptor below {len(self.descs)} that the chain has not passed",
            found=f"{index}",
        )


class PackedRing(_Descriptors[PackedDesc]):
    """The descriptors of a packed queue. `offset` is where they stood in the buffer."""

    @classmethod
    def decode(cls, data: Octets, offset: int, num: int) -> PackedRing:
        """Read the ring of a queue of `num` descriptors, any number up to 32768."""
        return cls(PackedDesc.decode_array(data, offset, packed_queue_size(num)), offset)

    def encode(self) -> bytes:
        """Write it."""
        return b"".join(desc.encode(offset=index * PackedDesc.sizeof()) for index, desc in enumerate(self.descs))

    def chain(self, head: int) -> tuple[PackedDesc, ...]:
        """The buffers that hang together, from `head` on; behind the last descriptor comes the first.

        Raises `DecodeError` for a head that the ring does not have, and where no descriptor ends the chain.
        """
        num = len(self.descs)
        if not 0 <= head < num:
            raise DecodeError("no such descriptor", offset=self.offset, expected=f"0 to {num - 1}", found=f"{head}")
        turned = self.descs[head:] + self.descs[:head]
        for count, desc in enumerate(turned, 1):
            if DescFlags.NEXT not in desc.flags:
                return turned[:count]
        raise DecodeError(
            "a chain of descriptors comes back to itself",
            path=f"desc[{head}].flags",
            offset=self.offset + head * PackedDesc.sizeof() + 14,
            expected=f"a chain of at most {num} descriptors",
            found="NEXT in all of them",
        )


class QueueSizes(Value):
    """The bytes of the three parts of a queue: QEMU calls them desc, avail and used with packed rings too."""

    desc: int
    avail: int
    used: int


def split_sizes(num: int, features: RingFeature) -> QueueSizes:
    """The sizes of a split queue of `num` descriptors: its table, its available ring, its used ring."""
    return QueueSizes(split_queue_size(num) * Desc.sizeof(), Avail.sizeof(num, features), Used.sizeof(num, features))


def packed_sizes(num: int) -> QueueSizes:
    """The sizes of a packed queue of `num` descriptors: its ring, the driver's event, the device's event."""
    event = PackedDescEvent.sizeof()
    return QueueSizes(packed_queue_size(num) * PackedDesc.sizeof(), event, event)


class LegacyQueue(Value):
    """Where the rings of a legacy queue lie behind its table, which begins at 0, and where its last byte ends."""

    avail: int
    used: int
    end: int


def legacy_layout(num: int, align: int) -> LegacyQueue:
    """The one piece of memory that a legacy split queue is; the used ring begins at a multiple of `align`.

    Both events have a place, whether they are agreed on or not.
    """
    sizes = split_sizes(num, RingFeature.EVENT_IDX)
    if align < 1 or align & align - 1:
        raise DecodeError("no alignment of a queue", expected="a power of 2", found=f"{align}")
    used = sizes.desc + sizes.avail + align - 1 & -align
    return LegacyQueue(sizes.desc, used, used + sizes.used)


def split_queue_size(num: int) -> int:
    """`num`, where a split queue can have as many descriptors: a power of 2. Raises `DecodeError` otherwise."""
    if not 0 < num <= QUEUE_SIZE_MAX or num & num - 1:
        raise DecodeError("no size of a split queue", expected=f"a power of 2 up to {QUEUE_SIZE_MAX}", found=f"{num}")
    return num


def packed_queue_size(num: int) -> int:
    """`num`, where a packed queue can have as many descriptors. Raises `DecodeError` otherwise."""
    if not 0 < num <= QUEUE_SIZE_MAX:
        raise DecodeError("no size of a packed queue", expected=f"1 to {QUEUE_SIZE_MAX}", found=f"{num}")
    return num
