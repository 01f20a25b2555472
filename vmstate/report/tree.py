"""A section as a tree of its fields, each with its place in the stream, its value in words, and what it is.

The tree is made of the section's trace, so that what is shown and what a byte means cannot disagree. Elements of an
array that follow each other and have the same bytes become one row: a virtio device on PCI has 1,024 queues, of which
a driver uses a few.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from vmstate.codec.records import Records
from vmstate.errors import PathError, one_line
from vmstate.report.text import text_of
from vmstate.vmsd.description import TraceEntry
from vmstate.vmsd.path import value_at
from vmstate.vmsd.state import is_state, items_of

LONGEST = 240
"""Characters of a value that are shown."""

MOST_FIELDS = 200_000
"""Fields of a section that is taken apart: more take longer than anybody waits, and more memory than there may be."""

_ELEMENT = re.compile(r"\[(\d+)\]")
_SUBSECTION = "subsection"

_Source = tuple[Any, Mapping[str, TraceEntry]]
"""A state and its trace."""


class Row:
    """A field, a struct, a subsection, or a run of equal elements.

    `offset` is in bytes from the beginning of the stream, `size` in bytes; of a run both are of all its elements.
    `layout` is the number of what describes it where that is not what describes the row above (`report.layouts`).
    """

    __slots__ = ("_source", "_value", "children", "count", "kind", "label", "layout", "offset", "path", "size")

    def __init__(self, path: str, label: str, offset: int, size: int, kind: str, source: _Source | None = None) -> None:
        self.path = path
        self.label = one_line(label)
        self.offset = offset
        self.size = size
        self.kind = kind
        self._source = source
        self._value: str | None = None
        self.children: list[Row] = []
        self.count = 1
        self.layout: int | None = None

    @property
    def value(self) -> str | None:
        """The value in words, made when it is first asked for; None of what has rows of its own."""
        if self._value is None and self._source is not None and not self.children:
            self._value = _value_of(*self._source, self.path)
        return self._value

    @value.setter
    def value(self, text: str) -> None:
        self._value = text

    def walk(self) -> Iterator[Row]:
        """This row and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def field_count(state: Any) -> int:
    """How many fields there are in a state, without looking at each: all elements of an array are taken to be alike."""
    if not is_state(state):
        return 1
    count = 0
    for _, value in items_of(state):
        if isinstance(value, (list, tuple, Records)) and value and is_state(value[0]):
            count += len(value) * field_count(value[0])
        else:
            count += field_count(value)
    return count


def rows_of(state: Any, trace: Mapping[str, TraceEntry], data: Callable[[int, int], bytes]) -> list[Row]:
    """The rows of a state; `data(offset, size)` are bytes of the stream, by which elements are found to be equal."""
    source = (state, trace)
    top = Row("", "", 0, 0, "")
    open_rows = [top]
    for path, entry in trace.items():
        while not _is_below(path, open_rows[-1].path):
            open_rows.pop()
        parent = open_rows[-1]
        rest = path[len(parent.path) :]
        index = _ELEMENT.match(rest)
        if index is not None and index.end() < len(rest):
            # A field of an element: the trace names the array and the field, not the element between them.
            parent = _added(parent, Row(parent.path + index[0], index[0], entry.offset, 0, "element", source))
            open_rows.append(parent)
            rest = rest[index.end() :]
        row = _added(parent, Row(path, rest.removeprefix("."), entry.offset, entry.size, _kind_of(entry), source))
        open_rows.append(row)
    _fold(top, data)
    return top.children


def _is_below(path: str, above: str) -> bool:
    return not above or (path.startswith(above) and path[len(above) : len(above) + 1] in (".", "["))


def _added(parent: Row, row: Row) -> Row:
    parent.children.append(row)
    return row


def _kind_of(entry: TraceEntry) -> str:
    if entry.field is None:
        return _SUBSECTION
    kind, doc = str(entry.field.type.info), entry.field.doc
    return f"{kind} · {one_line(' '.join(doc.split()))}" if doc else kind


def _fold(row: Row, data: Callable[[int, int], bytes]) -> None:
    """Give elements their size, and make one row of elements that follow each other and have equal bytes."""
    for child in row.children:
        _fold(child, data)
    if row.kind == "element" and row.children:
        row.size = max(child.offset + child.size for child in row.children) - row.offset
    folded: list[Row] = []
    before: bytes | None = None
    for child in row.children:
        if child.kind != "element":
            folded.append(child)
            before = None
            continue
        held = data(child.offset, child.size)
        if before == held and folded[-1].offset + folded[-1].size == child.offset:
            run = folded[-1]
            run.count += 1
            run.size += child.size
            first = run.path.rpartition("[")[2].rstrip("]")
            run.label = f"[{first}..{int(first) + run.count - 1}]"
        else:
            folded.append(child)
        before = held
    row.children = folded


def _value_of(state: Any, trace: Mapping[str, TraceEntry], path: str) -> str:
    entry = trace.get(path)
    if entry is not None and entry.field is not None and not entry.field.in_state:
        return "padding"
    try:
        value = value_at(state, path)
    except PathError:
        return ""
    if is_state(value):
        return "nothing in it"
    text = one_line(text_of(value))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"
