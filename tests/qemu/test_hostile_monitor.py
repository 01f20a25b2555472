"""A monitor of somebody who means harm: each verb of `--qmp` ends with one line, in time, and takes little memory."""

from __future__ import annotations

import functools
import json
import os
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fake_qemu import fake_qemu

import vmstate
from vmstate.cli import main
from vmstate.errors import MachineError, NoAnswerError, StreamError
from vmstate.fleet.scan import row_of_machine
from vmstate.lab.study import _queue_indices
from vmstate.qemu import live
from vmstate.qemu.capture import _memory_beside
from vmstate.qemu.live import live_state_at
from vmstate.qemu.monitor import _FORMS, LONGEST, Monitor
from vmstate.qemu.provenance import SUFFIX
from vmstate.qemu.snapshot import load_by_job

COLD = Path(__file__).resolve().parents[2] / "fixtures" / "qemu-7.2-q35-virtio-net-cold.mig.xz"
LIMIT = 0.3
"""Seconds that each answer may take here."""

GREETING = b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 1}, "package": ""}, "capabilities": []}}\n'
BLOCKS = "Block Name  PSize  Offset  Used  Total\n pc.ram  4 KiB  0x0000000000000000 0x1000000 0x1000000\n"

ANSWERS: dict[str, Any] = {
    "query-status": {"running": True, "status": "running"},
    "query-migrate": {"status": "completed", "ram": {"total": 1, "remaining": 0}},
    "qom-get": "pc-q35-7.2-machine",
    "qom-list": [{"name": "x", "type": "child<e1000>"}],
    "human-monitor-command": BLOCKS,
    "add-fd": {"fdset-id": 1, "fd": 9},
    "query-migrate-capabilities": [{"capability": "x-ignore-shared", "state": False}],
    "query-migrate-parameters": {"max-bandwidth": 1, "downtime-limit": 1},
    "query-memdev": [],
    "x-query-virtio": [{"path": "/machine/a", "name": "a"}],
}
"""What this monitor answers where nothing else is told: enough for every verb to come to its end."""

Deed = Callable[["Hostile", Any], None]


class Hostile:
    """A monitor that answers as QEMU does, but for one command, or "the greeting", for which it does a deed."""

    def __init__(self, path: Path, command: str, deed: Deed) -> None:
        self.command, self.deed = command, deed
        self.descriptors: list[int] = []
        self.is_over = False
        self.others: dict[str, Any] = {}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.address = f"unix:{path}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                self.connection, _ = self.listener.accept()
                with self.connection, suppress(OSError, ValueError):
                    self.talk()

    def talk(self) -> None:
        if self.command == "the greeting":
            self.deed(self, None)
            return
        self.say(GREETING)
        received = b""
        while True:
            piece, descriptors, _, _ = socket.recv_fds(self.connection, 1 << 16, 4)
            self.descriptors += descriptors
            if not piece:
                return
            received += piece
            while b"\n" in received:
                line, _, received = received.partition(b"\n")
                request = json.loads(line)
                if request["execute"] == self.command:
                    self.deed(self, request)
                else:
                    self.answer(request, self.usual(request))

    def usual(self, request: Any) -> Any:
        if request["execute"] == "xen-save-devices-state":
            os.write(self.descriptors[-1], stream_bytes())
        elif request["execute"] == "migrate":
            descriptor = self.descriptors.pop()
            os.write(descriptor, stream_bytes())
            os.close(descriptor)
        return self.others.get(request["execute"], ANSWERS.get(request["execute"], {}))

    def answer(self, request: Any, value: Any) -> None:
        self.say(json.dumps({"return": value, "id": request["id"]}).encode() + b"\n")

    def say(self, data: bytes) -> None:
        self.connection.sendall(data)

    def close(self) -> None:
        self.is_over = True
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.thread.join(5)


@functools.cache
def stream_bytes() -> bytes:
    """What QEMU writes of a machine that runs: the header, sections of devices, the end."""
    with vmstate.load(COLD) as stream:
        sections = [section for section in stream.sections if section.kind == "full" and not section.is_ram]
        return b"QEVM\0\0\0\3" + b"".join(map(section_bytes, sections)) + b"\0"


def section_bytes(section: vmstate.Section) -> bytes:
    idstr, number = section.name.encode(), section.section_id
    begin = struct.pack(">BIB", 4, number, len(idstr)) + idstr
    header = begin + struct.pack(">II", section.instance_id, section.version_id)
    return header + section.payload() + struct.pack(">BI", 0x7E, number)


# What it does.


def says(data: bytes) -> Deed:
    def deed(monitor: Hostile, request: Any) -> None:
        monitor.say(data)

    return deed


def answers(value: Any) -> Deed:
    def deed(monitor: Hostile, request: Any) -> None:
        monitor.usual(request)
        monitor.answer(request, value)

    return deed


def refuses(words: Any) -> Deed:
    def deed(monitor: Hostile, request: Any) -> None:
        monitor.say(
            json.dumps({"error": {"class": "GenericError", "desc": words}, "id": request["id"]}).encode() + b"\n"
        )

    return deed


def nothing(monitor: Hostile, request: Any) -> None:
    """Never an answer."""


def half(monitor: Hostile, request: Any) -> None:
    monitor.say(b'{"return": {"status": "run')
    monitor.connection.shutdown(socket.SHUT_RDWR)


def endless_line(monitor: Hostile, request: Any) -> None:
    while not monitor.is_over:
        monitor.say(b"x" * 65536)


def byte_by_byte(monitor: Hostile, request: Any) -> None:
    while not monitor.is_over:
        monitor.say(b" ")
        time.sleep(0.001)


def events_for_ever(monitor: Hostile, request: Any) -> None:
    while not monitor.is_over:
        monitor.say(b'{"event": "RTC_CHANGE", "data": {"text": "' + b"x" * 60000 + b'"}, "timestamp": {}}\n')


def answers_to_others(monitor: Hostile, request: Any) -> None:
    while not monitor.is_over:
        monitor.say(b'{"return": {}, "id": 999999}\n' * 1000)


def deep(monitor: Hostile, request: Any) -> None:
    monitor.say(b'{"return": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n")


def wide(monitor: Hostile, request: Any) -> None:
    monitor.say(b'{"return": [' + b"{}," * 3_000_000 + b"{}]}\n")


ENDS: dict[str, Deed] = {
    "garbage": says(b"\xff\xfe\x00\x1b[2J nothing of JSON\n"),
    "half": half,
    "deep": deep,
    "wide": wide,
    "endless line": endless_line,
    "nothing": nothing,
    "byte by byte": byte_by_byte,
    "events for ever": events_for_ever,
    "answers to others": answers_to_others,
}
"""After these no verb goes on: exit code 2."""

ODD: dict[str, Deed] = {
    **{f"answers {value!r}"[:40]: answers(value) for value in (3, "x", None, [], [3], {}, {"status": []}, 1e400, -1)},
    "long text": answers("x" * (1 << 20)),
    "surrogates": answers("\ud800-machine"),
    "spaces": answers("x" + " " * (1 << 20) + "1 KiB"),
    "lines": answers("\n" * (1 << 20)),
    "a long name": answers(f" {'n' * 300}  4 KiB  0x0 0x1000 0x1000\n"),
    "a large block": answers(" pc.ram  4 KiB  0x0 0xffffffffffffffff 0x1000\n"),
    "many blocks": answers("\n".join(f" b{number}  4 KiB  0x0 0x1000 0x1000" for number in range(20_000))),
    "controls": refuses("two\nlines \x1b[31m and colours"),
    "no words": refuses([]),
    "long words": refuses("x" * (1 << 20)),
    "texts for numbers": answers({"status": "active", "ram": {"remaining": "1"}, "downtime-limit": "x"}),
}
"""Some of these are of no consequence for a verb; where they are, it is one line."""

VERBS: dict[str, list[str]] = {
    "show": ["show"],
    "query": ["query", "query-rx-filter"],
    "verify": ["verify"],
    "diff": ["diff", "--after", "0.01"],
    "plan": ["early", "plan", "--after", "0.01"],
    "explain": ["explain", "--against", str(COLD)],
    "watch": ["watch", "--count", "2", "--every", "0.01"],
    "devices": ["capture", "--devices-only", "--limit", str(LIMIT), "-o", "OUT"],
    "capture": ["capture", "--limit", str(LIMIT), "-o", "OUT"],
}


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Deed], Hostile]]:
    """What starts such monitors; whatever waits for one has little time."""
    for function in (live.connected, live.live_state, live.live_state_at, live.capture_devices):
        monkeypatch.setitem(function.__kwdefaults__, "limit", LIMIT)
    started: list[Hostile] = []

    def start(command: str, deed: Deed) -> Hostile:
        for earlier in started:
            earlier.close()
        started[:] = [Hostile(tmp_path / f"q{time.monotonic_ns()}", command, deed)]
        return started[0]

    yield start
    for monitor in started:
        monitor.close()


def told_by(verb: str, monitor: Hostile, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of a verb, and what it wrote; it is in time, and says so in one line where it fails."""
    words = [str(tmp_path / "out.mig") if word == "OUT" else word for word in VERBS[verb]]
    begun = time.monotonic()
    code = main([*words, "--qmp", monitor.address])
    took = time.monotonic() - begun
    printed = capsys.readouterr()
    context = (verb, monitor.command, printed.err[:500])
    assert "internal error" not in printed.err and "Traceback" not in printed.err, context
    assert took < 8 * LIMIT, context
    if code == 2 and monitor.command != "query-cpus-fast":
        assert printed.err.count("\n") == 1 and printed.err[:-1].isprintable(), context
        assert len(printed.err) < 5000, context
        assert not list(tmp_path.glob("out.mig*")), context
    return code, printed.out + printed.err


@pytest.mark.slow
def test_a_monitor_that_means_well(hostile: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the others are held against: it gives each verb all that it needs."""
    for verb in VERBS:
        assert told_by(verb, hostile("no such command", nothing), tmp_path, capsys)[0] in (0, 1), verb
        for file in tmp_path.glob("out.mig*"):
            file.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_what_ends_every_verb(end: str, hostile: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("the greeting", "query-status", "xen-save-devices-state"):
        assert told_by("show", hostile(command, ENDS[end]), tmp_path, capsys)[0] == 2, command
    for command in ("the greeting", "query-migrate"):
        assert told_by("capture", hostile(command, ENDS[end]), tmp_path, capsys)[0] == 2, command
    # The stream is there by then, and what else is asked about the machine is its second opinion; that the guest is not
    # known to go on is told.
    code, text = told_by("capture", hostile("query-cpus-fast", ENDS[end]), tmp_path, capsys)
    assert code == 0 or "cont: no answer in 0.3 s" in text
    assert (tmp_path / "out.mig").exists() and (tmp_path / "out.mig.provenance.json").exists()


def test_the_limit_of_a_verb_that_reads(hostile: Any, capsys: pytest.CaptureFixture[str]) -> None:
    monitor = hostile("query-status", ENDS["nothing"])
    assert main(["info", "--qmp", monitor.address, "--limit", "0.1"]) == 2
    assert "query-status: no answer in 0.1 s" in capsys.readouterr().err
    relay = ["early", "relay", "--listen", "unix:/nowhere/a", "--connect", "unix:/nowhere/b", "--limit", "0.1"]
    silent = hostile("qmp_capabilities", ENDS["nothing"])
    assert main([*relay, "--qmp", silent.address]) == 2
    assert " in 0.1 s" in capsys.readouterr().err
    monitor = hostile("query-status", ENDS["nothing"])
    for limit in ("0", "-1", "nan", "inf"):
        assert main(["info", "--qmp", monitor.address, f"--limit={limit}"]) == 2
        assert "no time to wait (expected seconds, more than 0" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_of_each_verb(verb: str, hostile: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for end in ("nothing", "answers to others"):
        code, text = told_by(verb, hostile("query-status", ENDS[end]), tmp_path, capsys)
        assert code == 2 and "0.3 s" in text, text


@pytest.mark.parametrize("transport", ["fd", "exec"])
def test_a_migration_of_nothing(
    transport: str, hostile: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said to be complete, and no byte was written: that is no stream."""

    def closes(peer: Hostile, request: Any) -> None:
        if peer.descriptors:
            os.close(peer.descriptors.pop())
        peer.answer(request, {})

    output = tmp_path / "out.mig"
    monitor = hostile("migrate", closes)
    command = ["capture", "--transport", transport, "--limit", "5", "-o", str(output), "--qmp", monitor.address]
    assert main(command) == 2
    assert "QEMU calls the migration complete, and no byte of it came" in capsys.readouterr().err
    assert not list(tmp_path.glob("out.mig*"))


@pytest.mark.parametrize(("length", "code"), [(256 - len(SUFFIX), 2), (255 - len(SUFFIX), 0)])
def test_a_name_with_no_room_for_that_of_the_provenance(
    length: int, code: int, hostile: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before QEMU is asked for anything: the stream would stand there without it."""
    output = tmp_path / ("n" * length)
    monitor = hostile("query-nothing", ENDS["nothing"])
    assert main(["capture", "--limit", "5", "-o", str(output), "--qmp", monitor.address]) == code
    assert ("too long" in capsys.readouterr().err) is bool(code)
    assert output.exists() is (not code)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["capture", "devices"])
def test_odd_answers(verb: str, hostile: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [name for name in ANSWERS if ("migrate" in name or "query" in name) == (verb == "capture")]
    for command in [*commands, "x-query-virtio-status", "query-status", "query-migrate"]:
        for name, deed in ODD.items():
            code, _ = told_by(verb, hostile(command, deed), tmp_path, capsys)
            assert code in (0, 2), (command, name)
            for file in tmp_path.glob("out.mig*"):
                file.unlink()


def test_a_fleet_goes_on(hostile: Any) -> None:
    """What a machine says is one row, whatever it is."""
    for command in ("qom-get", "qom-list"):
        for name in ("answers 3", "answers None", "answers 'x'", "surrogates", "controls"):
            monitor = hostile(command, ODD[name])
            row = row_of_machine("qmp:" + monitor.address)
            assert row["error"] is None or "QMP: an answer is not of the form" in row["error"], (command, name)


@pytest.mark.parametrize("more", [[], ["--live-state"]], ids=["asked", "live state"])
def test_the_limit_of_a_fleet(more: list[str], hostile: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A machine that does not answer costs the time that was told, and is a row."""
    monitor = hostile("query-status" if more else "qom-get", ENDS["nothing"])
    begun = time.monotonic()
    scan = ["fleet", "scan", "--qmp", monitor.address, "--limit", "0.2", "--workers", "1", "--format", "json", *more]
    assert main(scan) == 2
    assert time.monotonic() - begun < 5
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert "no answer in 0.2 s" in row["error"]
    assert main([*scan, "--limit", "nan"]) == 2
    assert "no time to wait" in capsys.readouterr().err


class Answering:
    """A machine whose monitor answers from a table."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.monitor: Any = self
        self.table, self.asked = table, 0

    def ask_or_none(self, command: str, arguments: Any = None) -> Any:
        self.asked += 1
        return self.table[command]


def test_queues_without_end_and_indices_that_are_none() -> None:
    card = [{"path": "/a", "name": "virtio-net"}]
    endless: Any = Answering({"x-query-virtio": card, "x-query-virtio-queue-status": {"last-avail-idx": 1}})
    assert len(_queue_indices(endless)) == 1024 == endless.asked - 1
    odd: Any = Answering({"x-query-virtio": card, "x-query-virtio-queue-status": {"last-avail-idx": []}})
    with pytest.raises(MachineError, match="not of the form that it must have"):
        _queue_indices(odd)


def test_an_event_is_not_waited_for_among_others_without_end(hostile: Any) -> None:
    """A load by a job: what says that it has ended never comes."""
    monitor = hostile("snapshot-load", events_for_ever)
    monitor.deed = lambda serving, request: (
        serving.answer(request, {}),
        events_for_ever(serving, request),
    )
    with Monitor(monitor.address.removeprefix("unix:"), limit=2) as connection:
        machine: Any = Answering({})
        machine.monitor = connection
        begun = time.monotonic()
        with pytest.raises(NoAnswerError, match="other events come"):
            load_by_job(machine, 0.3)
        assert time.monotonic() - begun < 5


def test_a_state_without_end(hostile: Any) -> None:
    """The file is the other side's to write, and to make as large as it likes."""

    def sparse(monitor: Hostile, request: Any) -> None:
        os.ftruncate(monitor.descriptors[-1], 1 << 40)
        monitor.answer(request, {})

    with pytest.raises(MachineError, match="what was written is too much for a device state"):
        live_state_at(hostile("xen-save-devices-state", sparse).address)


def test_texts_in_the_place_of_numbers_are_not_multiplied(hostile: Any) -> None:
    """A text a million times is a longer one: 64 GB of it, here."""
    text = "9" * 65536

    def event(monitor: Hostile, request: Any) -> None:
        for name in ("STOP", "RESUME"):
            stamp = {"seconds": text, "microseconds": 0}
            monitor.say(json.dumps({"event": name, "timestamp": stamp}).encode() + b"\n")
        monitor.answer(request, monitor.usual(request))

    parameters = {"max-bandwidth": 1 << 32, "downtime-limit": text}
    active = {"status": "active", "ram": {"remaining": 1}}
    for command, deed in (("xen-save-devices-state", event), ("query-migrate-parameters", answers(parameters))):
        monitor = hostile(command, deed)
        monitor.others = {"query-migrate": active} if command == "query-migrate-parameters" else {}
        with pytest.raises(MachineError, match="in the place of a number"):
            live_state_at(monitor.address)


@pytest.mark.parametrize(("kind", "words"), [("fifo", "no file of the guest's memory"), ("device", "no file of the")])
def test_memory_that_is_no_file(kind: str, words: str, hostile: Any, tmp_path: Path) -> None:
    """Where guest memory is the other side says: what is there is not waited for, and has an end."""
    place = "/dev/zero"
    if kind == "fifo":
        place = str(tmp_path / "fifo")
        os.mkfifo(place)
    entry = {"id": "ram", "size": 1 << 40, "path": place}
    with pytest.raises(StreamError, match=words):
        _memory_beside(tmp_path / "out.mig", entry)
    with pytest.raises(MachineError, match="no id of a memory backend"):
        _memory_beside(tmp_path / "out.mig", {**entry, "id": "../ram"})


@pytest.mark.slow
def test_a_message_takes_little_memory(hostile: Any) -> None:
    """Of many small values, events that nobody asks for, a line without end."""
    for deed, words in ((wide, "no QMP monitor"), (endless_line, "do not end"), (events_for_ever, "no answer in")):
        address = hostile("query-status", deed).address
        tracemalloc.start()
        with Monitor(address.removeprefix("unix:"), limit=1.0) as monitor, pytest.raises(MachineError, match=words):
            monitor.ask("query-status")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * LONGEST, (words, peak)


@pytest.mark.parametrize("command", _FORMS)
def test_an_answer_of_another_form_is_none(command: str, hostile: Any) -> None:
    for value in (3, None, True, 1e400, [3], {"UUID": 3}, [{"name": 3, "capability": "x"}], {"fdset-id": "1"}):
        has_form = isinstance(value, dict) and _FORMS[command] == {}
        with Monitor(hostile(command, answers(value)).address.removeprefix("unix:"), limit=2) as monitor:
            if has_form or (_FORMS[command] == [{}] and value == [{"name": 3, "capability": "x"}]):
                assert monitor.ask(command) == value
            else:
                with pytest.raises(MachineError, match=f"{command}: an answer is not of the form that it must have"):
                    monitor.ask(command)


def test_half_a_character_and_an_event_of_another_form(hostile: Any) -> None:
    whole = says(b'{"return": "\\ud83d\\ude00", "id": 2}\n')
    with Monitor(hostile("x", whole).address.removeprefix("unix:"), limit=2) as monitor:
        assert monitor.ask("x") == "\U0001f600"
    half_one = says(b'{"return": "\\ud83d", "id": 2}\n')
    event = says(b'{"event": "MIGRATION", "data": 3, "timestamp": {}}\n')
    for deed, words in ((half_one, "no QMP monitor"), (event, "no event of QEMU")):
        address = hostile("x", deed).address.removeprefix("unix:")
        with Monitor(address, limit=2) as monitor, pytest.raises(MachineError, match=words):
            monitor.ask("x")


@pytest.mark.parametrize(
    ("verb", "command"),
    [
        (["load"], "query-migrate"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (["explain", "--against"], "query-migrate-capabilities"),
                (["matrix", "--workers", "1"], "query-migrate-capabilities"),
                (["capture"], "query-migrate-parameters"),
            )
        ),
    ],
)
@pytest.mark.parametrize("answer", ["3", "null", "[[]]", "1e999", '{"status": 3}', '"x"'])
def test_a_qemu_that_was_started(
    verb: list[str], command: str, answer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = ["--", fake_qemu(tmp_path), "-name", f"answers {command} {answer}"]
    match verb[0]:
        case "matrix":
            options = tmp_path / "options"
            options.write_text(f"-name 'answers {command} {answer}'\n")
            machine = [str(COLD), "--to", f"{fake_qemu(tmp_path)}:q35+{options}"]
        case "capture":
            machine = ["-o", str(tmp_path / "out.mig"), *machine]
        case _:
            machine = [*verb[1:], *machine]
            verb = [verb[0], str(COLD)]
    code = main([*verb, "--limit", "1", *machine])
    printed = capsys.readouterr()
    assert code == 2 and "internal error" not in printed.err, printed
    if verb[0] != "matrix":
        assert printed.err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("floods", "the guest did not print 'login:' in 0.3 s (found last: ...xxx"),
        ("dribbles", "the guest did not print 'login:' in 0.3 s"),
        ("ends", "QEMU ended before its guest printed 'login:': two | lines"),
        ("echoes", "the guest's command 'true' ended with status 99999"),
    ],
)
def test_a_console_that_means_harm(deed: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out.mig"
    machine = [fake_qemu(tmp_path), "-name", deed]
    begun = time.monotonic()
    waiting = ["--until", "login:", "--type", "true", "--limit", "0.3"]
    assert main(["capture", "-o", str(output), *waiting, "--", *machine]) == 2
    assert time.monotonic() - begun < 10
    told = capsys.readouterr().err
    assert words in told, told
    assert told.count("\n") == 1 and told[:-1].isprintable() and len(told) < 2000
    assert not output.exists()
