"""What each of many streams is, whether it is whole, and whether it loads in a destination: `vmstate fleet scan`.

A row is what JSON has:

    file, size             the place, and the bytes of the file
    machine, release       the machine type, and the earliest release that can have written it
    vmdesc, sections       whether it carries its descriptions; how many sections
    devices                the last parts of the idstrs, without repetition
    verify                 "ok", or the first error
    verdict, cause, rule   of `explain`: "loads", "fails", "unknown"; the first finding that breaks, and its rule
    findings               [{"section", "rule", "severity", "message"}]: all that break or may
    error                  why it cannot be used, or null
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from vmstate.compare.explain import explain
from vmstate.compare.findings import BREAKS, COSMETIC
from vmstate.compare.judged import Judged
from vmstate.compare.target import Target, open_target
from vmstate.errors import VMStateError
from vmstate.qemu.provenance import SUFFIX
from vmstate.query.origin import earliest_release
from vmstate.saved.loading import closed_by_failure
from vmstate.saved.opening import open_input
from vmstate.stream.registry import last_part
from vmstate.stream.seen import Seen, read_seen
from vmstate.stream.sound import Sound
from vmstate.stream.stream import Stream
from vmstate.vmsd.data import Value

MACHINE = "qmp:"
"""In front of the monitor of a machine that runs."""

NOT_STREAMS = (SUFFIX, ".json", ".json.xz", ".ram", ".md", ".txt")
"""Endings of files in a folder that are of other kinds; a file that is named is taken whatever it is called."""


class Scan(Value):
    """What is asked of each file: held against the destination in the file `target`, where that is not None."""

    target: str | None
    verified: bool = True
    live_state: bool = False
    """Whether a machine that runs is paused for its state; else it is only asked."""

    def __call__(self, place: str) -> dict[str, Any]:
        """The row of a file, or of a machine."""
        if place.startswith(MACHINE) and not self.live_state:
            return row_of_machine(place)
        return row_of(place, _known(self))


class Known:
    """What is asked of each file, and what the files so far have shown: machines have most sections in common."""

    def __init__(self, target: Target | None = None, *, verified: bool = True) -> None:
        self.target = target
        self.seen = Seen()
        self.sound = Sound() if verified else None
        self.judged = Judged(self.seen)


@lru_cache(maxsize=4)
def _known(scan: Scan) -> Known:
    """What a worker keeps of a scan."""
    return Known(None if scan.target is None else _target(scan.target), verified=scan.verified)


@lru_cache(maxsize=8)
def _target(path: str) -> Target:
    """A destination, which a worker reads once."""
    return open_target(path)


def places(arguments: Iterable[str]) -> Iterator[str]:
    """The files that PLACEs mean, each once: a folder and all below it, a pattern, @LIST, a URL of fsspec, a file.

    Links to folders are not followed, so that a circle ends. Raises `VMStateError` for a place that is not there.
    """
    seen: set[str] = set()
    for argument in arguments:
        for place in _expanded(argument):
            key = place if "://" in place else os.path.realpath(place)
            if key not in seen:
                seen.add(key)
                yield place


def _expanded(argument: str) -> Iterator[str]:
    if argument.startswith("@"):
        try:
            with open(argument[1:], encoding="utf-8") as file:
                names = [line.strip() for line in file]
        except (OSError, UnicodeDecodeError) as error:
            raise VMStateError(f"the list cannot be read: {error}", file=argument[1:]) from None
        for name in names:
            if name:
                yield from _expanded(name)
    elif "://" in argument:
        yield from _remote(argument)
    elif os.path.isdir(argument):
        for folder, _, names in sorted(os.walk(argument)):
            yield from (os.path.join(folder, name) for name in sorted(names) if not name.endswith(NOT_STREAMS))
    elif os.path.lexists(argument):
        yield argument
    else:
        matches = sorted(glob.glob(argument, recursive=True))
        if not matches:
            raise VMStateError("there is nothing at this place", file=argument)
        yield from (match for match in matches if os.path.isfile(match))


def _remote(url: str) -> Iterator[str]:
    """The files of an object store or file system that fsspec knows."""
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url)
        if system.isdir(path):
            names = sorted(system.find(path))
            yield from (system.unstrip_protocol(name) for name in names if not name.endswith(NOT_STREAMS))
        else:
            yield url
    except ImportError as error:
        raise VMStateError(f"this place needs {error.name}: pip install {error.name}", file=url) from None
    except Exception as error:
        # Each back end has exceptions of its own.
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise VMStateError(f"the place cannot be read: {reason[:200]}", file=url) from None


def _stream_at(place: str, seen: Seen) -> Stream:
    """The stream at a place, read once for whatever is in others as well. Raises `VMStateError`."""
    contents = _contents(place)
    if isinstance(contents, Stream):
        return contents
    opened = open_input(contents)
    with closed_by_failure(opened):
        stream = read_seen(opened, seen)
        opened.check()
        return stream


def _contents(place: str) -> Any:
    """What `load` takes for a place. Raises `VMStateError`."""
    if place.startswith(MACHINE):
        from vmstate.qemu.live import live_state_at

        return live_state_at(place.removeprefix(MACHINE)).stream()
    if "://" not in place:
        return place
    import fsspec

    try:
        with fsspec.open(place, "rb") as file:
            return bytes(file.read())
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise VMStateError(f"the file cannot be read: {reason[:200]}", file=place) from None


def row_of(place: str, known: Known) -> dict[str, Any]:
    """The row of one file, whatever is wrong with it."""
    row = empty_row(place)
    try:
        with _stream_at(place, known.seen) as stream:
            row |= facts_of(stream)
            if known.sound is not None:
                row["verify"] = verified_as(stream, known.sound)
            if known.target is not None:
                row |= judged(stream, known.target, known.judged)
    except VMStateError as error:
        row["error"] = str(error)
    except (OSError, MemoryError, RecursionError) as error:
        row["error"] = f"{place}: {type(error).__name__}: {error}"
    return row


def empty_row(place: str) -> dict[str, Any]:
    """The row of a place of which nothing is known yet."""
    row: dict[str, Any] = {"file": place, "size": None if "://" in place else _size(place)}
    row |= dict.fromkeys(("machine", "release", "vmdesc", "sections", "verify", "verdict", "cause", "rule"))
    return row | {"devices": [], "findings": [], "error": None}


def row_of_machine(place: str) -> dict[str, Any]:
    """The row of a machine that runs, by queries alone: what it is, and which devices it was given.

    `devices` has the names of -device. The guest notices nothing.
    """
    from vmstate.qemu.live import connected

    row = empty_row(place)
    try:
        with connected(place.removeprefix(MACHINE)) as monitor:
            name = monitor.ask_or_none("qom-get", {"path": "/machine", "property": "type"})
            row["machine"] = name.removesuffix("-machine") if isinstance(name, str) else None
            row["release"] = ".".join(map(str, monitor.version[:2]))
            devices: list[str] = []
            for path in ("/machine/peripheral", "/machine/peripheral-anon"):
                for entry in monitor.ask_or_none("qom-list", {"path": path}) or ():
                    kind = str(entry.get("type", ""))
                    if kind.startswith("child<"):
                        devices.append(kind[len("child<") : -1])
            row["devices"] = list(dict.fromkeys(devices))
    except VMStateError as error:
        row["error"] = str(error)
    return row


def _size(place: str) -> int | None:
    try:
        return os.stat(place).st_size
    except OSError:
        return None


def facts_of(stream: Stream) -> dict[str, Any]:
    """What a stream says of itself."""
    release = earliest_release(stream)
    names = (last_part(section.name) for section in stream.sections if section.kind in ("start", "full"))
    return {
        "machine": stream.machine,
        "release": None if release is None else str(release),
        "vmdesc": stream.vmdesc_text is not None,
        "sections": len(stream.sections),
        "devices": list(dict.fromkeys(names)),
    }


def verified_as(stream: Stream, sound: Sound) -> str:
    """ "ok", or the first error that `verify` finds."""
    assert stream.source is not None
    first = sound.first_error(stream, stream.source)
    return "ok" if first is None else f"{first.section or ''}: {first.message}".removeprefix(": ")


def judged(stream: Stream, target: Target, known: Judged) -> dict[str, Any]:
    """Whether a stream loads in a destination, and what stands in its way."""
    explanation = explain(stream, target, judged=known)
    findings = [finding for finding in explanation.findings if finding.severity != COSMETIC]
    first = next((finding for finding in findings if finding.severity == BREAKS), None)
    return {
        "verdict": explanation.verdict,
        "cause": None if first is None else f"{first.section or ''}: {first.message}".removeprefix(": "),
        "rule": None if first is None else first.rule,
        "findings": [
            {
                "section": finding.section,
                "rule": finding.rule,
                "severity": finding.severity,
                "message": finding.message,
            }
            for finding in findings
        ],
    }


def outcome_of(row: Mapping[str, Any]) -> str:
    """What became of a file, in a word or two."""
    if row["error"]:
        return "set aside" if row.get("poison") else "error"
    if row["verdict"] is not None and row["verdict"] != "loads":
        return str(row["verdict"])
    if row["verify"] not in (None, "ok"):
        return "not whole"
    return "loads" if row["verdict"] == "loads" else "ok"


COLUMNS = (
    ("file", "string"),
    ("size", "int64"),
    ("machine", "string"),
    ("release", "string"),
    ("device", "string"),
    ("verify", "string"),
    ("verdict", "string"),
    ("section", "string"),
    ("rule", "string"),
    ("severity", "string"),
    ("message", "string"),
    ("error", "string"),
)
"""Columns of the Parquet file: a row for each (file, device, finding), device or finding null where there is none."""


def flat(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file that one file makes."""
    base = {name: row.get(name) for name in ("file", "size", "machine", "release", "verify", "verdict", "error")}
    by_device: dict[str, list[Mapping[str, Any]]] = {}
    loose = []
    for finding in row["findings"]:
        device = None if finding["section"] is None else last_part(finding["section"]).partition("#")[0]
        if device in row["devices"]:
            by_device.setdefault(str(device), []).append(finding)
        else:
            loose.append(finding)
    empty = dict.fromkeys(("section", "rule", "severity", "message"))
    for finding in loose:
        yield {**base, "device": None, **finding}
    for device in row["devices"]:
        for finding in by_device.get(device) or [empty]:
            yield {**base, "device": device, **finding}
    if not row["devices"] and not loose:
        yield {**base, "device": None, **empty}
