"""Every rule of the library, and for each a generated pair: the state of a source that breaks it, and a destination's.

The pair is found by trying: a state is grown from the description, one value that the rule reads is changed, in the
state or in the destination's, until the evaluator says that the rule is broken. The evaluator and this share the
`Rule`, so what a rule means is not shown by it: that takes the answers of a real QEMU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from vmstate.errors import VMStateError
from vmstate.fuzz.compose import minimal, on_a_bus, section_bytes
from vmstate.fuzz.grow import Grower
from vmstate.fuzz.source import RandomSource
from vmstate.rules.evaluate import broken
from vmstate.stream.events import SectionHeader
from vmstate.stream.registry import all_descriptions, known_names
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR, MEMORY, OWN_STATE, RELEASE, Const, Own, Ref
from vmstate.vmsd.path import Steps, format_path, resolve
from vmstate.vmsd.release import Release
from vmstate.vmsd.rule import ALLOCATED, KNOWN_SINCE, VALUE_EQUAL, Rule
from vmstate.vmsd.state import facts_of, version_of
from vmstate.vmsd.walk import described_states

SEEDS = 8
"""States that are grown for a rule, at most."""


ALIGNED = 6
"""Times that a destination is made like the source but for one rule."""


class Place(NamedTuple):
    """A rule where it hangs: the name of the struct, the attribute of the field (None: the class), the rule."""

    struct: str
    attribute: str | None
    rule: Rule
    devices: list[tuple[str, VMStateDescription]]

    @property
    def key(self) -> str:
        """What names it in the tests and in the recorded answers."""
        return f"{self.rule.id}@{self.struct}" + (f".{self.attribute}" if self.attribute else "")


class Pair(NamedTuple):
    """A state that breaks a rule, the destination's own, and what is told of the destination.

    `changed` is the path of the value that was changed and the new value; None where the destination is changed.
    """

    idstr: str
    vmsd: VMStateDescription
    state: Any
    own: Any
    facts: dict[str, Any]
    path: str | None
    changed: tuple[str, Any] | None

    def stream(self, state: Any) -> bytes:
        """A stream with one section, of a state."""
        version = version_of(state)
        header = SectionHeader("full", 1, self.idstr, 0, self.vmsd.version_id if version is None else version, 0)
        return minimal(section_bytes(header, self.vmsd, state))


class NoMemory:
    """Guest memory that has nothing anywhere."""

    def has(self, address: int, size: int) -> bool:
        return False

    def read(self, address: int, size: int) -> bytes:
        return bytes(size)

    def ranges(self) -> tuple[()]:
        return ()


def all_places() -> list[Place]:
    """Every rule of the shipped library."""
    places: dict[object, Place] = {}
    for name in known_names():
        for vmsd in all_descriptions(name):
            if vmsd.unmigratable:
                continue
            for part in vmsd.walk():
                hung = [(field.attribute, rule) for field in part.fields for rule in field.checks]
                hung += [(None, rule) for rule in part.rules]  # type: ignore[misc]
                for attribute, rule in hung:
                    # One that a class inherits, or that a variant repeats, is the same rule.
                    shared = (
                        (part.name, attribute, rule.id) if rule.id in (VALUE_EQUAL, KNOWN_SINCE, ALLOCATED) else rule.id
                    )
                    place = places.setdefault(shared, Place(part.name, attribute, rule, []))
                    if part.name == place.struct and (name, vmsd) not in place.devices:
                        place.devices.append((name, vmsd))
    return sorted(places.values(), key=lambda place: place.key)


def pair_of(place: Place) -> Pair | None:
    """A pair that breaks a rule; None where none was found.

    If need be one whose bytes can be read in two ways: some devices are always such where nobody tells the facts.
    """
    ambiguous: Pair | None = None
    for seed in range(SEEDS):
        for pair in _pairs(place, seed):
            if _is_read_alone(pair):
                return aligned(place, pair)
            ambiguous = ambiguous or pair
    return None if ambiguous is None else aligned(place, ambiguous)


def _pairs(place: Place, seed: int) -> Iterator[Pair]:
    for name, vmsd in place.devices[:3]:
        idstr = on_a_bus(name)
        with suppress(VMStateError):
            state = Grower(vmsd, RandomSource(seed), {IDSTR.name: idstr}).grow()
            if OWN_STATE.name in place.rule.needs:
                local_grower = Grower(vmsd, RandomSource(seed + SEEDS), facts_of(state) | {IDSTR.name: idstr})
                pair = _broken_beside(place, idstr, vmsd, state, local_grower.grow(version_of(state)))
                if pair is not None:
                    yield pair
            for steps, part, _ in described_states(vmsd, state):
                if part.name == place.struct:
                    pair = _broken_at(place, idstr, vmsd, state, steps)
                    if pair is not None:
                        yield pair


def _is_read_alone(pair: Pair) -> bool:
    try:
        pair.vmsd.decode(pair.vmsd.encode(pair.state, force=True), version_id=version_of(pair.state))
    except VMStateError:
        return False
    return True


def _broken_at(place: Place, idstr: str, vmsd: VMStateDescription, state: Any, steps: Steps) -> Pair | None:
    raw = vmsd.encode(state)
    version, facts = version_of(state), {**facts_of(state), IDSTR.name: idstr}

    def copy() -> Any:
        return vmsd.decode(raw, version_id=version, facts=facts)

    for told in _told(place.rule):
        for side, path, value in [(None, None, None), *_changes(place.rule, state, steps)]:
            source, local = copy(), copy()
            changed = None
            if path is not None:
                with suppress(VMStateError, AttributeError, TypeError, KeyError, IndexError):
                    _put(source if side == "source" else local, path, value)
                if side == "source":
                    changed = (format_path(path), value)
            for result in broken(vmsd, source, version=version, own=local, facts={**facts, **told}):
                if result.rule.id == place.rule.id and result.is_judged and _is_at(result.path, place, steps):
                    with suppress(VMStateError):
                        written = vmsd.encode(source, force=True)
                        vmsd.decode(written, version_id=version, facts=facts)
                        vmsd.encode(local)
                        return Pair(idstr, vmsd, source, local, told, result.path, changed)
    return None


def _broken_beside(place: Place, idstr: str, vmsd: VMStateDescription, state: Any, local: Any) -> Pair | None:
    """The pair of two states that were grown by themselves, where the one breaks the rule beside the other."""
    facts = {**facts_of(state), IDSTR.name: idstr}
    for told in _told(place.rule):
        for result in broken(vmsd, state, version=version_of(state), own=local, facts={**facts, **told}):
            if result.rule.id == place.rule.id and result.is_judged:
                return Pair(idstr, vmsd, state, local, told, result.path, None)
    return None


def aligned(place: Place, pair: Pair) -> Pair:
    """The pair with as few other rules broken as can be: there the destination has what the source has, or both have 0.

    The pair as it was where that cannot be written, or no longer breaks the rule.
    """
    vmsd, version, facts = pair.vmsd, version_of(pair.state), {**facts_of(pair.state), IDSTR.name: pair.idstr}
    try:
        state = vmsd.decode(vmsd.encode(pair.state, force=True), version_id=version, facts=facts)
        known = {**facts_of(pair.own), IDSTR.name: pair.idstr}
        local = vmsd.decode(vmsd.encode(pair.own), version_id=version_of(pair.own), facts=known)
    except VMStateError:
        return pair
    for attempt in range(ALIGNED):
        results = [*broken(vmsd, state, version=version, own=local, facts={**facts, **pair.facts})]
        paths = [result.path for result in results if result.is_judged and result.path not in (pair.path, None)]
        if not paths:
            break
        for differing in paths:
            with suppress(VMStateError, AttributeError, TypeError, KeyError, IndexError):
                steps, value = resolve(state, differing)
                if attempt and isinstance(value, int):
                    value = 0
                    _put(state, steps, value)
                _put(local, steps, value)
    with suppress(VMStateError):
        vmsd.decode(vmsd.encode(state, force=True), version_id=version, facts=facts)
        vmsd.decode(vmsd.encode(local), version_id=version_of(pair.own), facts=known)
        for result in broken(vmsd, state, version=version, own=local, facts={**facts, **pair.facts}):
            if (result.rule.id, result.path) == (place.rule.id, pair.path) and result.is_judged:
                return pair._replace(state=state, own=local)
    return pair


def other_references(pair: Pair) -> Iterator[Any]:
    """States of the destination that are not the source's, grown anew: what is as it was is not looked at."""
    facts = facts_of(pair.state) | {IDSTR.name: pair.idstr}
    for seed in range(SEEDS):
        with suppress(VMStateError):
            yield Grower(pair.vmsd, RandomSource(100 + seed), facts).grow(version_of(pair.state))


def _is_at(path: str | None, place: Place, steps: Steps) -> bool:
    inner = (*steps, place.attribute) if place.attribute is not None else steps
    return (path or "") == format_path(inner)


def _told(rule: Rule) -> Iterator[dict[str, Any]]:
    """What can be told of a destination, as far as a rule asks for it."""
    releases = [None]
    if RELEASE.name in rule.needs:
        releases = [Release(0, 1), Release(99, 0)]  # type: ignore[list-item]
    for release in releases:
        told: dict[str, Any] = {} if release is None else {RELEASE.name: release}
        if MEMORY.name in rule.needs:
            told[MEMORY.name] = NoMemory()
        if "virtio_host_features" in rule.needs:
            told["virtio_host_features"] = 0
        if "pci_config" in rule.needs:
            told |= {"pci_config": b"\xff" * 4096, "pci_config_compared": b"\xff" * 4096}
        yield told


def _changes(rule: Rule, state: Any, steps: Steps) -> Iterator[tuple[str, Steps, Any]]:
    """(side, steps, value) of changes to the values that a rule reads, on either side."""
    numbers = {0, 1, 0x20, 0x4000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF}
    for part in rule.holds.walk():
        if isinstance(part, Const) and isinstance(part.constant, int) and not isinstance(part.constant, bool):
            numbers |= {part.constant, part.constant + 1, part.constant - 1}
    for part in rule.holds.walk():
        if isinstance(part, Ref):
            base = {"this": steps, "up": steps[:-1], "up.up": steps[:-2]}.get(part.base_)
            if base is None or not part.names_:
                continue
            while base and isinstance(base[-1], int) and part.base_ != "this":
                base = base[:-1]
            path = (*base, *part.names_)
            yield from (("source", *change) for change in _values(state, path, numbers))
        elif isinstance(part, Own):
            yield from (("own", *change) for change in _values(state, (*steps, *part.names_), numbers))


def _values(state: Any, path: Steps, numbers: set[int]) -> Iterator[tuple[Steps, Any]]:
    """(steps, value) of other values at a path; what is in a list or a struct is changed there."""
    value = state
    for step in path:
        try:
            value = value[step] if isinstance(step, int) or isinstance(value, dict) else getattr(value, step)
        except (AttributeError, KeyError, IndexError, TypeError):
            return
    if isinstance(value, bool):
        yield path, not value
    elif isinstance(value, int):
        for number in sorted({*numbers, value - 1, value + 1}):
            yield path, number
    elif isinstance(value, (bytes, bytearray)) and value:
        for at in sorted({0, len(value) // 2, len(value) - 1}):
            yield path, bytes(value[:at]) + bytes((value[at] ^ 0x41,)) + bytes(value[at + 1 :])
    elif isinstance(value, list):
        if value and isinstance(value[0], int):
            for number in (2, 0, value[0] ^ 1):
                yield (*path, 0), number
            yield path, value[:-1]
        yield path, [*value, *value[:1]] if value else [0]
        for index, inner in enumerate(value[:2]):
            for attribute in getattr(type(inner), "__slots__", ())[:12]:
                if not attribute.startswith("_"):
                    yield from _values(state, (*path, index, attribute), numbers)


def _put(state: Any, steps: Steps, value: Any) -> None:
    for step in steps[:-1]:
        state = state[step] if isinstance(step, int) or isinstance(state, dict) else getattr(state, step)
    if isinstance(steps[-1], int) or isinstance(state, dict):
        state[steps[-1]] = value
    else:
        setattr(state, steps[-1], value)
