"""Guest memory from a stream, and the queues of a device held against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from recorded import MAPPED_RAM, PROVENANCE, opened

from vmstate.devices.virtio.config import features_of
from vmstate.devices.virtio.queue import Queue, queues
from vmstate.errors import StreamError
from vmstate.stream.memory_map import MemoryRange, ranges_of
from vmstate.stream.ram_records import RamBlock
from vmstate.stream.xbzrle import patched

RINGS = "recorded/qemu-7.2-q35-virtio-rings-ram.mig.xz"
CARD = "0000:00:01.0/virtio-net"
AS_QEMU = {
    "vring-avail": "avail",
    "vring-used": "used",
    "vring-num": "num",
    "last-avail-idx": "last_avail_idx",
    "used-idx": "used_idx",
    "shadow-avail-idx": "shadow_avail_idx",
    "inuse": "inuse",
}


def all_queues() -> Iterator[tuple[Any, Queue]]:
    stream = opened(RINGS)
    memory = stream.memory()
    for section in stream.sections:
        if "/virtio-" in section.name:
            yield from ((section.state, queue) for queue in queues(section.state, memory))


def test_queues_are_what_qemu_makes_of_them() -> None:
    queues = {queue.desc: queue for _, queue in all_queues()}
    told = {queue["vring-desc"]: queue for device in PROVENANCE[RINGS]["virtio"] for queue in device["queues"]}
    assert queues.keys() == told.keys() and len(queues) == 7
    for desc, queue in queues.items():
        assert {key: getattr(queue, name) for key, name in AS_QEMU.items()} == {key: told[desc][key] for key in AS_QEMU}
        assert queue.problem is None
    # Split and packed rings of modern devices, and those of a legacy one.
    kinds = {(queue.avail_idx is None, features_of(state.virtio) >> 32 & 1) for state, queue in all_queues()}
    assert kinds == {(False, 1), (True, 1), (False, 0)}


class Changed:
    """Guest memory with a word changed."""

    def __init__(self, memory: Any, address: int, word: int) -> None:
        self.memory, self.address, self.word = memory, address, word

    def read_all(self, spans: Any) -> list[bytes]:
        pieces: list[bytes] = self.memory.read_all(spans)
        return [
            self.word.to_bytes(2, "little") if address == self.address else data
            for (address, _), data in zip(spans, pieces, strict=True)
        ]


@pytest.mark.parametrize(
    ("ring", "word", "problem", "message", "indices"),
    [
        ("avail", 5 + 256, None, "", (5, 261, 0)),
        ("avail", 5 + 257, "guest index", "delta 0x101", (0, 0, 0)),
        ("avail", 4, "guest index", "VQ 0 size 0x100 Guest index 0x4 inconsistent with Host index 0x5", (0, 0, 0)),
        ("used", 0xFF05, None, "", (0xFF05, 256, 256)),
        ("used", 0xFF04, "inuse", "VQ 0 size 0x100 < last_avail_idx 0x5 - used_idx 0xff04", (0xFF04, 256, 257)),
        ("used", 6, "inuse", "used_idx 0x6", (6, 256, 0xFFFF)),
    ],
)
def test_rings_that_do_not_fit_the_indices(
    ring: str, word: int, problem: str | None, message: str, indices: tuple[int, int, int]
) -> None:
    stream = opened(RINGS)
    state, memory = stream[CARD].state, stream.memory()
    right = queues(state, memory)[0]
    queue, *others = queues(state, Changed(memory, getattr(right, ring) + 2, word))
    assert queue.problem == problem and message in (queue.message or "")
    assert (queue.used_idx, queue.shadow_avail_idx, queue.inuse) == indices
    assert all(queue.problem is None for queue in others)


def test_memory_that_is_not_there() -> None:
    stream = opened(RINGS)
    with pytest.raises(StreamError, match=r"the machine has no memory there .*found 0x6000000"):
        stream.memory().read((96 << 20) - 2, 4)
    with pytest.raises(StreamError, match="the stream does not hold page 0x0 of pc"):
        stream.memory().read(0, 1)
    with pytest.raises(StreamError, match="the stream does not hold page"):
        whole = opened("qemu-7.2-q35-virtio-net.mig.xz")
        queues(whole[CARD].state, whole.memory())


def test_memory_that_a_stream_leaves_out_comes_from_a_file(tmp_path: Any) -> None:
    stream = opened("qemu-7.2-q35-virtio-net.mig.xz")
    (memory_range,) = [memory_range for memory_range in stream.memory().ranges if memory_range.size > 1 << 24]
    path = tmp_path / "memory"
    path.write_bytes(bytes(0x1FFE) + b"1234")
    memory = stream.memory(files={memory_range.block: path}, ranges=[memory_range])
    assert memory.read(memory_range.address + 0x1FFC, 8) == b"\0\0001234\0\0"
    with pytest.raises(StreamError, match="cannot be read"):
        stream.memory(files={memory_range.block: tmp_path / "none"}, ranges=[memory_range]).read(
            memory_range.address, 1
        )


@pytest.mark.slow
@pytest.mark.parametrize("release", ["7.2-pc-compress", "7.2-pc-xbzrle", "11.1-pc-xbzrle", "7.2-pc-postcopy"])
def test_pages_of_every_kind(release: str) -> None:
    # A program stands where the firmware loads it to, and in the pages behind it what it wrote last.
    memory = opened(f"recorded/qemu-{release}.mig.xz").memory()
    program = memory.read(0x7C00, 512)
    assert program[-2:] == b"\x55\xaa"
    assert program == opened("recorded/qemu-7.2-pc-return-path.mig.xz").memory().read(0x7C00, 512)


def test_pages_are_read_one_after_another() -> None:
    known = opened(MAPPED_RAM).memory(ranges=[MemoryRange(0, 1 << 18, "pc.bios", 0)])
    first = known.read(0, 16)
    assert known.read(0x3FFF0, 16) == known.read(0, 1 << 18)[-16:] != bytes(16)
    assert known.read(0, 16) == first


def test_what_is_memory_of_the_machine() -> None:
    memory = opened(MAPPED_RAM).memory(ranges=[MemoryRange(0x1000, 0x2000, "pc.ram", 0)])
    assert memory.has(0x1000, 0x2000) and memory.has(0x2FFF, 1)
    assert not any(memory.has(*span) for span in ((0xFFF, 1), (0x2FFF, 2), (0x1000, 0x2001), (0x3000, 1)))


def test_pages_of_a_mapped_ram_file() -> None:
    plain = opened("recorded/qemu-11.1-pc-ram-cold.mig.xz").memory(ranges=[MemoryRange(0, 1 << 18, "pc.bios", 0)])
    mapped = opened(MAPPED_RAM).memory(ranges=[MemoryRange(0, 1 << 18, "pc.bios", 0)])
    assert plain.read(0, 1 << 18) == mapped.read(0, 1 << 18) != bytes(1 << 18)
    assert opened(MAPPED_RAM).memory().read(0x1000, 16) == bytes(16)


def test_a_difference_to_a_page() -> None:
    page = bytes(range(200))
    new = page[:130] + b"abc" + page[133:150] + b"z" + page[151:]
    assert patched(page, b"\x82\x01\x03abc\x11\x01z") == new
    assert patched(page, b"") == page
    with pytest.raises(StreamError, match="longer than the page"):
        patched(page, b"\xff\xff\x7f")
    with pytest.raises(StreamError, match="ends too early"):
        patched(page, b"\x02\x05ab")


def block(name: str, size: int, gpa: int | None = None) -> RamBlock:
    return RamBlock(0, memoryview(b""), name, size, None, gpa, None)


GIB = 1 << 30


@pytest.mark.parametrize(
    ("machine", "blocks", "expected"),
    [
        ("pc-q35-7.2", [block("pc.ram", 2 * GIB)], [(0, 2 * GIB, 0)]),
        ("pc-q35-7.2", [block("pc.ram", 4 * GIB)], [(0, 2 * GIB, 0), (4 * GIB, 2 * GIB, 2 * GIB)]),
        ("pc-i440fx-7.2", [block("/objects/m", 4 * GIB)], [(0, 3 * GIB, 0), (4 * GIB, GIB, 3 * GIB)]),
        ("microvm", [block("microvm.ram", 4 * GIB)], [(0, 3 * GIB, 0), (4 * GIB, GIB, 3 * GIB)]),
        ("virt-7.2", [block("mach-virt.ram", GIB), block("vga", 4096)], [(GIB, GIB, 0)]),
        ("s390-ccw-virtio-7.2", [block("s390.ram", 8 * GIB)], [(0, 8 * GIB, 0)]),
        (
            "pc-q35-11.1",
            [block("m0", GIB, 0), block("pc.bios", 4096, 0xFFFF0000)],
            [(0, GIB, 0)],
        ),
        ("none", [block("vga", 4096)], []),
    ],
)
def test_where_a_machine_has_its_memory(machine: str, blocks: list[RamBlock], expected: list[tuple[int, ...]]) -> None:
    assert [
        (memory_range.address, memory_range.size, memory_range.offset) for memory_range in ranges_of(machine, blocks)
    ] == expected
