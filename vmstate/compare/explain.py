"""Will a stream load in a destination, and if not, what stands in the way: `vmstate.explain(stream, against)`.

The stream is held against what is known of the destination in the order in which QEMU reads it: configuration, RAM
blocks, then section by section the versions, the layout, the values that must be equal, PCI configuration spaces, what
devices compare of their own (vmstate.vmsd.destination), features, and the rules that no destination forgives.

A layout is held against the destination's by reading the section as the destination would: with the description and
the facts under which its own section reads. Where the device library does not know a section, the two vmdescs are laid
beside each other by the engine of `compat`; the destination's -dump-vmstate text, where there is one, says which
versions and subsections it takes.

The verdict: "fails" if anything found breaks the load, "unknown" if something may and cannot be decided, else "loads";
what that takes for granted is told in `assumed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import cache, cached_property
from typing import Any

from vmstate.compare.compat import compat
from vmstate.compare.findings import BREAKS, COSMETIC, FORWARD, MAY_BREAK, CompatFinding
from vmstate.compare.schemas import Schema, SectionSchema, schema_of_stream
from vmstate.compare.target import Target, open_target
from vmstate.errors import VersionError, VMStateError
from vmstate.query.pci import is_config
from vmstate.rules import messages
from vmstate.rules.evaluate import ENCODE, broken, read_as_known
from vmstate.rules.messages import LogLine
from vmstate.rules.pci_config import Masks
from vmstate.rules.stream import COMMANDS, HOST_PAGE, RESIZABLE, RESIZABLE_UP_TO
from vmstate.saved.loading import load
from vmstate.saved.opening import StreamLike, open_input
from vmstate.stream.events import Command
from vmstate.stream.registry import destination_rules, is_per_cpu, last_part
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import Field, VMStateDescription
from vmstate.vmsd.destination import FeatureSet
from vmstate.vmsd.expr import IDSTR, RELEASE
from vmstate.vmsd.path import format_path, member
from vmstate.vmsd.rule import KNOWN_SINCE, VALUE_EQUAL, Broken
from vmstate.vmsd.walk import described_states

LOADS, FAILS, UNKNOWN = "loads", "fails", "unknown"

ADVICE_OF_RELEASES = "use the machine type of the older release on both sides, or a newer QEMU at the destination"

MAX_VERSIONS = 16
"""Versions of a stream that may be out of the range of its own descriptions."""


class Explained(CompatFinding):
    """A finding of `compat`, with what QEMU prints of it and what to do.

    `qemu_error` is the part of QEMU's line that is the same wherever it prints it; None where it prints nothing of the
    kind. `advice` says what to change, and on which side.
    """

    qemu_error: str | None = None
    advice: str | None = None


class LogFinding(Data):
    """A line of QEMU's log, and the id of the finding that explains it; None where none does."""

    line: LogLine
    explained_by: str | None


class Explanation(Data):
    """What was found. `findings` are in the order in which QEMU meets them; the first that breaks is what it prints.

    `assumed` says in words what the verdict takes for granted, `not_judged` which rules need what nothing tells of the
    destination: "SECTION: PATH: RULE".
    """

    stream: str
    target: str
    verdict: str
    findings: tuple[Explained, ...]
    assumed: tuple[str, ...]
    not_judged: tuple[str, ...] = ()
    log: tuple[LogFinding, ...] = ()

    @property
    def qemu_error(self) -> str | None:
        """The line that QEMU will print first; None where it loads, or where nothing says."""
        return next((one.qemu_error for one in self.findings if one.severity == BREAKS), None)

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        top: dict[str, Any] = {
            "stream": self.stream,
            "target": self.target,
            "verdict": self.verdict,
            "qemu_error": self.qemu_error,
            "findings": [finding.as_dict() for finding in self.findings],
            "assumed": list(self.assumed),
            "not_judged": list(self.not_judged),
        }
        if self.log:
            top["log"] = [{**one.line._asdict(), "explained_by": one.explained_by} for one in self.log]
        return top


def explain(
    stream: StreamLike | Stream,
    target: StreamLike | Stream | Schema | Target,
    *,
    values: StreamLike | Stream | None = None,
    machine: str | None = None,
    log: StreamLike | None = None,
) -> Explanation:
    """Whether a stream, a `Stream` or whatever `load` takes, loads in a destination.

    `target` is a `Target` or whatever `open_target` takes; `machine` is the machine type for a QEMU binary. `values` is
    a stream of the destination where `target` is only its schema. `log` is what a QEMU printed that refused the stream
    (a file, or bytes): its lines are held against the findings. Raises `VMStateError`.
    """
    with ExitStack() as stack:
        source, versions = (stream, {}) if isinstance(stream, Stream) else _loaded(stream, stack)
        there = open_target(target, machine=machine)
        if values is not None:
            there = there.beside(open_target(values))
        found = _Held(source, there, versions)
        findings = tuple(found.run())
        severities = {finding.severity for finding in findings}
        verdict = FAILS if BREAKS in severities else UNKNOWN if MAY_BREAK in severities else LOADS
        joined = () if log is None else tuple(join(_text(log), findings))
        assumed = tuple(dict.fromkeys(found.assumed))
        return Explanation(str(source.name), there.name, verdict, findings, assumed, tuple(found.not_judged), joined)


def _text(log: StreamLike) -> str:
    with open_input(log) as opened:
        return bytes(opened.data).decode(errors="replace")


def _loaded(source: Any, stack: ExitStack) -> tuple[Stream, dict[int, VersionError]]:
    """A stream, and the versions in it that its own descriptions do not take: offset behind the header -> the error.

    Such a version says nothing of what follows, which is then read at one that they take.
    """
    opened = stack.enter_context(open_input(source))
    data, versions = opened.data, dict[int, VersionError]()
    while True:
        try:
            # A view of its own: what cannot be loaded is closed.
            stream = stack.enter_context(load(memoryview(data)))
        except VersionError as error:
            # Of a section the offset is behind the version, of a subsection in front of it.
            behind = (error.offset or 0) + (0 if error.path is None else 4)
            if behind < 4 or behind in versions or len(versions) == MAX_VERSIONS:
                raise error.named(opened.name) from None
            versions[behind] = error
            mended = bytearray(data)
            mended[behind - 4 : behind] = error.known.to_bytes(4, "big")
            data = memoryview(bytes(mended))
        except VMStateError as error:
            raise error.named(opened.name) from None
        else:
            stream.name = opened.name
            return stream, versions


class _Held:
    """A stream while it is held against a destination."""

    def __init__(self, source: Stream, target: Target, versions: Mapping[int, VersionError]) -> None:
        self.source = source
        self.versions = versions
        self.target = target
        self.destination = target.stream
        self.release = target.release
        self.assumed: list[str] = []
        self.not_judged: list[str] = []
        self.repeated = _repeated(source) | (_repeated(target.stream) if target.stream is not None else set())

    @cached_property
    def source_schema(self) -> Schema:
        """What the stream says of itself."""
        whole = schema_of_stream(self.source, {})
        for one in whole.sections:
            odd = None if one.offset is None else self.versions.get(one.offset)
            one.version = one.version if odd is None else odd.version_id
        return whole

    @cached_property
    def destination_schema(self) -> Schema:
        """What the destination's stream says of itself."""
        assert self.destination is not None
        return schema_of_stream(self.destination, {})

    def run(self) -> Iterator[Explained]:
        """All findings, in the order in which QEMU meets what they are about."""
        yield from self.configuration()
        if self.destination is None:
            yield from self.schemas()
            return
        pending = self.by_name()
        for part in self.source.parts:
            if isinstance(part, Command):
                yield from self.command(part)
            elif isinstance(part, Section) and part.kind in ("start", "full"):
                if part.is_ram:
                    yield from self.ram(part)
                else:
                    yield from self.section(part, pending)
        yield from self.left(pending)

    def finding(
        self,
        rule: str,
        message: str,
        *,
        section: Section | str | None = None,
        path: str | None = None,
        offset: int | None = None,
        severity: str = BREAKS,
        when: str | None = None,
        qemu_error: str | None = None,
        advice: str | None = None,
    ) -> Explained:
        """A finding; of a section that others share the name with, the instance is told."""
        name = section if isinstance(section, str) or section is None else self.name_of(section)
        ident = ":".join(part for part in (rule, name, path) if part)
        return Explained(ident, severity, FORWARD, name, path, offset, message, when, qemu_error, advice)

    def name_of(self, section: Section) -> str:
        """The idstr, with the instance_id where it repeats."""
        return f"{section.name}#{section.instance_id}" if section.name in self.repeated else section.name

    def by_name(self) -> dict[tuple[str, int], list[Section]]:
        """The destination's sections that are not RAM."""
        found: dict[tuple[str, int], list[Section]] = {}
        assert self.destination is not None
        for section in self.destination.sections:
            if section.kind in ("start", "full") and not section.is_ram:
                found.setdefault((section.name, section.instance_id), []).append(section)
        return found

    # What concerns all.

    def configuration(self) -> Iterator[Explained]:
        """Machine type, pages, capabilities, UUID."""
        one = self.source.configuration
        two = None if self.destination is None else self.destination.configuration
        local = self.target.machine
        if one is None:
            return
        if local is not None and one.machine != local:
            yield self.finding(
                "machine",
                f"the machine types differ: {one.machine} saves, {local} loads",
                section="configuration",
                path="name",
                qemu_error=messages.machine_type(one.machine, local),
                advice=f"start the destination with -machine {one.machine}: a machine type must be the same on both "
                "sides, with its version",
            )
        if two is None:
            if local is None:
                self.assumed.append(f"the machine type is {one.machine}")
            return
        bits = [None if side.page_size is None else side.page_size.bit_length() - 1 for side in (one, two)]
        if bits[0] is not None and bits[1] is not None and bits[0] != bits[1]:
            yield self.finding(
                "target-page-bits",
                f"the target's pages have {bits[0]} bits in the stream, {bits[1]} on the destination",
                section="configuration",
                path="target_page_bits",
                qemu_error=messages.target_page_bits(bits[0], bits[1]),
                advice="use the same machine type and the same kind of CPU on both sides",
            )
        for name in one.capability_names:
            if name not in two.capability_names:
                self.assumed.append(f"the migration capability {name} is on at the destination, as at the source")
        if one.uuid is not None and two.uuid is not None and one.uuid != two.uuid:
            texts = [bytes(side.uuid.data).hex() for side in (one, two) if side.uuid is not None]
            shown = [f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}" for text in texts]
            yield self.finding(
                "uuid",
                f"the machine's UUID is {shown[0]}, the destination's {shown[1]}",
                section="configuration",
                path="uuid",
                qemu_error=messages.uuid(*shown),
                advice=f"start the destination with -uuid {shown[0]}, or the source without validate-uuid",
            )

    def command(self, command: Command) -> Iterator[Explained]:
        """Whether the destination knows a command of the stream."""
        first = COMMANDS[command.command].since if command.command in COMMANDS else None
        if first is None or (self.release is not None and self.release >= first):
            return
        assert self.destination is not None
        if any(isinstance(part, Command) and part.command == command.command for part in self.destination.parts):
            return
        if self.target.command is None and self.source_machine != self.target.machine:
            return
        yield self.finding(
            "command-unknown",
            f"the source sends the command {command.name}, which QEMU has from {first} on",
            offset=command.offset,
            qemu_error=messages.unknown_command(command.command, len(command.data)),
            advice="use a versioned machine type of the older release on both sides, "
            "or switch it off at the source (-global migration.send-switchover-start=off)",
        )

    @property
    def source_machine(self) -> str | None:
        """The machine type of the stream."""
        return None if self.source.configuration is None else self.source.configuration.machine

    # RAM.

    def ram(self, section: Section) -> Iterator[Explained]:
        """The blocks, by their names."""
        assert self.destination is not None
        own = {block.idstr: block for one in self.destination.sections if one.is_ram for block in one.state.blocks}
        if not own:
            self.assumed.append("the RAM blocks are the same")
            return
        for block in section.state.blocks:
            there = own.get(block.idstr)
            if there is None:
                yield self.finding(
                    "ram-block-unknown",
                    f"the destination has no RAM block {block.idstr!r} ({block.used_length:#x} bytes)",
                    section=section,
                    path=block.idstr,
                    offset=block.offset,
                    qemu_error=messages.ram_unknown(block.idstr),
                    advice=_advice_of_block(block.idstr),
                )
                continue
            yield from self.block(section, block, there.used_length)

    def block(self, section: Section, block: Any, local: int) -> Iterator[Explained]:
        """The size of one block."""
        size = block.used_length
        if -(-size // HOST_PAGE) == -(-local // HOST_PAGE):
            return
        message = f"RAM block {block.idstr!r} has {size:#x} bytes in the stream and {local:#x} on the destination"
        error = messages.ram_size(block.idstr, size, local, self.release)
        if block.idstr.startswith(RESIZABLE):
            largest = RESIZABLE_UP_TO.get(block.idstr, local)
            if size <= largest:
                return
            message += f", where it can grow to {largest:#x}"
            error = messages.ram_too_large(block.idstr, size, largest, self.release)
        yield self.finding(
            "ram-block-size",
            message,
            section=section,
            path=block.idstr,
            offset=block.offset,
            qemu_error=error,
            advice=_advice_of_block(block.idstr),
        )

    # Sections.

    def section(self, section: Section, pending: dict[tuple[str, int], list[Section]]) -> Iterator[Explained]:
        """One section of the stream, beside that of the destination."""
        candidates = pending.get((section.name, section.instance_id))
        if not candidates:
            yield self.finding(
                "section-unknown",
                f"the destination has no section {self.name_of(section)!r}",
                section=section,
                offset=section.offset,
                qemu_error=messages.unknown_section(section.name, section.instance_id, self.release),
                advice=self.advice_of_missing(section),
            )
            return
        other = candidates.pop(0)
        pair = _Pair(self, section, other)
        found = [*pair.versions()]
        found += pair.subsections()
        if not any(one.severity == BREAKS and one.path is None for one in found):
            listed = {one.path for one in found if one.id.startswith("subsection-unknown:")}
            found += (one for one in pair.contents() if not _is_listed(one, pair, listed))
        yield from sorted(found, key=lambda one: _met(one, section))

    def advice_of_missing(self, section: Section) -> str:
        """What to do about a device that only the source has."""
        kind = last_part(section.name)
        assert self.destination is not None
        elsewhere = [
            one.name
            for one in self.destination.sections
            if one.kind != "part" and last_part(one.name) == kind and one.name != section.name
        ]
        if elsewhere:
            return (
                f"the destination has a {kind} as {elsewhere[0]}: give the device the same place there "
                "(bus= and addr=) as at the source"
            )
        if is_per_cpu(kind):
            return "give the destination as many CPUs (-smp), with the same CPU model and features"
        return f"give the destination the same device ({kind}) at the same place, or take it from the source first"

    def left(self, pending: Mapping[tuple[str, int], Iterable[Section]]) -> Iterator[Explained]:
        """What the destination has and the stream does not: QEMU loads without it."""
        for sections in pending.values():
            for section in sections:
                yield self.finding(
                    "section-missing",
                    f"the stream has no section {self.name_of(section)!r}: the device stays as after a reset",
                    section=section,
                    severity=COSMETIC,
                    advice="a guest that has seen no such device finds one: better start the destination without it",
                )

    # A destination of which there is only a schema.

    def schemas(self) -> Iterator[Explained]:
        """The stream beside layouts and versions alone."""
        schema = self.target.schema
        assert schema is not None
        known = Schema(schema.name, schema.kind, None, schema.sections)
        for finding in compat(self.source_schema, known).findings:
            section = next((one for one in self.source.sections if one.name == finding.section), None)
            yield self.with_error(finding, section)
        for section in self.source.sections:
            if section.kind in ("start", "full") and not section.is_ram:
                yield from _Pair(self, section, section).values(beside=False)
        self.assumed += [
            "the destination has the devices of the source, at the same places, and the same RAM blocks",
            "values that a schema does not say go together: PCI configuration, virtio features, numbers of queues",
        ]

    def with_error(self, finding: CompatFinding, section: Section | None) -> Explained:
        """A finding of `compat` with what QEMU prints of it."""
        rule = finding.rule
        error = advice = None
        if section is not None:
            name, instance = section.name, section.instance_id
            last = (finding.path or "").rpartition("/")[2]
            if rule == "section-unknown":
                error = messages.unknown_section(name, instance, self.release)
            elif rule == "version-newer" and finding.path is None:
                error = messages.section_version(name, section.version_id, self.newest(section))
            elif rule == "subsection-unknown":
                error = messages.unknown_subsection(last, last.rpartition("/")[0], name, instance, self.release)
            elif rule.startswith("version"):
                error = messages.while_loading(name, instance)
            elif finding.severity != COSMETIC:
                error = messages.missing_footer(name)
            if finding.severity != COSMETIC:
                advice = "use the machine type of the older release on both sides, or the same release"
        offset = section.offset if finding.offset is None and section is not None else finding.offset
        return Explained(**{**finding.as_dict(), "offset": offset}, qemu_error=error, advice=advice)

    def newest(self, section: Section) -> int:
        """The version that the destination has of a section, as far as its schema says."""
        sections = () if self.target.schema is None else self.target.schema.sections
        versions = [one.version for one in sections if one.idstr == last_part(section.name)]
        return max(versions, default=0)


def _is_listed(finding: Explained, pair: _Pair, listed: set[str | None]) -> bool:
    """Whether the destination's -dump-vmstate text says the same of a subsection."""
    if not finding.id.startswith("subsection-unknown:"):
        return False
    names = (part.name for path, part, _ in pair.source.structs() if path == finding.path)
    return any(name in (path or "") for name in names for path in listed)


def _met(finding: Explained, section: Section) -> int:
    """Where QEMU is in a section when it meets what a finding is about."""
    rule = finding.rule
    end = section.offset + section.size
    if rule in ("layout", "feature"):
        # Features are looked at when all is read, and a section of another length is noticed behind it.
        return end - (rule == "feature")
    return section.offset if finding.offset is None else finding.offset


def _repeated(stream: Stream) -> set[str]:
    names: dict[str, int] = {}
    for section in stream.sections:
        if section.kind in ("start", "full"):
            names[section.name] = names.get(section.name, 0) + 1
    return {name for name, count in names.items() if count > 1}


def _advice_of_block(idstr: str) -> str:
    last = last_part(idstr)
    if idstr.endswith(".rom"):
        return (
            "give both devices the option ROM of the same file (romfile=), or the destination a ROM of that size "
            "(romsize=); distributions change the size of their ROM files"
        )
    if last.endswith(".vram") or last.startswith("vga"):
        return "give both devices the same video memory (vgamem_mb=, vram_size_mb=)"
    if "bios" in last or idstr.endswith((".flash0", ".flash1")):
        return "use firmware of the same size on both sides (-bios, -pflash)"
    if idstr.startswith(RESIZABLE):
        return "use the machine type of the older release on both sides"
    return "give the destination the same memory: -m and the memory backends, with the same ids"


# One section.


class _Pair:
    """A section of the stream and that of the destination."""

    def __init__(self, held: _Held, section: Section, other: Section) -> None:
        self.held = held
        self.section = section
        self.other = other
        self.source = read_as_known(section)
        self.destination = read_as_known(other)

    def finding(self, rule: str, message: str, **known: Any) -> Explained:
        """A finding of this section."""
        return self.held.finding(rule, message, section=self.section, **known)

    @property
    def loading(self) -> str:
        """What QEMU prints of the section, whatever the reason."""
        return messages.while_loading(self.section.name, self.section.instance_id)

    def place(self, path: str | None) -> int:
        """Where a value stands in the stream; for one that is not in a state, the section."""
        return self.source.place(path)

    # Versions.

    def versions(self) -> Iterator[Explained]:
        """The version in the header."""
        version, local = self.section.version_id, self.other.version_id
        if self.section.payload_offset in self.held.versions:
            version = self.held.versions[self.section.payload_offset].version_id
        if version > local:
            yield self.finding(
                "version-newer",
                f"the section has version {version}, and the destination knows up to {local}",
                offset=self.section.offset,
                qemu_error=messages.section_version(self.section.name, version, local),
                advice=ADVICE_OF_RELEASES,
            )
        if version < local:
            minimum = self.minimum()
            if minimum is None:
                yield self.finding(
                    "version-older",
                    f"the section has version {version}, the destination's has {local}",
                    offset=self.section.offset,
                    severity=MAY_BREAK,
                    when=f"the destination takes none below {version + 1}",
                )
            elif version < minimum:
                yield self.finding(
                    "version-older",
                    f"the section has version {version}, and the destination takes none below {minimum}",
                    offset=self.section.offset,
                    qemu_error=messages.too_old(self.description_name, version, minimum),
                    advice="save with a newer QEMU, or load with an older one",
                )

    @property
    def description_name(self) -> str:
        """What QEMU calls the description of the section."""
        return self.other.vmsd.name if self.other.vmsd is not None else last_part(self.section.name)

    def minimum(self) -> int | None:
        """The oldest version that the destination takes, by its -dump-vmstate text or the device library."""
        found = [one.minimum for one in self.listed()]
        if found:
            return min(found)
        vmsd = self.destination.vmsd
        return None if vmsd is None or not self.destination.known else vmsd.minimum_version_id

    def listed(self) -> list[SectionSchema]:
        """What the destination's -dump-vmstate text says of the section."""
        schema = self.held.target.schema
        name = last_part(self.section.name)
        return [] if schema is None else [one for one in schema.sections if one.idstr == name]

    # Subsections.

    def subsections(self) -> list[Explained]:
        """Subsections of the stream that the destination does not know, or in another version."""
        return [*self.odd_subsections(), *self.listed_subsections()]

    def odd_subsections(self) -> Iterator[Explained]:
        """Subsections in a version that not even the stream's own descriptions take."""
        end = self.section.offset + self.section.size
        for offset, error in self.held.versions.items():
            if not self.section.payload_offset < offset < end:
                continue
            name, version, known = error.description, error.version_id, error.known
            if version > known:
                rule, line = "version-newer", messages.too_new(name, version, known)
                message = f"subsection {name!r} has version {version}, and the destination knows up to {known}"
            else:
                rule, line = "version-older", messages.too_old(name, version, known)
                message = f"subsection {name!r} has version {version}, and the destination takes none below {known}"
            yield self.finding(
                rule, message, path=error.path or name, offset=offset, qemu_error=line, advice=ADVICE_OF_RELEASES
            )

    def unknown(self, name: str) -> str:
        """QEMU's line of a subsection that it does not know."""
        return messages.unknown_subsection(
            name, name.rpartition("/")[0], self.section.name, self.section.instance_id, self.held.release
        )

    def listed_subsections(self) -> Iterator[Explained]:
        """The same by the destination's -dump-vmstate text, and what else that says of a section unknown otherwise."""
        listed = self.listed()
        if not listed:
            return
        schema = self.held.target.schema
        one = self.own_schema(self.held.source_schema)
        if one is None or schema is None:
            return
        two = Schema(schema.name, schema.kind, None, tuple(listed))
        for finding in compat(one, two).findings:
            rule = finding.rule
            wanted = rule == "subsection-unknown" or (rule.startswith("version") and finding.path is not None)
            # Of a section that the library reads, what may break is settled by reading it.
            if finding.severity == COSMETIC or not (wanted or not self.is_known or finding.severity == BREAKS):
                continue
            if rule.startswith("version") and finding.path is None:
                continue
            yield self.held.with_error(finding, self.section)

    @property
    def is_known(self) -> bool:
        """Whether the device library reads both sections."""
        return self.source.known and self.destination.known

    @property
    def destination_facts(self) -> dict[str, Any]:
        """Those under which the destination's own section reads, and before them what holds for all of it."""
        return {**self.held.target.facts, **self.destination.facts}

    # Contents.

    def contents(self) -> list[Explained]:
        """What is found of layout and values."""
        found = list(self.layout())
        # Where the layouts part, values behind are compared by chance; those that explain it are not.
        beside = self.is_known or not any(finding.severity == BREAKS for finding in found)
        found += self.values(beside=beside)
        features = destination_rules(self.section.name).features
        if beside and features is not None:
            found += self.features(features)
        found += self.pci()
        return _once(found)

    def layout(self) -> Iterator[Explained]:
        """Whether the destination reads the section as it was written."""
        if self.is_known:
            yield from self.library_layout()
        elif not self.listed():
            yield from self.vmdesc_layout()

    def library_layout(self) -> Iterator[Explained]:
        """By reading it with a description and the facts of the destination's own section."""
        failure: VMStateError | None = None
        for vmsd in self.own_layouts():
            data = self.section.payload()
            codec: Any = vmsd.codec
            try:
                _, end = codec.decode_at(
                    memoryview(data),
                    0,
                    version_id=self.section.version_id,
                    facts=self.destination_facts,
                    accept=len(data).__eq__,
                )
            except VMStateError as error:
                failure = failure or error
                continue
            if end == len(data):
                if vmsd is not self.destination.vmsd:
                    # A layout that both may have, and need not: what the two streams say of themselves decides.
                    yield from self.vmdesc_layout()
                return
        yield from self.misread(failure)

    def own_layouts(self) -> Iterator[VMStateDescription]:
        """The descriptions of the library that can be the destination's: more than one may fit a machine at rest."""
        own, other = self.destination.vmsd, self.source.vmsd
        assert own is not None and other is not None
        yield own
        if other is not own:
            with suppress(VMStateError):
                other.decode(self.other.payload(), version_id=self.other.version_id, facts=self.destination_facts)
                yield other

    def misread(self, error: VMStateError | None) -> Iterator[Explained]:
        """The destination reads the section otherwise: the facts that make the difference, or the place."""
        footer = self.misread_error()
        advice = "give the device the same properties on both sides, and both sides the same machine type"
        told = False
        for name, here in self.source.facts.items():
            there = self.destination_facts.get(name, here)
            if here == there:
                continue
            path = self.source.path_of_fact(name) or self.destination.path_of_fact(name)
            message = f"{name} is {here} in the stream and {there} on the destination, which decides what is sent"
            told = True
            accident = name in destination_rules(self.section.name).accidents
            yield self.finding(
                "layout",
                message,
                path=path,
                offset=self.place(path),
                severity=MAY_BREAK if accident else BREAKS,
                when="the destination has it so again: it can differ from one start to the next" if accident else None,
                qemu_error=footer,
                advice=advice,
            )
        if told:
            return
        same = self.source.vmsd is self.destination.vmsd
        why = "" if error is None else f": {error.message}"
        message = (
            f"the destination reads the section otherwise{'' if same else ', as another release lays it out'}{why}"
        )
        path = None if error is None else error.path
        offset = None if error is None or error.offset is None else self.section.payload_offset + error.offset
        yield self.finding(
            "layout", message, path=path, offset=offset or self.section.offset, qemu_error=footer, advice=advice
        )

    def misread_error(self) -> str:
        """What QEMU prints when it reads the bytes otherwise: of the first value that it then takes for another."""
        vmsd = self.destination.vmsd
        assert vmsd is not None
        with suppress(VMStateError):
            codec: Any = vmsd.codec
            state, _ = codec.decode_at(
                memoryview(self.section.payload()), 0, version_id=self.section.version_id, facts=self.destination_facts
            )
            for result in broken(vmsd, state, version=self.section.version_id, own=self.destination.subject.state):
                if result.rule.id == VALUE_EQUAL and result.is_judged and result.rule.qemu_error is not None:
                    return result.filled(result.rule.qemu_error)
        return messages.missing_footer(self.section.name)

    def vmdesc_layout(self) -> Iterator[Explained]:
        """By what the two streams say of themselves."""
        one, two = self.own_schema(self.held.source_schema), self.own_schema(self.held.destination_schema)
        if one is None or two is None:
            if self.section.size != self.other.size:
                text = f"{self.section.name} is laid out alike: nothing describes it, and its length differs"
                self.held.assumed.append(text)
            return
        for finding in compat(one, two).findings:
            rule = finding.rule
            # A subsection is there or not as the device is at that moment.
            if finding.severity == COSMETIC or rule.startswith(("subsection", "version", "section")):
                continue
            if rule == "field-count" and self.counted_on_the_wire(finding.path):
                continue
            yield self.held.with_error(finding, self.section)

    def own_schema(self, whole: Schema) -> Schema | None:
        """The schema of one stream, with this section alone."""
        key = (self.section.name, self.section.instance_id)
        own = tuple(one for one in whole.sections if (one.key, one.instance_id) == key and one.sources)
        return Schema(whole.name, whole.kind, None, own[:1]) if own else None

    def counted_on_the_wire(self, path: str | None) -> bool:
        """Whether an array of another length is one whose length is sent: a number before it says it in both."""
        sizes = []
        name = (path or "").rpartition("/")[2]
        for side in (self.section, self.other):
            arrays = [value for steps, value in _walk(side.state) if steps and steps[-1] == name]
            numbers = {value for _, value in _walk(side.state) if isinstance(value, int)}
            sizes.append(bool(arrays) and hasattr(arrays[0], "__len__") and len(arrays[0]) in numbers)
        return all(sizes)

    # Values.

    def values(self, *, beside: bool) -> Iterator[Explained]:
        """What breaks a rule: for any destination and, `beside` this one, by what it compares with its own."""
        vmsd, state, version = self.source.vmsd, self.source.subject.state, self.section.version_id
        if vmsd is None or not has_checks(vmsd):
            return
        results = list(broken(vmsd, state, version=version))
        if beside:
            seen = {(result.rule.id, result.path) for result in results if result.is_judged}
            compared = broken(vmsd, state, version=version, own=self.destination.subject.state, facts=self.known_facts)
            results = [result for result in results if result.is_judged]
            # That a value cannot be written as the destination would lay it out is a matter of the layout.
            results += [
                result for result in compared if result.rule.id != ENCODE and (result.rule.id, result.path) not in seen
            ]
        for result in results:
            yield from self.of_rule(result)

    @property
    def known_facts(self) -> dict[str, Any]:
        """What rules can ask of the destination."""
        release = self.held.release
        return {
            **self.held.target.facts,
            **({} if release is None else {RELEASE.name: release}),
            IDSTR.name: self.section.name,
        }

    def of_rule(self, result: Broken) -> Iterator[Explained]:
        """What is told of a rule that is broken; one that cannot be judged is noted."""
        rule, path = result.rule, result.path
        if rule.mended:
            return
        if result.missing and not (rule.since is not None and result.missing == (RELEASE.name,)):
            self.held.not_judged.append(f"{self.held.name_of(self.section)}: {path}: {rule.id}")
            return
        # A release that is not known is taken for the newest.
        offset = self.source.place(path)
        if rule.id == KNOWN_SINCE:
            name = next((part.name for where, part, _ in self.source.structs() if where == path), path or "")
            yield self.finding(
                "subsection-unknown",
                f"the destination does not know subsection {name!r}, which QEMU has from {result.local} on",
                path=path,
                offset=offset,
                qemu_error=self.unknown(name),
                advice="use the machine type of the older release on both sides, "
                "or switch off at the source what the subsection is for",
            )
        elif rule.needs:
            yield self.finding(
                rule.id,
                result.filled(rule.text, self.section.name),
                path=path,
                offset=offset,
                qemu_error=self.loading
                if rule.qemu_error is None
                else result.filled(rule.qemu_error, self.section.name),
                advice=rule.advice or "give the device of the destination what that of the source has",
            )
        elif rule.id == ENCODE:
            yield self.finding(ENCODE, rule.text, path=path, offset=self.section.offset)
        else:
            yield self.finding(
                rule.id,
                f"no QEMU takes this: {result.text}",
                path=path,
                offset=offset,
                qemu_error=self.loading,
                advice="the stream itself is wrong; `vmstate set` changes a value",
            )

    def features(self, features: FeatureSet) -> Iterator[Explained]:
        """The features that the driver accepted, and those that the destination offers."""
        guest = features_in(features, self.source)
        if not guest:
            return
        name = self.held.name_of(self.section)
        offered = self.held.target.host_features.get((self.section.name, self.section.instance_id))
        if offered is None:
            # A driver accepted these there, so they are offered.
            left = guest & ~features_in(features, self.destination)
            missing = sum(1 << bit for bit in bits_of(left) if self.is_shown_missing(features, bit))
            if left & ~missing:
                text = f"{name}: the destination offers what the driver accepted: {named(features, left & ~missing)}"
                self.held.assumed.append(text)
        else:
            missing = guest & ~offered
        path, offset = self.place_of_features(features)
        for bit in bits_of(missing):
            symbol = features.names.get(bit, f"feature {bit}")
            option = features.properties.get(bit)
            advice = "use the machine type and the back end of the source at the destination"
            if option is not None:
                advice = (
                    f"let the device of the destination offer it (property {option}, and a back end and a machine type "
                    f"that allow it), or start the source without it"
                )
            yield self.finding(
                "feature",
                f"the driver accepted {symbol} (bit {bit}), which the destination does not offer",
                path=f"{path}.{symbol}",
                offset=offset,
                qemu_error=self.loading if offered is None else messages.features(guest, offered, self.held.release),
                advice=advice,
            )

    def is_shown_missing(self, features: FeatureSet, bit: int) -> bool:
        """Whether the destination's stream lacks what it would have if the feature were offered."""
        path = features.shown_by.get(bit)
        return path is not None and self.source.value(path) is not None and self.destination.value(path) is None

    def place_of_features(self, features: FeatureSet) -> tuple[str, int]:
        """The last word that is there, which QEMU takes."""
        for path, _, _ in reversed(features.words):
            if self.source.value(path) is not None and "128" not in path:
                return path, self.place(path)
        return features.words[0][0], self.section.offset

    # PCI.

    def pci(self) -> Iterator[Explained]:
        """The configuration space, byte by byte."""
        for (path, field, read), (_, _, own) in zip(configs(self.section), configs(self.other), strict=False):
            if len(read) != len(own):
                continue
            masks = Masks(own, self.held.target.regions.get(self.section.name), self.rom_size())
            differences = list(masks.differences(read))
            if not differences:
                continue
            first = differences[0]
            others = f", and {len(differences) - 1} bytes more" if len(differences) > 1 else ""
            yield self.finding(
                "pci-config",
                f"byte {first.at:#x} ({masks.name_of(first.at)}) is {first.read:#04x} in the stream and "
                f"{first.device:#04x} on the destination, where the guest cannot have written it{others} "
                f"(cmask {first.cmask:#x} wmask {first.wmask:#x} w1cmask {first.w1cmask:#x})",
                path=f"{path}[{first.at:#x}]",
                offset=place_of_config(self.section, path, field, first.at),
                qemu_error=messages.pci_config(first),
                advice="the devices differ in what they are or can: give both the same properties (vectors, "
                "disable-legacy, disable-modern, class, aer, ats, multifunction) and the same machine type",
            )

    def rom_size(self) -> int:
        """The size of the expansion ROM of the destination's device, 0 where it has none."""
        place = self.section.name.rpartition("/")[0]
        assert self.held.destination is not None
        for block in self.held.destination.ram.blocks:
            if place and block.idstr.startswith(f"{place}/") and block.idstr.endswith(".rom"):
                return int(block.used_length)
        return 0


@cache
def has_checks(vmsd: VMStateDescription) -> bool:
    """Whether QEMU checks anything of a description, beyond how it is laid out."""
    return any(part.rules or any(field.checks for field in part.fields) for part in vmsd.walk())


def _once(findings: Iterable[Explained]) -> list[Explained]:
    kept: dict[str, Explained] = {}
    for finding in findings:
        kept.setdefault(finding.id, finding)
    return list(kept.values())


def _walk(state: Any, steps: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(names, value) of everything in a state that has no class."""
    yield steps, state
    if isinstance(state, dict):
        for name, inner in state.items():
            yield from _walk(inner, (*steps, name))


def configs(section: Section) -> Iterator[tuple[str, Field, bytes]]:
    """(path, field, bytes) of the PCI configuration spaces of a section."""
    for steps, vmsd, state in described_states(section.vmsd, section.state):
        for field in vmsd.fields:
            if is_config(field):
                value = member(state, field.attribute)
                if isinstance(value, (bytes, bytearray, memoryview)):
                    yield format_path((*steps, field.attribute)), field, bytes(value)


def place_of_config(section: Section, path: str, field: Field, at: int) -> int:
    """The absolute offset of a byte of a configuration space; that of the section where the space cannot be found."""
    trace = section.trace()
    entry = trace.get(path) or next((one for one in trace.values() if one.field is field), None)
    return section.offset if entry is None else entry.offset + at


def bits_of(bits: int) -> list[int]:
    """The numbers of the bits that are set."""
    return [bit for bit in range(bits.bit_length()) if bits >> bit & 1]


def named(features: FeatureSet, bits: int) -> str:
    """The features of a set, by name."""
    return ", ".join(features.names.get(bit, f"feature {bit}") for bit in bits_of(bits))


def features_in(features: FeatureSet, read: Any) -> int:
    """The features that the driver accepted, as QEMU puts them together."""
    whole = 0
    for path, lowest, width in features.words:
        word = read.value(path)
        if word is not None:
            mask = (1 << width) - 1
            whole = whole & ~(mask << lowest) | (int(word) & mask) << lowest
    return whole


# QEMU's log.


def join(log: str, findings: Iterable[Explained]) -> Iterator[LogFinding]:
    """The lines of a log that say why a load failed, each with the finding that explains it."""
    breaking = [finding for finding in findings if finding.severity != COSMETIC]
    for line in messages.lines_of(log, [finding.qemu_error for finding in breaking if finding.qemu_error]):
        yield LogFinding(line, next(_explaining(line, breaking), None))


def _explaining(line: LogLine, findings: list[Explained]) -> Iterator[str]:
    """The ids of the findings that a line is about, the surest first."""
    for finding in findings:
        if finding.qemu_error is not None and finding.qemu_error in line.text:
            yield finding.id
    for finding in findings:
        if line.section is not None and finding.section is not None:
            name, _, instance = finding.section.partition("#")
            if name == line.section and (not instance or line.instance_id in (None, int(instance))):
                yield finding.id
    for finding in findings:
        if line.subject is not None and line.subject in (finding.path, finding.section):
            yield finding.id
