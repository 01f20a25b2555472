"""A front end that speaks to vhost-user back ends: a scripted one, and real ones driven by the early engine.

`VMSTATE_QEMU_ROOTS` names roots, with colons between, in which passt is looked for where the system has none.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from machines import children_of, gone
from operations import names, operation_of
from recorded import FIXTURES

from vmstate.cli import main
from vmstate.devices.vhost.driver import Buffer, GuestMemory, SplitDriver
from vmstate.devices.vhost.frontend import FrontEnd, MessageFailure
from vmstate.devices.vhost.user import (
    Ack,
    FrontendRequest,
    Header,
    Message,
    MessageFlags,
    ProtocolFeature,
    ProtocolFeatures,
    U64Value,
    VringBase,
)
from vmstate.devices.vhost.vring import UsedElem
from vmstate.early.backends.base import BackendFailure, IllegalOperation
from vmstate.early.backends.user import VhostUser
from vmstate.early.layout import Ring, RingLayout
from vmstate.early.operations import Operation, Phase
from vmstate.errors import VMStateError
from vmstate.lab.vhost_user import SCENARIOS, Scenario, Trial
from vmstate.qemu.machine import find_program

RINGS = tuple(Ring(num=16, desc=at, avail=at + 0x400, used=at + 0x800, base=7) for at in (0x1000, 0x2000))
LAYOUT = RingLayout(features=1 << 32, rings=RINGS, data=(0, 1))

DAEMON = shutil.which("qemu-storage-daemon")
ROOTS = [path for path in os.environ.get("VMSTATE_QEMU_ROOTS", "").split(":") if path]


def passt() -> list[str] | None:
    """The words that run a passt that speaks vhost-user: Debian 12 has one that does not."""
    program = shutil.which("passt")
    here = [] if program is None else [[program]]
    roots = [list(find_program("passt", root)) for root in ROOTS if Path(root, "usr/bin/passt").exists()]
    for command in (*here, *roots):
        told = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False, timeout=20)
        if "--vhost-user" in told.stdout + told.stderr:
            return command
    return None


PASST = passt()
needs_passt = pytest.mark.skipif(PASST is None, reason="needs passt with --vhost-user: Debian 13 has it")
needs_daemon = pytest.mark.skipif(
    DAEMON is None, reason="needs qemu-storage-daemon: install qemu-system-common (Debian)"
)


# ---------------------------------------------------------------------------------------------------------------------
# A scripted back end.

Answer = Callable[[Message], Message | bytes | None]


def obliging(message: Message) -> Message | bytes | None:
    """Answers everything, and refuses nothing."""
    match message.request:
        case FrontendRequest.GET_FEATURES:
            return Message(message.request, U64Value(value=1 << 32 | 1 << 30), MessageFlags(5))
        case FrontendRequest.GET_PROTOCOL_FEATURES:
            return Message(message.request, ProtocolFeatures(features=ProtocolFeature.REPLY_ACK), MessageFlags(5))
        case FrontendRequest.GET_VRING_BASE:
            return Message(message.request, VringBase(index=message.payload.index, num=9), MessageFlags(5))
    return Message(message.request, Ack(status=0), MessageFlags(5)) if message.needs_reply else None


@contextmanager
def scripted(path: Path, answer: Answer = obliging) -> Iterator[list[tuple[Message, int]]]:
    """A back end at a socket; what it was told, with the number of descriptors beside each message."""
    told: list[tuple[Message, int]] = []
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(4)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                while True:
                    head, descriptors, _, _ = socket.recv_fds(connection, Header.sizeof(), 8)
                    if not head:
                        break
                    for descriptor in descriptors:
                        os.close(descriptor)
                    size = Header.decode(head).size
                    message = Message.decode(head + (connection.recv(size, socket.MSG_WAITALL) if size else b""))
                    told.append((message, len(descriptors)))
                    reply = answer(message)
                    if reply == b"":
                        break
                    if reply is not None:
                        connection.sendall(reply if isinstance(reply, bytes) else reply.encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


@contextmanager
def front_end(path: Path, **options: Any) -> Iterator[FrontEnd]:
    with FrontEnd.connect(str(path), GuestMemory.around(RINGS), limit=options.pop("limit", 2), **options) as made:
        yield made


def test_it_is_the_model_and_says_what_the_model_accepts(tmp_path: Path) -> None:
    """The same orders as the model's are sent, each with its descriptors, the features as both know them."""
    model = VhostUser().open()
    model.run(model.early_start(LAYOUT))
    model.run(model.finish(LAYOUT))
    with scripted(tmp_path / "s") as told, front_end(tmp_path / "s") as ours:
        ours.open()
        ours.run(ours.early_start(LAYOUT))
        assert not ours.running
        ours.run(ours.finish(LAYOUT))
        assert ours.running == {0, 1}
        assert ours.done == model.done
        assert [message.request.name for message, _ in told] == names(model.done)
        assert [time.operation for time in ours.times] == model.done
        assert all(time.seconds > 0 for time in ours.times)
        beside = {message.request.name: count for message, count in told}
        assert {name for name, count in beside.items() if count} == {
            "SET_MEM_TABLE",
            "SET_VRING_KICK",
            "SET_VRING_CALL",
        }
        features = next(message.payload.value for message, _ in told if message.request.name == "SET_FEATURES")
        assert features == 1 << 32 | 1 << 30
        ours.run(ours.stop())
        assert ours.bases == {0: 9, 1: 9}


def test_an_illegal_operation_is_not_sent(tmp_path: Path) -> None:
    with scripted(tmp_path / "s") as told, front_end(tmp_path / "s") as ours:
        ours.open()
        before = len(told)
        with pytest.raises(IllegalOperation):
            ours.do(Operation("SET_VRING_KICK", 0))
        assert len(told) == before


def test_the_addresses_are_sent_again_behind_the_final_base(tmp_path: Path) -> None:
    """Real back ends read used->idx when they get the addresses, and early there is no memory to read it from."""
    with scripted(tmp_path / "s"), front_end(tmp_path / "s") as ours:
        ours.open()
        ours.run(ours.early_start(LAYOUT))
        late = ours.finish(LAYOUT)
        ours.run(late)
    for queue in LAYOUT.queues:
        assert names([operation for operation in late if operation.queue == queue]) == [
            "SET_VRING_BASE",
            "SET_VRING_ADDR",
            "SET_VRING_KICK",
            "SET_VRING_ENABLE",
        ]


def refusing(name: str, reply: Message | bytes | None) -> Answer:
    def answer(message: Message) -> Message | bytes | None:
        return reply if message.request.name == name else obliging(message)

    return answer


def ack(name: str, status: int) -> Message:
    return Message(FrontendRequest[name], Ack(status=status), MessageFlags(5))


def header(size: int) -> bytes:
    return Header(request=FrontendRequest.SET_VRING_NUM, flags=MessageFlags(5), size=size).encode()


@pytest.mark.parametrize(
    ("reply", "words", "stays"),
    [
        (ack("SET_VRING_NUM", 1), "the back end answers 1", True),
        (ack("SET_VRING_BASE", 0), "the answer is one to SET_VRING_BASE", True),
        (None, "no answer in time", False),
        (b"", "the back end is gone", False),
        (header(1 << 31), "an answer that cannot be", False),
        (header(3) + b"abc", "no answer of vhost-user", False),
    ],
    ids=["nonzero", "another request", "silent", "hangs up", "huge", "no payload of its own"],
)
def test_what_is_no_yes_is_a_failure(tmp_path: Path, reply: Message | bytes | None, words: str, stays: bool) -> None:
    answer = refusing("SET_VRING_NUM", reply)
    with scripted(tmp_path / "s", answer) as told, front_end(tmp_path / "s", limit=0.3) as ours:
        ours.open()
        with pytest.raises(BackendFailure, match=words) as caught:
            ours.run(ours.early_start(LAYOUT))
        assert isinstance(caught.value, MessageFailure)
        assert caught.value.operation.name == "SET_VRING_NUM"
        assert "num" not in ours.queues.get(0, ())
        count = len(told)
        base = Operation("SET_VRING_BASE", 0, 0, phase=Phase.EARLY)
        if stays:
            ours.do(base)
            assert len(told) == count + 1
        else:
            with pytest.raises(MessageFailure, match="there is no connection"):
                ours.do(base)


def test_a_lost_connection_is_made_again(tmp_path: Path) -> None:
    with front_end_of_one_that_hangs_up(tmp_path / "s") as ours:
        ours.drop()
        assert ours.connections == 2
        ours.run(ours.finish(LAYOUT))
        assert ours.running == {0, 1}


@contextmanager
def front_end_of_one_that_hangs_up(path: Path) -> Iterator[FrontEnd]:
    """Its back end hung up once, at the first SET_VRING_CALL, and is there again."""
    calls: list[bool] = []

    def answer(message: Message) -> Message | bytes | None:
        if message.request is FrontendRequest.SET_VRING_CALL and not calls:
            calls.append(True)
            return b""
        return obliging(message)

    with scripted(path, answer), front_end(path) as ours:
        ours.open()
        with pytest.raises(MessageFailure):
            ours.run(ours.early_start(LAYOUT))
        yield ours


@pytest.mark.slow
def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(VMStateError, match="no vhost-user back end listens"):
        FrontEnd.connect(str(tmp_path / "s"), GuestMemory(4096), limit=0.1)
    with scripted(tmp_path / "s"), front_end(tmp_path / "s") as ours:
        ours.open()
    with pytest.raises(VMStateError, match="no vhost-user back end listens"):
        ours.reopen()


# ---------------------------------------------------------------------------------------------------------------------
# Guest memory and the driver in it.


def test_a_driver_sees_what_the_device_has_done() -> None:
    with GuestMemory(1 << 16) as memory:
        driver = SplitDriver(memory, RINGS[0])
        driver.begin(0xFFFF)
        assert driver.next_used() is None
        head = driver.add(Buffer(0x8000, 16), Buffer(0x8010, 512, writes=True))
        assert driver.avail_idx == 0
        # The device writes its element, then the index.
        memory.write(RINGS[0].used + 4 + 15 * 8, UsedElem(id=head, len=512).encode())
        memory.write(RINGS[0].used + 2, b"\0\0")
        assert driver.next_used() == UsedElem(id=head, len=512)
        assert driver.next_used() is None
        # A device that began from 0 again.
        driver.add(Buffer(0x8000, 16))
        memory.write(RINGS[0].used + 2, b"\5\0")
        with pytest.raises(VMStateError, match="goes on from another place"):
            driver.next_used()


@pytest.mark.parametrize("size", [0, -1, 1 << 41])
def test_no_such_memory(size: int) -> None:
    with pytest.raises(VMStateError, match="no size of a guest's memory"):
        GuestMemory(size)


def test_outside_memory() -> None:
    with GuestMemory(4096) as memory:
        for address, size in ((-1, 1), (4090, 7), (1 << 40, 1)):
            with pytest.raises(VMStateError, match="outside the guest's memory"):
                memory.read(address, size)


# ---------------------------------------------------------------------------------------------------------------------
# Real back ends.

DISK = ["--blockdev", "driver=null-co,node-name=d,size=1048576,read-zeroes=on", "--export"]
EXPORT = "type=vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path={socket},num-queues=2"
QUIET = "--no-tcp --no-udp --no-icmp --no-dhcp --no-ndp --no-ra --no-dhcpv6 -a 10.0.2.15 -g 10.0.2.2 -n 24"


def streams(recording: str) -> list[str]:
    return [str(FIXTURES / f"vhost-user/qemu-11.1-{recording}-{moment}.mig.xz") for moment in ("early", "final")]


def daemon() -> list[str]:
    return [DAEMON or "", *DISK, EXPORT]


def network() -> list[str]:
    return [*(PASST or [""]), "--vhost-user", "-f", "-s", "{socket}", "--runas", "nobody", *QUIET.split()]


REAL = [
    pytest.param("blk", daemon, "2 sectors read", marks=needs_daemon),
    pytest.param("passt", network, "1 ARP requests sent, answer from", marks=needs_passt),
]


@pytest.mark.slow
@pytest.mark.parametrize(("recording", "command", "printed"), REAL)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_real_back_end(recording: str, command: Callable[[], list[str]], printed: str, scenario: Scenario) -> None:
    """Whatever happens to the back end, the migration goes on, and in the end it works for the guest."""
    trial = Trial(*streams(recording), command(), own_state=False)
    result = trial.migrate(scenario)
    assert printed in result.alive
    assert (result.again or result.datapath) == "back end"
    assert bool(result.failures) == (scenario.fault is not None)
    assert result.stopped_first == scenario.resets
    assert result.mode == ("none" if not scenario.early else "full" if scenario.resets else "minimal")
    if scenario.signal is not None:
        assert (result.datapath, result.again) == ("none", "back end")
    if scenario.fault is None:
        phases = {phase: [operation.name for operation, _ in result.of(phase)] for phase in Phase}
        assert bool(phases[Phase.EARLY]) == scenario.early
        assert {"SET_VRING_KICK", "SET_VRING_ENABLE"}.isdisjoint(phases[Phase.EARLY])
        assert "SET_VRING_KICK" in phases[Phase.STOP]
    check_transcript(trial.lines)
    assert gone(children_of(os.getpid()))


def check_transcript(lines: list[dict[str, Any]]) -> None:
    """Every message decodes, and the model accepts what was said on each connection, up to where it was cut."""
    connections: dict[int, list[Operation]] = {}
    for line in lines:
        assert set(line) == {"t", "conn", "dir", "request", "flags", "size", "payload", "fds"}
        head = (line["request"], line["flags"], line["size"])
        message = Message.decode(b"".join(part.to_bytes(4, "little") for part in head) + bytes.fromhex(line["payload"]))
        assert message.is_reply == (line["dir"] == "<")
        if line["dir"] == ">":
            connections.setdefault(line["conn"], []).append(operation_of(message))
    assert connections
    for operations in connections.values():
        refused = next((n for n, operation in enumerate(operations) if operation.queue == 0xFE), len(operations))
        VhostUser().run(operations[:refused])
    # Taken in another order it is refused: the transcript says something.
    last = next(
        connection for connection in reversed(list(connections.values())) if "SET_VRING_KICK" in names(connection)
    )
    kick = names(last).index("SET_VRING_KICK")
    with pytest.raises(IllegalOperation):
        VhostUser().run([*last[:4], last[kick], *last[4:kick]])


@needs_passt
def test_a_back_end_s_own_state_is_loaded_at_the_stop() -> None:
    """passt has state of its own, which goes through a pipe; then nothing is started early."""
    trial = Trial(*streams("passt"), network())
    result = trial.migrate(SCENARIOS[0])
    done = [operation.name for operation, _ in result.steps]
    assert done[:2] == ["SET_DEVICE_STATE_FD", "CHECK_DEVICE_STATE"]
    assert not result.of(Phase.EARLY)
    assert "answer from" in result.alive


@pytest.mark.slow
@needs_daemon
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(tmp_path / "t.jsonl")
    words = ["bench", "vhost-user", *streams("blk"), "--runs", "2", "--warm-up", "0", "--transcript", where]
    assert main([*words, "--format", "json", "--", *daemon()]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["device"].endswith("/vhost-user-blk")
    assert document["runs"] == 2
    assert [finding["name"] for finding in document["scenarios"]] == [scenario.name for scenario in SCENARIOS]
    totals = document["totals_ms"]
    assert set(totals) == {"at_stop", "early_part", "stop_part"}
    assert all(0 < total["median"] <= total["p95"] for total in totals.values())
    rows = {row["operation"]: row for row in document["steps"]}
    assert set(rows["SET_VRING_KICK"]) == {"operation", "at_stop", "stop_part"}
    assert set(rows["SET_MEM_TABLE"]) == {"operation", "at_stop", "early_part"}
    check_transcript([json.loads(line) for line in Path(where).read_text().splitlines()])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*streams("blk")], "behind -- stands the command"),
        ([*streams("blk"), "--", "true"], "does not say where its socket is"),
        ([*streams("blk"), "--", "true", "{socket}"], "ended before it listened"),
        ([*streams("blk"), "--", "no-such-program", "{socket}"], "no-such-program"),
        ([*streams("blk"), "--device", "virtio-rng", "--", "true", "{socket}"], "no such device"),
        ([*streams("blk"), "--limit", "0.1", "--", "sh", "-c", "sleep 9", "{socket}"], "does not listen at"),
        (["no-such-file", "x", "--", "true", "{socket}"], "no-such-file"),
    ],
)
def test_bad_input_of_the_command(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "vhost-user", *words]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.count("\n") == 1
    assert message in caught.err
    assert gone(children_of(os.getpid()))
