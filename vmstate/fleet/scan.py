"""What each of many streams is, whether it is whole, and whether it loads in a destination: `vmstate fleet scan`.

A row is what JSON has:

    file, size             the place, and the bytes of the file
    machine, release       the machine type, and the earliest release that can have written it
    vmdesc, sections       whether it carries its descriptions; how many sections
    devices                the last parts of the idstrs, without repetition
    features               {idstr: [names]}: what the drivers accepted of the devices that offer features
    verify                 "ok", or the first error
    verdict, cause, rule   of `explain`: "loads", "fails", "unknown"; the first finding that breaks, and its rule
    findings               [{"section", "rule", "severity", "message"}]: all that break or may
    changes                [{"section", "rule", "severity", "message"}]: changes of QEMU's source that it would meet
    read                   "all", or "devices" where guest memory was not read
    error                  why it cannot be used, or null
"""

from __future__ import annotations

import glob
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from stat import S_ISREG
from typing import Any

from vmstate.compare.explain import explain
from vmstate.compare.findings import BREAKS, COSMETIC
from vmstate.compare.judged import Judged
from vmstate.compare.section import bits_of, features_in
from vmstate.compare.target import Target, open_target
from vmstate.errors import VMStateError
from vmstate.fleet.changes import Changes, read_changes
from vmstate.fleet.outlines import LARGEST, Outlines
from vmstate.qemu.monitor import LIMIT
from vmstate.qemu.provenance import SUFFIX
from vmstate.query.origin import earliest_release
from vmstate.rules.evaluate import read_as_known
from vmstate.saved.loading import closed_by_failure
from vmstate.saved.opening import open_input
from vmstate.stream.registry import comparison_of, last_part
from vmstate.stream.seen import Seen, SeenSection, read_seen
from vmstate.stream.sound import Sound
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import Value

MACHINE = "qmp:"
"""In front of the monitor of a machine that runs."""

DOMAIN = "libvirt:"
"""In front of the URI of a libvirt and, behind a #, the name of a domain."""

MOST_KEPT = 100_000
"""Sections whose features are kept in mind; then all are forgotten."""

HEAD = 64
"""Bytes of a file in which the machine type stands."""

NOT_STREAMS = (SUFFIX, ".json", ".json.xz", ".ram", ".md", ".txt")
"""Endings of files in a folder that are of other kinds; a file that is named is taken whatever it is called."""


class Scan(Value):
    """What is asked of each file: held against the destination in the file `target`, where that is not None."""

    target: str | None
    verified: bool = True
    live_state: bool = False
    """Whether a machine that runs is paused for its state; else it is only asked."""
    changes: str | None = None
    """A file with findings of `source lint`."""
    whole: bool = False
    """Whether files elsewhere are read with their guest memory."""
    limit: float = LIMIT
    """Seconds for each answer of a machine that runs."""

    def __call__(self, place: str) -> dict[str, Any]:
        """The row of a file, or of a machine."""
        if place.startswith(DOMAIN):
            from vmstate.fleet.domains import row_of_domain

            return row_of_domain(place.removeprefix(DOMAIN), empty_row(place))
        if place.startswith(MACHINE) and not self.live_state:
            return row_of_machine(place, self.limit)
        return row_of(place, _known(self))


class Known:
    """What is asked of each file, and what the files so far have shown: machines have most sections in common."""

    def __init__(
        self,
        target: Target | None = None,
        *,
        verified: bool = True,
        changes: Changes | None = None,
        whole: bool = False,
        limit: float = LIMIT,
    ) -> None:
        self.target = target
        self.limit = limit
        self.seen = Seen()
        self.sound = Sound() if verified else None
        self.judged = Judged(self.seen)
        self.changes = changes
        self.whole = whole
        self.outlines = Outlines(self.seen)
        self.features: dict[bytes, list[str] | None] = {}
        """Key of a section -> the features that its driver accepted."""


@lru_cache(maxsize=4)
def _known(scan: Scan) -> Known:
    """What a worker keeps of a scan."""
    target = None if scan.target is None else _target(scan.target)
    changes = None if scan.changes is None else read_changes(scan.changes)
    return Known(target, verified=scan.verified, changes=changes, whole=scan.whole, limit=scan.limit)


@lru_cache(maxsize=8)
def _target(path: str) -> Target:
    """A destination, which a worker reads once."""
    return open_target(path)


def kind_of(place: str) -> tuple[int, bytes] | None:
    """The same for files that are likely to be of machines that are alike; None where that cannot be told cheaply.

    That is how long they are, where nearly all is devices, and the machine type in front of them.
    """
    if "://" in place or place.startswith((MACHINE, DOMAIN)):
        return None
    try:
        status = os.stat(place)
        if not S_ISREG(status.st_mode):
            return None
        with open(place, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        return None
    return status.st_size if status.st_size <= LARGEST else 0, head


def places(arguments: Iterable[str]) -> Iterator[str]:
    """The files that PLACEs mean, each once: a folder and all below it, a pattern, @LIST, a URL of fsspec, a file.

    Links to folders are not followed, so that a circle ends. Raises `VMStateError` for a place that is not there.
    """
    seen: set[Hashable] = set()
    for argument in arguments:
        for place in _expanded(argument, ()):
            key = _identity(place)
            if key not in seen:
                seen.add(key)
                yield place


def _identity(place: str) -> Hashable:
    """The same for all names of a file."""
    if "://" in place:
        return place
    with suppress(OSError):
        status = os.stat(place)
        if status.st_nlink > 1 and S_ISREG(status.st_mode):
            return status.st_dev, status.st_ino
    return os.path.realpath(place)


def _expanded(argument: str, lists: tuple[str, ...]) -> Iterator[str]:
    """The files that a PLACE means; `lists` are those that it stands in."""
    if argument.startswith("@"):
        name_of_list = os.path.realpath(argument[1:])
        if name_of_list in lists:
            raise VMStateError("the list names itself", file=argument[1:])
        try:
            with open(argument[1:], encoding="utf-8") as file:
                names = [line.strip() for line in file]
        except (OSError, UnicodeDecodeError) as error:
            raise VMStateError(f"the list cannot be read: {error}", file=argument[1:]) from None
        for name in names:
            if name:
                yield from _expanded(name, (*lists, name_of_list))
    elif "://" in argument:
        from vmstate.fleet.remote import files_at

        yield from (url for url in files_at(argument) if not url.endswith(NOT_STREAMS))
    elif os.path.isdir(argument):
        yield from _in_folder(argument)
    elif os.path.lexists(argument):
        yield argument
    else:
        matches = sorted(glob.glob(argument, recursive=True))
        if not matches:
            raise VMStateError("there is nothing at this place", file=argument)
        yield from (match for match in matches if os.path.isfile(match))


def _in_folder(top: str) -> Iterator[str]:
    """The files in a folder and all below it, and folders that cannot be read; no pipes, sockets and devices."""
    unreadable: list[str] = []
    for folder, _, names in sorted(os.walk(top, onerror=lambda error: unreadable.append(str(error.filename)))):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not name.endswith(NOT_STREAMS) and (os.path.isfile(path) or not os.path.exists(path)):
                yield path
    yield from sorted(unreadable)


def _stream_at(place: str, known: Known, row: dict[str, Any]) -> Stream:
    """The stream at a place, read once for whatever is in others as well. Raises `VMStateError`."""
    if place.startswith(MACHINE):
        from vmstate.qemu.live import live_state_at

        contents: Any = live_state_at(place.removeprefix(MACHINE), limit=known.limit).stream()
    elif "://" in place:
        from vmstate.fleet.remote import contents_of

        contents, row["size"], row["read"] = contents_of(place, whole=known.whole)
    else:
        contents = place
    opened = open_input(contents)
    with closed_by_failure(opened):
        stream = read_seen(opened, known.seen)
        opened.check()
        return stream


def row_of(place: str, known: Known) -> dict[str, Any]:
    """The row of one file, whatever is wrong with it."""
    is_file = "://" not in place and not place.startswith(MACHINE) and known.changes is None
    met = known.outlines.row_of(place) if is_file else None
    if met is not None:
        return met | {"file": place}
    row = empty_row(place)
    alone = known.judged.alone
    try:
        with _stream_at(place, known, row) as stream:
            row |= facts_of(stream)
            row["features"] = features_of(stream, known.features)
            if known.changes is not None:
                row["changes"] = known.changes.met_by(stream)
            if known.sound is not None:
                row["verify"] = verified_as(stream, known.sound)
            if known.target is not None:
                row |= judged(stream, known.target, known.judged)
            known.judged.learn_rest(stream)
            if is_file and known.judged.alone == alone:
                known.outlines.keep(stream, row)
    except VMStateError as error:
        row["error"] = str(error)
    except (OSError, MemoryError, RecursionError) as error:
        row["error"] = f"{place}: {type(error).__name__}: {error}"
    return row


def empty_row(place: str) -> dict[str, Any]:
    """The row of a place of which nothing is known yet."""
    row: dict[str, Any] = {"file": place, "size": None if "://" in place else _size(place)}
    row |= dict.fromkeys(("machine", "release", "vmdesc", "sections", "verify", "verdict", "cause", "rule"))
    return row | {"devices": [], "features": {}, "findings": [], "changes": [], "read": "all", "error": None}


def row_of_machine(place: str, limit: float = LIMIT) -> dict[str, Any]:
    """The row of a machine that runs, by queries alone: what it is, and which devices it was given.

    `devices` has the names of -device, `limit` is the seconds for each answer. The guest notices nothing.
    """
    from vmstate.qemu.live import connected
    from vmstate.qemu.monitor import answers_understood

    row = empty_row(place)
    try:
        with answers_understood(), connected(place.removeprefix(MACHINE), limit=limit) as monitor:
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


def features_of(stream: Stream, known: dict[bytes, list[str] | None]) -> dict[str, list[str]]:
    """idstr -> the names of the features that the driver of the device accepted."""
    accepted: dict[str, list[str]] = {}
    for section in stream.sections:
        if section.kind != "full" or section.is_ram:
            continue
        key = section.key if isinstance(section, SeenSection) else None
        if key is None or key not in known:
            names = _features_in(section)
            if key is not None:
                if len(known) >= MOST_KEPT:
                    known.clear()
                known[key] = names
        else:
            names = known[key]
        if names is not None:
            accepted[section.name] = names
    return accepted


def _features_in(section: Section) -> list[str] | None:
    features = comparison_of(section.name).features
    if features is None:
        return None
    bits = features_in(features, read_as_known(section))
    return [features.names.get(bit, f"feature {bit}") for bit in bits_of(bits)]


def verified_as(stream: Stream, sound: Sound) -> str:
    """ "ok", or the first error that `verify` finds."""
    assert stream.source is not None
    if not getattr(stream.container, "is_whole", True):
        return "libvirt was still writing the save image"
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
    ("features", "string"),
    ("verify", "string"),
    ("verdict", "string"),
    ("kind", "string"),
    ("section", "string"),
    ("rule", "string"),
    ("severity", "string"),
    ("message", "string"),
    ("error", "string"),
)
"""Columns of the Parquet file: a row for each (file, device, finding), device or finding null where there is none.

`kind` is "finding" (of `explain`) or "change" (of QEMU's source); `features` are names with commas between them.
"""


def flat(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file that one file makes."""
    base = {name: row.get(name) for name in ("file", "size", "machine", "release", "verify", "verdict", "error")}
    by_device: dict[str | None, list[Mapping[str, Any]]] = {}
    for kind, findings in (("finding", row["findings"]), ("change", row.get("changes", ()))):
        for finding in findings:
            section = finding["section"]
            device = None if section is None else last_part(section).partition("#")[0]
            by_device.setdefault(device if device in row["devices"] else None, []).append({"kind": kind, **finding})
    features: dict[str, list[str]] = {}
    for idstr, names in row.get("features", {}).items():
        features.setdefault(last_part(idstr), []).extend(names)
    empty = dict.fromkeys(("kind", "section", "rule", "severity", "message"))
    loose = by_device.get(None, [])
    for finding in loose:
        yield {**base, "device": None, "features": None, **finding}
    for device in row["devices"]:
        used = ", ".join(dict.fromkeys(features[device])) if device in features else None
        for finding in by_device.get(device) or [empty]:
            yield {**base, "device": device, "features": used, **finding}
    if not row["devices"] and not loose:
        yield {**base, "device": None, "features": None, **empty}
