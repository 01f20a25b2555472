"""Copies that wait for guest memory: sent behind the pages that their load reads, and left out where those stay.

The memory is made here, record by record; the devices are those of a recorded machine.
"""

from __future__ import annotations

import random
import struct
from typing import NamedTuple

import pytest
from recorded import opened

from vmstate.early.arrivals import MOST_BYTES, Arrivals, BehindPages, memory_ranges
from vmstate.early.copies import Choice, choose
from vmstate.early.forward import Forward
from vmstate.early.late import LateCopies
from vmstate.errors import StreamError
from vmstate.stream.memory_map import MemoryRange

STREAM = "qemu-7.2-q35-virtio-net-filters.mig.xz"
PAGE, ZERO, XBZRLE, EOS, CONTINUE, FLUSH = 0x08, 0x02, 0x40, 0x10, 0x20, 0x200
ROM = 0xC0000
BLOCKS = 3
"""The size of the option ROM that is made here, in blocks of 512 bytes."""
SPANNED = range(0xC0000, 0xE0000, 0x1000)
"""All pages in which an option ROM at ROM could lie."""


class Machine(NamedTuple):
    """A recorded machine: what comes in front of RAM's pages, and behind; choices; RAM's section_id and block."""

    head: bytes
    devices: bytes
    choices: tuple[Choice, ...]
    ram: bytes
    block: bytes


@pytest.fixture(scope="module")
def machine() -> Machine:
    with opened(STREAM) as stream:
        data = stream.to_bytes()
        ram = [section for section in stream.sections if section.is_ram]
        end = ram[-1].offset + ram[-1].size
        ranges = memory_ranges(stream)
        choices = []
        for choice in choose(stream.sections, ranges=ranges):
            if choice.key[0] == "kvm-tpr-opt":
                # The ROM is put where the tests have it: the last field of the section.
                payload = choice.payload[:-4] + struct.pack(">I", ROM + 0x80)
                assert choice.behind is not None
                choice.behind.state.rom_state_paddr = ROM + 0x80
                choice.behind.state.state = 2
                data = data.replace(choice.header + choice.payload, choice.header + payload)
                choice = Choice(
                    choice.key, choice.header, payload, choice.footer, None, False, choice.reason, choice.behind
                )
            choices.append(choice)
        first = ram[0].offset + ram[0].size
        section_id = struct.pack(">I", ram[0].header.section_id)
        return Machine(data[:first], data[end:], tuple(choices), section_id, ranges[0].block.encode())


def page(machine: Machine, address: int, content: int = 0, kind: int = PAGE) -> bytes:
    body = {PAGE: bytes([content]) * 4096, ZERO: b"\0", XBZRLE: b"\1\0\2\0\0"}[kind]
    return struct.pack(">Q", address | kind) + bytes([len(machine.block)]) + machine.block + body


def rom(machine: Machine, content: int = 7, blocks: int = BLOCKS) -> bytes:
    first = b"\x55\xaa" + bytes([blocks]) + bytes([content]) * 4093
    named = struct.pack(">Q", ROM | PAGE) + bytes([len(machine.block)]) + machine.block + first
    return named + b"".join(struct.pack(">Q", address | ZERO | CONTINUE) + b"\0" for address in SPANNED[1:])


def part(machine: Machine, records: bytes, *, last: bool = False) -> bytes:
    return (b"\3" if last else b"\2") + machine.ram + records + struct.pack(">Q", EOS) + b"\x7e" + machine.ram


def forwarded(forward: Forward, data: bytes, step: int = 1 << 20) -> bytes:
    out = b""
    for place in range(0, len(data), step):
        out += b"".join(bytes(piece) for piece in forward.push(memoryview(data)[place : place + step]))
    return out + b"".join(bytes(piece) for piece in forward.finish())


def tpr(machine: Machine) -> bytes:
    (choice,) = (choice for choice in machine.choices if choice.key[0] == "kvm-tpr-opt")
    return choice.header + choice.payload + choice.footer


def stream(machine: Machine, *parts: bytes) -> bytes:
    return machine.head + b"".join(parts) + machine.devices


def names(keys: list[tuple[str, int]]) -> list[str]:
    return [name for name, _ in keys]


@pytest.mark.parametrize("step", [1 << 20, 4099, 997])
def test_a_copy_comes_behind_its_pages_and_the_last_section_is_left_out(machine: Machine, step: int) -> None:
    first, end = rom(machine), part(machine, page(machine, 0x5000, 1), last=True)
    data = stream(machine, part(machine, first + page(machine, 0x3000, 9)), end)
    forward = Forward(machine.choices, skip=True)
    out = forwarded(forward, data, step)
    assert forward.plainly == ""
    assert "kvm-tpr-opt" in names(forward.left_out)
    assert names([choice.key for choice in forward.behind]) == ["kvm-tpr-opt"]
    # The part of RAM is ended behind the last page of the ROM, and another begun with what is left of it.
    split = part(machine, first) + tpr(machine) + part(machine, page(machine, 0x3000, 9))
    assert split + end in out
    assert out.count(tpr(machine)) == 1
    assert forward.record()["behind_memory"] == ["kvm-tpr-opt#0"]


@pytest.mark.parametrize(
    ("what", "left_out"),
    [
        ("the same page again", False),
        ("another page again", True),
        ("a page behind the ROM", True),
        ("what cannot be told", False),
    ],
)
def test_what_comes_again_decides(machine: Machine, what: str, left_out: bool) -> None:
    again = {
        # The load writes into the ROM, so even an equal page undoes it.
        "the same page again": rom(machine)[: 9 + len(machine.block) + 4096],
        "another page again": page(machine, 0x7000, 1),
        "a page behind the ROM": page(machine, ROM + 0x1000, 1),
        "what cannot be told": page(machine, ROM, kind=XBZRLE),
    }[what]
    data = stream(machine, part(machine, rom(machine)), part(machine, again, last=True))
    forward = Forward(machine.choices, skip=True)
    out = forwarded(forward, data)
    assert ("kvm-tpr-opt" in names(forward.left_out)) == left_out
    assert out.count(tpr(machine)) == (1 if left_out else 2)
    assert forward.left_out


def test_without_its_pages_no_copy_comes(machine: Machine) -> None:
    lacking = rom(machine)[:-9]
    no_rom = rom(machine, blocks=0)
    multifd = struct.pack(">Q", FLUSH) + rom(machine)
    ignored = page(machine, 0x1000, 3)
    unknown = rom(machine)[: 9 + len(machine.block) + 4096] + page(machine, ROM + 0x1000, kind=XBZRLE)
    for records in (lacking, no_rom, multifd, ignored, unknown):
        data = stream(machine, part(machine, records), part(machine, b"", last=True))
        forward = Forward(machine.choices, skip=True)
        out = forwarded(forward, data)
        assert forward.plainly == ""
        assert forward.behind == []
        assert "kvm-tpr-opt" not in names(forward.left_out)
        assert out.count(tpr(machine)) == 1
    # Pages that come at the stop are no reason to send anything twice.
    data = stream(machine, part(machine, rom(machine), last=True))
    forward = Forward(machine.choices, skip=True)
    assert forwarded(forward, data).count(tpr(machine)) == 1
    assert forward.behind == []
    # Nor where pages may come on another connection.
    data = stream(machine, part(machine, rom(machine)), part(machine, b"", last=True))
    forward = Forward(machine.choices, skip=True, has_other_channels=lambda: True)
    assert forwarded(forward, data).count(tpr(machine)) == 1


def test_a_section_that_changed_meanwhile_comes(machine: Machine) -> None:
    data = stream(machine, part(machine, rom(machine)), part(machine, b"", last=True))
    payload = tpr(machine)
    changed = payload[:-9] + b"\0\0\0\0" + payload[-5:]
    forward = Forward(machine.choices, skip=True)
    out = forwarded(forward, data.replace(payload, changed))
    assert out.count(payload) == out.count(changed) == 1
    assert names(forward.changed) == ["kvm-tpr-opt"]


def test_a_newer_state_comes_behind_the_same_pages(machine: Machine) -> None:
    """A machine as it was, then as it is: the second copy comes between two parts of RAM, and no last section."""
    (now,) = (choice for choice in machine.choices if choice.key[0] == "kvm-tpr-opt")
    before = Choice(now.key, now.header, b"\0" * len(now.payload), now.footer, None, False, now.reason, now.behind)
    forward = Forward([before if choice is now else choice for choice in machine.choices], skip=True)
    end = part(machine, page(machine, 0x3000, 2)) + part(machine, b"", last=True)
    out = forwarded(forward, machine.head + part(machine, rom(machine)))
    forward.refresh(machine.choices)
    out += forwarded(forward, end + machine.devices)
    assert names([choice.key for choice in forward.behind]) == ["kvm-tpr-opt"] * 2
    assert "kvm-tpr-opt" in names(forward.left_out)
    assert out.count(tpr(machine)) == 1
    # And where it may no longer come so, its last section does.
    forward = Forward(machine.choices, skip=True)
    out = forwarded(forward, machine.head + part(machine, rom(machine)))
    forward.refresh([Choice(now.key, now.header, now.payload, now.footer, None, False, "not now")])
    out += forwarded(forward, end + machine.devices)
    assert out.count(tpr(machine)) == 2


def test_pages_of_another_block_are_not_awaited(machine: Machine) -> None:
    """Blocks that begin while nothing waits count: what waits from then on waits for pages of its own block."""
    (now,) = (choice for choice in machine.choices if choice.key[0] == "kvm-tpr-opt")
    block = machine.block.decode()
    late = LateCopies(4096)
    late.begin_block("elsewhere")
    late.wait_for_pages_of(now)
    assert ROM not in late.awaited
    late.begin_block(block)
    assert ROM in late.awaited
    late.drop(now.key)
    late.begin_block("elsewhere")
    late.wait_for_pages_of(now)
    assert ROM not in late.awaited and not late.due()
    late.begin_block(block)
    for address in sorted(late.awaited):
        late.has_come(address, b"\x55\xaa" + bytes([BLOCKS]) + bytes(4093))
    assert late.due() == [now]
    late.mark_sent(now)
    assert (late.due(), late.sent, late.may_skip(now)) == ([], [now], True)
    # Where a newer one cannot wait, what the destination has is still the older.
    assert now.behind is not None
    nowhere = BehindPages(now.behind.state, (), now.behind.evidence)
    newer = Choice(now.key, now.header, b"\0" * len(now.payload), now.footer, None, False, now.reason, nowhere)
    late.wait_for_pages_of(newer)
    assert (late.due(), late.may_skip(newer), late.may_skip(now)) == ([], False, True)


def test_memory_that_is_not_known_for_sure() -> None:
    with opened(STREAM) as stream:
        section = stream["kvm-tpr-opt"]
        assert [choice.behind for choice in choose([section])] == [None]
        elsewhere = (MemoryRange(1 << 30, 4096, "ram", 0),)
        (choice,) = choose([section], ranges=elsewhere)
    forward = Forward([choice], skip=True)
    assert choice.behind is not None
    with opened(STREAM) as stream:
        data = stream.to_bytes()
    assert forwarded(forward, data) == data
    with opened("qemu-7.2-aarch64-virt-virtio-net-pci.mig.xz") as stream:
        assert all(choice.behind is None for choice in choose(stream.sections, ranges=memory_ranges(stream)))


class Destination:
    """A model of what QEMU has of the option ROM: what its load mapped, and what of memory is as the load left it."""

    def __init__(self, machine: Machine) -> None:
        self.block = machine.block
        self.memory: dict[int, bytes] = {}
        self.patched: set[int] = set()
        self.mapped: tuple[bytes, int] | None = None

    def take(self, data: bytes, section: bytes, machine: Machine) -> None:
        """Read a stream as QEMU does, as far as it is memory and the one section."""
        place = len(machine.head) if data.startswith(machine.head) else data.index(machine.head[-40:]) + 40
        while data[place : place + 1] != b"\5" and place < len(data):
            if data[place] in (2, 3):
                place = self.part(data, place + 5)
            elif data.startswith(section[:5], place):
                self.load(data[place : place + len(section)])
                place += len(section)
            else:
                return

    def part(self, data: bytes, place: int) -> int:
        while True:
            (header,) = struct.unpack_from(">Q", data, place)
            place += 8
            if header & EOS:
                return place + 5
            if not header & CONTINUE:
                place += 1 + data[place]
            address = header & ~0xFFF
            if header & PAGE:
                content, place = data[place : place + 4096], place + 4096
            elif header & ZERO:
                content, place = bytes(4096), place + 1
            else:
                # What XBZRLE makes of a page is another one.
                content, place = self.memory.get(address, bytes(4096))[:100] + b"x", place + 5
            self.memory[address] = content
            self.patched.discard(address)

    def load(self, section: bytes) -> None:
        first = self.memory.get(ROM, bytes(4096))
        self.mapped = section, first[2]
        self.patched |= {ROM + at for at in range(0, first[2] * 512, 4096)}


@pytest.mark.parametrize("seed", range(60))
def test_whatever_comes_the_destination_is_the_one_without_a_relay(machine: Machine, seed: int) -> None:
    """Pages at random, in the ROM and beside it, again and again, cut anywhere; newer states at any moment."""
    generator = random.Random(seed)
    section = tpr(machine)
    # A guest that had written another size into its ROM would be refused by QEMU, or patched otherwise, either way.
    blocks = generator.choice((1, 9, 40))
    parts = [rom(machine, blocks=blocks)] if generator.random() < 0.8 else []
    for _ in range(generator.randrange(6)):
        records = b""
        for _ in range(generator.randrange(8)):
            address = generator.choice((ROM, ROM + 0x1000, ROM + 0x8000, 0x3000, 0x200000))
            kind = generator.choice((PAGE, PAGE, XBZRLE) if address == ROM else (PAGE, PAGE, ZERO, XBZRLE))
            whole = rom(machine, blocks=blocks)[: 9 + len(machine.block) + 4096]
            again = whole if address == ROM and kind == PAGE else None
            records += again or page(machine, address, generator.randrange(1, 5), kind)
        parts.append(records)
    marked = [part(machine, records, last=number == len(parts) - 1) for number, records in enumerate(parts)]
    data = stream(machine, *marked)
    forward = Forward(machine.choices, skip=True)
    out, place = b"", 0
    while place < len(data):
        step = generator.choice((11, 700, 5000, 1 << 20))
        if generator.random() < 0.1:
            forward.refresh(machine.choices)
        out += b"".join(bytes(piece) for piece in forward.push(memoryview(data)[place : place + step]))
        place += step
    out += b"".join(bytes(piece) for piece in forward.finish())
    is_left_out = "kvm-tpr-opt" in names(forward.left_out)
    # What a destination has behind the last of RAM is all there is to hold against the last load.
    plain, relayed = Destination(machine), Destination(machine)
    for destination, told in ((plain, data), (relayed, out)):
        destination.take(told, section, machine)
    if not is_left_out:
        relayed.load(section)
    plain.load(section)
    assert relayed.memory == plain.memory
    assert (relayed.mapped, relayed.patched) == (plain.mapped, plain.patched)


def test_not_too_much_is_kept() -> None:
    arrivals = Arrivals(4096)
    arrivals.wait_for(("ram", number * 4096) for number in range(MOST_BYTES // 4096))
    arrivals.wait_for([("ram", 0)])
    with pytest.raises(StreamError, match="too much of guest memory"):
        arrivals.wait_for([("ram", MOST_BYTES)])
