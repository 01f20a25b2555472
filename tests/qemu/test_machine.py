"""A real QEMU that is started, asked, typed into, and saved."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from machines import BARE, COLD, NIC, PROGRAM, gone, guest, needs_guest, needs_qemu

from vmstate.errors import MachineError, StreamError
from vmstate.lab.guest import READY
from vmstate.qemu.capture import capture_running, capture_started
from vmstate.qemu.machine import Machine, find_qemu
from vmstate.qemu.monitor import Monitor
from vmstate.qemu.process import Keeper

pytestmark = [pytest.mark.qemu, needs_qemu]


def test_a_machine_that_has_gone() -> None:
    with pytest.raises(MachineError, match="QEMU has gone"), Machine(COLD) as machine:
        os.kill(machine.pid, signal.SIGKILL)
        machine.wait_for_end(5)
        machine.ask("query-status")
    with Machine(COLD, limit=5) as machine:
        assert machine.wait_for_end(0.01) is None
        pid = machine.pid
    assert gone({pid})


def test_a_second_monitor(tmp_path: Path) -> None:
    place = tmp_path / "qmp"
    with Machine([*COLD, "-qmp", f"unix:{place},server=on,wait=off"]), Monitor(str(place)) as monitor:
        known = capture_running(tmp_path / "x.mig", monitor)
        assert known["qemu_version"].split(".")[0] == str(monitor.version[0])


def test_a_disk_that_is_full_behind_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU says that its pipe is broken, and no more."""

    def failed(*_: Any) -> Any:
        raise MachineError("the migration failed: Unable to write to command: Broken pipe")

    monkeypatch.setattr("vmstate.qemu.migration.follow", failed)
    with pytest.raises(MachineError, match="Broken pipe"):
        capture_started(tmp_path / "x.mig", COLD, transport="exec")
    monkeypatch.setattr("vmstate.qemu.migration._is_full", lambda path: True)
    with pytest.raises(StreamError, match=r"no space left on device: .* Broken pipe"):
        capture_started(tmp_path / "x.mig", COLD, transport="exec")
    assert list(tmp_path.iterdir()) == []


def test_many_machines_with_one_keeper(tmp_path: Path) -> None:
    (tmp_path / "scratch").touch()
    with Keeper() as keeper:
        with Machine(COLD, keeper=keeper) as first, Machine(COLD, keeper=keeper, scratch=[str(tmp_path / "scratch")]):
            assert first.ask("query-status")["status"] == "prelaunch"
            first.ask("quit")
            assert first.wait_for_end(10) == 0
            assert (tmp_path / "scratch").exists()
        assert list(tmp_path.iterdir()) == []
        with Machine(COLD, keeper=keeper, limits={"AS": 8 << 30}) as last:
            assert resource.prlimit(last.pid, resource.RLIMIT_AS) == (8 << 30, 8 << 30)
            pid = last.pid
    assert gone({pid})


def test_what_it_said_is_kept_when_it_has_ended() -> None:
    with Machine([*COLD, "-cpu", "qemu64,+pcid"]) as machine:
        pass
    assert "doesn't support requested feature" in machine.output and "vmstate-qmp" not in machine.output


def test_what_does_not_start_says_why() -> None:
    with pytest.raises(MachineError, match=r"QEMU did not start: .*unsupported machine type"):
        Machine([PROGRAM, "-M", "nothing"])
    with pytest.raises(MachineError, match="there is no qemu-system-nowhere here"):
        find_qemu("qemu-system-nowhere")


@needs_guest
def test_a_guest_is_typed_into() -> None:
    argv = [*BARE, "-m", "96", *NIC, *guest().words]
    with Machine(argv, console=True) as machine:
        machine.wait_for(READY)
        assert machine.type("echo $((6 * 7)); echo more") == "42\nmore"
        with pytest.raises(MachineError, match=r"the guest's command 'false' ended with status 1"):
            machine.type("false")
        with pytest.raises(MachineError, match=r"did not print 'never' in 0.1 s"):
            machine.wait_for("never", 0.1)
