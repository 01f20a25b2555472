"""The one evaluator: which rules of QEMU's a state breaks, and which nobody can judge by what is told.

`check`, `set`, `explain` and `KnownDestination` call it. Encoding and `load_state`, which look at rules one by one
while they go through a state, judge each of them by the same function, `vmstate.vmsd.rule.judge`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from vmstate.codec.asked import Place, Sought, judge, place_in
from vmstate.errors import VMStateError
from vmstate.query.ask import AskedSection, LibrarySection
from vmstate.stream.stream import Section
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import UNKNOWN, Fact
from vmstate.vmsd.path import format_path, resolve, value_or_none
from vmstate.vmsd.release import Release
from vmstate.vmsd.rule import Broken
from vmstate.vmsd.state import facts_of
from vmstate.vmsd.walk import described_states

ENCODE = "encode"
"""The id of what no stream can hold: a value that cannot be written."""


def broken(
    vmsd: VMStateDescription,
    state: Any,
    *,
    version: int | None = None,
    own: Any = None,
    facts: Mapping[str, Any] | None = None,
) -> Iterator[Broken]:
    """The rules that a state of a description breaks, and those that are not judged (`Broken.why_not_judged`).

    `version` is that of the section (default: the one it was read at). `own` is the destination's own state of the
    same section, `facts` what else is known of the destination by name: "qemu_release", "guest_memory",
    "virtio_host_features", ... A value that cannot be written at all is the last, of a rule called "encode".
    """
    yield from judge(vmsd, state, version_id=version, facts=facts, own=own)


@cache
def unsent_facts(vmsd: VMStateDescription) -> Mapping[str, Any]:
    """The facts that are known of a destination whose own section has not got what they decide, by name."""
    expressions = [expr for part in vmsd.walk() for field in part.fields for expr in field.expressions()]
    facts = (part for expr in expressions for part in expr.walk() if isinstance(part, Fact))
    return {fact.name: fact.unsent for fact in facts if fact.unsent is not UNKNOWN}


class AsKnown:
    """A section as the device library reads it, or where it does not, as its own vmdesc does."""

    def __init__(
        self, section: Section, subject: AskedSection, vmsd: VMStateDescription | None, *, known: bool
    ) -> None:
        self.section = section
        self.subject = subject
        self.vmsd = vmsd
        self.known = known

    @property
    def facts(self) -> dict[str, Any]:
        """The facts under which it reads."""
        return dict(facts_of(self.subject.state)) if self.known else {}

    def value(self, path: str) -> Any:
        """The value at a path; None where there is none."""
        return value_or_none(self.subject.state, path)

    @property
    def trace(self) -> Any:
        """Path -> (absolute offset, size, field)."""
        return self.subject.trace

    def place(self, path: str | None) -> int:
        """Where a value stands in the stream; for one that is not in a state, the section."""
        place = None if path is None else self.span(path)
        return self.section.offset if place is None else place.start

    def span(self, path: str) -> range | None:
        """The bytes of the stream in which the value at a path stands; None where there is none."""
        with suppress(VMStateError):
            place = self._found(Sought(resolve(self.subject.state, path)[0]))
            if place is not None:
                return range(place.offset + self.section.payload_offset, place.end + self.section.payload_offset)
        return None

    def _found(self, sought: Sought) -> Place | None:
        if self.vmsd is None:
            return None
        return place_in(self.vmsd, self.subject.state, sought, version_id=self.section.version_id)

    def structs(self) -> Iterator[tuple[str, VMStateDescription, Any]]:
        """(path, description, state) of the state and the structs in it."""
        for steps, vmsd, state in described_states(self.vmsd, self.subject.state):
            yield format_path(steps), vmsd, state

    def path_of_fact(self, name: str) -> str | None:
        """The first field whose presence, number or size a fact decides."""
        found = self._found(Sought(fact=name))
        return None if found is None else format_path(found.steps)

    def advice_of_fact(self, name: str, value: Any, local: Any = None, release: Release | None = None) -> str | None:
        """With which option a destination gets a value of a fact; None where the description does not say.

        A destination of a `release` without that option stays with its own value, `local`: then the source gets that.
        """
        for vmsd in () if self.vmsd is None else self.vmsd.walk():
            asked = [*(expr for field in vmsd.fields for expr in field.expressions())]
            asked += [sub.needed for sub in vmsd.subsections if sub.needed is not None]
            for part in (part for expr in asked for part in expr.walk()):
                if isinstance(part, Fact) and part.name == name and part.advice is not None:
                    is_too_old = release is not None and part.since is not None and release < part.since
                    wanted = local if is_too_old else value
                    advice = part.advice if isinstance(part.advice, str) else part.advice.get(wanted)
                    if advice is not None and is_too_old:
                        advice = f"{advice.replace('destination', 'source')}: QEMU {release} has no such option"
                    return None if advice is None else advice.replace("{value}", str(wanted))
        return None


def read_as_known(section: Section) -> AsKnown:
    """A section, read by the library where that knows it."""
    if section.described_by == "library":
        return AsKnown(section, AskedSection(section), section.vmsd, known=True)
    with suppress(VMStateError):
        subject = LibrarySection(section)
        vmsd = subject.decoded[1]
        return AsKnown(section, subject, vmsd, known=True)
    return AsKnown(section, AskedSection(section), section.vmsd, known=False)
