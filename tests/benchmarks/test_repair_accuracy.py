"""Pairs that a real QEMU refuses and takes once they are repaired, some with a guest that goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from machines import GUEST, ROOTS, needs_guest, needs_qemu
from repair_accuracy import PAIRS, QUESTIONS, Lab, is_as_said, qemus_in, table_of

from vmstate.compare.repair import CLASSES

BY_NAME = {pair.name: pair for pair in PAIRS}


def test_there_are_enough_pairs_and_causes() -> None:
    assert len(BY_NAME) == len(PAIRS)
    repaired = [pair for pair in PAIRS if pair.refused is None]
    assert len(repaired) >= 40 and len({pair.cause for pair in repaired}) >= 12
    assert sum(pair.refused is not None for pair in PAIRS) >= 10
    assert all(pair.accept in CLASSES and set(pair.lost) <= set(QUESTIONS) for pair in PAIRS)


def test_a_pair_is_as_it_says_only_where_its_guest_is_well() -> None:
    pair, moved = BY_NAME["ROM smaller"], BY_NAME["NIC in slot 6"]
    well: dict[str, Any] = dict.fromkeys(QUESTIONS, True)
    row = {"refused": True, "after": {"accepted": True, "guest": well}}
    assert is_as_said(pair, row)
    assert not is_as_said(pair, {**row, "refused": False})
    assert not is_as_said(pair, {**row, "after": {"accepted": False}})
    unwell = {**row, "after": {"accepted": True, "guest": {**well, "lspci": "ended with status 1"}}}
    assert not is_as_said(pair, unwell) and is_as_said(moved, unwell)
    refused = BY_NAME["less memory"]
    assert is_as_said(refused, {"refused": True, "left": ["the guest has that memory: give the destination as much"]})
    assert not is_as_said(refused, {"refused": True, "left": ["another reason"]})
    named = {"cause": pair.cause, "lives": True, "steps": ["invisible: a", "breaks: b"]}
    assert list(table_of([{**named, **unwell}]))[-1] == "| other romsize | 1 | 1 | 1 | 0 of 1 | invisible, breaks |"


def row_of(name: str, folder: Path) -> dict[str, Any]:
    pair = BY_NAME[name]
    places = qemus_in(ROOTS)
    for side in (pair.source, pair.destination):
        if side.release not in places:
            pytest.skip(f"needs a root with QEMU {side.release} (VMSTATE_QEMU_ROOTS)")
    return Lab(places, GUEST, str(folder), 120).row(pair)


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@pytest.mark.parametrize(
    "name",
    (
        "x-native-hotplug=off",
        "pc-i440fx-2.3 to 2.8",
        "more vectors",
        "no vectors",
        "an idle ring of 1024",
        "block-size",
    ),
)
def test_a_machine_that_has_not_run(name: str, tmp_path: Path) -> None:
    row = row_of(name, tmp_path)
    assert row["as_said"], row


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
@pytest.mark.parametrize("name", ("ROM smaller", "slots for memory", "ctrl_vlan=off"))
def test_a_guest_goes_on(name: str, tmp_path: Path) -> None:
    row = row_of(name, tmp_path)
    assert row["as_said"], row
    assert row["after"]["guest"] == dict.fromkeys(QUESTIONS, True)
