"""What a relay does with streams that nobody has recorded: cut anywhere, changed anywhere, by way of another relay.

Whatever comes, the destination's machine must be the source's: of each device, the last section that it gets has the
bytes of the last that the source sent. And nothing may wait in the relay once all has come: with return-path the
source waits for the destination before it ends the connection.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from recorded import opened

from vmstate.early.copies import Choice, Key, choose
from vmstate.early.forward import Forward

STREAM = "qemu-7.2-q35-virtio-net-filters.mig.xz"


class Chunk(NamedTuple):
    """Bytes of a stream that stay together: a device's section, with its key; or RAM, a command, an end."""

    key: Key | None
    data: bytes


class Source(NamedTuple):
    """A recorded migration: up to the configuration section, RAM, device sections, and what follows them."""

    head: bytes
    ram: tuple[Chunk, ...]
    devices: tuple[Chunk, ...]
    vmdesc: bytes
    choices: tuple[Choice, ...]


@pytest.fixture(scope="module")
def source() -> Source:
    with opened(STREAM) as stream:
        data = stream.to_bytes()
        chunks = [
            Chunk(
                (section.name, section.instance_id) if section.kind == "full" else None,
                data[section.offset : section.offset + section.size],
            )
            for section in stream.sections
        ]
        last = stream.sections[-1]
        return Source(
            data[: stream.sections[0].offset],
            tuple(chunk for chunk in chunks if chunk.key is None),
            tuple(chunk for chunk in chunks if chunk.key is not None),
            data[last.offset + last.size + 1 :],
            tuple(choose(stream.sections)),
        )


def sent(forward: Forward, data: bytes, generator: random.Random | None = None) -> bytes:
    """What has left a relay when all of `data` has come, in pieces of any size."""
    out, place = [], 0
    while place < len(data):
        step = len(data)
        if generator is not None:
            step = min(generator.choice((1, 7, 300, 5000, 1 << 16)), 1 + len(data) // 200)
        out += [bytes(piece) for piece in forward.push(memoryview(data)[place : place + step])]
        place += step
    return b"".join(out)


def last_of(out: bytes, source: Sequence[Chunk], early: Sequence[Choice]) -> dict[Key, bytes]:
    """The last section of each device in what a relay sent, which must be the source's chunks and early copies alone.

    Chunks of RAM, commands and ends must all be there.
    """
    known = {choice.copy: choice.key for choice in early if choice.copy is not None}
    state: dict[Key, bytes] = {}
    place = 0

    def take_copies() -> None:
        nonlocal place
        while (found := next((copy for copy in known if out.startswith(copy, place)), None)) is not None:
            state[known[found]] = found
            place += len(found)

    for chunk in source:
        if out.startswith(chunk.data, place):
            place += len(chunk.data)
        else:
            take_copies()
            if not out.startswith(chunk.data, place):
                assert chunk.key is not None, "what is no device's section is missing"
                continue
            place += len(chunk.data)
        if chunk.key is not None:
            state[chunk.key] = chunk.data
    assert place == len(out), f"something else is sent at {place}"
    return state


def altered(chunk: Chunk, generator: random.Random) -> Chunk:
    """A section as it might be later: a byte another, some more, or some less."""
    assert chunk.key is not None
    start = 14 + len(chunk.key[0])
    payload = bytearray(chunk.data[start:-5])
    place = generator.randrange(len(payload))
    way = generator.randrange(4 if len(payload) > 64 else 3)
    if way == 0:
        payload[place] ^= 1 << generator.randrange(8)
    elif way == 1:
        payload[place:place] = generator.randbytes(generator.randrange(1, 2000))
    elif way == 2:
        del payload[place : place + generator.randrange(1, 200)]
    else:
        # What looks like the section's own end, inside it.
        payload[place:place] = chunk.data[-5:] + generator.choice((b"\x00", b"\x04", b"\x04\0\0\0\1\3odd", b"x"))
    return Chunk(chunk.key, chunk.data[:start] + bytes(payload) + chunk.data[-5:])


def later(source: Source, generator: random.Random, share: float) -> tuple[Chunk, ...]:
    """The source's device sections at another moment."""
    return tuple(altered(chunk, generator) if generator.random() < share else chunk for chunk in source.devices)


def choices_at(source: Source, devices: Sequence[Chunk]) -> list[Choice]:
    """What would be chosen at that moment."""
    data = dict(devices)
    chosen = []
    for choice in source.choices:
        whole = data[choice.key]
        payload = whole[len(choice.header) : -5]
        copy = choice.copy
        if choice.may_skip:
            copy = whole
        chosen.append(Choice(choice.key, choice.header, payload, choice.footer, copy, choice.may_skip, choice.reason))
    return chosen


def stream_of(source: Source, devices: Sequence[Chunk], generator: random.Random) -> list[Chunk]:
    """A migration: commands, RAM in parts, devices, the end, and a vmdesc or none."""
    commands = [Chunk(None, b"\x08\0\1\0\0"), Chunk(None, b"\x08\0\2\0\4\0\0\0\1")]
    vmdesc = [Chunk(None, source.vmdesc)] if generator.random() < 0.5 else []
    return [*commands, *source.ram, *devices, Chunk(None, b"\0"), *vmdesc]


def bytes_of(source: Source, chunks: Sequence[Chunk]) -> bytes:
    return source.head + b"".join(chunk.data for chunk in chunks)


@pytest.mark.parametrize("seed", range(60))
def test_the_destination_has_what_the_source_has(source: Source, seed: int) -> None:
    generator = random.Random(seed)
    early = choices_at(source, later(source, generator, 0.2) if seed % 3 else source.devices)
    devices = later(source, generator, 0.3 if seed % 2 else 0.0)
    chunks = stream_of(source, devices, generator)
    forward = Forward(early, skip=True)
    newer: list[Choice] = []
    if seed % 5 == 1:
        newer = choices_at(source, later(source, generator, 0.1))
        forward.refresh(newer)
    out = sent(forward, bytes_of(source, chunks), generator)
    assert not forward.finish()
    state = last_of(out[len(source.head) :], chunks, [*early, *newer])
    assert state == dict(devices)
    if devices == source.devices and not seed % 3 and not newer:
        assert len(forward.left_out) > 15


@pytest.mark.parametrize("seed", range(30))
def test_two_relays_in_a_row(source: Source, seed: int) -> None:
    """The second sees that there are early sections; where it cannot see them, the machine is still the source's."""
    generator = random.Random(seed)
    first_early = choices_at(source, later(source, generator, 0.3))
    # Between the two moments something changes, and at the stop it is as the second has seen it, or as the first has.
    second_devices = later(source, generator, 0.3)
    second_early = choices_at(source, second_devices)
    first_devices = tuple(Chunk(choice.key, choice.header + choice.payload + choice.footer) for choice in first_early)
    devices = (first_devices, second_devices, later(source, generator, 0.2))[seed % 3]
    chunks = stream_of(source, devices, generator)
    first, second = Forward(first_early, skip=True), Forward(second_early, skip=True)
    through_one = sent(first, bytes_of(source, chunks), generator)
    if seed % 2:
        # A tool that puts them behind the commands, where nobody looks for them.
        early = b"".join(choice.copy for choice in first_early if choice.copy is not None)
        commands = chunks[0].data + chunks[1].data
        through_one = through_one.replace(early + commands, commands + early, 1)
    out = sent(second, through_one, generator)
    assert not first.finish()
    assert not second.finish()
    if seed % 2:
        copies = [*first_early, *second_early]
        after = [*chunks[:2], *[Chunk(c.key, c.copy) for c in first_early if c.copy is not None], *chunks[2:]]
        assert last_of(out[len(source.head) :], after, copies) == dict(devices)
    else:
        assert out == through_one
        assert second.plainly is not None
        assert "there are early sections already" in second.plainly
        assert second.inserted == []
        assert last_of(out[len(source.head) :], chunks, first_early) == dict(devices)


@pytest.mark.parametrize("fill", [b"x", b"\x7e", b"\x7e\0\0\x77\x77", b"\x7e\0\0\x77\x77\4\0\0\0\1\1", b"}", b"\0"])
def test_a_large_section_that_nobody_knows_passes_at_once(source: Source, fill: bytes) -> None:
    """In small pieces, with whatever in it: nothing of it waits, and the time grows with its size alone."""
    number = b"\0\0\x77\x77"
    size = 1 << 20
    body = fill * (size // len(fill))
    odd = Chunk(("odd", 0), b"\4" + number + b"\3odd\0\0\0\0\0\0\0\1" + body + b"\x7e" + number)
    chunks = [*source.ram, odd, *source.devices, Chunk(None, b"\0")]
    data = bytes_of(source, chunks)
    forward = Forward(source.choices, skip=True)
    out = sum(len(piece) for piece in forward.push(memoryview(data)[: len(data) - len(odd.data)]))
    begun = time.process_time()
    inside = len(bytes_of(source, source.ram)) + size // 2
    forward = Forward(source.choices, skip=True)
    early = sum(len(choice.copy) for choice in source.choices if choice.copy is not None)
    out = place = 0
    while place < len(data):
        out += sum(len(piece) for piece in forward.push(memoryview(data)[place : place + 2048]))
        place += 2048
        if inside < place < inside + size // 4 and forward.plainly is None:
            assert place + early - out < 4096
    assert time.process_time() - begun < 2
    left_out = sum(
        len(choice.header + choice.payload + choice.footer)
        for choice in source.choices
        if choice.key in forward.left_out
    )
    assert out == len(data) + early - left_out
    assert not forward.finish()


PAGE = 4096


def memory(parts: Sequence[Sequence[tuple[str, int, int]]]) -> list[bytes]:
    """A migration up to the end of its memory: for each part of RAM the blocks, with their first and last page."""
    blocks = {"pc.ram": 16 << 20, "vga.vram": 4 << 20, "pc.bios": 1 << 18}
    listed = b"".join(bytes([len(name)]) + name.encode() + size.to_bytes(8, "big") for name, size in blocks.items())
    end = (0x10).to_bytes(8, "big") + b"\x7e\0\0\0\2"
    begin = b"\1\0\0\0\2\3ram" + (0).to_bytes(4, "big") + (4).to_bytes(4, "big")
    head = b"QEVM\0\0\0\3\7\0\0\0\x0apc-q35-7.2"
    pieces = [head, begin + (sum(blocks.values()) | 4).to_bytes(8, "big") + listed + end]
    for number, part in enumerate(parts):
        pieces.append((b"\3" if number + 1 == len(parts) else b"\2") + b"\0\0\0\2")
        for name, first, last in part:
            pieces.append((first * PAGE | 2).to_bytes(8, "big") + bytes([len(name)]) + name.encode() + b"\0")
            pieces += [(page * PAGE | 0x22).to_bytes(8, "big") + b"\0" for page in range(first + 1, last + 1)]
        pieces.append(end)
    return pieces


FIRST_TURN = (("pc.ram", 0, 4095),), (("vga.vram", 0, 1023), ("pc.bios", 0, 63))
NEAR_ITS_END = ("pc.ram", 3072)
NEXT_PART = ("", -1)


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([*FIRST_TURN, [("pc.ram", 4000, 4095)], [("pc.ram", 3, 4)]], [NEAR_ITS_END, NEXT_PART]),
        ([[("pc.ram", 0, 4095)], [("pc.ram", 3, 4)]], [NEAR_ITS_END]),
        # At the stop nobody is held up.
        ([[("pc.ram", 0, 3000)], [("pc.ram", 3001, 4095)]], []),
        ([[("vga.vram", 0, 1023)], [("vga.vram", 0, 3)], [("pc.ram", 0, 1)]], []),
    ],
)
def test_a_source_is_held_up_twice_near_the_end_of_its_first_turn(
    source: Source, parts: Sequence[Sequence[tuple[str, int, int]]], expected: list[tuple[str, int]], skip: bool
) -> None:
    held = []
    forward = Forward(source.choices, skip=skip)
    block = ""
    for piece in memory(parts):
        for _ in forward.push(piece):
            pass
        if piece[0] in (2, 3) and len(piece) == 5:
            block, page = NEXT_PART
        elif len(piece) in (9, 9 + 7, 9 + 9) and piece[7] & 2:
            block = piece[9:-1].decode() or block
            page = int.from_bytes(piece[:8], "big") // PAGE
        if forward.is_to_hold():
            held.append((block, page))
            assert not forward.is_to_hold()
    assert held == expected
    # Who only inserts looks at nothing more then.
    assert (forward.plainly is None) == (skip or len(expected) < 2)
    assert forward.is_at_stop() == (forward.plainly is None)
    # Who sends its pages elsewhere holds nobody up.
    forward = Forward(source.choices, skip=skip, has_other_channels=lambda: True)
    for piece in memory(parts):
        forward.push(piece)
        assert not forward.is_to_hold()
