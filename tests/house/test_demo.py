"""`make demo` and the environment that it makes: on a bare machine it works, or one line says what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vmstate.cli import main

ROOT = Path(__file__).resolve().parents[2]


def make(folder: Path, *words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "pyproject.toml").touch()
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=folder,
        env=environment | ({} if path is None else {"PATH": path}),
        capture_output=True,
        text=True,
        check=False,
    )


def python_that(folder: Path, name: str, *, fails_where: str) -> Path:
    """A Python that cannot do some of it."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f'#!/bin/sh\ncase "$*" in *{fails_where}*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return program


def with_tools(folder: Path) -> str:
    """A path with a shell's tools and no Python but those of `folder`."""
    for tool in ("sh", "make", "rm", "echo", "cat", "mkdir", "touch", "bash", "env"):
        found_at = shutil.which(tool)
        if found_at is not None:
            (folder / tool).symlink_to(found_at)
    return str(folder)


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="install make")


@needs_make
def test_without_the_module_that_makes_environments_one_line_says_what_to_install(tmp_path: Path) -> None:
    python = python_that(tmp_path / "bin", "python3", fails_where="ensurepip")
    done = make(tmp_path, ".venv/bin/python", f"PYTHON={python}")
    assert done.returncode != 0
    assert "cannot make a virtual environment: install python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()


@needs_make
def test_a_newer_python_is_taken_where_python3_is_too_old(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    python_that(folder, "python3", fails_where="version_info")
    python_that(folder, "python3.13", fails_where="nothing-of-this")
    done = make(tmp_path, "-n", ".venv/bin/python", path=with_tools(folder))
    assert "python3.13 -m venv .venv" in done.stdout


@needs_make
def test_no_python_at_all_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    done = make(tmp_path, ".venv/bin/python", path=with_tools(folder))
    assert done.returncode != 0
    assert "Python 3.11 or later is needed, and none of python3 python3.14" in done.stderr


@needs_make
@pytest.mark.slow
def test_an_environment_that_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / ".venv" / "bin"
    half.mkdir(parents=True)
    python_that(half, "python", fails_where="pip")
    done = make(tmp_path, "whole-environment", f"PYTHON={sys.executable}")
    assert done.returncode == 0, done.stderr
    pip = subprocess.run([half / "python", "-m", "pip", "--version"], capture_output=True, text=True, check=False)
    assert pip.stdout.startswith("pip ")


@pytest.mark.slow
def test_the_demo_does_what_it_says() -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [ROOT / ".ci" / "demo"], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for told in (
        "QEMU migration stream",
        "52:54:00:12:34:56 -> 52:54:00:c0:ff:ee",
        "fails in",
        "per-item, tap: minimal",
        "demo.html: ",
    ):
        assert told in done.stdout
    assert (ROOT / "demo.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_completion_is_printed_for_a_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="pip install shtab")
    assert main(["--print-completion", shell]) == 0
    printed = capsys.readouterr().out
    assert all(verb in printed for verb in ("info", "what-if", "--against"))


def test_a_completion_that_nobody_knows_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="pip install shtab")
    with pytest.raises(SystemExit):
        main(["--print-completion", "cmd.exe"])
    assert "no completion is known for 'cmd.exe' (expected bash" in capsys.readouterr().err
