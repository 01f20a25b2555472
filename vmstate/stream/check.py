"""What QEMU would refuse, or change, when it loads a state: the rules declared beside the fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vmstate.errors import DescriptionError, VMStateError
from vmstate.stream.registry import shipped_descriptions
from vmstate.stream.stream import Section, Stream
from vmstate.stream.verify import Finding
from vmstate.vmsd.description import Rule, VMStateDescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.state import VMState

if TYPE_CHECKING:
    from vmstate.stream.destination import KnownDestination


def check(subject: Stream | Section | Any, destination: KnownDestination | None = None) -> list[Finding]:
    """The rules of QEMU's that a stream, a section or the state of a declared class breaks.

    Rules that need what only the destination knows are left out where no fact tells it. With a `destination` a whole
    stream (or its bytes, which need not decode) is held against that: an error stands for a load that it refuses.
    """
    if destination is not None:
        return destination.check(subject.to_bytes() if isinstance(subject, Stream) else subject)
    if isinstance(subject, Stream):
        return [finding for section in subject.sections for finding in check(section)]
    if isinstance(subject, Section):
        if subject.problem is not None:
            return _why_not_opened(subject)
        if subject.vmsd is None:
            return []
        return _findings(subject.vmsd, subject.state, subject.version_id, subject.name, subject.offset)
    if isinstance(subject, VMState):
        return _findings(type(subject).vmsd, subject, None, None, None)
    raise DescriptionError(f"nothing describes a {type(subject).__name__}: check the section it is of")


def _findings(
    vmsd: VMStateDescription, state: Any, version_id: int | None, section: str | None, offset: int | None
) -> list[Finding]:
    broken = vmsd.codec.check(state, version_id=version_id, facts=None)
    return [Finding(one.rule, "note" if one.mended else "error", section, one.path, offset, one.text) for one in broken]


def _why_not_opened(section: Section) -> list[Finding]:
    """The rule that kept the library from opening a section, where it was one and not a layout that is not known."""
    payload = section.payload()
    for vmsd in shipped_descriptions(section.name):
        try:
            vmsd.decode(payload, version_id=section.version_id, facts={IDSTR.name: section.name})
        except VMStateError as error:
            for rule in _rules(vmsd):
                if error.message == f"{rule.id}: {rule.text}":
                    offset = section.payload_offset + (error.offset or 0)
                    return [Finding(rule.id, "error", section.name, error.path, offset, rule.text)]
    return []


def _rules(vmsd: VMStateDescription) -> Iterator[Rule]:
    for part in vmsd.walk():
        yield from part.rules
        for field in part.fields:
            yield from field.rules
