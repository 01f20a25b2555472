"""Nothing that came with a file is run unasked."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded import NONE, plain

from vmstate.cli import main
from vmstate.compare import open_target
from vmstate.compare.schemas import open_schema
from vmstate.errors import MachineError, VMStateError
from vmstate.lab import QemuDestination
from vmstate.qemu.trust import program_of, touched

NAME = "qemu-system-x86_64"


class Place:
    """A folder with a stream, a QEMU of the user's and one of the file's, each of which leaves a mark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stream = folder / "guest.mig"
        self.stream.write_bytes(plain(NONE))
        self.evil = folder / "evil"
        self.path = folder / "bin"
        for place in (self.evil, self.path):
            place.mkdir()
            program = place / NAME
            program.write_text(f'#!/bin/sh\necho "$0 $*" >> {place}.ran\nexit 1\n')
            program.chmod(0o755)

    def record(self, *argv: str, **more: Any) -> None:
        known = {"kind": "provenance", "vmstate": 1, "argv": list(argv), **more}
        (self.folder / "guest.mig.provenance.json").write_text(json.dumps(known))

    def ran(self) -> tuple[bool, bool]:
        """Whether the user's QEMU was started, and whether the one of the file was."""
        return Path(f"{self.path}.ran").exists(), Path(f"{self.evil}.ran").exists()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(tmp_path)
    monkeypatch.setenv("PATH", f"{made.path}:{os.environ['PATH']}")
    # pytest has taken standard input away: as in a script, nobody can be asked.
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115 (as long as the test)
    yield made
    sys.stdin.close()


def seeds(place: Place) -> dict[str, list[str]]:
    return {
        "load": ["load", str(place.stream), "--limit", "5"],
        "fuzz": ["fuzz", "qemu", "--seed", str(place.stream), "--runs", "1"],
        "fresh": ["fuzz", "qemu", "--fresh", "--seed", str(place.stream), "--runs", "1"],
    }


@pytest.mark.parametrize("verb", ["load", "fuzz", "fresh"])
def test_a_recorded_command_line_is_shown_and_not_run(
    place: Place, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place.record(str(place.evil / NAME), "-M", "none", "-netdev", "tap,id=n,script=/tmp/x.sh", "-kernel", "bzImage")
    assert main(seeds(place)[verb]) == 2
    error = capsys.readouterr().err
    assert place.ran() == (False, False)
    assert "is not run unasked" in error
    assert "--trust" in error
    # What touches the host stands before the command line.
    assert error.index("runs: -netdev tap,id=n,script=/tmp/x.sh") < error.index(f"starting {NAME} -M none")
    assert error.index("opens: -kernel bzImage") < error.index("starting")


@pytest.mark.parametrize("verb", ["load", "fuzz", "fresh"])
def test_with_trust_it_is_the_program_on_path(place: Place, verb: str) -> None:
    place.record(str(place.evil / NAME), "-M", "none")
    assert main([*seeds(place)[verb], "--trust"]) == 2
    assert place.ran() == (True, False)


@pytest.mark.parametrize("verb", ["load", "fuzz"])
@pytest.mark.parametrize(
    "program", ["sh", "/bin/sh", "./qemu-system-x86_64.sh", "", "qemu-system-x86_64; id", "chroot"]
)
def test_no_other_program_is_run(place: Place, verb: str, program: str, capsys: pytest.CaptureFixture[str]) -> None:
    mark = place.folder / "mark"
    place.record(program, "-c", f"touch {mark}")
    assert main([*seeds(place)[verb], "--trust"]) == 2
    assert "starts no QEMU by its name" in capsys.readouterr().err
    assert not mark.exists()
    assert place.ran() == (False, False)


def test_qemu_names_another(place: Place) -> None:
    other = place.folder / "mine"
    other.write_text(f"#!/bin/sh\ntouch {place.folder}/mine.ran\nexit 1\n")
    other.chmod(0o755)
    place.record(str(place.evil / NAME), "-M", "none")
    assert main([*seeds(place)["load"], "--trust", "--qemu", str(other)]) == 2
    assert (place.folder / "mine.ran").exists()
    assert place.ran() == (False, False)


def test_the_library_takes_no_program_from_a_file_either(place: Place) -> None:
    place.record(str(place.evil / NAME), "-M", "none")
    with pytest.raises(MachineError):
        QemuDestination(place.stream, limit=5)
    assert place.ran() == (True, False)


def test_a_command_line_of_the_user_needs_no_question(place: Place) -> None:
    place.record(str(place.evil / NAME), "-M", "none")
    assert main([*seeds(place)["load"], "--", NAME, "-M", "none"]) == 2
    assert place.ran() == (True, False)


@pytest.mark.parametrize(("answer", "ran"), [(b"y\n", True), (b"n\n", False), (b"\n", False), (b"maybe\n", False)])
def test_on_a_terminal_the_user_is_asked(place: Place, answer: bytes, ran: bool) -> None:
    place.record(str(place.evil / NAME), "-M", "none")
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    command = [sys.executable, "-m", "vmstate", *seeds(place)["load"]]
    done = subprocess.run(command, check=False, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 2
    assert place.ran() == (ran, False)
    assert b"run it? [y/N]" in os.read(ours, 1 << 16)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["-M", "q35", "-m", "256", "-device", "virtio-net-pci,netdev=n"], []),
        (["-incoming", "exec:id"], ["runs"]),
        (["-chardev", "pipe,id=c,path=/tmp/p"], ["opens"]),
        (["-netdev", "user,id=n,guestfwd=tcp:10.0.2.9:1-cmd:id"], ["runs", "connects"]),
        (["-netdev", "tap,id=n,script=no,downscript=no"], ["connects"]),
        (["-netdev", "bridge,id=n,helper=/tmp/h"], ["runs", "connects", "opens"]),
        (["-drive", "file=disk.qcow2,if=virtio"], ["opens"]),
        (["-blockdev", "driver=file,node-name=d,filename=disk"], ["opens"]),
        (["-object", "memory-backend-file,id=m,size=1G,mem-path=x"], ["opens"]),
        (["-serial", "file:log"], ["opens"]),
        (["-monitor", "stdio"], ["connects"]),
        (["-plugin", "evil.so"], ["runs"]),
        (["-readconfig", "x.cfg"], ["opens"]),
        (["-chardev", "socket,id=s,host=h,port=1"], ["connects"]),
        (["-virtfs", "local,path=x,mount_tag=t"], ["opens"]),
        (["-device", "vfio-pci,host=0000:00:02.0"], ["connects"]),
    ],
)
def test_what_a_command_line_touches(words: list[str], expected: list[str]) -> None:
    lines = touched([NAME, *words], {})
    assert [line.partition(":")[0] for line in lines] == expected


def test_memory_and_the_folder_are_told() -> None:
    lines = touched([NAME], {"folder": "/x", "memory": [{"id": "m", "size": 1, "file": "../m.ram"}]})
    assert lines == ["opens: guest memory ../m.ram", "in the folder /x"]


def test_the_names_of_programs() -> None:
    for name in ("qemu-system-x86_64", "qemu-system-s390x", "qemu-kvm", "/usr/libexec/qemu-kvm"):
        assert program_of([name]) == os.path.basename(name)
    for argv in ([], [""], ["sh"], ["qemu-img"], ["qemu-system-x86_64 -x"], ["qemu-system-"]):
        with pytest.raises(MachineError):
            program_of(argv)


def executable(folder: Path, content: bytes) -> str:
    path = folder / "file"
    path.write_bytes(content)
    path.chmod(0o755)
    return str(path)


OPENERS: list[Callable[..., Any]] = [open_schema, open_target]


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("how", ["plain", "machine", "colon"])
def test_a_stream_that_can_be_executed_is_a_stream(tmp_path: Path, how: str, opener: Callable[..., Any]) -> None:
    path = executable(tmp_path, plain(NONE))
    if how == "colon":
        with pytest.raises(VMStateError, match="no such file"):
            opener(f"{path}:q35")
    else:
        assert opener(path, machine="q35" if how == "machine" else None).name == path


@pytest.mark.parametrize("opener", OPENERS)
def test_text_that_can_be_executed_is_not_run(tmp_path: Path, opener: Callable[..., Any]) -> None:
    """A shell would take a file without a magic for a script."""
    mark = tmp_path / "mark"
    path = executable(tmp_path, f"touch {mark}\n".encode())
    with pytest.raises(VMStateError):
        opener(path, machine="q35")
    assert not mark.exists()
