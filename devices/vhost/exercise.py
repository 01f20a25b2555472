"""What a guest asks of a vhost-user back end to see that it is alive: a packet, or a block.

    with NET.connect("/run/passt.sock", layout.rings) as back_end:
        back_end.run(back_end.early_start(layout))
        drivers = NET.arrive(back_end, layout)      # guest memory is there
        back_end.run(back_end.finish(layout))
        print(NET.ask(back_end, drivers, layout))

A network card sends an ARP request through every transmit queue and waits for an answer in any receive queue; a disk
reads its first sector through every queue. Formats from the VIRTIO specification 1.2, 5.1.6 and 5.2.6, and RFC 826.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from vmstate.devices.vhost.driver import Buffer, GuestMemory, SplitDriver
from vmstate.devices.vhost.frontend import FrontEnd
from vmstate.early.layout import Ring, RingLayout
from vmstate.errors import VMStateError
from vmstate.vmsd.data import Data

VERSION_1, MRG_RXBUF, RING_PACKED = 32, 15, 34
FRAME = 2048
SECTOR = 512
MAC = bytes.fromhex("525400123456")
BROADCAST = b"\xff" * 6
GUEST, GATEWAY = bytes((10, 0, 2, 15)), bytes((10, 0, 2, 2))
"""The addresses that QEMU's user network has, and that the guest of the tests has."""

ETHERTYPE_ARP = bytes.fromhex("0806")
ARP_REQUEST = bytes.fromhex("0001080006040001")
"""Ethernet, IPv4, lengths of the addresses, request."""

Ask = Callable[[FrontEnd, dict[int, SplitDriver], RingLayout, float], str]


class Exercise(Data):
    """What a kind of device asks of its back end; `own_state` are the bytes of the back end's in a device's state."""

    question: Ask
    own_state: Callable[[Any], bytes]

    def connect(self, path: str, rings: tuple[Ring, ...], **options: Any) -> FrontEnd:
        """A front end with memory around these rings, in which there is nothing yet. See `FrontEnd`."""
        memory = GuestMemory.around(rings)
        try:
            return FrontEnd.connect(path, memory, **options)
        except BaseException:
            memory.close()
            raise

    def arrive(self, back_end: FrontEnd, layout: RingLayout) -> dict[int, SplitDriver]:
        """Guest memory is there: its rings say that all was done with up to where the device goes on."""
        if layout.features >> RING_PACKED & 1:
            raise VMStateError("packed rings cannot be asked anything here", expected="split rings")
        drivers = {queue: SplitDriver(back_end.memory, layout.rings[queue]) for queue in layout.queues}
        for queue, driver in drivers.items():
            driver.begin(layout.rings[queue].base)
        return drivers

    def ask(self, back_end: FrontEnd, drivers: dict[int, SplitDriver], layout: RingLayout, limit: float = 2.0) -> str:
        """What the back end did, in words. Raises `VMStateError` where it did not do it in `limit` seconds."""
        return self.question(back_end, drivers, layout, limit)


def _places(memory: GuestMemory, size: int) -> Iterator[int]:
    return itertools.count(memory.scratch, size)


def send_arp(back_end: FrontEnd, drivers: dict[int, SplitDriver], layout: RingLayout, limit: float) -> str:
    """Ask for the gateway's Ethernet address."""
    memory = back_end.memory
    header = bytes(12 if layout.features >> VERSION_1 & 1 or layout.features >> MRG_RXBUF & 1 else 10)
    frame = BROADCAST + MAC + ETHERTYPE_ARP + ARP_REQUEST + MAC + GUEST + bytes(6) + GATEWAY
    receive = [queue for queue in drivers if queue % 2 == 0]
    transmit = [queue for queue in drivers if queue % 2]
    places = _places(memory, FRAME)
    buffers = {queue: next(places) for queue in receive}
    for queue, place in buffers.items():
        drivers[queue].add(Buffer(place, FRAME, writes=True))
        back_end.kick(queue)
    for queue in transmit:
        place = next(places)
        memory.write(place, header + frame)
        drivers[queue].add(Buffer(place, len(header) + len(frame)))
        back_end.kick(queue)
        if drivers[queue].next_used(limit) is None:
            raise VMStateError("no packet is sent", path=f"queue {queue}", found=f"none taken in {limit:g} s")
    for attempt in range(2):
        for queue in receive:
            used = drivers[queue].next_used(0 if attempt == 0 else limit / len(receive))
            if used is not None:
                told = memory.read(buffers[queue] + len(header), max(0, used.len - len(header)))
                return f"{len(transmit)} ARP requests sent, answer from {told[6:12].hex(':')} ({used.len} bytes)"
    raise VMStateError("no packet arrives", path=f"queues {receive}", found=f"no answer in {limit:g} s")


def read_sector(back_end: FrontEnd, drivers: dict[int, SplitDriver], layout: RingLayout, limit: float) -> str:
    """Read the first sector: a request of type IN (0), 16 bytes; behind the data stands a byte, 0 for success."""
    memory = back_end.memory
    places = _places(memory, FRAME)
    for queue, driver in drivers.items():
        place = next(places)
        memory.write(place, bytes(16))
        memory.write(place + 16 + SECTOR, b"\xff")
        driver.add(
            Buffer(place, 16),
            Buffer(place + 16, SECTOR, writes=True),
            Buffer(place + 16 + SECTOR, 1, writes=True),
        )
        back_end.kick(queue)
        used = driver.next_used(limit)
        status = memory.read(place + 16 + SECTOR, 1)[0]
        if used is None or status:
            answer = "nothing" if used is None else f"status {status}"
            raise VMStateError("no sector is read", path=f"queue {queue}", expected="status 0", found=answer)
    return f"{len(drivers)} sectors read"


def _pieces(device: Any) -> bytes:
    backend = device.virtio.net.backend
    return b"" if backend is None else b"".join(bytes(piece) for piece in backend.backend.pieces)


NET = Exercise(send_arp, _pieces)
BLK = Exercise(read_sector, lambda _: b"")
