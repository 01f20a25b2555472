"""What is said of commands and of RAM records, held against the sources of 20 releases (make source-facts)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from recorded import FIXTURES
from source_facts import COMMANDS_OF_RULES, STREAM_RULES, commands_of_rules

from vmstate.rules.stream import COMMANDS, is_known
from vmstate.stream import ram_records
from vmstate.stream.events import CommandType
from vmstate.vmsd.release import Release

WIRE: dict[str, dict[str, Any]] = json.loads((FIXTURES / "source" / "wire.json").read_text())


OTHERWISE = {"2.5", "3.0"}
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


def test_two_releases_have_other_commands() -> None:
    """2.5 takes an advice of RAM alone; in 3.0 what resumes postcopy has the numbers 8 and 9, which 3.1 moved up."""
    last = WIRE["10.2"]["commands"]
    changed = {
        release: {name: row for name, row in WIRE[release]["commands"].items() if last[name] != row} for release in WIRE
    }
    assert {release: rows for release, rows in changed.items() if rows} == {
        "2.5": {"POSTCOPY_ADVISE": [3, 16]},
        "3.0": {"POSTCOPY_RESUME": [8, 0], "RECV_BITMAP": [9, None]},
    }


def test_the_table_of_commands_is_written_of_the_sources() -> None:
    """As `make source-facts` writes it: no entry by hand, and none that is not as the recorded sources say."""
    written = COMMANDS_OF_RULES.findall(STREAM_RULES.read_text(encoding="utf-8"))
    assert written == [commands_of_rules(WIRE)]
    without = {release: row for release, row in WIRE.items() if release != "2.5"}
    assert commands_of_rules(without) != written[0]


def test_every_command_is_in_some_source() -> None:
    known = {command for row in WIRE.values() for command in row["commands"]}
    assert {command.name for command in CommandType} <= known


FLAGS = {
    "MEM_SIZE": ram_records.MEM_SIZE,
    "EOS": ram_records.EOS,
    "CONTINUE": ram_records.CONTINUE,
    "HOOK": ram_records.HOOK,
    "MULTIFD_FLUSH": ram_records.MULTIFD_FLUSH,
}


def test_flags_of_ram_records_are_those_of_the_sources() -> None:
    """A flag has one number in all releases that have it."""
    numbers: dict[str, set[int]] = {}
    for row in WIRE.values():
        for flag, number in row["ram_flags"].items():
            numbers.setdefault(flag, set()).add(number)
    assert {flag: numbers[flag] for flag in FLAGS} == {flag: {number} for flag, number in FLAGS.items()}
    kinds = {"ZERO": "zero", "PAGE": "page", "XBZRLE": "xbzrle", "COMPRESS_PAGE": "compressed"}
    for flag, kind in kinds.items():
        [number] = numbers[flag]
        assert ram_records.KIND_OF_FLAG[number] == kind
