"""How often a command line that was made of a stream loads it: machines drawn at random, put to the test in real QEMUs.

    python benchmarks/cmdline_accuracy.py --qemu qemu-system-x86_64 --seed 1 --count 100
    python benchmarks/cmdline_accuracy.py --qemu ROOT --arch s390x --seed 1 --count 50 -o lines.jsonl

A machine is drawn as machines.py does, started, and saved. The stream alone, of every second one without its
vmdesc, gives a command line (vmstate.query.cmdline); a QEMU of the same release is started with it, is given the
stream, and saves it again. What differs then, but for noise, differs either in the QEMU of the machine's own command
line too, or it is something that the made command line does not say. A line of JSON for each machine:

    machine, release, argv, line    the machine type, the release, the command line it had and the one that was made
    vmdesc                          whether the stream had its vmdesc
    loads, error                    whether the QEMU took it, and if not what it said
    changes                         what differs with the made command line, and not with the machine's own, by path
    missing                         what the made command line says that it does not know
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from vmstate.compare.diff import Change, diff
from vmstate.errors import MachineError, VMStateError, one_line
from vmstate.lab.incoming import QemuDestination
from vmstate.lab.machines import (
    LIMIT,
    RUNNING,
    TRIES,
    Drawer,
    Installed,
    NotDrawnError,
    UnfitError,
    installed,
    source_stream,
)
from vmstate.lab.program import exit_code_of
from vmstate.lab.spelling import spelled
from vmstate.lab.statistics import wilson
from vmstate.qemu.migration import NO_LIMIT, save
from vmstate.query.cmdline import command_line
from vmstate.saved.loading import load
from vmstate.stream.events import Vmdescription

MOST = 8
"""Bytes that differ of which a row tells."""

KEPT_WORDS = 200
"""Characters that a row has of a value."""


def drawn_stream(random: Random, qemu: Installed, path: str, *, limit: float) -> list[str]:
    """Draw a machine, save it at `path`, and give its command line. Raises `UnfitError`."""
    seconds = random.uniform(0.1, 1.5) if random.random() < RUNNING else None
    try:
        _, drawn = Drawer(random, qemu, qemu).machine()
    except (NotDrawnError, MachineError) as error:
        raise UnfitError(f"no machine: {error}") from None
    argv = drawn.argv()
    try:
        source_stream(argv, qemu, path, seconds=seconds, limit=limit)
        # What QEMU itself does not load with the same words is no matter of the command line.
        loaded_and_saved(path, argv, qemu, f"{path}.own", limit=limit)
    except VMStateError as error:
        raise UnfitError(f"not saved or not taken: {error}") from None
    return argv


def loaded_and_saved(
    path: str, argv: Sequence[str], qemu: Installed, out: str, *, capabilities: Sequence[str] = (), limit: float
) -> None:
    """Load a stream into a QEMU and save it again there. Raises `MachineError` with QEMU's words where it refuses."""
    words = list(argv) if "-S" in argv else [*argv, "-S"]
    with QemuDestination(path, words, qemu=qemu.qemu, capabilities=capabilities, limit=limit) as destination:
        outcome = destination.feed()
        if not outcome.accepted:
            raise MachineError(outcome.error or "refused")
        # It is saved as a plain stream, whatever the other was.
        off = [{"capability": name, "state": False} for name in capabilities if name != "x-ignore-shared"]
        destination.machine.ask("migrate-set-capabilities", {"capabilities": off})
        destination.machine.ask("migrate-set-parameters", dict(NO_LIMIT))
        save(destination.machine, out, limit=limit)


def changes_between(before: str, after: str) -> dict[str, str]:
    """SECTION.PATH -> what differs there between two streams, but for noise, memory, the vmdesc and the order."""
    return {
        f"{change.section}.{change.path}" if change.path else f"{change.section} ({change.kind})": _in_words(change)
        for change in diff(before, after).changes
        if change.section not in ("vmdesc", "ram") and change.kind != "order" and not _same_table(change)
    }


def _same_table(change: Change) -> bool:
    """Whether a hash page table was only sent in other portions: how many there are is a matter of time."""
    if change.section != "spapr/htab" or not isinstance(change.before, bytes) or not isinstance(change.after, bytes):
        return False
    return _portions(change.before) == _portions(change.after)


def _portions(data: bytes) -> tuple[bytes, bytes]:
    """The size of a hash page table (4 bytes), and what its portions hold, without the zeros that end each."""
    return data[:4], data[4:].replace(bytes(4), b"")


def _in_words(change: Change) -> str:
    """Before and after; of bytes only those that differ, with where they are."""
    before, after = change.before, change.after
    if isinstance(before, bytes) and isinstance(after, bytes) and len(before) == len(after):
        places = [at for at in range(len(before)) if before[at] != after[at]]
        return " ".join(f"[{at:#x}] {before[at]:#x} -> {after[at]:#x}" for at in places[:MOST])
    return one_line(f"{before!r} -> {after!r}")[:KEPT_WORDS]


def judged(path: str, qemu: Installed, folder: str, *, has_vmdesc: bool, limit: float) -> dict[str, Any]:
    """What becomes of the stream at `path` in a QEMU whose command line is made of it; "own" beside it is known."""
    row: dict[str, Any] = {
        "vmdesc": has_vmdesc,
        "line": [],
        "loads": False,
        "error": None,
        "changes": {},
        "missing": [],
    }
    alone = os.path.join(folder, "alone.mig")
    try:
        with load(path) as stream:
            if not has_vmdesc:
                stream.parts = [part for part in stream.parts if not isinstance(part, Vmdescription)]
            stream.save(alone)
        with load(alone) as stream:
            line = command_line(stream, folder=folder, release=qemu.release)
        line = spelled(line, qemu.program, root=qemu.root)
        row |= {"line": list(line.argv), "missing": list(line.missing)}
        for name, size in line.files.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.truncate(size)
        again = os.path.join(folder, "again.mig")
        loaded_and_saved(alone, line.argv, qemu, again, capabilities=line.capabilities, limit=limit)
        row["loads"] = True
        of_itself = changes_between(path, f"{path}.own")
        row["changes"] = {at: told for at, told in changes_between(path, again).items() if at not in of_itself}
    except VMStateError as error:
        row["error"] = one_line(str(error))
    return row


def rows(
    qemus: Sequence[Installed], *, seed: str, count: int, limit: float = LIMIT, keep: str | None = None
) -> Iterator[dict[str, Any]]:
    """`count` machines, drawn from a seed; the streams of those that are not loaded alike are kept in a folder."""
    random = Random(seed)
    number = 0
    for _ in range(count * TRIES):
        if number == count:
            return
        qemu = random.choice(qemus)
        with tempfile.TemporaryDirectory(prefix="vmstate-") as folder:
            path = os.path.join(folder, "source.mig")
            try:
                argv = drawn_stream(random, qemu, path, limit=limit)
            except UnfitError:
                continue
            row = judged(path, qemu, folder, has_vmdesc=number % 2 == 0, limit=limit)
            if keep is not None and (not row["loads"] or row["changes"]):
                Path(keep, f"{number:04}.mig").write_bytes(Path(path).read_bytes())
            yield {"number": number, "machine": argv[2], "release": str(qemu.release), "argv": argv, **row}
            number += 1
    raise MachineError(f"no more than {number} of {count} machines in {TRIES} draws each")


def main(words: Sequence[str] | None = None) -> int:
    """Run as a program: exit code 0; 2 where nothing, or not enough, can be drawn."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/cmdline_accuracy.py", description="How often a made command line loads its stream."
    )
    parser.add_argument(
        "--qemu", metavar="QEMU", action="append", required=True, help="a program, or another system's root; repeatable"
    )
    parser.add_argument("--arch", metavar="ARCH", help="which QEMU of a root: x86_64, aarch64, s390x, ppc64, riscv64")
    parser.add_argument("--machine", metavar="NAME", default="", help="only machine types whose names begin so")
    parser.add_argument("--seed", metavar="TEXT", required=True, help="what all is drawn from")
    parser.add_argument("--count", metavar="N", type=int, default=100, help="machines (100)")
    parser.add_argument("-o", "--output", metavar="FILE", help="a line of JSON for each machine")
    parser.add_argument("--keep", metavar="DIR", help="keep there the streams that are not loaded, or not alike")
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=LIMIT, help=f"for each step ({LIMIT:g})")
    options = parser.parse_args(words)
    program = None if options.arch is None else f"qemu-system-{options.arch}"

    def measure() -> int:
        total = loads = alike = 0
        if options.keep:
            os.makedirs(options.keep, exist_ok=True)
        known = [installed(place, program) for place in dict.fromkeys(options.qemu)]
        qemus = [
            qemu.replace(machines=frozenset(name for name in qemu.machines if name.startswith(options.machine)))
            for qemu in known
        ]
        with open(options.output or os.devnull, "w", encoding="utf-8") as file:
            for row in rows(qemus, seed=options.seed, count=options.count, limit=options.limit, keep=options.keep):
                file.write(json.dumps(row) + "\n")
                file.flush()
                total += 1
                loads += row["loads"]
                alike += row["loads"] and not row["changes"]
                told = row["error"] or ", ".join(list(row["changes"])[:4]) or "alike"
                print(one_line(f"{row['number']:4} {row['release']} {row['machine']}: {told}"), flush=True)
        for word, count in (("load", loads), ("alike", alike)):
            low, high = wilson(count, total)
            print(f"{word}: {count} of {total} [{100 * low:.1f}, {100 * high:.1f}] %")
        return 0

    return exit_code_of(measure, options.output)


if __name__ == "__main__":
    sys.exit(main())
