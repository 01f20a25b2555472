"""The device state of a machine that runs, and the verbs that read it in the place of a file."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from machines import COLD, ROOTS, booting, needs_guest, needs_qemu, qemu_of

import vmstate
from vmstate.cli import main
from vmstate.errors import MachineError
from vmstate.lab.guest import READY
from vmstate.qemu.live import is_near_stop, live_state, live_state_at
from vmstate.qemu.machine import Machine
from vmstate.qemu.monitor import Monitor
from vmstate.qemu.provenance import read_provenance

GREETING = {"QMP": {"version": {"qemu": {"major": 9, "minor": 0, "micro": 1}, "package": ""}, "capabilities": []}}


# ---------------------------------------------------------------------------------------------------------------------
# Without a QEMU: what else may be at the other end.


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Any]:
    """A socket at which something greets as QEMU does and answers by a function."""
    sockets = []

    def start(answer: Any) -> str:
        place = str(tmp_path / "qmp")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(place)
        listener.listen(1)
        sockets.append(listener)

        def serve() -> None:
            connection, _ = listener.accept()
            sockets.append(connection)
            lines = connection.makefile("rwb")
            lines.write(json.dumps(GREETING).encode() + b"\n")
            lines.flush()
            for line in lines:
                request = json.loads(line)
                lines.write(json.dumps({**answer(request), "id": request["id"]}).encode() + b"\n")
                lines.flush()

        threading.Thread(target=serve, daemon=True).start()
        return f"unix:{place}"

    yield start
    for opened in sockets:
        opened.close()


def no_such_command(request: dict[str, Any]) -> dict[str, Any]:
    if request["execute"] == "xen-save-devices-state":
        return {"error": {"desc": "The command xen-save-devices-state has not been found"}}
    return {"return": {"status": "running", "fdset-id": 3, "fd": 7}}


def test_a_qemu_without_the_command(answering: Any, capsys: pytest.CaptureFixture[str]) -> None:
    address = answering(no_such_command)
    assert main(["show", "--qmp", address]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "cannot write its device state while it runs: it has no command xen-save-devices-state (found 9.0.1)" in told


@pytest.mark.parametrize(("major", "is_refused"), [(9, False), (10, True)])
def test_a_card_whose_back_end_would_give_its_state_away(
    answering: Any, monkeypatch: pytest.MonkeyPatch, major: int, is_refused: bool
) -> None:
    """passt, asked for its state, takes it for a migration and ends: QEMU asks since 10.0."""
    asked = []

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request["execute"])
        if request.get("arguments") == {"command-line": "info network"}:
            return {"return": "nic0: index=0,type=nic\r\n \\ n0: index=0,type=vhost-user,vhost-user0 to c0\r\n"}
        return {"return": {"status": "running", "fdset-id": 3, "fd": 7}}

    monkeypatch.setitem(GREETING["QMP"]["version"]["qemu"], "major", major)
    with pytest.raises(MachineError, match="passt ends then" if is_refused else "QEMU wrote no stream"):
        live_state_at(answering(answer))
    assert ("xen-save-devices-state" in asked) is not is_refused


def test_a_program_that_writes_nothing(answering: Any) -> None:
    address = answering(lambda request: {"return": {"status": "running", "fdset-id": 3}})
    with pytest.raises(MachineError, match=r"QEMU wrote no stream \(found nothing\)"):
        live_state_at(address)
    with pytest.raises(MachineError, match="not of the form that it must have"):
        live_state(Monitor(socket_that_says({"return": "nothing"})))


def test_a_relay_at_a_monitor_that_answers_otherwise(
    answering: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = answering(lambda request: {"return": {"status": "running"}})
    places = ["--listen", f"unix:{tmp_path / 'a'}", "--connect", f"unix:{tmp_path / 'b'}"]
    assert main(["early", "relay", "--qmp", address, *places]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "not of the form that it must have" in told


def socket_that_says(answer: dict[str, Any]) -> socket.socket:
    """A socket at whose other end somebody has greeted and given one answer to everything."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        lines = theirs.makefile("rwb")
        lines.write(json.dumps(GREETING).encode() + b"\n")
        lines.flush()
        for line in lines:
            lines.write(json.dumps({**answer, "id": json.loads(line)["id"]}).encode() + b"\n")
            lines.flush()

    threading.Thread(target=serve, daemon=True).start()
    return ours


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show"], "which stream? (expected a FILE, or a running machine (--qmp SOCKET))"),
        (["decode"], "which stream? (expected a FILE, or a running machine (--qmp SOCKET))"),
        (["report", "-o", "a"], "which stream? (expected a FILE, or a running machine (--qmp SOCKET))"),
        (["decode", "a", "--qmp", "unix:b"], "one stream is read (expected FILE or --qmp SOCKET, found both)"),
        (["report", "a", "b", "--qmp", "unix:c", "-o", "d"], "a page is of one stream, or of two"),
        (["diff", "a"], "two moments are compared (expected A B, or A --qmp SOCKET, or --qmp SOCKET, found 1 files)"),
        (["diff", "a", "b", "--qmp", "unix:c"], "two moments are compared"),
        (["early", "plan"], "two moments are compared"),
        (["query", "--qmp", "tcp:localhost:1", "query-pci"], "which only a local socket can pass"),
        (["verify", "--qmp", "unix:/nowhere/qmp"], "unix:/nowhere/qmp: QMP: no such file or directory"),
        (["watch", "--qmp", "unix:a", "--count", "1"], "a change is between two looks"),
        (["capture", "-o", "a", "--listen", "unix:b", "--devices-only"], "--devices-only is for a QEMU that runs"),
        (["capture", "-o", "a", "--qmp", "unix:b", "--devices-only", "--stopped"], "with --devices-only nothing is"),
    ],
)
def test_what_cannot_be_asked(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# Real QEMUs.


@pytest.fixture(scope="module", params=[None, *ROOTS])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, str]]:
    """A Linux guest that runs, and the address of a monitor that is for the commands."""
    place = f"unix:{tmp_path_factory.mktemp('live') / 'qmp'}"
    words = [*booting(), "-qmp", f"{place},server=on,wait=off"]
    with Machine(words, qemu=qemu_of(request.param), console=True) as machine:
        machine.wait_for(READY)
        yield machine, place


@pytest.mark.qemu
@needs_qemu
@needs_guest
def test_a_guest_goes_on_while_it_is_looked_at(running: tuple[Machine, str], tmp_path: Path) -> None:
    machine, address = running
    state = live_state(machine.monitor)
    assert state.status == "running"
    assert state.machine is not None
    assert state.machine.startswith("pc-q35-")
    assert state.pause_ms is not None
    assert 0 < state.pause_ms <= state.call_ms
    assert machine.ask("query-status")["status"] == "running"
    with vmstate.load(state.stream()) as stream:
        assert all(section.described_by == "library" for section in stream.sections if not section.is_ram)
        assert {"pc.ram"} < {block.idstr for block in stream.ram.blocks}
    # The whole machine, saved by a migration, has the same sections.
    path = str(tmp_path / "devices.mig")
    assert main(["capture", "--qmp", address, "--devices-only", "-o", path]) == 0
    known = read_provenance(path)
    assert known is not None
    assert known["live"]["status"] == "running"
    saved = str(tmp_path / "saved.mig")
    assert main(["capture", "--qmp", address, "-o", saved]) == 0
    with vmstate.load(path) as devices, vmstate.load(saved) as whole:
        names = [(section.name, section.instance_id) for section in whole.sections if not section.is_ram]
        assert [(section.name, section.instance_id) for section in devices.sections if not section.is_ram] == names
    assert machine.type("echo alive") == "alive"


@pytest.mark.qemu
@needs_qemu
@needs_guest
def test_the_verbs_read_a_machine(
    running: tuple[Machine, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine, address = running
    assert main(["show", "--qmp", address, "virtio-net.mac"]) == 0
    assert capsys.readouterr().out == "52:54:00:12:34:56\n"
    assert main(["query", "--qmp", address, "query-rx-filter", "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    real = machine.ask("query-rx-filter")
    assert answer[0] == {key: value for key, value in real[0].items() if key in answer[0]}
    assert main(["verify", "--check", "--qmp", address]) == 0
    assert main(["diff", "--qmp", address, "--after", "0.2"]) == 0
    capsys.readouterr()
    assert main(["early", "plan", "--qmp", address, "--after", "0.2", "--policy", "rfc-v2"]) == 0
    assert "rfc-v2, tap: minimal" in capsys.readouterr().out
    assert main(["info", "--qmp", address]) == 0
    assert f"qmp:{address}: QEMU migration stream" in capsys.readouterr().out
    assert main(["info", "--qmp", address, "--cost"]) == 0
    assert "0000:00:01.0/virtio-net" in capsys.readouterr().out
    assert main(["find", "--qmp", address, "52:54:00:12:34:56"]) == 0
    assert "0000:00:01.0/virtio-net.virtio.net.mac" in capsys.readouterr().out
    document, again, page = (str(tmp_path / name) for name in ("a.json", "a.mig", "a.html"))
    assert main(["decode", "--qmp", address, "-o", document]) == 0
    assert main(["encode", document, "-o", again]) == 0
    assert main(["diff", again, "--qmp", address]) in (0, 1)
    assert main(["report", again, "--qmp", address, "-o", page]) == 0
    assert f"qmp:{address}" in Path(page).read_text()
    capsys.readouterr()
    assert main(["watch", "--qmp", address, "--every", "0.1", "--count", "3", "hpet.hpet_counter"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("  hpet: hpet_counter: " in line for line in lines)


@pytest.mark.qemu
@needs_qemu
@needs_guest
@pytest.mark.slow
def test_what_a_destination_would_say(
    running: tuple[Machine, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A running guest is held against destinations, and the verdict is what a real one makes of its stream."""
    machine, address = running
    assert main(["capture", "--qmp", address, "-o", str(tmp_path / "saved.mig")]) == 0
    words = booting()
    less = [word.replace(",mac=", ",mrg_rxbuf=off,mac=") for word in words]
    small = ["95" if word == "96" else word for word in words]
    console = ["-serial", "null"]
    root = ["--root", request.node.callspec.params["running"]] if request.node.callspec.params["running"] else []
    destinations = [*words, *console], [*less, *console], [*small, *console], words
    for destination in destinations:
        refused = main(["load", str(tmp_path / "saved.mig"), *root, "--", *destination]) != 0
        assert refused is (destination != destinations[0])
        said = main(["explain", "--qmp", address, *root, "--against", "--", *destination])
        assert said == refused, destination
    assert machine.type("echo alive") == "alive"


@pytest.mark.qemu
@needs_qemu
def test_a_guest_that_stands_still_and_a_monitor_that_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"unix:{tmp_path / 'qmp'}"
    with Machine([*COLD, "-qmp", f"{place},server=on,wait=off"]) as machine:
        state = live_state(machine.monitor)
        assert (state.status, state.pause_ms, state.migration) == ("prelaunch", None, None)
        assert machine.ask("query-status")["status"] == "prelaunch"
        with Monitor(str(tmp_path / "qmp")):
            monkeypatch.setitem(live_state_at.__kwdefaults__, "limit", 0.3)
            assert main(["show", "--qmp", place]) == 2
    assert "a monitor has one client at a time" in capsys.readouterr().err


def test_near_the_stop_of_a_migration_nothing_is_asked() -> None:
    """QEMU aborts where its own stop meets the question; so it is asked only with enough memory left to send."""

    class Told:
        def __init__(self, status: str, left: int, bandwidth: int) -> None:
            self.told = {
                "query-migrate": {"status": status, "ram": {"remaining": left}},
                "query-migrate-parameters": {"max-bandwidth": bandwidth, "downtime-limit": 300},
            }

        def ask(self, command: str) -> Any:
            return self.told[command]

    for status, left, bandwidth, is_near in (
        ("completed", 0, 0, False),
        ("active", 8 << 30, 0, False),
        ("active", 1 << 30, 0, True),
        ("active", 90 << 20, 1 << 20, False),
        ("active", 90 << 20, 128 << 20, True),
        ("active", 300 << 20, 128 << 20, False),
        ("active", 8 << 30, 1 << 40, False),
        ("setup", 8 << 30, 1 << 20, True),
        ("device", 0, 1 << 20, True),
        ("pre-switchover", 8 << 30, 1 << 20, True),
    ):
        monitor = cast("Monitor", Told(status, left, bandwidth))
        assert is_near_stop(monitor) is is_near, (status, left, bandwidth)


def test_a_migration_that_is_held_up_is_near_its_stop_by_what_it_can_still_send() -> None:
    class Told:
        def __init__(self, left: int, mbps: float, told: int) -> None:
            self.told = {
                "query-migrate": {"status": "active", "ram": {"remaining": left, "mbps": mbps}},
                "query-migrate-parameters": {
                    "max-bandwidth": 1 << 40,
                    "downtime-limit": 300,
                    "avail-switchover-bandwidth": told,
                },
            }

        def ask(self, command: str) -> Any:
            return self.told[command]

    for left, room, mbps, told, is_near in (
        (90 << 20, 60_000, 0.0, 0, False),
        # As zero pages the rest would go through the room that there is.
        (20 << 20, 60_000, 0.0, 0, True),
        (90 << 20, 230_000, 0.0, 0, True),
        # So fast as it was, it would stop now.
        (90 << 20, 60_000, 4000.0, 0, True),
        (90 << 20, 60_000, 4000.0, 1 << 20, False),
        (90 << 20, 60_000, 0.0, 1 << 30, True),
        (1, 0, 0.0, 0, False),
        (0, 0, 10.0, 0, True),
    ):
        monitor = cast("Monitor", Told(left, mbps, told))
        assert is_near_stop(monitor, room) is is_near, (left, room, mbps, told)


@pytest.mark.qemu
@needs_qemu
@needs_guest
def test_in_the_middle_of_a_migration() -> None:
    with (
        Machine([*booting(), "-serial", "null"]) as source,
        Machine([*booting(), "-serial", "null", "-incoming", "defer"]) as target,
    ):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            source.monitor.send_descriptor(ours.fileno(), "out")
            target.monitor.send_descriptor(theirs.fileno(), "in")
        target.ask("migrate-incoming", {"uri": "fd:in"})
        source.ask("migrate-set-parameters", {"max-bandwidth": 1 << 20})
        source.ask("migrate", {"uri": "fd:out"})
        source.monitor.until("query-migrate", [("status", "active")])
        for _ in range(3):
            state = live_state(source.monitor)
            assert (state.status, state.migration) == ("running", "active")
        source.ask("migrate-set-parameters", {"max-bandwidth": 1 << 40})
        source.monitor.until("query-migrate", [("status", "completed")])
        target.monitor.until("query-status", [("status", "running")])


OTHER = {
    "qemu-system-aarch64": ["-M", "virt", "-cpu", "cortex-a57"],
    "qemu-system-ppc64": ["-M", "pseries"],
    "qemu-system-riscv64": ["-M", "virt"],
    "qemu-system-s390x": ["-M", "s390-ccw-virtio"],
}


@pytest.mark.qemu
@pytest.mark.parametrize("program", OTHER)
def test_other_targets(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}: install QEMU for that target")
    with Machine([program, *OTHER[program], "-accel", "tcg", "-nodefaults", "-S"]) as machine:
        state = live_state(machine.monitor)
        assert machine.ask("query-status")["status"] == "prelaunch"
    with vmstate.load(state.stream()) as stream:
        assert stream.configuration is not None
        assert len(stream.sections) > 3
