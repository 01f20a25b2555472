"""Golden streams: recorded once more, by each release of QEMU that can be had.

    python -m vmstate.lab.golden MANIFEST -o FOLDER [NAME ...]

MANIFEST is that of recorded streams (fixtures/MANIFEST.json), whose entries are the recipes: command line,
capabilities, what was typed in the guest, and what was done between two moments of one guest. Each is recorded by the
system's QEMU and by those of the roots that VMSTATE_QEMU_ROOTS names (with colons between), into FOLDER, with a
manifest of the same form. NAME is that of a recipe, `*` standing for any text; all are done where none is given.

A recipe whose machine was driven by more than its command line and its guest (a back end, a program of its own, the
qtest protocol) is told with the reason, and so is one that a release refuses. A recording that is there already beside
MANIFEST is compared with the new one. What may differ between two recordings of a recipe stands in `may-differ.json`
beside MANIFEST: [{"paths": [SECTION[.PATH], ...], "why": text}], in the form of paths that `diff` ignores; noise may
differ anyway.
"""

from __future__ import annotations

import argparse
import hashlib
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
from vmstate.qemu.capture import capture_machine
from vmstate.qemu.machine import Machine, find_qemu
from vmstate.qemu.provenance import RUN_FOLDER, provenance_path
from vmstate.vmsd.data import Value

ROOTS = "VMSTATE_QEMU_ROOTS"
GUEST = "VMSTATE_GUEST"
MAY_DIFFER = "may-differ.json"
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
    """How streams are recorded: `folder` they are in, below the manifest's; `moments` are of one machine, in order."""

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
    """NAME of an entry's qemu-RELEASE-NAME.mig.xz."""
    return str(entry["file"]).rpartition("/")[2].removesuffix(".mig.xz").split("-", 2)[2]


def read_manifest(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The entries of a manifest. Raises `StreamError`."""
    try:
        entries = json.loads(Path(path).read_bytes())["streams"]
        for entry in entries:
            name_of(entry)
    except OSError as error:
        raise StreamError((error.strerror or str(error)).lower(), file=os.fspath(path)) from None
    except (ValueError, LookupError, TypeError) as error:
        raise StreamError("this is no manifest of recorded streams", file=os.fspath(path)) from error
    return list(entries)


def recipes_of(entries: Iterable[dict[str, Any]], release: str | None = None) -> tuple[list[Recipe], dict[str, str]]:
    """The recipes of a manifest for a release, and why some of its streams cannot be recorded so: {NAME: reason}.

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
    missing = [key for key in BEYOND if any(entry_of_moment.get(key) for entry_of_moment in entries)]
    if missing:
        return f"it was driven by more than its command line and its guest ({', '.join(missing)})"
    if any(entry_of_moment.get("moment") for entry_of_moment in entries) and len(entries) != 2:
        return "one of its two moments is missing"
    files = [word for word in argv if RUN_FOLDER in word and "mem-path=" not in word]
    if files:
        return f"it needs a file: {files[0]}"
    if "-S" not in argv and KERNEL not in argv:
        return "when it was saved is not known: it runs, and there is no guest to wait for"
    return None


def _recipe(name: str, entries: list[dict[str, Any]]) -> Recipe:
    entry = entries[0]
    ordered = sorted(entries, key=lambda recorded: recorded.get("moment", "") != "early")
    moments = [
        Moment(name_of(recorded), tuple(recorded.get("steps") or () if place else recorded.get("guest") or ()))
        for place, recorded in enumerate(ordered)
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
    """Record the streams of a recipe into a folder; their entries for a manifest.

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
        qemu = find_qemu(argv[0], root)
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
    """Save a machine as a moment of its recipe; the entry of the manifest."""
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
    entry = {
        "file": str(target.relative_to(folder)),
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
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
        entry |= {"pair": pair.removesuffix("-early"), "moment": "early" if early else "final"}
        entry["steps"] = list(recipe.moments[1].lines)
        entry["guest"] = list(recipe.moments[0].lines)
    return entry | ({"format": "mapped-ram"} if is_mapped else {})


def may_differ(path: str | os.PathLike[str]) -> list[str]:
    """The paths of a list of what may differ between two recordings of a recipe. Raises `StreamError`."""
    try:
        rows: list[dict[str, Any]] = json.loads(Path(path).read_bytes())
        if not isinstance(rows, list):
            raise TypeError
        return [str(path_pattern) for row in rows for path_pattern in row["paths"]]
    except OSError as error:
        raise StreamError((error.strerror or str(error)).lower(), file=os.fspath(path)) from None
    except (ValueError, LookupError, TypeError) as error:
        raise StreamError("this is no list of what may differ", file=os.fspath(path)) from error


def differences(expected: Any, actual: Any, allowed: Sequence[str]) -> Difference:
    """What differs between two recordings of a recipe and should not: noise aside, and the paths that may."""
    return diff(expected, actual, ignore=allowed)


def record_all(
    manifest: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    names: Sequence[str] = (),
    *,
    roots: Sequence[str | None] = (None,),
    guest: Guest | None = None,
    limit: float = LIMIT,
) -> Iterator[tuple[str, bool]]:
    """Record the recipes of a manifest by the QEMU of each root (None: the system's) into a folder.

    Gives a line for a reader for each stream, and whether it is as it should be. A manifest of what was recorded is
    written into the folder at the end. Raises `VMStateError` where nothing can be recorded at all.
    """
    entries = read_manifest(manifest)
    left = recipes_of(entries)[1]
    beside = Path(manifest).parent
    allowed = may_differ(beside / MAY_DIFFER) if (beside / MAY_DIFFER).exists() else []
    if not any(_is_named(name_of(entry), names) for entry in entries):
        raise StreamError("the manifest has no recipe of this name", file=os.fspath(manifest), found=" ".join(names))
    recorded: list[dict[str, Any]] = []
    for root in roots:
        place = "the system's QEMU" if root is None else root
        recipes, _ = recipes_of(entries, release_of(root))
        for recipe in recipes:
            if not _is_named(recipe.name, names):
                continue
            try:
                made = record(recipe, folder, root=root, guest=guest, limit=limit)
            except VMStateError as error:
                yield one_line(f"{recipe.name}: not recorded by {place}: {error}"), True
                continue
            recorded += made
            for entry in made:
                yield _compared(entry, Path(folder), beside, entries, allowed)
    for name, reason in left.items():
        if _is_named(name, names):
            yield f"{name}: no recipe: {reason}", True
    if not recorded:
        raise MachineError("nothing was recorded")
    recorded.sort(key=lambda entry: str(entry["file"]))
    write_atomic(Path(folder, "MANIFEST.json"), [json.dumps({"streams": recorded}, indent=1).encode() + b"\n"])


def _is_named(name: str, names: Sequence[str]) -> bool:
    return not names or any(fnmatchcase(name, pattern) for pattern in names)


def _compared(
    entry: dict[str, Any], folder: Path, beside: Path, entries: list[dict[str, Any]], allowed: list[str]
) -> tuple[str, bool]:
    told = f"{entry['file']}: {entry['size']:,} bytes"
    if not any(listed["file"] == entry["file"] for listed in entries):
        return f"{told}, recorded for the first time", True
    difference = differences(beside / entry["file"], folder / entry["file"], allowed)
    if difference.equal:
        return f"{told}, equal to the one beside the manifest", True
    return "\n  ".join([f"{told}, differs from the one beside the manifest", *lines_of(difference.changes)]), False


def main(words: Sequence[str] | None = None) -> int:
    """Run as a program: exit code 0; 1 where a recording differs where it should not; 2 where nothing is recorded."""
    parser = argparse.ArgumentParser(prog="python -m vmstate.lab.golden", description="Record golden streams again.")
    parser.add_argument("manifest", metavar="MANIFEST")
    parser.add_argument("names", metavar="NAME", nargs="*", help="recipes (*: any text); all of them if none is named")
    parser.add_argument("-o", "--output", metavar="FOLDER", required=True)
    parser.add_argument("--guest", metavar="FOLDER", default=os.environ.get(GUEST, ".guest"))
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=LIMIT)
    options = parser.parse_intermixed_args(words)
    roots = [root for root in os.environ.get(ROOTS, "").split(":") if root]
    good = True
    try:
        for line, is_good in record_all(
            options.manifest,
            options.output,
            options.names,
            roots=[None, *roots],
            guest=guest_in(options.guest),
            limit=options.limit,
        ):
            print(line, flush=True)
            good = good and is_good
    except VMStateError as error:
        print(f"vmstate: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"vmstate: {error.filename or options.output}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
