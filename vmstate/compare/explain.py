"""Will this stream load there, and if not, which section, field or block is it: `vmstate.explain(stream, target)`.

The layouts are compared as `vmstate.compat` compares them. Where the target is a stream of the destination, one that a
machine started with its command line and never run has sent, the values decide as well that no schema holds: the
configuration, RAM blocks, fields that must be equal, what is fixed in PCI configuration spaces.

Each finding has the line that QEMU prints and what can be done. Facts and the fixed words of the lines from QEMU's
migration/savevm.c, migration/vmstate.c, migration/vmstate-types.c, migration/ram.c, system/physmem.c and hw/pci/pci.c,
of 5.2 to 11.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from vmstate.compare.compat import compat
from vmstate.compare.findings import BREAKS, COSMETIC, FORWARD, MAY_BREAK, SEVERITIES, CompatFinding
from vmstate.compare.layout import Leaf, Source
from vmstate.compare.schemas import Schema, library_section, open_schema
from vmstate.errors import VMStateError
from vmstate.stream.containers import open_input
from vmstate.stream.events import ConfigurationSection
from vmstate.stream.stream import Section, Stream, load
from vmstate.vmsd.data import Data, Value
from vmstate.vmsd.path import resolve

LOADS = "loads"
FAILS = "fails"
UNKNOWN = "unknown"

RESIZEABLE = ("/rom@", "acpi/", "etc/")
"""How the names of RAM blocks begin that the destination can make another size: those of firmware tables."""


SHAPES = ("field-recut", "field-size", "field-count")
"""How the ids of findings about sizes begin."""


class Explained(Value):
    """A finding, with `qemu_error`, the line that QEMU prints, where it prints one, and `advice`, what can be done."""

    id: str
    severity: str
    direction: str
    section: str | None
    path: str | None
    offset: int | None
    message: str
    when: str | None = None
    qemu_error: str | None = None
    advice: str | None = None


class Explanation(Data):
    """The verdict, "loads", "fails" or "unknown", and the findings it rests on, the earliest in the stream first."""

    stream: str
    target: str
    verdict: str
    findings: list[Explained]


def explain(
    stream: Any,
    target: Any,
    *,
    values: Any = None,
    machine: str | None = None,
    facts: Mapping[str, Any] | None = None,
    log: Any = None,
) -> Explanation:
    """Whether a stream will load in a target, which is whatever `open_schema` takes.

    `values` is a stream of the destination, for what no schema says; a target that is a stream is that as well. `log`
    is what QEMU has printed. Raises `VMStateError`.
    """
    with ExitStack() as stack:
        source = stack.enter_context(load(stream, facts=facts))
        schema = open_schema(source.to_bytes(), facts=facts)
        own = _stream_of(target, facts)
        there = own if values is None else load(values, facts=facts)
        if there is not None:
            stack.enter_context(there)
        found: list[CompatFinding] = []
        unlike: set[str | None] = set()
        if there is not None:
            beside = compat(schema, open_schema(there.to_bytes(), facts=facts), facts=facts).findings
            beside = [one for one in beside if one.severity != COSMETIC]
            shown = [one for one in beside if not _hidden(one, facts or {})]
            unlike = {one.section for one in beside}
            for one in shown:
                if own is not None or one.id.startswith(("section-unknown", "machine")) or _of_host(one, facts or {}):
                    found.append(one)
            found += _values(source, there)
        goal = open_schema(there.to_bytes() if own is not None and there else target, machine=machine, facts=facts)
        if own is None:
            known = {one.id for one in found}
            for one in compat(schema, goal, facts=facts).findings:
                # What a dump leaves open, a stream of the destination has decided.
                decided = there is not None and one.id.startswith(SHAPES) and one.section not in unlike
                if one.severity != COSMETIC and one.id not in known and not (decided and one.severity == MAY_BREAK):
                    found.append(one)
        explained = [_explained(one, source, goal, there) for one in found]
        if log is not None:
            explained = list(_joined(explained, _log_lines(log), source))
        explained.sort(key=lambda one: (SEVERITIES.index(one.severity), one.offset is None, one.offset or 0))
        names = str(source.name), goal.name if own is None else str(own.name)
    severities = {one.severity for one in explained}
    verdict = FAILS if BREAKS in severities else UNKNOWN if MAY_BREAK in severities else LOADS
    return Explanation(*names, verdict, explained)


def _stream_of(target: Any, facts: Mapping[str, Any] | None) -> Stream | None:
    """The target, if it is a stream."""
    if isinstance(target, Schema) or target == "library":
        return None
    try:
        with open_input(target) as opened:
            if bytes(opened.data[:4]) != b"QEVM":
                return None
            return load(bytes(opened.data), facts=facts)
    except VMStateError:
        # A binary with a machine type is no file: whoever opens the schema tells.
        return None


def _hidden(finding: CompatFinding, facts: Mapping[str, Any]) -> bool:
    """Whether the finding comes of what a stream does not show: it has the subsections that were needed, no others.

    So has it the fields whose conditions held, and arrays as long as they were. Where the library knows the device it
    tells what may be missing; where it does not, nothing can be said for certain.
    """
    rule = finding.id.partition(":")[0]
    if rule in ("section-unknown", "version-newer", "version-older", "machine", "section-name"):
        return False
    if rule in ("subsection-unknown", "field-type") or finding.section is None:
        return True
    leaves = _known_leaves(finding, facts)
    if leaves is None:
        return rule == "field-count"
    certain = rule != "field-count" and any(_is_certain(leaf) for leaf, _ in leaves)
    return not certain and not any(of_host for _, of_host in leaves)


def _of_host(finding: CompatFinding, facts: Mapping[str, Any]) -> bool:
    """Whether the finding is about an array whose length only the host knows: a stream of the destination shows it."""
    if not finding.id.startswith("field-"):
        return False
    return any(of_host for _, of_host in _known_leaves(finding, facts) or ())


def _known_leaves(finding: CompatFinding, facts: Mapping[str, Any]) -> list[tuple[Leaf, bool]] | None:
    """What the library knows of the field, or the struct, of a finding; None where it does not know the device."""
    known = library_section((finding.section or "").rpartition("/")[2].partition("#")[0], facts)
    if known is None or finding.path is None:
        return None
    found = [entry for source in known.sources for entry in _leaves(source)]
    return [(leaf, of_host) for path, leaf, of_host in found if f"{path}/".startswith(f"{finding.path}/")]


def _leaves(source: Source, prefix: str = "") -> Iterator[tuple[str, Leaf, bool]]:
    """Every leaf that a description can have, its subsections' included: its path, and whether the host counts it."""
    layout = source.layout(source.version)
    for leaf in layout.leaves:
        of_host = any(leaf.path[: len(path)] == path for path in layout.host_counts)
        yield prefix + "/".join(leaf.path), leaf, of_host
    for sub in layout.subsections:
        yield from _leaves(sub.source, prefix + "/".join((*sub.at, sub.name, "")))


def _is_certain(leaf: Leaf) -> bool:
    """Whether every stream of the layout has the field, and has it of one size."""
    return leaf.condition is None and leaf.bytes is not None


# Values.


def _finding(
    rule: str, severity: str, section: str | None, path: str | None, offset: int | None, message: str, when: str | None
) -> CompatFinding:
    name = ":".join(part for part in (rule, section, path) if part)
    return CompatFinding(name, severity, FORWARD, section, path, offset, message, when)


def _values(source: Stream, there: Stream) -> Iterator[CompatFinding]:
    yield from _configuration(source, there)
    yield from _blocks(source, there)
    sections = {(section.name, section.instance_id): section for section in there.sections}
    for section in source.sections:
        other = sections.get((section.name, section.instance_id))
        if other is None or section.vmsd is None or other.vmsd is None or section.kind != "full":
            continue
        yield from _equal_fields(section, other)
        yield from _pci_config(section, other)


def _configuration(source: Stream, there: Stream) -> Iterator[CompatFinding]:
    """Capabilities that both sides must have or not have."""
    mine, theirs = (one.configuration.capability_names if one.configuration else [] for one in (source, there))
    for name in sorted(set(mine) - set(theirs)):
        message = f"the source has the migration capability {name!r} on, the destination has it off"
        yield _finding("capability", BREAKS, "configuration", name, None, message, None)


def _blocks(source: Stream, there: Stream) -> Iterator[CompatFinding]:
    """RAM blocks by name and size."""
    sizes = {block.idstr: block.used_length for block in there.ram.blocks}
    for block in source.ram.blocks:
        size = sizes.get(block.idstr)
        if size is None:
            message = f"the destination has no RAM block {block.idstr!r} ({block.used_length:#x} bytes)"
            yield _finding("ram-block-unknown", BREAKS, "ram", block.idstr, block.offset, message, None)
        elif size != block.used_length:
            resizeable = block.idstr.startswith(RESIZEABLE)
            message = f"RAM block {block.idstr!r} has {block.used_length:#x} bytes here, {size:#x} there"
            when = "the block cannot be made that large" if resizeable else None
            severity = MAY_BREAK if resizeable and block.used_length > size else COSMETIC if resizeable else BREAKS
            if severity != COSMETIC:
                yield _finding("ram-block-size", severity, "ram", block.idstr, block.offset, message, when)


def _equal_fields(section: Section, other: Section) -> Iterator[CompatFinding]:
    """Fields that must have the value of the destination (VMSTATE_*_EQUAL)."""
    theirs = other.trace()
    for path, entry in section.trace().items():
        fields = [one.field for one in (entry, theirs.get(path)) if one is not None and one.field is not None]
        if not any(getattr(field.type, "rule", None) == "equal" for field in fields):
            continue
        try:
            value, wanted = (resolve(one.state, path)[1] for one in (section, other))
        except VMStateError:
            continue
        if value is not None and wanted is not None and value != wanted:
            message = f"{path} is {value}, and must be what the destination has: {wanted}"
            yield _finding("value", BREAKS, _label(section), path, entry.offset, message, None)


FIXED = (*range(4), 8, 9, 10, 11, 14, 0x34)
"""Bytes of a PCI configuration space that no driver changes: vendor, device, revision, class, header, capabilities."""


def _pci_config(section: Section, other: Section) -> Iterator[CompatFinding]:
    """What is fixed in the configuration spaces of PCI devices."""
    for path, entry in section.trace().items():
        if entry.field is None or entry.field.type.info not in ("pci config", "pcie config"):
            continue
        try:
            mine, theirs = (resolve(one.state, path)[1] for one in (section, other))
        except VMStateError:
            continue
        if not isinstance(mine, bytes) or not isinstance(theirs, bytes):
            continue
        for place in _fixed_places(mine, theirs):
            if mine[place] != theirs[place]:
                message = (
                    f"byte {place:#x} of the PCI configuration space ({_register(place, mine)}) is {mine[place]:#04x}, "
                    f"and fixed to {theirs[place]:#04x} there"
                )
                yield _finding("pci-config", BREAKS, _label(section), path, entry.offset + place, message, None)
                break


def _fixed_places(mine: bytes, theirs: bytes) -> Iterator[int]:
    """Fixed bytes: of the header, the heads of the capabilities, the size of the MSI-X table."""
    if min(len(mine), len(theirs)) < 256:
        return
    yield from FIXED
    for place, number in _capabilities(theirs):
        yield from (place, place + 1)
        if number == 0x11:
            yield from (place + 2, *range(place + 4, place + 12))


def _capabilities(space: bytes) -> Iterator[tuple[int, int]]:
    """(place, id) of the capabilities of a configuration space."""
    place, seen = space[0x34], set[int]()
    while 0x40 <= place < 0xF0 and place not in seen:
        seen.add(place)
        yield place, space[place]
        place = space[place + 1]


def _register(place: int, space: bytes) -> str:
    names = {0: "vendor", 2: "device", 8: "revision", 9: "class", 14: "header type", 0x34: "first capability"}
    for start in sorted(names, reverse=True):
        if start <= place < 0x40:
            return names[start]
    starts = [(start, number) for start, number in _capabilities(space) if start <= place]
    if not starts:
        return "capabilities"
    start, number = max(starts)
    return "the size of the MSI-X table" if number == 0x11 and place == start + 2 else f"capability {number:#04x}"


# What QEMU says.


def _explained(finding: CompatFinding, source: Stream, goal: Schema, there: Stream | None) -> Explained:
    rule = finding.id.partition(":")[0]
    section = _section_of(finding.section, source)
    new = there is not None and there.vmdesc is not None and there.vmdesc.dialect.name == "11.1"
    error = _error(rule, finding, section, goal, source, new=new)
    offset = finding.offset if finding.offset is not None else section.offset if section is not None else None
    if rule in ("machine", "capability"):
        offset = next((part.offset for part in source.parts if isinstance(part, ConfigurationSection)), None)
    return Explained(**{**finding.as_dict(), "offset": offset}, qemu_error=error, advice=ADVICE.get(rule))


def _section_of(label: str | None, source: Stream) -> Section | None:
    """The section that a finding is about: an idstr, with #instance_id where that is not 0."""
    for section in source.sections:
        if label == _label(section):
            return section
    return None


def _label(section: Section) -> str:
    return f"{section.name}#{section.instance_id}" if section.instance_id else section.name


def _error(
    rule: str, finding: CompatFinding, section: Section | None, goal: Schema, source: Stream, *, new: bool
) -> str | None:
    """The line that QEMU prints; `new` says that it is one of 11."""
    name = section.name if section is not None else finding.section or ""
    match rule:
        case "machine":
            machine = source.configuration.machine if source.configuration is not None else ""
            return f"Machine type received is '{machine}' and local is '{goal.machine}'"
        case "capability":
            return f"Capability {finding.path} is off, but received capability is on"
        case "section-unknown":
            what = "Unknown section or instance" if new else "Unknown savevm section or instance"
            return f"{what} '{name}' {section.instance_id if section is not None else 0}"
        case "version-newer" if finding.path is None and section is not None:
            return f"{'' if new else 'savevm: '}unsupported version {section.version_id} for '{name}' v"
        case "version-newer" | "version-older":
            vmsd = (finding.path or name).rpartition("/")[2] if finding.path is None else str(finding.path)
            age = "new for local" if rule == "version-newer" else "old for local minimum"
            return f"{vmsd}: incoming version_id {_version(finding)} is too {age} version_id"
        case "subsection-unknown" if new:
            return f"VM subsection '{finding.path}' in '{name.rpartition('/')[2]}' does not exist"
        case "ram-block-unknown":
            return f'Unknown ramblock "{finding.path}", cannot accept migration'
        case "ram-block-size":
            sizes = re.findall(r"0x[0-9a-f]+", finding.message)
            return f"Size mismatch: {finding.path}: {sizes[-2]} != {sizes[-1]}"
        case "pci-config":
            return "Bad config data: i=0x"
        case "value":
            number = re.search(r" is (\d+), .*: (\d+)$", finding.message)
            # The destination's value stands first.
            return f"{int(number[2]):x} != {int(number[1]):x}" if number else None
        case "field-missing" | "field-new" | "field-size" | "field-count":
            return f"Missing section footer for {name}"
    return f"error while loading state for instance 0x{section.instance_id:x} of device '{name}'" if section else None


def _version(finding: CompatFinding) -> str:
    found = re.search(r"version (\d+)", finding.message)
    return found[1] if found else "?"


ADVICE = {
    "machine": "start the destination with the machine type of the source (-machine)",
    "capability": "switch the capability on on the destination (migrate-set-capabilities)",
    "section-unknown": "give the destination the same device at the same address, or take it away from the source",
    "section-name": "use a release that calls the section so, on either side",
    "version-newer": "use a destination as new as the source, or a machine type that both know",
    "version-older": "go by way of a release that still reads this version",
    "subsection-unknown": "use a machine type or a device property on the source with which it is not sent",
    "field-missing": "use a machine type of the older release on both sides",
    "field-new": "use a machine type of the older release on both sides",
    "field-size": "use a machine type of the older release on both sides",
    "field-condition": "use the same machine type and device properties on both sides",
    "ram-block-unknown": "give the destination the same memory, firmware and option ROMs (-m, romfile=, rombar=)",
    "ram-block-size": "give the destination the same size of memory, and option ROMs of the same size (romsize=)",
    "pci-config": "give the device the same properties (vectors=, addr=, disable-legacy=) on both sides",
    "value": "give the device the same properties (such as queues=) on both sides",
}
"""What to do about a finding, by its rule."""


# QEMU's own log.

PATTERNS = (
    re.compile(r"error while loading state for instance 0x[0-9a-f]+ of device '(?P<section>[^']*)'"),
    re.compile(r"error while loading state section id \d+\((?P<section>[^)]*)\)"),
    re.compile(r"Missing section footer for (?P<section>\S.*)$"),
    re.compile(r"Unknown (?:savevm )?section or instance '(?P<section>[^']*)'"),
    re.compile(r"unsupported version \d+ for '(?P<section>[^']*)'"),
    re.compile(r"Failed to load (?P<vmsd>[^:]+):(?P<field>\S+)"),
    re.compile(r'Unknown ramblock "(?P<block>[^"]*)"'),
    re.compile(r"Size mismatch: (?P<block>.*): 0x"),
    re.compile(r"Machine type received is "),
    re.compile(r"incoming version_id \d+ is too (?:old|new)"),
    re.compile(r"Bad config data: i=0x"),
    re.compile(r"Features 0x[0-9a-f]+ unsupported"),
    re.compile(r"^.*\b[0-9a-f]+ != [0-9a-f]+$"),
)
"""The lines of a log that say what a load stopped at."""


def _log_lines(log: Any) -> list[str]:
    with open_input(log) as opened:
        text = bytes(opened.data).decode("utf-8", "replace")
    return [line.strip() for line in text.splitlines() if any(pattern.search(line) for pattern in PATTERNS)]


def _joined(findings: Iterable[Explained], lines: list[str], source: Stream) -> Iterator[Explained]:
    """The findings with the lines that QEMU did print for them, then what it printed that no finding explains."""
    left = list(lines)
    for finding in findings:
        line = next((one for one in left if _is_of(one, finding)), None)
        if line is not None:
            left.remove(line)
            finding = finding.replace(qemu_error=line)
        yield finding
    names = {section.name: section for section in source.sections}
    for line in left:
        groups = next((found.groupdict() for found in (one.search(line) for one in PATTERNS) if found), {})
        name = groups.get("section") or ("ram" if groups.get("block") else None)
        section = names.get(name or "")
        path = groups.get("field") or groups.get("block")
        yield Explained(
            ":".join(part for part in ("log", name, path) if part),
            BREAKS,
            FORWARD,
            name,
            path,
            section.offset if section is not None else None,
            "QEMU stopped here",
            qemu_error=line,
        )


def _is_of(line: str, finding: Explained) -> bool:
    """Whether a line of a log is the one that a finding foretells, by its fixed words."""
    foretold = finding.qemu_error
    if foretold is not None and foretold.partition(" v")[0] in line:
        return True
    name = (finding.section or "").partition("#")[0]
    return bool(name) and f"of device '{name}'" in line and finding.severity == BREAKS
