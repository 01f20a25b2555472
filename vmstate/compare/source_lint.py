"""What is wrong with the descriptions of QEMU's source, and what a change of them breaks.

`defects` looks at one tree: what is wrong whatever came before. `changes` holds two against each other: does what the
one sends load in the other. Each finding has a rule (`RULES`) and one of five severities:

* "breaks": what the old one saves the new one refuses or reads wrongly, and mostly the other way round too;
* "backward": only what the new one saves fails in the old one;
* "ask": it depends on what the source does not say in one place: a condition, a default;
* "defect": the description cannot do what it is written for;
* "unpromised": as "breaks", of a device that no machine type with a version has (`vmstate.source.promises`).

A range of commits is judged as a whole: only its two ends are read. Facts of loading from migration/vmstate.c and
migration/savevm.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any

from vmstate.compare.from_source import AS_IN_MEMORY, COUNTED, SIZES
from vmstate.source.compat_lists import list_version
from vmstate.source.linking import MAX_DEPTH, Linked
from vmstate.source.model import CompatEntry, Registration, SourceDescription, SourceField, UnitResult
from vmstate.vmsd.data import Value

BREAKS = "breaks"
BACKWARD = "backward"
ASK = "ask"
DEFECT = "defect"
UNPROMISED = "unpromised"
SEVERITIES = (BREAKS, DEFECT, BACKWARD, ASK, UNPROMISED)

UNTOLD = frozenset(("version_id", "minimum_version_id"))
"""Members of a description without whose values nothing can be said of its versions."""

RULES = {
    "never-sent": (DEFECT, "a field is from a version on that its description does not reach"),
    "no-end": (DEFECT, "an array of fields has no end marker"),
    "member-twice": (DEFECT, "an initialiser has a member more than once, and the last counts"),
    "subsection-name": (DEFECT, "the name of a subsection does not begin with its parent's, so it is never loaded"),
    "minimum-above-version": (DEFECT, "the oldest version that is taken is above the newest"),
    "predicate-object": (
        DEFECT,
        "a function of a description or a field (a condition, a hook) takes what it is given for another struct",
    ),
    "device-object": (
        DEFECT,
        "a device's description has fields of a struct that the device neither is nor begins with",
    ),
    "pointer-mismatch": (DEFECT, "the flags of a field take a pointer for what it points at, or the other way round"),
    "in-itself": (DEFECT, "a description is in itself, as a struct or a subsection, without an end"),
    "version-of-size": (DEFECT, "the version is the size of a struct, which changes with it"),
    "sent-twice": (DEFECT, "what is a section of its own now is still sent inside another, too"),
    "stays-registered": (DEFECT, "what realize registers by hand is not unregistered by unrealize"),
    "memory-conditional": (DEFECT, "what a field points at was always made and is now made under a condition"),
    "rust-differs": (DEFECT, "what a device sends that is written in Rust is not what the same device in C sends"),
    "field-inserted": (BREAKS, "a field is sent that was not, at the same version"),
    "field-removed": (BREAKS, "a field is no longer sent, at the same version"),
    "field-moved": (BREAKS, "a field stands at another place"),
    "field-resized": (BREAKS, "a field has another size or number of elements"),
    "field-type": (ASK, "a field of the same size is read otherwise"),
    "field-condition": (ASK, "a field has another condition"),
    "predicate-changed": (ASK, "the function that says whether something is sent was changed"),
    "struct-version": (BREAKS, "a nested struct has another version, which is not on the wire"),
    "version-lowered": (BREAKS, "the version is below the one that was sent"),
    "version-raised": (BACKWARD, "the version is above what the old one takes"),
    "minimum-raised": (BREAKS, "the version that was sent is no longer taken"),
    "name-changed": (BREAKS, "a description has another name"),
    "subsection-removed": (BREAKS, "a subsection that can be sent is no longer known"),
    "subsection-always": (DEFECT, "a new subsection has no condition: it is sent to those that do not know it, too"),
    "subsection-new": (ASK, "a new subsection: is its .needed false for older machine types?"),
    "priority-changed": (ASK, "a section is sent and loaded at another place in the order"),
    "description-new": (ASK, "a device has a description that had none: older releases do not know the section"),
    "registration-changed": (
        BREAKS,
        "a device's section is registered by hand instead: its instance ids may be others",
    ),
    "section-gone": (BREAKS, "a section that was registered by hand is not any more"),
    "description-removed": (BREAKS, "a device has no description any more"),
    "unmigratable-changed": (ASK, "whether a device can be migrated at all was changed"),
    "compat-not-newest": (BREAKS, "an entry for older machine types is not in the newest list"),
    "compat-removed": (ASK, "an entry for older machine types is gone"),
    "compat-unknown": (BREAKS, "an entry for older machine types is for a device or a property that is not there"),
    "compat-twice": (DEFECT, "a list for older machine types sets the same property of the same device twice"),
    "compat-of-older": (DEFECT, "a machine type takes a list that is for older ones"),
    "machine-without-list": (
        DEFECT,
        "a machine type of an older release takes neither its list nor what newer ones do",
    ),
    "property-default": (BREAKS, "a property has another default, and older machine types do not get the old one"),
    "property-new": (ASK, "a property is new, and what it stands for is on for older machine types, too"),
    "property-removed": (ASK, "a device has no longer a property that a command line or a machine type can set"),
    "machine-field": (BREAKS, "a field of a machine class has another value, and older machine types do not set it"),
    "cpu-feature": (BREAKS, "a CPU model has other features, and older machine types do not get the old ones"),
    "pci-space": (ASK, "what a function puts into configuration space, or lets a guest write there, is another"),
}
"""Severity of each rule, and what it is about."""


class LintFinding(Value):
    """Something that is wrong with a description, or that a change of it does.

    `symbol` is its C name, `name` that on the wire, `field` the field or subsection, if it is one. `path` and `line`
    are in the newer tree where it has the place, else in the older. `direction` is "reverse" for what the newer one
    sends to the older one.
    """

    rule: str
    severity: str
    path: str
    line: int
    symbol: str
    name: str
    field: str | None
    message: str
    direction: str = "forward"

    @property
    def id(self) -> str:
        """What a baseline remembers it by."""
        way = "" if self.direction == "forward" else self.direction
        return ":".join(part for part in (self.rule, self.symbol, self.name, self.field, way) if part)


def _finding(
    rule: str, vmsd: SourceDescription, message: str, line: int = 0, field: str | None = None, severity: str = ""
) -> LintFinding:
    return LintFinding(
        rule, severity or RULES[rule][0], vmsd.path, line or vmsd.line, vmsd.symbol, vmsd.name, field, message
    )


def with_promises(findings: Sequence[LintFinding], promised: frozenset[str] | None) -> list[LintFinding]:
    """The findings; what breaks in a .c file of `hw` or `target` that is not promised is "unpromised".

    `promised` is what `vmstate.source.promises.promised_files` says: where it is None, all is promised.
    """
    made = []
    for finding in findings:
        is_device = finding.path.startswith(("hw/", "target/")) and finding.path.endswith(".c")
        # What is always sent, too, fails in an older release alone.
        is_broken = finding.severity == BREAKS or finding.rule == "subsection-always"
        if promised is not None and is_broken and is_device and finding.path not in promised:
            finding = finding.replace(severity=UNPROMISED)
        made.append(finding)
    return made


# One tree


def defects(linked: Linked) -> list[LintFinding]:
    """What is wrong with the descriptions of a tree by themselves."""
    versions = _versions_asked_for(linked)
    headed = _with_header(linked)
    findings: list[LintFinding] = []
    for unit in linked.tree.units:
        for vmsd in unit.descriptions:
            findings += _defects_of(linked, unit, vmsd, max(vmsd.version, versions.get((vmsd.path, vmsd.symbol), 0)))
            findings += _wrong_predicates(linked, unit, vmsd, vmsd.symbol in headed)
    findings += _wrong_objects(linked)
    findings += _staying(linked)
    return findings


def _is_other(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether a pointer to the one struct cannot be a pointer to the other: neither begins with the other."""
    if not left or not right or "?" in left or "?" in right:
        return False
    return left[0] not in right and right[0] not in left


def _short(name: str) -> str:
    return name.removeprefix("struct ").lstrip("@")


def _wrong_predicates(
    linked: Linked, unit: UnitResult, vmsd: SourceDescription, has_header: bool
) -> Iterator[LintFinding]:
    """Conditions and hooks that take what is sent for another struct."""
    heads = {row[0]: row[1:] for row in unit.heads}
    rows = [(field.exists, field.struct, field.name, field.line) for field in vmsd.fields]
    structs = {field.struct for field in vmsd.fields if field.struct}
    if len(structs) == 1:
        # The .needed of what is only nested is never asked.
        called = (vmsd.needed if has_header else None, *(hook.partition("=")[2] for hook in vmsd.hooks))
        rows += [(name, struct, "", vmsd.line) for struct in structs for name in called]
    for name, struct, field, line in rows:
        function = None if name is None or struct is None else linked.function(name, unit)
        if function is not None and struct is not None and _is_other(function.given, heads.get(struct, ())):
            taken = _short(function.given[0])
            message = f"{name}() reads a {taken}, and is given a {_short(heads[struct][0])}"
            yield _finding("predicate-object", vmsd, message, line, field or None)


def _wrong_objects(linked: Linked) -> Iterator[LintFinding]:
    """Descriptions of devices with fields of something that the device is not."""
    seen: set[tuple[str, ...]] = set()
    for name, (unit, kind) in linked.types.items():
        chosen = linked.description(kind.vmsd, unit) if kind.vmsd else None
        instance = linked.instance_of_type(name)
        if chosen is None or not instance or (chosen[1].path, chosen[1].symbol, instance[0]) in seen:
            continue
        vmsd = chosen[1]
        seen.add((vmsd.path, vmsd.symbol, instance[0]))
        heads = {row[0]: row[1:] for row in chosen[0].heads}
        fields = [field for field in vmsd.fields if _is_other(instance, heads.get(field.struct or "", ()))]
        if fields:
            first = fields[0]
            more = f" and {len(fields) - 1} more" if len(fields) > 1 else ""
            struct = _short(heads[first.struct or ""][0])
            message = f"{first.name!r}{more}: of a {struct}, and the device {name!r} is a {_short(instance[0])}"
            yield _finding("device-object", vmsd, message, first.line, first.name)


def _staying(linked: Linked) -> Iterator[LintFinding]:
    """Sections that stay when their device is taken away."""
    for unit in linked.tree.units:
        for registration in unit.registrations:
            if not registration.kept:
                continue
            chosen = linked.description(registration.vmsd, unit) if registration.vmsd else None
            if registration.vmsd is None or chosen is not None:
                symbol, name = ("", registration.idstr or "") if chosen is None else (chosen[1].symbol, chosen[1].name)
                undone = "unregister_savevm()" if chosen is None else "vmstate_unregister()"
                begun, ended = ("beginning", "end") if chosen is None else ("realize", "unrealize")
                message = f"{registration.function}() on {begun}, and no {undone} of it on {ended}"
                place = (registration.path, registration.line)
                yield LintFinding("stays-registered", DEFECT, *place, symbol, name, None, message)


def _defects_of(linked: Linked, unit: UnitResult, vmsd: SourceDescription, newest: int) -> Iterator[LintFinding]:
    is_told = "version_id" not in vmsd.untold
    for field in vmsd.fields:
        if is_told and field.version > newest and field.exists is None and "VMS_MUST_EXIST" not in field.flags:
            message = f"{field.name!r} is from version {field.version} on, and the description has version {newest}"
            yield _finding("never-sent", vmsd, message, field.line, field.name)
        if field.against is not None and (field.vmsd is None or _has_members(linked, unit, field.vmsd)):
            taken = "what it points at" if field.against == "a pointer" else "a pointer"
            message = f"{field.name!r} is {field.against}, and its flags take it for {taken}"
            yield _finding("pointer-mismatch", vmsd, message, field.line, field.name)
    if vmsd.fields and not vmsd.ended and "fields" not in vmsd.untold:
        yield _finding("no-end", vmsd, "its fields have no end marker", vmsd.fields[-1].line)
    for member in vmsd.twice:
        yield _finding("member-twice", vmsd, f".{member} is given more than once", field=member)
    if vmsd.measured:
        yield _finding("version-of-size", vmsd, f"its {vmsd.measured[0]} is a sizeof")
    if linked.is_in_itself(unit, vmsd):
        yield _finding("in-itself", vmsd, "it is in itself, so that nobody can send it")
    if vmsd.minimum > vmsd.version and not UNTOLD.intersection(vmsd.untold):
        message = f"it takes versions from {vmsd.minimum} on, and sends version {vmsd.version}"
        yield _finding("minimum-above-version", vmsd, message)
    for symbol in vmsd.subsections:
        inner = linked.description(symbol, unit)
        if inner is not None and vmsd.name and not inner[1].name.startswith(vmsd.name):
            message = f"{inner[1].name!r} is a subsection of {vmsd.name!r}, and does not begin with that name"
            yield _finding("subsection-name", vmsd, message, field=inner[1].name)


def _has_members(linked: Linked, unit: UnitResult, symbol: str) -> bool:
    """Whether a nested description is of a struct, and not of a copy that its functions make of a pointer."""
    inner = linked.description(symbol, unit)
    return inner is not None and any(field.struct for field in inner[1].fields)


def _versions_asked_for(linked: Linked) -> dict[tuple[str, str], int]:
    """The highest version at which a VSTRUCT field has a description sent."""
    versions: dict[tuple[str, str], int] = {}
    for unit in linked.tree.units:
        for vmsd in unit.descriptions:
            for field in vmsd.fields:
                if "VMS_VSTRUCT" in field.flags and field.vmsd is not None:
                    inner = linked.description(field.vmsd, unit)
                    if inner is not None:
                        key = (inner[1].path, inner[1].symbol)
                        versions[key] = max(versions.get(key, 0), field.struct_version)
    return versions


# Two trees


def changes(before: Linked, after: Linked) -> list[LintFinding]:
    """What the descriptions of the newer tree break for streams of the older, and the other way round."""
    return [*_Changes(before, after).run()]


class Sent(Value):
    """A field as it is sent at a version; `what` is equal for two that are the same bytes."""

    name: str
    what: tuple[Any, ...]
    size: int | None
    condition: tuple[str, str] | None
    line: int


class _Changes:
    """Two trees held against each other."""

    def __init__(self, before: Linked, after: Linked) -> None:
        self.before = before
        self.after = after
        self.headed = _with_header(before) | _with_header(after)
        """C names of descriptions whose version stands on the wire: sections and subsections."""

    def run(self) -> Iterator[LintFinding]:
        """All findings, by file."""
        old = _by_place(self.before)
        new = _by_place(self.after)
        moved = _by_name(self.before)
        for key, (unit, vmsd) in new.items():
            known = old.get(key)
            if known is None:
                # A file that was renamed; where the old place still has it, this is another of its name.
                known = moved.get((vmsd.symbol, vmsd.name))
                known = None if known is not None and (known[1].path, known[1].symbol) in new else known
            if known is not None and self.before.wire(*known) != self.after.wire(unit, vmsd):
                yield from self.description(*known, unit, vmsd)
            elif known is not None:
                yield from self.marks(known[1], vmsd)
                yield from self.memory(known[1], vmsd)
        yield from self.devices()
        yield from self.registrations()
        yield from self.sent_twice()
        yield from self.lists()

    def description(
        self, old_unit: UnitResult, old: SourceDescription, unit: UnitResult, new: SourceDescription
    ) -> Iterator[LintFinding]:
        """What changed of one description."""
        if old.unmigratable:
            # Nothing was ever sent by it.
            yield from self.marks(old, new)
            return
        headed = new.symbol in self.headed
        if old.name != new.name:
            yield _finding("name-changed", new, f"it was called {old.name!r}, and is {new.name!r}")
        if headed:
            yield from self.versions(old, new)
        if not headed or new.minimum <= old.version:
            # Else nothing of the old one is taken, and its fields do not matter.
            yield from self.fields(old_unit, old, unit, new, headed)
        yield from self.subsections(old_unit, old, unit, new)
        yield from self.marks(old, new)
        yield from self.memory(old, new)
        if self.before.predicate(old.needed) != self.after.predicate(new.needed):
            message = f"its .needed is {new.needed or 'gone'}, and was {old.needed or 'not there'}"
            if old.needed == new.needed:
                message = f"{new.needed}() was changed: is it still true exactly where it was?"
            yield _finding("predicate-changed", new, message)

    def versions(self, old: SourceDescription, new: SourceDescription) -> Iterator[LintFinding]:
        """The versions of a section or a subsection."""
        if UNTOLD.intersection((*old.untold, *new.untold)):
            return
        if new.version < old.version:
            message = f"version {old.version} was sent, and {new.version} is the newest that is taken"
            yield _finding("version-lowered", new, message)
        elif new.version > old.version:
            message = f"version {new.version} is sent, and {old.version} is the newest that the old one takes"
            yield _finding("version-raised", new, message)
        if new.minimum > old.version:
            message = f"version {old.version} was sent, and {new.minimum} is the oldest that is taken"
            yield _finding("minimum-raised", new, message)

    def marks(self, old: SourceDescription, new: SourceDescription) -> Iterator[LintFinding]:
        """What is not on the wire, and matters all the same."""
        if old.priority != new.priority:
            message = f"its priority is {new.priority or 'the usual'}, and was {old.priority or 'the usual'}"
            yield _finding("priority-changed", new, message)
        if old.unmigratable != new.unmigratable:
            message = f"it can {'no longer' if new.unmigratable else 'now'} be migrated"
            yield _finding("unmigratable-changed", new, message)

    def memory(self, old: SourceDescription, new: SourceDescription) -> Iterator[LintFinding]:
        """Fields that point at what is no longer there on every way."""
        if new.needed is not None:
            return
        always = {field.name for field in old.fields if field.memory == "always"}
        for field in new.fields:
            if field.memory == "sometimes" and field.exists is None and field.name in always:
                message = f"what {field.name!r} points at was always made, and is now made under a condition alone"
                yield _finding("memory-conditional", new, message, field.line, field.name)

    # Fields.

    def fields(
        self, old_unit: UnitResult, old: SourceDescription, unit: UnitResult, new: SourceDescription, headed: bool
    ) -> Iterator[LintFinding]:
        """The fields, as the old one sends them and the new one reads them."""
        if "fields" in (*old.untold, *new.untold):
            return
        version = old.version if headed else new.version
        sent = _sent(self.before, old_unit, old, old.version)
        read = _sent(self.after, unit, new, version)
        if _flat(self.before, old_unit, old, old.version) == _flat(self.after, unit, new, version):
            return
        matcher = SequenceMatcher(None, [each.name for each in sent], [each.name for each in read], autojunk=False)
        rows: list[tuple[Sequence[Sent], Sequence[Sent], bool]] = []
        for kind, i1, i2, j1, j2 in matcher.get_opcodes():
            if kind == "equal":
                rows += [([left], [right], True) for left, right in zip(sent[i1:i2], read[j1:j2], strict=True)]
            else:
                rows.append((sent[i1:i2], read[j1:j2], False))
        gone: dict[str, Sent] = {}
        added: dict[str, Sent] = {}
        for is_same, group in groupby(rows, lambda row: row[2] and row[0][0].what == row[1][0].what):
            parts = list(group)
            # A field that is narrower, with padding for the rest beside it, is as many bytes as it was.
            old_ones = [each for part in parts for each in part[0]]
            new_ones = [each for part in parts for each in part[1]]
            as_many = not is_same and not all(part[2] for part in parts) and _same_bytes(old_ones, new_ones)
            for lefts, rights, is_pair in parts:
                if is_pair:
                    for finding in self.field(old, new, lefts[0], rights[0]):
                        yield finding.replace(severity=ASK) if as_many else finding
                elif not as_many and not _same_bytes(lefts, rights):
                    gone.update((each.name, each) for each in lefts)
                    added.update((each.name, each) for each in rights)
        for name, left in gone.items():
            if name in added:
                right = added.pop(name)
                yield _finding("field-moved", new, f"{name!r} stands at another place", right.line, name)
            else:
                yield self.one_sided("field-removed", new, left, "was sent, and is no longer read")
        for name, right in added.items():
            severity = "" if right.condition is None else ASK
            if not headed and new.version != old.version:
                message = (
                    f"read, and was not sent: the version of a struct ({old.version}, now {new.version}) is not sent"
                )
                yield _finding("struct-version", new, f"{name!r} is {message}", right.line, name, severity)
            else:
                yield self.one_sided("field-inserted", new, right, "is read, and was not sent")

    def one_sided(self, rule: str, vmsd: SourceDescription, field: Sent, what: str) -> LintFinding:
        """A field that is only on one side."""
        line = field.line if rule != "field-removed" else vmsd.line
        if field.condition is not None:
            message = (
                f"{field.name!r} {what}, where {field.condition[0]}() says so: is that false for older machine types?"
            )
            return _finding(rule, vmsd, message, line, field.name, ASK)
        return _finding(rule, vmsd, f"{field.name!r} {what}", line, field.name)

    def field(self, old: SourceDescription, vmsd: SourceDescription, left: Sent, right: Sent) -> Iterator[LintFinding]:
        """A field that both have."""
        if left.what != right.what:
            message = f"{left.name!r} was {_shown(left.what)}, and is {_shown(right.what)}"
            # Of two that are written by hand nobody can tell the size here.
            same_size = left.size == right.size and left.what[1:4] == right.what[1:4]
            same_element = left.what[:2] == right.what[:2] and left.what[3] == right.what[3]
            if (
                same_element
                and left.what[5] == right.what[5]
                and left.what[2] is not None
                and right.what[4] is not None
            ):
                # What it counts for streams of the old one is what pre_load, or realize, has set it to.
                message += f": is {right.what[4]} then {left.what[2]}?"
                yield _finding("field-resized", vmsd, message, right.line, left.name, ASK)
            elif left.what[:3] == right.what[:3] and None not in (left.what[3], right.what[3]):
                message += ": is that as many bytes?"
                yield _finding("field-resized", vmsd, message, right.line, left.name, ASK)
            elif left.what[0] != right.what[0] or left.what[1:4] != right.what[1:4]:
                yield _finding("field-type" if same_size else "field-resized", vmsd, message, right.line, left.name)
        if left.condition != right.condition:
            if (left.condition or ("",))[0] == (right.condition or ("",))[0]:
                message = f"{(right.condition or ('',))[0]}(), on which {left.name!r} depends, was changed"
                yield _finding("predicate-changed", vmsd, message, right.line, left.name)
                return
            always = "always sent"
            was, now = (
                f"sent where {each[0]}() says so" if each else always for each in (left.condition, right.condition)
            )
            message = f"{left.name!r} was {was}, and is {now}"
            # A new condition can be true for older machine types. One that is gone was there for some reason, if the
            # description has not got it instead.
            is_sure = old.needed == vmsd.needed and right.condition is None
            severity = BREAKS if is_sure else ASK
            yield _finding("field-condition", vmsd, message, right.line, left.name, severity)

    # Subsections, devices, lists.

    def subsections(
        self, old_unit: UnitResult, old: SourceDescription, unit: UnitResult, new: SourceDescription
    ) -> Iterator[LintFinding]:
        """The subsections by name."""
        was = {
            inner[1].name: inner[1] for each in old.subsections if (inner := self.before.description(each, old_unit))
        }
        now = {inner[1].name: inner[1] for each in new.subsections if (inner := self.after.description(each, unit))}
        for name in was.keys() - now.keys():
            yield _finding("subsection-removed", new, f"the subsection {name!r} is no longer known", field=name)
        for name in now.keys() - was.keys():
            added = now[name]
            function = None if added.needed is None else self.after.function(added.needed, unit)
            if added.needed is None or (function is not None and function.returns == "1"):
                message = f"the subsection {name!r} is always sent, also to what does not know it: it has no condition"
                yield _finding("subsection-always", added, message, field=name)
            else:
                message = (
                    f"the subsection {name!r} is sent where {added.needed}() says so: false for older machine types?"
                )
                yield _finding("subsection-new", added, message, field=name)

    def devices(self) -> Iterator[LintFinding]:
        """Device classes that have got a description or another one, or have lost it."""
        before = {name: (unit, vmsd) for name, unit, vmsd in self.before.devices()}
        after = {name: (unit, vmsd) for name, unit, vmsd in self.after.devices()}
        old = {name: vmsd for name, (_, vmsd) in before.items()}
        new = {name: vmsd for name, (_, vmsd) in after.items()}
        # What is at one place in both was held against itself, and what has its names was moved.
        seen = {(vmsd.symbol, vmsd.symbol) for vmsd in new.values()}
        for name in sorted(old.keys() & new.keys()):
            pair = (old[name].symbol, new[name].symbol)
            if pair not in seen:
                seen.add(pair)
                yield from self.description(*before[name], *after[name])
        gained: dict[str, list[str]] = {}
        lost: dict[tuple[str, str], list[str]] = {}
        registered = self.registered()
        for name in sorted((new.keys() - old.keys()) & self.before.types.keys()):
            gained.setdefault(new[name].symbol, []).append(name)
        for names in gained.values():
            message = f"{', '.join(names[:4])}{' and more' if len(names) > 4 else ''} had no description"
            yield _finding("description-new", new[names[0]], message, field=names[0])
        for name in sorted((old.keys() - new.keys()) & self.after.types.keys()):
            vmsd = old[name]
            if self.after.types[name][1].abstract:
                # No device is of this class itself, and those that are have their own entry here.
                continue
            if self.after.types[name][1].vmsd == vmsd.symbol:
                # It is in itself.
                continue
            by_hand = registered.get((vmsd.symbol, vmsd.name))
            if by_hand is None:
                yield _finding("description-removed", vmsd, f"the device {name!r} has no description", field=name)
            else:
                lost.setdefault((vmsd.symbol, by_hand.function), []).append(name)
        for (_, call), names in lost.items():
            vmsd = old[names[0]]
            message = f"it was registered with its device ({', '.join(names[:4])}), and is by {call}() alone: "
            yield _finding("registration-changed", vmsd, message + "are its name and its instance ids what they were?")

    def registered(self) -> dict[tuple[str, str], Registration]:
        """C name and name of the descriptions that the newer tree registers by hand."""
        known: dict[tuple[str, str], Registration] = {}
        for unit in self.after.tree.units:
            for registration in unit.registrations:
                chosen = self.after.description(registration.vmsd, unit) if registration.vmsd else None
                if chosen is not None:
                    known[chosen[1].symbol, chosen[1].name] = registration
        return known

    def registrations(self) -> Iterator[LintFinding]:
        """Sections that were registered by hand."""
        was, now = _by_hand(self.before), _by_hand(self.after)
        devices: dict[tuple[str, str], str] = {}
        for name, _, vmsd in self.after.devices():
            devices.setdefault((vmsd.symbol, vmsd.name), name)
        before = {(vmsd.symbol, vmsd.name) for _, _, vmsd in self.before.devices()}
        names = {vmsd.name: vmsd for vmsd in self.after.tree.descriptions()}
        for key, call in was.items():
            symbol, name = key
            if key in now:
                old, new = call.version or 0, now[key].version or 0
                if new != old:
                    message = f"version {new} is sent, and {old} was"
                    rule = "version-lowered" if new < old else "version-raised"
                    yield LintFinding(rule, RULES[rule][0], call.path, call.line, call.function, name, None, message)
                continue
            chosen = names.get(name)
            if chosen is None or call.path not in self.after.units:
                # What is gone with its device, or its file.
                continue
            if key in devices and key not in before and call.instance != -1 and call.function != "vmstate_register_any":
                message = f"it was registered by {call.function}(), and is with its device ({devices[key]}): "
                message += "are its name and its instance ids what they were?"
                severity = BREAKS if call.instance is None else ASK
                yield _finding("registration-changed", chosen, message, severity=severity)
            elif symbol and key not in devices and chosen.symbol == symbol:
                yield _finding(
                    "section-gone", chosen, f"it was registered by {call.function}(), and nothing does any more"
                )

    def sent_twice(self) -> Iterator[LintFinding]:
        """Descriptions that become a section of a device, and that what has the device in it still sends."""
        before = {(vmsd.path, vmsd.symbol) for _, _, vmsd in self.before.devices()}
        old, new = _nested(self.before), _nested(self.after)
        for name, unit, vmsd in self.after.devices():
            key = (vmsd.path, vmsd.symbol)
            if key in before or key not in old or key not in new:
                continue
            instance = self.after.instance_of_type(name)
            heads = {row[0]: row[1:] for row in unit.heads}
            if instance and any(heads.get(field.struct or "", ("",))[0] == instance[0] for field in vmsd.fields):
                message = f"it is a section of {name!r} now, and {new[key].name!r} has it in it, too"
                before.add(key)
                yield _finding("sent-twice", vmsd, message)

    def lists(self) -> Iterator[LintFinding]:
        """Lists of properties for older machine types."""
        old, new = compat_entries(self.before), compat_entries(self.after)
        families: dict[str, tuple[int, ...]] = {}
        for name in {entry.list for entry in new.values()} | {entry.list for entry in old.values()}:
            family, version = list_version(name)
            if version:
                families[family] = max(families.get(family, ()), version)
        known_lists = {entry.list for entry in old.values()}
        # One that stood in another list was moved: by who has seen where it belongs.
        moved = {key[1:] for key in old}
        for key in (each for each in new.keys() - old.keys() if each[1:] not in moved):
            entry = new[key]
            family, version = list_version(entry.list)
            if version and version < families[family] and entry.list in known_lists:
                newest = ".".join(map(str, families[family]))
                message = (
                    f"{entry.driver}.{entry.property}={entry.value} is new in {entry.list}, and {newest} is the newest"
                )
                yield of_entry("compat-not-newest", entry, message)
        for key in old.keys() - new.keys():
            entry = old[key]
            if any(each.list == entry.list for each in new.values()):
                message = f"{entry.driver}.{entry.property}={entry.value} is gone from {entry.list}"
                yield of_entry("compat-removed", entry, message)


def _by_hand(linked: Linked) -> dict[tuple[str, str], Registration]:
    """C name of the description ("" where functions alone write the section) and name -> what registers it."""
    known: dict[tuple[str, str], Registration] = {}
    for unit in linked.tree.units:
        for call in unit.registrations:
            chosen = linked.description(call.vmsd, unit) if call.vmsd else None
            if chosen is not None:
                known.setdefault((chosen[1].symbol, chosen[1].name), call)
            elif call.idstr and call.version is not None:
                known.setdefault(("", call.idstr), call)
    return known


def _nested(linked: Linked) -> dict[tuple[str, str], SourceDescription]:
    """Path and C name of what is a struct in others -> the first of these."""
    known: dict[tuple[str, str], SourceDescription] = {}
    for unit in linked.tree.units:
        for vmsd in unit.descriptions:
            for field in vmsd.fields:
                inner = linked.description(field.vmsd, unit) if field.vmsd is not None else None
                if inner is not None and "VMS_POINTER" not in field.flags:
                    known.setdefault((inner[1].path, inner[1].symbol), vmsd)
    return known


def of_entry(rule: str, entry: CompatEntry, message: str) -> LintFinding:
    field = f"{entry.driver}.{entry.property}"
    return LintFinding(rule, RULES[rule][0], entry.path, entry.line, entry.list, entry.list, field, message)


def compat_entries(linked: Linked) -> dict[tuple[str, ...], CompatEntry]:
    """The entries for older machine types by list, driver, property and value."""
    return {
        (entry.list, entry.driver, entry.property, entry.value): entry
        for unit in linked.tree.units
        for entry in unit.compat
    }


def _by_place(linked: Linked) -> dict[tuple[str, str], tuple[UnitResult, SourceDescription]]:
    return {(vmsd.path, vmsd.symbol): (unit, vmsd) for unit in linked.tree.units for vmsd in unit.descriptions}


def _by_name(linked: Linked) -> dict[tuple[str, str], tuple[UnitResult, SourceDescription]]:
    """The descriptions whose C name and name on the wire are of one alone: a file that was renamed."""
    found: dict[tuple[str, str], list[tuple[UnitResult, SourceDescription]]] = {}
    for unit in linked.tree.units:
        for vmsd in unit.descriptions:
            found.setdefault((vmsd.symbol, vmsd.name), []).append((unit, vmsd))
    return {key: known[0] for key, known in found.items() if len(known) == 1}


def _with_header(linked: Linked) -> frozenset[str]:
    """The C names of descriptions that are a section or a subsection."""
    names = {vmsd.symbol for _, _, vmsd in linked.devices()} | {vmsd.symbol for _, vmsd in linked.registered()}
    nested: set[str] = set()
    for unit in linked.tree.units:
        for vmsd in unit.descriptions:
            names.update(vmsd.subsections)
            nested.update(field.vmsd for field in vmsd.fields if field.vmsd is not None)
    # One that nothing refers to is registered in some way that is not seen.
    every = {vmsd.symbol for vmsd in linked.tree.descriptions()}
    return frozenset(names | (every - nested))


def _field_size(linked: Linked, unit: UnitResult, field: SourceField) -> tuple[str | None, int | None]:
    """The info of a field, and the bytes of an element on the wire."""
    info = None if field.info is None else linked.info(field.info, unit)
    kind = field.info if info is None else info.name
    size = SIZES.get(kind or "")
    if size is None and info is not None and info.puts:
        size = sum(info.puts)
    return kind, field.size if kind in AS_IN_MEMORY and field.size_from is None else size


def _sent(linked: Linked, unit: UnitResult, vmsd: SourceDescription, version: int) -> list[Sent]:
    """The fields of a description that are sent at a version, in order; structs are not opened."""
    made = []
    for field in vmsd.fields:
        if "VMS_MUST_EXIST" in field.flags or (field.exists is None and field.version > version):
            continue
        kind, size = _field_size(linked, unit, field)
        inner = None if field.vmsd is None else linked.description(field.vmsd, unit)
        count = field.count if "VMS_ARRAY" in field.flags else None
        counted = field.count_from if COUNTED.intersection(field.flags) else None
        what = (kind, size, count, field.size_from, counted, None if inner is None else inner[1].name)
        made.append(Sent(field.name, what, size, linked.predicate(field.exists), field.line))
    return made


def _flat(
    linked: Linked, unit: UnitResult, vmsd: SourceDescription, version: int, depth: int = 0
) -> list[tuple[Any, ...]]:
    """What is sent at a version, structs opened and names left out: equal where the bytes are."""
    made: list[tuple[Any, ...]] = []
    for field in vmsd.fields:
        if "VMS_MUST_EXIST" in field.flags or (field.exists is None and field.version > version):
            continue
        kind, size = _field_size(linked, unit, field)
        count = field.count if "VMS_ARRAY" in field.flags else None
        inner = None if field.vmsd is None else linked.description(field.vmsd, unit)
        condition = linked.predicate(field.exists)
        if inner is not None and depth < MAX_DEPTH:
            nested = field.struct_version if "VMS_VSTRUCT" in field.flags else inner[1].version
            inside = _flat(linked, *inner, nested, depth + 1)
            if count is None and condition is None and not COUNTED.intersection(field.flags) and kind is None:
                made += inside
            else:
                made.append((kind, count, field.count_from, condition, tuple(inside)))
        else:
            made.append((kind, size, count, field.size_from, field.count_from, condition))
    return made


def _same_bytes(left: Sequence[Sent], right: Sequence[Sent]) -> bool:
    """Whether two rows of fields are as many bytes, whatever they are called."""
    if [each.what for each in left] == [each.what for each in right]:
        return [each.condition for each in left] == [each.condition for each in right]
    if len(left) == len(right) and all(map(_alike, left, right)):
        return True
    total = []
    for row in (left, right):
        size = 0
        for each in row:
            if each.size is None or each.condition is not None or each.what[3] is not None or each.what[4] is not None:
                return False
            size += each.size * (1 if each.what[2] is None else each.what[2])
        total.append(size)
    return total[0] == total[1]


def _alike(left: Sent, right: Sent) -> bool:
    """Whether two fields are as many bytes, where what counts them can have another name."""
    same_kind = left.what[:4] == right.what[:4] or (
        left.size is not None and left.size == right.size and left.what[2:4] == right.what[2:4]
    )
    same_count = (left.what[4] is None) == (right.what[4] is None)
    return same_kind and same_count and left.what[5] == right.what[5] and left.condition == right.condition


def _shown(what: tuple[Any, ...]) -> str:
    kind, size, count, size_from, count_from, name = what
    text = f"{kind or name or '?'}"
    if size is not None and kind in AS_IN_MEMORY:
        text += f" of {size} bytes"
    if count is not None:
        text += f", {count} times"
    if count_from is not None:
        text += f", {count_from} times"
    return text + (f", {size_from} bytes" if size_from is not None else "")


def sarif(findings: Sequence[LintFinding], accepted: Mapping[str, str], version: str) -> dict[str, Any]:
    """The findings as SARIF 2.1.0, those that were accepted as suppressed."""
    levels = {BREAKS: "error", DEFECT: "error", BACKWARD: "warning"}
    results = []
    for finding in findings:
        result: dict[str, Any] = {
            "ruleId": finding.rule,
            "level": levels.get(finding.severity, "note"),
            "message": {"text": f"{finding.name}: {finding.message}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": finding.path},
                        "region": {"startLine": max(finding.line, 1)},
                    }
                }
            ],
            "partialFingerprints": {"vmstateFindingId/v1": finding.id},
            "properties": {"severity": finding.severity},
        }
        if finding.id in accepted:
            result["suppressions"] = [{"kind": "external", "justification": accepted[finding.id]}]
        results.append(result)
    used = dict.fromkeys(finding.rule for finding in findings)
    driver = {
        "name": "vmstate source lint",
        "version": version,
        "rules": [{"id": rule, "shortDescription": {"text": RULES[rule][1]}} for rule in used],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
