"""How long a local migration takes a guest: the method of RFC v2 of early virtio-net migration, on any QEMU.

    modes = [Mode.parse("off=device:early-mig=off"), Mode.parse("on=device:early-mig=on")]
    report = Bench(guest_in(".guest"), modes).run(runs=30, warm_up=3)

For each mode a guest boots once. A run moves it to a QEMU that was started for it, over a socket on this machine; the
next run moves it on from there. The modes take turns, and a guest that waits is paused, so that what else this machine
does meets all of them alike. The guest sends a UDP packet every 10 ms; the largest gap between two arrivals around the
migration is the network's downtime, QEMU's own is that of query-migrate. From QEMU 10.0 on the trace says what each
device took to be saved and loaded, which is put beside its bytes in the stream.
"""

from __future__ import annotations

import math
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from vmstate.early.relay import THROUGH, WAYS
from vmstate.errors import MachineError
from vmstate.lab.cards import BACKEND, card_words
from vmstate.lab.guest import READY, Guest
from vmstate.lab.network import OwnNetwork, Probe
from vmstate.lab.statistics import median_interval, summary
from vmstate.lab.trace import CHECKPOINT, MOMENTS, SINCE, DeviceTime, checkpoints, device_times, stop_times, trace_words
from vmstate.lab.vhost_user import SOCKET
from vmstate.qemu.machine import Machine, Qemu, find_qemu, words_of
from vmstate.qemu.migration import follow, save, set_capabilities
from vmstate.qemu.process import Process, tail_of
from vmstate.saved.loading import load
from vmstate.vmsd.data import Data, Value

PROGRAM = "qemu-system-x86_64"
SETTLE = 40
"""Packets that come before a migration begins, and after it has ended."""

RETURN_PATH = "return-path"
NON_ITERABLE = "non-iterable"
PASSED = "passed as it came"
"""What `early relay` prints where it did nothing to a migration."""

BANDWIDTH = 1 << 40
"""Bytes a second: memory is sent as fast as it is taken."""


NO_TIMES: Mapping[str, float] = {}


class Mode(Value):
    """One way to run QEMU: its name, its program or the root that it is in, and what its command line says more.

    `machine`, `netdev` and `device` are further options of -M, of -netdev and of the card's -device. `relay` is the way
    of a relay between the two QEMUs (`vmstate.early.relay`); None for none. `backend` is the command of a vhost-user
    back end for the card, `{socket}` where it is to listen, of which each QEMU gets one.
    """

    name: str
    program: str = PROGRAM
    root: str | None = None
    machine: str = ""
    netdev: str = ""
    device: str = ""
    relay: str | None = None
    backend: str = ""
    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read NAME='[WORD...] [OPTION...]'.

        In front of QEMU's options may stand the program, root:DIR, machine:OPTIONS, netdev:OPTIONS, device:OPTIONS,
        relay:WAY and 'backend:COMMAND'.
        Raises `MachineError`.
        """
        name, equals, rest = text.partition("=")
        try:
            words = shlex.split(rest)
        except ValueError as error:
            raise MachineError(f"the mode cannot be read: {error}", found=repr(text)) from None
        if not equals or not name:
            raise MachineError("a mode has a name", expected="NAME='OPTIONS'", found=repr(text))
        cut = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
        named: dict[str, str] = {}
        for word in words[:cut]:
            key, colon, value = word.partition(":")
            if not colon or key not in ("root", "machine", "netdev", "device", "relay", "backend"):
                key, value = "program", word
            if key in named:
                raise MachineError(f"the mode has two words for its {key}", found=repr(text))
            named[key] = value
        if named.get("relay", THROUGH) not in WAYS:
            raise MachineError("there is no such way of a relay", expected=", ".join(WAYS), found=named["relay"])
        backend = named.get("backend")
        if backend is not None and SOCKET not in words_of(backend):
            raise MachineError("a back end is told where to listen", expected=SOCKET, found=repr(backend))
        return cls(name, words=tuple(words[cut:]), **named)


class Run(Value):
    """One migration: milliseconds of downtime (query-migrate), of the largest gap, of the migration as a whole, and of
    the usual distance of two packets before it. Where the trace says it, what the devices took, in its order, and the
    times of the stop (`vmstate.lab.trace.STOP_STEPS`), microseconds. `first_packet`: milliseconds from the guest's
    start at the destination to the first packet behind it.
    """

    downtime: float
    gap: float
    total: float
    interval: float
    devices: tuple[DeviceTime, ...] = ()
    stop: Mapping[str, float] = NO_TIMES
    first_packet: float | None = None

    def numbers(self) -> dict[str, float]:
        """The milliseconds by name. Where the trace says it, what all devices took to load at the stop, behind the last
        of RAM, and what they took before.
        """
        numbers = {
            "downtime_ms": self.downtime,
            "gap_ms": round(self.gap, 3),
            "total_ms": self.total,
            "probe_interval_ms": round(self.interval, 3),
        }
        if self.first_packet is not None:
            numbers["first_packet_ms"] = round(self.first_packet, 3)
        early, late = self.loads()
        if late:
            numbers["loads_ms"] = sum(device.microseconds for device in late) / 1000
            numbers["early_loads_ms"] = sum(device.microseconds for device in early) / 1000
        numbers.update(self.stop)
        return numbers

    def loads(self) -> tuple[list[DeviceTime], list[DeviceTime]]:
        """The loads of devices in front of the last of RAM, and those behind it, which are the guest's downtime."""
        loads = [device for device in self.devices if device.direction == "load"]
        last = max((place for place, device in enumerate(loads) if device.kind != NON_ITERABLE), default=-1)
        whole = [device for device in loads[: last + 1] if device.kind == NON_ITERABLE]
        return whole, loads[last + 1 :]


class Measured(Data):
    """A mode's runs: its command line and QEMU's version, and the bytes of each section, by idstr and instance_id."""

    mode: Mode
    argv: tuple[str, ...]
    qemu_version: str
    runs: tuple[Run, ...]
    sizes: dict[tuple[str, int], int]

    def devices(self) -> list[dict[str, Any]]:
        """The devices by the time that they take, the dearest first: bytes, microseconds of save, and of load at the
        stop.
        """
        taken: dict[tuple[str, int], dict[str, list[float]]] = {}
        for run in self.runs:
            early, _ = run.loads()
            for device in run.devices:
                if device in early:
                    continue
                times = taken.setdefault((device.idstr, device.instance_id), {})
                times.setdefault(device.direction, []).append(device.microseconds)
        rows = [
            {
                "idstr": idstr,
                "instance_id": instance,
                "bytes": self.sizes.get((idstr, instance)),
                "save_us": summary(times.get("save", [])),
                "load_us": summary(times.get("load", [])),
            }
            for (idstr, instance), times in taken.items()
        ]
        return sorted(rows, key=lambda row: -(row["save_us"].get("median", 0) + row["load_us"].get("median", 0)))

    def as_dict(self) -> dict[str, Any]:
        """The mode, its runs and their figures as JSON values."""
        numbers = [run.numbers() for run in self.runs]
        # What one run does not say, no figure is of.
        names = [name for name in numbers[0] if all(name in of_run for of_run in numbers)]
        measured = {name: [of_run[name] for of_run in numbers] for name in names}
        return {
            "qemu_version": self.qemu_version,
            "argv": list(self.argv),
            **{name: summary(values) for name, values in measured.items()},
            "intervals": {name: median_interval(values) for name, values in measured.items()},
            "runs": numbers,
            "devices": self.devices(),
        }


class Bench:
    """Modes to measure on a guest.

    `pairs` are the card's queue pairs: with more than one its network is a tap device in a network of its own, with one
    QEMU's user network. `accel` is QEMU's accelerator, `cpus` and `memory` (MiB) are the guest's; `capabilities` those
    of the migration. With more than one of `cards` each is behind a root port, and the first is the one that is
    measured. `downtime_limit` is QEMU's parameter, milliseconds. Raises `MachineError`.
    """

    def __init__(
        self,
        guest: Guest | None,
        modes: Sequence[Mode],
        *,
        pairs: int = 4,
        accel: str = "tcg",
        cpus: int = 2,
        memory: int = 96,
        capabilities: Sequence[str] = (),
        cards: int = 1,
        downtime_limit: int | None = None,
        limit: float = 60.0,
    ) -> None:
        if guest is None:
            raise MachineError("there is no guest: python -m vmstate.lab.guest FOLDER makes one, on Debian")
        names = [mode.name for mode in modes]
        if not modes or len(set(names)) != len(names):
            raise MachineError("each mode has a name of its own", expected="one or more modes", found=", ".join(names))
        if not 1 <= pairs <= 64 or not 1 <= cpus <= 64 or memory < 32 or not 1 <= cards <= 16:
            raise MachineError(
                "no such machine",
                expected="1 to 64 queue pairs and CPUs, 32 MiB or more, 1 to 16 cards",
                found=f"{pairs}, {cpus}, {memory}, {cards}",
            )
        if pairs > 1 and any(mode.backend for mode in modes):
            raise MachineError(
                "a card on a vhost-user back end has one queue pair here", expected="1", found=f"{pairs}"
            )
        self.guest = guest
        self.modes = tuple(modes)
        self.pairs = pairs
        self.accel = accel
        self.cpus = cpus
        self.memory = memory
        relayed = any(mode.relay is not None for mode in modes)
        # Only with it a source waits for its destination, and downtime has what that loads in it: in every mode alike.
        self.capabilities = tuple(dict.fromkeys([*capabilities, *([RETURN_PATH] if relayed else [])]))
        self.cards = cards
        self.downtime_limit = downtime_limit
        self.limit = limit

    def run(self, runs: int = 30, warm_up: int = 3) -> tuple[Measured, ...]:
        """Measure all modes: `runs` migrations of each count, `warm_up` before them do not."""
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vmstate-bench-"))
            network = stack.enter_context(OwnNetwork(limit=self.limit)) if self.pairs > 1 else None
            rigs = []
            for number, mode in enumerate(self.modes):
                rig = _Rig(self, mode, network, Path(folder, str(number)))
                stack.callback(rig.close)
                rig.boot()
                rigs.append(rig)
            measured: list[list[Run]] = [[] for _ in rigs]
            for number in range(warm_up + runs):
                for rig, runs_of_mode in zip(rigs, measured, strict=True):
                    run = rig.migrate()
                    if number >= warm_up:
                        runs_of_mode.append(run)
            return tuple(rig.result(runs_of_mode) for rig, runs_of_mode in zip(rigs, measured, strict=True))


class _Rig:
    """One mode's guest, wherever it is."""

    def __init__(self, bench: Bench, mode: Mode, network: OwnNetwork | None, folder: Path) -> None:
        self.bench = bench
        self.mode = mode
        self.network = network
        self.folder = folder
        folder.mkdir()
        program = find_qemu(mode.program, mode.root)
        self.qemu = program if network is None else Qemu(network.inside(program.command), program.environment)
        self.stack = ExitStack()
        self.machine: Machine | None = None
        self._backends: list[Process] = []
        """The back end of the QEMU in which the guest is, and behind it that of the one to which it moves."""
        self.probe: Probe
        self.argv = self._argv()
        self.has_trace = False
        self.moves = 0

    def _argv(self) -> list[str]:
        bench, mode = self.bench, self.mode
        kernel = [*bench.guest.words[:-1], f"{bench.guest.words[-1]} ipv6.disable=1"]
        machine = ["-M", _with_options("q35", mode.machine), "-accel", bench.accel, "-nodefaults", "-vga", "none"]
        size = ["-m", str(bench.memory), "-smp", str(bench.cpus)]
        if mode.backend:
            shared = f"memory-backend-memfd,id=ram0,size={bench.memory}M,share=on"
            size += ["-object", shared, "-machine", "memory-backend=ram0"]
        cards = card_words(
            bench.cards,
            bench.pairs,
            self.network,
            netdev=mode.netdev,
            device=mode.device,
            vhost_user=bool(mode.backend),
        )
        return [mode.program, *machine, *size, *cards, *kernel, *mode.words]

    def boot(self) -> None:
        """Start the guest, and its packets."""
        self.probe = self.stack.enter_context(Probe(self.network, limit=self.bench.limit))
        self.machine = self._start([])
        self.has_trace = self.machine.monitor.version[:2] >= SINCE
        self.machine.wait_for(READY)
        for line in self.probe.start_command():
            self.machine.type(line)
        self.probe.wait_for(SETTLE, self.bench.limit)
        self.machine.ask("stop")

    def _start(self, more: Sequence[str]) -> Machine:
        second = ["-qmp", f"unix:{self._qmp(self.moves)},server=on,wait=off"] if self.mode.relay is not None else []
        if self.mode.backend:
            socket = str(self.folder / f"{self.moves}.backend")
            command = [word.replace(SOCKET, socket) for word in words_of(self.mode.backend)]
            self._backends.append(self.stack.enter_context(Process(command)))
            self._backends[-1].wait_for_file(socket, self.bench.limit)
            second += ["-chardev", f"socket,id={BACKEND},path={socket}"]
        return Machine([*self.argv, *MOMENTS, *second, *more], qemu=self.qemu, console=True, limit=self.bench.limit)

    def migrate(self) -> Run:
        """Move the guest to another QEMU."""
        source = self.machine
        assert source is not None
        self.moves += 1
        trace = str(self.folder / f"{self.moves}.trace")
        target = self._start([*(trace_words(trace + ".load") if self.has_trace else ()), "-incoming", "defer"])
        try:
            run = self._move(source, target, trace)
        except BaseException:
            target.stop()
            raise
        self.machine = target
        source.stop()
        for backend in self._backends[:-1]:
            backend.stop()
        target.ask("stop")
        return run.replace(devices=tuple(self._devices(trace)), stop=stop_times(self._checkpoints(trace)))

    def _move(self, source: Machine, target: Machine, trace: str) -> Run:
        bench = self.bench
        uri = f"unix:{self.folder}/{self.moves}.socket"
        for machine in (source, target):
            set_capabilities(machine, bench.capabilities)
        target.ask("migrate-incoming", {"uri": uri})
        parameters = {"max-bandwidth": BANDWIDTH}
        if bench.downtime_limit is not None:
            parameters["downtime-limit"] = bench.downtime_limit
        source.ask("migrate-set-parameters", parameters)
        if self.has_trace:
            self._trace_save(source, trace + ".save")
        source.ask("cont")
        self.probe.wait_for(SETTLE, bench.limit)
        before = self.probe.arrivals()[-SETTLE // 2 :]
        with self._relayed(uri) as relay_uri:
            source.ask("migrate", {"uri": relay_uri})
            answer = follow(source, bench.limit)
        target.monitor.until("query-status", [("status", "running")])
        self.probe.wait_for(SETTLE, bench.limit)
        resumed = moment_of(target.monitor.events(), "RESUME")
        times = [when for when, _ in self.probe.arrivals() if when >= before[0][0]]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        usual = [later - earlier for (earlier, _), (later, _) in pairwise(before)]
        return Run(
            float(answer.get("downtime", 0)),
            1000 * max(gaps),
            float(answer.get("total-time", 0)),
            1000 * statistics.median(usual),
            first_packet=next((1000 * (when - resumed) for when in times if when > resumed), None),
        )

    @contextmanager
    def _relayed(self, uri: str) -> Iterator[str]:
        """Where the source is to migrate to: the destination, or a relay in a process of its own."""
        if self.mode.relay is None:
            yield uri
            return
        listen_at = f"unix:{self.folder}/{self.moves}.relay"
        words = [sys.executable, "-m", "vmstate", "early", "relay", "--way", self.mode.relay]
        words += ["--listen", listen_at, "--connect", uri]
        if self.mode.relay != THROUGH:
            words += ["--qmp", f"unix:{self._qmp(self.moves - 1)}"]
        with Process(words) as relay:
            relay.wait_for_output("listening at", self.bench.limit)
            yield listen_at
            code = relay.wait(self.bench.limit)
            if code != 0 or PASSED in relay.output:
                raise MachineError("the relay did not do what it is for", found=tail_of(relay.output))

    def _qmp(self, number: int) -> str:
        """Where the second monitor of the QEMU is that the guest was moved to as so many others before."""
        return f"{self.folder}/{number}.qmp"

    def _trace_save(self, source: Machine, path: str) -> None:
        """Have the source write its trace to another file from now on."""
        for event in ("vmstate_downtime_save", CHECKPOINT):
            source.ask("trace-event-set-state", {"name": event, "enable": True})
        source.ask("human-monitor-command", {"command-line": f"logfile {path}"})

    def _traces(self, trace: str) -> Iterator[tuple[str, str]]:
        """What the source wrote of its saving and the destination of its loading, as far as they have."""
        for direction in ("save", "load"):
            path = f"{trace}.{direction}"
            if os.path.exists(path):
                yield direction, Path(path).read_text(errors="replace")

    def _devices(self, trace: str) -> Iterator[DeviceTime]:
        for direction, text in self._traces(trace):
            yield from (taken for taken in device_times(text) if taken.direction == direction)

    def _checkpoints(self, trace: str) -> dict[str, float]:
        return {name: moment for _, text in self._traces(trace) for name, moment in checkpoints(text).items()}

    def result(self, runs: Sequence[Run]) -> Measured:
        """All that was measured, with the bytes of each section of the guest as it is now."""
        machine = self.machine
        assert machine is not None
        path = self.folder / "sizes.mig"
        # A pipe has no way back.
        set_capabilities(machine, self.bench.capabilities, state=False)
        save(machine, path, limit=self.bench.limit)
        with load(path) as stream:
            sizes = {
                (section.name, section.instance_id): section.size for section in stream.sections if not section.is_ram
            }
        version = ".".join(map(str, machine.monitor.version))
        return Measured(self.mode, tuple(self.argv), version, tuple(runs), sizes)

    def close(self) -> None:
        """End whatever runs."""
        if self.machine is not None:
            self.machine.stop()
        self.stack.close()


def _with_options(first: str, more: str) -> str:
    return f"{first},{more}" if more else first


def moment_of(events: Iterable[Mapping[str, Any]], name: str) -> float:
    """The last time of an event of QMP, seconds of CLOCK_MONOTONIC of this machine; infinity where there was none."""
    stamps = [event["timestamp"] for event in events if event["event"] == name]
    if not stamps:
        return math.inf
    since_1970 = float(stamps[-1]["seconds"]) + float(stamps[-1]["microseconds"]) / 1e6
    return since_1970 - time.time() + time.monotonic()


def changes(measured: Sequence[Measured]) -> dict[str, dict[str, float]]:
    """How the second mode differs from the first, in percent: {"downtime_ms": {"median", "p95"}, "gap_ms": ...}."""
    first, second = (each.as_dict() for each in measured[:2])
    percent: dict[str, dict[str, float]] = {}
    for name in ("downtime_ms", "gap_ms"):
        percent[name] = {
            number: round(100 * (second[name][number] - first[name][number]) / first[name][number], 1)
            for number in first[name]
            if first[name][number]
        }
    return percent


def check_runs(runs: int, warm_up: int) -> None:
    """Raise `MachineError` for numbers of runs that are none."""
    if runs < 1 or warm_up < 0:
        raise MachineError("not a number of runs", expected="1 or more, warm-up 0 or more", found=f"{runs}, {warm_up}")
