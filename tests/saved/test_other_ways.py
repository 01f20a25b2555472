"""Real recordings of machines that were moved or kept in ways of their own: postcopy with its preempt channel, a
postcopy that broke and was recovered, memory in a file of its own, a snapshot of a machine that goes on.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from machines import PROGRAM, ROOTS, needs_qemu, qemu_of
from saved_files import PAGE, RECORDED, plain, put_out, wrong_pages

from vmstate import load
from vmstate.cli import main
from vmstate.errors import MachineError, VMStateError
from vmstate.qemu.machine import Machine
from vmstate.qemu.recorder import Recorder
from vmstate.stream.ram_records import RamPages
from vmstate.stream.reader import StreamReader


def test_pages_that_the_destination_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "postcopy-preempt-7.2"
    first, preempt = put_out(name, tmp_path)
    with load(tmp_path) as stream:
        memory = stream.memory()
        assert [channel.kind for channel in stream.channels] == ["postcopy-preempt"]
        assert wrong_pages(name, memory) == [] and list(memory.missing()) == []
        assert memory.read(0x10F000, 9) == b"page   15"
        assert b"".join(stream.chunks()) == first.read_bytes()
    assert main(["verify", str(tmp_path)]) == 0
    # The destination looked at the last tagged page and at an empty one, long before their turn.
    with load(first) as stream:
        memory = stream.memory()
        lost = [address + at for address, size in memory.missing() for at in range(0, size, PAGE)]
        assert 0x10F000 in lost and 0x700000 in lost and len(lost) < 20
        with pytest.raises(VMStateError, match="does not hold page 0x10f of"):
            memory.read(0x10F000, 1)
    assert preempt.stat().st_size < 2 * PAGE
    assert main(["ram", str(first), "read", "0x10f000", "9"]) == 2
    assert "at 0x10f000 (expected postcopy's preempt channel" in capsys.readouterr().err
    assert main(["info", str(first)]) == 0
    assert main(["verify", str(first)]) == 0
    told = f"{len(lost)} pages are not in it, the first at {lost[0]:#x}: in postcopy's preempt channel"
    assert capsys.readouterr().out.count(told) == 2


def test_a_postcopy_that_broke_and_was_recovered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "postcopy-recovery-7.2"
    first, second = put_out(name, tmp_path)
    with load(first, channels=[second]) as stream:
        memory = stream.memory()
        assert stream.cut is not None and [channel.kind for channel in stream.channels] == ["recovery"]
        assert wrong_pages(name, memory) == [] and list(memory.missing()) == []
    assert main(["verify", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["info", str(first)]) == 1
    with pytest.raises(VMStateError):
        load(second)
    # Each half alone lacks what the other has.
    later = second.read_bytes()
    second.write_bytes(later[: len(later) // 2])
    with pytest.raises(VMStateError), load(first, channels=[second]) as stream:
        stream.memory().read(0x500000, 1)


def test_memory_in_a_file_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "ignore-shared-7.2"
    path, shared = tmp_path / "stream", tmp_path / "shared"
    path.write_bytes(plain(f"{name}.file"))
    shared.write_bytes(plain(f"{name}.shared-ram"))
    with load(path) as stream:
        assert stream.configuration is not None and "x-ignore-shared" in stream.configuration.capability_names
        assert b"".join(stream.chunks()) == path.read_bytes()
        assert wrong_pages(name, stream.memory(files={"mem": str(shared)})) == []
    assert main(["verify", str(path)]) == 0
    capsys.readouterr()
    # Without the file nothing is made up.
    assert main(["ram", str(path), "read", "0x103000", "9"]) == 2
    assert "--memory ID=FILE" in capsys.readouterr().err
    assert main(["ram", str(path), "read", "0x103000", "9", "--memory", f"mem={shared}"]) == 0
    shared.write_bytes(shared.read_bytes()[:-PAGE])
    assert main(["ram", str(path), "read", "0x103000", "9", "--memory", f"mem={shared}"]) == 2


def test_a_snapshot_of_a_machine_that_goes_on(tmp_path: Path) -> None:
    name = "background-snapshot-7.2"
    path = tmp_path / "stream"
    path.write_bytes(plain(f"{name}.file"))
    with load(path) as stream:
        memory = stream.memory()
        assert wrong_pages(name, memory) == [] and list(memory.missing()) == []
        assert b"".join(stream.chunks()) == path.read_bytes()
        assert memory.read(0x10000, 2) != bytes(2)
    assert main(["verify", str(path)]) == 0
    # The machine counted in these pages all the while, and each is there once, as it was when the snapshot began.
    assert RECORDED[name]["changed"] == 0x60
    runs = [run for run in StreamReader.over(memoryview(path.read_bytes())).events() if isinstance(run, RamPages)]
    addresses = [address for run in runs if run.block == "microvm.ram" for address in run.addresses()]
    assert len(addresses) == len(set(addresses)) == RECORDED[name]["pages"]


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@pytest.mark.parametrize("root", [None, *ROOTS])
def test_a_preempt_channel_of_a_real_qemu_is_recorded_and_read(root: str | None, tmp_path: Path) -> None:
    """The destination looks at pages that have not come; memory is that of the source, which never ran."""
    size = 16 << 20
    drawn = os.urandom(6 << 20)
    (tmp_path / "drawn").write_bytes(drawn)
    argv = [PROGRAM, "-S", "-M", "microvm", "-m", "16", "-nodefaults", "-display", "none", "-accel", "tcg,tb-size=16"]
    argv += ["-device", f"loader,file={tmp_path / 'drawn'},addr=0x400000,force-raw=on"]
    capabilities = [{"capability": name, "state": True} for name in ("postcopy-ram", "postcopy-preempt")]
    qemu = None if root is None else qemu_of(root)
    with (
        Machine(argv, qemu=qemu) as source,
        Machine([*argv, "-incoming", "defer"], qemu=qemu) as target,
    ):
        try:
            for machine in (source, target):
                machine.ask("migrate-set-capabilities", {"capabilities": capabilities})
        except MachineError as error:
            pytest.skip(f"this release has it not: {error}")
        target.ask("migrate-incoming", {"uri": f"unix:{tmp_path / 'in'}"})
        recorder = Recorder(f"unix:{tmp_path / 'between'}", f"unix:{tmp_path / 'in'}", tmp_path / "kept")
        running = threading.Thread(target=recorder.run)
        running.start()
        source.ask("pmemsave", {"val": 0, "size": size, "filename": str(tmp_path / "truth")})
        slow = {"max-bandwidth": 20_000, "max-postcopy-bandwidth": 20_000}
        source.ask("migrate-set-parameters", slow)
        source.ask("migrate", {"uri": recorder.uri})
        until(lambda: source.ask("query-migrate").get("ram", {}).get("transferred"))
        source.ask("migrate-start-postcopy")
        until(lambda: target.ask("query-migrate").get("status") == "postcopy-active")
        asked = (0x900000, 0xF00000)
        for address in asked:
            target.ask("human-monitor-command", {"command-line": f"xp /1xb {address:#x}"})
        source.ask("migrate-set-parameters", {"max-postcopy-bandwidth": 1 << 30})
        until(lambda: source.ask("query-migrate").get("status") == "completed")
        running.join(30)
    truth = (tmp_path / "truth").read_bytes()
    with load(tmp_path / "kept") as stream:
        memory = stream.memory()
        assert [channel.kind for channel in stream.channels] == ["postcopy-preempt"]
        assert list(memory.missing()) == []
        wrong = [at for at in range(0, size, PAGE) if memory.read(at, PAGE) != truth[at : at + PAGE]]
        # A machine that never ran shows its firmware there.
        assert all(0xE0000 <= at < 0x100000 for at in wrong)
        assert memory.read(0x400000, len(drawn)) == drawn
    with load(tmp_path / "kept" / "ch0.src2dst") as stream:
        lost = [address for address, _ in stream.memory().missing()]
        assert set(asked) <= set(lost) and len(lost) < 100


def until(is_so: Callable[[], Any]) -> None:
    """Wait until something is so, for half a minute at most."""
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)
