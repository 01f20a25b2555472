"""A monitor as plain calls: answers, events, descriptors, and what is no monitor."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmstate.errors import MachineError, NoAnswerError
from vmstate.qemu.monitor import Monitor, read_address

GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 1}, "package": "Debian"}, "capabilities": []}}
EVENT = {"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}


class Scripted:
    """The other end of a monitor, on which a test says what comes."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.requests: list[dict[str, object]] = []
        self.descriptors: list[int] = []
        self.answers: Callable[[dict[str, object]], list[object]] = lambda request: [{"return": {}}]

    def say(self, *messages: object) -> None:
        for message in messages:
            self.far.sendall(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\r\n")

    def serve(self) -> None:
        self.say(GREETING)
        received = b""
        while True:
            piece, descriptors, _, _ = socket.recv_fds(self.far, 65536, 4)
            if not piece:
                return
            self.descriptors += descriptors
            received += piece
            while b"\n" in received:
                line, _, received = received.partition(b"\n")
                request = json.loads(line)
                self.requests.append(request)
                if request["execute"] == "qmp_capabilities":
                    self.say({"return": {}, "id": request["id"]})
                    continue
                for message in self.answers(request):
                    self.say({"id": request["id"], **message} if isinstance(message, dict) else message)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    script = Scripted()
    thread = threading.Thread(target=script.serve, daemon=True)
    thread.start()
    yield script
    script.near.close()
    thread.join(5)
    script.far.close()


def test_an_answer_and_the_events_before_it(scripted: Scripted) -> None:
    scripted.answers = lambda request: [json.dumps(EVENT).encode() + b"\n", {"return": {"running": True}}]
    with Monitor(scripted.near, limit=5) as monitor:
        assert monitor.version == (7, 2, 1) and monitor.build == "Debian" and monitor.is_local
        assert monitor.ask("query-status") == {"running": True}
        assert monitor.ask("query-status", {"a": 1}) == {"running": True}
        assert monitor.events() == [EVENT, EVENT] and monitor.events() == []
        assert monitor.peer == os.getpid()
    assert [request.get("arguments") for request in scripted.requests] == [None, None, {"a": 1}]


def test_a_refusal_is_in_its_words(scripted: Scripted) -> None:
    scripted.answers = lambda request: [{"error": {"class": "CommandNotFound", "desc": "no such command"}}]
    with Monitor(scripted.near, limit=5) as monitor:
        with pytest.raises(MachineError, match=r"^nothing: no such command$"):
            monitor.ask("nothing")
        assert monitor.ask_or_none("nothing") is None and monitor.is_open


def test_an_answer_that_comes_too_late_is_not_the_next_one(scripted: Scripted) -> None:
    with Monitor(scripted.near, limit=5) as monitor:
        scripted.answers = lambda request: []
        with pytest.raises(NoAnswerError, match=r"query-a: no answer in 0.05 s"):
            monitor.ask("query-a", limit=0.05)
        late = scripted.requests[-1]["id"]
        scripted.answers = lambda request: [{"return": "late", "id": late}, {"return": "in time"}]
        assert monitor.ask("query-b") == "in time"
        assert monitor.is_open


def test_events_are_waited_for(scripted: Scripted) -> None:
    with Monitor(scripted.near, limit=5) as monitor:
        with pytest.raises(NoAnswerError):
            monitor.next_event(0.05)
        threading.Timer(0.1, scripted.say, [EVENT]).start()
        assert monitor.next_event(5) == EVENT
        scripted.say(EVENT)
        begun = time.monotonic()
        monitor.wait(0.1)
        assert time.monotonic() - begun >= 0.1
        assert monitor.events() == [EVENT]


def test_a_descriptor_goes_along(scripted: Scripted, tmp_path: Path) -> None:
    with open(tmp_path / "file", "w+b") as file, Monitor(scripted.near, limit=5) as monitor:
        monitor.send_descriptor(file.fileno(), "name")
        (descriptor,) = scripted.descriptors
        assert os.path.samestat(os.fstat(descriptor), os.fstat(file.fileno()))
        os.close(descriptor)
    assert scripted.requests[-1]["arguments"] == {"fdname": "name"}


def test_an_end_is_seen(scripted: Scripted) -> None:
    monitor = Monitor(scripted.near, limit=5)
    assert monitor.is_open
    scripted.say(EVENT)
    scripted.far.shutdown(socket.SHUT_RDWR)
    with pytest.raises(MachineError, match="query-status: QEMU closed the connection"):
        monitor.ask("query-status")
    assert not monitor.is_open and monitor.events() == [EVENT]
    with pytest.raises(MachineError):
        monitor.ask_or_none("query-status")
    monitor.close()
    with pytest.raises(MachineError):
        monitor.next_event(5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "this is no QMP monitor"),
        (b"QEMU 7.2.0 monitor - type 'help'\r\n", "this is no QMP monitor"),
        (b"[1]\n", "this is no QMP monitor"),
        (b'{"QMP": 7}\n', "no greeting of QEMU"),
        (b'{"QMP": {"version": {"qemu": {"major": "seven"}}}}\n', "no greeting of QEMU"),
        (b"\xff\xfe\n", "this is no QMP monitor"),
        (b"[" * 100_000 + b"\n", "this is no QMP monitor"),
        (b"", "QEMU closed the connection"),
    ],
)
def test_what_is_no_monitor(text: bytes, words: str) -> None:
    near, far = socket.socketpair()
    far.sendall(text)
    far.close()
    with pytest.raises(MachineError, match=words):
        Monitor(near, limit=5)
    assert near.fileno() == -1


def test_a_message_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmstate.qemu.monitor.LONGEST", 1 << 16)
    near, far = socket.socketpair()
    with far:
        threading.Thread(target=lambda: far.sendall(b" " * (1 << 17)), daemon=True).start()
        with pytest.raises(MachineError, match="its messages do not end"):
            Monitor(near, limit=5)


def test_nobody_answers(tmp_path: Path) -> None:
    near, far = socket.socketpair()
    with far, pytest.raises(NoAnswerError, match=r"QMP: the greeting: no answer in 0.05 s"):
        Monitor(near, limit=0.05)
    with pytest.raises(MachineError, match="QMP: no such file or directory"):
        Monitor(str(tmp_path / "none"))
    with pytest.raises(MachineError, match="QMP: "):
        Monitor("x" * 200)
    with pytest.raises(MachineError, match="QMP: connection refused"):
        Monitor(("127.0.0.1", 1), limit=5)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/q.qmp,server=on,wait=off", "/run/q.qmp"),
        ("/run/q.qmp", "/run/q.qmp"),
        ("tcp:localhost:4444,server=on", ("localhost", 4444)),
        ("[::1]:4444", ("::1", 4444)),
        (":4444", ("localhost", 4444)),
    ],
)
def test_an_address_is_written_as_for_qemu(text: str, address: object) -> None:
    assert read_address(text) == address


@pytest.mark.parametrize("text", ["", "tcp:", "tcp:nowhere"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(MachineError, match="no address of a monitor"):
        read_address(text)
