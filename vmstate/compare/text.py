"""Changes between two streams for a reader: lines of text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from vmstate.compare.diff import Change, Difference
from vmstate.errors import one_line
from vmstate.schema.values import to_plain

LONG = 60
"""Characters of a value that are shown."""

RUN = 16
"""Of longer buffers only the bytes that differ are shown."""


def lines_of(changes: Iterable[Change]) -> Iterator[str]:
    """The changes in lines, those of a section indented below its name."""
    for (section, instance_id), together in groupby(changes, lambda changed: (changed.section, changed.instance_id)):
        yield one_line(section + (f"#{instance_id}" if instance_id else ""))
        for change in together:
            yield one_line(f"  {line(change)}")


def verdict_of(difference: Difference) -> str:
    """Whether the two differ, in one line."""
    names = f"{one_line(difference.a)} and {one_line(difference.b)}"
    if difference.identical:
        return f"{names} are identical"
    total = sum(change.count for change in difference.changes)
    verdict = f"differ: {total} {'change' if total == 1 else 'changes'}" if difference.changes else "are equal"
    kinds = Counter[str]()
    for change in difference.ignored:
        kinds[str(change.noise)] += change.count
    noise = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    return f"{names} {verdict}" + (f"; not counted as noise: {noise}" if noise else "")


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
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        if old == new:
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
