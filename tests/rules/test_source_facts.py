"""What is said of commands and of RAM records, held against the sources of all releases from 2.4 on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recorded import FIXTURES
from source_facts import FLAG_OF_RECORD, PCI_RULES, RAM_RECORDS, STREAM_RULES, UNUSED, WRITTEN, wire_of, written
from source_table import TREES

from vmstate.rules.stream import COMMANDS, RECORDS, is_in, is_known
from vmstate.source.tree import open_tree
from vmstate.stream import ram_records
from vmstate.stream.events import CommandType
from vmstate.vmsd.release import Release

WIRE: dict[str, dict[str, Any]] = json.loads((FIXTURES / "source" / "wire.json").read_text())


OTHERWISE = {"2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "3.0"}
"""Releases whose commands are not those of the table: below."""


@pytest.mark.parametrize("name", [name for name in WIRE if name not in OTHERWISE])
def test_a_release_knows_the_commands_that_its_source_has(name: str) -> None:
    """Their numbers, how long their data are, and that there are no others."""
    release = Release.read(name)
    commands = WIRE[name]["commands"]
    named = {number: command for command, (number, _) in commands.items() if command != "INVALID"}
    assert {number for number in COMMANDS if is_known(number, release)} == set(named)
    for number, command in named.items():
        assert CommandType(number).name == command
        assert COMMANDS[number].size == commands[command][1], command


def test_some_releases_have_other_commands() -> None:
    """Up to 2.10 an advice is of RAM alone; in 3.0 what resumes postcopy has 8 and 9, which 3.1 moved up."""
    last = WIRE["10.2"]["commands"]
    changed = {
        release: {name: row for name, row in WIRE[release]["commands"].items() if last[name] != row} for release in WIRE
    }
    assert {release: rows for release, rows in changed.items() if rows} == {
        **{f"2.{minor}": {"POSTCOPY_ADVISE": [3, 16]} for minor in range(5, 11)},
        "3.0": {"POSTCOPY_RESUME": [8, 0], "RECV_BITMAP": [9, None]},
    }


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_a_table_of_the_library_is_written_of_the_sources(path: Path) -> None:
    """As `make source-facts` writes it: no entry by hand, and none that is not as the recorded sources say."""
    assert written(path) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "right", "wrong"),
    [
        (STREAM_RULES, "PING: CommandRule(4, since=Release(2, 5))", "PING: CommandRule(4, since=Release(2, 4))"),
        (STREAM_RULES, '"a record of multifd", since=Release(8, 1)', '"a record of multifd"'),
        (STREAM_RULES, '"a compressed page", until=Release(9, 1)', '"a compressed page", since=Release(9, 0)'),
        (RAM_RECORDS, "XBZRLE = 0x040", "XBZRLE = 0x041"),
        (RAM_RECORDS, "HOOK = 0x080\n", ""),
        (PCI_RULES, "0x18: 0x540", "0x18: 0x140"),
        (PCI_RULES, '    "ATS": ({0x06: 0x800F},),\n', ""),
        (PCI_RULES, "{0x1A: 0x40}", "{0x1A: 0x60}"),
        (PCI_RULES, "UNCHECKED_SINCE = Release(8, 1)", "UNCHECKED_SINCE = Release(8, 2)"),
    ],
)
def test_what_is_changed_by_hand_is_written_back(path: Path, right: str, wrong: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1
    assert written(path, text.replace(right, wrong)) == text


@pytest.mark.slow
@pytest.mark.skipif(not TREES, reason="set VMSTATE_QEMU_SOURCE to source trees of QEMU (DIR or REPOSITORY@REVISION)")
@pytest.mark.parametrize("name", TREES or ["none"])
def test_a_tree_has_the_recorded_commands_and_flags(name: str) -> None:
    """Those of its release; a later one than is recorded has those of the newest."""
    with open_tree(name) as tree:
        assert tree.release is not None
        recorded = WIRE.get(f"{tree.release[0]}.{tree.release[1]}", WIRE[list(WIRE)[-1]])
        assert wire_of(tree) == {key: value for key, value in recorded.items() if key != "revision"}


def test_every_command_is_in_some_source() -> None:
    known = {command for row in WIRE.values() for command in row["commands"]}
    assert {command.name for command in CommandType} <= known


@pytest.mark.parametrize("name", WIRE)
def test_a_release_has_the_flags_that_the_library_says(name: str) -> None:
    """Each with its number; what some releases have alone stands with the records, which say from when on."""
    release = Release.read(name)
    sometimes = {
        flag
        for record, flag in FLAG_OF_RECORD.items()
        if not is_in(release, RECORDS[record].since, RECORDS[record].until)
    }
    flags = {
        flag: vars(ram_records)[flag]
        for flag in ("ZERO", "MEM_SIZE", "PAGE", "EOS", "CONTINUE", "XBZRLE", "HOOK", "COMPRESS_PAGE", "MULTIFD_FLUSH")
        if flag not in sometimes
    }
    named = {flag: number for flag, number in WIRE[name]["ram_flags"].items() if flag not in UNUSED}
    if "COMPRESS" in WIRE[name]["ram_flags"]:
        # What it was called before 2.11.
        named["ZERO"] = WIRE[name]["ram_flags"]["COMPRESS"]
    assert flags == named


def test_a_kind_of_page_has_its_flag() -> None:
    kinds = {"ZERO": "zero", "PAGE": "page", "XBZRLE": "xbzrle", "COMPRESS_PAGE": "compressed"}
    assert {vars(ram_records)[flag]: kind for flag, kind in kinds.items()} == ram_records.KIND_OF_FLAG
