"""A tool that is killed, at whatever moment, leaves no QEMU and no keeper behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="needs QEMU: apt install qemu-system-x86"),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc"),
]

MACHINE = ["qemu-system-x86_64", "-M", "none", "-accel", "tcg", "-nodefaults", "-display", "none"]
MOMENTS = 200 if os.environ.get("VMSTATE_FUZZ_PROFILE") == "long" else 6
"""Moments of each verb; a run takes about a second."""

VERBS: dict[str, Callable[[Path, Path], list[str]]] = {
    "capture": lambda stream, folder: ["capture", "-o", str(folder / "out.mig"), "--", *MACHINE],
    "load": lambda stream, folder: ["load", str(stream), "--", *MACHINE],
    "fuzz": lambda stream, folder: ["fuzz", "qemu", "--runs", "50", "-o", str(folder / "found"), "--", *MACHINE],
    "matrix --really": lambda stream, folder: [
        "matrix",
        *["qemu-system-x86_64:none"] * 2,
        "--really",
        "--workers",
        "2",
    ],
    "fuzz --fresh": lambda stream, folder: ["fuzz", "qemu", "--runs", "9", "--fresh", "--jobs", "2", "--", *MACHINE],
}


def marked(mark: str) -> set[int]:
    """The processes that have a word in their environment: whoever was started by a tool with it has it, too."""
    found_processes = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found_processes.add(int(entry.name))
            except OSError:
                continue
    return found_processes


def left_of(mark: str) -> set[int]:
    """The same after a while: what sees that its tool has ended needs a moment for it."""
    end = time.monotonic() + 20
    while (left := marked(mark)) and time.monotonic() < end:
        time.sleep(0.02)
    return left


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("killed") / "none.mig"
    command = [sys.executable, "-m", "vmstate", "capture", "-o", str(path), "--", *MACHINE]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return path


@pytest.mark.parametrize("whom", ["tool", "group"])
@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_left_of_a_tool_that_is_killed(verb: str, whom: str, stream: Path, tmp_path: Path) -> None:
    """At moments from its first instruction on: the keeper not started, QEMU forked and not in its session yet."""
    source = random.Random(f"{verb} {whom}")
    begun = time.monotonic()
    took = None
    for number in range(MOMENTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        mark = f"killed-{uuid.uuid4().hex}"
        command = [sys.executable, "-m", "vmstate", *VERBS[verb](stream, folder)]
        environment = {**os.environ, "VMSTATE_TEST_MARK": mark}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as tool:
            if took is None:
                # The first is let go on, to know how long there is something to be killed.
                tool.wait(120)
                took = time.monotonic() - begun
                assert left_of(mark) == set()
                continue
            time.sleep(source.uniform(0.0, took))
            if whom == "tool":
                tool.kill()
            else:
                os.killpg(tool.pid, signal.SIGKILL)
            tool.wait(10)
        left = left_of(mark)
        assert left == set(), [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]
