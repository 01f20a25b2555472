"""What QEMU would refuse, or change, when it loads a state: the rules declared beside the fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vmstate.errors import DescriptionError, VMStateError
from vmstate.rules.evaluate import ENCODE, broken, read_as_known
from vmstate.rules.memory import memory_facts
from vmstate.stream.finding import Finding
from vmstate.stream.registry import shipped_descriptions
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.rule import Broken, Rule
from vmstate.vmsd.state import VMState

if TYPE_CHECKING:
    from vmstate.rules.known import KnownDestination

NOT_JUDGED = "not-judged"
"""The severity of a rule that needs what is not told."""


def check(subject: Stream | Section | Any, destination: KnownDestination | None = None) -> list[Finding]:
    """The rules of QEMU's that a stream, a section or the state of a declared class breaks.

    Those over guest memory are judged by that of the stream, as far as it holds it. Rules that need what only the
    destination knows are not judged: `unjudged` lists them. With a `destination` a whole stream (or its bytes, which
    need not decode) is held against that: an error stands for a load that it refuses.
    """
    if destination is not None:
        return destination.check(subject.to_bytes() if isinstance(subject, Stream) else subject)
    return [finding for finding in _findings(subject) if finding.severity != NOT_JUDGED]


def checked_stream(stream: Stream) -> tuple[list[Finding], list[Finding]]:
    """What `check` and `unjudged` say of a stream, by one look at it: (broken, not judged)."""
    findings = list(_findings(stream))
    judged = [finding for finding in findings if finding.severity != NOT_JUDGED]
    return judged, [finding for finding in findings if finding.severity == NOT_JUDGED]


def unjudged(subject: Stream | Section | Any) -> list[Finding]:
    """The rules that `check` can neither call kept nor broken, since they need what only a destination knows."""
    return [finding for finding in _findings(subject) if finding.severity == NOT_JUDGED]


def _findings(subject: Stream | Section | Any) -> Iterator[Finding]:
    if isinstance(subject, Stream):
        facts = memory_facts(subject)
        for section in subject.sections:
            yield from _of_section(section, facts)
    elif isinstance(subject, Section):
        yield from _of_section(subject, {})
    elif isinstance(subject, VMState):
        for result in broken(type(subject).vmsd, subject):
            yield finding_of(result, None, None)
    else:
        raise DescriptionError(f"nothing describes a {type(subject).__name__}: check the section it is of")


def _of_section(section: Section, facts: Mapping[str, Any]) -> Iterator[Finding]:
    if section.problem is not None:
        yield from _why_not_opened(section)
        return
    if section.vmsd is None:
        return
    results = list(broken(section.vmsd, section.state, version=section.version_id, facts=facts))
    if section.described_by != "library" and not any(result.rule.id == ENCODE for result in results):
        # A vmdesc says how a section is laid out, the library what QEMU minds in it.
        known = read_as_known(section)
        if known.known and known.vmsd is not None:
            results = list(broken(known.vmsd, known.subject.state, version=section.version_id, facts=facts))
    for result in results:
        yield finding_of(result, section.name, section.offset)


def finding_of(result: Broken, section: str | None, offset: int | None) -> Finding:
    """What is told of a rule that is broken, or not judged."""
    severity = NOT_JUDGED if not result.is_judged else "note" if result.rule.mended else "error"
    text = result.filled(result.rule.text, section) if result.is_judged else f"not judged: {result.why_not_judged}"
    return Finding(result.rule.id, severity, section, result.path, offset, text)


def _why_not_opened(section: Section) -> list[Finding]:
    """The rule that kept the library from opening a section, where it was one and not a layout that is not known."""
    payload = section.payload()
    for vmsd in shipped_descriptions(section.name):
        try:
            vmsd.decode(payload, version_id=section.version_id, facts={IDSTR.name: section.name})
        except VMStateError as error:
            for rule in all_rules(vmsd):
                if error.message == f"{rule.id}: {rule.text}":
                    offset = section.payload_offset + (error.offset or 0)
                    return [Finding(rule.id, "error", section.name, error.path, offset, rule.text)]
    return []


def all_rules(vmsd: VMStateDescription) -> Iterator[Rule]:
    """Every rule of a description and of what is inside it."""
    for part in vmsd.walk():
        for field in part.fields:
            yield from field.checks
        yield from part.rules
