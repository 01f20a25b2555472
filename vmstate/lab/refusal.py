"""What QEMU says when it refuses a stream, and what its words mean in the stream.

QEMU says what it refuses in its own words, on standard error. What those words name (a device, a field, a byte of a PCI
configuration space, features, a RAM block) is looked for in the stream, and the rules of QEMU's that the stream breaks
there are told with it. The patterns are of messages in QEMU's migration/savevm.c, migration/vmstate.c, migration/ram.c,
hw/pci/pci.c and hw/virtio, of 5.2 to 11.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vmstate.compare.section import configs, features_in, named, place_of_config
from vmstate.errors import VMStateError
from vmstate.rules.check import check
from vmstate.rules.evaluate import read_as_known
from vmstate.rules.pci_config import Masks
from vmstate.rules.stream import COMMANDS
from vmstate.saved.loading import load
from vmstate.saved.opening import Input
from vmstate.stream.events import Command
from vmstate.stream.registry import comparison_of
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import Value
from vmstate.vmsd.path import format_path, resolve
from vmstate.vmsd.state import is_state


class RefusalPlace(Value):
    """Where in a stream a refusal is: section (idstr), path of a value in it, absolute offset; what there is to say.

    `another_machine` is true where the destination is not the machine that was saved: another machine type, a device
    less, other RAM. Then nothing is said about the values of the stream.
    """

    section: str
    path: str | None
    offset: int | None
    message: str
    another_machine: bool = False


LINES, LETTERS = 12, 1000
"""How much of QEMU's words is shown: what it says first is why, what it says last is where."""


def words_of(output: str) -> str:
    """What QEMU printed of a load that failed, without its warnings, as one line."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output)
    lines = [line.strip() for line in plain.splitlines() if line.strip() and not _WARNING.search(line)]
    text = " | ".join(lines[-LINES:])
    return text if len(text) <= LETTERS else f"{text[: LETTERS // 2]} ... {text[-LETTERS // 2 :]}"


_OF_DEVICE = re.compile(r"(?:for instance |instance )(0x[0-9a-fA-F]+|\d+) of device '([^'\n]+)'")
_UNKNOWN = re.compile(r"Unknown (?:savevm )?section (?:or instance )?'([^'\n]+)' (\d+)")
_VERSION = re.compile(r"unsupported version (\d+) for '([^'\n]+)' v(\d+)")
_TOO_NEW = re.compile(r"([^\s:]+): incoming version_id (\d+) is too new for local version_id (\d+)")
_FOOTER = re.compile(r"Missing section footer for ([^\n]+)")
_FIELD = re.compile(r"Failed to load (?:element of type )?([^\n:]+):([^\n:]+)")
_MACHINE = re.compile(r"Machine type received is '([^'\n]*)' and local is '([^'\n]*)'")
_RAM = (
    re.compile(r'Unknown ramblock "(?P<name>[^"\n]+)"'),
    re.compile(
        r"(?:Length|Size) (?:mismatch|too large): (?P<name>\S+): 0x[0-9a-f]+ (?:in )?(?:!=|>) (?P<size>0x[0-9a-f]+)"
    ),
    re.compile(r"(?:Mismatched (?:RAM )?page size|Block)[: \"']+(?P<name>[^\s\"']+)"),
)
_CONFIG = re.compile(r"Bad config data: i=(0x[0-9a-f]+) read: ([0-9a-f]+) device: ([0-9a-f]+)")
_FEATURES = re.compile(r"Features 0x[0-9a-f]+ unsupported\. Allowed features: (0x[0-9a-f]+)")
_QUEUE = re.compile(r"\bVQ (\d+) ([^\n|]+)")
_COMMAND = re.compile(r"MIG_CMD (0x[0-9a-f]+) unknown")
_WARNING = re.compile(r"\bwarning: ")


def explain_refusal(source: Input | Stream, output: str) -> list[RefusalPlace]:
    """What QEMU's words about a load that failed mean in the stream. The source stays open."""
    if isinstance(source, Stream):
        return list(_places(source, output))
    machine = _machine_place(output)
    if machine is not None:
        # QEMU says so before it reads further, whatever follows.
        return [machine]
    try:
        stream = load(source.data)
    except VMStateError as error:
        return [
            RefusalPlace(
                error.section or "the stream", error.path, error.offset, f"cannot be read here either: {error.message}"
            )
        ]
    return list(_places(stream, output))


def _places(stream: Stream, output: str) -> Iterator[RefusalPlace]:
    machine = _machine_place(output)
    if machine is not None:
        yield machine
        return
    command = _COMMAND.search(output)
    if command:
        yield from _command_place(stream, int(command[1], 16))
        return
    section = _named_section(stream, output)
    if section is None or section.is_ram:
        ram = next((match for match in (pattern.search(output) for pattern in _RAM) if match), None)
        if ram:
            yield from _ram_place(stream, ram["name"], ram.groupdict().get("size"))
        elif section is not None:
            yield RefusalPlace(section.name, None, section.offset, "the destination stopped in this section")
        yield from _broken_rules([section for section in stream.sections if not section.is_ram])
        return
    unknown, version = _UNKNOWN.search(output), _VERSION.search(output)
    if unknown:
        text = f"the destination has no such device, or no instance {unknown[2]} of it"
        yield RefusalPlace(section.name, None, section.offset, text, another_machine=True)
        return
    if version:
        text = f"the stream has version {version[1]}, the destination knows no later than {version[3]}"
        yield RefusalPlace(section.name, None, section.offset, text)
        return
    too_new = _TOO_NEW.search(output)
    if too_new:
        path, offset = _subsection(section, too_new[1])
        text = f"{too_new[1]} has version {too_new[2]}, the destination knows no later than {too_new[3]}"
        yield RefusalPlace(section.name, path, offset, text)
        return
    broken = list(_broken_rules([section]))
    named = [*_config_places(section, output), *_feature_places(section, output), *_queue_places(section, output)]
    field = None if named else _field_place(section, output)
    if field is not None and not any(place.offset == field.offset for place in broken):
        yield field
    yield from named
    yield from broken
    if not broken and not named and field is None:
        text = "the destination stopped in this section"
        if _FOOTER.search(output):
            text = "the destination reads this section as shorter or longer than it is"
            if section.problem is not None or section.described_by == "none":
                text += f"; {section.problem or 'nothing describes it here'}"
        yield RefusalPlace(section.name, None, section.offset, text)


def _machine_place(output: str) -> RefusalPlace | None:
    """Machine types that differ, where QEMU says so."""
    machine = _MACHINE.search(output)
    if machine is None:
        return None
    text = f"the stream is of machine type {machine[1]!r}, the destination of {machine[2]!r}"
    return RefusalPlace("configuration", "name", None, text, another_machine=True)


def _named_section(stream: Stream, output: str) -> Section | None:
    """The section that QEMU's words are about: the last that they name."""
    named: list[tuple[str, int | None]] = []
    for match in _OF_DEVICE.finditer(output):
        named.append((match[2], int(match[1], 0)))
    for match in _UNKNOWN.finditer(output):
        named.append((match[1], int(match[2])))
    named += [(match[2], None) for match in _VERSION.finditer(output)]
    named += [(match[1], None) for match in _FOOTER.finditer(output)]
    for name, instance in reversed(named):
        for section in stream.sections:
            if section.name == name and instance in (None, section.instance_id):
                return section
    return None


def _subsection(section: Section, name: str) -> tuple[str | None, int]:
    """The path and offset of a struct that the state has, by the name of its description."""
    if section.vmsd is not None:
        for path, entry in section.trace().items():
            value = resolve(section.state, path)[1]
            if is_state(value) and not isinstance(value, dict) and type(value).vmsd.name == name:
                return path, entry.offset
    return None, section.offset


def _field_place(section: Section, output: str) -> RefusalPlace | None:
    """The field that QEMU says it could not load: the innermost, which it says first."""
    if section.vmsd is None:
        return None
    for match in _FIELD.finditer(output):
        vmsd_name, field_name = match[1].strip(), match[2].strip()
        fields = [
            field
            for vmsd in section.vmsd.walk()
            if vmsd.name == vmsd_name
            for field in vmsd.fields
            if field.name == field_name
        ]
        for path, entry in section.trace().items():
            if any(entry.field is field for field in fields):
                text = f"the destination could not load {vmsd_name}:{field_name}, which is here"
                return RefusalPlace(section.name, path, entry.offset, text)
    return None


def _broken_rules(sections: list[Section]) -> Iterator[RefusalPlace]:
    for section in sections:
        findings = [finding for finding in check(section) if finding.severity == "error"]
        places = section.trace() if findings else {}
        for finding in findings:
            entry = places.get(finding.path or "")
            offset = section.offset if entry is None else entry.offset
            yield RefusalPlace(section.name, finding.path, offset, f"{finding.message} [{finding.rule}]")


def _ram_place(stream: Stream, name: str, size: str | None) -> Iterator[RefusalPlace]:
    """A RAM block that QEMU names; `size` is that of the destination's, where it says one."""
    for section in stream.sections:
        for block in section.state.blocks if section.is_ram else ():
            if block.idstr == name:
                counterpart = "has none of that name" if size is None else f"one of {size} bytes"
                length = f"{block.used_length:#x}"
                text = f"the stream has a RAM block {name!r} of {length} bytes, the destination {counterpart}"
                yield RefusalPlace(section.name, name, block.offset, text, another_machine=True)
                return


def _command_place(stream: Stream, number: int) -> Iterator[RefusalPlace]:
    """A command of the stream that the destination does not know."""
    for part in stream.parts:
        if isinstance(part, Command) and part.command == number:
            since = COMMANDS[number].since if number in COMMANDS else None
            text = "the destination does not know this command"
            if since is not None:
                text += f", which QEMU has from {since} on"
            yield RefusalPlace(f"the command {part.name}", None, part.offset, text)
            return


def _config_places(section: Section, output: str) -> Iterator[RefusalPlace]:
    """The byte of a PCI configuration space that QEMU names, in those of the section that have the value it read."""
    for match in _CONFIG.finditer(output):
        at, read, expected = int(match[1], 16), int(match[2], 16), int(match[3], 16)
        for steps, config in configs(section):
            if at < len(config) and config[at] == read:
                text = (
                    f"byte {at:#x} of the PCI configuration space ({Masks(config).name_of(at)}) is {read:#04x} in the "
                    f"stream and {expected:#04x} on the destination, where the guest cannot have written it"
                )
                path = f"{format_path(steps)}[{at:#x}]"
                yield RefusalPlace(section.name, path, place_of_config(section, steps, at), text)


def _feature_places(section: Section, output: str) -> Iterator[RefusalPlace]:
    """The features, by name, that the driver accepted and the destination does not offer."""
    match = _FEATURES.search(output)
    known = comparison_of(section.name).features
    if match is None or known is None:
        return
    reading = read_as_known(section)
    missing = features_in(known, reading) & ~int(match[1], 16)
    path = next((path for path, _, _ in reversed(known.words) if reading.value(path) is not None), None)
    if missing:
        text = f"the driver accepted what the destination does not offer: {named(known, missing)}"
        yield RefusalPlace(section.name, path, reading.place(path), text)


def _queue_places(section: Section, output: str) -> Iterator[RefusalPlace]:
    """The virtqueue that QEMU names."""
    match = _QUEUE.search(output)
    if match is None or section.vmsd is None:
        return
    too_large = "vring.num" in match[2]
    path = f"virtio.vq[{match[1]}].{'num' if too_large else 'last_avail_idx'}"
    entry = section.trace().get(path)
    if entry is not None:
        text = "the index does not go with the rings in the guest's memory"
        if too_large:
            text = "the queue is larger than that of the destination"
        yield RefusalPlace(section.name, path, entry.offset, f"{text}: {match[2].strip()}")
