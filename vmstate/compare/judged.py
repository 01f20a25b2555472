"""What `explain` has found in sections of many streams, for one destination: the same bytes need no second look."""

from __future__ import annotations

from vmstate.compare.explained import Explained
from vmstate.compare.indifferent import masks_of
from vmstate.compare.section import SectionCheck
from vmstate.stream.seen import Seen, SeenSection

MOST_KEPT = 100_000
"""Sections that are kept in mind, most of them without a finding; then all are forgotten."""


class _Outcome:
    """What was found in a section at an offset, and what was noted on the way."""

    __slots__ = ("assumed", "compared_by_layout", "findings", "not_judged", "offset")

    def __init__(self, offset: int, findings: list[Explained], notes: list[list[str]]) -> None:
        self.offset = offset
        self.findings = findings
        self.assumed, self.compared_by_layout, self.not_judged = notes


class Judged:
    """Sections that were held against one destination."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.outcomes: dict[tuple[object, ...], _Outcome] = {}
        self.own: dict[int, bytes] = {}
        """Bytes of the destination's sections, by their ids."""

    def run(self, check: SectionCheck) -> list[Explained]:
        """What `check.run()` gives."""
        section, sides = check.section, check.sides
        if not isinstance(section, SeenSection) or section.key is None or section.place is None or sides.versions:
            return check.run()
        own = self.own.get(id(check.counterpart))
        if own is None:
            own = self.own[id(check.counterpart)] = bytes(check.counterpart.payload())
        # A destination takes what it would send itself, byte for byte.
        key = (section.key, section.raw == own, check.findings.name_of(section))
        outcome = self.outcomes.get(key)
        memory = None
        if outcome is None:
            memory = sides.unsent_memory
            outcome = None if memory is None else self.outcomes.get((*key, *memory))
        if outcome is None:
            sides.sent_memory.was_asked = sides.values_were_counted = False
            outcome = _found(check)
            if not sides.sent_memory.was_asked:
                self.keep(key, outcome)
            elif memory is not None:
                self.keep((*key, *memory), outcome)
            if self.seen.is_due(section.place, len(section.raw)):
                masks = masks_of(check)
                if masks is not None:
                    self.seen.learn(section.place, masks, len(section.raw))
            return outcome.findings
        notes = check.findings
        notes.assumed += outcome.assumed
        notes.compared_by_layout += outcome.compared_by_layout
        notes.not_judged += outcome.not_judged
        shift = section.offset - outcome.offset
        return [
            finding if finding.offset is None else finding.replace(offset=finding.offset + shift)
            for finding in outcome.findings
        ]

    def keep(self, key: tuple[object, ...], outcome: _Outcome) -> None:
        """Keep in mind what was found."""
        if len(self.outcomes) >= MOST_KEPT:
            self.outcomes.clear()
        self.outcomes[key] = outcome


def _found(check: SectionCheck) -> _Outcome:
    notes = (check.findings.assumed, check.findings.compared_by_layout, check.findings.not_judged)
    before = [len(note) for note in notes]
    findings = check.run()
    return _Outcome(check.section.offset, findings, [note[count:] for note, count in zip(notes, before, strict=True)])
