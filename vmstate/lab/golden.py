"""Golden streams: recorded once more, by each release of QEMU that can be had.

    python -m vmstate.lab.golden STREAMS -o FOLDER [NAME ...]

STREAMS is a folder of recorded streams (fixtures/), whose provenances are the recipes: command line, capabilities, what
was typed in the guest, and what was done between two moments of one guest. Each is recorded by the system's QEMU and by
those of the roots that VMSTATE_QEMU_ROOTS names (with colons between), into FOLDER, with a provenance of the same form.
NAME is that of a recipe, `*` standing for any text; all are done where none is given.

A recipe whose machine was driven by more than its command line and its guest (a back end, a program of its own, the
qtest protocol) is told with the reason, and so is one that a release refuses. A recording that STREAMS has already is
compared with the new one. What may differ between two recordings of a recipe stands in STREAMS/may-differ.json:
[{"paths": [SECTION[.PATH], ...], "why": text}], in the form of paths that `diff` ignores; noise may differ anyway.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vmstate.compare.diff import Difference, diff
from vmstate.compare.text import lines_of
from vmstate.errors import MachineError, StreamError, VMStateError, one_line
from vmstate.files import write_atomic
from vmstate.lab.guest import READY, Guest, guest_in
from vmstate.lab.program import exit_code_of
from vmstate.qemu.capture import capture_machine
from vmstate.qemu.machine import Machine, find_qemu
from vmstate.qemu.provenance import RUN_FOLDER, provenance_path, read_provenance, write_provenance
from vmstate.qemu.trust import program_of
from vmstate.vmsd.data import Value

ROOTS = "VMSTATE_QEMU_ROOTS"
GUEST = "VMSTATE_GUEST"
MAY_DIFFER = "may-differ.json"
STREAM_ENDING = ".mig.xz"
LIMIT = 120.0
"""Seconds that a guest may take to boot, and QEMU to answer."""

PROGRAM = "qemu-system-x86_64"
KERNEL = "guest/vmlinuz"
"""What a recipe calls the guest's kernel."""

BEYOND = ("driver", "backend", "guest_code", "recorded", "parameters", "setup", "traces")
"""What an entry says of a machine that was driven by more than this module does."""


class Moment(Value):
    """A stream of a recipe: its `name` (NAME of qemu-RELEASE-NAME.mig.xz) and what is typed in the guest before."""

    name: str
    lines: tuple[str, ...]


class Recipe(Value):
    """How streams are recorded: `folder` they are in, below that of all; `moments` are of one machine, in order."""

    name: str
    folder: str
    argv: tuple[str, ...]
    capabilities: tuple[str, ...]
    moments: tuple[Moment, ...]

    @property
    def boots(self) -> bool:
        """Whether a Linux guest is booted."""
        return KERNEL in self.argv


def name_of(entry: dict[str, Any]) -> str:
    """NAME of a recording's qemu-RELEASE-NAME.mig.xz."""
    return str(entry["file"]).rpartition("/")[2].removesuffix(STREAM_ENDING).split("-", 2)[2]


def read_recordings(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The provenances of the recorded streams in a folder and below, "file" being the path from there.

    Streams of other names than qemu-RELEASE-NAME.mig.xz are passed over. Raises `StreamError`.
    """
    recordings = []
    for path in sorted(Path(folder).rglob(f"qemu-*-*{STREAM_ENDING}")):
        provenance = read_provenance(path)
        if provenance is None:
            raise StreamError("a recorded stream has no provenance", file=str(path), expected=provenance_path(path))
        recordings.append({**provenance, "file": str(path.relative_to(folder))})
    if not recordings:
        raise StreamError("this is no folder of recorded streams", file=os.fspath(folder))
    return recordings


def recipes_of(entries: Iterable[dict[str, Any]], release: str | None = None) -> tuple[list[Recipe], dict[str, str]]:
    """The recipes of recordings for a release, and why some of its streams cannot be recorded so: {NAME: reason}.

    Of a stream that several releases recorded, the recipe is the entry of that release, or else the last one.
    """
    entries = sorted(entries, key=lambda entry: bool(entry.get("qemu_version") == release))
    recipes: dict[str, Recipe] = {}
    left: dict[str, str] = {}
    moments: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in entries:
        pair = entry.get("pair") or entry["file"]
        moments.setdefault((str(entry.get("qemu_version")), pair), []).append(entry)
    for together in moments.values():
        first = min(together, key=lambda entry: entry.get("moment", "") != "early")
        name = name_of(first)
        reason = _beyond(together)
        if reason is None:
            recipes[name] = _recipe(name, together)
            left.pop(name, None)
        elif name not in recipes:
            left[name] = reason
    return list(recipes.values()), left


def _beyond(entries: list[dict[str, Any]]) -> str | None:
    """Why streams of one machine cannot be recorded from what their entries say."""
    entry = entries[0]
    argv = entry.get("argv") or []
    if not argv:
        return "its command line was not kept"
    missing = [key for key in BEYOND if any(entry.get(key) for entry in entries)]
    if missing:
        return f"it was driven by more than its command line and its guest ({', '.join(missing)})"
    if any(entry.get("moment") for entry in entries) and len(entries) != 2:
        return "one of its two moments is missing"
    files = [word for word in argv if RUN_FOLDER in word and "mem-path=" not in word]
    if files:
        return f"it needs a file: {files[0]}"
    if "-S" not in argv and KERNEL not in argv:
        return "when it was saved is not known: it runs, and there is no guest to wait for"
    return None


def _recipe(name: str, entries: list[dict[str, Any]]) -> Recipe:
    entry = entries[0]
    ordered = sorted(entries, key=lambda entry: entry.get("moment", "") != "early")
    moments = [
        Moment(name_of(recording), tuple(recording.get("steps" if place else "guest") or ()))
        for place, recording in enumerate(ordered)
    ]
    return Recipe(
        name=name,
        folder=str(entry["file"]).rpartition("/")[0],
        argv=tuple(entry["argv"]),
        capabilities=tuple(entry.get("capabilities") or ()),
        moments=tuple(moments),
    )


def release_of(root: str | os.PathLike[str] | None = None, program: str = PROGRAM) -> str | None:
    """The release of the system's QEMU, or of a root's: "7.2". None where there is none."""
    try:
        with Machine([program, "-M", "none", "-nodefaults", "-S"], qemu=find_qemu(program, root)) as machine:
            return ".".join(map(str, machine.monitor.version[:2]))
    except MachineError:
        return None


def record(
    recipe: Recipe,
    folder: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    guest: Guest | None = None,
    limit: float = LIMIT,
) -> list[dict[str, Any]]:
    """Record the streams of a recipe into a folder; their provenances, as `read_recordings` gives them.

    QEMU is the system's, or that of a root. Raises `MachineError` where it cannot be recorded, with QEMU's words.
    """
    if recipe.boots and guest is None:
        raise MachineError(f"it needs a guest: make guest, or {GUEST}=FOLDER")
    entries = []
    with tempfile.TemporaryDirectory(prefix="vmstate-") as scratch:
        if guest is not None:
            Path(scratch, "guest").symlink_to(Path(guest.kernel).parent)
        # What 9p devices share is an empty folder.
        Path(scratch, "share").mkdir()
        argv = [word.replace(RUN_FOLDER, f"{scratch}/") for word in recipe.argv]
        qemu = find_qemu(program_of(argv), root)
        # The machine has a serial port even where no guest prints on it: all recordings have.
        with Machine(argv, qemu=qemu, console=True, folder=scratch, limit=limit) as machine:
            release = ".".join(map(str, machine.monitor.version[:2]))
            if recipe.boots:
                machine.wait_for(READY)
            for place, moment in enumerate(recipe.moments):
                if place:
                    machine.ask("cont")
                for line in moment.lines:
                    # Whether it went well is in the stream.
                    machine.type(f"{{ {line}; }} || true")
                entries.append(_moment(recipe, moment, machine, release, Path(folder), limit))
    return entries


def _moment(
    recipe: Recipe, moment: Moment, machine: Machine, release: str, folder: Path, limit: float
) -> dict[str, Any]:
    """Save a machine as a moment of its recipe; its provenance, with the path of the stream in `folder`."""
    target = folder / recipe.folder / f"qemu-{release}-{moment.name}.mig.xz"
    target.parent.mkdir(parents=True, exist_ok=True)
    plain = target.with_suffix("")
    is_mapped = "mapped-ram" in recipe.capabilities
    try:
        known = capture_machine(
            plain,
            machine,
            argv=recipe.argv,
            capabilities=recipe.capabilities,
            transport="file" if is_mapped else None,
            guest=moment.lines,
            limit=limit,
        )
        data = plain.read_bytes()
        write_atomic(target, [lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)])
    finally:
        plain.unlink(missing_ok=True)
        Path(provenance_path(plain)).unlink(missing_ok=True)
    answers = known["answers"]
    queues = answers.get("x-query-virtio-queue-status", {})
    provenance = {
        **{key: known[key] for key in ("kind", "vmstate")},
        "file": target.name,
        **{key: known[key] for key in ("size", "sha256", "recorded", "recorder")},
        "qemu_version": release,
        "qemu_build": known["qemu_build"],
        "argv": list(recipe.argv),
        "capabilities": list(recipe.capabilities),
        "guest": list(moment.lines),
        "rx_filter": answers.get("query-rx-filter", []),
        "virtio": [
            {"status": status, "queues": queues.get(path, [])}
            for path, status in answers.get("x-query-virtio-status", {}).items()
        ],
    }
    if len(recipe.moments) > 1:
        early = moment is recipe.moments[0]
        pair = f"qemu-{release}-{recipe.name}"
        provenance |= {"pair": pair.removesuffix("-early"), "moment": "early" if early else "final"}
        provenance["steps"] = list(recipe.moments[1].lines)
        provenance["guest"] = list(recipe.moments[0].lines)
    if is_mapped:
        provenance["format"] = "mapped-ram"
    write_provenance(target, provenance)
    return {**provenance, "file": str(target.relative_to(folder))}


def may_differ(path: str | os.PathLike[str]) -> list[str]:
    """The paths of a list of what may differ between two recordings of a recipe. Raises `StreamError`."""
    try:
        rows: list[dict[str, Any]] = json.loads(Path(path).read_bytes())
        if not isinstance(rows, list):
            raise TypeError
        return [str(path) for row in rows for path in row["paths"]]
    except OSError as error:
        raise StreamError((error.strerror or str(error)).lower(), file=os.fspath(path)) from None
    except (ValueError, LookupError, TypeError) as error:
        raise StreamError("this is no list of what may differ", file=os.fspath(path)) from error


def differences(before: Any, after: Any, allowed: Sequence[str]) -> Difference:
    """What differs between two recordings of a recipe and should not: noise aside, and the paths that may."""
    return diff(before, after, ignore=allowed)


def record_all(
    streams: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    names: Sequence[str] = (),
    *,
    roots: Sequence[str | None] = (None,),
    guest: Guest | None = None,
    limit: float = LIMIT,
) -> Iterator[tuple[str, bool]]:
    """Record the recipes of a folder of streams by the QEMU of each root (None: the system's) into another folder.

    Gives a line for a reader for each stream, and whether it is as it should be. Raises `VMStateError` where nothing
    can be recorded at all.
    """
    recordings = read_recordings(streams)
    left = recipes_of(recordings)[1]
    exceptions = Path(streams, MAY_DIFFER)
    allowed = may_differ(exceptions) if exceptions.exists() else []
    if not any(_is_named(name_of(recording), names) for recording in recordings):
        raise StreamError("there is no recipe of this name", file=os.fspath(streams), found=" ".join(names))
    is_anything_recorded = False
    for root in roots:
        place = "the system's QEMU" if root is None else root
        recipes, _ = recipes_of(recordings, release_of(root))
        for recipe in recipes:
            if not _is_named(recipe.name, names):
                continue
            try:
                made = record(recipe, folder, root=root, guest=guest, limit=limit)
            except VMStateError as error:
                yield one_line(f"{recipe.name}: not recorded by {place}: {error}"), True
                continue
            is_anything_recorded = True
            for recording in made:
                yield _compare_with_recorded(recording, Path(folder), Path(streams), recordings, allowed)
    for name, reason in left.items():
        if _is_named(name, names):
            yield f"{name}: no recipe: {reason}", True
    if not is_anything_recorded:
        raise MachineError("nothing was recorded")


def _is_named(name: str, names: Sequence[str]) -> bool:
    return not names or any(fnmatchcase(name, pattern) for pattern in names)


def _compare_with_recorded(
    made: dict[str, Any], folder: Path, streams: Path, recordings: list[dict[str, Any]], allowed: list[str]
) -> tuple[str, bool]:
    line = f"{made['file']}: {made['size']:,} bytes"
    if not any(recording["file"] == made["file"] for recording in recordings):
        return f"{line}, recorded for the first time", True
    difference = differences(streams / made["file"], folder / made["file"], allowed)
    if difference.equal:
        return f"{line}, equal to the one that was there", True
    return "\n  ".join([f"{line}, differs from the one that was there", *lines_of(difference.changes)]), False


def main(words: Sequence[str] | None = None) -> int:
    """Run as a program: exit code 0; 1 where a recording differs where it should not; 2 where nothing is recorded."""
    parser = argparse.ArgumentParser(prog="python -m vmstate.lab.golden", description="Record golden streams again.")
    parser.add_argument("streams", metavar="STREAMS", help="a folder of recorded streams with their provenances")
    parser.add_argument("names", metavar="NAME", nargs="*", help="recipes (*: any text); all of them if none is named")
    parser.add_argument("-o", "--output", metavar="FOLDER", required=True)
    parser.add_argument("--guest", metavar="FOLDER", default=os.environ.get(GUEST, ".guest"))
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=LIMIT)
    options = parser.parse_intermixed_args(words)
    roots = [root for root in os.environ.get(ROOTS, "").split(":") if root]

    def record() -> int:
        good = True
        for line, is_good in record_all(
            options.streams,
            options.output,
            options.names,
            roots=[None, *roots],
            guest=guest_in(options.guest),
            limit=options.limit,
        ):
            print(line, flush=True)
            good = good and is_good
        return 0 if good else 1

    return exit_code_of(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
