"""Early migration on a real guest, and local migrations measured.

`VMSTATE_LONG=1` tries every action, and those that need several queue pairs, instead of a few.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from machines import GUEST, ROOTS, children_of, gone, guest, name_of, needs_guest, needs_qemu
from recorded import FIXTURES

import vmstate
from vmstate.cli import main
from vmstate.early.provisional import by_library
from vmstate.errors import MachineError
from vmstate.lab.bench import Bench, Measured, Mode, Run, changes, moment_of
from vmstate.lab.network import no_tap
from vmstate.lab.relayed import try_relayed
from vmstate.lab.statistics import median_interval, percentile, summary
from vmstate.lab.study import ACTIONS, ActionResult, Laboratory, actions_named
from vmstate.lab.trace import DeviceTime, checkpoints, device_times, stop_times

LONG = os.environ.get("VMSTATE_LONG") == "1"
SHORT = ("vlan-gone", "ring-reset", "reboot")


# ---------------------------------------------------------------------------------------------------------------------
# The study.


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with Laboratory(guest(), policies=("per-item", "rfc-v2") if LONG else ("per-item",)) as made:
        yield made


@pytest.mark.qemu
@needs_qemu
@needs_guest
@pytest.mark.parametrize("name", [action.name for action in ACTIONS if LONG or action.name in SHORT])
def test_the_guest_goes_on_from_early_state_and_record(laboratory: Laboratory, name: str) -> None:
    (action,) = actions_named([name])
    result = laboratory.try_action(action)
    if result.left_out is not None:
        pytest.skip(result.left_out)
    check(result)
    assert gone(qemus())


def check(result: ActionResult) -> None:
    (loaded, *others) = result.loads
    assert loaded.policy == "per-item"
    assert loaded.error is None
    assert loaded.exact and not loaded.lost
    assert loaded.status == "running"
    assert loaded.lives and result.lives
    # Both directions of the first pair moved on, each from where it was.
    assert {0, 1} <= set(loaded.moved)
    (device,) = result.devices
    plan, second = device.plans
    assert (plan.policy, second.policy) == ("per-item", "rfc-v2")
    if device.evidence.reset == "none-seen":
        assert plan.mode == "minimal"
        assert result.record_bytes < 1000
    else:
        assert plan.mode == "full"
        assert result.record_bytes > result.section_bytes
    for tried in others:
        # What the rule of RFC v2 loses, and nothing else, is what can go wrong.
        assert tried.lives or tried.lost
    document = json.loads(json.dumps(result.as_dict()))
    assert document["loads"][0]["lives"] is True
    assert document["devices"][0]["policies"]["per-item"]["mode"] == plan.mode


def qemus() -> set[int]:
    """The QEMUs of this process."""
    return {pid for pid in children_of(os.getpid()) if name_of(pid).startswith(("qemu", "ld-linux"))}


@pytest.mark.qemu
@needs_guest
@pytest.mark.parametrize("root", ROOTS or [pytest.param("", marks=pytest.mark.skip("VMSTATE_QEMU_ROOTS names none"))])
def test_another_release(root: str) -> None:
    with Laboratory(guest(), root=root) as laboratory:
        for result in laboratory.study(actions_named(["promisc"])):
            check(result)


@pytest.mark.qemu
@needs_qemu
@needs_guest
def test_an_action_that_cannot_be_done_is_left_out(laboratory: Laboratory) -> None:
    action = ACTIONS[0].__class__("no", "nothing that there is", ("no-such-program",))
    result = laboratory.try_action(action)
    assert result.left_out is not None
    assert "no-such-program" in result.left_out
    assert not result.lives


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--guest", "no-such-folder"], "a study needs a guest"),
        (["--action", "no-such-action"], "no such action"),
        (["--root", ".", "--", "qemu-system-x86_64"], "the root has no such program"),
        (["--", "no-such-qemu"], "no-such-qemu"),
    ],
)
def test_bad_input_of_the_study(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["early", "study", *words]) == 2
    caught = capsys.readouterr()
    assert caught.err.count("\n") == 1
    assert message in caught.err


def test_the_actions_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["early", "study", "--actions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [action.name for action in ACTIONS]
    assert {"idle", "promisc", "offloads", "rss", "queue-pairs", "ring-reset", "link-down", "reboot", "busy"} <= {
        action.name for action in ACTIONS
    }


# ---------------------------------------------------------------------------------------------------------------------
# The bench.


@pytest.mark.qemu
@needs_qemu
@needs_guest
def test_two_modes_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = 1 if no_tap() else 4
    words = ["bench", "migrate", "--runs", "2", "--warm-up", "0", "--queue-pairs", str(pairs), "--format", "json"]
    modes = ["--mode", "a=", "--mode", "b=device:rx_queue_size=512"]
    assert main([*words, *modes, "--guest", str(Path(guest().kernel).parent)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document["modes"]) == ["a", "b"]
    for mode in document["modes"].values():
        assert len(mode["runs"]) == 2
        for run in mode["runs"]:
            # The guest is silent while it stands still, and some more.
            assert 0 <= run["downtime_ms"] <= run["gap_ms"] + 20
            assert run["total_ms"] > 0
            assert 5 < run["probe_interval_ms"] < 200
        assert mode["downtime_ms"]["p95"] == max(run["downtime_ms"] for run in mode["runs"])
        if mode["devices"]:
            net = next(device for device in mode["devices"] if device["idstr"].endswith("/virtio-net"))
            assert net["bytes"] > 45056
            assert net["save_us"]["median"] > 0 and net["load_us"]["median"] > 0
    assert set(document["changes_percent"]) <= {"downtime_ms", "gap_ms"}
    assert "rx_queue_size=512" in " ".join(document["modes"]["b"]["argv"])
    assert gone(qemus())


@pytest.mark.qemu
@needs_qemu
@needs_guest
def test_a_bench_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    words = ["bench", "migrate", "--guest", str(Path(guest().kernel).parent), "--queue-pairs", "1"]
    # Its folder of sockets and traces does stay.
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-m", "vmstate", *words], stdout=subprocess.DEVNULL, env=environment)
    try:
        end = time.monotonic() + 30
        while not any(name_of(pid).startswith("qemu") for pid in children_of(process.pid)):
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.05)
        left = children_of(process.pid)
        assert len(left) > 2
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert gone(left)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("a=", Mode("a")),
        ("a=/opt/qemu", Mode("a", program="/opt/qemu")),
        ("a=root:/sid -global x.y=on", Mode("a", root="/sid", words=("-global", "x.y=on"))),
        (
            "a=machine:dump-guest-core=off netdev:vhost=on device:early-mig=on",
            Mode("a", machine="dump-guest-core=off", netdev="vhost=on", device="early-mig=on"),
        ),
        ("a='backend:passt -s {socket}' -s", Mode("a", backend="passt -s {socket}", words=("-s",))),
        ("a=-smbios 'type=1,product=my machine'", Mode("a", words=("-smbios", "type=1,product=my machine"))),
    ],
)
def test_modes_are_read(text: str, mode: Mode) -> None:
    assert Mode.parse(text) == mode


@pytest.mark.parametrize(
    "text", ["", "a", "=-x", "a='", "a=qemu qemu", "a=root:x root:y", "mode=relay:around", "mode=backend:passt"]
)
def test_what_is_no_mode(text: str) -> None:
    with pytest.raises(MachineError, match=r"mode|way of a relay|where to listen"):
        Mode.parse(text)


def test_a_back_end_for_one_queue_pair() -> None:
    with pytest.raises(MachineError, match="has one queue pair here"):
        Bench(GUEST or _no_guest(), [Mode("a", backend="passt -s {socket}")], pairs=2)


def test_a_mode_with_a_relay() -> None:
    mode = Mode.parse("skip=root:/roots/sid relay:skip -cpu max")
    assert (mode.relay, mode.root, mode.words) == ("skip", "/roots/sid", ("-cpu", "max"))
    made_bench = Bench(GUEST or _no_guest(), [Mode("base"), mode], capabilities=["xbzrle"])
    assert made_bench.capabilities == ("xbzrle", "return-path")
    assert Bench(GUEST or _no_guest(), [Mode("base")]).capabilities == ()


def test_loads_in_front_of_the_last_of_ram_are_early() -> None:
    text = "".join(
        f"vmstate_downtime_load type={kind} idstr={name} instance_id=0 downtime={time}\n"
        for kind, name, time in (
            ("non-iterable", "nic", 300),
            ("iterable", "ram", 10),
            ("iterable", "ram", 20),
            ("non-iterable", "nic", 100),
            ("non-iterable", "mch", 50),
        )
    )
    run = Run(10.0, 20.0, 100.0, 10.0, tuple(device_times(text)))
    numbers = run.numbers()
    assert (numbers["loads_ms"], numbers["early_loads_ms"]) == (0.15, 0.3)
    rows = {row["idstr"]: row["load_us"] for row in Measured(Mode("a"), (), "11.1.3", (run,), {}).devices()}
    assert rows["nic"] == {"median": 100, "p95": 100}
    assert "loads_ms" not in Run(10.0, 20.0, 100.0, 10.0).numbers()


def test_the_times_of_the_stop() -> None:
    """As QEMU 11.1 and 7.2 write moments; of a point that comes twice the last one counts."""
    source = "".join(
        f"2026-11-30T03:41:17.{moment}Z vmstate_downtime_checkpoint {name}\n"
        for moment, name in (
            ("000000", "src-downtime-start"),
            ("700000", "src-downtime-start"),
            ("700250", "src-vm-stopped"),
            ("700300", "src-iterable-saved"),
            ("701300", "src-non-iterable-saved"),
            ("704000", "src-downtime-end"),
        )
    )
    target = (
        "77@1796010077.703000:vmstate_downtime_checkpoint dst-precopy-loadvm-completed\n"
        "vmstate_downtime_load type=non-iterable idstr=nic instance_id=0 downtime=300\n"
        "77@1796010077.703500:vmstate_downtime_checkpoint dst-precopy-bh-vm-started\n"
    )
    times = stop_times(checkpoints(source) | checkpoints(target))
    expected = {"stopped_us": 250, "memory_us": 50, "saved_us": 1000, "loaded_us": 1700, "started_us": 500}
    assert times == pytest.approx({**expected, "stop_us": 4000, "guest_us": 3500}, abs=2)
    assert stop_times(checkpoints(target)) == {"started_us": times["started_us"]}
    runs = (Run(10.0, 20.0, 100.0, 10.0, (), times), Run(10.0, 20.0, 100.0, 10.0, (), {"stop_us": 6000.0}))
    figures = Measured(Mode("a"), (), "11.1.3", runs, {}).as_dict()
    assert figures["stop_us"]["median"] == pytest.approx(5000, abs=2)
    assert "guest_us" not in figures


def test_the_moment_of_an_event() -> None:
    now = time.time()
    stamp = {"seconds": int(now), "microseconds": int(1e6 * (now % 1))}
    events = [
        {"event": "RESUME", "timestamp": {"seconds": 1, "microseconds": 0}},
        {"event": "STOP", "timestamp": stamp},
    ]
    assert moment_of(events, "STOP") == pytest.approx(time.monotonic(), abs=0.5)
    assert moment_of(events, "RESUME") < moment_of(events, "STOP") - 1e9
    assert moment_of(events, "RESET") == math.inf
    assert Run(10.0, 20.0, 100.0, 10.0, first_packet=1.23456).numbers()["first_packet_ms"] == 1.235
    assert "first_packet_ms" not in Run(10.0, 20.0, 100.0, 10.0).numbers()


def test_the_interval_of_a_median() -> None:
    # Of 30 measurements the 10th and the 21st (tables of the sign test, 5 % on both sides together).
    assert median_interval(list(range(1, 31))) == (10, 21)
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert median_interval([7.0]) == (7.0, 7.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--guest", "no-such-folder"], "there is no guest"),
        (["--mode", "nothing"], "a mode has a name"),
        (["--mode", "a=", "--mode", "a="], "a name of its own"),
        (["--queue-pairs", "1", "--mode", "a=no-such-qemu"], "no-such-qemu"),
    ],
)
def test_bad_input_of_the_bench(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("vmlinuz", "initrd.gz"):
        (tmp_path / name).touch()
    assert main(["bench", "migrate", "--guest", str(tmp_path), *words]) == 2
    caught = capsys.readouterr()
    assert caught.err.count("\n") == 1
    assert message in caught.err


# ---------------------------------------------------------------------------------------------------------------------
# Numbers.


def test_recorded_times_are_joined_with_the_bytes_of_the_stream() -> None:
    """Every device that was loaded, by a recorded trace, is in the stream that was loaded then."""
    trace = FIXTURES / "trace"
    times = [
        time
        for direction in ("save", "load")
        for time in device_times((trace / f"qemu-11.1-mq4-tap.{direction}.trace").read_text())
    ]
    assert DeviceTime("save", "non-iterable", "0000:00:01.0/virtio-net", 0, 389) in times
    assert {device_time.direction for device_time in times} == {"save", "load"}
    with vmstate.load(trace / "qemu-11.1-mq4-tap.mig.xz") as stream:
        sizes = {(section.name, section.instance_id): section.size for section in stream.sections if not section.is_ram}
    run = Run(10.0, 20.0, 100.0, 10.0, tuple(times))
    rows = Measured(Mode("a"), (), "11.1.3", (run,), sizes).devices()
    # QEMU times what it then does not send, too.
    assert [row["idstr"] for row in rows if row["load_us"] and not row["bytes"]] == ["ram"]
    assert {row["idstr"] for row in rows if not row["load_us"]} == {"smbus-eeprom", "dirty-bitmap"}
    net = next(row for row in rows if row["idstr"].endswith("/virtio-net"))
    assert net == rows[0] or rows[0]["save_us"]["median"] + rows[0]["load_us"]["median"] >= 389 + 1239
    assert net["save_us"] == {"median": 389, "p95": 389}
    assert net["bytes"] > 45056


def test_lines_of_a_log_are_read_too() -> None:
    text = (
        "1234@1700000000.5:vmstate_downtime_load type=non-iterable idstr=a b/c instance_id=7 downtime=12\nother x=1\n"
    )
    assert list(device_times(text)) == [DeviceTime("load", "non-iterable", "a b/c", 7, 12)]


def test_median_and_p95() -> None:
    assert summary(list(range(1, 101))) == {"median": 50.5, "p95": 95}
    assert summary([7.0]) == {"median": 7.0, "p95": 7.0}
    assert summary([]) == {}
    # The nearest rank of 30 values is the 29th.
    assert percentile([float(value) for value in range(1, 31)], 95) == 29


def made(name: str, downtimes: list[float]) -> Measured:
    return Measured(Mode(name), (), "7.2.0", tuple(Run(downtime, 4 * downtime, 100, 10) for downtime in downtimes), {})


def test_changes_are_those_of_the_rfc_s_table() -> None:
    first, second = made("baseline", [69.0]), made("early", [60.5])
    assert changes([first, second]) == {
        "downtime_ms": {"median": -12.3, "p95": -12.3},
        "gap_ms": {"median": -12.3, "p95": -12.3},
    }
    assert changes([made("a", [0.0]), second])["downtime_ms"] == {}


def test_a_bench_needs_modes() -> None:
    with pytest.raises(MachineError, match="a name of its own"):
        Bench(GUEST or _no_guest(), [])


def _no_guest() -> Any:
    return object()


def test_the_programs_for_a_network_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "nsenter" else f"/bin/{name}")
    assert "nsenter" in str(no_tap())
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "/dev/net/tun" in str(no_tap())


# ---------------------------------------------------------------------------------------------------------------------
# The same actions through a relay.

BY_BOOTING = (
    "pcspk#0.dummy_refresh_clock",
    "i8259#0.imr",
    "ioapic#0.ioredtbl",
    "ps2mouse#0.parent_obj.queue.",
)
"""What of the sections that may be left out was seen to change where a guest boots again."""


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
@pytest.mark.parametrize("name", [action.name for action in ACTIONS if LONG or action.name in ("vlan-gone", "reboot")])
def test_behind_a_relay_is_the_same_machine(laboratory: Laboratory, name: str) -> None:
    (action,) = actions_named([name])
    result = try_relayed(laboratory, action)
    if result.not_done is not None:
        pytest.skip(result.not_done)
    assert result.differing == ()
    assert result.error is None
    assert result.loaded is not None
    assert result.lives, result.loaded.error
    assert result.left_out > 15
    # A guest that boots again reads the port of the speaker's clock, each read of which turns a bit; where its CPU is
    # late it finds another way for the timer's interrupt; and it asks the mouse who it is. Nothing else changes.
    may_change = BY_BOOTING if name in ("reboot", "rss-reboot") else ()
    assert [field for field in result.fields if not field.startswith(may_change)] == []
    assert {field.partition(".")[0] for field in result.fields} == set(result.changed)
    # The card's rings are off in its copy, and the LPC bridge's registers not mapped: both are always sent again.
    assert result.early == result.left_out + len(result.changed) + 2
    if name != "reboot":
        assert 1 in result.loaded.moved


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
def test_another_machine_behind_a_relay_is_seen(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay that leaves out what has changed: the interrupts that the first controller lets through."""
    from vmstate.early import forward

    monkeypatch.setattr(forward.Forward, "push", left_out_though_it_changed(forward.Forward.push))
    result = try_relayed(laboratory, actions_named(["idle"])[0])
    assert result.differing == ("i8259#0",)
    assert not result.is_same


def left_out_though_it_changed(push: Any) -> Any:
    """`Forward.push` that sends another i8259 early than the one whose bytes it leaves out."""

    def careless(self: Any, data: bytes) -> Any:
        for key, choice in list(self.choices.items()):
            if key == ("i8259", 0):
                state = by_library("i8259", choice.payload, 1)
                assert state is not None
                state.imr ^= 1
                copy = choice.header + state.vmsd.encode(state, force=True) + choice.footer
                self.choices[key] = type(choice)(key, choice.header, choice.payload, choice.footer, copy, True, "")
        return push(self, data)

    return careless
