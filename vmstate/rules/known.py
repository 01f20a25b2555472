"""What a destination would say to a stream before it is asked: loads, or refuses at which place and why.

A destination is known by a stream that it takes: one that it saved itself, or one that was loaded in it. That says
which sections it has, of which versions and layouts, which facts hold, and which values must be the same. The stream
is read as QEMU's qemu_loadvm_state reads it: strictly, by those layouts alone. Facts from QEMU's migration/savevm.c
and migration/vmstate.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from vmstate.codec.codec import Codec
from vmstate.errors import StreamError, VMStateError
from vmstate.rules.check import finding_of
from vmstate.rules.evaluate import broken, unsent_facts
from vmstate.rules.stream import (
    CAPABILITIES,
    RAM_ADVISE,
    UNSENT,
    ZERO_FILL_UNTIL,
    Commands,
    Loader,
    Refusal,
    Registered,
    record_name,
    refused_configuration,
    refused_framing,
    refused_record,
    room_of_block,
    takes_unsent,
)
from vmstate.schema.contradiction import contradicts
from vmstate.schema.vmdesc import NOTHING_DESCRIBED, Vmdesc
from vmstate.stream.configuration import Configuration
from vmstate.stream.events import (
    Command,
    CommandType,
    ConfigurationSection,
    Done,
    EndOfStream,
    Event,
    SectionFooter,
    SectionHeader,
)
from vmstate.stream.finding import Finding
from vmstate.stream.ram import Block
from vmstate.stream.ram_records import RamBlock, RamHook, RamMultifdFlush, RamPages
from vmstate.stream.reader import RAM, StreamReader, page_size_of
from vmstate.stream.registry import all_descriptions, comparison_of
from vmstate.stream.stream import Section, Stream
from vmstate.stream.xbzrle import is_difference
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR, OWN_STATE, RELEASE
from vmstate.vmsd.path import Steps, member
from vmstate.vmsd.release import Release
from vmstate.vmsd.rule import Broken
from vmstate.vmsd.state import facts_of, meta_of
from vmstate.vmsd.walk import described_states

_OF_POSTCOPY = frozenset(
    (
        CommandType.POSTCOPY_LISTEN,
        CommandType.POSTCOPY_RUN,
        CommandType.POSTCOPY_RAM_DISCARD,
        CommandType.PACKAGED,
    )
)
"""What is behind these is read by other threads, or from elsewhere."""


class _Known(Data):
    """A section that the destination has; `payload` is what the reference says of it, which it takes.

    `parts` are the payloads of one that is sent in parts, by their kind ("start", "part", "end"), the first of each.
    """

    version_id: int
    vmsd: VMStateDescription | None
    facts: Mapping[str, Any]
    state: Any
    payload: bytes
    said: int
    parts: Mapping[str, bytes]


class KnownDestination:
    """A destination that takes `reference`.

    `facts` are what is told of it beyond that, by name: "qemu_release", "guest_memory". `sections` has those that are
    of one section, by idstr: "virtio_host_features", "pci_config", "pci_config_compared". Rules that need what is not
    told are not judged (`unjudged`). Raises `VMStateError` where the release is no `Release`.
    """

    def __init__(
        self,
        reference: Stream,
        facts: Mapping[str, Any] | None = None,
        sections: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.facts = dict(facts or {})
        if RELEASE.name in self.facts:
            Release.checked(self.facts[RELEASE.name])
        self.configuration = reference.configuration
        self.blocks = {block.idstr: block.used_length for block in reference.ram.blocks}
        self.scanned_blocks = {name.encode(): Block(name, length) for name, length in self.blocks.items()}
        self.has_footers = any(section.footer.section_id is not None for section in reference.sections)
        self.loader = self._loader(reference)
        parts: dict[tuple[str, int], dict[str, bytes]] = {}
        for section in reference.sections:
            if section.kind != "full" and not section.is_ram:
                sent = parts.setdefault((section.name, section.instance_id), {})
                sent.setdefault(section.kind, section.payload())
        self._known: dict[tuple[str, int], _Known] = {}
        vmdesc = reference.vmdesc
        # A stream does not say how large its pages are; a destination knows.
        self.pages_alone = Vmdesc(None if vmdesc is None else vmdesc.page_size, None, (), NOTHING_DESCRIBED.dialect)
        described = {} if vmdesc is None else {(entry.name, entry.instance_id): entry.vmsd for entry in vmdesc.devices}
        for section in reference.sections:
            told = {**self.facts, **(sections or {}).get(section.name, {})}
            key = (section.name, section.instance_id)
            if key not in self._known or section.kind == "full":
                # Of one that comes again the last is what is there afterwards.
                self._known[key] = _known(section, told, parts.get(key, {}), described.get(key))
        # There are devices that do not load what they saved themselves.
        self.refusing_themselves = {
            section.name
            for section in reference.sections
            if comparison_of(section.name).refuses(section.payload, self.release)
        }
        self._registered = Registered(self._known, self.release)

    @property
    def release(self) -> Release | None:
        """The release, if it is told."""
        release: Release | None = self.facts.get(RELEASE.name)
        return release

    def _loader(self, reference: Stream) -> Loader:
        """What is known of it beside its devices: a capability is on where the reference shows that it is."""
        capabilities = [name for name in CAPABILITIES if _shows(reference, name)]
        configuration = reference.configuration
        uuid = None if configuration is None or configuration.uuid is None else bytes(configuration.uuid.data)
        return Loader(
            release=self.release,
            capabilities=capabilities,
            blocks=self.blocks,
            sections=[(section.name, section.instance_id) for section in reference.sections],
            machine=None if configuration is None else configuration.machine,
            uuid=uuid,
        )

    def find(self, name: str, instance_id: int) -> _Known | None:
        """What it has under an idstr and instance_id, as QEMU looks for it."""
        known = self._registered.find(name, instance_id)
        if known is None and takes_unsent(name, instance_id, self.loader):
            known = _unsent(name, self.facts)
            # Kept, so that what comes again is held against what was loaded.
            self._known[name, instance_id] = known
        return known

    def check(self, data: Any) -> list[Finding]:
        """Why it would refuse a stream: nothing, if it takes it; what it would mend stands there as a note."""
        return self._read(data).found

    def unjudged(self, data: Any) -> list[Finding]:
        """The rules that it is not known enough of to judge a stream by."""
        return self._read(data).unjudged

    def _read(self, data: Any) -> _Reader:
        reader = _Reader(self, memoryview(data))
        try:
            for event in reader.events():
                if isinstance(event, EndOfStream):
                    # What follows is read, but not minded.
                    break
                reader.look(event)
        except VMStateError as error:
            message = error.message + (f" (found {error.found})" if error.found is not None else "")
            reader.found.append(Finding("load", "error", error.section, error.path, error.offset, message))
        return reader


def _shows(reference: Stream, capability: str) -> bool:
    """Whether a stream shows that a capability was on where it was taken."""
    configuration = reference.configuration
    if configuration is not None and configuration.has_capability(capability):
        return True
    if capability == "compress":
        return "compressed" in reference.ram.pages
    command, size = {
        "postcopy-ram": (CommandType.POSTCOPY_ADVISE, RAM_ADVISE),
        "x-colo": (CommandType.ENABLE_COLO, 0),
    }.get(capability, (CommandType.INVALID, 0))
    parts = (part for part in reference.parts if isinstance(part, Command))
    return any(part.command == command and len(part.data) == size for part in parts)


def _known(
    section: Section, told: Mapping[str, Any], parts: Mapping[str, bytes], described: VMStateDescription | None
) -> _Known:
    """A section of the reference, by the library if that describes it: it knows the rules.

    Of several layouts that fit it is that which has the versions inside that the vmdesc says.
    """
    version_id = section.version_id
    if section.is_ram:
        return _Known(version_id, None, {}, None, b"", version_id, parts)
    payload = section.payload()
    facts = {**told, IDSTR.name: section.name}
    vmsd = section.vmsd
    is_contradicted = described is not None and vmsd is not None and contradicts(described, vmsd)
    if section.described_by != "library" or is_contradicted:
        fitting: _Known | None = None
        for vmsd in all_descriptions(section.name):
            with suppress(VMStateError):
                state = vmsd.decode(payload, version_id=version_id, facts=facts)
                known = _Known(version_id, vmsd, _with_own(vmsd, state, facts), state, payload, version_id, parts)
                if described is None or not contradicts(described, vmsd):
                    return known
                fitting = fitting or known
        if fitting is not None:
            return fitting
    if section.vmsd is None:
        return _Known(version_id, None, {}, section.state, payload, version_id, parts)
    # A state of its own: that of the stream may be changed.
    facts = {**facts_of(section.state), **facts}
    own = section.vmsd.decode(payload, version_id=version_id, facts=facts)
    return _Known(version_id, section.vmsd, _with_own(section.vmsd, own, facts), own, payload, version_id, parts)


def _unsent(name: str, told: Mapping[str, Any]) -> _Known:
    """A section that a destination takes without sending it: nothing of its own is known to compare with."""
    vmsd = next(iter(all_descriptions(name)), None)
    facts = {**told, IDSTR.name: name}
    return _Known(UNSENT[name].version_id, vmsd, facts, None, b"", -1, {})


def _overwritten(known: _Known, state: Any) -> Iterator[Broken]:
    """The rules that a subsection breaks which came again later, and those that the later one breaks beside it.

    QEMU reads the one over the other, so that what the earlier one brought is by then the destination's own.
    """
    for steps, part, inner in described_states(known.vmsd, state, wanted=_has_subsections):
        meta = meta_of(inner)
        for sent in () if meta is None or meta.subsections is None else meta.subsections:
            if sent.earlier is None:
                continue
            vmsd, place = part.subsections[sent.number].vmsd, (*steps, sent.attribute)
            with suppress(VMStateError):
                earlier = vmsd.decode(sent.earlier, version_id=sent.header[-1], facts=known.facts)
                facts = {name: value for name, value in known.facts.items() if name != OWN_STATE.name}
                yield from broken(vmsd, earlier, own=_at(known.state, place), facts=facts)
                yield from broken(vmsd, member(inner, sent.attribute), own=earlier, facts=facts)


@cache
def _has_subsections(vmsd: VMStateDescription) -> bool:
    return any(part.subsections for part in vmsd.walk())


def _at(state: Any, steps: Steps) -> Any:
    for step in steps:
        state = state[step] if isinstance(step, int) else member(state, step)
    return state


def _with_own(vmsd: VMStateDescription, state: Any, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {**unsent_facts(vmsd), **facts_of(state), **facts, OWN_STATE.name: state}


class _Reader(StreamReader):
    """Reads as one destination does: its layouts, its facts, nothing tried and nothing skipped."""

    def __init__(self, destination: KnownDestination, data: memoryview) -> None:
        super().__init__(vmdesc=destination.pages_alone, library=False)
        self._whole = data
        self._closed = True
        self._destination = destination
        self._fills = destination.loader.is_before(ZERO_FILL_UNTIL)
        self._local = destination.scanned_blocks
        self._commands = Commands(destination.loader)
        self._footers = destination.has_footers
        self.found: list[Finding] = []
        self.unjudged: list[Finding] = []
        self._loaded: dict[int, Any] = {}
        """What sections were loaded with that are not as the reference has them: one may come again."""

    def _section_header(self, data: memoryview, pos: int) -> Event:
        event = super()._section_header(data, pos)
        # Before what is in it: RAM, too, is of an instance.
        self._found()
        return event

    def _found(self) -> tuple[SectionHeader, _Known]:
        """What the destination has for the section that is read."""
        header = self._section
        assert header is not None
        known = self._destination.find(header.name, header.instance_id)
        if known is None:
            raise StreamError("the destination has no such section or instance", offset=header.offset)
        if header.version_id > known.version_id or (header.name == RAM and header.version_id != known.version_id):
            raise StreamError(
                "a version that the destination does not know",
                offset=header.offset,
                expected=f"at most {known.version_id}",
                found=str(header.version_id),
            )
        return header, known

    def _device_state(self, data: memoryview) -> Event:
        header, known = self._found()
        payload = known.parts.get(header.kind, known.payload)
        size = len(payload)
        before = self._loaded.get(id(known))
        alike = header.version_id == known.said and data[self._pos : self._pos + size] == payload
        alike = alike and before is None and header.name not in self._destination.refusing_themselves
        if alike and self._ends(data, header).is_end(self._pos + size):
            # As the reference has it.
            return self._decoded(header, known.state, known.vmsd, "library", self._pos + size)
        if known.vmsd is None and known.said < 0:
            # Nothing describes it, and the destination has none to go by: it ends where a footer can stand.
            end = self._ends(data, header).opaque_end(None)
            return self._decoded(header, bytes(data[self._pos : end]), None, "none", end)
        if known.vmsd is None:
            # Nothing describes it: it is as long as it was, or as another part of it, whatever its mark says.
            ends = self._ends(data, header)
            lengths = (size, *(len(part) for part in known.parts.values()))
            end = self._pos + next((length for length in lengths if ends.is_end(self._pos + length)), size)
            return self._decoded(header, bytes(data[self._pos : end]), None, "none", end)
        codec = known.vmsd.codec
        assert isinstance(codec, Codec)
        # Where the reference leaves a fact open, what follows the section decides.
        state, end = codec.decode_at(
            data,
            self._pos,
            version_id=header.version_id,
            facts=known.facts,
            accept=self._ends(data, header).is_end,
            base=self._base,
        )
        self._section_rules(header, known, state, known.state if before is None else before)
        self._loaded[id(known)] = state
        return self._decoded(header, state, known.vmsd, "library", end)

    def _section_rules(self, header: SectionHeader, known: _Known, state: Any, own: Any) -> None:
        assert known.vmsd is not None
        for result in broken(known.vmsd, state, version=header.version_id, own=own, facts=known.facts):
            finding = finding_of(result, header.name, header.offset)
            (self.found if result.is_judged else self.unjudged).append(finding)
        self.found += (
            finding_of(result, header.name, header.offset) for result in _overwritten(known, state) if result.is_judged
        )

    def _command(self, data: memoryview, pos: int) -> Event:
        event = super()._command(data, pos)
        assert isinstance(event, Command)
        refusal = self._commands.refused(event)
        why = refusal.why if refusal is not None else None
        if why is None and event.command in _OF_POSTCOPY:
            why = "a command of a postcopy, which no plain load goes on with"
        if why is not None:
            raise StreamError(why, offset=event.offset, found=f"{event.name} with {len(event.data)} bytes")
        return event

    def _first_part(self, data: memoryview) -> Event | Done:
        event = super()._first_part(data)
        is_sent = isinstance(event, ConfigurationSection)
        local = self._destination.configuration is not None
        for refusal in refused_framing((is_sent, True), (local, None), self._destination.release):
            raise StreamError(refusal.why, offset=8)
        return event

    def _footer(self, data: memoryview) -> Event | Done:
        event = super()._footer(data)
        assert isinstance(event, SectionFooter)
        sent = True, event.section_id is not None
        for refusal in refused_framing(sent, (None, self._destination.has_footers), self._destination.release):
            raise StreamError(refusal.why, offset=event.offset)
        return event

    def look(self, event: Event) -> None:
        """Compare what is not of a device with what the destination has."""
        if isinstance(event, ConfigurationSection):
            self._configured(event.state)
        elif isinstance(event, RamBlock):
            length = self._destination.blocks.get(event.idstr)
            if length is None:
                raise StreamError("the destination has no such RAM block", offset=event.offset, found=event.idstr)
            room = room_of_block(event.idstr, event.used_length, length)
            if room is not None:
                expected, found = f"{room:#x} bytes", f"{event.used_length:#x} for {event.idstr!r}"
                raise StreamError("a RAM block of another size", offset=event.offset, expected=expected, found=found)
        elif isinstance(event, (RamPages, RamHook, RamMultifdFlush)):
            why = self._refused_record(event)
            if why is not None:
                raise StreamError(why, section=RAM, offset=event.offset)

    def _configured(self, received: Configuration) -> None:
        refusal: Refusal | None
        for refusal in refused_configuration(received, self._destination.configuration, self._destination.loader):
            raise StreamError(
                refusal.why,
                section="configuration",
                path=refusal.path,
                expected=refusal.expected,
                found=refusal.received,
            )

    def _refused_record(self, event: RamPages | RamHook | RamMultifdFlush) -> str | None:
        """Why a record of RAM is refused (ram_load_precopy)."""
        refusal = refused_record(record_name(event), 0, self._destination.loader)
        if refusal is not None:
            return refusal.why
        if isinstance(event, RamPages) and event.kind == "xbzrle":
            size = page_size_of(self._configuration)
            bad = next((at for at in range(event.count) if not is_difference(event.body(at), size)), None)
            return None if bad is None else "an XBZRLE page that cannot be decoded"
        return None
