"""Will a stream load in a destination, and if not, what stands in the way: `vmstate.explain(stream, against)`.

The stream is held against what is known of the destination in the order in which QEMU reads it: configuration, RAM
blocks, then section by section (vmstate.compare.section) the versions, the layout, the values that must be equal, PCI
configuration spaces, what devices compare of their own (vmstate.vmsd.destination), features, and the rules that no
destination forgives.

The verdict: "fails" if anything found breaks the load, "unknown" if something may and cannot be decided, else "loads";
what that takes for granted is told in `assumed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from vmstate.compare.compat import compat
from vmstate.compare.explained import FAILS, LOADS, UNKNOWN, Explained, Explanation, Findings
from vmstate.compare.findings import BREAKS, COSMETIC, MAY_BREAK
from vmstate.compare.log import explain_log
from vmstate.compare.schemas import Schema
from vmstate.compare.section import SectionCheck, Sides, with_error
from vmstate.compare.target import Target, open_target
from vmstate.errors import VersionError, VMStateError
from vmstate.rules import messages
from vmstate.rules.stream import COMMANDS, HOST_PAGE, RESIZABLE, RESIZABLE_UP_TO
from vmstate.saved.loading import load
from vmstate.saved.opening import StreamLike, open_input
from vmstate.stream.events import Command
from vmstate.stream.registry import is_per_cpu, last_part
from vmstate.stream.stream import Section, Stream

MAX_VERSIONS = 16
"""Versions of a stream that may be out of the range of its own descriptions."""


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
        source, versions = (stream, {}) if isinstance(stream, Stream) else load_whatever_versions(stream, stack)
        destination = open_target(target, machine=machine)
        if values is not None:
            destination = destination.beside(open_target(values))
        check = StreamCheck(source, destination, versions)
        findings = tuple(check.run())
        severities = {finding.severity for finding in findings}
        verdict = FAILS if BREAKS in severities else UNKNOWN if MAY_BREAK in severities else LOADS
        lines = () if log is None else tuple(explain_log(text_of(log), findings))
        not_judged = tuple(check.findings.not_judged)
        assumed = tuple(dict.fromkeys(check.findings.assumed))
        return Explanation(str(source.name), destination.name, verdict, findings, assumed, not_judged, lines)


def text_of(log: StreamLike) -> str:
    """A log, opened and decoded; what is no UTF-8 in it is replaced."""
    with open_input(log) as opened:
        return bytes(opened.data).decode(errors="replace")


def load_whatever_versions(source: Any, stack: ExitStack) -> tuple[Stream, dict[int, VersionError]]:
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


class StreamCheck:
    """A whole stream, held against a destination."""

    def __init__(self, source: Stream, target: Target, versions: Mapping[int, VersionError]) -> None:
        self.source = source
        self.target = target
        self.destination = target.stream
        self.release = target.release
        self.sides = Sides(source, target, versions)
        destination_names = set() if target.stream is None else repeated_names(target.stream)
        self.findings = Findings(repeated_names(source) | destination_names)

    def run(self) -> Iterator[Explained]:
        """All findings, in the order in which QEMU meets what they are about."""
        yield from self.configuration()
        if self.destination is None:
            yield from self.schemas()
            return
        pending = self.sections_by_key()
        for part in self.source.parts:
            if isinstance(part, Command):
                yield from self.command(part)
            elif isinstance(part, Section) and part.kind in ("start", "full"):
                if part.is_ram:
                    yield from self.ram(part)
                else:
                    yield from self.section(part, pending)
        yield from self.missing_sections(pending)

    def sections_by_key(self) -> dict[tuple[str, int], list[Section]]:
        """The destination's sections that are not RAM, by (idstr, instance_id), in their order."""
        sections: dict[tuple[str, int], list[Section]] = {}
        assert self.destination is not None
        for section in self.destination.sections:
            if section.kind in ("start", "full") and not section.is_ram:
                sections.setdefault((section.name, section.instance_id), []).append(section)
        return sections

    # What concerns all.

    def configuration(self) -> Iterator[Explained]:
        """Machine type, pages, capabilities, UUID."""
        sent = self.source.configuration
        known = None if self.destination is None else self.destination.configuration
        local = self.target.machine
        if sent is None:
            return
        if local is not None and sent.machine != local:
            yield self.findings.finding(
                "machine",
                f"the machine types differ: {sent.machine} saves, {local} loads",
                section="configuration",
                path="name",
                qemu_error=messages.machine_type(sent.machine, local),
                advice=f"start the destination with -machine {sent.machine}: a machine type must be the same on both "
                "sides, with its version",
            )
        if known is None:
            if local is None:
                self.findings.assumed.append(f"the machine type is {sent.machine}")
            return
        bits = [None if side.page_size is None else side.page_size.bit_length() - 1 for side in (sent, known)]
        if bits[0] is not None and bits[1] is not None and bits[0] != bits[1]:
            yield self.findings.finding(
                "target-page-bits",
                f"the target's pages have {bits[0]} bits in the stream, {bits[1]} on the destination",
                section="configuration",
                path="target_page_bits",
                qemu_error=messages.target_page_bits(bits[0], bits[1]),
                advice="use the same machine type and the same kind of CPU on both sides",
            )
        for name in sent.capability_names:
            if name not in known.capability_names:
                self.findings.assumed.append(
                    f"the migration capability {name} is on at the destination, as at the source"
                )
        if sent.uuid is not None and known.uuid is not None and sent.uuid != known.uuid:
            texts = [bytes(side.uuid.data).hex() for side in (sent, known) if side.uuid is not None]
            shown = [f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}" for text in texts]
            yield self.findings.finding(
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
        yield self.findings.finding(
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
                    advice=advice_of_block(block.idstr),
                )
                continue
            yield from self.block(section, block, local.used_length)

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

    def section(self, section: Section, pending: dict[tuple[str, int], list[Section]]) -> Iterator[Explained]:
        """One section of the stream, beside that of the destination."""
        candidates = pending.get((section.name, section.instance_id))
        if not candidates:
            yield self.findings.finding(
                "section-unknown",
                f"the destination has no section {self.findings.name_of(section)!r}",
                section=section,
                offset=section.offset,
                qemu_error=messages.unknown_section(section.name, section.instance_id, self.release),
                advice=self.advice_of_missing(section),
            )
            return
        yield from SectionCheck(self.sides, self.findings, section, candidates.pop(0)).run()

    def advice_of_missing(self, section: Section) -> str:
        """What to do about a device that only the source has."""
        kind = last_part(section.name)
        assert self.destination is not None
        elsewhere = [
            candidate.name
            for candidate in self.destination.sections
            if candidate.kind != "part" and last_part(candidate.name) == kind and candidate.name != section.name
        ]
        if elsewhere:
            return (
                f"the destination has a {kind} as {elsewhere[0]}: give the device the same place there "
                "(bus= and addr=) as at the source"
            )
        if is_per_cpu(kind):
            return "give the destination as many CPUs (-smp), with the same CPU model and features"
        return f"give the destination the same device ({kind}) at the same place, or take it from the source first"

    def missing_sections(self, pending: Mapping[tuple[str, int], Iterable[Section]]) -> Iterator[Explained]:
        """What the destination has and the stream does not: QEMU loads without it."""
        for sections in pending.values():
            for section in sections:
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
        for finding in compat(self.sides.source_schema, known).findings:
            section = next((part for part in self.source.sections if part.name == finding.section), None)
            yield with_error(finding, section, self.target)
        for section in self.source.sections:
            if section.kind in ("start", "full") and not section.is_ram:
                yield from SectionCheck(self.sides, self.findings, section, section).values(beside=False)
        self.findings.assumed += [
            "the destination has the devices of the source, at the same places, and the same RAM blocks",
            "values that a schema does not say go together: PCI configuration, virtio features, numbers of queues",
        ]


def repeated_names(stream: Stream) -> set[str]:
    """The names (idstrs) that more than one section of a stream has."""
    names: dict[str, int] = {}
    for section in stream.sections:
        if section.kind in ("start", "full"):
            names[section.name] = names.get(section.name, 0) + 1
    return {name for name, count in names.items() if count > 1}


def advice_of_block(idstr: str) -> str:
    """What to do about a RAM block that the destination has not, or in another size."""
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
