"""What `explain` has found in sections of many streams, for one destination: the same bytes need no second look."""

from __future__ import annotations

from vmstate.compare.explained import Explained
from vmstate.compare.indifferent import masks_of, masks_unjudged
from vmstate.compare.section import SectionCheck
from vmstate.stream.seen import Seen, SeenSection, key_of_memory
from vmstate.stream.stream import Section, Stream

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
        self.alone = 0
        """How many sections with keys were held against the destination that do not hold all that was looked at."""
        self.places: set[bytes] = set()
        """What is said beside their bytes of sections that were held against the destination."""

    def run(self, check: SectionCheck) -> list[Explained]:
        """What `check.run()` gives."""
        section, sides = check.section, check.sides
        if not isinstance(section, SeenSection) or section.keys is None or sides.versions:
            return check.run()
        keys = section.keys
        if len(self.places) >= MOST_KEPT:
            self.places.clear()
        self.places.add(keys.place)
        if not keys.is_judged:
            self.looked_into(section)
            return check.run()
        own = self.own.get(id(check.counterpart))
        if own is None:
            own = self.own[id(check.counterpart)] = bytes(check.counterpart.payload())
        # A destination takes what it would send itself, byte for byte.
        key = (keys.key, section.raw == own, check.findings.name_of(section))
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
            length, answers = len(section.raw), key_of_memory(sides.unsent_memory)
            if self.seen.is_due(keys, length, answers):
                masks = masks_of(check)
                if masks is not None:
                    self.seen.learn(keys.place, length, answers, masks)
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

    def looked_into(self, section: Section) -> None:
        """A section is looked into for one stream alone: what its key holds does not decide what is found."""
        if isinstance(section, SeenSection) and section.keys is not None:
            self.alone += 1

    def learn_rest(self, stream: Stream) -> None:
        """Find out what is looked at in sections that were read and that nothing was held against."""
        for section in stream.sections:
            if not isinstance(section, SeenSection) or section.keys is None or not section.was_read:
                continue
            place, length = section.keys.place, len(section.raw)
            if section.vmsd is None or place in self.places or not self.seen.is_due(section.keys, length, None):
                continue
            masks = masks_unjudged(section)
            if masks is not None:
                self.seen.learn(place, length, None, masks)

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
