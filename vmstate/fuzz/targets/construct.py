"""The construct declaration as a second reading of the same description: it must accept the same and read the same."""

from __future__ import annotations

import io
from typing import Any

from vmstate.codec.elements import OddList
from vmstate.codec.records import Records
from vmstate.errors import VMStateError
from vmstate.fuzz.mutate import Mutation
from vmstate.fuzz.subject import SectionSpan, Subject, apply
from vmstate.fuzz.targets import Left
from vmstate.fuzz.targets.decoder import TooLong, place_of, time_limit
from vmstate.fuzz.verdict import ACCEPTED, CRASHED, DIFFERS, HUNG, REFUSED, Verdict
from vmstate.stream.registry import last_part
from vmstate.vmsd.state import is_state, items_of

SECONDS = 20.0
"""Processor seconds for both readings: construct takes some hundred times as long as the codec."""


class ConstructTarget:
    """Reads the payload of the section that was mutated by the codec and by construct, under the seed's facts."""

    name = "construct"

    def __init__(self) -> None:
        self._declared: dict[tuple[Subject, int], Any] = {}

    def settle(self) -> list[Left]:
        """No stream meets what another left."""
        return []

    def close(self) -> None:
        """There is nothing to leave behind."""

    def run(self, subject: Subject, data: bytes, mutations: list[Mutation]) -> Verdict:
        """Compare the two readings of the first section that was changed and that has a description."""
        changed = changed_payload(subject, mutations)
        if changed is None:
            return Verdict(ACCEPTED, "no payload of a described section was changed")
        part, payload = changed
        try:
            with time_limit(SECONDS):
                return self._compare_readings(subject, part, payload)
        except TooLong as error:
            return Verdict(HUNG, f"more than {SECONDS:g} s of processor time", place_of(error.__traceback__))

    def _compare_readings(self, subject: Subject, part: SectionSpan, payload: bytes) -> Verdict:
        from construct import ConstructError

        name = last_part(part.name)
        try:
            declared = self._construct_of(subject, part)
        except VMStateError as error:
            return Verdict(ACCEPTED, f"not compared: {error.message}")
        file = io.BytesIO(payload)
        try:
            theirs = declared.parse_stream(file)
        except ConstructError:
            theirs = None
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            return Verdict(CRASHED, text[:300], f"{name}: construct: {type(error).__name__}")
        accepts = theirs is not None and file.tell() == len(payload)
        try:
            ours = part.vmsd.decode(payload, version_id=part.version_id, facts=part.facts)
        except VMStateError as error:
            if accepts:
                return Verdict(DIFFERS, f"construct accepts what the codec refuses: {error}"[:300], f"{name}: refused")
            return Verdict(REFUSED, str(error)[:300])
        if not accepts:
            return Verdict(DIFFERS, "the codec accepts what construct refuses", f"{name}: accepted")
        if plain(theirs) != plain(ours):
            return Verdict(DIFFERS, "the two read other values", f"{name}: values")
        return Verdict(ACCEPTED)

    def _construct_of(self, subject: Subject, part: SectionSpan) -> Any:
        key = (subject, part.number)
        if key not in self._declared:
            self._declared[key] = part.vmsd.as_construct(version_id=part.version_id, facts=part.facts)
        return self._declared[key]


def changed_payload(subject: Subject, mutations: list[Mutation]) -> tuple[SectionSpan, bytes] | None:
    """The first section whose payload mutations change, and its payload as they leave it."""
    for part in subject.parts:
        edits = [
            (start - part.payload, stop - part.payload, new)
            for mutation in mutations
            for start, stop, new in mutation.edits
            if part.payload <= start and stop <= part.footer
        ]
        if edits and part.vmsd is not None:
            return part, apply(subject.data[part.payload : part.footer], edits)
    return None


def plain(value: Any) -> Any:
    """A state, or what construct makes of it, as plain dicts and lists."""
    if is_state(value):
        return {name: plain(item) for name, item in items_of(value)}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if not name.startswith("_")}
    if isinstance(value, (list, tuple, Records, OddList)):
        return [plain(item) for item in value]
    return value
