"""Each device in a machine of its own, saved by one release of QEMU and loaded by another, and what `compat` says.

    python benchmarks/compat_accuracy.py --qemu qemu-system-x86_64 --qemu ROOT [--qemu ...] [-o FILE] [DEVICE...]
    python benchmarks/compat_accuracy.py --table FILE

Each of the QEMUs (a program, or another system's root) saves each device that it can start; the stream is held against
the -dump-vmstate of each of the others, and given to it, with the same command line. A break that is told of a stream
that is loaded is a false one. Of a stream that is refused the break is told, of the section that QEMU names; or the
layout does not show it, since QEMU speaks of a value, of memory or of a size that a device checks itself; or it was
missed. Loads of a release's own streams are not tried: compat_alone.py holds those against its own dump.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from compat_alone import words_of

from vmstate.compare.compat import compat, is_unlisted
from vmstate.compare.findings import BREAKS, MAY_BREAK, CompatFinding
from vmstate.compare.schemas import Schema, dump_of, dump_schema, schema_of_stream
from vmstate.errors import MachineError, StreamError, VMStateError, one_line
from vmstate.lab.alone import devices_of
from vmstate.lab.incoming import QemuDestination
from vmstate.lab.program import exit_code_of
from vmstate.qemu.machine import Machine, Qemu, find_qemu
from vmstate.qemu.migration import NO_LIMIT, save
from vmstate.qemu.process import Keeper
from vmstate.saved.loading import load
from vmstate.stream.registry import last_part
from vmstate.vmsd.data import Value
from vmstate.vmsd.release import Release

LIMIT = 20.0
"""Seconds that each step may take."""

WORDS = 600
"""Characters of QEMU's words that are kept."""

MACHINES = {
    "x86_64": ("pc-q35-5.2", "pc-i440fx-5.2", "microvm"),
    "aarch64": ("virt-5.2",),
    "riscv64": ("virt",),
    "s390x": ("s390-ccw-virtio-5.2",),
    "ppc64": ("pseries-5.2",),
}
"""Target -> machine types that all releases have; a device is put on the first that it starts on."""

LOADS, TOLD, MAY_BREAK_TOLD, NOT_SHOWN, MISSED, FALSE_BREAK = (
    "loads",
    "told",
    "told as what may break",
    "not in a layout",
    "missed",
    "false break",
)

_UNKNOWN = re.compile(r"section or instance '([^']+)'")
_OF_DEVICE = re.compile(rf"of device '([^'\n]+)'|footer for (\S+)|version \d+ for '([^']+)'|{_UNKNOWN.pattern}")
_LAYOUT = re.compile(r"Missing section footer|unsupported version|Unknown savevm section|Unknown section or instance")
"""What QEMU says where it reads other bytes than were written; what else it says is about a value."""


class Candidate(Value):
    """A QEMU of the comparison: what runs it, its release, and the devices that it has with their properties."""

    program: str
    qemu: Qemu
    release: Release
    devices: Mapping[str, frozenset[str]]


class Crossing(Value):
    """A device of one release in another: QEMU's verdict and words, and what `compat` found, by section.

    `is_shown` says whether the dump of the destination shows the section that QEMU refuses: one that no device class
    has is in no dump, and that one is of another instance or at another place is in no layout.
    """

    machine: str
    device: str
    source: str
    destination: str
    loads: bool
    words: str
    breaks: tuple[str, ...]
    may_break: tuple[str, ...]
    is_shown: bool

    @property
    def section(self) -> str | None:
        """The section that QEMU names where it refuses, as its idstr."""
        return section_in(self.words)

    @property
    def judgement(self) -> str:
        """What becomes of it: one of the words above."""
        if self.loads:
            return FALSE_BREAK if self.breaks else LOADS
        if any(self._is_about(finding) for finding in self.breaks):
            return TOLD
        if any(self._is_about(finding) for finding in self.may_break):
            return MAY_BREAK_TOLD
        return MISSED if self.is_shown and _LAYOUT.search(self.words) else NOT_SHOWN

    def _is_about(self, finding: str) -> bool:
        return self.section is None or finding.partition(": ")[0].partition("#")[0] == self.section


def section_in(words: str) -> str | None:
    """The section that QEMU names where it refuses a stream, as its idstr."""
    match = _OF_DEVICE.search(words)
    return None if match is None else next(filter(None, match.groups()))


def candidates_of(places: Sequence[str], program: str, names: Iterable[str] = ()) -> list[Candidate]:
    """The QEMUs of some places, and which of the devices each has. Raises `VMStateError`.

    A build of which a module is not here ends where it is to list all its devices, so the names of all are put
    together, with the device classes of their dumps, and each is asked for every one.
    """
    found = []
    listed = set(names)
    for place in places:
        is_root = os.path.isdir(place)
        word = program if is_root else place
        qemu = find_qemu(word, place if is_root else None)
        found.append((word, qemu))
        if not names:
            machine = machines_of(program)[0]
            with suppress(MachineError):
                listed |= set(devices_of(qemu, machine))
            dump = dump_of(qemu.command, machine, environment=qemu.environment, seconds=LIMIT)
            listed |= {section.key for section in dump_schema(dump, word).sections}
    candidates = []
    for word, qemu in found:
        with Machine([word, "-M", "none", "-nodefaults", "-S"], qemu=qemu, limit=LIMIT) as started:
            devices = {}
            for name in sorted(listed):
                properties = started.monitor.ask_or_none("device-list-properties", {"typename": name})
                if properties is not None:
                    devices[name] = frozenset(str(entry["name"]) for entry in properties)
            candidates.append(Candidate(word, qemu, Release(*started.monitor.version[:2]), devices))
    return candidates


def machines_of(program: str) -> tuple[str, ...]:
    """The machine types of a program whose devices are tried. Raises `MachineError`."""
    target = program.rpartition("-")[2]
    if target not in MACHINES:
        raise MachineError("no machine type of this target is tried here", found=program, expected=", ".join(MACHINES))
    return MACHINES[target]


class Crossings:
    """Saves devices and gives them to the other releases."""

    def __init__(self, candidates: Sequence[Candidate], program: str, folder: str, keeper: Keeper) -> None:
        self.candidates = candidates
        self.program = program
        self.folder = folder
        self.keeper = keeper
        self.buses: dict[str, str] = {}
        for candidate in candidates:
            with suppress(MachineError):
                self.buses.update(devices_of(candidate.qemu, machines_of(program)[0]))
        self.saved: Counter[str] = Counter()
        self.not_saved: Counter[str] = Counter()
        self._dumps: dict[tuple[int, str], Schema] = {}

    def run(self) -> Iterator[Crossing]:
        """Each device of each release in each other one."""
        names = sorted(set().union(*(candidate.devices for candidate in self.candidates)))
        for name in names:
            for source in self.candidates:
                if name in source.devices:
                    yield from self.of_device(source, name)

    def of_device(self, source: Candidate, name: str) -> Iterator[Crossing]:
        """A device of one release in the others, if it can be saved."""
        path = os.path.join(self.folder, "saved.mig")
        for machine in machines_of(self.program):
            try:
                self.save(source, self.words(source, machine, name), path)
                break
            except MachineError:
                continue
        else:
            self.not_saved[str(source.release)] += 1
            return
        self.saved[str(source.release)] += 1
        with load(path) as stream:
            schema = schema_of_stream(stream, {})
            for place, destination in enumerate(self.candidates):
                if destination is source or name not in destination.devices:
                    continue
                try:
                    loads, words = self.load(destination, self.words(destination, machine, name), path)
                except MachineError:
                    # It has the device, and cannot start it so.
                    continue
                dump = self.dump(place, machine)
                findings = compat(schema, dump).findings
                yield Crossing(
                    machine,
                    name,
                    str(source.release),
                    str(destination.release),
                    loads,
                    words,
                    _of_severity(findings, BREAKS),
                    _of_severity(findings, MAY_BREAK),
                    _is_shown(words, dump),
                )

    def words(self, candidate: Candidate, machine: str, name: str) -> list[str]:
        """The command line of a machine with one device, without an option ROM, whose size is no layout's business."""
        words = words_of(candidate.qemu, machine, name, self.buses.get(name, ""))
        if "romfile" in candidate.devices[name]:
            words[-1] += ",romfile="
        return [candidate.program, *words]

    def save(self, source: Candidate, words: Sequence[str], path: str) -> None:
        """Save a machine into a file. Raises `MachineError`."""
        with Machine(words, qemu=source.qemu, keeper=self.keeper, limit=LIMIT) as started:
            started.ask("migrate-set-parameters", dict(NO_LIMIT))
            save(started, path, limit=LIMIT)

    def load(self, destination: Candidate, words: Sequence[str], path: str) -> tuple[bool, str]:
        """Whether a machine takes a stream, and what it says. Raises `MachineError` where it does not start."""
        with QemuDestination(path, words, qemu=destination.qemu, keeper=self.keeper, limit=LIMIT) as taking:
            outcome = taking.feed()
            if outcome.accepted:
                return True, ""
            taking.machine.wait_for_end(2)
            output = taking.machine.output or str(outcome.error)
            lines = [line for line in output.splitlines() if line.strip() and "warning: " not in line]
            return False, one_line(" | ".join(dict.fromkeys(lines)))[:WORDS] or "no words"

    def dump(self, place: int, machine: str) -> Schema:
        """The -dump-vmstate of a QEMU for a machine type."""
        if (place, machine) not in self._dumps:
            qemu = self.candidates[place].qemu
            text = dump_of(qemu.command, machine, environment=qemu.environment, seconds=LIMIT)
            self._dumps[place, machine] = dump_schema(text, f"{self.program}:{machine}")
        return self._dumps[place, machine]


def _is_shown(words: str, dump: Schema) -> bool:
    section = section_in(words)
    if section is None:
        return True
    is_listed = last_part(section) in {listed.idstr for listed in dump.sections}
    # What is known and refused is known of another instance, or at another place.
    return not is_listed and not is_unlisted(last_part(section)) if _UNKNOWN.search(words) else is_listed


def _of_severity(findings: Iterable[CompatFinding], severity: str) -> tuple[str, ...]:
    return tuple(
        one_line(f"{finding.section}: {finding.path}: {finding.message}")
        for finding in findings
        if finding.severity == severity
    )


def lines_of(crossings: Sequence[Crossing]) -> Iterator[str]:
    """A table of crossings: a row for each pair of releases."""
    columns = (LOADS, TOLD, MAY_BREAK_TOLD, NOT_SHOWN, MISSED, FALSE_BREAK)
    yield f"| saves → loads | devices | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 2) + "|"
    rows: dict[tuple[str, str], Counter[str]] = {}
    for crossing in crossings:
        rows.setdefault((crossing.source, crossing.destination), Counter())[crossing.judgement] += 1
    rows = dict(sorted(rows.items(), key=lambda row: [tuple(map(int, text.split("."))) for text in row[0]]))
    for (source, destination), counts in rows.items():
        cells = [str(counts[column]) for column in columns]
        yield f"| {source} → {destination} | {counts.total()} | {' | '.join(cells)} |"
    whole = sum(rows.values(), Counter[str]())
    yield f"| all | {whole.total()} | {' | '.join(str(whole[column]) for column in columns)} |"


def detail_of(crossing: Crossing) -> str:
    """A line on a crossing: what was told, and what QEMU said."""
    told = "; ".join((*crossing.breaks, *crossing.may_break)[:3]) or "nothing"
    return one_line(
        f"{crossing.judgement}: {crossing.machine} {crossing.device} {crossing.source} to {crossing.destination}: "
        f"compat: {told}; QEMU: {crossing.words or LOADS}"
    )


def read_crossings(path: str) -> list[Crossing]:
    """The crossings of a file, a JSON object a line. Raises `StreamError`."""
    crossings = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            try:
                values: dict[str, Any] = json.loads(line)
                for name in ("breaks", "may_break"):
                    values[name] = tuple(values[name])
                crossings.append(Crossing(**values))
            except (ValueError, TypeError, KeyError) as error:
                raise StreamError(f"this is no record of crossings: {error}", file=path) from None
    return crossings


def main(words: Sequence[str] | None = None) -> int:
    """Run as a program: exit code 0; 1 where a break is false or one was missed; 2 where nothing can be learned."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/compat_accuracy.py",
        description="Each device of a release, alone, in the other releases.",
    )
    parser.add_argument(
        "--qemu", metavar="QEMU", action="append", default=[], help="a program, or the folder of another system's root"
    )
    parser.add_argument("--arch", metavar="ARCH", default="x86_64", help="which QEMU of a root (x86_64)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write each load as a line of JSON, too")
    parser.add_argument("--table", metavar="FILE", help="start no QEMU: the table of a file that was written so")
    parser.add_argument("devices", metavar="DEVICE", nargs="*", help="these alone")
    options = parser.parse_args(words)

    def work() -> int:
        crossings: list[Crossing] = []
        if options.table:
            crossings = read_crossings(options.table)
            for crossing in crossings:
                if crossing.judgement != LOADS:
                    print(detail_of(crossing))
        else:
            crossings = _recorded(options)
        for line in lines_of(crossings):
            print(line)
        return int(any(crossing.judgement in (MISSED, FALSE_BREAK) for crossing in crossings))

    return exit_code_of(work, options.output or options.table or "")


def _recorded(options: argparse.Namespace) -> list[Crossing]:
    """Run what the options say; a line for each load that is refused, or should be. Raises `VMStateError`."""
    if len(options.qemu) < 2:
        raise VMStateError("a device is saved by one QEMU and loaded by another", expected="--qemu twice at least")
    program = f"qemu-system-{options.arch}"
    crossings = []
    with ExitStack() as stack:
        keeper = stack.enter_context(Keeper())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vmstate-"))
        file = stack.enter_context(open(options.output, "w", encoding="utf-8")) if options.output else None
        runner = Crossings(candidates_of(options.qemu, program, options.devices), program, folder, keeper)
        for crossing in runner.run():
            crossings.append(crossing)
            if file is not None:
                file.write(json.dumps(crossing.as_dict()) + "\n")
                file.flush()
            if crossing.judgement != LOADS:
                print(detail_of(crossing), flush=True)
        for candidate in runner.candidates:
            release = str(candidate.release)
            print(f"{release}: {runner.saved[release]} devices saved, {runner.not_saved[release]} do not start alone")
    return crossings


if __name__ == "__main__":
    sys.exit(main())
