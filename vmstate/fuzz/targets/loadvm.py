"""One QEMU for many streams: each is loaded by `loadvm`, from a snapshot that is changed in its file between two loads.

loadvm resets the machine and reads the stream by the same code as an incoming migration. A verdict that was not
foreseen is asked of a fresh QEMU again, whose answer counts. A QEMU that crashes, hangs or does not take the good
stream any more is replaced, and the stream that did it is kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from vmstate.errors import MachineError, NoAnswerError
from vmstate.fuzz.minimise import spoilt
from vmstate.fuzz.mutate import Mutation
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.targets import Left
from vmstate.fuzz.targets.qemu import (
    LIMIT,
    RESIDENT,
    QemuTarget,
    Seed,
    ended,
    error_lines,
    foreseen,
    last_line,
    machine_in,
    processor_seconds,
    resident_memory,
    run_folder,
)
from vmstate.fuzz.verdict import ACCEPTED, HUNG, LEFT, MEMORY, REFUSED, Verdict
from vmstate.qemu.machine import Machine
from vmstate.qemu.memory import restore_memory
from vmstate.qemu.process import Keeper
from vmstate.qemu.snapshot import SnapshotImage, load_by_command, load_by_job
from vmstate.saved.opening import open_input
from vmstate.stream.events import CommandType, Mark

LIMIT_OF_LOAD = 0.4
"""Seconds of the processor that a load may take before a fresh QEMU is asked; one takes some milliseconds."""

SETTLED = 32
"""Streams between two loads of the good one."""

MOST_MACHINES = 12
"""QEMUs that run at a time, one for each seed; the one that was not used for longest makes room."""

_ANSWERED = bytes((Mark.COMMAND, 0, CommandType.OPEN_RETURN_PATH, 0, 0))
"""A command that QEMU answers: into the snapshot's file, which ends it."""

_NO_REASON = ("Error: Error ", "Expected vmdescription section")
"""Lines that do not say why: the number of an error, and what is said of a stream that has no vmdesc."""


class LongLived:
    """A QEMU that takes the streams of one seed by loadvm; started when it is needed, and again after it ended.

    Raises `VMStateError` where it cannot be started, or does not take the seed itself.
    """

    def __init__(self, seed: Seed, keeper: Keeper, limit: float) -> None:
        self.seed = seed
        self.limit = limit
        self._keeper = keeper
        self._ends = ExitStack()
        self._machine: Machine | None = None
        with open_input(seed.path) as opened:
            self.good = bytes(opened.data)
        # By chance, in the state of a device.
        self._answered = self.good.count(_ANSWERED)

    def can_take(self, data: bytes) -> bool:
        """Whether a stream is not too large for the snapshot, and wants no answer."""
        self._started()
        return len(data) <= self._image.room and data.count(_ANSWERED) <= self._answered

    @property
    def is_running(self) -> bool:
        """Whether it was started, and has not ended since."""
        return self._machine is not None

    def load(self, data: bytes) -> Verdict:
        """What it does with a stream. After a crash, a hang, or memory without end it is gone."""
        machine = self._started()
        verdict = self._loaded(machine, data)
        if verdict.kind not in (ACCEPTED, REFUSED):
            self.close()
        return verdict

    def _started(self) -> Machine:
        if self._machine is None:
            try:
                self._start()
            except BaseException:
                self.close()
                raise
        assert self._machine is not None
        return self._machine

    def _start(self) -> None:
        self._folder = self._ends.enter_context(run_folder(self.seed.files))
        self._image = self._ends.enter_context(SnapshotImage(f"{self._folder}/snapshot.qcow2", len(self.good)))
        machine = machine_in(self._folder, self.seed.argv, "-S", *self._image.words, keeper=self._keeper)
        self._machine = self._ends.enter_context(machine)
        states = [{"capability": name, "state": True} for name in self.seed.capabilities]
        if states:
            machine.ask("migrate-set-capabilities", {"capabilities": states})
        # loadvm wants a snapshot in each disk that can be written.
        inserted = (block.get("inserted", {"ro": True}) for block in machine.ask("query-block"))
        self._has_disks = not all(medium["ro"] for medium in inserted)
        # Its reset has written to the guest's memory.
        self._restore_memory()
        verdict = self._loaded(machine, self.good)
        if verdict.kind != ACCEPTED:
            raise MachineError(
                "the seed cannot be loaded from a snapshot: use --fresh",
                file=str(self.seed.path),
                found=f"{verdict.kind}: {verdict.message}",
            )

    def takes_the_good_one(self) -> Verdict:
        """What it does with the seed itself, in the memory that the seed was saved with."""
        machine = self._started()
        try:
            self._restore_memory()
        except FileNotFoundError:
            # It has ended meanwhile, and its folder is gone with it.
            verdict = ended(machine, "load", self.limit)
            self.close()
            return verdict
        return self.load(self.good)

    def _restore_memory(self) -> None:
        for name, file in self.seed.files.items():
            restore_memory(file, Path(self._folder, name))

    def _loaded(self, machine: Machine, data: bytes) -> Verdict:
        self._image.put(data)
        begun, used = time.monotonic(), processor_seconds(machine.pid)

        def is_slow() -> bool:
            """Whether it is others that the processor works for."""
            return time.monotonic() < begun + self.limit and processor_seconds(machine.pid) - used < LIMIT_OF_LOAD

        try:
            if self._has_disks:
                refusal = load_by_job(machine, self.limit)
            else:
                refusal = load_by_command(machine, min(self.limit, LIMIT_OF_LOAD), is_slow)
        except NoAnswerError:
            return Verdict(HUNG, f"no answer in {time.monotonic() - begun:.1f} s", "load")
        except MachineError as error:
            if machine.monitor.is_open:
                raise MachineError("QEMU does not take loadvm: use --fresh", found=str(error)) from None
            return ended(machine, "load", self.limit)
        if refusal is not None:
            lines = [line for line in refusal.splitlines() if not line.startswith(_NO_REASON)]
            return Verdict(REFUSED, error_lines("\n".join(lines)) or last_line(refusal), "load")
        resident = resident_memory(machine.pid)
        return Verdict(MEMORY, f"{resident >> 20} MiB", "load") if resident > RESIDENT else Verdict(ACCEPTED)

    def close(self) -> None:
        """End it, and leave nothing of it."""
        self._machine = None
        self._ends.close()


class LoadvmTarget(QemuTarget):
    """Loads streams by loadvm, a fresh QEMU where the answer was not foreseen; `limit` is as for `QemuTarget`."""

    def __init__(self, seeds: Mapping[str, Seed], *, limit: float = LIMIT) -> None:
        super().__init__(seeds, limit=limit)
        self._machines: dict[Path, LongLived] = {}
        self._since: dict[Path, list[tuple[Subject, bytes, list[Mutation]]]] = {}
        """What each QEMU loaded since it took the good stream last."""
        self._left: list[Left] = []
        self._known: dict[tuple[str, str], Verdict] = {}
        """What a change of one place did to a QEMU: a verdict's key, or LEFT, and the place; what a fresh one did."""

    def close(self) -> None:
        """End all QEMUs, and the process that starts them."""
        while self._machines:
            self._machines.popitem()[1].close()
        super().close()

    def run(self, subject: Subject, data: bytes, mutations: list[Mutation]) -> Verdict:
        """Load the stream, having said beforehand what QEMU will say; a fresh QEMU has the last word."""
        seed = self.seeds[subject.name]
        why = self.predicted(subject, data)
        since = self._since.setdefault(seed.path, [])
        since.append((subject, data, mutations))
        verdict = self._loaded(seed, without_vmdesc(subject, data, mutations))
        if verdict.kind == (ACCEPTED if why is None else REFUSED):
            if len(since) >= SETTLED or any((LEFT, mutation.label) in self._known for mutation in mutations):
                self._settle(seed)
            return foreseen(verdict, subject, mutations, why)
        labels = [(verdict.key, mutation.label) for mutation in mutations]
        known = next((self._known[label] for label in labels if label in self._known), None)
        fresh = super().load(seed, data) if known is None else known
        if fresh.kind not in (ACCEPTED, REFUSED) and not self._machine_of(seed).is_running:
            # What the others left in it is gone with it.
            since.clear()
            if len(mutations) == 1:
                self._known[labels[0]] = fresh
        elif fresh.kind != verdict.kind:
            self._settle(seed)
        if fresh.kind != verdict.kind:
            fresh = fresh.replace(by_loadvm=f"{verdict.kind}: {verdict.message}")
        return foreseen(fresh, subject, mutations, why)

    def load(self, seed: Seed, data: bytes) -> Verdict:
        """What a QEMU does that has loaded others before; a fresh one where that does not answer."""
        verdict = self._loaded(seed, data)
        return super().load(seed, data) if verdict.kind == HUNG else verdict

    def _loaded(self, seed: Seed, data: bytes) -> Verdict:
        """What a QEMU does that has loaded others before; a fresh one where it cannot take the stream."""
        machine = self._machine_of(seed)
        return machine.load(data) if machine.can_take(data) else super().load(seed, data)

    def _machine_of(self, seed: Seed) -> LongLived:
        machine = self._machines.pop(seed.path, None)
        if machine is None:
            while len(self._machines) >= MOST_MACHINES:
                self._machines.pop(next(iter(self._machines))).close()
            machine = LongLived(seed, self.keeper, self.limit)
        self._machines[seed.path] = machine
        return machine

    def settle(self) -> list[Left]:
        """The streams since this was asked last after which a QEMU did not take the good one any more."""
        for seed in {seed.path: seed for seed in self.seeds.values()}.values():
            if self._since.get(seed.path):
                self._settle(seed)
        left, self._left = self._left, []
        return left

    def _settle(self, seed: Seed) -> None:
        """Load the good stream; where it is not taken, find out in a new QEMU after which of the others that is so."""
        since, self._since[seed.path] = self._since.get(seed.path, []), []
        machine = self._machine_of(seed)
        if machine.is_running:
            verdict = machine.takes_the_good_one()
            if verdict.kind == ACCEPTED:
                return
            machine.close()
            subject, _, mutations = since[-1]
            if any((LEFT, mutation.label) in self._known for mutation in mutations):
                self._note_left(subject, mutations, verdict)
                return
        for subject, data, mutations in since:
            left = self._left_by(machine, subject, data, mutations)
            if left is None:
                continue
            for mutation in mutations if len(mutations) > 1 else ():
                alone = self._left_by(machine, subject, spoilt(subject, [mutation]), [mutation])
                if alone is not None:
                    mutations, left = [mutation], alone
                    break
            self._note_left(subject, mutations, left)

    def _left_by(self, machine: LongLived, subject: Subject, data: bytes, mutations: list[Mutation]) -> Verdict | None:
        """What a QEMU does with the good stream after this one; None where it takes it, or where this one ended it."""
        stream = without_vmdesc(subject, data, mutations)
        if not machine.can_take(stream) or machine.load(stream).kind not in (ACCEPTED, REFUSED):
            return None
        verdict = machine.takes_the_good_one()
        if verdict.kind == ACCEPTED:
            return None
        machine.close()
        return verdict

    def _note_left(self, subject: Subject, mutations: list[Mutation], verdict: Verdict) -> None:
        label = next((mutation.label for mutation in mutations if (LEFT, mutation.label) in self._known), None)
        if label is None:
            label = mutations[0].label if mutations else subject.name
            if len(mutations) == 1:
                self._known[LEFT, label] = verdict
        message = f"then the seed: {verdict.kind}: {verdict.message}"
        self._left.append(Left(subject, mutations, Verdict(LEFT, message, f"{verdict.kind} after: {label}")))


def without_vmdesc(subject: Subject, data: bytes, mutations: list[Mutation]) -> bytes:
    """A spoilt stream without the vmdesc behind its end, which no verdict depends on.

    QEMU reads as many bytes as its length says, and from a snapshot that has no more it does so for minutes.
    """
    place = next(iter(subject.of_kind("vmdesc")), None)
    if place is None:
        return data
    end = place.offset
    for mutation in mutations:
        for start, stop, new in mutation.edits:
            if start < place.offset < stop:
                return data
            if start < place.offset:
                end += len(new) - (stop - start)
    return data[:end]
