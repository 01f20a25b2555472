"""Whether there is an error in one of many streams: what was sound in an earlier one is not looked at again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vmstate.schema.vmdesc import Dialect
from vmstate.stream.finding import Finding
from vmstate.stream.seen import Keys, SeenSection
from vmstate.stream.stream import Section, Stream
from vmstate.stream.verify import end_findings, entry_findings, rewritten, vmdesc_entries, vmdesc_findings
from vmstate.vmsd import types as t
from vmstate.vmsd.collector import collector_paused
from vmstate.vmsd.description import VMStateDescription

MOST_KEPT = 200_000
"""Sections that are kept in mind, of some 100 bytes each; then all are forgotten."""


class Sound:
    """Sections in which there was no error, by their keys (`vmstate.stream.seen`): the same need no second look.

    What a vmdesc says of a section depends on how it is laid out and not on its values, so where that is known to be
    the same, it is not held against the vmdesc once more.
    """

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self.layouts: set[tuple[object, ...]] = set()

    def first_error(self, stream: Stream, data: memoryview) -> Finding | None:
        """The first error that `verify` finds in a stream that was loaded from `data`; None where there is none."""
        seen = [section for section in stream.sections if isinstance(section, SeenSection) and section.keys is not None]
        known = {id(section) for section in seen if section.key in self.keys}

        def described(section: Section, text: bytes, number: int, dialect: Dialect) -> Iterable[Finding]:
            if id(section) in known:
                return ()
            layout: tuple[object, ...] | None = None
            if isinstance(section, SeenSection) and section.keys is not None:
                layout = _layout_of(section, section.keys)
                if layout is not None and layout in self.layouts:
                    return ()
            findings = [*entry_findings(section, vmdesc_entries(text)[number], dialect)]
            if layout is not None and not findings:
                self.layouts.add(layout)
            return findings

        def findings() -> Iterator[Finding]:
            yield from rewritten(stream, data[: stream.whole], known)
            if stream.vmdesc_text is not None:
                yield from vmdesc_findings(stream, stream.vmdesc_text, described)
            yield from end_findings(stream)

        with collector_paused():
            error = next((finding for finding in findings() if finding.severity == "error"), None)
        if error is None:
            for kept in (self.keys, self.layouts):
                if len(kept) > MOST_KEPT:
                    kept.clear()
            self.keys.update(section.key for section in seen if section.key is not None)
        return error


def _layout_of(section: SeenSection, keys: Keys) -> tuple[object, ...] | None:
    """What tells how a section is laid out; None where that takes reading it."""
    if keys.layout is not None:
        return keys.place, section.described_by, keys.layout
    if section.vmsd is None or not _is_fixed(section.vmsd):
        return None
    marks = _marks(section.vmsd)
    raw = section.raw
    # Each name of a subsection that may begin there, and its version.
    sent = tuple((at, raw[at : at + 6 + raw[at + 1]]) for at in (match.start() for match in marks.finditer(raw)))
    return keys.place, section.described_by, len(raw), sent


def _is_fixed(vmsd: VMStateDescription) -> bool:
    """Whether only the subsections that are there make a difference to how something is laid out."""
    known: bool | None = vmsd.compiled.get("is fixed")
    if known is None:
        known = vmsd.compiled["is fixed"] = all(
            (field.type.is_plain or type(field.type) in (t.Struct, t.WithTmp, t.Info))
            and isinstance(field.count, int | None)
            and field.pointers is None
            and not any(True for _ in field.expressions())
            for part in vmsd.walk()
            for field in part.fields
        )
    return known


def _marks(vmsd: VMStateDescription) -> re.Pattern[bytes]:
    """Where a subsection can seem to begin."""
    known: re.Pattern[bytes] | None = vmsd.compiled.get("marks")
    if known is None:
        names = sorted({sub.vmsd.wire_name for part in vmsd.walk() for sub in part.subsections})
        known = re.compile(b"\x05(?=.(?:" + b"|".join(map(re.escape, names or [b"\0"])) + b"))", re.DOTALL)
        vmsd.compiled["marks"] = known
    return known
