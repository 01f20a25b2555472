"""Whether there is an error in one of many streams: what was sound in an earlier one is not looked at again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmstate.schema.vmdesc import Dialect
from vmstate.stream.finding import Finding
from vmstate.stream.seen import SeenSection
from vmstate.stream.stream import Section, Stream
from vmstate.stream.verify import end_findings, entry_findings, rewritten, vmdesc_entries, vmdesc_findings
from vmstate.vmsd.collector import collector_paused

MOST_KEPT = 200_000
"""Sections that are kept in mind, of some 100 bytes each; then all are forgotten."""


class Sound:
    """Sections in which there was no error, by their keys (`vmstate.stream.seen`): the same need no second look.

    What a vmdesc says of a section depends on how it is laid out and not on its values, so where these differ and the
    length does not, it is not held against the vmdesc once more.
    """

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self.layouts: set[tuple[bytes, str, int]] = set()

    def first_error(self, stream: Stream, data: memoryview) -> Finding | None:
        """The first error that `verify` finds in a stream that was loaded from `data`; None where there is none."""
        seen = [section for section in stream.sections if isinstance(section, SeenSection) and section.key is not None]
        known = {id(section) for section in seen if section.key in self.keys}

        def described(section: Section, text: bytes, number: int, dialect: Dialect) -> Iterable[Finding]:
            if id(section) in known:
                return ()
            layout = None
            if isinstance(section, SeenSection) and section.place is not None:
                layout = (section.place, section.described_by, section.size)
                if layout in self.layouts:
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
