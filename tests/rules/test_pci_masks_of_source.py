"""What the library says that a guest can write of a capability is what QEMU's functions set up, release by release."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from source_facts import MASKS, masks_of
from source_table import TREES

from vmstate.rules.pci_config import (
    AER_UNCORRECTABLE_MASK,
    CAPABILITIES,
    EXTENDED,
    PRESENCE_DETECT,
    Capability,
    Masks,
)
from vmstate.source.tree import open_tree

MADE_BY: dict[str, Capability] = {
    **dict.fromkeys(
        (
            "pcie_cap_v1_fill", "pcie_cap_init", "pcie_cap_deverr_init", "pcie_cap_lnkctl_init", "pcie_cap_slot_init",
            "pcie_cap_root_init", "pcie_cap_flr_init", "pcie_cap_arifwd_init",
        ),
        CAPABILITIES[0x10],
    ),
    "shpc_cap_add_config": CAPABILITIES[0x0C],
    "pcie_aer_init": EXTENDED[0x01],
    "pcie_aer_root_init": EXTENDED[0x01],
    "pcie_ats_init": EXTENDED[0x0F],
    "pcie_sriov_pf_init": EXTENDED[0x10],
    "pcie_sriov_pf_init_common": EXTENDED[0x10],
}  # fmt: skip
"""A function of hw/pci -> the capability that it sets up, which is no method of any device."""

ELSEWHERE = {("pcie_aer_init", "wmask+0x3e"), ("pcie_aer_init", "w1cmask+0x6"), ("pcie_cap_init", "wmask+0x100")}
"""What these set in the header, and at a place that says how large the space is."""

LATER = {
    (EXTENDED[0x01].name, "wmask", 0x08): ("8.2", AER_UNCORRECTABLE_MASK),
    (CAPABILITIES[0x10].name, "cmask", 0x1A): ("8.2", PRESENCE_DETECT),
}
"""What the library has apart from its tables, with the first of the recorded releases whose source has it."""

RECORDED = json.loads(MASKS.read_text(encoding="utf-8"))
Bits = dict[tuple[str, str, int], int]
"""(Capability, mask, offset) -> the bits that differ from what it is without the capability."""


def of_source(table: Mapping[str, Mapping[str, list[str]]]) -> Bits:
    """What functions set up, constants alone."""
    bits: Bits = {}
    for function, rows in table.items():
        capability = MADE_BY.get(function)
        for place, values in rows.items() if capability is not None else ():
            mask, _, offset = place.partition("+")
            if (function, place) in ELSEWHERE:
                continue
            for value in values:
                sign = value.lstrip("|&~").rstrip("?")
                if sign == "*":
                    continue
                number = int(sign, 16)
                if mask == "cmask" and not value.startswith("&~"):
                    # The bits that are left are those that are compared.
                    number = ~number & (0xFFFFFFFF if number < 0 else 0xFFFF)
                assert capability is not None
                key = (capability.name, mask, int(offset, 16))
                bits[key] = bits.get(key, 0) | number
    return bits


def of_library() -> Bits:
    """The same of the tables by hand."""
    bits: Bits = {}
    for capability in MADE_BY.values():
        for mask, rows in (
            ("wmask", capability.changes), ("w1cmask", capability.cleared), ("cmask", capability.unchecked)
        ):  # fmt: skip
            bits |= {(capability.name, mask, row.at): row.bits for row in rows}
    return bits


def held(table: Mapping[str, Mapping[str, list[str]]], *, has_later: bool) -> None:
    """Nothing that a source says is missing in the library, and nothing of the library is in no source."""
    source = of_source(table)
    later = {key: row.bits for key, (_, row) in LATER.items()} if has_later else {}
    library = of_library()
    assert {key: bits for key, bits in source.items() if bits & ~(library | later).get(key, 0)} == {}
    # A release that has not got a capability's function says nothing of it.
    names = {name for name, _, _ in source}
    assert {key: bits for key, bits in (library | later).items() if key[0] in names and source.get(key) != bits} == {}


@pytest.mark.parametrize("release", RECORDED)
def test_a_recorded_source(release: str) -> None:
    table = {name: rows for name, rows in RECORDED[release].items() if name != "revision"}
    (since,) = {since for since, _ in LATER.values()}
    held(table, has_later=list(RECORDED).index(release) >= list(RECORDED).index(since))
    header = Masks(bytes(256))
    written = [int(value.strip("|"), 16) for value in table["pci_init_wmask"]["wmask+0x4"]]
    assert int.from_bytes(header.wmask[4:6], "little") == written[0] | written[1]
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
        held(masks_of(tree), has_later=tree.release >= (8, 1))


def test_a_bit_that_is_missing_is_seen() -> None:
    table = {name: rows for name, rows in RECORDED["10.0"].items() if name != "revision"}
    with pytest.raises(AssertionError):
        held(table | {"pcie_ats_init": {"wmask+0x6": ["0x801f"]}}, has_later=True)
    with pytest.raises(AssertionError):
        held(table | {"pcie_ats_init": {"wmask+0x6": ["0xf"]}}, has_later=True)
