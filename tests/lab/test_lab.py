"""Real QEMU in the loop: capture, change, load, and both ends of a live migration."""

from __future__ import annotations

import json
import lzma
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from machines import (
    BARE,
    COLD,
    NIC,
    PROGRAM,
    ROOTS,
    booting,
    children_of,
    gone,
    name_of,
    needs_guest,
    needs_qemu,
    qemu_of,
)

import vmstate
from vmstate.cli import main
from vmstate.errors import MachineError
from vmstate.lab.guest import READY
from vmstate.lab.incoming import QemuDestination, load_into_qemu
from vmstate.lab.live import Sink, send
from vmstate.qemu.capture import capture_started
from vmstate.qemu.machine import Machine
from vmstate.qemu.migration import configured, follow
from vmstate.qemu.provenance import read_provenance
from vmstate.rules.edit import assign

pytestmark = [pytest.mark.qemu, needs_qemu]

NEW = "52:54:00:aa:bb:cc"
# The first packet may be lost while both sides learn where the other is.
PING = "for one in 1 2 3 4 5 6; do ping -c 1 -W 2 10.0.2.2 && break; done"
COMMAND = [sys.executable, "-m", "vmstate"]
RELEASES = [pytest.param(None, id="system"), *(pytest.param(root, id=Path(root).name) for root in ROOTS)]


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Linux guest that has pinged, with its memory."""
    path = tmp_path_factory.mktemp("booted") / "guest.mig"
    known = capture_started(path, booting(), until=READY, lines=[PING])
    assert known["sha256"] and known["answers"]["query-rx-filter"][0]["main-mac"] == "52:54:00:12:34:56"
    return path


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine that never ran."""
    path = tmp_path_factory.mktemp("cold") / "cold.mig"
    assert main(["capture", "-o", str(path), "--", *COLD]) == 0
    return path


def changed(source: Path, target: Path, *assignments: str, force: bool = False) -> Path:
    words = ["set", str(source), *assignments, "-o", str(target)]
    assert main([*words, "--force"] if force else words) == 0
    return target


# A guest that goes on elsewhere.


@needs_guest
def test_another_address(booted: Path, tmp_path: Path) -> None:
    path = changed(booted, tmp_path / "changed.mig", f"virtio-net.mac={NEW}")
    with QemuDestination(path) as destination:
        assert destination.feed().status == "running"
        machine = destination.machine
        assert machine.ask("query-rx-filter", {"name": "nic"})[0]["main-mac"] == NEW
        assert machine.type("echo $((6 * 7))") == "42"
        # The guest itself knows the old address still, so that the device drops what is sent to it.
        machine.type(f"ip link set eth0 down; ip link set eth0 address {NEW}; ip link set eth0 up")
        assert "1 packets received" in machine.type(PING)


@needs_guest
def test_promiscuous_mode_and_both_addresses(booted: Path, tmp_path: Path) -> None:
    promiscuous = changed(booted, tmp_path / "p.mig", f"virtio-net.mac={NEW}", "virtio-net.rx_modes+=promisc")
    with QemuDestination(promiscuous) as destination:
        assert destination.feed().accepted
        told = destination.machine.ask("query-rx-filter", {"name": "nic"})[0]
        assert (told["main-mac"], told["promiscuous"]) == (NEW, True)
        assert "1 packets received" in destination.machine.type(PING)
    words = (f"virtio-net.mac={NEW}", "virtio-net.mac_table=52:54:00:12:34:56")
    both = changed(booted, tmp_path / "b.mig", *words)
    with QemuDestination(both) as destination:
        assert destination.feed().accepted
        told = destination.machine.ask("query-rx-filter", {"name": "nic"})[0]
        assert told["unicast-table"] == ["52:54:00:12:34:56"]
        assert "1 packets received" in destination.machine.type(PING)


@needs_guest
@pytest.mark.parametrize("root", RELEASES)
def test_a_vlan(root: str | None, tmp_path: Path) -> None:
    path = tmp_path / "guest.mig"
    known = capture_started(path, booting(), qemu=qemu_of(root), until=READY, lines=[PING])
    target = changed(path, tmp_path / "vlan.mig", "virtio-net.vlan_ids+=77")
    with QemuDestination(target, qemu=qemu_of(root)) as destination:
        assert destination.feed().accepted
        table = destination.machine.ask("query-rx-filter", {"name": "nic"})[0]["vlan-table"]
        assert "1 packets received" in destination.machine.type(PING)
    # Releases before 10.0 empty the table when the features are set, which at load is behind the device.
    release = tuple(map(int, known["qemu_version"].split(".")))
    assert sorted(table) == ([0, 77] if release >= (10,) else [])


@needs_guest
@pytest.mark.parametrize("root", RELEASES)
def test_a_stream_that_is_all_ours(root: str | None, tmp_path: Path) -> None:
    """Through JSON, so that not one byte of a device section is a copy."""
    path, document, again = tmp_path / "guest.mig", tmp_path / "guest.json", tmp_path / "again.mig"
    capture_started(path, booting(), qemu=qemu_of(root), until=READY, lines=[PING])
    assert main(["decode", str(path), "-o", str(document)]) == 0
    assert main(["encode", str(document), "-o", str(again)]) == 0
    assert again.read_bytes() == path.read_bytes()
    with QemuDestination(again, qemu=qemu_of(root)) as destination:
        assert destination.feed().status == "running"
        assert "1 packets received" in destination.machine.type(PING)


@needs_guest
def test_without_ram(tmp_path: Path) -> None:
    path = tmp_path / "devices.mig"
    assert main(["capture", "-o", str(path), "--without-ram", "--until", READY, "--type", PING, "--", *booting()]) == 0
    assert path.stat().st_size < 1 << 20
    known = read_provenance(path)
    assert known is not None and known["capabilities"] == ["x-ignore-shared"]
    memory = path.with_name(known["memory"][0]["file"])
    before = memory.read_bytes()
    (tmp_path / "elsewhere").mkdir()
    target = changed(path, tmp_path / "elsewhere" / "changed.mig", "virtio-net.rx_modes+=promisc")
    carried = read_provenance(target)
    assert carried is not None and carried["argv"] == known["argv"] and carried["sha256"] != known["sha256"]
    assert carried["changed"][0]["after"] == ["promisc"]
    for _ in range(2):
        # Twice: the memory beside it is not written to.
        with QemuDestination(target) as destination:
            assert destination.feed().status == "running"
            assert "1 packets received" in destination.machine.type(PING)
    assert memory.read_bytes() == before
    memory.unlink()
    with pytest.raises(MachineError, match="memory is not beside the stream"):
        load_into_qemu(target)


# What QEMU refuses.


def test_a_vector_that_is_not_there(cold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["set", str(cold), "virtio-net.virtio.vq[0].vector=77", "-o", str(tmp_path / "x.mig")]
    assert main(words) == 1
    reason = capsys.readouterr().err
    assert "a queue's vector is one of the MSI-X table, or none [virtio-pci-vector]" in reason
    path = changed(cold, tmp_path / "forced.mig", "virtio-net.virtio.vq[0].vector=77", force=True)
    outcome = load_into_qemu(path)
    assert not outcome.accepted
    assert outcome.error is not None and "Failed to load virtio-net:virtio" in outcome.error
    place = next(place for place in outcome.places if place.path == "virtio.vq[0].vector")
    assert "[virtio-pci-vector]" in place.message and place.message.split(" [")[0] in reason
    with vmstate.load(path) as stream:
        data = stream.to_bytes()
    assert place.offset is not None and data[place.offset : place.offset + 2] == (77).to_bytes(2, "big")


def test_a_table_that_is_shorter_than_its_length(
    cold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rss = {
        "#": {"version_id": 1},
        **{"enabled": True, "redirect": True, "populate_hash": False, "hash_types": 3, "supported_hash_types": None},
        **{"indirections_len": 128, "default_queue": 0, "key": "01" * 40, "indirections_table": [0] * 128},
    }
    path = changed(cold, tmp_path / "rss.mig", f"virtio-net.rss={json.dumps(rss)}")
    assert load_into_qemu(path).accepted
    capsys.readouterr()
    assert main(["set", str(path), "virtio-net.rss.indirections_len=300", "-o", str(tmp_path / "x.mig")]) == 1
    assert "the section would not end at its footer" in capsys.readouterr().err
    forced = changed(path, tmp_path / "forced.mig", "virtio-net.rss.indirections_len=300", force=True)
    outcome = load_into_qemu(forced)
    assert not outcome.accepted and "Missing section footer for 0000:00:01.0/virtio-net" in str(outcome.error)
    assert [place.section for place in outcome.places] == ["0000:00:01.0/virtio-net"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([PROGRAM, "-M", "pc", *COLD[3:]], "of machine type 'pc-q35"),
        ([*COLD[: COLD.index("-m")], "-m", "32", *NIC, "-S"], "RAM block 'pc.ram' of 0x1000000 bytes"),
        ([*BARE, "-m", "16", "-S"], "no such device"),
        ([*COLD, "-device", "virtio-rng-pci,addr=01.0"], None),
    ],
    ids=["machine", "memory", "device", "address"],
)
def test_a_command_line_that_does_not_match(cold: Path, argv: list[str], words: str | None, capfd: Any) -> None:
    assert main(["load", str(cold), "--format", "json", "--", *argv]) == 2
    output = capfd.readouterr()
    assert output.err.count("\n") == 1 and (words or "QEMU did not start") in output.err
    if words is None:
        return
    told = json.loads(output.out)
    assert not told["accepted"] and words in told["places"][0]["message"]
    assert main(["load", str(cold), "--", *argv]) == 2
    assert capfd.readouterr() == ("", output.err)


def test_the_file_is_looked_at_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("no stream")
    for name, words in (("nowhere.mig", "no such file or directory"), ("text", "not a migration stream")):
        assert main(["load", str(tmp_path / name)]) == 2
        assert words in capsys.readouterr().err


def test_a_stream_without_a_command_line(cold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "alone.mig").write_bytes(cold.read_bytes())
    assert main(["load", str(tmp_path / "alone.mig")]) == 2
    told = capsys.readouterr().err
    assert "no command line was recorded" in told and "--trust" in told


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, None), (signal.SIGABRT, "QEMU ended by SIGABRT")])
def test_a_destination_that_is_ended(
    cold: Path, number: int, code: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed from outside it has said nothing of the stream; if it aborts it has."""
    with QemuDestination(cold) as destination:
        follow = destination._follow

        def killed() -> tuple[str | None, str | None]:
            os.kill(destination.machine.pid, number)
            destination.machine.wait_for_end(5)
            return follow()

        monkeypatch.setattr(destination, "_follow", killed)
        monkeypatch.setattr(destination, "_write", lambda pipe: pipe.close())
        if code is None:
            with pytest.raises(MachineError, match="QEMU was ended by SIGKILL while it took the stream"):
                destination.feed()
        else:
            outcome = destination.feed()
            assert not outcome.accepted and str(outcome.error).endswith(code)


@pytest.mark.parametrize("words", [["load", "x", "--limit", "0"], ["capture", "-o", "x", "--limit", "nan"]])
def test_no_time_at_all(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2 and f"invalid seconds value: {words[-1]!r}" in capsys.readouterr().err


def test_a_stream_that_was_compressed_since(cold: Path, tmp_path: Path) -> None:
    (tmp_path / "guest.mig.xz").write_bytes(lzma.compress(cold.read_bytes(), preset=0))
    (tmp_path / "guest.mig.provenance.json").write_bytes(cold.with_name("cold.mig.provenance.json").read_bytes())
    assert load_into_qemu(tmp_path / "guest.mig.xz").accepted


# A QEMU that runs already.


@pytest.mark.parametrize("transport", ["fd", "exec"])
def test_a_running_machine_is_captured_and_goes_on(transport: str, tmp_path: Path) -> None:
    monitor, path = tmp_path / "qmp", tmp_path / "running.mig"
    argv = [*COLD[:-1], "-qmp", f"unix:{monitor},server=on,wait=off"]
    with Machine(argv) as machine:
        words = ["capture", "-o", str(path), "--qmp", f"unix:{monitor}", "--transport", transport]
        assert main(words) == 0
        assert machine.ask("query-status")["running"]
        assert main([*words, "--stopped"]) == 0
        assert machine.ask("query-status")["status"] == "postmigrate"
        # A second QEMU with the command line of the first, which is still there.
        assert load_into_qemu(path).status == "running"
        assert monitor.exists() and machine.ask("query-status")["status"] == "postmigrate"
        assert "x-ignore-shared" not in [
            setting["capability"] for setting in machine.ask("query-migrate-capabilities") if setting["state"]
        ]
    known = read_provenance(path)
    assert known is not None and known["argv"][1 : len(BARE)] == BARE[1:]
    assert known["transport"] == transport and known["size"] == path.stat().st_size
    assert sorted(file.name for file in tmp_path.iterdir() if file.name != "qmp") == [
        "running.mig",
        "running.mig.provenance.json",
    ]
    assert load_into_qemu(path, COLD[:-1]).status == "running"


@pytest.mark.parametrize("root", ROOTS)
def test_file_and_mapped_ram(root: str, tmp_path: Path) -> None:
    path = tmp_path / "mapped.mig"
    try:
        capture_started(path, COLD, qemu=qemu_of(root), transport="file", capabilities=["mapped-ram"])
    except MachineError as error:
        pytest.skip(f"this release has it not: {error}")
    assert load_into_qemu(path, qemu=qemu_of(root)).accepted


# Live.


@needs_guest
@pytest.mark.parametrize("root", RELEASES)
def test_both_ends_of_a_live_migration(root: str | None, tmp_path: Path) -> None:
    """From a real source to us, and from us to a real destination."""
    copy = tmp_path / "copy.mig"
    names = []
    with Sink("tcp:127.0.0.1:0") as sink:
        with Machine(booting(), qemu=qemu_of(root), console=True) as source:
            source.wait_for(READY)
            source.type(PING)
            # A file of the same moment, which another program writes.
            port = sink.uri.rpartition(":")[2]
            with configured(source, []):
                source.ask("migrate", {"uri": f"exec:bash -c 'tee {copy} > /dev/tcp/127.0.0.1/{port}'"})
                stream = sink.receive(told=lambda event: names.append(getattr(event, "name", None)))
                follow(source, 30)
        with vmstate.load(copy) as file:
            assert [section.name for section in file.sections] == [section.name for section in stream.sections]
            for received, sent in zip(stream.sections, file.sections, strict=True):
                assert received.is_ram or received.state == sent.state, received.name
            assert stream.ram.pages == file.ram.pages
        assert "ram" in names
        place = tmp_path / "incoming"
        words = [*booting(), "-incoming", f"unix:{place}"]
        with stream, Machine(words, qemu=qemu_of(root), console=True) as destination:
            assign(stream, "virtio-net.rx_modes+=promisc", f"virtio-net.mac={NEW}")
            assert send(stream, f"unix:{place}") == copy.stat().st_size
            destination.monitor.until("query-status", [("status", "running")])
            assert destination.ask("query-rx-filter", {"name": "nic"})[0]["main-mac"] == NEW
            assert "1 packets received" in destination.type(PING)


@pytest.mark.parametrize("scheme", ["unix", "tcp"])
@pytest.mark.parametrize("capability", [None, "return-path"])
def test_a_real_source_and_a_real_destination(scheme: str, capability: str | None, tmp_path: Path) -> None:
    path = tmp_path / "received.mig"
    uri = f"unix:{tmp_path / 'sink'}" if scheme == "unix" else "tcp:127.0.0.1:0"
    with Machine(COLD) as source, Sink(uri) as sink, configured(source, [capability] if capability else []):
        source.ask("migrate", {"uri": sink.uri})
        with sink.receive(path) as stream:
            names = [section.name for section in stream.sections]
        follow(source, 30)
    assert main(["verify", str(path)]) == 0
    assert "0000:00:01.0/virtio-net" in names and not (tmp_path / "sink").exists()
    with vmstate.load(path) as stream, Machine([*COLD, "-incoming", "tcp:127.0.0.1:0"]) as destination:
        (place,) = destination.ask("query-migrate")["socket-address"]
        send(stream, f"tcp:{place['host']}:{place['port']}")
        destination.monitor.until("query-migrate", [("status", "completed")])


def test_the_commands_of_a_live_migration(tmp_path: Path) -> None:
    path, sink, incoming = tmp_path / "got.mig", tmp_path / "sink", tmp_path / "incoming"
    with subprocess.Popen(
        [*COMMAND, "capture", "-o", path, "--listen", f"unix:{sink}"], stderr=subprocess.PIPE
    ) as tool:
        assert tool.stderr is not None and b"listening" in tool.stderr.readline()
        with Machine(COLD) as source:
            source.ask("migrate", {"uri": f"unix:{sink}"})
            follow(source, 30)
            assert tool.wait(30) == 0
    with Machine([*COLD, "-incoming", f"unix:{incoming}"]) as destination:
        assert main(["load", str(path), "--connect", f"unix:{incoming}"]) == 0
        destination.monitor.until("query-migrate", [("status", "completed")])


def test_ends_that_fail(cold: Path, tmp_path: Path) -> None:
    with Sink(f"unix:{tmp_path / 's'}", limit=0.2) as sink, pytest.raises(MachineError, match="no source came"):
        sink.receive(tmp_path / "none.mig")
    with vmstate.load(cold) as stream:
        with pytest.raises(MachineError, match="nobody listens"):
            send(stream, f"unix:{tmp_path / 'nobody'}")
        uri = f"unix:{tmp_path / 'bad'}"
        # A destination of another machine type hangs up.
        with Machine([PROGRAM, "-M", "microvm", "-accel", "tcg", "-m", "64", "-S", "-incoming", uri]) as second:
            with pytest.raises(MachineError, match="closed the connection"):
                send(stream, uri)
            assert second.wait_for_end(5) == 1
    with Machine(COLD) as source, Sink(f"unix:{tmp_path / 't'}", limit=20) as sink:
        source.ask("migrate-set-parameters", {"max-bandwidth": 10_000})
        source.ask("migrate", {"uri": sink.uri})
        threading.Timer(0.3, lambda: os.kill(source.pid or 0, signal.SIGKILL)).start()
        with pytest.raises(vmstate.VMStateError):
            sink.receive(tmp_path / "none.mig")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".mig" or "tmp" in path.name] == []


# Nothing is left behind.


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def started(words: list[str], folder: Path, limit: float = 20) -> tuple[subprocess.Popen[bytes], set[int], int]:
    """The tool, all the processes it has started once its QEMU is among them, and the QEMU."""
    tool = subprocess.Popen(
        [*COMMAND, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
    )
    end = time.monotonic() + limit
    while time.monotonic() < end:
        below = children_of(tool.pid)
        qemus = [pid for pid in below if name_of(pid).startswith("qemu-system")]
        if qemus:
            return tool, below | {tool.pid}, qemus[0]
        if tool.poll() is not None:
            break
        time.sleep(0.005)
    raise AssertionError(f"no QEMU was started: {tool.communicate()}")


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3, 0.7])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_tool_is_killed_while_it_captures(number: int, delay: float, tmp_path: Path) -> None:
    # Text that never comes keeps it waiting; without, the capture itself is interrupted.
    how = ["--until", "never"] if delay == 0.7 else ["--transport", "exec"] if delay == 0.1 else []
    words = ["capture", "-o", "x.mig", *how, "--", *COLD[:-1]]
    tool, processes, _ = started(words, tmp_path)
    time.sleep(delay)
    tool.send_signal(number)
    _, printed = tool.communicate(timeout=20)
    assert printed in (b"", b"vmstate: interrupted\n", b"vmstate: ended by SIGTERM\n")
    assert tool.returncode in (0, -number, 128 + number)
    assert gone(processes | children_of(tool.pid))
    # Where it was done before the signal came, everything is there and whole.
    assert files_in(tmp_path) in ([], ["x.mig"], ["x.mig", "x.mig.provenance.json"])
    if files_in(tmp_path):
        assert main(["verify", str(tmp_path / "x.mig")]) == 0


@pytest.mark.parametrize("delay", [0.1, 0.2, 0.3, 0.4, 0.5])
def test_the_tool_is_killed_while_it_captures_a_running_machine(delay: float, tmp_path: Path) -> None:
    monitor, folder = tmp_path / "qmp", tmp_path / "out"
    folder.mkdir()
    words = ["capture", "-o", str(folder / "x.mig"), "--qmp", f"unix:{monitor}", "--transport", "exec"]
    with (
        Machine([*COLD[:-1], "-m", "512", "-qmp", f"unix:{monitor},server=on,wait=off"]) as machine,
        subprocess.Popen([*COMMAND, *words], env=dict(os.environ)) as tool,
    ):
        time.sleep(delay)
        tool.kill()
        tool.wait(20)
        left = files_in(folder)
        assert machine.ask("query-status")
    # Nothing comes to stand there either when the migration ends without it.
    assert files_in(folder) == left and left in ([], ["x.mig"], ["x.mig", "x.mig.provenance.json"])
    if left:
        assert main(["verify", str(folder / "x.mig")]) == 0


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3])
def test_the_tool_is_killed_while_it_loads(delay: float, cold: Path, tmp_path: Path) -> None:
    tool, processes, _ = started(["load", str(cold), "--until", "never", "--", *COLD], tmp_path)
    time.sleep(delay)
    tool.kill()
    tool.communicate(timeout=20)
    assert gone(processes) and files_in(tmp_path) == []


@pytest.mark.parametrize("delay", [0.15, 0.25, 0.35, 0.45])
def test_the_tool_is_killed_while_it_sets(delay: float, cold: Path, tmp_path: Path) -> None:
    words = [*COMMAND, "set", str(cold), f"virtio-net.mac={NEW}", "-o", "x.mig"]
    with subprocess.Popen(words, cwd=tmp_path, env=dict(os.environ), stdout=subprocess.DEVNULL) as tool:
        time.sleep(delay)
        tool.kill()
    # The provenance follows the stream: whole, both of them, or not there.
    assert files_in(tmp_path) in ([], ["x.mig"], ["x.mig", "x.mig.provenance.json"])
    if files_in(tmp_path):
        assert main(["verify", str(tmp_path / "x.mig")]) == 0
    if (tmp_path / "x.mig.provenance.json").exists():
        assert json.loads((tmp_path / "x.mig.provenance.json").read_text())


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.4])
def test_qemu_is_killed(delay: float, cold: Path, tmp_path: Path) -> None:
    for words in (
        ["capture", "-o", "x.mig", "--until", "never", "--", *COLD],
        ["load", str(cold), "--until", "n", "--", *COLD],
    ):
        tool, processes, qemu = started(words, tmp_path)
        time.sleep(delay)
        os.kill(qemu, signal.SIGKILL)
        _, printed = tool.communicate(timeout=30)
        # A load is refused by a QEMU that dies of it.
        assert tool.returncode in ((2,) if words[0] == "capture" else (1, 2)), printed
        assert b"Traceback" not in printed and printed.count(b"\n") <= 1
        assert gone(processes) and files_in(tmp_path) == []


def test_a_destination_that_hangs(cold: Path, tmp_path: Path) -> None:
    tool, processes, qemu = started(["load", str(cold), "--limit", "1", "--", *COLD], tmp_path)
    os.kill(qemu, signal.SIGSTOP)
    _, printed = tool.communicate(timeout=30)
    assert tool.returncode == 2 and printed.count(b"\n") == 1 and (b" 1 s" in printed)
    assert gone(processes)


def test_no_room(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    done = subprocess.run(
        [*COMMAND, "capture", "-o", "x.mig", "--", *COLD],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        preexec_fn=limited,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and done.stderr == b"vmstate: x.mig: file too large\n"
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["capture", "-o", "x", "--", "qemu-system-nowhere"], "there is no qemu-system-nowhere here"),
        (["capture", "-o", "x", "--", PROGRAM, "-M", "nothing"], "unsupported machine type"),
        (["capture", "-o", "x", "--", "true"], "QEMU did not start"),
        (["capture", "-o", "x", "--until", "never", "--limit", "0.5", "--", *COLD], "did not print 'never' in 0.5 s"),
        (["capture", "-o", "x", "--", *COLD, "-daemonize"], "leave -daemonize out"),
        (["capture", "-o", "x", "--capability", "none-such", "--", *COLD], "none-such"),
        (["capture", "-o", "no/x", "--", *COLD], "no such file or directory"),
        (["capture", "-o", "x"], "name one of"),
        (["capture", "-o", "x", "--qmp", "unix:nobody"], "unix:nobody"),
        (["capture", "-o", "x", "--root", ".", "--", *COLD], "the root has no such program"),
        (["capture", "-o", "x", "--without-ram", "--", PROGRAM, "-m", "lots"], "the size of the guest's memory"),
        (["load", "x"], "no such file or directory"),
        (["load", "x", "--", *COLD], "no such file"),
        (["load", os.devnull, "--", *COLD], "not a migration stream"),
        (["load", "x", "--connect", "udp:x:1"], "no address of a migration|no such file"),
    ],
)
def test_bad_input_is_one_clear_line(
    words: list[str], messages: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    err = capfd.readouterr().err
    assert any(word in err for word in messages.split("|")) and err.count("\n") == 1
    assert files_in(tmp_path) == []


def test_a_socket_that_was_left_behind(tmp_path: Path) -> None:
    with Sink(f"unix:{tmp_path / 's'}"):
        with pytest.raises(MachineError, match="in use"):
            Sink(f"unix:{tmp_path / 's'}")
        os.link(tmp_path / "s", tmp_path / "left")
    with Sink(f"unix:{tmp_path / 'left'}") as sink:
        assert sink.uri.endswith("left")
    assert files_in(tmp_path) == []
