"""The guest's side of a vhost device: memory that a back end can map, and a driver for split rings in it.

    with GuestMemory(1 << 24) as memory:
        queue = SplitDriver(memory, ring)
        queue.begin(ring.base)                  # what the guest's memory says of a queue that has come so far
        queue.add(Buffer(address, length, writes=True))
        ...
        queue.next_used(limit=1)

Here are no interrupts: whoever waits looks at the used ring.
"""

from __future__ import annotations

import mmap
import os
import time
from typing import Self

from vmstate.devices.vhost.vring import Desc, DescFlags, UsedElem, split_queue_size
from vmstate.early.layout import Ring
from vmstate.errors import VMStateError
from vmstate.vmsd.data import Value

MOST = 1 << 40
"""The most memory that is pretended: it costs what is written to it."""

PAGE = 1 << 12
POLL = 0.0005
"""Seconds between two looks at a used ring."""
SCRATCH = 1 << 20
"""Bytes behind the last ring, for buffers."""


class GuestMemory:
    """Guest memory from address 0 on, in a file without a name (memfd) whose descriptor can be given away.

    `address` is where the front end says that it has mapped it: any number does, since only differences count.
    """

    def __init__(self, size: int) -> None:
        if not 0 < size <= MOST:
            raise VMStateError("no size of a guest's memory", expected=f"1 to {MOST} bytes", found=f"{size}")
        self.size = -(-size // PAGE) * PAGE
        self.address = 0x7F00_0000_0000
        self.descriptor = os.memfd_create("guest-memory", os.MFD_CLOEXEC)
        try:
            os.ftruncate(self.descriptor, self.size)
            self._map = mmap.mmap(self.descriptor, self.size)
        except (OSError, ValueError) as error:
            os.close(self.descriptor)
            raise VMStateError(f"no room for the guest's memory: {error}", found=f"{self.size} bytes") from None

    @classmethod
    def around(cls, rings: tuple[Ring, ...]) -> Self:
        """Memory that holds these rings, and buffers behind them."""
        ends = [max(ring.desc, ring.avail, ring.used) + 16 * ring.num for ring in rings if ring.desc]
        return cls(-(-max(ends, default=0) // PAGE) * PAGE + SCRATCH)

    @property
    def scratch(self) -> int:
        """Where buffers can be, behind the rings."""
        return self.size - SCRATCH

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the guest's. Raises `VMStateError` outside its memory."""
        self._check(address, size)
        return self._map[address : address + size]

    def write(self, address: int, data: bytes) -> None:
        """Change bytes of the guest's. Raises `VMStateError` outside its memory."""
        self._check(address, len(data))
        self._map[address : address + len(data)] = data

    def _check(self, address: int, size: int) -> None:
        if address < 0 or address + size > self.size:
            raise VMStateError("outside the guest's memory", expected=f"below {self.size:#x}", found=f"{address:#x}")

    def close(self) -> None:
        """Let it go; who mapped it keeps it."""
        self._map.close()
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Buffer(Value):
    """A piece of guest memory that a driver gives; `writes`: the device is to write to it."""

    address: int
    size: int
    writes: bool = False


class SplitDriver:
    """The driver of a split queue."""

    def __init__(self, memory: GuestMemory, ring: Ring) -> None:
        self.memory = memory
        self.ring = ring
        self.num = split_queue_size(ring.num)
        self.avail_idx = 0
        self.used_idx = 0
        self._next = 0

    def begin(self, index: int) -> None:
        """Write into memory that `index` chains were given and done with: both rings' indices, free-running."""
        self.avail_idx = self.used_idx = index & 0xFFFF
        self._write(self.ring.avail + 2, self.avail_idx)
        self._write(self.ring.used + 2, self.used_idx)

    def add(self, *buffers: Buffer) -> int:
        """Give a chain; the number of its first descriptor, which the used ring will name."""
        head = self._next
        self._next = (head + len(buffers)) % self.num
        for place, buffer in enumerate(buffers):
            last = place == len(buffers) - 1
            flags = DescFlags.WRITE if buffer.writes else DescFlags(0)
            here, following = (head + place) % self.num, (head + place + 1) % self.num
            desc = Desc(
                addr=buffer.address,
                len=buffer.size,
                flags=flags if last else flags | DescFlags.NEXT,
                next=0 if last else following,
            )
            self.memory.write(self.ring.desc + here * Desc.sizeof(), desc.encode())
        self._write(self.ring.avail + 4 + 2 * (self.avail_idx % self.num), head)
        self.avail_idx = self.avail_idx + 1 & 0xFFFF
        self._write(self.ring.avail + 2, self.avail_idx)
        return head

    @property
    def device_idx(self) -> int:
        """The index of the used ring, as the device wrote it."""
        return int.from_bytes(self.memory.read(self.ring.used + 2, 2), "little")

    def next_used(self, limit: float = 0) -> UsedElem | None:
        """The next chain that the device has done with; None where there is none in `limit` seconds.

        Raises `VMStateError` where the device has done with more than it was given, as the guest's driver would say.
        """
        end = time.monotonic() + limit
        while self.used_idx == self.device_idx:
            if time.monotonic() >= end:
                return None
            time.sleep(POLL)
        if self.device_idx - self.used_idx & 0xFFFF > self.avail_idx - self.used_idx & 0xFFFF:
            raise VMStateError(
                "the device has given back what it was not given: it goes on from another place",
                expected=f"a used index from {self.used_idx} to {self.avail_idx}",
                found=f"{self.device_idx}",
            )
        place = self.ring.used + 4 + UsedElem.sizeof() * (self.used_idx % self.num)
        self.used_idx = self.used_idx + 1 & 0xFFFF
        return UsedElem.decode(self.memory.read(place, UsedElem.sizeof()))

    def _write(self, address: int, number: int) -> None:
        self.memory.write(address, number.to_bytes(2, "little"))
