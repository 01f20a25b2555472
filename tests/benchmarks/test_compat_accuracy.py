"""Each device alone from one release into another: what becomes of it, and that a false break is seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compat_accuracy import FALSE_BREAK, LOADS, MISSED, NOT_SHOWN, TOLD, Crossing, lines_of, main, section_in
from machines import PROGRAM, ROOTS, needs_qemu

FOOTER = "qemu-system-x86_64: Missing section footer for 0000:00:01.0/pciespscsi | load of migration failed"
BREAK = "0000:00:01.0/pciespscsi: esp/drq_state: 'drq_state' (1 byte) is not sent, and the destination reads it"


def crossing(words: str = "", *breaks: str, may_break: tuple[str, ...] = (), is_shown: bool = True) -> Crossing:
    return Crossing("pc-q35-5.2", "am53c974", "7.2", "10.0", not words, words, breaks, may_break, is_shown)


@pytest.mark.parametrize(
    ("made", "judgement"),
    [
        (crossing(), LOADS),
        (crossing("", BREAK), FALSE_BREAK),
        (crossing(FOOTER, BREAK), TOLD),
        (crossing(FOOTER, BREAK.replace("pciespscsi", "other")), MISSED),
        (crossing(FOOTER), MISSED),
        (crossing(FOOTER, may_break=(BREAK,)), "told as what may break"),
        (crossing(FOOTER, is_shown=False), NOT_SHOWN),
        (crossing("VQ 0 vring.num 1024 exceeds allocated max 256"), NOT_SHOWN),
        (crossing("Unknown savevm section or instance 'a/b' 0. Make sure", "a/b#1: None: no section"), TOLD),
    ],
)
def test_what_becomes_of_a_device(made: Crossing, judgement: str) -> None:
    assert made.judgement == judgement


def test_the_section_that_is_named() -> None:
    assert section_in(FOOTER) == "0000:00:01.0/pciespscsi"
    assert section_in("savevm: unsupported version 2 for 'ipmi-bmc-sim' v1") == "ipmi-bmc-sim"
    assert section_in("error while loading state for instance 0x0 of device 'ram'") == "ram"
    assert section_in("Size mismatch: pc.bios: 0x10000 != 0x20000") is None


def test_the_table_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = [crossing(), crossing(FOOTER, BREAK), crossing("", BREAK)]
    file = tmp_path / "crossed.jsonl"
    file.write_text("".join(json.dumps(entry.as_dict()) + "\n" for entry in made[:2]))
    assert main(["--table", str(file)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("told: pc-q35-5.2 am53c974 7.2 to 10.0: compat: 0000:00:01.0/pciespscsi: esp/drq_state")
    assert "| 7.2 → 10.0 | 2 | 1 | 1 | 0 | 0 | 0 | 0 |" in printed
    file.write_text("".join(json.dumps(entry.as_dict()) + "\n" for entry in made))
    assert main(["--table", str(file)]) == 1
    assert list(lines_of(made))[-1] == "| all | 3 | 1 | 1 | 0 | 0 | 0 | 1 |"
    file.write_text('{"machine": 3}\n')
    assert main(["--table", str(file)]) == 2
    assert main(["--qemu", PROGRAM]) == 2
    assert "--qemu twice" in capsys.readouterr().err


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@pytest.mark.skipif(not ROOTS, reason="needs QEMU of another release: VMSTATE_QEMU_ROOTS=ROOT:...")
def test_a_few_devices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "crossed.jsonl"
    places = [word for root in ROOTS for word in ("--qemu", root)]
    code = main(["--qemu", PROGRAM, *places, "-o", str(file), "am53c974", "e1000e", "isa-ipmi-kcs"])
    printed, told = capsys.readouterr()
    if "Only modules from the same build can be loaded" in told:
        pytest.skip("a root in VMSTATE_QEMU_ROOTS lacks modules of its QEMU that this system has of another: no dump")
    assert code == 0, told
    assert "told: pc-q35-5.2 am53c974 7.2 to 10.0" in printed or "10.0" not in printed
    assert len(file.read_text().splitlines()) >= 3
