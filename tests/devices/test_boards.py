"""Boards of arm, PowerPC and s390x: the library alone reads every section, writes it, describes it as QEMU does."""

from __future__ import annotations

import json
import lzma
from typing import Any

import pytest
from recorded import BOARDS, FIXTURES, board, layouts, pairs_of, without_vmdesc

from vmstate import load
from vmstate.events import find_vmdesc
from vmstate.schema.write import describe_device, json_text
from vmstate.stream.registry import is_old_style, shipped_descriptions

EXAMPLE = "ipoctal232"
"""The card that `examples/ipoctal` describes, which the library leaves to it."""

LARGE = 3_000
"""Bytes of a compressed stream above which it takes longer than a quick test should."""


def entries(data: bytes) -> dict[tuple[str, int], Any]:
    """QEMU's own entries of vmdesc."""
    text = find_vmdesc(memoryview(data))
    assert text is not None
    devices = dict(pairs_of(text))["devices"]
    return {(dict(entry)["name"], dict(entry)["instance_id"]): entry for entry in devices}


def check(name: str) -> None:
    data = board(name)
    said = entries(data)
    with load(data) as described, load(without_vmdesc(data)) as bare:
        assert described.vmdesc is not None
        dialect = described.vmdesc.dialect
        assert bare.to_bytes() == without_vmdesc(data)
        compared = 0
        for section in bare.sections:
            if section.is_ram:
                continue
            if section.name == EXAMPLE:
                assert section.described_by == "none"
                continue
            assert section.described_by == "library", section.name
            assert section.vmsd is not None
            raw = bytes(section.payload())
            assert section.vmsd.encode(section.state, version_id=section.version_id) == raw, section.name
            entry = said.get((section.name, section.instance_id))
            if entry is None or is_old_style(section.name):
                continue
            # Where the bytes fit the layouts of two releases, one of them is QEMU's.
            texts = [
                describe_device(section.name, section.instance_id, vmsd, state, dialect, section.version_id)
                for vmsd, state in layouts(section, raw)
            ]
            assert entry in [pairs_of(json_text(text)) for text in texts], section.name
            compared += 1
        assert compared > 2


# The translation tables of pseries are 2 MB, and the larger boards of arm have hundreds of devices.
SMALL = [name for name in BOARDS if "pseries" not in name and (FIXTURES / "boards" / name).stat().st_size < LARGE]


@pytest.mark.parametrize("name", SMALL[::4])
def test_a_board(name: str) -> None:
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(BOARDS) - set(SMALL[::4])))
def test_each_board(name: str) -> None:
    check(name)


def test_every_board_says_how_it_was_started() -> None:
    commands = json.loads((FIXTURES / "boards" / "commands.json").read_text(encoding="utf-8"))
    assert sorted(f"{name}.stream.xz" for name in commands) == BOARDS


@pytest.mark.slow
def test_every_device_of_qemu_is_described() -> None:
    """In each version in which a release can have it, or as one that blocks a migration."""
    names = json.loads(lzma.decompress((FIXTURES / "boards" / "names.json.xz").read_bytes()))
    missing = set()
    for release, devices in names.items():
        for name, versions in devices.items():
            vmsds = shipped_descriptions(name)
            if any(vmsd.unmigratable for vmsd in vmsds):
                continue
            known = {vmsd.version_id for vmsd in vmsds}
            missing |= {(release, name, version) for version in versions if version not in known}
    # The controller blocks a migration before 11.1.
    example = {(release, EXAMPLE, 1) for release in names if EXAMPLE in names[release]}
    assert missing - example == {(release, "nvme", 0) for release in ("5.2", "7.2", "10.0")}
    assert {release: len(devices) for release, devices in names.items()} == {
        "5.2": 367, "7.2": 464, "10.0": 504, "11.1": 532
    }  # fmt: skip
