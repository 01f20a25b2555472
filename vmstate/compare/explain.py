"""Will a stream load in a destination, and if not, what stands in the way: `vmstate.explain(stream, against)`.

The stream is held against what is known of the destination in the order in which QEMU reads it: configuration, RAM
blocks, then section by section (vmstate.compare.section) the versions, the layout, the values that must be equal, PCI
configuration spaces, what devices compare of their own (vmstate.vmsd.destination), features, and the rules that no
destination forgives.

The verdict: "fails" if anything found breaks the load, "unknown" if something may and cannot be decided, else "loads";
what that takes for granted is told in `assumed`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vmstate.compare.advice import SWITCHES, advice_of_block
from vmstate.compare.compat import compat
from vmstate.compare.compat_properties import with_properties
from vmstate.compare.explained import FAILS, LOADS, UNKNOWN, Explained, ExplainedLine, Explanation, Findings
from vmstate.compare.findings import BREAKS, COSMETIC, MAY_BREAK
from vmstate.compare.schemas import Schema
from vmstate.compare.section import ADVICE_OF_RELEASES, SectionCheck, Sides, bits_of, named, with_error
from vmstate.compare.target import Target, open_target
from vmstate.errors import SchemaError, StreamError, VersionError, VMStateError
from vmstate.files import size_text
from vmstate.rules import messages
from vmstate.rules.stream import (
    RESIZABLE,
    UNSENT,
    Commands,
    Loader,
    Refusal,
    Registered,
    refused_configuration,
    refused_framing,
    refused_record,
    room_of_block,
    takes_unsent,
)
from vmstate.saved.loading import load_what_is_whole
from vmstate.saved.opening import StreamLike, open_input
from vmstate.stream.events import Command, EndOfStream
from vmstate.stream.registry import comparison_of, is_per_cpu, last_part
from vmstate.stream.stream import Section, Stream

if TYPE_CHECKING:
    from vmstate.compare.judged import Judged

ON_WHERE_IT_WAS = frozenset(("x-ignore-shared",))
"""Capabilities that whoever loads a stream switches on, as the stream says that they were; a command line cannot."""

SHOWN_NAMES = 6
"""Sections that are named in one line."""

MAX_VERSIONS = 16
"""Versions of a stream that may be out of the range of its own descriptions."""


def explain(
    stream: StreamLike | Stream,
    target: StreamLike | Stream | Schema | Target,
    *,
    values: StreamLike | Stream | None = None,
    machine: str | None = None,
    log: StreamLike | None = None,
    judged: Judged | None = None,
) -> Explanation:
    """Whether a stream, a `Stream` or whatever `load` takes, loads in a destination.

    `target` is a `Target` or whatever `open_target` takes; `machine` is the machine type for a QEMU binary. `values` is
    a stream of the destination where `target` is only its schema. `log` is what a QEMU printed that refused the stream
    (a file, or bytes): its lines are held against the findings. `judged` has what was found in sections of other
    streams for this destination. Raises `VMStateError`.
    """
    with ExitStack() as stack:
        source, versions = (stream, {}) if isinstance(stream, Stream) else load_whatever_versions(stream, stack)
        destination = open_target(target, machine=machine)
        if values is not None:
            destination = destination.beside(open_target(values))
        check = StreamCheck(source, destination, versions, judged)
        loading = destination.machine
        saving = source.configuration.machine if source.configuration is not None else None
        findings = with_properties(tuple(check.run()), destination.compat_properties, saving, loading)
        severities = {finding.severity for finding in findings}
        verdict = FAILS if BREAKS in severities else UNKNOWN if MAY_BREAK in severities else LOADS
        lines: tuple[ExplainedLine, ...] = ()
        if log is not None:
            # Its table of lines takes longer to make than most of the rest.
            from vmstate.compare.log import explain_log, read_log

            lines = tuple(explain_log(read_log(log), findings, loads=verdict == LOADS))
        not_judged = tuple(check.findings.not_judged)
        left_out = [f"of the destination is not in it: {text}" for text in destination.left_out]
        assumed = tuple(dict.fromkeys([*check.findings.assumed, *left_out]))
        return Explanation(str(source.name), destination.name, verdict, findings, assumed, not_judged, lines)


def explain_sides(source: Target, target: Target) -> Explanation:
    """Whether what one machine saves before a guest has run loads in another: `explain` without a stream.

    A feature that only the source offers may break it, since a driver may accept it. Raises `VMStateError` where there
    is no stream of the source.
    """
    if source.stream is None:
        raise SchemaError("of the source there are no values", file=source.name, expected="a command line or a stream")
    explanation = explain(source.stream, target)
    findings = [*explanation.findings, *features_of_one_side(source, target)]
    may_break = any(finding.severity == MAY_BREAK for finding in findings)
    assumed = [*explanation.assumed, *(f"of the source is not in it: {text}" for text in source.left_out)]
    assumed.append("no guest has run at the source: what one sets in its devices is not looked at")
    verdict = UNKNOWN if explanation.verdict == LOADS and may_break else explanation.verdict
    changes = {"stream": source.name, "verdict": verdict, "findings": tuple(findings), "assumed": tuple(assumed)}
    return Explanation(**{**vars(explanation), **changes})


def features_of_one_side(source: Target, target: Target) -> Iterator[Explained]:
    """The features that the devices of the source offer, and those of the destination do not."""
    for (name, instance_id), offered in source.host_features.items():
        local = target.host_features.get((name, instance_id))
        features = comparison_of(name).features
        if local is None or features is None or not offered & ~local:
            continue
        missing = offered & ~local
        options = [features.properties[bit] for bit in bits_of(missing) if bit in features.properties]
        yield Findings(()).finding(
            "feature-offered",
            f"the source offers {named(features, missing)}, and the destination does not",
            section=name,
            severity=MAY_BREAK,
            when="the guest's driver accepts it",
            advice="use the machine type and the back end of the source at the destination"
            + (f", or start the source without ({', '.join(options)})" if options else ""),
        )


def refuse_too_large(size: int, name: str | None) -> None:
    """Refuse what has to be held in memory and is more than half of what this machine has. Raises `StreamError`."""
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    if size > most:
        raise StreamError(
            "the stream has to be in memory for this, and is too large",
            file=name,
            expected=f"at most {size_text(most)} on this machine, as `vmstate thin` makes one",
            found=size_text(size),
        )


def load_whatever_versions(source: Any, stack: ExitStack) -> tuple[Stream, dict[int, VersionError]]:
    """A stream, and the versions in it that its own descriptions do not take: offset behind the header -> the error.

    Such a version says nothing of what follows, which is then read at one that they take.
    """
    opened = stack.enter_context(open_input(source))
    mended, versions = bytearray(), dict[int, VersionError]()
    while True:
        try:
            # What cannot be loaded is closed.
            stream = stack.enter_context(load_what_is_whole(bytes(mended) if mended else opened.again()))
        except VersionError as error:
            # Of a section the offset is behind the version, of a subsection in front of it.
            behind = (error.offset or 0) + (0 if error.path is None else 4)
            if behind < 4 or behind in versions or len(versions) == MAX_VERSIONS:
                raise error.named(opened.name) from None
            versions[behind] = error
            refuse_too_large(len(opened.data), opened.name)
            mended = mended or bytearray(opened.data)
            mended[behind - 4 : behind] = error.known.to_bytes(4, "big")
        except VMStateError as error:
            raise error.named(opened.name) from None
        else:
            stream.name = opened.name
            return stream, versions


class StreamCheck:
    """A whole stream, held against a destination."""

    def __init__(
        self, source: Stream, target: Target, versions: Mapping[int, VersionError], judged: Judged | None = None
    ) -> None:
        self.source = source
        self.judged = judged
        self.target = target
        self.destination = target.stream
        self.release = target.release
        self.loader = loader_of(target, source)
        self.met_records: set[str] = set()
        self.met_refusals: set[tuple[str, str]] = set()
        self.sides = Sides(source, target, versions)
        destination_names = set() if target.stream is None else repeated_names(target.stream)
        self.findings = Findings(repeated_names(source) | destination_names)

    def run(self) -> Iterator[Explained]:
        """All findings, in the order in which QEMU meets what they are about."""
        if self.target.blocked is not None:
            yield self.blocked(self.target.blocked)
            return
        if self.target.unsaved is not None:
            yield self.unsaved(self.target.unsaved)
        yield from self.framing()
        yield from self.configuration()
        if self.destination is None:
            if self.target.schema is not None:
                yield from self.schemas()
            yield from self.cut()
            return
        sections = self.sections_by_key()
        registered = Registered(sections, self.loader.release)
        met: set[int] = set()
        commands = Commands(self.loader)
        for part in self.source.parts:
            if isinstance(part, Command):
                yield from self.command(part, commands)
            elif isinstance(part, Section) and part.is_ram:
                yield from self.ram(part)
            elif isinstance(part, Section) and part.kind in ("start", "full"):
                counterpart = registered.find(part.name, part.instance_id)
                if counterpart is None:
                    yield from self.section_without_counterpart(part)
                    continue
                check = SectionCheck(self.sides, self.findings, part, counterpart)
                if id(counterpart) in met:
                    self.again(part)
                    self.looked_into(part)
                    yield from check.run()
                    continue
                met.add(id(counterpart))
                yield from check.run() if self.judged is None else self.judged.run(check)
        yield from self.cut()
        if self.source.cut is None:
            yield from self.missing_sections(section for section in sections.values() if id(section) not in met)
        if self.findings.compared_by_layout:
            names = self.findings.compared_by_layout
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            shown = ", ".join(names[:SHOWN_NAMES]) + more
            self.findings.assumed.append(f"values go together in what is compared by its layout alone: {shown}")

    def blocked(self, line: str) -> Explained:
        """That the destination has a device with which it loads nothing."""
        return self.findings.finding(
            "destination-blocked",
            "the destination has a device that cannot be migrated, and QEMU loads nothing into such a machine",
            qemu_error=line,
            advice="start the destination without that device",
        )

    def unsaved(self, line: str) -> Explained:
        """That the destination can load and not save, so that its devices do not show."""
        return self.findings.finding(
            "destination-unsaved",
            f"the destination cannot be saved, so that what its devices are is not known: {line}",
            severity=MAY_BREAK,
            when="its devices are not those of the source",
            advice="explain it without that device, on both sides",
        )

    def cut(self) -> Iterator[Explained]:
        """Whether the stream ends before its end: behind that QEMU takes no notice of what is missing."""
        cut = self.source.cut
        if cut is None:
            return
        if any(isinstance(part, EndOfStream) for part in self.source.parts):
            self.findings.assumed.append(f"what is cut off is nothing that QEMU needs: {cut.message}")
            return
        yield self.findings.finding(
            "cut",
            f"the stream is cut off: {cut.message}",
            section=cut.section,
            offset=cut.offset,
            qemu_error="load of migration failed: Input/output error",
            advice="save the machine again: what is missing cannot be made up",
        )

    def sections_by_key(self) -> dict[tuple[str, int], Section]:
        """The destination's sections that are not RAM, the first of each (idstr, instance_id), in their order."""
        sections: dict[tuple[str, int], Section] = {}
        assert self.destination is not None
        for section in self.destination.sections:
            if section.kind in ("start", "full") and not section.is_ram:
                sections.setdefault((section.name, section.instance_id), section)
        return sections

    # What concerns all.

    def framing(self) -> Iterator[Explained]:
        """Whether there is a configuration section, and whether sections have footers."""
        known = self.destination
        if known is None or (self.release is None and self.source.configuration is known.configuration is None):
            return
        local = known.configuration is not None
        if self.target.sends_configuration is not None:
            local = self.target.sends_configuration
        sent = self.source.configuration is not None, has_footers(self.source)
        for refusal in refused_framing(sent, (local, has_footers(known)), self.release):
            first = self.source.sections[:1]
            offset = 8 if refusal.rule == "send-configuration" or not first else first[0].offset + first[0].size
            yield self.refusal(refusal, offset=offset)

    def configuration(self) -> Iterator[Explained]:
        """Machine type, pages, capabilities, UUID."""
        sent = self.source.configuration
        known = None if self.destination is None else self.destination.configuration
        if sent is None:
            return
        if known is None and self.loader.machine is None:
            self.findings.assumed.append(f"the machine type is {sent.machine}")
        for name in sent.capability_names:
            is_shown = known is not None and name in known.capability_names
            if not is_shown and (self.loader.has(name) is None or name in ON_WHERE_IT_WAS):
                self.findings.assumed.append(
                    f"the migration capability {name} is on at the destination, as at the source"
                )
        for name in known.capability_names if known is not None else ():
            if name in ON_WHERE_IT_WAS and name not in sent.capability_names and self.loader.has(name) is None:
                self.findings.assumed.append(
                    f"the migration capability {name} is off at the destination, as at the source: it was on where the "
                    "destination's stream was saved"
                )
        for refusal in refused_configuration(sent, known, self.loader):
            yield self.refusal(refusal, section="configuration")

    def refusal(self, refusal: Refusal, **where: Any) -> Explained:
        """The finding of what a destination refuses of a stream beside its devices."""
        if refusal.path is not None:
            where["path"] = refusal.path
        return self.findings.finding(
            refusal.rule, refusal.why, qemu_error=refusal.qemu_error, advice=refusal.advice, **where
        )

    def command(self, command: Command, commands: Commands) -> Iterator[Explained]:
        """Whether the destination takes a command of the stream."""
        refusal = commands.refused(command)
        # A stream can repeat a command as often as it likes.
        if refusal is None or (refusal.rule, refusal.why) in self.met_refusals:
            return
        self.met_refusals.add((refusal.rule, refusal.why))
        if refusal.missing is not None:
            self.findings.assumed.append(refusal.missing)
            return
        yield self.refusal(refusal, offset=command.offset)

    # RAM.

    def ram(self, section: Section) -> Iterator[Explained]:
        """The blocks, by their names."""
        assert self.destination is not None
        yield from self.records(section)
        if section.kind not in ("start", "full"):
            return
        sections = (part for part in self.destination.sections if part.is_ram)
        local_blocks = {block.idstr: block for part in sections for block in part.state.blocks}
        if not local_blocks:
            self.findings.assumed.append("the RAM blocks are the same")
            return
        for block in section.state.blocks:
            local = local_blocks.get(block.idstr)
            if local is None:
                yield self.findings.finding(
                    "ram-block-unknown",
                    f"the destination has no RAM block {block.idstr!r} ({block.used_length:#x} bytes)",
                    section=section,
                    path=block.idstr,
                    offset=block.offset,
                    qemu_error=messages.ram_unknown(block.idstr),
                    advice=self.advice_of_missing_place(block.idstr) or advice_of_block(block.idstr),
                )
                continue
            yield from self.block(section, block, local.used_length)

    def records(self, section: Section) -> Iterator[Explained]:
        """The first record of each kind."""
        for name, (offset, flags) in section.state.firsts.items():
            refusal = refused_record(name, flags, self.loader)
            if refusal is None or name in self.met_records:
                continue
            self.met_records.add(name)
            if refusal.missing is not None:
                self.findings.assumed.append(refusal.missing)
                continue
            line = refusal.qemu_error or messages.while_loading_part(section.section_id, section.name, self.release)
            yield self.refusal(refusal.replace(qemu_error=line), section=section, offset=offset)

    def block(self, section: Section, block: Any, local: int) -> Iterator[Explained]:
        """The size of one block."""
        size = block.used_length
        largest = room_of_block(block.idstr, size, local)
        if largest is None:
            return
        message = f"RAM block {block.idstr!r} has {size:#x} bytes in the stream and {local:#x} on the destination"
        error = messages.ram_size(block.idstr, size, local, self.release)
        if block.idstr.startswith(RESIZABLE):
            message += f", where it can grow to {largest:#x}"
            error = messages.ram_too_large(block.idstr, size, largest, self.release)
        yield self.findings.finding(
            "ram-block-size",
            message,
            section=section,
            path=block.idstr,
            offset=block.offset,
            qemu_error=error,
            advice=advice_of_block(block.idstr),
        )

    # Sections.

    def section_without_counterpart(self, section: Section) -> Iterator[Explained]:
        """A section that the destination's own stream has not: some it takes all the same."""
        taken = takes_unsent(section.name, section.instance_id, self.loader)
        if taken is False:
            yield self.findings.finding(
                "section-unknown",
                f"the destination has no section {self.findings.name_of(section)!r}",
                section=section,
                offset=section.offset,
                qemu_error=messages.unknown_section(section.name, section.instance_id, self.release),
                advice=self.advice_of_missing(section),
            )
            return
        rule = UNSENT[section.name]
        name = self.findings.name_of(section)
        if taken is None:
            yield self.findings.finding(
                "section-unknown",
                f"the destination's own stream has no section {name!r}, which is {rule.why}",
                section=section,
                offset=section.offset,
                severity=MAY_BREAK,
                when="the destination has not got the device either",
                qemu_error=messages.unknown_section(section.name, section.instance_id, self.release),
                advice=self.advice_of_missing(section),
            )
        elif section.version_id > rule.version_id:
            yield self.findings.finding(
                "version-newer",
                f"the section has version {section.version_id}, and the destination knows up to {rule.version_id}",
                section=section,
                offset=section.offset,
                qemu_error=messages.section_version(section.name, section.version_id, rule.version_id),
                advice=ADVICE_OF_RELEASES,
            )
        else:
            self.findings.assumed.append(
                f"{name} loads: the destination takes it, and its own stream does not show how ({rule.why})"
            )
            self.looked_into(section)
            yield from SectionCheck(self.sides, self.findings, section, section).values(beside=False)

    def looked_into(self, section: Section) -> None:
        """A section is looked into for this stream alone, where there are many."""
        if self.judged is not None:
            self.judged.looked_into(section)

    def again(self, section: Section) -> None:
        """A section that stands in the stream more than once: QEMU loads each, and the last counts."""
        name = self.findings.name_of(section)
        text = f"{name} stands for one section of the destination more than once: QEMU loads each, the last counts"
        self.findings.assumed.append(text)

    def advice_of_missing(self, section: Section) -> str:
        """What to do about a device that only the source has."""
        kind = last_part(section.name)
        elsewhere = self.moved.get(kind)
        if elsewhere is not None:
            place = ROOT_BUS.match(section.name)
            address = "" if place is None else f": addr={int(place[1], 16):#x}{place[2]}".removesuffix(".0")
            return (
                f"the destination has a {kind} as {elsewhere}: give the device the same place there "
                f"(bus= and addr=) as at the source{address}"
            )
        if is_per_cpu(kind):
            return "give the destination as many CPUs (-smp), with the same CPU model and features"
        if kind == section.name and kind in SWITCHES:
            return f"start the destination with -machine {SWITCHES[kind]}=on, as the source has the {kind} of the board"
        return f"give the destination the same device ({kind}) at the same place, or take it from the source first"

    @cached_property
    def moved(self) -> dict[str, str]:
        """Kind (the last part of an idstr) -> the first idstr of the kind that only the destination has."""
        assert self.destination is not None
        sent = {section.name for section in self.source.sections}
        names = (section.name for section in self.destination.sections if section.kind != "part")
        moved: dict[str, str] = {}
        for name in names:
            if name not in sent:
                moved.setdefault(last_part(name), name)
        return moved

    @cached_property
    def missing_places(self) -> dict[str, Section]:
        """Place (an idstr without its last part) -> the first section there that only the source has."""
        assert self.destination is not None
        local = {section.name for section in self.destination.sections}
        places: dict[str, Section] = {}
        for section in self.source.sections:
            place = section.name.rpartition("/")[0]
            if place and section.name not in local:
                places.setdefault(place, section)
        return places

    def advice_of_missing_place(self, idstr: str) -> str | None:
        """What to do about a RAM block of a device that is missing too; None where the device is there, or it has none.

        The block is refused first, and the cause of both is the same.
        """
        section = self.missing_places.get(idstr.rpartition("/")[0])
        return None if section is None else self.advice_of_missing(section)

    def missing_sections(self, missing: Iterable[Section]) -> Iterator[Explained]:
        """What the destination has and the stream does not: QEMU loads without it."""
        for section in missing:
            yield self.findings.finding(
                "section-missing",
                f"the stream has no section {self.findings.name_of(section)!r}: the device stays as after a reset",
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
        by_label: dict[str, Section] = {}
        for section in self.source.sections:
            by_label.setdefault(
                f"{section.name}#{section.instance_id}" if section.instance_id else section.name, section
            )
        for finding in compat(self.sides.source_schema, known).findings:
            yield with_error(finding, by_label.get(finding.section or ""), self.target)
        for section in self.source.sections:
            if section.kind in ("start", "full") and not section.is_ram:
                self.looked_into(section)
                yield from SectionCheck(self.sides, self.findings, section, section).values(beside=False)
        self.findings.assumed += [
            "the destination has the devices of the source, at the same places, and the same RAM blocks",
            "values that a schema does not say go together: PCI configuration, virtio features, numbers of queues",
        ]


def loader_of(target: Target, source: Stream) -> Loader:
    """What is known of a destination, with the capabilities that whoever loads the stream switches on for it."""
    loader = target.loader
    configuration = source.configuration
    if loader.capabilities is None or configuration is None:
        return loader
    added = ON_WHERE_IT_WAS.intersection(configuration.capability_names)
    return loader.replace(capabilities=frozenset((*loader.capabilities, *added)))


def has_footers(stream: Stream) -> bool:
    """Whether the sections of a stream have footers."""
    return any(section.footer.section_id is not None for section in stream.sections)


def repeated_names(stream: Stream) -> set[str]:
    """The names (idstrs) that more than one section of a stream has."""
    names: dict[str, int] = {}
    for section in stream.sections:
        if section.kind in ("start", "full"):
            names[section.name] = names.get(section.name, 0) + 1
    return {name for name, count in names.items() if count > 1}


ROOT_BUS = re.compile(r"[0-9a-f]{4}:00:([0-9a-f]{2})(\.[0-7])/")
"""The place of a device on the root bus, as idstrs have it: slot and function."""
