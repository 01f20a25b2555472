"""Who loads where: every source held against every destination.

A side is a file (a stream, a recorded destination, a -dump-vmstate text), a source tree of QEMU, or
"QEMU:MACHINE+DEVICES", where QEMU is a release, a program or a root, and DEVICES a file whose lines are options. Such a
machine is started once, as a source and a destination at the same time.

Many machines in one are "QEMU:MACHINE+all", each device by itself, and pairs of vmstate.lab.machines: a folder, or
"random:COUNT[:SEED]". They are a row each, and one column, in which each source meets its own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from vmstate.compare.compat import compat
from vmstate.compare.explain import explain
from vmstate.compare.findings import BREAKS
from vmstate.compare.schemas import Schema, dump_of, open_schema, schema_of_stream
from vmstate.compare.target import Target, open_target, write_target
from vmstate.errors import MachineError, VMStateError
from vmstate.files import write_atomic
from vmstate.lab.alone import devices_of, text_of, words_of
from vmstate.lab.incoming import QemuDestination
from vmstate.lab.target import target_of
from vmstate.qemu.machine import Qemu, find_qemu
from vmstate.qemu.trust import program_of
from vmstate.saved.opening import open_input
from vmstate.source.tree import is_tree
from vmstate.vmsd.data import Value
from vmstate.vmsd.release import Release

PROGRAM = "qemu-system-x86_64"
BASE = ("-accel", "tcg", "-m", "16", "-nodefaults", "-S")
"""What every machine of a matrix has besides its devices."""

BY = EXPLAIN, COMPAT = "explain", "compat"
ALL = "all"
NOT_HAD = "this QEMU has no such device"
DEVICE_LIMIT = 10.0
"""Seconds that a machine with one device may take: one that waits for something else never starts."""

RANDOM = "random:"
_MACHINE = re.compile(r"(.*?):([^:/+]+)(?:\+(.+))?")
_STREAM = re.compile(r"\d+\.mig")


class Side(Value):
    """A source or destination: `name`; the files of its stream and of what is known of it; its command line, if any.

    `target` can be a source tree, and `machine` the type that is meant in it. `member` tells one of many machines.
    """

    name: str
    stream: str | None
    target: str
    argv: tuple[str, ...] | None = None
    root: str | None = None
    error: str | None = None
    """Why there is none: its QEMU does not start."""
    machine: str | None = None
    member: str | None = None
    origin: str | None = None
    """The file that the command line came with: it is not run unasked, and its program is taken by its name alone."""

    @property
    def qemu(self) -> Qemu:
        """The QEMU of the command line. Raises `MachineError`."""
        assert self.argv is not None
        return find_qemu(self.argv[0] if self.origin is None else program_of(self.argv), self.root)


class Cell(Value):
    """A source in a destination: "loads", "fails", "unknown" or "error", and why.

    `line` is what QEMU prints first of the cause, as far as that is the same wherever it prints it; of a real load it
    is in the cause.
    """

    source: str
    destination: str
    verdict: str
    rule: str | None = None
    cause: str | None = None
    line: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: getattr(self, name) for name in type(self)._names}


class Lab(Value):
    """A folder for machines, the seconds that each may take, where QEMUs are looked for, and what judges them."""

    folder: str
    limit: float
    program: str = PROGRAM
    roots: tuple[str, ...] = ()
    by: str = EXPLAIN


def sides_of(text: str, lab: Lab) -> list[Side]:
    """The sides that a text means, those of "+all" not started yet. Raises `VMStateError`.

    That a machine does not start is left to its cells.
    """
    if os.path.isfile(text):
        return [_of_file(text, lab)]
    place = _recorded(text, lab) if text.startswith(RANDOM) else text
    if os.path.isdir(place) and (pairs := sorted(name for name in os.listdir(place) if _STREAM.match(name))):
        sides = [_pair(os.path.join(place, name), lab) for name in pairs]
        return sides if place == text else [side.replace(origin=None) for side in sides]
    parts = _MACHINE.fullmatch(text)
    qemu, machine, devices = (text, "", "") if parts is None else parts.groups("")
    if is_tree(qemu):
        # What cannot be read is one line here, not one for each cell.
        _schema(qemu, machine or None)
        name = f"{os.path.basename(os.path.normpath(qemu))} {machine}".strip()
        return [Side(name, None, qemu, machine=machine or None)]
    if parts is None:
        raise VMStateError("this is no file and no machine", file=text, expected="a file, or QEMU:MACHINE[+DEVICES]")
    program, root = _qemu_of(qemu, lab)
    words = (program, "-M", machine, *BASE)
    if devices == ALL:
        name = f"{_release_of(program, root) or os.path.basename(qemu)} {machine} +{ALL}"
        return [Side(name, None, "", words, root, machine=machine, member=ALL)]
    name = machine + (f" +{os.path.basename(devices)}" if devices else "")
    return [started(Side(name, None, "", (*words, *_options_in(devices)), root), lab, os.path.basename(qemu))]


def _of_file(place: str, lab: Lab) -> Side:
    with open_input(place) as opened:
        is_stream = bytes(opened.data[:4]) == b"QEVM"
    if is_stream:
        return Side(os.path.basename(place), place, place)
    known = open_target(place)
    if known.stream is None:
        return Side(os.path.basename(place), None, place, known.command, origin=place)
    path = _new(lab)
    known.stream.save(path)
    return Side(os.path.basename(place), path, place, known.command, origin=place)


def _new(lab: Lab) -> str:
    return os.path.join(tempfile.mkdtemp(dir=lab.folder), "mig")


def started(side: Side, lab: Lab, place: str = "") -> Side:
    """A machine that was started and asked; its name with the release, or the place, in front."""
    assert side.argv is not None
    path = _new(lab)
    named = side.replace(name=f"{place} {side.name}".strip())
    try:
        if lab.by == COMPAT and side.argv[3:] == BASE:
            # All that this QEMU has, not one machine of it.
            qemu = side.qemu
            write_atomic(path, [dump_of(qemu.command, side.argv[2], environment=qemu.environment, seconds=lab.limit)])
            return named.replace(target=path)
        target = target_of(side.argv, qemu=side.qemu, limit=lab.limit)
    except VMStateError as error:
        return named.replace(error=str(error))
    write_target(f"{path}.json", target)
    if target.stream is not None:
        target.stream.save(path)
    stream = None if target.stream is None else path
    return side.replace(name=f"{target.release or ''} {side.name}".strip(), stream=stream, target=f"{path}.json")


def _qemu_of(name: str, lab: Lab) -> tuple[str, str | None]:
    """The program of a QEMU, and its root. Raises `MachineError` where there is none of a release."""
    if os.path.isdir(name):
        return lab.program, name
    if not re.fullmatch(r"\d+(\.\d+)+", name):
        return name or lab.program, None
    release = Release.read(name)
    for root in (None, *lab.roots):
        if _release_of(lab.program, root) == release:
            return lab.program, root
    expected = "it on the PATH, or a root of it (--roots, VMSTATE_QEMU_ROOTS)"
    raise MachineError(f"there is no {lab.program} {release} here", expected=expected)


@lru_cache
def _release_of(program: str, root: str | None) -> Release | None:
    try:
        return Release.read(text_of(find_qemu(program, root), "--version").split()[3])
    except (VMStateError, IndexError):
        return None


def _options_in(path: str) -> list[str]:
    """The options in a file of device lines; a line that begins with # is none."""
    if not path:
        return []
    try:
        with open(path, encoding="utf-8") as file:
            return [word for line in file if not line.startswith("#") for word in shlex.split(line)]
    except (OSError, ValueError) as error:
        raise VMStateError(f"the devices cannot be read: {error}", file=path) from None


def _recorded(text: str, lab: Lab) -> str:
    """The folder of pairs that were drawn at random among the QEMUs that are here. Raises `VMStateError`."""
    count, _, seed = text.removeprefix(RANDOM).partition(":")
    if not re.fullmatch("[1-9][0-9]{0,5}", count):
        raise VMStateError("no number of random machines", expected="random:COUNT[:SEED]", found=repr(text)[:60])
    try:
        from vmstate.lab.machines import record_among
    except ImportError:
        expected = "a checkout of the repository, or a folder of pairs"
        raise VMStateError("what draws random machines is not in the package", expected=expected) from None
    folder = f"{_new(lab)}.pairs"
    places = [root for root in (None, *lab.roots) if _release_of(lab.program, root)]
    record_among(lab.program, places, seed=seed or "1", count=int(count), folder=folder, limit=lab.limit)
    return folder


def _pair(path: str, lab: Lab) -> Side:
    """A stream, and the destination that was recorded with it."""
    stem = path[: path.rindex(".mig")]
    side = Side(os.path.basename(stem), path, f"{stem}.target.json", member=stem, origin=path)
    try:
        with open(f"{stem}.json", encoding="utf-8") as file:
            drawn = json.load(file)["destination"]
        argv, release = tuple(map(str, drawn["argv"])), str(drawn["release"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VMStateError(f"this is no recorded pair: {error}", file=path) from None
    with suppress(VMStateError):
        # Where that release is not here it can be explained, not loaded.
        program, root = _qemu_of(release, lab.replace(program=program_of(argv)))
        side = side.replace(argv=(program, *argv[1:]), root=root)
    return side


def each_device(bases: Sequence[Side]) -> Iterator[tuple[Side, Side]]:
    """Each machine, and it with each device by itself that any of their QEMUs lists, to be started.

    Raises `VMStateError` where none lists any.
    """
    names: dict[str, str] = {}
    for number, base in enumerate(bases, 1):
        try:
            names |= devices_of(base.qemu, str(base.machine))
        except VMStateError:
            # One that lacks modules ends when it is to list its devices, and can have those that others list.
            if number == len(bases) and not names:
                raise
    for base in bases:
        for device, bus in names.items():
            words = words_of(base.qemu, str(base.machine), device, bus)
            if words is not None and base.argv is not None:
                name = f"{base.machine} +{device}"
                yield base, base.replace(name=name, argv=(*base.argv, *words), member=device)


class Column(Value):
    """A destination: one side, or those of many machines."""

    name: str
    sides: tuple[Side, ...]

    def meeting(self, source: Side) -> Side:
        """The side that a source meets. Raises `VMStateError` where it can have none."""
        if self.sides and self.sides[0].member is None:
            return self.sides[0]
        if source.member is None:
            raise VMStateError("many machines are a destination of their own sources alone", file=self.name)
        absent = Side(self.name, None, "", error=NOT_HAD)
        met = next((side for side in self.sides if side.member == source.member), absent)
        return met.replace(name=self.name)


class Judge(Value):
    """Gives the cell of a source in a column: by `explain`, by `compat`, or by really loading.

    What has no values, a source tree or a list of devices, is `compat`'s.
    """

    really: bool
    limit: float
    by: str = EXPLAIN

    def __call__(self, pair: tuple[Side, Side]) -> Cell:
        """The cell."""
        source, destination = pair
        error = source.error or destination.error
        if error is not None:
            return Cell(source.name, destination.name, "fails" if error == NOT_HAD else "error", None, error)
        try:
            return self.judged(source, destination)
        except VMStateError as failure:
            return Cell(source.name, destination.name, "error", None, str(failure))

    def judged(self, source: Side, destination: Side) -> Cell:
        """The cell of what is there. Raises `VMStateError`."""
        is_listing = source.stream is None and source.argv is None
        if not self.really and (is_listing or self.by == COMPAT or is_tree(destination.target)):
            return compared(source, destination)
        if source.stream is None:
            raise MachineError("a source needs a stream")
        return self.loaded(source, destination) if self.really else explained(source, destination)

    def loaded(self, source: Side, destination: Side) -> Cell:
        """What a real QEMU does."""
        assert source.stream is not None
        if destination.argv is None:
            raise MachineError("only a destination with a command line can really load", file=destination.name)
        argv = destination.argv if "-S" in destination.argv else (*destination.argv, "-S")
        with QemuDestination(source.stream, argv, qemu=destination.qemu, limit=self.limit) as machine:
            outcome = machine.feed()
        verdict = "loads" if outcome.accepted else "fails"
        return Cell(source.name, destination.name, verdict, None, outcome.error)


@lru_cache(maxsize=64)
def _target(path: str) -> Target:
    return open_target(path)


def explained(source: Side, destination: Side) -> Cell:
    """What `explain` says."""
    explanation = explain(source.stream, _target(destination.target))  # type: ignore[arg-type]
    first = next((finding for finding in explanation.findings if finding.severity == BREAKS), None)
    if first is None:
        return Cell(source.name, destination.name, explanation.verdict)
    cause = f"{first.section or ''}: {first.message}".removeprefix(": ")
    return Cell(source.name, destination.name, explanation.verdict, first.rule, cause, first.qemu_error)


def compared(source: Side, destination: Side) -> Cell:
    """What `compat` says: what may break does not count."""
    saved = _schema(source.stream or source.target, source.machine)
    findings = compat(saved, _schema(destination.target, destination.machine)).findings
    first = next((finding for finding in findings if finding.severity == BREAKS), None)
    if first is None:
        return Cell(source.name, destination.name, "loads")
    cause = ": ".join(filter(None, (first.section, first.path, first.message)))
    return Cell(source.name, destination.name, "fails", first.rule, cause)


@lru_cache(maxsize=64)
def _schema(place: str, machine: str | None) -> Schema:
    if is_tree(place):
        return open_schema(place, machine=machine)
    target = _target(place)
    if target.schema is not None:
        return target.schema
    if target.stream is None:
        raise MachineError(target.blocked or target.unsaved or "nothing is known of what it takes", file=place)
    return schema_of_stream(target.stream, {})


def differences(cells: Iterable[Cell], baseline: Iterable[dict[str, Any]]) -> list[tuple[Cell, str | None]]:
    """The cells whose verdict is another than in a baseline, and the verdict there; None where it has no such cell."""
    known = {(row["source"], row["destination"]): row["verdict"] for row in baseline}
    return [
        (cell, known.get((cell.source, cell.destination)))
        for cell in cells
        if known.get((cell.source, cell.destination)) != cell.verdict
    ]
