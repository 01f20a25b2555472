"""`vmstate diff`: which values changed between two streams."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from itertools import groupby
from typing import Any

from vmstate.cli.info import counted
from vmstate.compare.diff import Change, Difference, diff
from vmstate.compare.noise import KINDS
from vmstate.errors import one_line
from vmstate.schema.values import to_plain

LONG = 60
"""Characters of a value that are shown."""

RUN = 16
"""Of longer buffers only the bytes that differ are shown."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    kinds = ", ".join(KINDS)
    parser.add_argument("--all", action="store_true", help="noise counts as well")
    parser.add_argument("--noise", metavar="KIND,...", help=f"only these kinds of noise do not count; all are: {kinds}")
    parser.add_argument(
        "--ignore", metavar="SECTION[.PATH]", action="append", default=[], help="nothing there counts; can be repeated"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Say what differs."""
    noise = set(KINDS)
    if options.noise is not None:
        noise = {kind for kind in options.noise.split(",") if kind}
    if options.all:
        noise = set()
    found = diff(options.a, options.b, noise=noise, ignore=options.ignore)
    if options.format == "json":
        json.dump(document(found), sys.stdout)
        print()
    else:
        print_text(found)
    return 0 if found.equal else 1


def document(found: Difference) -> dict[str, Any]:
    """What differs, as JSON values."""
    return {
        "a": found.a,
        "b": found.b,
        "equal": found.equal,
        "identical": found.identical,
        "changes": [change_document(change) for change in found.changes],
        "ignored": [change_document(change) for change in found.ignored],
    }


def change_document(change: Change) -> dict[str, Any]:
    """A change as JSON values."""
    return change.as_dict() | {"before": to_plain(change.before), "after": to_plain(change.after)}


def print_text(found: Difference) -> None:
    """What differs, for a reader."""
    for (section, instance_id), changes in groupby(found.changes, lambda one: (one.section, one.instance_id)):
        print(one_line(section + (f"#{instance_id}" if instance_id else "")))
        for change in changes:
            print(one_line(f"  {line(change)}"))
    names = f"{one_line(found.a)} and {one_line(found.b)}"
    if found.identical:
        print(f"{names} are identical")
        return
    total = sum(change.count for change in found.changes)
    verdict = f"differ: {counted(total, 'change')}" if found.changes else "are equal"
    kinds = Counter[str]()
    for change in found.ignored:
        kinds[str(change.noise)] += change.count
    noise = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    print(f"{names} {verdict}" + (f"; not counted as noise: {noise}" if noise else ""))


def line(change: Change) -> str:
    """A change in one line."""
    path = change.path or "the section"
    match change.kind:
        case "added":
            return f"+ {path}" + ("" if change.after is None else f": {text_of(change.after)}")
        case "removed":
            return f"- {path}" + ("" if change.before is None else f": {text_of(change.before)}")
        case "version":
            return f"version_id: {change.before} -> {change.after}"
        case "order":
            return f"{path}: in another order"
        case "bytes":
            return f"the same values, written otherwise: {text_of(change.before)} -> {text_of(change.after)}"
        case "vmdesc":
            return f"the same bytes, described otherwise: {path}: {change.before} -> {change.after}"
    return f"{path}: {values(change.before, change.after)}"


def values(before: Any, after: Any) -> str:
    """Two values; of long buffers the bytes that differ."""
    if type(before) is type(after) is bytes and len(before) == len(after) > RUN:
        return ", ".join(
            f"byte {span(start, stop)} {text_of(before[start:stop])} -> {text_of(after[start:stop])}"
            for start, stop in differing(before, after)
        )
    return f"{text_of(before)} -> {text_of(after)}"


def span(start: int, stop: int) -> str:
    """A range of bytes, in hex."""
    return f"{start:#x}" if stop == start + 1 else f"{start:#x}..{stop - 1:#x}"


def differing(before: bytes, after: bytes) -> list[tuple[int, int]]:
    """The ranges (start, stop) in which two buffers of one size differ."""
    ranges: list[tuple[int, int]] = []
    for place, (one, two) in enumerate(zip(before, after, strict=True)):
        if one == two:
            continue
        if ranges and ranges[-1][1] == place:
            ranges[-1] = (ranges[-1][0], place + 1)
        else:
            ranges.append((place, place + 1))
    return ranges


def text_of(value: Any) -> str:
    """A value in few words."""
    if isinstance(value, bytes) and type(value) is not bytes:
        text = str(value)
    elif isinstance(value, bytes):
        text = value.hex() or "nothing"
    elif isinstance(value, (bool, str)) or value is None:
        text = str(value)
    elif isinstance(value, int):
        text = str(int(value)) + (f" ({int(value):#x})" if abs(value) > 255 else "")
    else:
        text = json.dumps(to_plain(value))
    return text if len(text) <= LONG else f"{text[: LONG - 4]} ..."
