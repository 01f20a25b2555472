"""Who loads where: every source held against every destination.

A side is a file (a stream, a recorded destination, a -dump-vmstate text) or "QEMU:MACHINE" with "+DEVICES" behind it,
where QEMU is a program or the folder of another system's root, and DEVICES a file whose lines are options. A side of
the second kind is started once, as a source and as a destination at the same time.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from vmstate.compare.explain import explain
from vmstate.compare.findings import BREAKS
from vmstate.compare.target import Target, open_target, write_target
from vmstate.errors import MachineError, VMStateError
from vmstate.lab.incoming import QemuDestination
from vmstate.lab.target import target_of
from vmstate.qemu.machine import Qemu, find_qemu
from vmstate.saved.opening import open_input
from vmstate.vmsd.data import Value

PROGRAM = "qemu-system-x86_64"
BASE = ("-accel", "tcg", "-m", "16", "-nodefaults", "-S")
"""What every machine of a matrix has besides its devices."""


class Side(Value):
    """A source or destination: `name`; the files of its stream and of what is known of it; its command line, if any."""

    name: str
    stream: str | None
    target: str
    argv: tuple[str, ...] | None = None
    root: str | None = None
    error: str | None = None
    """Why there is none: its QEMU does not start."""

    @property
    def qemu(self) -> Qemu:
        """The QEMU of the command line."""
        assert self.argv is not None
        return find_qemu(self.argv[0], self.root)


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


def side_of(text: str, folder: str, number: int, *, limit: float) -> Side:
    """A side; what is started leaves its stream and what it said in the folder.

    Raises `VMStateError`; that a machine does not start is left to its cells.
    """
    place, devices = (text, "") if os.path.exists(text) else text.partition("+")[::2]
    if os.path.isfile(place):
        with open_input(place) as opened:
            is_stream = bytes(opened.data[:4]) == b"QEVM"
        if is_stream:
            return Side(os.path.basename(place), place, place)
        known = open_target(place)
        if known.stream is None:
            return Side(os.path.basename(place), None, place)
        path = os.path.join(folder, f"{number}.mig")
        known.stream.save(path)
        return Side(os.path.basename(place), path, place, known.command)
    qemu, colon, machine = place.rpartition(":")
    if not colon:
        raise VMStateError("this is no file and no machine", file=text, expected="a file, or QEMU:MACHINE[+DEVICES]")
    root = qemu if os.path.isdir(qemu) else None
    program = PROGRAM if root is not None or not qemu else qemu
    argv = (program, "-M", machine, *BASE, *_options_in(devices))
    words = machine + (f" +{os.path.basename(devices)}" if devices else "")
    try:
        target = target_of(argv, qemu=find_qemu(program, root), limit=limit)
    except MachineError as error:
        return Side(f"{os.path.basename(qemu)} {words}".strip(), None, "", argv, root, str(error))
    name = f"{target.release or ''} {words}"
    return _written(name.strip(), target, argv, root, folder, number)


def _written(name: str, target: Target, argv: Sequence[str], root: str | None, folder: str, number: int) -> Side:
    path = os.path.join(folder, str(number))
    write_target(f"{path}.json", target)
    if target.stream is None:
        return Side(name, None, f"{path}.json", tuple(argv), root)
    target.stream.save(f"{path}.mig")
    return Side(name, f"{path}.mig", f"{path}.json", tuple(argv), root)


def _options_in(path: str) -> list[str]:
    """The options in a file of device lines; a line that begins with # is none."""
    if not path:
        return []
    try:
        with open(path, encoding="utf-8") as file:
            return [word for line in file if not line.startswith("#") for word in shlex.split(line)]
    except (OSError, ValueError) as error:
        raise VMStateError(f"the devices cannot be read: {error}", file=path) from None


class Judge(Value):
    """Gives the cell of a source and a destination: by `explain`, or by really loading."""

    really: bool
    limit: float

    def __call__(self, pair: tuple[Side, Side]) -> Cell:
        """The cell."""
        source, destination = pair
        error = source.error or destination.error
        if error is not None:
            return Cell(source.name, destination.name, "error", None, error)
        if source.stream is None:
            return Cell(source.name, destination.name, "error", None, "a source needs a stream")
        try:
            if self.really:
                return self.loaded(source, destination)
            return explained(source, destination)
        except VMStateError as error:
            return Cell(source.name, destination.name, "error", None, str(error))

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


def differences(cells: Iterable[Cell], baseline: Iterable[dict[str, Any]]) -> list[tuple[Cell, str | None]]:
    """The cells whose verdict is another than in a baseline, and the verdict there; None where it has no such cell."""
    known = {(row["source"], row["destination"]): row["verdict"] for row in baseline}
    return [
        (cell, known.get((cell.source, cell.destination)))
        for cell in cells
        if known.get((cell.source, cell.destination)) != cell.verdict
    ]
