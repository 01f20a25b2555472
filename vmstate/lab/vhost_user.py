"""A real vhost-user back end, started early by the engine: does it work, what does it cost, what if it fails?

    trial = Trial("early.mig", "final.mig", ["passt", "--vhost-user", "-f", "-s", "{socket}"])
    report = trial.run(runs=20)

`vmstate.early`'s source and destination are the two ends of each migration; the destination's back end is no model but
a front end that speaks to a process (the device library's, found by name). What QEMU would be between them is here: the
state of the device comes from two streams, guest memory is blank until the early phase is over, and afterwards a guest
asks something of the back end.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from vmstate.early.backends.base import Fault
from vmstate.early.destination import Destination
from vmstate.early.items import table_of
from vmstate.early.machine import Host
from vmstate.early.migration import set_up
from vmstate.early.operations import Operation, Phase
from vmstate.early.source import Source
from vmstate.errors import EarlyError, MachineError
from vmstate.files import write_atomic
from vmstate.lab.statistics import summary
from vmstate.qemu.process import Process
from vmstate.saved.loading import load
from vmstate.stream.registry import exercise_of
from vmstate.stream.stream import Stream
from vmstate.vmsd.data import Data
from vmstate.vmsd.state import facts_of

SOCKET = "{socket}"
"""What stands for the path of the socket in the command of a back end."""

SILENCE = 1.0
"""Seconds after which a back end that does not answer counts as gone."""

EARLY_MODE, STOP_MODE = "early", "at-stop"


class Scenario(Data):
    """One migration with one thing that goes wrong, or not.

    `early`: with an early start. `resets`: the device is reset meanwhile, so that everything is loaded again. `fault`
    is the operation at which it happens: the back end gets `signal`, or where that is None a message that it refuses.
    """

    name: str
    early: bool = True
    resets: bool = False
    fault: Fault | None = None
    signal: signal.Signals | None = None


CALL_EARLY = Fault("SET_VRING_CALL", phase=Phase.EARLY)
KICK = Fault("SET_VRING_KICK", phase=Phase.STOP)

SCENARIOS = (
    Scenario(EARLY_MODE),
    Scenario(STOP_MODE, early=False),
    Scenario("reset, full reload", resets=True),
    Scenario("killed early", fault=CALL_EARLY, signal=signal.SIGKILL),
    Scenario("killed at the stop", fault=KICK, signal=signal.SIGKILL),
    Scenario("silent at the stop", fault=KICK, signal=signal.SIGSTOP),
    Scenario("message refused early", fault=CALL_EARLY),
    Scenario("message refused at the stop", fault=KICK),
)
"""What every trial does once; the first two are repeated, and timed."""


class ScenarioResult(Data):
    """What became of a scenario.

    `mode` is the record's: minimal, full, or none where nothing was sent early. `stopped_first`: an early back end was
    stopped before the reload. `datapath` is who moved the packets when the guest ran, `again` the same once the back
    end was back and started again, where it had gone. `alive` is what the back end did for the guest. `steps` are the
    operations with their seconds; `failures` what was said where one failed.
    """

    name: str
    mode: str
    record_bytes: int
    datapath: str
    again: str | None
    alive: str
    stopped_first: bool
    failures: tuple[str, ...]
    steps: tuple[tuple[Operation, float], ...]

    def of(self, phase: Phase) -> list[tuple[Operation, float]]:
        """The operations of a phase, with the seconds that they took."""
        return [(operation, seconds) for operation, seconds in self.steps if operation.phase is phase]

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON values, times in milliseconds."""
        return {
            "name": self.name,
            "mode": self.mode,
            "record_bytes": self.record_bytes,
            "datapath": self.datapath,
            "again": self.again,
            "alive": self.alive,
            "stopped_first": self.stopped_first,
            "failures": list(self.failures),
            "early_ms": _in_milliseconds(sum(seconds for _, seconds in self.of(Phase.EARLY))),
            "stop_ms": _in_milliseconds(sum(seconds for _, seconds in self.of(Phase.STOP))),
            "steps": [{**operation.as_dict(), "ms": _in_milliseconds(seconds)} for operation, seconds in self.steps],
        }


def _in_milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 4)


class Report(Data):
    """What a trial found: the device, the back end's command, the scenarios, and the timed runs of both modes."""

    device: str
    command: tuple[str, ...]
    results: tuple[ScenarioResult, ...]
    timed: tuple[ScenarioResult, ...]

    def of(self, mode: str) -> tuple[ScenarioResult, ...]:
        """The timed runs of a mode."""
        return tuple(result for result in self.timed if result.name == mode)

    def columns(self) -> dict[str, list[list[tuple[Operation, float]]]]:
        """The operations of each run in three columns: all at the stop; the early part of an early start, and its stop.

        Each run is a list of operations with the seconds that they took.
        """
        return {
            "at_stop": [list(result.steps) for result in self.of(STOP_MODE)],
            "early_part": [result.of(Phase.EARLY) for result in self.of(EARLY_MODE)],
            "stop_part": [result.of(Phase.STOP) for result in self.of(EARLY_MODE)],
        }

    def totals(self) -> dict[str, dict[str, float]]:
        """Median and 95th percentile of each column, in milliseconds."""
        return {
            column: summary([1000 * sum(seconds for _, seconds in run) for run in runs])
            for column, runs in self.columns().items()
        }

    def steps(self) -> list[dict[str, Any]]:
        """Each operation: how often a run has it, and the median of what it takes in a run, by column."""
        rows: dict[str, dict[str, Any]] = {}
        for column, runs in self.columns().items():
            for name in dict.fromkeys(operation.name for run in runs for operation, _ in run):
                taken = [[seconds for operation, seconds in run if operation.name == name] for run in runs]
                rows.setdefault(name, {"operation": name})[column] = {
                    "count": max(map(len, taken)),
                    "median_ms": _in_milliseconds(statistics.median(map(sum, taken))),
                }
        return list(rows.values())

    @property
    def is_good(self) -> bool:
        """Whether every scenario ended with a back end that works for the guest."""
        return all((result.again or result.datapath) == "back end" for result in self.results)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values, times in milliseconds."""
        return {
            "device": self.device,
            "command": list(self.command),
            "runs": len(self.of(EARLY_MODE)),
            "totals_ms": self.totals(),
            "steps": self.steps(),
            "scenarios": [result.as_dict() for result in self.results],
        }


class Trial:
    """A device at two moments, and a back end for it.

    `early` and `final` are streams, or what `vmstate.load` takes; `device` the idstr of the device where there is more
    than one that a vhost-user back end can be asked for. `command` starts the back end, with `{socket}` where it is to
    listen; each migration gets a back end of its own. With `own_state` False the state of the back end's own is left
    out of both: a device that has one is not started early.
    """

    def __init__(
        self,
        early: Any,
        final: Any,
        command: Sequence[str],
        *,
        device: str | None = None,
        own_state: bool = True,
        limit: float = 10.0,
    ) -> None:
        if not any(SOCKET in word for word in command):
            raise MachineError("the command does not say where its socket is", expected=f"{SOCKET} in one of its words")
        self.command = list(command)
        self.limit = limit
        self.lines: list[dict[str, Any]] = []
        """The transcript of all migrations, a message each."""
        self._connections = 0
        with load(early) as early_stream, load(final) as final_stream:
            self.device = _device_of(early_stream, device)
            self.states = tuple(
                _state_of(stream, self.device, own_state=own_state) for stream in (early_stream, final_stream)
            )
        self.vmsd = type(self.states[0]).vmsd
        self.exercise = exercise_of(self.device)

    def run(self, runs: int = 20, *, scenarios: Iterable[Scenario] = SCENARIOS, warm_up: int = 1) -> Report:
        """Every scenario once, then both modes by turns, so that what else the machine does meets both."""
        results = tuple(self.migrate(scenario) for scenario in scenarios)
        timed = []
        for number in range(warm_up + runs):
            for scenario in SCENARIOS[:2]:
                result = self.migrate(scenario)
                if number >= warm_up:
                    timed.append(result)
        return Report(self.device, tuple(self.command), results, tuple(timed))

    def write_transcript(self, path: str | os.PathLike[str]) -> None:
        """Write every message of all migrations, one JSON object a line: connections are counted from 1.

        Seconds since the connection, connection, direction (`>` to the back end), request, flags, size, payload in hex,
        number of descriptors.
        """
        write_atomic(path, [(json.dumps(line) + "\n").encode() for line in self.lines])

    def migrate(self, scenario: Scenario) -> ScenarioResult:
        """One migration, with a back end of its own. Raises `VMStateError` where it cannot even be tried."""
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vmstate-"))
            os.chmod(folder, 0o711)
            socket = str(Path(folder, "socket"))
            start = stack.enter_context(self._starter(socket))
            process = start()
            rings = tuple(ring for state in self.states for ring in self._layout(state).rings)
            back_end = stack.enter_context(
                self.exercise.connect(
                    socket,
                    rings,
                    state=self.exercise.own_state(self.states[1]),
                    limit=SILENCE if scenario.signal is signal.SIGSTOP else self.limit,
                    told=self._transcript_writer(),
                    spoiled=scenario.fault if scenario.signal is None else None,
                )
            )
            if scenario.fault is not None and scenario.signal is not None:
                back_end.before = _Strike(scenario.fault, scenario.signal, process)
            back_end.open()
            back_end.times.clear()
            return self._result(scenario, back_end, start)

    def _result(self, scenario: Scenario, back_end: Any, start: Callable[[], Process]) -> ScenarioResult:
        early, final = self.states
        host = Host(early_mig=scenario.early)
        source = Source(_copy_of(early), host=host, backend=back_end.name)
        destination = Destination(self.vmsd, facts_of(early), backend=back_end, host=host)
        set_up(source, destination)
        source.change(lambda _: None)
        source.device = _copy_of(final)
        if scenario.resets:
            source.reset(lambda _: None)
        source.stop()
        # Only now is the guest's memory all there.
        drivers = self.exercise.arrive(back_end, self._layout(final))
        was_started = destination.state == "started early"
        messages = source.complete()
        for message in messages:
            destination.receive(message)
        destination.finish()
        destination.resume()
        source.completed()
        failures = [str(error) for error in (destination.early_failure, destination.failure) if error is not None]
        datapath, again = str(destination.datapath), None
        steps = tuple((operation_time.operation, operation_time.seconds) for operation_time in back_end.times)
        if datapath == "none":
            start()
            back_end.reopen()
            destination.retry_back_end()
            again = str(destination.datapath)
        alive = "not asked"
        if (again or datapath) == "back end":
            alive = self.exercise.ask(back_end, drivers, destination.layout)
        return ScenarioResult(
            scenario.name,
            "none" if source.plan is None else source.plan.mode,
            sum(len(message.data) for message in messages),
            datapath,
            again,
            alive,
            was_started and "stop back end" in _steps_of(destination),
            tuple(failures),
            steps,
        )

    def _layout(self, state: Any) -> Any:
        table = table_of(self.vmsd)
        assert table is not None
        return table.layout(state)

    def _transcript_writer(self) -> Callable[[dict[str, Any]], None]:
        """What writes the messages of one front end down, under connections of its own."""
        before = self._connections

        def note(line: dict[str, Any]) -> None:
            number = before + line["conn"]
            self._connections = max(self._connections, number)
            self.lines.append({**line, "conn": number})

        return note

    @contextmanager
    def _starter(self, socket: str) -> Iterator[Callable[[], Process]]:
        """What starts a back end, in place of the one before."""
        running: list[Process] = []

        def start() -> Process:
            while running:
                running.pop().stop()
            Path(socket).unlink(missing_ok=True)
            running.append(Process([word.replace(SOCKET, socket) for word in self.command]))
            running[0].wait_for_file(socket, self.limit)
            return running[0]

        try:
            yield start
        finally:
            while running:
                running.pop().stop()


class _Strike:
    """Sends a process a signal before the operation of a fault, once."""

    def __init__(self, fault: Fault, number: signal.Signals, process: Process) -> None:
        self.fault: Fault | None = fault
        self.number = number
        self.process = process

    def __call__(self, operation: Operation) -> None:
        if self.fault is not None and self.fault.hits(operation):
            self.fault = None
            self.process.signal(self.number)


def _steps_of(destination: Destination) -> list[str]:
    """The events that led through the destination's states."""
    pairs = zip(destination.history, destination.history[1:], strict=False)
    rows = {(row.state, row.then): row.event for row in destination.transitions}
    return [rows.get(pair, "") for pair in pairs]


def _copy_of(state: Any) -> Any:
    vmsd = type(state).vmsd
    return vmsd.decode(vmsd.encode(state, force=True), facts=facts_of(state))


def _device_of(stream: Stream, wanted: str | None) -> str:
    """The idstr of the device whose back end is tried. Raises `EarlyError`."""
    names = [section.name for section in stream.sections if section.kind == "full"]
    able = [name for name in names if exercise_of(name) is not None]
    if wanted is None:
        # A disk or such a thing beside the network card of the machine: the one that can only be vhost-user.
        first = [name for name in able if "vhost-user" in name] or able
        if first:
            return first[0]
        raise EarlyError(f"{stream.name}: no device here that a vhost-user back end can be asked for")
    matching = [name for name in names if wanted in (name, name.rpartition("/")[2])]
    if not matching or exercise_of(matching[0]) is None:
        raise EarlyError(
            f"{stream.name}: no such device with a vhost-user back end", expected=", ".join(able), found=wanted
        )
    return matching[0]


def _state_of(stream: Stream, name: str, *, own_state: bool) -> Any:
    """The device's state, of one's own."""
    section = next((section for section in stream.sections if section.name == name and section.vmsd is not None), None)
    if section is None:
        raise EarlyError("not the same devices", expected=name, found=f"{stream.name} without it")
    table = None if section.vmsd is None else table_of(section.vmsd)
    if table is None:
        raise EarlyError("the device has no table of items", section=name)
    state = _copy_of(section.state)
    if not own_state:
        for item in table.items:
            for path in item.paths if item.forbids_early_start else ():
                *parents, last = path.split(".")
                part = state
                for parent in parents:
                    part = getattr(part, parent)
                setattr(part, last, None)
    return state
