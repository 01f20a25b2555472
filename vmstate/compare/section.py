"""One section of a stream, held against the destination's: versions, subsections, layout, values, features, PCI.

The layout is held against the destination's by reading the section as the destination would: with the description and
the facts under which its own section reads. Where the device library does not know a section, the two vmdescs are laid
beside each other by the engine of `compat`; the destination's -dump-vmstate text, where there is one, says which
versions and subsections it takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from vmstate.codec.asked import Sought, place_in
from vmstate.codec.structs import SUBSECTION
from vmstate.compare.advice import SAME_PROPERTIES
from vmstate.compare.compat import compat
from vmstate.compare.explained import Explained, Findings
from vmstate.compare.findings import BREAKS, COSMETIC, MAY_BREAK, CompatFinding
from vmstate.compare.schemas import Schema, SectionSchema, schema_of_stream
from vmstate.compare.target import POSSIBLE_CPUS, Target
from vmstate.errors import VersionError, VMStateError
from vmstate.query.pci import is_config
from vmstate.rules import messages
from vmstate.rules.evaluate import ENCODE, AsKnown, broken, read_as_known, unsent_facts
from vmstate.rules.memory import SentMemory, unsent_memory
from vmstate.rules.pci_config import Masks
from vmstate.rules.stream import is_its_own_minimum
from vmstate.schema.contradiction import contradicts
from vmstate.stream.memory_map import possible_processors
from vmstate.stream.registry import comparison_of, last_part
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.destination import FeatureSet, Identity
from vmstate.vmsd.expr import IDSTR, MEMORY, RELEASE, Fact
from vmstate.vmsd.path import Steps, format_path, member
from vmstate.vmsd.rule import ALLOCATED, KNOWN_SINCE, VALUE_EQUAL, Broken
from vmstate.vmsd.state import is_state
from vmstate.vmsd.walk import described_states

ADVICE_OF_RELEASES = "use the machine type of the older release on both sides, or a newer QEMU at the destination"


JUDGED_HERE = frozenset(("pci-config", "virtio-features"))
"""Rules of which this tells byte by byte and feature by feature, by what it knows itself."""


_OF_DESTINATIONS: WeakKeyDictionary[Target, dict[int, AsKnown]] = WeakKeyDictionary()
"""Sections of destinations, by their ids, as the library reads them."""


class Sides:
    """The stream and the destination, and what each says of its own sections, put together when it is asked for.

    `versions` are the versions in the stream that its own descriptions do not take: offset behind the header -> the
    error.
    """

    def __init__(self, source: Stream, target: Target, versions: Mapping[int, VersionError]) -> None:
        self.source = source
        self.target = target
        self.versions = versions
        self.values_were_counted = False
        """Whether all numbers of a section were held against lengths."""
        self._described: dict[int, Mapping[tuple[str, int], SectionSchema]] = {}
        self.sent_memory = SentMemory(source)
        self.memory = {MEMORY.name: target.facts.get(MEMORY.name, self.sent_memory)}
        """The fact by which rules find guest memory: as the stream brings it, where the destination does not tell."""

    def as_known(self, counterpart: Section) -> AsKnown:
        """A section of the destination, read by the library where that knows it: once for all streams."""
        read = _OF_DESTINATIONS.setdefault(self.target, {})
        if id(counterpart) not in read:
            read[id(counterpart)] = read_as_known(counterpart)
        return read[id(counterpart)]

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of sections that the destination has, or where it shows none, the source."""
        shown = self.source if self.target.stream is None else self.target.stream
        return frozenset(last_part(section.name) for section in shown.sections)

    @cached_property
    def processors(self) -> tuple[int, bool]:
        """How many processors the destination can have, and whether it is not at least so many.

        Its ACPI tables list them. Without them it has as many as its stream.
        """
        stream = self.target.stream
        listed = 0 if stream is None else possible_processors(stream)
        sections = () if stream is None else stream.sections
        return listed or len({section.instance_id for section in sections if section.name == "cpu"}), listed > 0

    @cached_property
    def unsent_memory(self) -> tuple[object, ...] | None:
        """All on which the answers of guest memory depend where the stream holds none; None where it holds some."""
        return unsent_memory(self.source)

    @cached_property
    def source_schema(self) -> Schema:
        """What the stream says of itself."""
        whole = schema_of_stream(self.source, {})
        for section in whole.sections:
            error = None if section.offset is None else self.versions.get(section.offset)
            section.version = section.version if error is None else error.version_id
        return whole

    def described_in(self, whole: Schema) -> Mapping[tuple[str, int], SectionSchema]:
        """The sections of a schema that something describes, by (key, instance_id), the first of each."""
        if id(whole) not in self._described:
            sections = (section for section in reversed(whole.sections) if section.sources)
            self._described[id(whole)] = {(section.key, section.instance_id): section for section in sections}
        return self._described[id(whole)]

    @cached_property
    def destination_schema(self) -> Schema:
        """What the destination's stream says of itself."""
        assert self.target.stream is not None
        return schema_of_stream(self.target.stream, {})


class SectionCheck:
    """A section of the stream, held against that of the destination, its counterpart.

    Where of the destination there is only a schema, the counterpart is the section itself.
    """

    def __init__(self, sides: Sides, findings: Findings, section: Section, counterpart: Section) -> None:
        self.sides = sides
        self.target = sides.target
        self.findings = findings
        self.section = section
        self.counterpart = counterpart

    @cached_property
    def source(self) -> AsKnown:
        """The section, read by the library where that knows it."""
        return read_as_known(self.section)

    @cached_property
    def destination(self) -> AsKnown:
        """The destination's section, read by the library where that knows it."""
        if self.counterpart is self.section:
            return read_as_known(self.counterpart)
        return self.sides.as_known(self.counterpart)

    def run(self) -> list[Explained]:
        """All findings, in the order in which QEMU meets what they are about."""
        misplaced = [*self.wrong_object(), *self.ends()]
        if self.is_alike and self.target.command is not None:
            # What a destination that was started sends itself it takes: guest memory has no say, since nothing points
            # into it in a machine that never ran. A recorded one can be told to be of a release that did not write it.
            # Some devices do not load what they save, whatever sends it.
            if comparison_of(self.section.name).refuses(self.section.payload, self.target.release):
                return [*misplaced, *self.values(beside=True)]
            return misplaced
        findings = [*self.versions(), *self.subsections(), *misplaced]
        if not any(finding.severity == BREAKS and finding.path is None for finding in findings):
            paths = {finding.path for finding in findings if finding.rule == "subsection-unknown"}
            findings += (finding for finding in self.contents() if not self.is_listed(finding, paths))
        return sorted(findings, key=self.offset_when_met)

    def is_listed(self, finding: Explained, paths: set[str | None]) -> bool:
        """Whether the destination's -dump-vmstate text says the same of a subsection, at one of the paths."""
        if finding.rule != "subsection-unknown":
            return False
        vmsd = self.structs.get(finding.path or "")
        return vmsd is not None and any(vmsd.name in (path or "") for path in paths)

    def offset_when_met(self, finding: Explained) -> int:
        """Where QEMU is in the stream when it meets what a finding is about."""
        rule = finding.rule
        end = self.section.offset + self.section.size
        if rule in ("layout", "feature"):
            # Features are looked at when all is read, and a section of another length is noticed behind it.
            return end - (rule == "feature")
        vmsd = self.structs.get(finding.path or "")
        if vmsd is not None and any(rule == declared.id for declared in vmsd.rules):
            # Judged behind the whole struct (post_load).
            span = self.source.span(finding.path) if finding.path else None
            return end - 1 if span is None else span.stop
        return self.section.offset if finding.offset is None else finding.offset

    @cached_property
    def structs(self) -> dict[str, VMStateDescription]:
        """The descriptions of the state and of the structs in it, by path; of two with one path the first."""
        structs: dict[str, VMStateDescription] = {}
        for path, vmsd, _ in self.source.structs():
            structs.setdefault(path, vmsd)
        return structs

    def finding(self, rule: str, message: str, **known: Any) -> Explained:
        """A finding of this section."""
        return self.findings.finding(rule, message, section=self.section, **known)

    @property
    def loading_line(self) -> str:
        """What QEMU prints of the section, whatever the reason."""
        return messages.while_loading(self.section.name, self.section.instance_id)

    def offset_of(self, path: str | None) -> int:
        """Where a value stands in the stream; for one that is not in a state, the section."""
        return self.source.place(path)

    def offset_of_absent(self, path: str | None) -> int:
        """Where the destination would read what is at a path of its own: behind what both have before it."""
        before: list[str] = []
        for known in self.destination.trace:
            if known == path:
                spans = (self.source.span(name) for name in reversed(before))
                last = next((span for span in spans if span is not None), None)
                return self.section.payload_offset if last is None else last.stop
            before.append(known)
        return self.section.offset

    # Versions.

    @property
    def sent_version(self) -> int:
        """The version in the header as it stands in the stream, whether its own descriptions take it or not."""
        error = self.sides.versions.get(self.section.payload_offset)
        return self.section.version_id if error is None else error.version_id

    def versions(self) -> Iterator[Explained]:
        """The version in the header."""
        version, local = self.sent_version, self.counterpart.version_id
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
                    qemu_error=messages.too_old(self.description_name, version, minimum, self.target.release),
                    advice="save with a newer QEMU, or load with an older one",
                )

    @property
    def description_name(self) -> str:
        """What QEMU calls the description of the section."""
        return self.counterpart.vmsd.name if self.counterpart.vmsd is not None else last_part(self.section.name)

    def minimum(self) -> int | None:
        """The oldest version that the destination takes, by its -dump-vmstate text or the device library."""
        minimums = [listed.minimum for listed in self.listed_schemas()]
        if minimums:
            return min(minimums)
        if is_its_own_minimum(self.section.name, self.target.loader):
            return self.counterpart.version_id
        vmsd = self.destination.vmsd
        return None if vmsd is None or not self.destination.known else vmsd.minimum_version_id

    def listed_schemas(self) -> list[SectionSchema]:
        """What the destination's -dump-vmstate text says of the section."""
        schema = self.target.schema
        name = last_part(self.section.name)
        return [] if schema is None else [known for known in schema.sections if known.idstr == name]

    # Subsections.

    def subsections(self) -> list[Explained]:
        """Subsections of the stream that the destination does not know, or in another version."""
        return [
            *self.out_of_range_subsections(),
            *self.listed_subsections(),
            *self.undescribed_subsections(),
            *self.pointers(),
        ]

    def out_of_range_subsections(self) -> Iterator[Explained]:
        """Subsections in a version that not even the stream's own descriptions take."""
        end = self.section.offset + self.section.size
        for offset, error in self.sides.versions.items():
            if not self.section.payload_offset < offset < end:
                continue
            name, version, known = error.description, error.version_id, error.known
            if version > known:
                rule, line = "version-newer", messages.too_new(name, version, known)
                message = f"subsection {name!r} has version {version}, and the destination knows up to {known}"
            else:
                rule, line = "version-older", messages.too_old(name, version, known, self.target.release)
                message = f"subsection {name!r} has version {version}, and the destination takes none below {known}"
            yield self.finding(
                rule, message, path=error.path or name, offset=offset, qemu_error=line, advice=ADVICE_OF_RELEASES
            )

    def unknown_line(self, name: str) -> str:
        """QEMU's line of a subsection that it does not know."""
        return messages.unknown_subsection(
            name, name.rpartition("/")[0], self.section.name, self.section.instance_id, self.target.release
        )

    def listed_subsections(self) -> Iterator[Explained]:
        """Subsections that the destination's -dump-vmstate text lacks, and what else it says of unknown sections."""
        listed = self.listed_schemas()
        if not listed:
            return
        schema = self.target.schema
        sent = self.schema_of_section(self.sides.source_schema)
        if sent is None or schema is None:
            return
        known = Schema(schema.name, schema.kind, None, tuple(listed))
        for finding in compat(sent, known).findings:
            rule = finding.rule
            wanted = rule == "subsection-unknown" or (rule.startswith("version") and finding.path is not None)
            # Of a section that the library reads, its fields are settled by reading it: the text has no conditions.
            if finding.severity == COSMETIC or not (wanted or not self.is_known):
                continue
            if rule.startswith("version") and finding.path is None:
                continue
            if rule == "field-new" and self.is_empty_there(finding.path):
                continue
            yield with_error(finding, self.section, self.target)

    def is_empty_there(self, path: str | None) -> bool:
        """Whether the destination's own section, of the same version, has not got a field: an array of no elements.

        A vmdesc leaves it out, the -dump-vmstate text lists it.
        """
        described = self.counterpart.vmsd
        if path is None or described is None or self.sent_version != self.counterpart.version_id:
            return False
        return not any(field.name == path.rpartition("/")[2] for part in described.walk() for field in part.fields)

    def undescribed_subsections(self) -> Iterator[Explained]:
        """Subsections of a version above the destination's own, of a section that nothing in the stream describes.

        They are found by what stands in front of each, of which the name has that of the section in it.
        """
        if self.section.vmsd is not None or self.counterpart.vmsd is None:
            return
        payload = bytes(self.section.payload())
        subsections = (sub.vmsd for part in self.counterpart.vmsd.walk() for sub in part.subsections)
        for local in {vmsd.name: vmsd for vmsd in subsections}.values():
            mark = subsection_mark(local.name)
            at = payload.find(mark)
            behind = at + len(mark) + 4
            version = int.from_bytes(payload[behind - 4 : behind], "big")
            if at < 0 or version <= local.version_id:
                continue
            yield self.finding(
                "version-newer",
                f"subsection {local.name!r} has version {version}, and the destination knows up to {local.version_id}",
                path=local.name,
                offset=self.section.payload_offset + at,
                qemu_error=messages.too_new(local.name, version, local.version_id),
                advice=ADVICE_OF_RELEASES,
            )

    def pointers(self) -> Iterator[Explained]:
        """Subsections that are read through a pointer, where the destination has none: it would send the same."""
        for name, what in comparison_of(self.section.name).pointers.items():
            sent, local = (
                subsection_in(by_names(section.vmsd, section.state), name) if section.vmsd is not None else None
                for section in (self.section, self.counterpart)
            )
            if sent and local is False:
                yield self.finding(
                    ALLOCATED,
                    f"the destination has not got {what}: QEMU reads {name} into memory that is not there, and ends by "
                    "an assertion (a defect of QEMU's)",
                    path=name,
                    offset=self.section.offset + self.section.size - 1,
                    qemu_error="Assertion `first_elem || !n_elems || !size' failed",
                    advice="give both sides the same CPU model and features",
                )

    def ends(self) -> Iterator[Explained]:
        """What QEMU ends by in a device as it is after a start, whatever is sent: its own section shows that."""
        compares = comparison_of(self.section.name)
        if self.target.command is None and compares.ends_beside.isdisjoint(self.sides.kinds):
            return
        for name, line in compares.ends.items():
            if subsection_mark(name) not in bytes(self.counterpart.payload()):
                yield self.finding(
                    ALLOCATED,
                    "QEMU takes no such section in this device, and ends by an assertion (a defect of QEMU's)",
                    path=name,
                    offset=self.section.payload_offset,
                    qemu_error=line,
                    advice="start both sides without that device; a machine that has it cannot be migrated",
                )

    def wrong_object(self) -> Iterator[Explained]:
        """A section of no bus that the destination's release reads over an object that it is not of."""
        defect = comparison_of(self.section.name).wrong_object
        if defect is None or "/" in self.section.name or not defect.rightly.isdisjoint(self.sides.kinds):
            return
        release = self.target.release
        # What a stream tells of a release is the earliest that can have written it.
        is_certain = release in defect.ends and release not in defect.loads and self.target.command is not None
        goes_on = release in defect.loads and release not in defect.ends
        if release in defect.loads and release in defect.ends and defect.harmless is not None and self.target.command:
            goes_on = defect.harmless(bytes(self.section.payload()))
            is_certain = not goes_on
        if goes_on and release is not None and (release > max(defect.ends) or self.target.command):
            return
        message = "QEMU reads the section over an object that it is not of, and ends by that (a defect of QEMU's)"
        yield self.finding(
            "wrong-object",
            message,
            offset=self.section.offset + self.section.size - 1,
            severity=BREAKS if is_certain else MAY_BREAK,
            when=None if is_certain else f"the destination is QEMU {' or '.join(map(str, sorted(defect.ends)))}",
            qemu_error=None if release is None else defect.ends.get(release),
            advice=defect.advice,
        )

    @property
    def is_known(self) -> bool:
        """Whether the device library reads both sections."""
        return self.source.known and self.destination.known

    @property
    def destination_facts(self) -> dict[str, Any]:
        """The facts that hold for the whole destination, and over them those under which its own section reads."""
        unsent = {} if self.destination.vmsd is None else unsent_facts(self.destination.vmsd)
        return {**unsent, **self.other_processors(), **self.target.facts, **self.destination.facts}

    def other_processors(self) -> dict[str, int]:
        """The number of processors that the destination can have, where the section is for another one."""
        sent = self.source.facts.get(POSSIBLE_CPUS)
        if sent is None or POSSIBLE_CPUS in self.target.facts:
            return {}
        local, is_all = self.sides.processors
        return {POSSIBLE_CPUS: local} if sent < local or (is_all and sent != local) else {}

    # Contents.

    def contents(self) -> list[Explained]:
        """What is found of layout and values."""
        findings = list(self.layout())
        # Where the layouts part, values behind are compared by chance; those that explain it are not.
        beside = self.is_known or not any(finding.severity == BREAKS for finding in findings)
        findings += self.values(beside=beside)
        features = comparison_of(self.section.name).features
        if beside and features is not None:
            findings += self.features(features)
        findings += self.pci()
        findings += self.levels()
        findings += self.identities()
        return without_repeats(findings)

    def layout(self) -> Iterator[Explained]:
        """Whether the destination reads the section as it was written."""
        if self.is_known or (self.destination.known and not any(self.out_of_range_subsections())):
            # What reads in no way that the library knows does not read in the destination's either.
            yield from self.library_layout()
        else:
            yield from self.vmdesc_layout()

    def library_layout(self) -> Iterator[Explained]:
        """By reading it with a description and the facts of the destination's own section."""
        if self.reads_the_same:
            return
        failure: VMStateError | None = None
        data = self.section.payload()
        for vmsd in self.possible_layouts():
            codec: Any = vmsd.codec
            try:
                _, end = codec.decode_at(
                    memoryview(data),
                    0,
                    version_id=self.sent_version,
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

    @property
    def reads_the_same(self) -> bool:
        """Whether the destination has the layout and all the facts under which the library has read the section."""
        local, sent = self.destination.vmsd, self.source.vmsd
        if local is None or local is not sent or self.sent_version != self.section.version_id:
            return False
        told, facts = self.destination_facts, self.source.facts
        return all(name in facts and facts[name] == told[name] for name in facts_in(local) if name in told)

    def possible_layouts(self) -> Iterator[VMStateDescription]:
        """The descriptions of the library that can be the destination's: more than one may fit a machine at rest.

        A section's own vmdesc is none: counts and sizes are constants in it, so that it reads what no QEMU does.
        """
        local, sent = self.destination.vmsd, self.source.vmsd if self.source.known else None
        assert local is not None
        yield local
        described = self.counterpart.vmsd
        if sent is not None and sent is not local and (described is None or not contradicts(described, sent)):
            with suppress(VMStateError):
                sent.decode(
                    self.counterpart.payload(), version_id=self.counterpart.version_id, facts=self.destination_facts
                )
                yield sent

    def misread(self, error: VMStateError | None) -> Iterator[Explained]:
        """The destination reads the section otherwise: the facts that make the difference, or the place."""
        line = self.misread_error(self.destination_facts)
        sent_facts, differing = self.source.facts, self.differing_facts()
        # What QEMU would print were it the only fact that differs. The one that makes the line of all of them is met
        # first.
        alone = {name: self.misread_error({**sent_facts, name: local}) for name, local in differing.items()}
        names = sorted(differing, key=lambda name: alone[name] != line)
        for name in names:
            sent, local = sent_facts[name], differing[name]
            path = self.source.path_of_fact(name) or self.destination.path_of_fact(name)
            is_sent = path is None or self.source.span(path) is not None
            accident = name in comparison_of(self.section.name).accidents
            yield self.finding(
                "layout",
                f"{name} is {sent} in the stream and {local} on the destination, which decides what is sent",
                path=path,
                offset=self.offset_of(path) if is_sent else self.offset_of_absent(path),
                severity=MAY_BREAK if accident else BREAKS,
                when="the destination has it so again: it can differ from one start to the next" if accident else None,
                qemu_error=line if name == names[0] else alone[name],
                advice=self.source.advice_of_fact(name, sent, local, self.target.release) or SAME_PROPERTIES,
            )
        if names:
            return
        same = self.source.vmsd is self.destination.vmsd
        why = "" if error is None else f": {error.message}"
        message = (
            f"the destination reads the section otherwise{'' if same else ', as another release lays it out'}{why}"
        )
        path = None if error is None else error.path
        offset = None if error is None or error.offset is None else self.section.payload_offset + error.offset
        yield self.finding(
            "layout",
            message,
            path=path,
            offset=offset or self.section.offset,
            qemu_error=line,
            advice=SAME_PROPERTIES,
        )

    def differing_facts(self) -> dict[str, Any]:
        """The facts under which the section reads and which the destination has otherwise: as it has them."""
        local = self.destination_facts
        return {name: local[name] for name, sent in self.source.facts.items() if name in local and local[name] != sent}

    def facts_tried(self) -> list[dict[str, Any]]:
        """Under which facts the section is read as the destination would: all of its, and one by one."""
        sent = self.source.facts
        return [self.destination_facts, *({**sent, name: local} for name, local in self.differing_facts().items())]

    def misread_error(self, facts: Mapping[str, Any]) -> str | None:
        """What QEMU prints when it reads the bytes under such facts: of the first value that it takes for another.

        None where the section reads in no way: then it is not known at which value QEMU stops.
        """
        vmsd = self.destination.vmsd
        assert vmsd is not None
        ends_early = False
        with suppress(VMStateError):
            codec: Any = vmsd.codec
            data = memoryview(self.section.payload())
            state, end = codec.decode_at(data, 0, version_id=self.section.version_id, facts=facts)
            results = list(broken(vmsd, state, version=self.section.version_id, own=self.destination.subject.state))
            # A rule that is broken stops QEMU before it comes to the footer.
            ends_early = end < len(data) and not results
            for result in results:
                if result.rule.id == VALUE_EQUAL and result.is_judged and result.rule.qemu_error is not None:
                    return result.filled(result.rule.qemu_error)
        return messages.missing_footer(self.section.name) if self.source.known or ends_early else None

    def vmdesc_layout(self) -> Iterator[Explained]:
        """By what the two streams say of themselves."""
        sent = self.schema_of_section(self.sides.source_schema)
        local = self.schema_of_section(self.sides.destination_schema)
        if sent is None or local is None:
            if not self.is_alike:
                name = self.findings.name_of(self.section)
                text = f"{name} loads: nothing describes it, and its bytes are not the destination's own"
                self.findings.assumed.append(text)
            return
        if not self.is_alike:
            self.findings.compared_by_layout.append(self.findings.name_of(self.section))
        for finding in compat(sent, local).findings:
            rule = finding.rule
            # A subsection is there or not as the device is at that moment.
            if finding.severity == COSMETIC or rule.startswith(("subsection", "version", "section")):
                continue
            if rule in ("field-count", "field-size") and self.counted_on_the_wire(finding.path):
                continue
            yield with_error(finding, self.section, self.target)

    @cached_property
    def is_alike(self) -> bool:
        """Whether the section holds, byte for byte, what the destination would send itself: that it takes."""
        if self.sent_version != self.counterpart.version_id or any(self.out_of_range_subsections()):
            return False
        return self.section.payload() == self.counterpart.payload()

    def schema_of_section(self, whole: Schema) -> Schema | None:
        """The schema of one stream, with this section alone."""
        described = self.sides.described_in(whole).get((self.section.name, self.section.instance_id))
        return None if described is None else Schema(whole.name, whole.kind, None, (described,))

    def counted_on_the_wire(self, path: str | None) -> bool:
        """Whether an array or a buffer of another length is one whose length travels: a number says it on both sides.

        It stands in the same struct or in one around it, under the same name. What a vmdesc says of such a field is how
        long it was at that moment.
        """
        self.sides.values_were_counted = True
        name = (path or "").rpartition("/")[2]
        sides = (self.section, self.counterpart)
        lengths = [set(names_of_lengths(by_names(side.vmsd, side.state), name)) for side in sides]
        return bool(lengths[0] & lengths[1])

    # Values.

    def values(self, *, beside: bool) -> Iterator[Explained]:
        """What breaks a rule: for any destination and, `beside` this one, by what it compares with its own."""
        vmsd, state, version = self.source.vmsd, self.source.subject.state, self.section.version_id
        if vmsd is None or not has_checks(vmsd):
            return
        results = list(broken(vmsd, state, version=version, facts=self.sides.memory))
        if beside:
            seen = {(result.rule.id, result.path) for result in results if result.is_judged}
            compared = broken(vmsd, state, version=version, own=self.destination.subject.state, facts=self.known_facts)
            results = [result for result in results if result.is_judged]
            # That a value cannot be written as the destination would lay it out is a matter of the layout.
            results += [
                result for result in compared if result.rule.id != ENCODE and (result.rule.id, result.path) not in seen
            ]
        for result in results:
            yield from self.rule_findings(result)

    @property
    def known_facts(self) -> dict[str, Any]:
        """What rules can ask of the destination."""
        release = self.target.release
        return {
            **self.target.facts,
            **self.target.command_facts,
            **self.sides.memory,
            **({} if release is None else {RELEASE.name: release}),
            IDSTR.name: self.section.name,
        }

    def rule_findings(self, result: Broken) -> Iterator[Explained]:
        """What is told of a rule that is broken; one that cannot be judged is noted."""
        rule, path = result.rule, result.path
        if rule.mended or (rule.id in JUDGED_HERE and not result.is_judged):
            return
        is_unreleased = rule.since is not None and result.missing == (RELEASE.name,)
        if not result.is_judged and not is_unreleased:
            place = (self.findings.name_of(self.section), path, rule.id)
            self.findings.not_judged.append(": ".join(part for part in place if part))
            return
        # A release that is not known is taken for the newest.
        offset, minded = self.source.place(path), f" (QEMU minds it from {rule.since} on)" if is_unreleased else ""
        if rule.id == KNOWN_SINCE:
            part = self.structs.get(path or "")
            name = path or "" if part is None else part.name
            yield self.finding(
                "subsection-unknown",
                f"the destination does not know subsection {name!r}, which QEMU has from {result.local} on",
                path=path,
                offset=offset,
                qemu_error=self.unknown_line(name),
                advice="use the machine type of the older release on both sides, "
                "or switch off at the source what the subsection is for",
            )
        elif rule.needs - {MEMORY.name}:
            yield self.finding(
                rule.id,
                result.filled(rule.text, self.section.name) + minded,
                path=path,
                offset=offset,
                qemu_error=self.loading_line
                if rule.qemu_error is None
                else result.filled(rule.qemu_error, self.section.name),
                advice=rule.advice or "give the device of the destination what that of the source has",
            )
        elif rule.id == ENCODE:
            yield self.finding(ENCODE, rule.text, path=path, offset=self.section.offset)
        else:
            yield self.finding(
                rule.id,
                f"no QEMU takes this: {result.text}{minded}",
                path=path,
                offset=offset,
                qemu_error=self.loading_line if rule.qemu_error is None else result.filled(rule.qemu_error),
                advice="the stream itself is wrong; `vmstate set` changes a value",
            )

    def features(self, features: FeatureSet) -> Iterator[Explained]:
        """The features that the driver accepted, and those that the destination offers."""
        guest = features_in(features, self.source)
        if not guest:
            return
        name = self.findings.name_of(self.section)
        offered = self.target.host_features.get((self.section.name, self.section.instance_id))
        if offered is None:
            # A driver accepted these there, so they are offered.
            left = guest & ~features_in(features, self.destination)
            missing = sum(1 << bit for bit in bits_of(left) if self.is_shown_missing(features, bit))
            if left & ~missing:
                text = f"{name}: the destination offers what the driver accepted: {named(features, left & ~missing)}"
                self.findings.assumed.append(text)
        else:
            missing = guest & ~offered
        if not missing:
            return
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
                qemu_error=self.loading_line
                if offered is None
                else messages.features(guest, offered, self.target.release),
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
                return path, self.offset_of(path)
        return features.words[0][0], self.section.offset

    # Levels.

    def levels(self) -> Iterator[Explained]:
        """Numbers that the destination takes up to its own, each in a subsection that is sent where it is not usual."""
        levels = comparison_of(self.section.name).levels
        # What nothing describes does not say that it has none.
        if not levels or self.section.vmsd is None or self.counterpart.vmsd is None:
            return
        sides = (self.section, self.counterpart)
        sent, local = (numbers_in(by_names(side.vmsd, side.state)) for side in sides)
        for subsection, level in levels.items():
            if subsection not in sent and subsection not in local:
                continue
            machine = self.target.machine
            read = sent.get(subsection)
            device = local.get(subsection)
            read = level.usual(device or 0, machine) if read is None else read
            device = level.usual(read, machine) if device is None else device
            if read > device:
                yield self.finding(
                    "level-above",
                    f"{level.name} is {read} in the stream and {device} on the destination, which takes no more",
                    path=subsection,
                    offset=self.section.offset + self.section.size - 1,
                    qemu_error=messages.level_above(level.name, read, device),
                    advice=f"start both sides with the same {level.name}=, or the destination with a higher one",
                )

    def identities(self) -> Iterator[Explained]:
        """Numbers by which the destination knows a device like its own."""
        for identity in comparison_of(self.section.name).identities:
            states = (self.sent_state(), by_names(self.counterpart.vmsd, self.counterpart.state))
            sent, local = (number_at(state, identity.field, identity.place) for state in states)
            if sent is None or local is None:
                sent, local = self.numbers_in_place(identity)
            if sent is None or local is None:
                continue
            # Where none is sent the destination keeps its own.
            mode, own_mode = (mode_in(section, identity.mode) for section in (self.section, self.counterpart))
            path, advice, release = f"{identity.field}[{identity.place}]", identity.advice, self.target.release
            if mode is not None:
                if identity.has_mode(mode, local, release):
                    continue
                path, advice = identity.mode, identity.mode_advice
                text = (
                    f"{identity.mode_name} is {mode:#x} in the stream, which the destination's {local:#x} does not have"
                )
            elif own_mode is not None or identity.takes(sent, local, release):
                continue
            else:
                text = f"{identity.name} is {sent:#x} in the stream and {local:#x} on the destination"
                text += ", which does not take it"
            yield self.finding(
                "identity-differs",
                text,
                path=path,
                # It is looked at when the section has been read.
                offset=self.section.offset + self.section.size - 1,
                qemu_error=self.loading_line,
                advice=advice,
            )

    def numbers_in_place(self, identity: Identity) -> tuple[int | None, int | None]:
        """A number of both sides, where one is described and the other, of the same version, has it at the same place.

        What stands in front of it is of the same length on both: no subsection, and nothing whose length travels.
        """
        both = (self.section, self.counterpart)
        described_sides = [side for side in both if side.vmsd is not None]
        if len(described_sides) != 1 or self.sent_version != self.counterpart.version_id:
            return None, None
        (described,) = described_sides
        fields = described.vmsd.fields if described.vmsd is not None else ()
        attribute = next((field.attribute for field in fields if field.name == identity.field), identity.field)
        entry = described.trace().get(attribute)
        values = member(described.state, attribute)
        if entry is None or not isinstance(values, Sequence) or not values:
            return None, None
        size = entry.size // len(values)
        at = entry.offset - described.payload_offset + identity.place * size
        sent, local = (bytes(side.payload()[at : at + size]) for side in both)
        whole = len(sent) == len(local) == size > 0
        return (int.from_bytes(sent, "big"), int.from_bytes(local, "big")) if whole else (None, None)

    def sent_state(self) -> Any:
        """The state of the section by names; where nothing there describes it, as the destination would read it."""
        vmsd = self.counterpart.vmsd
        if self.section.vmsd is not None or vmsd is None:
            return by_names(self.section.vmsd, self.section.state)
        with suppress(VMStateError):
            return by_names(vmsd, vmsd.decode(self.section.payload(), version_id=self.sent_version))
        return None

    # PCI.

    def pci(self) -> Iterator[Explained]:
        """The configuration space, byte by byte."""
        for (steps, read), (_, local) in zip(configs(self.section), configs(self.counterpart), strict=False):
            if len(read) != len(local):
                continue
            regions = self.target.regions.get(self.section.name)
            masks = Masks(local, regions, rom_size(self.target, self.section.name), self.target.release)
            differences = list(masks.differences(read))
            if not differences:
                continue
            first = differences[0]
            places = dict.fromkeys(masks.name_of(byte.at).partition(" + ")[0] for byte in differences[1:])
            more = len(differences) - 1
            others = f", and {more} byte{'s' if more > 1 else ''} more in {', '.join(places)}" if more else ""
            sent = Masks(read)
            name = masks.name_of(first.at)
            yield self.finding(
                "pci-config",
                f"byte {first.at:#x} ({name}) is {first.read:#04x} in the stream and "
                f"{first.device:#04x} on the destination, where the guest cannot have written it{others} "
                f"(cmask {first.cmask:#x} wmask {first.wmask:#x} w1cmask {first.w1cmask:#x}){on_one_side(sent, masks)}",
                path=f"{format_path(steps)}[{first.at:#x}]",
                offset=place_of_config(self.section, steps, first.at),
                qemu_error=messages.pci_config(first),
                advice=pci_advice(name, masks.is_virtio and sent.is_virtio),
            )


def rom_size(target: Target, name: str) -> int:
    """The size of the expansion ROM of the destination's device that has a section's place, 0 where it has none."""
    place = name.rpartition("/")[0]
    assert target.stream is not None
    for block in target.stream.ram.blocks:
        if place and block.idstr.startswith(f"{place}/") and block.idstr.endswith(".rom"):
            return int(block.used_length)
    return 0


def on_one_side(sent: Masks, local: Masks) -> str:
    """The capabilities that only one of two configuration spaces has, in words; nothing where they have the same."""
    told = ""
    for where, these, those in (("stream", sent, local), ("destination", local, sent)):
        names = [name for name, times in these.capabilities.items() if times > those.capabilities.get(name, 0)]
        if names:
            told += f"; only the device of the {where} has the capability {', '.join(names)}"
    return told


PCI_PROPERTIES = "vectors, disable-legacy, disable-modern, class, aer, ats, multifunction"

PCI_ADVICE = {
    "Device Serial Number": "the serial number is made of the MAC address: give both devices the same mac=",
    "MSI-X": "give both devices the same number of vectors (vectors=) and of queues",
    "vendor-specific": f"give both devices the same properties (page-per-vq, {PCI_PROPERTIES}) and the same number of "
    "queues, and both sides the same machine type",
}
"""What to do about a difference, by the capability that it is in."""


def pci_advice(name: str, is_virtio: bool) -> str:
    """What to do about a difference in a register or capability of the name."""
    capability = name.partition(" capability")[0]
    if capability in PCI_ADVICE and (is_virtio or capability != "vendor-specific"):
        return PCI_ADVICE[capability]
    properties = f"{PCI_PROPERTIES}, page-per-vq" if is_virtio else PCI_PROPERTIES
    return (
        f"the devices differ in what they are or can: give both the same properties ({properties}) "
        "and the same machine type"
    )


def with_error(finding: CompatFinding, section: Section | None, target: Target) -> Explained:
    """A finding of `compat` with what QEMU prints of it."""
    rule = finding.rule
    error = advice = None
    if section is not None:
        name, instance = section.name, section.instance_id
        if rule == "section-unknown":
            error = messages.unknown_section(name, instance, target.release)
        elif rule == "version-newer" and finding.path is None:
            error = messages.section_version(name, section.version_id, newest_version(section, target))
        elif rule == "subsection-unknown":
            unknown = subsection_at(section, finding.path or "")
            error = messages.unknown_subsection(unknown, unknown.rpartition("/")[0], name, instance, target.release)
        elif rule.startswith("version"):
            error = messages.while_loading(name, instance)
        elif finding.severity != COSMETIC:
            error = messages.missing_footer(name)
        if finding.severity != COSMETIC:
            advice = "use the machine type of the older release on both sides, or the same release"
    offset = section.offset if finding.offset is None and section is not None else finding.offset
    return Explained(
        finding.rule,
        finding.severity,
        finding.section,
        finding.path,
        offset,
        finding.message,
        finding.direction,
        finding.when,
        error,
        advice,
    )


def subsection_at(section: Section, path: str) -> str:
    """The name of a section's subsection, itself with slashes, that a path of `compat` ends with."""
    parts = section.vmsd.walk() if section.vmsd is not None else ()
    names = [sub.vmsd.name for part in parts for sub in part.subsections]
    return max((name for name in names if f"/{path}".endswith(f"/{name}")), key=len, default=path)


def newest_version(section: Section, target: Target) -> int:
    """The version that the destination has of a section, as far as its schema says."""
    sections = () if target.schema is None else target.schema.sections
    versions = [known.version for known in sections if known.idstr == last_part(section.name)]
    return max(versions, default=0)


def facts_in(vmsd: VMStateDescription) -> frozenset[str]:
    """The names of the facts that a description asks for."""
    # The description itself keeps it: those that streams bring are gone with them.
    known: frozenset[str] | None = vmsd.compiled.get("facts in")
    if known is None:
        exprs = (expr for part in vmsd.walk() for field in part.fields for expr in field.expressions())
        known = frozenset(part.name for expr in exprs for part in expr.walk() if isinstance(part, Fact))
        vmsd.compiled["facts in"] = known
    return known


def has_checks(vmsd: VMStateDescription) -> bool:
    """Whether QEMU checks anything of a description, beyond how it is laid out."""
    known: bool | None = vmsd.compiled.get("has checks")
    if known is None:
        known = any(part.rules or any(field.checks for field in part.fields) for part in vmsd.walk())
        vmsd.compiled["has checks"] = known
    return known


def has_config(vmsd: VMStateDescription) -> bool:
    """Whether a PCI configuration space can be in what a description describes."""
    known: bool | None = vmsd.compiled.get("has config")
    if known is None:
        known = any(is_config(field) for part in vmsd.walk() for field in part.fields)
        vmsd.compiled["has config"] = known
    return known


def without_repeats(findings: Iterable[Explained]) -> list[Explained]:
    """The first finding of every id."""
    kept: dict[str, Explained] = {}
    for finding in findings:
        kept.setdefault(finding.id, finding)
    return list(kept.values())


def by_names(vmsd: VMStateDescription | None, state: Any) -> Any:
    """A state by the names on the wire, those in it alike, whether it has a class or not; arrays stay what they are."""
    if vmsd is None or isinstance(state, dict) or not is_state(state):
        return state
    parts = [(field.name, field.attribute, field.type.structs()) for field in vmsd.fields if field.in_state]
    parts += [(sub.vmsd.name, sub.attribute, (sub.vmsd,)) for sub in vmsd.subsections]
    values = ((name, structs, member(state, attribute)) for name, attribute, structs in parts)
    return {
        name: by_names(structs[0], value) if structs else value for name, structs, value in values if value is not None
    }


def subsection_in(state: Any, name: str) -> bool:
    """Whether a state that has no class holds a subsection."""
    return any(steps[-1:] == (name,) for steps, _ in named_values(state))


def named_values(state: Any, steps: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(names, value) of everything in a state that has no class."""
    yield steps, state
    if isinstance(state, dict):
        for name, inner in state.items():
            yield from named_values(inner, (*steps, name))


def names_of_lengths(state: Any, name: str) -> Iterator[tuple[str, ...]]:
    """The names that lead to numbers which say how long what is called `name` is, in its struct or one around it."""
    values = dict(named_values(state))
    for steps, value in values.items():
        if not steps or steps[-1] != name or not isinstance(value, (bytes, bytearray, memoryview, Sequence)):
            continue
        for beside, number in values.items():
            is_number = isinstance(number, int) and not isinstance(number, bool)
            if is_number and number == len(value) and steps[: len(beside) - 1] == beside[:-1]:
                yield beside


def number_at(state: Any, field: str, index: int) -> int | None:
    """A number of an array in a state that has no class; None where there is none."""
    values = state.get(field) if isinstance(state, dict) else None
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)) or len(values) <= index:
        return None
    value = values[index]
    return value if isinstance(value, int) else None


def subsection_mark(name: str) -> bytes:
    """How a subsection of that name begins; the version stands behind."""
    written = name.encode()
    return bytes((SUBSECTION, len(written))) + written


def mode_in(section: Section, name: str) -> int | None:
    """The number of 32 bits in a subsection which has nothing else, whether the section is described or not."""
    _, mark, behind = bytes(section.payload()).rpartition(subsection_mark(name))
    return int.from_bytes(behind[4:8], "big") if mark and len(behind) >= 8 else None


def numbers_in(state: Any) -> dict[str, int]:
    """The number in each subsection that holds nothing but one, by the name of the subsection."""
    numbers = {}
    for steps, value in named_values(state):
        if isinstance(value, dict) and steps and len(value) == 1:
            (number,) = value.values()
            if isinstance(number, int):
                numbers[steps[-1]] = number
    return numbers


def configs(section: Section) -> Iterator[tuple[Steps, bytes]]:
    """(steps, bytes) of the PCI configuration spaces of a section."""
    if section.vmsd is None or not has_config(section.vmsd):
        return
    for steps, vmsd, state in described_states(section.vmsd, section.state, wanted=has_config):
        for field in vmsd.fields:
            if is_config(field):
                value = member(state, field.attribute)
                if isinstance(value, (bytes, bytearray, memoryview)):
                    yield (*steps, field.attribute), bytes(value)


def place_of_config(section: Section, steps: Steps, at: int) -> int:
    """The absolute offset of a byte of a configuration space; that of the section where the space cannot be found."""
    assert section.vmsd is not None
    with suppress(VMStateError):
        found = place_in(section.vmsd, section.state, Sought(steps), version_id=section.version_id)
        if found is not None:
            return section.payload_offset + found.offset + at
    return section.offset


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
