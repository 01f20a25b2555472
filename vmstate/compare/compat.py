"""Whether what one QEMU saves another can load: `vmstate.compat(a, b)`.

Two schemas are brought to one form, flat wire layouts (vmstate.compare.layout), and these are laid beside each other.
What decides is bytes; names only tell which field is which. A field that is nowhere on the other side, that has another
size, or is only there under a condition, is a finding; where bytes and order are the same it is cosmetic, however
different it is called. After a mismatch the two are aligned again, so that nothing behind it is hidden.

Severity: "breaks" (if a machine has the device, the load fails or goes wrong), "may-break" (under the condition told in
`when`), "cosmetic" (another name for the same bytes).

QEMU's rules of versions, by where a description stands (migration/savevm.c, migration/vmstate.c):

* a section, and a subsection, is read at the version in its header: not above the destination's version_id, not below
  its minimum_version_id;
* a nested struct has no version on the wire: written at the source's own, read at the destination's own;
* VSTRUCT: at the version that the field gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from vmstate.compare.findings import BACKWARD, BREAKS, COSMETIC, FORWARD, MAY_BREAK, SEVERITIES, CompatFinding
from vmstate.compare.layout import NO_ELEMENTS, LayoutSource, Leaf, LeafLayout, Path, StructVersion, SubsectionLayout
from vmstate.compare.schemas import Schema, SectionSchema, library_section, open_schema
from vmstate.errors import VMStateError
from vmstate.saved.opening import StreamLike
from vmstate.stream.registry import is_listed
from vmstate.vmsd.collector import collector_paused

if TYPE_CHECKING:
    from vmstate.stream.stream import Stream

OF_THE_STREAM = frozenset({"configuration", "ram"})
"""Sections that are of no device."""

Direction = Literal["forward", "backward", "both"]
DIRECTIONS: dict[Direction, tuple[str, ...]] = {
    "forward": (FORWARD,),
    "backward": (BACKWARD,),
    "both": (FORWARD, BACKWARD),
}


def is_unlisted(idstr: str) -> bool:
    """Whether no -dump-vmstate text lists such a section, since it is not that of a device class."""
    return idstr in OF_THE_STREAM or not is_listed(idstr)


class Compatibility:
    """What was found: `findings`, in the order of the sections, whatever concerns all of them first."""

    __slots__ = ("a", "b", "findings")

    def __init__(self, a: Schema, b: Schema, findings: list[CompatFinding]) -> None:
        self.a = a
        self.b = b
        self.findings = findings

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.count(severity)} {severity}" for severity in SEVERITIES)
        return f"<Compatibility of {self.a.name} and {self.b.name}: {counts}>"

    def count(self, severity: str) -> int:
        """The number of findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def compatible(self) -> bool:
        """Whether nothing breaks; what may break does not count."""
        return self.count(BREAKS) == 0


def compat(
    a: StreamLike | Stream | Schema,
    b: StreamLike | Stream | Schema,
    *,
    direction: Direction = "forward",
    machine: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Compatibility:
    """Whether what `a` saves `b` can load ("forward"), the other way round ("backward"), or both ("both").

    Each is a `Schema`, a `Stream` or whatever else `open_schema` takes. `machine` is the machine type for QEMU
    binaries; `facts` are told to the conditions of the device library. Raises `VMStateError`.
    """
    if direction not in DIRECTIONS:
        raise VMStateError(f"there is no direction {direction!r}", expected=" or ".join(DIRECTIONS))
    with collector_paused():
        first = open_schema(a, machine=machine, facts=facts)
        second = open_schema(b, machine=machine, facts=facts)
        findings: list[CompatFinding] = []
        for way in DIRECTIONS[direction]:
            source, destination = (first, second) if way == FORWARD else (second, first)
            findings += _Comparison(source, destination, way, facts or {}).run()
    return Compatibility(first, second, findings)


class _Comparison:
    """One direction of a comparison: what the source saves and the destination loads."""

    def __init__(self, source: Schema, destination: Schema, direction: str, facts: Mapping[str, Any]) -> None:
        self.source = source
        self.destination = destination
        self.direction = direction
        self.facts = facts
        self.by_key: dict[str, list[SectionSchema]] = {}
        self.by_idstr: dict[str, list[SectionSchema]] = {}
        self.left: dict[tuple[str, int], list[SectionSchema]] = {}
        for section in destination.sections:
            self.by_key.setdefault(section.key, []).append(section)
            self.by_idstr.setdefault(section.idstr, []).append(section)
        for section in reversed(destination.sections):
            self.left.setdefault((section.key, section.instance_id), []).append(section)

    def run(self) -> list[CompatFinding]:
        """All findings."""
        findings = list(self.machines())
        names: set[str] = set()
        for section in self.source.sections:
            findings += self.section(section)
            names.add(section.idstr)
        return findings

    def finding(
        self,
        rule: str,
        severity: str,
        section: str | None,
        message: str,
        path: str | None = None,
        offset: int | None = None,
        when: str | None = None,
    ) -> CompatFinding:
        """A finding of this direction."""
        return CompatFinding(rule, severity, section, path, offset, message, self.direction, when)

    def machines(self) -> Iterator[CompatFinding]:
        """Whether the machine types are the same, where both sides say one."""
        saving, loading = self.source.machine, self.destination.machine
        if saving is None or loading is None or saving == loading:
            return
        message = f"the machine types differ: {saving} saves, {loading} loads"
        if self.source.is_concrete:
            yield self.finding("machine", BREAKS, None, f"{message}; QEMU refuses a stream of another machine type")
        else:
            when = "the streams name the machine type, as those of machine types from 2.4 on do"
            yield self.finding("machine", MAY_BREAK, None, message, when=when)

    # Sections.

    def section(self, section: SectionSchema) -> list[CompatFinding]:
        """What is found of one section of the source."""
        both = self.source.is_concrete and self.destination.is_concrete
        if not section.sources and both and section.key not in self.by_key:
            return self.missing(section)[1]
        if not section.sources:
            message = "nothing says what is in it: the two cannot be compared"
            return [self.finding("section-not-described", COSMETIC, section.label, message)]
        candidates, findings = self.counterparts(section)
        if not candidates:
            return findings
        best: list[CompatFinding] | None = None
        for candidate in candidates:
            if not candidate.sources:
                message = "the other side does not say what is in it: the two cannot be compared"
                here = [self.finding("section-not-described", COSMETIC, section.label, message)]
                best = here if best is None else best
            for source in section.sources[:1] if not self.is_library(self.source) else section.sources:
                for destination_source in candidate.sources:
                    here = list(self.pair(section, candidate, source, destination_source))
                    if best is None or _counts_by_severity(here) < _counts_by_severity(best):
                        best = here
                    if not best:
                        return findings
        if findings and findings[0].severity == MAY_BREAK and any(finding.severity == BREAKS for finding in best or ()):
            # Another device that happens to use the name: what it saves says nothing about this one.
            return findings
        if any(finding.severity == BREAKS for finding in best or ()) and self.is_another(section, candidates):
            return [self.another(section)]
        return [*findings, *_worst_of_each_id(best or ())]

    def is_another(self, section: SectionSchema, candidates: Sequence[SectionSchema]) -> bool:
        """Whether what the library knows under the name is another device: the CPU of another architecture is one.

        Two layouts of one device, however far apart, have most of the names of the smaller one in common.
        """
        of_library = self.is_library(self.source) or self.is_library(self.destination)
        if not of_library and not all(is_unlisted(candidate.key) for candidate in candidates):
            return False
        saved = [_names_in(source, section.version) for source in section.sources]
        loaded = [_names_in(source, source.version) for candidate in candidates for source in candidate.sources]
        return all(len(left & right) * 2 < min(len(left), len(right)) for left in saved for right in loaded)

    def another(self, section: SectionSchema) -> CompatFinding:
        """The finding of a section of which the library knows but the name."""
        message = "the device library knows another device of this name: the two cannot be compared"
        if self.is_library(self.destination):
            when = "the destination does not know this one"
            return self.finding("section-unknown", MAY_BREAK, section.label, message, when=when)
        return self.finding("section-not-described", COSMETIC, section.label, message)

    @staticmethod
    def is_library(schema: Schema) -> bool:
        """Whether a side can know several layouts of a section."""
        return schema.kind == "library"

    def counterparts(self, section: SectionSchema) -> tuple[list[SectionSchema], list[CompatFinding]]:
        """The sections of the destination that it can be, and what is found while looking."""
        if self.source.has_classes and self.destination.has_classes:
            same = self.by_key.get(section.key)
            if same:
                return same, []
        elif self.source.is_concrete and self.destination.is_concrete:
            same = self.left.get((section.key, section.instance_id))
            if same:
                return [same.pop()], []
        alike = self.by_idstr.get(section.idstr, [])
        if self.source.is_concrete and self.destination.is_concrete:
            alike = []
        if alike:
            if not self.source.has_classes or not self.destination.has_classes:
                known = library_section(section.idstr, self.facts) if is_unlisted(section.idstr) else None
                return [*alike, known] if known is not None else alike, []
            return alike, [self.other_class(section, alike)]
        return self.missing(section)

    def other_class(self, section: SectionSchema, alike: list[SectionSchema]) -> CompatFinding:
        """A device class that is not there, where others save a section of the same idstr."""
        known = {section_schema.key for section_schema in self.source.sections}
        new = sorted(section_schema.key for section_schema in alike if section_schema.key not in known)
        if new:
            message = (
                f"the device class is called {' or '.join(new)} there; on the wire it is {section.idstr!r} on both"
            )
            return self.finding("section-class", COSMETIC, section.label, message)
        names = ", ".join(sorted(section_schema.key for section_schema in alike)[:4])
        message = f"the device class is not there; sections {section.idstr!r} are those of {names}"
        when = f"the machine has a {section.key!r}"
        return self.finding("section-class", MAY_BREAK, section.label, message, when=when)

    def missing(self, section: SectionSchema) -> tuple[list[SectionSchema], list[CompatFinding]]:
        """What a section is that the destination does not know."""
        unlisted = next((idstr for idstr in (section.key, section.idstr) if is_unlisted(idstr)), None)
        if self.destination.kind == "dump" and unlisted is not None:
            known = library_section(unlisted, self.facts)
            message = "no device class has it, so no -dump-vmstate text lists it"
            if known is None:
                message += ": the two cannot be compared"
                return [], [self.finding("section-not-listed", COSMETIC, section.label, message)]
            message += "; compared with what the device library knows"
            return [known], [self.finding("section-not-listed", COSMETIC, section.label, message)]
        if self.destination.kind == "library":
            message = "the device library does not know it"
            return [], [
                self.finding("section-unknown", MAY_BREAK, section.label, message, when="the destination does not")
            ]
        name = f"the destination has no section {section.label if self.source.is_concrete else section.idstr!r}"
        if section.sent:
            return [], [self.finding("section-unknown", BREAKS, section.label, name, offset=section.offset)]
        when = f"the machine has a {section.key!r}"
        return [], [self.finding("section-unknown", MAY_BREAK, section.label, name, when=when)]

    def pair(
        self, section: SectionSchema, counterpart: SectionSchema, source: LayoutSource, destination: LayoutSource
    ) -> Iterator[CompatFinding]:
        """What is found of two layouts of one section."""
        concrete = self.source.is_concrete or self.destination.is_concrete
        if section.idstr != counterpart.idstr and not concrete:
            message = f"the section is {section.idstr!r} on the wire, and {counterpart.idstr!r} for the destination"
            yield self.finding("section-name", BREAKS, section.label, message)
            return
        library = "library" in (self.source.kind, self.destination.kind)
        version = source.version if self.is_library(self.source) else section.version
        reader = counterpart
        if library:
            reader = SectionSchema(
                counterpart.key, counterpart.idstr, 0, destination.version, destination.minimum, (destination,)
            )
        if self.blocks_migration(source, destination):
            message = "the source's description has nothing in it, as that of a device that blocks migration"
            yield self.finding("section-empty", MAY_BREAK, section.label, message, when="the source sends it after all")
            return
        severity = MAY_BREAK if library else BREAKS
        yield from self.versions(section.label, (), version, reader.version, reader.minimum, severity)
        if source.same_as(destination):
            return
        yield from _Pairing(self, section, version, min(version, reader.version)).compare(source, destination)

    def blocks_migration(self, source: LayoutSource, destination: LayoutSource) -> bool:
        """Whether the source alone has the empty description of a device that blocks migration."""
        return source.is_empty and not destination.is_empty

    def versions(
        self,
        section: str,
        steps: Path,
        version: int,
        newest: int,
        minimum: int,
        severity: str,
        when: str | None = None,
    ) -> Iterator[CompatFinding]:
        """Whether a version in a header is one that the destination takes."""
        what = f"subsection {steps[-1]!r}" if steps else "the section"
        path = "/".join(steps) or None
        if version > newest:
            message = f"{what} has version {version}, and the destination knows up to {newest}"
            yield self.finding("version-newer", severity, section, message, path, when=when)
        if version < minimum:
            message = f"{what} has version {version}, and the destination takes none below {minimum}"
            yield self.finding("version-older", severity, section, message, path, when=when)


def _worst_of_each_id(findings: Iterable[CompatFinding]) -> list[CompatFinding]:
    """Of findings with one id, such as those of fields that have one name, the worst."""
    worst: dict[str, CompatFinding] = {}
    for finding in findings:
        before = worst.get(finding.id)
        if before is None or SEVERITIES.index(finding.severity) < SEVERITIES.index(before.severity):
            worst[finding.id] = finding
    return list(worst.values())


def _counts_by_severity(findings: Iterable[CompatFinding]) -> tuple[int, ...]:
    """The better of two comparisons is that with the lower weight."""
    counts = [0, 0, 0]
    for finding in findings:
        counts[SEVERITIES.index(finding.severity)] += 1
    return tuple(counts)


# One layout beside another.


class _Pairing:
    """Two layouts of one section, or of a subsection of it.

    `sent` is True where it is certain that the subsection is sent; else `when` says on what that depends.
    """

    def __init__(
        self,
        comparison: _Comparison,
        section: SectionSchema,
        saved: int,
        loaded: int,
        path: Path = (),
        sent: bool = True,
        when: str | None = None,
    ) -> None:
        self.comparison = comparison
        self.section = section
        self.saved = saved
        self.loaded = loaded
        self.path = path
        self.sent = sent
        self.when = when
        # What is in one stream has no conditions any more: those of the other side are as the stream shows.
        self.concrete = comparison.source.is_concrete, comparison.destination.is_concrete

    def compare(self, source: LayoutSource, destination: LayoutSource) -> Iterator[CompatFinding]:
        """What is found of the two."""
        saved, loaded = source.layout(self.saved), destination.layout(self.loaded)
        if saved.leaves and not loaded.leaves and not self.path:
            message = "the destination's description has nothing in it, and does not read what is sent"
            yield self.finding("field-missing", BREAKS, (), message)
            return
        yield from self.structs(saved, loaded)
        left, right = _as_decided(saved.leaves, loaded), _as_decided(loaded.leaves, saved)
        left, right = _leaves_that_count(left, right, self.concrete)
        offsets = _offsets(left) if not self.path else {}
        told: set[Path] = set()
        shown = self.concrete[0] != self.concrete[1]
        for mine, theirs, alike in _aligned(left, right, any(self.concrete)):
            if alike:
                for before, after in zip(mine, theirs, strict=True):
                    yield from self.leaf(before, after, offsets.get(id(before)), told)
                continue
            if mine and theirs and _same_bytes(mine, theirs):
                yield from self.block((mine, theirs), offsets, told, (saved, loaded))
                continue
            for part in _split(mine, theirs, loosely=shown):
                if shown and not _same_shapes(*part):
                    # A condition that holds for a field of one name need not hold for another of the same name.
                    part = _unconditional(part[0]), _unconditional(part[1])
                yield from self.block(part, offsets, told, (saved, loaded))
        sent = [sub for sub in saved.subsections if (sub.at, sub.name) not in saved.unsent]
        yield from self.subsections(sent, loaded.subsections)

    def finding(
        self, rule: str, severity: str, path: Path, message: str, offset: int | None = None, when: str | None = None
    ) -> CompatFinding:
        """A finding in this layout: what only happens if the subsection is sent may break at most."""
        if not self.sent and severity == BREAKS:
            severity = MAY_BREAK
        conditions = [condition for condition in (self.when, when) if condition] if severity == MAY_BREAK else []
        text = "/".join((*self.path, *path)) or None
        if offset is not None and self.section.offset is not None:
            offset += self.section.offset
        return self.comparison.finding(
            rule, severity, self.section.label, message, text, offset, " and ".join(conditions) or None
        )

    # Structs.

    def structs(self, saved: LeafLayout, loaded: LeafLayout) -> Iterator[CompatFinding]:
        """Names and versions of nested structs: neither is on the wire."""
        for path, before in saved.structs.items():
            for mine, theirs in zip(before, loaded.structs.get(path, ()) if path else (), strict=False):
                yield from self.struct(path, mine, theirs)

    def struct(self, path: Path, mine: StructVersion, theirs: StructVersion) -> Iterator[CompatFinding]:
        """The name and version of one nested struct."""
        if mine.name != theirs.name:
            message = f"{mine.name!r} is called {theirs.name!r} there; the name is not on the wire"
            yield self.finding("struct-name", COSMETIC, path, message)
        if mine.version > theirs.version or mine.version < theirs.minimum:
            message = (
                f"{mine.name!r} is written at version {mine.version} and read at the destination's own, "
                f"{theirs.version}: a nested struct has no version on the wire, only its fields count"
            )
            yield self.finding("struct-version", COSMETIC, path, message)

    # Leaves.

    def leaf(self, before: Leaf, after: Leaf, offset: int | None, told: set[Path]) -> Iterator[CompatFinding]:
        """Two leaves that are at one place; `told` are the conditions that were told already."""
        if before.is_like(after):
            return
        path = before.path
        if _comparable_name(before) != _comparable_name(after):
            called = "is" if before.is_unused or after.is_unused else "is called"
            message = f"{before.name!r} {called} {after.name!r} there: the same bytes"
            yield self.finding("field-renamed", COSMETIC, path, message, offset)
        if before.version > after.version:
            message = f"from version {before.version} on here, from {after.version} there: at this version both have it"
            yield self.finding("field-version", COSMETIC, path, message, offset)
        if _bytes_differ(before, after):
            yield self.size(before, after, offset)
        elif before.single and after.single and (before.count or 1) != (after.count or 1):
            message = f"{_elements_in_words(before)} here, {_elements_in_words(after)} there"
            yield self.finding("field-count", MAY_BREAK, path, message, offset, "it is not an array of that length")
        elif before.kind is not None and after.kind is not None and before.kind != after.kind:
            yield self.kinds(before, after, offset)
        yield from self.conditions(before, after, offset, told)

    def size(self, before: Leaf, after: Leaf, offset: int | None) -> CompatFinding:
        """Two leaves whose bytes differ in number."""
        when = " and ".join(f"{leaf.condition.what} holds" for leaf in (before, after) if leaf.condition is not None)
        severity = MAY_BREAK if when else BREAKS
        if before.size == after.size:
            size = _bytes_in_words(before.size)
            message = f"{_elements_in_words(before)} of {size} here, {_elements_in_words(after)} there"
            return self.finding("field-count", severity, before.path, message, offset, when)
        message = f"{_bytes_in_words(before.size)} here, {after.size} there"
        if not (before.exact and after.exact):
            severity = MAY_BREAK
            when = "it has the size on the wire that it has in the host's memory: a dump says no more than that"
        return self.finding("field-size", severity, before.path, message, offset, when)

    def kinds(self, before: Leaf, after: Leaf, offset: int | None) -> CompatFinding:
        """Two types that have the same bytes."""
        message = f"{before.kind!r} here, {after.kind!r} there: the same bytes, read otherwise"
        if str(after.kind).endswith((" equal", " le")):
            when = "the value is not one that the destination takes"
            return self.finding("field-type", MAY_BREAK, before.path, message, offset, when)
        return self.finding("field-type", COSMETIC, before.path, message, offset)

    def conditions(self, before: Leaf, after: Leaf, offset: int | None, told: set[Path]) -> Iterator[CompatFinding]:
        """A leaf that is always there on one side, and not on the other."""
        if any(self.concrete) or (before.condition is None) == (after.condition is None):
            return
        condition = before.condition or after.condition
        assert condition is not None
        if condition.at in told:
            return
        told.add(condition.at)
        unconditional = after if before.condition is None else before
        called = "" if _comparable_name(before) == _comparable_name(after) else f" as {unconditional.name!r}"
        path = before.path[: len(condition.at)]
        name = repr(before.path[len(path) - 1])
        if before.condition is None:
            message = f"{name} is always sent, and read{called} only where {condition.what} holds"
        else:
            message = f"{name} is sent only where {condition.what} holds, and always read"
        when = f"{condition.what} does not hold"
        yield self.finding("field-condition", MAY_BREAK, path, message, offset, when)

    def block(
        self,
        leaves: tuple[list[Leaf], list[Leaf]],
        offsets: Mapping[int, int],
        told: set[Path],
        layouts: tuple[LeafLayout, LeafLayout],
    ) -> Iterator[CompatFinding]:
        """Leaves of either side between two places where the sides agree."""
        left, right = leaves
        offset = offsets.get(id(left[0])) if left else None
        if left and right:
            if _same_shapes(left, right) or [_comparable_name(leaf) for leaf in left] == [
                _comparable_name(leaf) for leaf in right
            ]:
                for before, after in zip(left, right, strict=True):
                    yield from self.leaf(before, after, offsets.get(id(before)), told)
                return
            same = None if _is_of_unknown_size(left, right) else _same_bytes(left, right)
            if same is not False:
                message = f"{_names(left)} here, {_names(right)} there: "
                if same:
                    message += f"the same {_bytes_in_words(_total_bytes(right) or _total_bytes(left))}"
                    yield self.finding("field-recut", COSMETIC, left[0].path, message, offset)
                else:
                    message += "of an array the dump does not say the length"
                    when = "they are not as many bytes"
                    yield self.finding("field-recut", MAY_BREAK, left[0].path, message, offset, when)
                return
        shifts = self.concrete == (True, False) and left and not right
        in_place = _in_place_of(left, *layouts) if shifts else None
        for path, group in _by_missing_struct(left, layouts[1]):
            text = "is sent, and the destination does not read it"
            yield self.alone("field-missing", path, group, text, offsets.get(id(group[0])), in_place)
        for path, group in _by_missing_struct(right, layouts[0]):
            yield self.alone("field-new", path, group, "is not sent, and the destination reads it", offset)

    def alone(
        self, rule: str, path: Path, leaves: list[Leaf], text: str, offset: int | None, unless: Leaf | None = None
    ) -> CompatFinding:
        """Fields that only one side has; `unless` may be read in their place."""
        size = _total_bytes(leaves)
        message = f"{path[-1]!r}{f' ({_bytes_in_words(size)})' if size else ''} {text}"
        conditions = dict.fromkeys(f"{leaf.condition.what} holds" for leaf in leaves if leaf.condition is not None)
        certain = any(leaf.condition is None for leaf in leaves)
        when = None if certain else " or ".join(list(conditions)[:3])
        if unless is not None:
            certain, when = False, f"the destination does not read its {unless.name!r} in that place"
        return self.finding(rule, BREAKS if certain else MAY_BREAK, path, message, offset, when)

    # Subsections.

    def subsections(
        self, mine: Sequence[SubsectionLayout], theirs: Sequence[SubsectionLayout]
    ) -> Iterator[CompatFinding]:
        """Every subsection that the source can send, beside the first of that name that the destination knows."""
        named: dict[str, list[SubsectionLayout]] = {}
        for sub in theirs:
            named.setdefault(sub.name, []).append(sub)
        for sub in mine:
            path = (*sub.at, sub.name)
            candidates = [candidate for candidate in named.get(sub.name, ()) if candidate.at == sub.at] or named.get(
                sub.name, []
            )
            if not candidates:
                message = f"the destination does not know subsection {sub.name!r}"
                severity = BREAKS if sub.when is None else MAY_BREAK
                yield self.finding("subsection-unknown", severity, path, message, when=sub.when)
                continue
            if candidates[0].at != sub.at:
                place = "/".join(candidates[0].at) or "the section itself"
                message = f"subsection {sub.name!r} stands in another struct there: {place}"
                yield self.finding("subsection-moved", COSMETIC, path, message)
            if len(candidates) > 1:
                message = (
                    f"{len(candidates)} subsections are called {sub.name!r} there: QEMU reads each of them as the first"
                )
                yield self.finding("subsection-repeated", COSMETIC, path, message)
            yield from self.subsection(sub, candidates[0])

    def subsection(self, sub: SubsectionLayout, counterpart: SubsectionLayout) -> Iterator[CompatFinding]:
        """Two subsections of one name."""
        sent = self.sent and sub.when is None
        when = " and ".join(condition for condition in (self.when, sub.when) if condition) or None
        path = (*self.path, *sub.at, sub.name)
        yield from self.comparison.versions(
            self.section.label,
            path,
            sub.version,
            counterpart.version,
            counterpart.minimum,
            BREAKS if sent else MAY_BREAK,
            when,
        )
        if sub.source.same_as(counterpart.source):
            return
        version = min(sub.version, counterpart.version)
        pairing = _Pairing(self.comparison, self.section, sub.version, version, path, sent, when)
        yield from pairing.compare(sub.source, counterpart.source)


def _comparable_name(leaf: Leaf) -> str:
    """What two leaves are called alike by: the name without the number that QEMU gives to a name that repeats."""
    name = leaf.name
    if leaf.is_unused:
        return "unused"
    if name.endswith("]"):
        stem, _, number = name[:-1].rpartition("[")
        return stem if number.isdigit() else name
    return name


def _names_in(source: LayoutSource, version: int) -> set[str]:
    return {_comparable_name(leaf) for leaf in source.layout(version).leaves}


def _bytes_differ(before: Leaf, after: Leaf) -> bool:
    """Whether two leaves certainly have different numbers of bytes."""
    if before.size is None or after.size is None:
        return False
    if before.size != after.size:
        whole = before.bytes, after.bytes
        return None in whole or whole[0] != whole[1]
    counts = [_elements_in_all(leaf) for leaf in (before, after)]
    return None not in counts and counts[0] != counts[1]


def _elements_in_all(leaf: Leaf) -> int | None:
    total = leaf.count
    for count in leaf.repeats:
        total = None if total is None or count is None else total * count
    return total


def _bytes_in_words(size: int | None) -> str:
    return "1 byte" if size == 1 else f"{size} bytes"


def _elements_in_words(leaf: Leaf) -> str:
    repeats = _elements_in_all(leaf)
    if repeats is None:
        return "one element, or an array whose length is not said,"
    return "1 element" if repeats == 1 else f"{repeats} elements"


def _total_bytes(leaves: Iterable[Leaf]) -> int | None:
    """The bytes of leaves, in one element of what is around them all; None where they are not known."""
    total = 0
    around = {leaf.repeats for leaf in leaves}
    for leaf in leaves:
        leaf_bytes = leaf.element_bytes if len(around) == 1 else leaf.bytes
        if leaf_bytes is None:
            return None
        total += leaf_bytes
    return total


def _same_shapes(left: list[Leaf], right: list[Leaf]) -> bool:
    """Whether two rows are, leaf by leaf, of the same size, or of one that neither side says."""
    return len(left) == len(right) and all(
        left_leaf.size == right_leaf.size and not _bytes_differ(left_leaf, right_leaf)
        for left_leaf, right_leaf in zip(left, right, strict=True)
    )


def _same_bytes(left: list[Leaf], right: list[Leaf]) -> bool | None:
    """Whether rows of leaves hold the same number of bytes; None where arrays of unknown length decide it."""
    if {leaf.condition is None for leaf in left} != {leaf.condition is None for leaf in right}:
        return False
    around = {leaf.repeats for leaf in (*left, *right)}
    if len(around) > 1 and any(None in repeats for repeats in around):
        return False
    totals = [_total_bytes(side) for side in (left, right)]
    if None not in totals:
        return totals[0] == totals[1]
    # A dump of before 8.1 counts no array. Only padding is put in place of something else on purpose.
    if not any(leaf.is_unused for leaf in (*left, *right)):
        return False
    for side, other_total in ((left, totals[1]), (right, totals[0])):
        if other_total is not None and all(leaf.exact for leaf in side):
            least = sum(leaf.size or 0 for leaf in side)
            return True if least == other_total else None if least < other_total else False
    return False


def _is_of_unknown_size(left: list[Leaf], right: list[Leaf]) -> bool:
    """Whether a field that one side alone has stands where another's has one whose size a dump does not say."""
    if len(left) != 1 or len(right) != 1:
        return False
    sizes = {left[0].size, right[0].size}
    return None in sizes and len(sizes) == 2 and left[0].repeats == right[0].repeats


def _in_place_of(left: list[Leaf], saved: LeafLayout, loaded: LeafLayout) -> Leaf | None:
    """The field of the destination, with a condition and as many bytes, that may be read where `left` stands.

    Between the two is one that both have, which is then read a field further on: `lun, drq_state` as `ti_cmd, lun`.
    """
    size = _total_bytes(left)
    place = next((index for index, leaf in enumerate(saved.leaves) if leaf is left[0]), None)
    if size is None or place is None:
        return None
    names = [_comparable_name(leaf) for leaf in saved.leaves]
    before, behind = names[max(0, place - 1) : place], names[place + len(left) : place + len(left) + 1]
    read = [_comparable_name(leaf) for leaf in loaded.leaves]
    for index, leaf in enumerate(loaded.leaves):
        if leaf.condition is None or leaf.size != size or read[index] in names:
            continue
        if (before and before == read[index + 1 : index + 2]) or (behind and behind == read[max(0, index - 1) : index]):
            return leaf
    return None


def _split(left: list[Leaf], right: list[Leaf], *, loosely: bool = False) -> Iterator[tuple[list[Leaf], list[Leaf]]]:
    """A block, cut at leaves whose names end alike: `dma_left` and `mig_dma_left`, `size` and `tx.size`.

    With `loosely` it is enough that a word of the names is the same: `data_in_ready` and `data_ready`.
    """
    if not left or not right or (len(left) == len(right) and not loosely):
        yield left, right
        return
    alike = _share_a_word if loosely else _end_alike
    place = start = 0
    for index, leaf in enumerate(left):
        for index_right in range(place, len(right)):
            same = _comparable_name(leaf) == _comparable_name(right[index_right])
            if same or (alike(leaf, right[index_right]) and _same_shapes([leaf], [right[index_right]])):
                if index > start or index_right > place:
                    yield left[start:index], right[place:index_right]
                yield [leaf], [right[index_right]]
                start, place = index + 1, index_right + 1
                break
    if start < len(left) or place < len(right):
        yield left[start:], right[place:]


def _end_alike(left: Leaf, right: Leaf) -> bool:
    short, long = sorted((left.name, right.name), key=len)
    return long.endswith(short) and (short == long or long[-len(short) - 1] in "._")


def _share_a_word(left: Leaf, right: Leaf) -> bool:
    words = [{word for word in re.split(r"[._\[\]]", leaf.name) if len(word) > 2} for leaf in (left, right)]
    return bool(words[0] & words[1])


def _names(leaves: Sequence[Leaf]) -> str:
    names = ", ".join(repr(leaf.name) for leaf in leaves[:4])
    return f"{names} and {len(leaves) - 4} more" if len(leaves) > 4 else names


_Group = tuple[Path, list[Leaf]]


def _by_missing_struct(leaves: Iterable[Leaf], other_side: LeafLayout) -> list[_Group]:
    """Leaves by the outermost struct around them that the other side does not have, which is told as one."""
    groups: list[_Group] = []
    for leaf in leaves:
        path = leaf.path
        for length in range(1, len(path)):
            if path[:length] not in other_side.structs:
                path = path[:length]
                break
        if groups and groups[-1][0] == path and len(path) < len(leaf.path):
            groups[-1][1].append(leaf)
        else:
            groups.append((path, [leaf]))
    return groups


def _offsets(leaves: Sequence[Leaf]) -> dict[int, int]:
    """Where leaves stand in the section, as far as it is certain."""
    offsets: dict[int, int] = {}
    place = 0
    for leaf in leaves:
        offsets[id(leaf)] = place
        size = leaf.bytes if leaf.condition is None else None
        if size is None or leaf.repeats:
            break
        place += size
    return offsets


def _leaves_that_count(
    left: list[Leaf], right: list[Leaf], concrete: tuple[bool, bool]
) -> tuple[list[Leaf], list[Leaf]]:
    """The leaves that count: a stream shows which conditional fields of the other side cannot be there."""
    if concrete[0] == concrete[1]:
        return left, right
    shown, open_leaves = _without_elements(*((left, right) if concrete[0] else (right, left)))
    shown_by_token: dict[str, list[Leaf]] = {}
    for leaf in shown:
        shown_by_token.setdefault(_comparable_name(leaf), []).append(leaf)
    structs = {leaf.path[:length] for leaf in shown for length in range(1, len(leaf.path))}
    paths = {leaf.path for leaf in shown}
    certain: dict[str, int] = {}
    for leaf in open_leaves:
        if leaf.condition is None:
            certain[_comparable_name(leaf)] = certain.get(_comparable_name(leaf), 0) + 1
    tokens = {_comparable_name(leaf) for leaf in open_leaves}
    unknown = [leaf for leaf in shown if _comparable_name(leaf) not in tokens]
    kept = []
    for leaf in open_leaves:
        alike = shown_by_token.get(_comparable_name(leaf), [])
        if leaf.condition is not None:
            if alike and (
                certain.get(_comparable_name(leaf), 0) >= len(alike)
                or all(_bytes_differ(candidate, leaf) for candidate in alike)
            ):
                continue
            # It may be what is called otherwise here.
            if not alike and not any(
                candidate.size == leaf.size and _share_a_word(candidate, leaf) for candidate in unknown
            ):
                continue
        # Elements of two arrays can have fields of one name, of which the stream shows fewer than the other side has.
        is_more = certain.get(_comparable_name(leaf), 0) > len(alike) and leaf.path not in paths
        if leaf.condition is None and is_more and _is_empty_array(leaf, structs):
            continue
        kept.append(leaf)
    return (shown, kept) if concrete[0] else (kept, shown)


def _without_elements(shown: list[Leaf], open_leaves: list[Leaf]) -> tuple[list[Leaf], list[Leaf]]:
    """Without the lists and arrays of pointers that have no element in a stream, and that the other side opens."""
    empty = {leaf.path for leaf in shown if leaf.kind in NO_ELEMENTS}
    if not empty:
        return shown, open_leaves
    opened = {leaf.path[:length] for leaf in open_leaves for length in range(1, len(leaf.path))} & empty
    filled = {leaf.path[:length] for leaf in shown for length in range(1, len(leaf.path))}
    left = [leaf for leaf in shown if leaf.path not in opened or leaf.kind not in NO_ELEMENTS]
    gone = opened - filled
    kept = [leaf for leaf in open_leaves if not any(leaf.path[:length] in gone for length in range(1, len(leaf.path)))]
    return left, kept


def _is_empty_array(leaf: Leaf, structs: set[Path]) -> bool:
    """Whether a field can be missing in a stream as one of an array without elements; `structs` are those there."""
    if None in leaf.repeats and leaf.path[:-1] not in structs:
        return True
    return leaf.kind is not None and leaf.count is None


def _as_decided(leaves: Iterable[Leaf], beside: LeafLayout) -> list[Leaf]:
    """The leaves, where a condition that has no name here is decided beside: as if it were the same."""
    decided: list[Leaf] = []
    for leaf in leaves:
        holds = None if leaf.condition is None or leaf.condition.is_named else beside.decided.get(leaf.condition.at)
        if holds is None:
            decided.append(leaf)
        elif holds:
            decided.append(leaf.without_condition())
    return decided


def _unconditional(leaves: list[Leaf]) -> list[Leaf]:
    return [leaf for leaf in leaves if leaf.condition is None]


def _aligned(left: list[Leaf], right: list[Leaf], shown: bool) -> Iterator[tuple[list[Leaf], list[Leaf], bool]]:
    """Runs of leaves of either side: those called alike that have the same bytes, and those between.

    Of two fields of one name one is usually an old, conditional one: those with a condition are laid beside each other,
    and those without. Where one side is `shown` by a stream, nothing has a condition there.
    """
    between: tuple[list[Leaf], list[Leaf]] = ([], [])
    for start, stop, begin, end, alike in _matched(left, right, shown):
        mine, theirs = left[start:stop], right[begin:end]
        if not alike:
            between[0].extend(mine)
            between[1].extend(theirs)
            continue
        run = 0
        for index, pair in enumerate(zip(mine, theirs, strict=True)):
            if _bytes_differ(*pair):
                if index > run:
                    if between[0] or between[1]:
                        yield *between, False
                        between = ([], [])
                    yield mine[run:index], theirs[run:index], True
                between[0].append(pair[0])
                between[1].append(pair[1])
                run = index + 1
        if run < len(mine):
            if between[0] or between[1]:
                yield *between, False
                between = ([], [])
            yield mine[run:], theirs[run:], True
    if between[0] or between[1]:
        yield *between, False


def _matched(left: list[Leaf], right: list[Leaf], shown: bool) -> Iterator[tuple[int, int, int, int, bool]]:
    """Ranges of either side, and whether the names in them are the same."""
    tokens = [[_comparable_name(leaf) for leaf in side] for side in (left, right)]
    if not shown:
        tokens = [
            [token if leaf.condition is None else f"{token}?" for token, leaf in zip(names, side, strict=True)]
            for names, side in zip(tokens, (left, right), strict=True)
        ]
    if tokens[0] == tokens[1]:
        yield 0, len(left), 0, len(right), True
        return
    from difflib import SequenceMatcher

    for tag, start, stop, begin, end in SequenceMatcher(None, tokens[0], tokens[1], autojunk=False).get_opcodes():
        yield start, stop, begin, end, tag == "equal"
