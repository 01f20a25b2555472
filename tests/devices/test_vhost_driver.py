"""The driver of a queue and the questions to a back end, against a device that works in the same memory; numbers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from vmstate.devices.vhost import exercise, frontend, user
from vmstate.devices.vhost.driver import Buffer, GuestMemory, SplitDriver
from vmstate.devices.vhost.frontend import FrontEnd
from vmstate.devices.vhost.vring import Desc, DescFlags, UsedElem
from vmstate.early.layout import Ring, RingLayout
from vmstate.errors import VMStateError

NUM = 8
RINGS = tuple(Ring(num=NUM, desc=at, avail=at + 0x400, used=at + 0x800, base=65535) for at in (0x1000, 0x2000))
GATEWAY_MAC = bytes.fromhex("525500aabbcc")


class Device:
    """The other side of the rings: takes every chain at once, and answers as it is told to."""

    def __init__(self, memory: GuestMemory, *, answers: bool = True) -> None:
        self.memory = memory
        self.answers = answers
        self.taken: list[tuple[int, list[tuple[int, int, bool]]]] = []
        self.seen = [ring.base for ring in RINGS]
        self.waiting: list[int] = []

    def word(self, address: int) -> int:
        return int.from_bytes(self.memory.read(address, 2), "little")

    def kick(self, queue: int) -> None:
        ring = RINGS[queue]
        while self.seen[queue] != self.word(ring.avail + 2):
            head = self.word(ring.avail + 4 + 2 * (self.seen[queue] % NUM))
            self.seen[queue] = self.seen[queue] + 1 & 0xFFFF
            chain, place = [], head
            while True:
                desc = Desc.decode(self.memory.read(ring.desc + place * Desc.sizeof(), Desc.sizeof()))
                chain.append((desc.addr, desc.len, bool(desc.flags & DescFlags.WRITE)))
                if not desc.flags & DescFlags.NEXT:
                    break
                place = desc.next
            self.taken.append((queue, chain))
            self.work(queue, head, chain)

    def work(self, queue: int, head: int, chain: list[tuple[int, int, bool]]) -> None:
        raise NotImplementedError

    def done(self, queue: int, head: int, size: int) -> None:
        """Put a chain into the used ring; what stands behind the index is never zero."""
        ring = RINGS[queue]
        index = self.word(ring.used + 2)
        place = ring.used + 4 + UsedElem.sizeof() * (index % NUM)
        self.memory.write(place, UsedElem(id=head, len=size).encode())
        self.memory.write(ring.used + 2, (index + 1 & 0xFFFF).to_bytes(2, "little"))


class Card(Device):
    """A network card: what is sent is an ARP request, and the answer goes to the buffer that waits."""

    header = 12

    def work(self, queue: int, head: int, chain: list[tuple[int, int, bool]]) -> None:
        if queue == 0:
            self.waiting.append(head)
            return
        self.done(queue, head, 0)
        if not self.answers:
            return
        ((address, size, _),) = chain
        frame = self.memory.read(address, size)[self.header :]
        reply = frame[6:12] + GATEWAY_MAC + frame[12:20] + b"\0\2" + GATEWAY_MAC + frame[38:42] + frame[22:32]
        (buffer,) = next(parts for number, parts in self.taken if number == 0)
        self.memory.write(buffer[0], bytes(self.header) + reply)
        self.done(0, self.waiting.pop(0), self.header + len(reply))


@pytest.fixture
def memory() -> Iterator[GuestMemory]:
    with GuestMemory.around(RINGS) as made:
        # Nothing that is read beside its place is zero by chance.
        made.write(RINGS[0].used + 4, b"\xee" * 8 * NUM)
        made.write(RINGS[1].used + 4, b"\xee" * 8 * NUM)
        yield made


def drivers_of(memory: GuestMemory) -> dict[int, SplitDriver]:
    drivers = {queue: SplitDriver(memory, ring) for queue, ring in enumerate(RINGS)}
    for queue, driver in drivers.items():
        driver.begin(RINGS[queue].base)
    return drivers


def test_indices_are_words_of_two_bytes(memory: GuestMemory) -> None:
    driver = drivers_of(memory)[1]
    assert driver.device_idx == 65535
    memory.write(RINGS[1].used + 2, b"\1\0")
    assert driver.device_idx == 1


@pytest.mark.parametrize("limit", [0, 0.05])
def test_what_does_not_come_is_waited_for_as_long_as_is_said(memory: GuestMemory, limit: float) -> None:
    driver = drivers_of(memory)[1]
    began = time.monotonic()
    assert driver.next_used(limit) is None
    assert limit <= time.monotonic() - began < 30


def test_chains_are_given_back_in_the_order_of_the_device(memory: GuestMemory) -> None:
    driver = drivers_of(memory)[1]
    heads = [driver.add(Buffer(0x5000, 16), Buffer(0x6000, 32, writes=True)) for _ in range(3)]
    assert heads == [0, 2, 4] and driver.avail_idx == 2
    device = Card(memory)
    for head in reversed(heads):
        device.done(1, head, head + 100)
    assert [driver.next_used() for _ in heads] == [UsedElem(id=head, len=head + 100) for head in reversed(heads)]
    assert driver.next_used() is None
    device.done(1, 0, 0)
    with pytest.raises(VMStateError, match="what it was not given"):
        driver.next_used()


@pytest.mark.parametrize(
    ("features", "header"), [(0, 10), (1 << 15, 12), (1 << 32, 12), (1 << 15 | 1 << 32, 12), (1 << 33 | 1 << 14, 10)]
)
def test_a_card_is_asked_with_a_header_as_long_as_its_features_make_it(
    memory: GuestMemory, features: int, header: int
) -> None:
    """struct virtio_net_hdr has `num_buffers` with VERSION_1 (bit 32) or MRG_RXBUF (bit 15)."""
    card = Card(memory)
    card.header = header
    back_end: Any = card
    card.memory = memory
    told = exercise.send_arp(back_end, drivers_of(memory), RingLayout(features=features, rings=RINGS, data=(0, 1)), 0.5)
    size = header + 42
    assert told == f"1 ARP requests sent, answer from {GATEWAY_MAC.hex(':')} ({size} bytes)"
    (receive, transmit) = card.taken
    assert receive == (0, [(memory.scratch, 2048, True)])
    assert transmit == (1, [(memory.scratch + 2048, size, False)])
    frame = memory.read(memory.scratch + 2048, size)[header:]
    assert frame[:6] == b"\xff" * 6 and frame[12:22] == bytes.fromhex("08060001080006040001")


def test_a_card_that_does_not_answer(memory: GuestMemory) -> None:
    back_end: Any = Card(memory, answers=False)
    with pytest.raises(VMStateError, match="no packet arrives"):
        exercise.send_arp(back_end, drivers_of(memory), RingLayout(features=0, rings=RINGS, data=(0, 1)), 0.05)


def test_packed_rings_are_not_asked(memory: GuestMemory) -> None:
    back_end: Any = Card(memory)
    for features, refused in ((1 << 34, True), (1 << 33, False), (1 << 35, False)):
        layout = RingLayout(features=features, rings=RINGS, data=(0, 1))
        if refused:
            with pytest.raises(VMStateError, match="packed rings"):
                exercise.NET.arrive(back_end, layout)
        else:
            assert exercise.NET.arrive(back_end, layout).keys() == {0, 1}


# The front end.


def test_nobody_who_listens_is_told_at_once(
    memory: GuestMemory, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Only `wait` waits; what was kept for the queues is let go first."""
    monkeypatch.setattr(frontend.time, "sleep", lambda _: pytest.fail("it waits"))
    front_end = FrontEnd(str(tmp_path / "nobody"), memory, limit=5)
    descriptors = os.pipe()
    front_end.kicks[0], front_end.calls[1] = descriptors
    with pytest.raises(VMStateError, match="no vhost-user back end listens"):
        front_end.connect_again()
    assert front_end.kicks == {} and front_end.calls == {}
    for descriptor in descriptors:
        with pytest.raises(OSError):
            os.fstat(descriptor)


# docs/interop/vhost-user.rst

PROTOCOL_FEATURES = (
    *("MQ", "LOG_SHMFD", "RARP", "REPLY_ACK", "MTU", "BACKEND_REQ", "CROSS_ENDIAN", "CRYPTO_SESSION", "PAGEFAULT"),
    *("CONFIG", "BACKEND_SEND_FD", "HOST_NOTIFIER", "INFLIGHT_SHMFD", "RESET_DEVICE", "INBAND_NOTIFICATIONS"),
    *("CONFIGURE_MEM_SLOTS", "STATUS", "XEN_MMAP", "SHARED_OBJECT", "DEVICE_STATE", "GET_VRING_BASE_INFLIGHT"),
)
FRONT_END_REQUESTS = (
    *("GET_FEATURES", "SET_FEATURES", "SET_OWNER", "RESET_OWNER", "SET_MEM_TABLE", "SET_LOG_BASE", "SET_LOG_FD"),
    *("SET_VRING_NUM", "SET_VRING_ADDR", "SET_VRING_BASE", "GET_VRING_BASE", "SET_VRING_KICK", "SET_VRING_CALL"),
    *("SET_VRING_ERR", "GET_PROTOCOL_FEATURES", "SET_PROTOCOL_FEATURES", "GET_QUEUE_NUM", "SET_VRING_ENABLE"),
    *("SEND_RARP", "NET_SET_MTU", "SET_BACKEND_REQ_FD", "IOTLB_MSG", "SET_VRING_ENDIAN", "GET_CONFIG", "SET_CONFIG"),
    *("CREATE_CRYPTO_SESSION", "CLOSE_CRYPTO_SESSION", "POSTCOPY_ADVISE", "POSTCOPY_LISTEN", "POSTCOPY_END"),
    *("GET_INFLIGHT_FD", "SET_INFLIGHT_FD", "GPU_SET_SOCKET", "RESET_DEVICE", "VRING_KICK", "GET_MAX_MEM_SLOTS"),
    *("ADD_MEM_REG", "REM_MEM_REG", "SET_STATUS", "GET_STATUS", "GET_SHARED_OBJECT", "SET_DEVICE_STATE_FD"),
    *("CHECK_DEVICE_STATE", "GET_SHMEM_CONFIG"),
)
BACK_END_REQUESTS = (
    *("IOTLB_MSG", "CONFIG_CHANGE_MSG", "VRING_HOST_NOTIFIER_MSG", "VRING_CALL", "VRING_ERR", "SHARED_OBJECT_ADD"),
    *("SHARED_OBJECT_REMOVE", "SHARED_OBJECT_LOOKUP", "SHMEM_MAP", "SHMEM_UNMAP"),
)


def test_numbers_of_the_protocol() -> None:
    """Features are bits from 0 on, requests of either side numbers from 1 on, all without a gap."""
    assert {flag.name: int(flag) for flag in user.ProtocolFeature} == {
        name: 1 << bit for bit, name in enumerate(PROTOCOL_FEATURES)
    }
    for kind, names in ((user.FrontendRequest, FRONT_END_REQUESTS), (user.BackendRequest, BACK_END_REQUESTS)):
        assert {request.name: int(request) for request in kind} == {name: at for at, name in enumerate(names, 1)}
