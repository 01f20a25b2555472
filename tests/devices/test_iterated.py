"""Sections that QEMU writes by hand: the keys and attributes of an s390 guest, its clock, the hash page table."""

from __future__ import annotations

import struct

import pytest

from vmstate import check
from vmstate.errors import VMStateError
from vmstate.stream.registry import is_old_style, shipped_descriptions
from vmstate.vmsd.description import VMStateDescription


def described(idstr: str) -> VMStateDescription:
    """What the library has of a section that QEMU does not describe."""
    (vmsd,) = shipped_descriptions(idstr)
    assert is_old_style(idstr)
    return vmsd


def test_storage_keys() -> None:
    vmsd = described("s390-skeys")
    assert vmsd.decode(struct.pack(">Q", 1)).ranges == []
    data = struct.pack(">QQ3sQQ2sQ", 0x2, 3, b"\x06\x04\x00", 0x80000002, 2, b"\x08\x0a", 1)
    keys = vmsd.decode(data)
    assert [(part.address, part.keys) for part in keys.ranges] == [(2, b"\x06\x04\x00"), (0x80000002, b"\x08\x0a")]
    assert vmsd.encode(keys) == data
    with pytest.raises(VMStateError):
        vmsd.decode(struct.pack(">QQQ", 2, 1 << 40, 1))


def test_storage_attributes() -> None:
    """8 says that all have been sent, and is followed by nothing; 1 ends each part."""
    vmsd = described("s390-storage_attributes")
    data = struct.pack(">QQ4sQQ", 0x5002, 4, b"\1\0\2\0", 8, 1)
    attributes = vmsd.decode(data)
    assert [(part.address, part.attributes) for part in attributes.ranges] == [(0x5002, b"\1\0\2\0"), (8, None)]
    assert vmsd.encode(attributes) == data


@pytest.mark.parametrize(
    ("idstr", "flags", "taken"),
    [
        ("s390-storage_attributes", 0x2, True),
        ("s390-storage_attributes", 0x5008, True),
        ("s390-storage_attributes", 0x3, False),
        ("s390-storage_attributes", 0xED7, False),
        ("s390-skeys", 0x5002, True),
        ("s390-skeys", 0x4, False),
    ],
)
def test_flags_that_qemu_does_not_know(idstr: str, flags: int, taken: bool) -> None:
    vmsd = described(idstr)
    behind = struct.pack(">Q", 0) if idstr == "s390-skeys" or flags & 0xFFF == 2 else b""
    state = vmsd.decode(struct.pack(">Q", flags) + behind + struct.pack(">Q", 1))
    assert (check(state) == []) is taken


@pytest.mark.parametrize("idstr", ["s390-storage_attributes", "s390-skeys"])
def test_an_end_with_bits_of_a_page_ends_it(idstr: str) -> None:
    """QEMU looks at the flags alone: 7.2 loads an end whose other bits were overwritten."""
    vmsd = described(idstr)
    data = struct.pack(">QQ2sQ", 0x5002, 2, b"\1\2", 0xFF00001001)
    state = vmsd.decode(data)
    assert [part.address for part in state.ranges] == [0x5002] and check(state) == []
    assert vmsd.encode(state) == data
    state.ranges = []
    assert vmsd.encode(state) == struct.pack(">Q", 1)


@pytest.mark.parametrize("data", [b"\0", b"\1\0" + bytes(7) + b"\7"])
def test_a_clock_that_could_be_read_or_not(data: bytes) -> None:
    vmsd = described("todclock")
    clock = vmsd.decode(data)
    assert (clock.present, clock.low) == ((0, None) if data == b"\0" else (1, 7))
    assert vmsd.encode(clock) == data


def test_a_part_of_the_hash_page_table() -> None:
    """The first part has the size of the table, each other chunks up to one of nothing, which can begin at zero."""
    vmsd = described("spapr/htab")
    assert [vmsd.decode(struct.pack(">i", shift)).shift for shift in (24, -1)] == [24, -1]
    entries = bytes(range(32))
    data = struct.pack(">iIHH32sIHHQ", 0, 0, 2, 1, entries, 0x700, 0, 3, 0)
    table = vmsd.decode(data)
    assert [(chunk.head, chunk.entries) for chunk in table.chunks] == [(0x00020001, entries), (0x700_0000_0003, b"")]
    assert vmsd.encode(table) == data


def test_an_idstr_with_a_slash_is_looked_for_as_a_whole() -> None:
    assert shipped_descriptions("spapr/rtc")[0].name == "spapr/rtc"
    assert not shipped_descriptions("rtc") and not shipped_descriptions("server")
