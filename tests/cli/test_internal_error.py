"""What the command says where the fault is its own: exit code 70 and one line, a traceback for who asks, never 1."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest
from recorded import NONE

from vmstate.cli import INTERNAL, info, load, main


def fails(options: object) -> int:
    raise TypeError("a \x1b[31mcolour\nand a second line")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "run", fails)


@pytest.mark.usefixtures("broken")
def test_an_internal_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(NONE)]) == INTERNAL == 70
    shown = capsys.readouterr()
    told = "TypeError: a \\x1b[31mcolour\\x0aand a second line (run with --debug for the traceback)"
    assert shown.err == f"vmstate: internal error: {told}\n"
    assert shown.out == ""


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("words", [["--debug", "info", str(NONE)], ["info", str(NONE), "--debug"]])
def test_debug_shows_the_traceback(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == INTERNAL
    told = capsys.readouterr().err
    assert told.startswith("Traceback (most recent call last):\n")
    assert "in fails" in told
    last = "vmstate: internal error: TypeError: a \\x1b[31mcolour\\x0aand a second line"
    assert told.splitlines()[-1] == last


def test_what_stands_behind_the_dashes_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = []

    def note(options: argparse.Namespace) -> int:
        programs.append(options.program)
        raise TypeError("then it fails")

    monkeypatch.setattr(load, "run", note)
    assert main(["load", str(NONE), "--", "qemu", "--debug"]) == INTERNAL
    assert programs == [["qemu", "--debug"]]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.usefixtures("broken")
def test_bad_input_is_no_internal_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["inof", "--debug"])
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_process_ends_with_it() -> None:
    code = """
import sys
from vmstate import cli

def broken(words):
    raise RecursionError("too deep")

cli._main = broken
sys.exit(cli.main(["verify", "x"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == INTERNAL
    assert done.stderr == "vmstate: internal error: RecursionError: too deep (run with --debug for the traceback)\n"
    assert done.stdout == ""
