"""What is of a stream and not of a device, against what real QEMUs of four releases said: fixtures/framing.

The cases are in framing_cases, which records them.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import framing_cases as framing
import pytest
from explain_cases import qemu_of_release
from framing_cases import CASES, RELEASES, Case
from machines import needs_qemu

import vmstate
from vmstate.compare.explained import Explanation
from vmstate.lab.target import target_of
from vmstate.rules import KnownDestination
from vmstate.rules.stream import room_of_block
from vmstate.vmsd.release import Release

RECORDED = {(entry["release"], entry["case"]): entry for entry in json.loads(framing.TRUTH.read_text())["answers"]}
EACH = [(release, case) for release in RELEASES for case in CASES if release in case.releases]
IDS = [f"{release}-{case.name}" for release, case in EACH]
FILLED = "zero page of fives"
"""What no release since 1.5 sends, and no reader here takes but for a destination before 8.2."""

SLOW = ("5.2", "10.0")
each_case = pytest.mark.parametrize(
    ("release", "case"),
    [
        pytest.param(*entry, marks=[pytest.mark.slow] if entry[0] in SLOW or number % 3 else [])
        for number, entry in enumerate(EACH)
    ],
    ids=IDS,
)

target_named = cache(framing.target_named)


def explained(release: str, case: Case) -> Explanation:
    return vmstate.explain(framing.stream_of(case, release), target_named(release, case.destination, case.program))


def said(release: str, case: Case) -> dict[str, Any]:
    return RECORDED[release, case.name]


def test_all_cases_were_asked() -> None:
    assert RECORDED.keys() == {(release, case.name) for release, case in EACH}
    assert min(sum(entry["verdict"] == verdict for entry in RECORDED.values()) for verdict in ("loads", "fails")) > 80


@each_case
def test_explain_answers_as_qemu_does(release: str, case: Case) -> None:
    if case.name == FILLED:
        pytest.skip("it cannot be read")
    answer = explained(release, case)
    entry = said(release, case)
    assert answer.verdict == entry["verdict"], (answer.findings, entry["lines"])
    if answer.verdict == "fails":
        printed = " | ".join(entry["lines"])
        assert answer.qemu_error is not None and answer.qemu_error in printed, (answer.qemu_error, printed)
        first = next(finding for finding in answer.findings if finding.severity == "breaks")
        assert first.advice


@each_case
def test_what_a_stream_of_the_destination_says_is_no_other_answer(release: str, case: Case) -> None:
    """It says less: then it is not sure, or says what it takes for granted."""
    if case.name == FILLED:
        pytest.skip("it cannot be read")
    own = target_named(release, case.destination, case.program).stream
    assert own is not None
    answer = vmstate.explain(framing.stream_of(case, release), own)
    if answer.verdict != said(release, case)["verdict"]:
        on_command_line = (framing.UUID, framing.POSTCOPY)
        assert answer.verdict == "unknown" or answer.assumed or case.destination in on_command_line


@each_case
def test_a_known_destination_answers_as_qemu_does(release: str, case: Case) -> None:
    if case.program != framing.PROGRAM:
        pytest.skip("KnownDestination is for machines whose sections the library knows")
    destination = target_named(release, case.destination, case.program)
    if case.destination != case.source and case.name.startswith(("UUID", "POSTCOPY_ADVISE", "globalstate")):
        pytest.skip("what is on the command line is not in the reference")
    assert destination.stream is not None
    known = KnownDestination(destination.stream, {"qemu_release": Release.read(release)})
    data = framing.stream_of(case, release)
    refused = any(finding.severity == "error" for finding in known.check(data))
    if case.name.startswith("audio"):
        # That there is a back end is on the command line.
        assert refused or said(release, case)["verdict"] == "loads"
        return
    assert refused == (said(release, case)["verdict"] == "fails"), known.check(data)


@each_case
def test_every_stream_is_read_and_written_back(release: str, case: Case) -> None:
    if case.name in (FILLED, "audio of version 2"):
        pytest.skip("it cannot be read")
    data = framing.stream_of(case, release)
    with vmstate.load(data) as stream:
        assert stream.to_bytes() == data


def test_a_section_that_stands_twice_is_a_note() -> None:
    case = next(case for case in CASES if case.name == "timer twice")
    data = framing.stream_of(case, "7.2")
    with vmstate.load(data) as stream:
        findings = vmstate.verify(stream, memoryview(data))
    assert [(finding.severity, finding.section) for finding in findings if finding.rule == "vmdesc"] == [
        ("note", "timer")
    ]
    assert any("more than once" in text for text in explained("7.2", case).assumed)


@pytest.mark.qemu
@needs_qemu
def test_a_destination_that_sends_no_configuration_is_asked() -> None:
    """10.0 and 11.1 end by an assertion when they save so with a vmdesc."""
    words = ["-M", "none", "-m", "1", "-nodefaults", "-global", "migration.send-configuration=off"]
    for release in RELEASES:
        qemu = qemu_of_release(release)
        if qemu is None:
            continue
        target = target_of([framing.PROGRAM, *words], qemu=qemu)
        assert target.machine == "none" and target.stream is not None and target.stream.configuration is None
        case = next(case for case in CASES if case.name == "no configuration")
        assert vmstate.explain(framing.stream_of(case, release), target).verdict == "loads"


@pytest.mark.qemu
@needs_qemu
@pytest.mark.parametrize("case", CASES[::12], ids=lambda case: case.name)
@pytest.mark.parametrize("release", RELEASES)
def test_qemu_answers_as_it_did(release: str, case: Case) -> None:
    if release not in case.releases or framing.qemu_for(case.program, release) is None:
        pytest.skip(f"no QEMU {release} is here")
    verdict, lines = framing.answer(framing.stream_of(case, release), release, case.destination, case.program)
    entry = said(release, case)
    assert (verdict, lines) == (entry["verdict"], entry["lines"])


@pytest.mark.parametrize(("size", "is_taken"), [(0x100000, True), (0xFF000, False), (0x101000, False)])
def test_a_block_of_another_size(size: int, is_taken: bool) -> None:
    """7.2 prints "Size mismatch: ram: 0xff000 != 0x100000: Invalid argument" of the second."""
    stream = framing.target_named("7.2", framing.PLAIN).stream
    assert stream is not None
    data = stream.to_bytes()
    (block,) = stream.ram.blocks
    listed = data.index(b"\x03ram" + block.used_length.to_bytes(8, "big")) + 4
    total = int.from_bytes(data[listed - 12 : listed - 4], "big") - block.used_length + size
    sizes = total.to_bytes(8, "big") + b"\x03ram" + size.to_bytes(8, "big")
    changed = data[: listed - 12] + sizes + data[listed + 8 :]
    refusals = KnownDestination(stream, {"qemu_release": Release(7, 2)}).check(changed)
    assert [refusal.message.partition(" (")[0] for refusal in refusals] == ["a RAM block of another size"] * (
        not is_taken
    )


@pytest.mark.parametrize(
    ("idstr", "size", "room"),
    [
        ("pc.ram", 0xFFFFF, None),
        ("pc.ram", 0xFF000, 0x100000),
        ("pc.ram", (1 << 64) - 1, 0x100000),
        ("/rom@etc/acpi/tables", 0x200000, None),
        ("/rom@etc/acpi/tables", 0x200001, 0x200000),
        ("/rom@etc/acpi/tables", (1 << 64) - 1, None),
        ("/rom@etc/acpi/rsdp", 0x101000, 0x1000),
    ],
)
def test_the_room_of_a_block(idstr: str, size: int, room: int | None) -> None:
    """Whole pages are compared; what has a largest size takes all up to that, and nothing is what 64 bits wrap to."""
    assert room_of_block(idstr, size, 0x100000 if room != 0x1000 else 0x1000) == room
