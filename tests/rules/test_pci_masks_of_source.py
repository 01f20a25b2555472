"""What the library says that a guest can write of a capability is what QEMU's functions set up, release by release."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from source_facts import LATER, MADE_BY, MASKS, Bits, masks_of, set_up
from source_table import TREES

from vmstate.rules.pci_config import (
    AER_UNCORRECTABLE_MASK,
    CAPABILITIES,
    EXTENDED,
    PRESENCE_DETECT,
    PRESENCE_UNCHECKED_SINCE,
    SET_UP,
    Masks,
)
from vmstate.source.tree import open_tree
from vmstate.vmsd.release import Release

LATER_OF_LIBRARY = {
    "AER_UNCORRECTABLE_MASK": (Release(8, 0), AER_UNCORRECTABLE_MASK),
    "PRESENCE_DETECT": (PRESENCE_UNCHECKED_SINCE, PRESENCE_DETECT),
}
"""The first release that has it; before 8.0 no device has a default for the former, and the library asks for that."""

RECORDED = json.loads(MASKS.read_text(encoding="utf-8"))


def of_library(release: Release) -> Bits:
    """What the tables say of that which the functions set up."""
    bits: Bits = {}
    rows = {capability.name: capability for capability in (*CAPABILITIES.values(), *EXTENDED.values())}
    for name in dict.fromkeys(MADE_BY.values()):
        if name == "header":
            wmask, w1cmask = SET_UP[name]
            columns = {"wmask": wmask, "w1cmask": w1cmask}
        else:
            columns = {"wmask": rows[name].changes, "w1cmask": rows[name].cleared, "cmask": rows[name].unchecked}
        bits |= {(name, mask, at): value for mask, column in columns.items() for at, value in column.items()}
    for key, name in LATER.items():
        since, registers = LATER_OF_LIBRARY[name]
        if release >= since:
            bits[key] = registers[key[2]]
    return bits


def held(table: Mapping[str, Mapping[str, list[str]]], release: Release) -> None:
    """Nothing that a source says is missing in the library, and nothing of the library is in no source."""
    source = set_up(table)
    library = of_library(release)
    # A release that has not got a capability's function says nothing of it.
    names = {name for name, _, _ in source}
    assert source == {key: bits for key, bits in library.items() if key[0] in names}


@pytest.mark.parametrize("release", RECORDED)
def test_a_recorded_source(release: str) -> None:
    table = {name: rows for name, rows in RECORDED[release].items() if name != "revision"}
    held(table, Release.read(release))
    header = Masks(bytes(256))
    assert header.wmask[4:6] + header.w1cmask[6:8] == (0x507).to_bytes(2, "little") + (0xF900).to_bytes(2, "little")
    bridge = bytearray(256)
    bridge[0x0E] = 1
    for place, written in table["pci_init_mask_bridge"].items():
        mask, _, offset = place.partition("+")
        if offset != "0x3e":
            at = int(offset, 16)
            (value,) = written
            assert getattr(Masks(bytes(bridge)), mask)[at : at + 2] == int(value.strip("|"), 16).to_bytes(2, "little")
    values = {int(value.rstrip("?"), 16) & 0xFFFFFFFF for value in table["msi_init"]["wmask+0x0"] if "*" not in value}
    assert values == written_of_msi()


def written_of_msi() -> set[int]:
    """What a guest can write of an MSI capability with 64 bits of address, besides the mask of its vectors."""
    config = bytearray(256)
    config[6], config[0x34], config[0x40:0x44] = 0x10, 0x40, bytes([5, 0, 0x80, 0])
    masks = Masks(bytes(config))
    registers = ((2, 2), (4, 4), (8, 4), (12, 2))
    return {int.from_bytes(masks.wmask[0x40 + at : 0x40 + at + size], "little") for at, size in registers}


@pytest.mark.slow
@pytest.mark.skipif(not TREES, reason="set VMSTATE_QEMU_SOURCE to source trees of QEMU (DIR or REPOSITORY@REVISION)")
@pytest.mark.parametrize("name", TREES or ["none"])
def test_a_tree(name: str) -> None:
    with open_tree(name) as tree:
        assert tree.release is not None
        held(masks_of(tree), Release(*tree.release[:2]))


def test_a_bit_that_is_missing_is_seen() -> None:
    table = {name: rows for name, rows in RECORDED["10.0"].items() if name != "revision"}
    with pytest.raises(AssertionError):
        held(table | {"pcie_ats_init": {"wmask+0x6": ["0x801f"]}}, Release(10, 0))
    with pytest.raises(AssertionError):
        held(table | {"pcie_ats_init": {"wmask+0x6": ["0xf"]}}, Release(10, 0))
