"""What only a destination knows of its devices, found out by streams that it refuses and by what it says then.

Of a PCI device it is which bits of its configuration space are compared: each refusal names the first byte that is not
as it should be, and the masks. Of a virtio device it is the features that the host offers: QEMU names them when it
refuses a stream whose driver accepted all. Of a subsection that the reference does not have it is how long it is: one
that is longer or shorter is refused. Of a SCSI disk it is whether it takes over a reservation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from vmstate.fuzz.mutate import grown_subsection
from vmstate.fuzz.source import RandomSource
from vmstate.fuzz.subject import FieldPlace, SectionSpan, Subject
from vmstate.fuzz.verdict import ACCEPTED, REFUSED, Verdict
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import MEMORY, OWN_STATE, RELEASE, Fact

Load = Callable[[bytes], Verdict]

_CONFIG = re.compile(
    r"Bad config data: i=0x([0-9a-f]+) read: [0-9a-f]+ device: ([0-9a-f]+) "
    r"cmask: ([0-9a-f]+) wmask: ([0-9a-f]+) w1cmask: ?([0-9a-f]+)"
)
TRIES = 3
"""How often a QEMU is asked that does not answer."""

_FEATURES = re.compile(r"Allowed features: 0x([0-9a-f]+)")


def learn(load: Load, subject: Subject, part: SectionSpan) -> dict[str, Any]:
    """The facts of one section, as JSON values."""
    facts: dict[str, Any] = {}
    config = next(
        (
            place
            for place in subject.of_kind("buffer")
            if place.number == part.number and place.field is not None and place.field.type.info == "pci config"
        ),
        None,
    )
    for _ in range(TRIES):
        if config is None:
            break
        config_space, mask = _config(load, subject, config)
        # Whose device it is each compares: nothing at all says a QEMU that was slow, or had to be replaced.
        if any(mask):
            facts |= {"pci_config": config_space.hex(), "pci_config_compared": mask.hex()}
            break
    offered = _features(load, subject, part)
    if offered is not None:
        facts["virtio_host_features"] = offered
    return facts | _layouts(load, subject, part) | _abilities(load, subject, part)


def decoded(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts from their JSON values."""
    return {name: bytes.fromhex(value) if isinstance(value, str) else value for name, value in facts.items()}


def _config(load: Load, subject: Subject, place: FieldPlace) -> tuple[bytes, bytes]:
    """The configuration space of the destination's device, and of each byte the bits that it compares."""
    config_space, mask = bytearray(subject.raw(place)), bytearray(place.size)
    at = 0
    while at < place.size:
        # All that is not known yet the other way round: the refusal is about the first of them that is compared.
        tried = config_space[:at] + bytes(byte ^ 0xFF for byte in config_space[at:])
        verdict = load(subject.data[: place.offset] + tried + subject.data[place.end :])
        refusal = _CONFIG.search(verdict.message) if verdict.kind == REFUSED else None
        if refusal is None:
            break
        place_of, device, compared, writable, cleared = (int(number, 16) for number in refusal.groups())
        if place_of < at:
            break
        config_space[place_of] = device
        mask[place_of] = compared & ~writable & ~cleared & 0xFF
        at = place_of + 1
    return bytes(config_space), bytes(mask)


def _features(load: Load, subject: Subject, part: SectionSpan) -> int | None:
    """The features that the destination offers; None where the device is none of virtio, or does not say."""
    place = subject.at(part.number, "virtio.virtio.features64.guest_features")
    if place is None:
        return None
    verdict = load(subject.data[: place.offset] + b"\xff" * 8 + subject.data[place.end :])
    allowed = _FEATURES.search(verdict.message)
    return int(allowed.group(1), 16) if allowed else None


def _layouts(load: Load, subject: Subject, part: SectionSpan) -> dict[str, Any]:
    """What decides how the subsections are laid out that the section has not: the first value that is taken."""
    vmsd: VMStateDescription | None = part.vmsd
    facts: dict[str, Any] = {}
    for sub in () if vmsd is None else vmsd.subsections:
        open_facts = {fact.name: fact for fact in _facts_of(sub.vmsd) if fact.name not in {**part.facts, **facts}}
        if len(open_facts) != 1:
            continue
        (fact,) = open_facts.values()
        for value in fact.candidates:
            added = grown_subsection(sub.vmsd, RandomSource(0), {**part.facts, **facts, fact.name: value})
            if added is not None and _takes(load, subject, part, added):
                facts[fact.name] = value
                break
    return facts


def _facts_of(vmsd: VMStateDescription) -> Iterator[Fact]:
    """The facts that decide a layout and that no byte tells."""
    for inner in vmsd.walk():
        for field in inner.fields:
            for expr in field.expressions():
                yield from (
                    asked
                    for asked in expr.walk()
                    if isinstance(asked, Fact) and asked.candidates and asked.derived is None
                )


def _abilities(load: Load, subject: Subject, part: SectionSpan) -> dict[str, Any]:
    """What the destination can do that a rule of a subsection asks for, which the section has not: yes or no."""
    vmsd: VMStateDescription | None = part.vmsd
    facts: dict[str, Any] = {}
    for sub in () if vmsd is None else vmsd.subsections:
        for needs in (rule.needs - {RELEASE.name, OWN_STATE.name, MEMORY.name} for rule in sub.vmsd.rules):
            added = grown_subsection(sub.vmsd, RandomSource(0), dict(part.facts)) if len(needs) == 1 else None
            if added is not None:
                facts |= dict.fromkeys(needs, _takes(load, subject, part, added))
    return facts


def _takes(load: Load, subject: Subject, part: SectionSpan, added: bytes) -> bool:
    """Whether the destination takes a section with a subsection more."""
    return load(subject.data[: part.footer] + added + subject.data[part.footer :]).kind == ACCEPTED
