"""A relay between source and destination: what it does with the bytes, and real migrations through it.

`VMSTATE_LONG=1` makes 30 migrations of each kind instead of 3.
"""

from __future__ import annotations

import gc
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from machines import COLD, ROOTS, booting, gone, needs_guest, needs_qemu, qemu_of
from recorded import FIXTURES, opened

import vmstate
from vmstate.cli import main
from vmstate.devices.virtio.config import features_of
from vmstate.early.copies import Choice, choose
from vmstate.early.forward import Forward, skippable
from vmstate.early.relay import INSERT, SKIP, THROUGH, Relay
from vmstate.errors import EarlyError, MachineError
from vmstate.lab.guest import READY
from vmstate.qemu.live import live_state
from vmstate.qemu.machine import Machine
from vmstate.qemu.migration import set_capabilities
from vmstate.qemu.monitor import Monitor
from vmstate.qemu.proxy import Channel, Proxy

LONG = os.environ.get("VMSTATE_LONG") == "1"
TIMES = 30 if LONG else 3
STREAM = "qemu-7.2-q35-virtio-net-filters.mig.xz"


# ---------------------------------------------------------------------------------------------------------------------
# Bytes.


@pytest.fixture(scope="module")
def recorded() -> tuple[bytes, list[Choice]]:
    with opened(STREAM) as stream:
        return stream.to_bytes(), list(choose(stream.sections))


def forwarded(forward: Forward, data: bytes, cuts: list[int] | None = None) -> bytes:
    out = b""
    places = [0, *(cuts or []), len(data)]
    for start, stop in pairwise(places):
        out += b"".join(bytes(piece) for piece in forward.push(memoryview(data)[start:stop]))
    return out + b"".join(bytes(piece) for piece in forward.finish())


def names(data: bytes) -> list[tuple[str, int]]:
    with vmstate.load(data) as stream:
        return [(section.name, section.instance_id) for section in stream.sections if section.kind == "full"]


def test_copies_are_inserted_and_the_rest_is_as_it_was(recorded: tuple[bytes, list[Choice]]) -> None:
    data, choices = recorded
    forward = Forward(choices, skip=False)
    out = forwarded(forward, data)
    copies = b"".join(choice.copy for choice in choices if choice.copy is not None)
    assert out.replace(copies, b"", 1) == data
    assert forward.plainly == ""
    assert forward.left_out == []


def test_a_source_has_begun_with_its_first_bytes(recorded: tuple[bytes, list[Choice]]) -> None:
    """Up to then nothing is known of it, and nobody waits for what it measures."""
    data, choices = recorded
    forward = Forward(choices, skip=True)
    assert not forward.begun
    list(forward.push(memoryview(data)[:8]))
    assert forward.begun


def test_what_did_not_change_is_left_out(recorded: tuple[bytes, list[Choice]]) -> None:
    data, choices = recorded
    forward = Forward(choices, skip=True)
    out = forwarded(forward, data)
    expected = skippable(forward.choices)
    assert forward.left_out == expected
    assert len(expected) > 15
    early = [choice.key for choice in choices if choice.copy is not None]
    assert names(out) == early + [key for key in names(data) if key not in expected]
    # What is left out is in the bytes once, and the rest is the source's.
    for choice in choices:
        if choice.key in expected:
            assert out.count(choice.header + choice.payload + choice.footer) == 1
    assert json.loads(json.dumps(forward.record()))["left_out"] == [f"{name}#{number}" for name, number in expected]


def test_a_section_that_changed_comes(recorded: tuple[bytes, list[Choice]]) -> None:
    data, choices = recorded
    changed = next(choice for choice in choices if choice.key[0].endswith("/mch"))
    place = data.index(changed.header + changed.payload) + len(changed.header) + 20
    altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    forward = Forward(choices, skip=True)
    out = forwarded(forward, altered)
    assert forward.changed == [changed.key]
    assert changed.key not in forward.left_out
    assert names(out).count(changed.key) == 2
    assert len(forward.left_out) == len(skippable(forward.choices)) - 1


def test_a_section_of_another_length_is_no_obstacle(recorded: tuple[bytes, list[Choice]]) -> None:
    """Its footer is looked for; what comes behind it is left out as before."""
    data, choices = recorded
    others = [
        choice
        if choice.key[0] != "timer"
        else Choice(choice.key, choice.header, b"x" * 3, choice.footer, None, False, "")
        for choice in choices
    ]
    forward = Forward(others, skip=True)
    assert names(forwarded(forward, data)) == names(forwarded(Forward(choices, skip=True), data))
    unknown = Forward([choice for choice in choices if choice.key[0] != "timer"], skip=True)
    assert names(forwarded(unknown, data)) == names(forwarded(Forward(choices, skip=True), data))


@pytest.mark.parametrize("seed", range(4))
def test_it_does_not_depend_on_how_the_bytes_come(recorded: tuple[bytes, list[Choice]], seed: int) -> None:
    data, choices = recorded
    generator = random.Random(seed)
    cuts = sorted(generator.randrange(len(data)) for _ in range(3 * 10**seed))
    whole, pieces = Forward(choices, skip=True), Forward(choices, skip=True)
    assert forwarded(pieces, data, cuts) == forwarded(whole, data)
    assert pieces.left_out == whole.left_out


def test_ram_goes_on_at_once(recorded: tuple[bytes, list[Choice]]) -> None:
    """Of a record that has not come whole, what has come is not kept back."""
    data, choices = recorded
    with vmstate.load(data) as stream:
        ram = next(section for section in stream.sections if section.kind == "end" or section.is_ram)
    forward = Forward(choices, skip=True)
    stop = ram.offset + ram.size // 2
    sent = sum(len(piece) for piece in forward.push(memoryview(data)[:stop]))
    early = sum(len(choice.copy) for choice in choices if choice.copy is not None)
    assert stop + early - sent < 4096


def test_odd_streams_pass_plainly(recorded: tuple[bytes, list[Choice]]) -> None:
    data, choices = recorded
    with vmstate.load(data) as stream:
        first = stream.sections[0].offset
    other = b"QEVM\0\0\0\2" + data[8:]
    packaged = data[:first] + b"\x08\0\x07\0\x04\0\0\0\1" + data[first:]
    iterable = data[:first] + b"\1\0\0\0\x63\5block\0\0\0\0\0\0\0\1" + data[first:]
    damaged = data[:first] + b"\x6f" + data[first + 1 :]
    early = b"".join(choice.copy for choice in choices if choice.copy is not None)
    for odd, reason in (
        (other, "no migration stream"),
        (b"GET / HTTP/1.1\r\n\r\n", "no migration stream"),
        (packaged, "PACKAGED"),
        (iterable, "sent in parts and is not RAM (block)"),
        (damaged, "no part of a stream begins so"),
    ):
        forward = Forward(choices, skip=True)
        out = forwarded(forward, odd)
        assert out.replace(early, b"", 1) == odd
        assert forward.plainly is not None
        assert reason in forward.plainly
        assert forward.left_out == []
    # The monitor, or the stream, that the early state was asked of is not the source's.
    elsewhere = Forward(choices, skip=True, machine="pc-i440fx-7.2")
    assert forwarded(elsewhere, data) == data
    assert elsewhere.plainly == "the early state is of another machine (pc-i440fx-7.2, not pc-q35-7.2)"
    assert forwarded(Forward(choices, skip=True, machine="pc-q35-7.2"), data) != data
    nothing = Forward([], skip=True)
    assert forwarded(nothing, data) == data
    assert nothing.plainly == "there is no early copy"
    assert forwarded(Forward(choices, skip=True), data[:5]) == data[:5]


def test_newer_copies_come_between_parts_of_ram() -> None:
    """A machine as it was, then as it is: what changed meanwhile is sent early again, and left out after all."""
    with opened(STREAM) as stream:
        data, choices = stream.to_bytes(), list(choose(stream.sections))
    before = [
        choice
        if not choice.key[0].endswith("/mch")
        else Choice(choice.key, choice.header, b"\0" * len(choice.payload), choice.footer, choice.copy, True, "")
        for choice in choices
    ]
    forward = Forward(before, skip=True)
    forward.refresh(choices)
    out = forwarded(forward, data)
    with vmstate.load(data) as stream:
        parts = [section for section in stream.sections if section.kind == "part"]
    assert parts
    mch = next(choice.key for choice in choices if choice.key[0].endswith("/mch"))
    assert mch in forward.left_out
    assert names(out).count(mch) == 2


# ---------------------------------------------------------------------------------------------------------------------
# Sockets.


class Far:
    """A destination that takes what comes, on a thread; it answers the first word, and says something last."""

    def __init__(self, place: Path, first: bytes = b"back", last: bytes = b"") -> None:
        self.first, self.last = first, last
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(place))
        self.listener.listen(8)
        self.received: list[bytes] = []
        self.threads: list[threading.Thread] = []
        threading.Thread(target=self.take, daemon=True).start()

    def take(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.received.append(b"")
                thread = threading.Thread(target=self.read, args=(connection, len(self.received) - 1), daemon=True)
                self.threads.append(thread)
                thread.start()

    def read(self, connection: socket.socket, number: int) -> None:
        # Whoever it says something to last may have gone.
        with connection, suppress(ConnectionError):
            while piece := connection.recv(1 << 16):
                if not self.received[number]:
                    connection.sendall(self.first)
                self.received[number] += piece
            connection.sendall(self.last)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    destination = Far(tmp_path / "in")
    yield destination
    destination.listener.close()


def run_in_thread(target: Any) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(target())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


def wait_for_listener(place: Path) -> None:
    """The file is there before anybody listens: the kernel's list says who does (state 01 of a socket that accepts)."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        listed = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
        if any(line.split()[3] == "00010000" and line.endswith(f" {place}") for line in listed):
            return
        time.sleep(0.01)


def send_to(place: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as source:
        back = b""
        source.connect(str(place))
        # A relay that finds nobody to carry it to may have closed before all is sent.
        with suppress(ConnectionError):
            source.sendall(data)
            source.shutdown(socket.SHUT_WR)
            while piece := source.recv(100):
                back += piece
        return back


def test_every_connection_is_carried_on_in_order(tmp_path: Path, far: Far) -> None:
    with Proxy(f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}", limit=5) as proxy:
        thread, _ = run_in_thread(proxy.run)
        with ExitStack() as stack:
            sources = []
            for begin in (b"QEVM\0\0\0\3", b"\x11\x22\x33\x44", b"\x16\x03\1\0", b"else"):
                source = stack.enter_context(socket.socket(socket.AF_UNIX))
                source.connect(str(tmp_path / "relay"))
                source.sendall(begin * 1000)
                assert source.recv(4) == b"back"
                sources.append(source)
            for source in sources:
                source.shutdown(socket.SHUT_WR)
            thread.join(5)
    for reading in far.threads:
        reading.join(5)
    assert [data[:4] for data in far.received] == [b"QEVM", b"\x11\x22\x33\x44", b"\x16\x03\1\0", b"else"]
    assert [len(data) for data in far.received] == [8000, 4000, 4000, 4000]
    assert [channel.kind for channel in proxy.channels] == ["migration", "multifd", "tls", "other"]


def test_a_relay_with_a_recorded_state(tmp_path: Path, far: Far, recorded: tuple[bytes, list[Choice]]) -> None:
    data, _ = recorded
    listen_at, connect_to = f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}"
    with vmstate.load(data) as early, Relay(listen_at, connect_to, way=SKIP, early=early, limit=5) as relay:
        thread, reports = run_in_thread(relay.run)
        assert send_to(tmp_path / "relay", data) == b"back"
        thread.join(5)
    far.threads[0].join(5)
    (report,) = reports
    assert report.plainly is None
    assert report.ended is None
    assert (report.taken, report.sent) == (len(data), len(far.received[0]))
    assert len(report.done["left_out"]) > 15
    assert far.received[0] == forwarded(Forward(recorded[1], skip=True), data)


def test_an_early_state_of_another_machine_is_not_sent(
    tmp_path: Path, far: Far, recorded: tuple[bytes, list[Choice]]
) -> None:
    listen_at, connect_to = f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}"
    with (
        opened("qemu-7.2-microvm-virtio-net-mmio.mig.xz") as early,
        Relay(listen_at, connect_to, way=INSERT, early=early, limit=5) as relay,
    ):
        thread, reports = run_in_thread(relay.run)
        send_to(tmp_path / "relay", recorded[0])
        thread.join(5)
    far.threads[0].join(5)
    assert far.received == [recorded[0]]
    assert reports[0].plainly == "the early state is of another machine (microvm, not pc-q35-7.2)"


def test_a_destination_that_refuses_gets_the_migration_as_it_comes(
    tmp_path: Path, far: Far, recorded: tuple[bytes, list[Choice]]
) -> None:
    data, _ = recorded
    listen_at, connect_to = f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}"
    reason = "the destination refuses 0000:00:01.0/virtio-net"
    with (
        vmstate.load(data) as early,
        Relay(listen_at, connect_to, way=SKIP, early=early, plainly=reason, limit=5) as relay,
    ):
        thread, reports = run_in_thread(relay.run)
        send_to(tmp_path / "relay", data)
        thread.join(5)
    far.threads[0].join(5)
    assert far.received == [data]
    assert (reports[0].plainly, reports[0].done, reports[0].ended) == (reason, None, None)


def test_a_source_that_is_held_up_fills_its_buffer(tmp_path: Path, far: Far) -> None:
    """And then can send no more than its channel says it has room for."""
    with Proxy(f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}", filter_of=lambda: None, limit=5) as proxy:
        thread, _ = run_in_thread(proxy.run)
        with socket.socket(socket.AF_UNIX) as source:
            source.connect(str(tmp_path / "relay"))
            source.sendall(b"QEVM")
            assert source.recv(4) == b"back"
            channel = proxy.main
            assert channel is not None
            with channel.reading:
                empty = channel.room()
                source.setblocking(False)
                sent = 0
                with suppress(BlockingIOError):
                    while True:
                        sent += source.send(b"x" * 4096)
                room = channel.room()
                assert empty is not None and room is not None
                # Nothing but what was over of the buffer's length can still come, and it was told before what could.
                assert sent <= empty
                assert room == empty - sent < 1 << 17
            source.setblocking(True)
            source.sendall(b"y")
        thread.join(5)
    far.threads[0].join(5)
    assert len(far.received[0]) == 4 + sent + 1
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        with theirs:
            assert Channel(theirs, ours).room() is None


def test_what_cannot_be_relayed(tmp_path: Path, far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EarlyError, match="early copies are of an early state"):
        Relay(f"unix:{tmp_path / 'relay'}", "unix:x", way=INSERT)
    with pytest.raises(EarlyError, match="there is no way 'around'"):
        Relay("unix:a", "unix:b", way="around")
    with pytest.raises(MachineError, match="no address of a migration"):
        Relay("vsock:a", "unix:b", way=THROUGH)
    with pytest.raises(MachineError, match="no such long path"):
        Relay(f"unix:{tmp_path / 'a'}", "unix:/" + 107 * "b", way=THROUGH)
    with Relay(f"unix:{tmp_path / 'a'}", "unix:/nowhere/b", way=THROUGH, limit=0.2) as relay:
        with pytest.raises(MachineError, match="no source came to"):
            relay.run()
        thread, results = run_in_thread(relay.run)
        assert send_to(tmp_path / "a", b"QEVM") == b""
        thread.join(5)
    assert "nobody listens at unix:/nowhere/b" in str(results[0])
    # TLS is passed on, and said.
    listen_at, connect_to = f"unix:{tmp_path / 'c'}", f"unix:{tmp_path / 'in'}"
    with opened(STREAM) as early, Relay(listen_at, connect_to, way=SKIP, early=early, limit=5) as relay:
        thread, reports = run_in_thread(relay.run)
        send_to(tmp_path / "c", b"\x16\x03\1" + b"secret")
        thread.join(5)
    assert reports[0].plainly == "the migration is encrypted (TLS)"
    far.threads[0].join(5)
    assert far.received[0] == b"\x16\x03\1secret"
    assert main(["early", "relay", "--listen", "unix:a", "--connect", "unix:b"]) == 2
    assert "early copies are of an early state" in capsys.readouterr().err


def test_a_source_that_goes_takes_its_destination_with_it(tmp_path: Path, far: Far) -> None:
    with Proxy(f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}", limit=5) as proxy:
        thread, _ = run_in_thread(proxy.run)
        source = socket.socket(socket.AF_UNIX)
        source.connect(str(tmp_path / "relay"))
        source.sendall(b"QEVM")
        assert source.recv(4) == b"back"
        source.close()
        thread.join(5)
        assert not thread.is_alive()
    far.threads[0].join(5)
    assert far.received == [b"QEVM"]


PONG, DONE, FAILED = (bytes.fromhex(text) for text in ("0002000400000001", "0001000400000000", "0001000400000001"))


@pytest.mark.parametrize("way", [THROUGH, INSERT, SKIP])
@pytest.mark.parametrize(
    ("last", "share", "ended", "refused"),
    [
        (DONE, 1.0, None, False),
        (FAILED, 1.0, None, True),
        (b"", 0.6, "the destination never said that it had the machine", False),
        (b"", 1.0, "the destination never said that it had the machine", False),
    ],
)
def test_a_migration_that_is_not_complete_is_told(
    tmp_path: Path,
    recorded: tuple[bytes, list[Choice]],
    way: str,
    last: bytes,
    share: float,
    ended: str | None,
    refused: bool,
) -> None:
    """Every connection ends in order, as it does where a QEMU is killed; what was said, or was not, tells."""
    data, _ = recorded
    destination = Far(tmp_path / "in", PONG, last)
    listen_at, connect_to = f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}"
    with opened(STREAM) as early, Relay(listen_at, connect_to, way=way, early=early, limit=5) as relay:
        thread, reports = run_in_thread(relay.run)
        send_to(tmp_path / "relay", data[: int(share * len(data))])
        thread.join(5)
    destination.listener.close()
    (report,) = reports
    assert (report.ended, report.refused) == (ended, refused)


def test_a_channel_for_pages_that_is_given_up_is_no_end(tmp_path: Path, recorded: tuple[bytes, list[Choice]]) -> None:
    """The destination has all, and closes what it had for pages, into which the source still writes."""
    data, _ = recorded
    destination = Far(tmp_path / "in", PONG, DONE)
    listen_at, connect_to = f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}"
    with opened(STREAM) as early, Relay(listen_at, connect_to, way=SKIP, early=early, limit=5) as relay:
        thread, reports = run_in_thread(relay.run)
        with socket.socket(socket.AF_UNIX) as main_one, socket.socket(socket.AF_UNIX) as pages:
            main_one.connect(str(tmp_path / "relay"))
            main_one.sendall(data)
            assert main_one.recv(8) == PONG
            pages.connect(str(tmp_path / "relay"))
            pages.sendall(b"pages")
            assert pages.recv(8) == PONG
            relay._proxy.channels[1].cut("the destination has gone: broken pipe")
            main_one.shutdown(socket.SHUT_WR)
            assert main_one.recv(8) == DONE
        thread.join(5)
    destination.listener.close()
    assert [channel.kind for channel in relay._proxy.channels] == ["migration", "other"]
    assert (reports[0].ended, reports[0].refused) == (None, False)


@pytest.mark.parametrize("size", [1, 7, 8, 9, None])
def test_a_stream_that_breaks_off_without_a_way_back(
    tmp_path: Path, far: Far, recorded: tuple[bytes, list[Choice]], size: int | None
) -> None:
    data, _ = recorded
    listen_at, connect_to = f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}"
    with opened(STREAM) as early, Relay(listen_at, connect_to, way=SKIP, early=early, limit=5) as relay:
        thread, reports = run_in_thread(relay.run)
        send_to(tmp_path / "relay", data[: len(data) // 2 if size is None else size])
        thread.join(5)
    assert reports[0].ended == "the source ended in the middle of its stream"


def test_what_was_done_is_told_where_it_cannot_be_written_down(
    tmp_path: Path, far: Far, recorded: tuple[bytes, list[Choice]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["early", "relay", "--early", str(FIXTURES / STREAM), "--record", "/dev/full", "--limit", "5"]
    words += ["--listen", f"unix:{tmp_path / 'relay'}", "--connect", f"unix:{tmp_path / 'in'}"]
    thread, codes = run_in_thread(lambda: main(words))
    wait_for_listener(tmp_path / "relay")
    send_to(tmp_path / "relay", recorded[0])
    thread.join(5)
    told = capsys.readouterr()
    assert codes == [2]
    assert "left out at the stop" in told.out
    assert "/dev/full" in told.err and "o space left" in told.err
    assert gc.isenabled()


OLD = {
    "query-status": {"status": "running", "running": True},
    "query-migrate": {},
    "query-migrate-capabilities": [{"capability": "return-path", "state": True}],
    "add-fd": {"fdset-id": 0, "fd": 9},
    "remove-fd": {},
    "qmp_capabilities": {},
}


def answer_as_an_old_qemu(connection: socket.socket, is_mute: threading.Event | None = None) -> None:
    """A monitor that does not know the command by which a running machine tells its state; it may fall silent."""
    with connection, connection.makefile("rwb") as file:
        file.write(b'{"QMP": {"version": {"qemu": {"major": 2, "minor": 1, "micro": 0}}, "capabilities": []}}\n')
        file.flush()
        for line in file:
            asked = json.loads(line)
            if is_mute is not None and is_mute.is_set():
                continue
            error = {"class": "CommandNotFound", "desc": f"The command {asked['execute']} has not been found"}
            known = asked["execute"] in OLD
            answer: dict[str, Any] = {"return": OLD[asked["execute"]]} if known else {"error": error}
            file.write(json.dumps({**answer, "id": asked.get("id")}).encode() + b"\n")
            file.flush()


def test_a_source_that_cannot_tell_its_state_is_told_of_at_the_start(
    tmp_path: Path, far: Far, recorded: tuple[bytes, list[Choice]]
) -> None:
    ours, theirs = socket.socketpair()
    threading.Thread(target=answer_as_an_old_qemu, args=(theirs,), daemon=True).start()
    listen_at, connect_to = f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}"
    with Monitor(ours) as monitor, Relay(listen_at, connect_to, way=SKIP, monitor=monitor, limit=5) as relay:
        first, second = relay.warnings()
        assert first.startswith("there is no early state yet")
        assert "it has no command xen-save-devices-state" in first
        assert "both run" in second
        thread, reports = run_in_thread(relay.run)
        send_to(tmp_path / "relay", recorded[0])
        thread.join(5)
    far.threads[0].join(5)
    assert far.received == [recorded[0]]
    assert "it has no command xen-save-devices-state" in reports[0].plainly


@pytest.mark.slow
def test_a_source_that_does_not_answer_is_not_held_up(
    tmp_path: Path, far: Far, recorded: tuple[bytes, list[Choice]]
) -> None:
    """At its stop a QEMU answers nothing until it is rid of its device sections: nobody may wait for the other."""
    ours, theirs = socket.socketpair()
    is_mute = threading.Event()
    threading.Thread(target=answer_as_an_old_qemu, args=(theirs, is_mute), daemon=True).start()
    listen_at, connect_to = f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}"
    with (
        Monitor(ours) as monitor,
        Relay(listen_at, connect_to, way=SKIP, monitor=monitor, refresh=0.01, limit=60) as relay,
        socket.socket(socket.AF_UNIX) as source,
    ):
        with relay._asking:
            thread, _ = run_in_thread(relay.run)
            source.connect(str(tmp_path / "relay"))
            source.sendall(recorded[0][:1000])
            assert source.recv(4) == b"back"
            is_mute.set()
            begun = time.monotonic()
            assert relay._state_while_held() is None
            assert time.monotonic() - begun < 1
            assert monitor.limit == 60
            channel = relay._proxy.main
            assert channel is not None and not channel.reading.locked()
        # Whoever asks again and again for newer state gives up, too.
        relay.forward = Forward(recorded[1], skip=True)
        relay.forward.begun = True
        end = time.monotonic() + 5
        while not relay._asking.locked():
            assert time.monotonic() < end
            time.sleep(0.01)
        source.sendall(recorded[0][1000:])
        source.shutdown(socket.SHUT_WR)
        thread.join(5)
        assert not thread.is_alive()
    far.threads[0].join(5)
    assert far.received == [recorded[0]]


@pytest.mark.parametrize(
    ("events", "is_short"), [((), False), (("RTC_CHANGE",), False), (("RTC_CHANGE", "STOP"), True)]
)
def test_a_source_is_held_up_no_longer_than_its_guest_runs(
    tmp_path: Path, events: Sequence[str], is_short: bool
) -> None:
    ours, theirs = socket.socketpair()
    threading.Thread(target=answer_as_an_old_qemu, args=(theirs,), daemon=True).start()
    listen_at, connect_to = f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}"
    with Monitor(ours) as monitor, Relay(listen_at, connect_to, way=SKIP, monitor=monitor, limit=5) as relay:
        for name in events:
            theirs.sendall(json.dumps({"event": name, "timestamp": {"seconds": 1, "microseconds": 0}}).encode() + b"\n")
        begun = time.monotonic()
        relay._hold()
        assert (time.monotonic() - begun < 0.1) is is_short
        # Whoever asks for newer state may wait long for an answer: the source does not wait for that.
        with relay._asking:
            begun = time.monotonic()
            relay._hold()
            assert 0.1 < time.monotonic() - begun < 1
        # A monitor that has gone is no reason to wait, or to fail.
        theirs.shutdown(socket.SHUT_RDWR)
        begun = time.monotonic()
        relay._hold()
        assert time.monotonic() - begun < 0.1


@pytest.mark.parametrize(("size", "expected"), [(4, [os.SCHED_RR]), (3 << 20, [os.SCHED_RR, os.SCHED_OTHER])])
def test_what_comes_back_is_hurried_while_it_is_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, expected: list[int]
) -> None:
    asked = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda _, policy, __: asked.append(policy))
    destination = Far(tmp_path / "in", first=bytes(size))
    with Proxy(f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}", limit=5) as proxy:
        thread, _ = run_in_thread(proxy.run)
        with socket.socket(socket.AF_UNIX) as source:
            source.connect(str(tmp_path / "relay"))
            source.sendall(b"QEVM")
            source.shutdown(socket.SHUT_WR)
            came = 0
            while piece := source.recv(1 << 20):
                came += len(piece)
        thread.join(5)
    destination.listener.close()
    assert (came, asked) == (size, expected)


def test_who_says_nothing_is_no_source(tmp_path: Path, far: Far) -> None:
    """A scanner of ports that comes first, and one that stays, are no migration; and nothing of them reaches QEMU."""
    place = str(tmp_path / "relay")
    with Proxy(f"unix:{place}", f"unix:{tmp_path / 'in'}", limit=5) as proxy:
        thread, _ = run_in_thread(proxy.run)
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as scanner:
                scanner.connect(place)
        time.sleep(0.1)
        assert far.received == []
        with socket.socket(socket.AF_UNIX) as source:
            source.connect(place)
            # A channel of multifd speaks before the main one does, which came first and stays so.
            with socket.socket(socket.AF_UNIX) as multifd:
                multifd.connect(place)
                multifd.sendall(b"\x11\x22\x33\x44")
                assert multifd.recv(4) == b"back"
            source.sendall(b"QEVM")
            assert source.recv(4) == b"back"
        thread.join(5)
    for reading in far.threads:
        reading.join(5)
    assert far.received == [b"QEVM", b"\x11\x22\x33\x44"]
    with (
        Proxy(f"unix:{place}", f"unix:{tmp_path / 'in'}", limit=0.3) as proxy,
        socket.socket(socket.AF_UNIX) as silent,
    ):
        silent.connect(place)
        with pytest.raises(MachineError, match="and who came said nothing"):
            proxy.run()


def test_a_place_that_is_no_socket_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept"
    kept.write_text("of somebody")
    with pytest.raises(MachineError, match="a file that is no socket is there"):
        Proxy(f"unix:{kept}", "unix:b")
    assert kept.read_text() == "of somebody"
    # One that a killed relay left is taken over.
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(tmp_path / "left"))
    Proxy(f"unix:{tmp_path / 'left'}", "unix:b").close()
    for address in ("tcp:" + "a" * 70 + ":1", "tcp:..:1", "tcp:h:\u0663", "tcp:h:", "tcp:h:65536", "unix:", "fd:3"):
        with pytest.raises(MachineError, match="no address of a migration"):
            Proxy(address, "unix:b")
    listen_at = ["early", "relay", "--listen", f"unix:{tmp_path / 'a'}", "--connect", f"unix:{tmp_path / 'b'}"]
    early = ["--early", str(FIXTURES / STREAM), "--limit", "0.1"]
    assert main([*listen_at, *early, "--record", str(tmp_path / "none" / "x")]) == 2
    assert "listening" not in capsys.readouterr().err
    assert main([*listen_at, *early, "--features", "virtio-net=1"]) == 2
    assert "on which no guest has run" in capsys.readouterr().err
    for bits in ("virtio-net", "=1", "virtio-net=x", "virtio-net=-1"):
        with pytest.raises(SystemExit):
            main([*listen_at, *early, "--features", bits])
        assert "expected DEVICE=BITS" in capsys.readouterr().err
    assert main([*listen_at, "--early", "no-such-qemu -M q35", "--limit", "0.1"]) == 2
    assert "no-such-qemu" in capsys.readouterr().err
    assert main([*listen_at, *early, "--refresh", "1"]) == 2
    assert "newer early state is for --way skip" in capsys.readouterr().err


def test_a_relay_that_leads_to_itself(tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(tmp_path)
    with pytest.raises(MachineError, match="is where the source comes to"):
        Proxy(f"unix:{tmp_path / 'a'}", f"unix:{tmp_path / 'here' / 'a'}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Proxy(f"tcp:127.0.0.1:{port}", f"tcp:localhost:{port}", limit=5) as proxy:
        thread, results = run_in_thread(proxy.run)
        with socket.create_connection(("127.0.0.1", port)) as source, suppress(ConnectionError):
            source.sendall(b"QEVM")
            assert source.recv(1) == b""
        thread.join(5)
    assert "is this proxy" in str(results[0])
    assert len(proxy.channels) == 1


def test_the_end_of_a_migration_costs_nothing(tmp_path: Path, far: Far) -> None:
    """A relay that waited busily for its last thread would take a CPU from the guest that starts at the destination."""
    spent = 0.0
    for _ in range(5):
        with Proxy(f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}", limit=5) as proxy:
            thread, _ = run_in_thread(proxy.run)
            assert send_to(tmp_path / "relay", b"QEVM") == b"back"
            begun = time.process_time()
            thread.join(5)
            spent += time.process_time() - begun
            assert not thread.is_alive()
    assert spent < 0.05


def test_slow_and_half_closed_sockets(tmp_path: Path, recorded: tuple[bytes, list[Choice]]) -> None:
    """A source that says a byte at a time, then a destination that reads as slowly: all of it arrives."""
    data, choices = recorded
    listen_at, connect_to = f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}"
    with socket.socket(socket.AF_UNIX) as listener, opened(STREAM) as early:
        listener.bind(str(tmp_path / "in"))
        listener.listen()
        listener.settimeout(10)
        with Relay(listen_at, connect_to, way=SKIP, early=early, limit=5) as relay:
            thread, reports = run_in_thread(relay.run)
            with socket.socket(socket.AF_UNIX) as source:
                source.connect(str(tmp_path / "relay"))
                source.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)

                def speak() -> None:
                    for place in range(200):
                        source.sendall(data[place : place + 1])
                    source.sendall(data[200:])
                    # It has said all, and listens.
                    source.shutdown(socket.SHUT_WR)

                speaking = threading.Thread(target=speak, daemon=True)
                speaking.start()
                destination, _ = listener.accept()
                received = b""
                with destination:
                    destination.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                    while piece := destination.recv(997):
                        received += piece
                    # The way back is still open when the other is over.
                    destination.sendall(b"at last")
                assert source.recv(100) == b"at last"
                assert source.recv(100) == b""
                speaking.join(5)
            thread.join(5)
    assert received == forwarded(Forward(choices, skip=True), data)
    assert reports[0].ended is None


# ---------------------------------------------------------------------------------------------------------------------
# Real QEMUs.

MACHINE = "pc-q35-7.2"
PAIRS = [(None, None), *[(root, root) for root in ROOTS], *[(None, root) for root in ROOTS]]


def words(*more: str) -> list[str]:
    argv = booting()
    argv[argv.index("q35")] = MACHINE
    return [*argv, "-device", "pcie-root-port,id=rp,chassis=1", "-device", "virtio-rng-pci,bus=rp", *more]


class Guests:
    """A guest that moves from QEMU to QEMU."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.number = 0

    def start(self, root: str | None, *more: str) -> tuple[Machine, Monitor]:
        self.number += 1
        place = self.folder / f"{self.number}.qmp"
        argv = words("-qmp", f"unix:{place},server=on,wait=off", *more)
        try:
            machine = self.stack.enter_context(Machine(argv, qemu=qemu_of(root), console=True))
        except MachineError as error:
            if "unsupported machine type" in str(error):
                pytest.skip(f"this QEMU is older than the guest: {error}")
            raise
        return machine, self.stack.enter_context(Monitor(str(place)))


@pytest.mark.qemu
@needs_qemu
@needs_guest
@pytest.mark.parametrize(
    ("source_root", "target_root"),
    [pytest.param(*pair, marks=[] if pair == (None, None) else [pytest.mark.slow]) for pair in PAIRS],
)
def test_migrations_through_a_relay(tmp_path: Path, source_root: str | None, target_root: str | None) -> None:
    with ExitStack() as stack:
        guests = Guests(tmp_path, stack)
        source, monitor = guests.start(source_root)
        source.wait_for(READY)
        for number in range(TIMES):
            way = (SKIP, INSERT, SKIP)[number % 3]
            target, target_monitor = guests.start(target_root, "-incoming", "defer")
            report = migrate(tmp_path, source, target, monitor, way)
            assert report.plainly is None
            assert report.ended is None
            assert report.done is not None
            assert len(report.done["early"]) > 20
            assert (len(report.done["left_out"]) > 15) == (way == SKIP)
            assert target.type("ping -c 1 -W 4 10.0.2.2 >/dev/null && echo alive") == "alive"
            source.stop()
            source, monitor = target, target_monitor
            if source_root != target_root:
                source.stop()
                source, monitor = guests.start(source_root)
                source.wait_for(READY)


@pytest.mark.qemu
@needs_qemu
def test_what_the_destination_refuses_is_said_before_anything_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked of the running source, over the one connection that its monitor has."""
    monitor_at = f"unix:{tmp_path / 'qmp'}"
    with Machine([*COLD, "-device", "virtio-rng-pci", "-qmp", f"{monitor_at},server=on,wait=off"]) as machine:
        assert machine.ask("query-status")["status"] == "prelaunch"
        words = ["early", "relay", "--listen", f"unix:{tmp_path / 'a'}", "--connect", f"unix:{tmp_path / 'b'}"]
        assert main([*words, "--qmp", monitor_at, "--against", str(FIXTURES / STREAM), "--limit", "0.1"]) == 2
    told = capsys.readouterr().err.splitlines()
    refused = next(line for line in told if "the destination refuses" in line and "virtio-rng" in line)
    assert told.index(refused) < next(number for number, line in enumerate(told) if line.startswith("listening at"))
    assert "no source came" in told[-1]


def migrate(
    folder: Path,
    source: Machine,
    target: Machine,
    monitor: Monitor,
    way: str,
    bandwidth: int = 1 << 33,
    **more: Any,
) -> Any:
    for machine in (source, target):
        set_capabilities(machine, ["return-path"])
    target.ask("migrate-incoming", {"uri": f"unix:{folder / 'in'}"})
    with Relay(f"unix:{folder / 'relay'}", f"unix:{folder / 'in'}", way=way, monitor=monitor, **more) as relay:
        thread, reports = run_in_thread(relay.run)
        source.ask("migrate-set-parameters", {"max-bandwidth": bandwidth})
        source.ask("migrate", {"uri": relay.uri})
        source.monitor.until("query-migrate", [("status", "completed")])
        target.monitor.until("query-status", [("status", "running")])
        thread.join(10)
    (folder / "in").unlink(missing_ok=True)
    if isinstance(reports[0], BaseException):
        raise reports[0]
    return reports[0]


def started_relay(tmp_path: Path, stack: ExitStack, *options: str) -> subprocess.Popen[str]:
    """The relay as a program of its own, from the socket `relay` to the destination's `in`."""
    sockets = ("--listen", f"unix:{tmp_path / 'relay'}", "--connect", f"unix:{tmp_path / 'in'}")
    relay = subprocess.Popen(
        [sys.executable, "-m", "vmstate", "early", "relay", *options, *sockets],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    stack.callback(relay.wait)
    stack.callback(relay.kill)
    return relay


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
@pytest.mark.parametrize("victim", ["relay", "source", "destination"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_whoever_is_killed_exactly_one_side_goes_on(tmp_path: Path, victim: str, share: float) -> None:
    """With return-path, in the middle of precopy."""
    with ExitStack() as stack:
        guests = Guests(tmp_path, stack)
        source, monitor = guests.start(None)
        source.wait_for(READY)
        monitor.close()
        target, _ = guests.start(None, "-incoming", "defer")
        for machine in (source, target):
            set_capabilities(machine, ["return-path"])
        target.ask("migrate-incoming", {"uri": f"unix:{tmp_path / 'in'}"})
        relay = started_relay(tmp_path, stack, "--qmp", f"unix:{tmp_path / '1.qmp'}")
        assert relay.stderr is not None
        assert "both run, as where a network fails then" in relay.stderr.readline()
        assert relay.stderr.readline().startswith("listening at ")
        total = 100 << 20
        source.ask("migrate-set-parameters", {"max-bandwidth": 24 << 20})
        source.ask("migrate", {"uri": f"unix:{tmp_path / 'relay'}"})
        end = time.monotonic() + 60
        while time.monotonic() < end:
            ram = source.ask("query-migrate").get("ram") or {}
            # What the source has written may still wait in a socket: a destination that nobody has
            # connected to goes on waiting, rightly, so the kill comes when it is at work.
            at_work = target.ask("query-migrate").get("status") == "active"
            if at_work and ram.get("transferred", 0) > 1 and 1 - ram.get("remaining", total) / total >= share:
                break
        pid = {"relay": relay.pid, "source": source.pid, "destination": target.pid}[victim]
        os.kill(pid, signal.SIGKILL)
        if victim == "source":
            assert target.wait_for_end(20) is not None
        else:
            source.monitor.until("query-migrate", [("status", "failed")], 20)
            assert source.ask("query-status")["running"]
            assert source.type("echo alive") == "alive"
            if victim == "relay":
                assert target.wait_for_end(20) is not None
        # Whoever asks the relay is told that the migration is not complete.
        assert relay.wait(20) == (-signal.SIGKILL if victim == "relay" else 1)
    assert gone({pid})


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
@pytest.mark.parametrize("root", [None, *ROOTS])
def test_newer_state_of_a_small_guest(tmp_path: Path, root: str | None) -> None:
    """Less memory than any source could send in a moment: what it sends is held up while it is asked."""
    with ExitStack() as stack:
        guests = Guests(tmp_path, stack)
        source, monitor = guests.start(root)
        source.wait_for(READY)
        for bandwidth in (16 << 20, 1 << 33):
            source.ask("migrate-set-parameters", {"downtime-limit": 5})
            target, target_monitor = guests.start(root, "-incoming", "defer")
            report = migrate(tmp_path, source, target, monitor, SKIP, bandwidth=bandwidth, refresh=0.1)
            assert (report.plainly, report.ended) == (None, None)
            # At the start, when the migration began, and where it takes seconds in the middle of it.
            during = [moment for moment in report.live if moment["migration"] == "active"]
            before = report.live[: len(report.live) - len(during)]
            assert before and {moment["migration"] for moment in before} <= {None, "setup"}
            assert len(during) >= (4 if bandwidth < 1 << 30 else 1)
            assert report.done is not None and len(report.done["left_out"]) > 15
            assert target.type("ping -c 1 -W 4 10.0.2.2 >/dev/null && echo alive") == "alive"
            source.stop()
            source, monitor = target, target_monitor


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
def test_early_state_of_a_command_line(tmp_path: Path) -> None:
    """No monitor of the source, and no stream of it: its command line is started, the driver's features are told."""
    with ExitStack() as stack:
        guests = Guests(tmp_path, stack)
        source, monitor = guests.start(None)
        source.wait_for(READY)
        with vmstate.load(live_state(monitor).data) as stream:
            bits = features_of(stream["virtio-net"].state.virtio)
        target, _ = guests.start(None, "-incoming", "defer")
        for machine in (source, target):
            set_capabilities(machine, ["return-path"])
        target.ask("migrate-incoming", {"uri": f"unix:{tmp_path / 'in'}"})
        early = ("--early", shlex.join(words()), "--features", f"virtio-net={bits:#x}")
        relay = started_relay(tmp_path, stack, "--record", str(tmp_path / "done.json"), *early)
        assert relay.stderr is not None
        assert relay.stderr.readline().startswith("listening at ")
        source.ask("migrate", {"uri": f"unix:{tmp_path / 'relay'}"})
        source.monitor.until("query-migrate", [("status", "completed")])
        target.monitor.until("query-status", [("status", "running")])
        assert relay.wait(20) == 0
        done = json.loads((tmp_path / "done.json").read_text())["done"]
        assert "0000:00:01.0/virtio-net#0" in done["early"]
        # What the guest has set up comes again; what no guest of ours touches is as it was, and left out.
        assert "0000:00:00.0/mch#0" in done["changed"] and "dma#0" in done["left_out"]
        assert target.type("ping -c 1 -W 4 10.0.2.2 >/dev/null && echo alive") == "alive"


@pytest.mark.qemu
@needs_qemu
@needs_guest
def test_postcopy_and_multifd_pass(tmp_path: Path) -> None:
    with ExitStack() as stack:
        guests = Guests(tmp_path, stack)
        source, monitor = guests.start(None)
        source.wait_for(READY)
        for capability in ("multifd", "postcopy-ram"):
            target, target_monitor = guests.start(None, "-incoming", "defer")
            try:
                for machine in (source, target):
                    set_capabilities(machine, [capability])
            except MachineError as error:
                pytest.skip(f"QEMU has not got {capability} here: {error}")
            report = migrate(tmp_path, source, target, monitor, SKIP)
            assert report.ended is None
            if capability == "multifd":
                assert report.channels["multifd"] >= 2
            assert target.type("echo alive") == "alive"
            set_capabilities(target, [capability], state=False)
            source.stop()
            source, monitor = target, target_monitor


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
def test_a_migration_that_is_finished_by_postcopy(tmp_path: Path) -> None:
    """Started in the middle of precopy: pages are asked for on the way back, and the rest passes as it comes."""
    with ExitStack() as stack:
        guests = Guests(tmp_path, stack)
        source, monitor = guests.start(None)
        source.wait_for(READY)
        target, _ = guests.start(None, "-incoming", "defer")
        try:
            for machine in (source, target):
                set_capabilities(machine, ["postcopy-ram", "return-path"])
        except MachineError as error:
            pytest.skip(f"QEMU cannot do postcopy here: {error}")
        target.ask("migrate-incoming", {"uri": f"unix:{tmp_path / 'in'}"})
        source.ask("migrate-set-parameters", {"max-bandwidth": 8 << 20})
        with Relay(f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}", way=SKIP, monitor=monitor) as relay:
            thread, reports = run_in_thread(relay.run)
            source.ask("migrate", {"uri": relay.uri})
            end = time.monotonic() + 60
            while (source.ask("query-migrate").get("ram") or {}).get("transferred", 0) < 4 << 20:
                assert time.monotonic() < end
                time.sleep(0.05)
            source.ask("migrate-start-postcopy")
            target.monitor.until("query-status", [("status", "running")], 60)
            assert target.type("cat /proc/version >/dev/null && echo alive", limit=60) == "alive"
            source.monitor.until("query-migrate", [("status", "completed")], 90)
            thread.join(20)
        (report,) = reports
        assert not isinstance(report, BaseException), report
        assert report.ended is None
        assert report.plainly is not None and "POSTCOPY" in report.plainly
        assert report.done is not None and len(report.done["early"]) > 15 and report.done["left_out"] == []
        assert report.returned["REQ_PAGES_ID"] + report.returned["REQ_PAGES"] > 0
        assert (report.returned["SHUT"], report.refused) == (1, False)
        assert target.type("ping -c 1 -W 4 10.0.2.2 >/dev/null && echo alive") == "alive"


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
def test_a_migration_that_is_encrypted(tmp_path: Path) -> None:
    """TLS with a key that both QEMUs have: the relay passes it on, says so, and never sees a stream."""
    (tmp_path / "keys.psk").write_text("qemu:" + bytes(range(32)).hex() + "\n")

    def credentials(end: str) -> tuple[str, ...]:
        return "-object", f"tls-creds-psk,id=tls0,endpoint={end},dir={tmp_path}"

    with ExitStack() as stack:
        guests = Guests(tmp_path, stack)
        try:
            source, monitor = guests.start(None, *credentials("client"))
        except MachineError as error:
            pytest.skip(f"QEMU was built without TLS: {error}")
        source.wait_for(READY)
        target, _ = guests.start(None, *credentials("server"), "-incoming", "defer")
        for machine in (source, target):
            set_capabilities(machine, ["return-path"])
            machine.ask("migrate-set-parameters", {"tls-creds": "tls0"})
        target.ask("migrate-incoming", {"uri": f"unix:{tmp_path / 'in'}"})
        source.ask("migrate-set-parameters", {"max-bandwidth": 1 << 33, "tls-hostname": "target"})
        with Relay(f"unix:{tmp_path / 'relay'}", f"unix:{tmp_path / 'in'}", way=SKIP, monitor=monitor) as relay:
            thread, reports = run_in_thread(relay.run)
            source.ask("migrate", {"uri": relay.uri})
            source.monitor.until("query-migrate", [("status", "completed")], 90)
            target.monitor.until("query-status", [("status", "running")])
            thread.join(10)
        (report,) = reports
        assert not isinstance(report, BaseException), report
        assert (report.plainly, report.ended, report.done) == ("the migration is encrypted (TLS)", None, None)
        assert report.channels["tls"] == 1
        assert report.sent == report.taken > 10 << 20
        assert not report.returned
        assert target.type("echo alive") == "alive"
