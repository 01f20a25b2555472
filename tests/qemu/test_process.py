"""Programs that are never left behind, whatever ends the tool that started them."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from machines import children_of, gone, is_running

from vmstate.errors import MachineError
from vmstate.qemu.process import Keeper, Process, tail_of

SLEEP = ["sh", "-c", "sleep 86400 & echo started; wait"]


def test_what_it_prints_and_how_it_ends() -> None:
    with Process(["sh", "-c", "echo out; echo err >&2; exit 3"]) as process:
        assert process.wait_for_output("err", 10) == "out\nerr\n"
        assert process.wait(10) == 3 and process.wait(0) == 3 and not process.is_running
    assert process.output == "out\nerr\n" and process.wait(0) == 3
    with Process(["sh", "-c", "kill -SEGV $$"]) as process:
        assert process.wait(10) == -signal.SIGSEGV
    with Process(SLEEP) as process:
        assert process.wait(0.05) is None and process.is_running
    assert process.wait(0) == -signal.SIGKILL and not process.is_running


def test_all_of_its_session_ends_with_it() -> None:
    process = Process(SLEEP)
    process.wait_for_output("started", 10)
    below = children_of(process.pid)
    assert below
    process.stop()
    assert gone(below | {process.pid}, 5)
    process.stop()


def test_what_it_leaves_when_it_ends_by_itself_ends_too() -> None:
    with Process(["sh", "-c", "sleep 86400 & echo $!"]) as process:
        assert process.wait(10) == 0
        assert gone({int(process.output)}, 5)


def test_descriptors_keep_their_numbers(tmp_path: Path) -> None:
    with open(tmp_path / "a", "w+b") as first, open(tmp_path / "b", "w+b") as second:
        numbers = second.fileno(), first.fileno()
        code = f"import os; os.write({first.fileno()}, b'a'); os.write({second.fileno()}, b'b')"
        listed = "print(len(os.listdir('/proc/self/fd')))"
        with Process([sys.executable, "-I", "-S", "-c", f"{code}; {listed}"], descriptors=numbers) as process:
            assert process.wait(10) == 0
            # The three of everybody, those two, and that of the listing itself.
            assert process.output == "6\n"
    assert (tmp_path / "a").read_text() == "a" and (tmp_path / "b").read_text() == "b"


def test_where_and_with_what_it_runs(tmp_path: Path) -> None:
    limits = {"CORE": 0, "NOFILE": 77}
    command = ["sh", "-c", "pwd; echo $WORD; ulimit -n; ulimit -c"]
    with Process(command, folder=str(tmp_path), environment={"WORD": "said"}, limits=limits) as process:
        assert process.wait(10) == 0 and process.output.split("\n")[:4] == [str(tmp_path), "said", "77", "0"]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] != 77


def test_what_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="no command"):
        Process([])
    for command, folder, reason in (
        (["no-such-program"], None, "no-such-program: No such file or directory\n"),
        ([str(tmp_path)], None, f"{tmp_path}: Permission denied\n"),
        (["true"], str(tmp_path / "none"), "true: No such file or directory\n"),
        (["true", "a\0b"], None, "true: embedded null byte\n"),
    ):
        with Process(command, folder=folder) as process:
            assert process.wait(10) == 127 and process.output == reason


def test_scratch_goes_when_it_has_ended(tmp_path: Path) -> None:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder" / "below" / "file").touch()
    (tmp_path / "kept").touch()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "file").touch()
    scratch = [str(tmp_path / name) for name in ("folder", "file", "none")]
    with Process(["sleep", "86400"], scratch=scratch):
        assert (tmp_path / "file").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_one_keeper_for_many() -> None:
    with Keeper() as keeper:
        first, second = Process(["sleep", "86400"], keeper=keeper), Process(["sleep", "86400"], keeper=keeper)
        first.stop()
        assert gone({first.pid}, 5) and second.is_running
        third = Process(["true"], keeper=keeper)
        assert third.wait(10) == 0
        assert second.is_running
    assert second.wait(10) == -signal.SIGKILL
    with pytest.raises(MachineError, match="sleep cannot be started"):
        Process(["sleep", "1"], keeper=keeper)
    for process in (first, second, third):
        process.stop()


def test_a_keeper_that_is_killed_takes_its_programs_along() -> None:
    with Keeper() as keeper, Process(["sleep", "86400"], keeper=keeper) as process:
        keeper._process.kill()
        assert process.wait(10) == -signal.SIGKILL
        assert gone({process.pid}, 5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_tool_is_ended(number: int, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    code = (
        "import sys, time\nfrom vmstate.qemu.process import Keeper, Process\n"
        "keeper = Keeper()\n"
        f"made = [Process({SLEEP!r}, keeper=keeper, scratch=[sys.argv[1]]), Process({SLEEP!r})]\n"
        "for process in made: process.wait_for_output('started', 10)\n"
        "print('ready', flush=True)\ntime.sleep(100)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "scratch")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True) as tool:
        assert tool.stdout is not None and tool.stdout.readline() == b"ready\n"
        below = children_of(tool.pid)
        assert len(below) == 6
        # All of its process group, as a terminal does it.
        os.killpg(tool.pid, number)
        tool.wait(10)
    assert gone(below, 5)
    assert not any(map(is_running, below)) and list(tmp_path.iterdir()) == []


def test_a_program_that_is_stopped_at_once_never_runs(tmp_path: Path) -> None:
    with Keeper() as keeper:
        for _ in range(50):
            Process(["sh", "-c", "sleep 0.2; echo left >> left"], keeper=keeper, folder=str(tmp_path)).stop()
    time.sleep(0.3)
    assert list(tmp_path.iterdir()) == []


def test_the_last_lines_as_one() -> None:
    assert tail_of("a\n\n\x1b[1mb\x1b[0m \r\nc\nd\ne\n") == "b | c | d | e"
    assert tail_of("") == "" and len(tail_of("x" * 1000)) == 403
