"""Taking away what stands in the way of a stream: `vmstate repair`.

    repaired = repair("old.mig", target)
    repaired.steps             what was done, each with its class and what it may cost
    repaired.refused           what was not, and why
    repaired.data              the stream that loads; None where something is left

`explain` says what the destination refuses. For the first thing that it names there is a step or none; after each step
it is asked again, so that what a step brings about is seen too. A step is of a class:

INVISIBLE   the guest cannot tell
SEEN        the guest sees it at its next look (configuration bits that it cannot write, contents of a ROM)
BREAKS      it may break the guest: a driver goes on with what is no longer so

Only the first is done without being accepted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from vmstate.compare.explain import explain, load_whatever_versions, refuse_too_large
from vmstate.compare.explained import Explained
from vmstate.compare.findings import BREAKS as FAILS_LOAD
from vmstate.compare.findings import MAY_BREAK
from vmstate.compare.ram_edit import RamEdit, edit_ram
from vmstate.compare.section import rom_size
from vmstate.compare.target import Target
from vmstate.errors import StreamError, VMStateError
from vmstate.query.cmdline import properties_of
from vmstate.query.machines import family_of
from vmstate.query.pci import is_config
from vmstate.rules.pci_config import Masks
from vmstate.saved.loading import load
from vmstate.saved.opening import StreamLike
from vmstate.schema.vmdesc import read_vmdesc
from vmstate.schema.write import json_text
from vmstate.stream.events import Command, CommandType, ConfigurationSection, Vmdescription
from vmstate.stream.lookup import find_section
from vmstate.stream.registry import all_descriptions, last_part
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.path import member, resolve
from vmstate.vmsd.state import facts_of
from vmstate.vmsd.walk import described_states

INVISIBLE, SEEN, BREAKS = "invisible", "seen", "breaks"
CLASSES = {
    INVISIBLE: "the guest cannot tell",
    SEEN: "the guest sees it at its next look",
    BREAKS: "it may break the guest",
}

MAX_STEPS = 500
"""Steps at most: a configuration space that differs everywhere takes one for each byte."""

HOST_ONLY = frozenset(("slirp", "audio", "dirty-bitmap", "block", "pcspk", "smbus-eeprom"))
"""Sections of which a guest has nothing: what they hold is of the host, or the destination has it after a reset."""

BY_OPTION = frozenset(
    (
        "ram-block-size",
        "ram-block-unknown",
        "section-unknown",
        "pci-config",
        "feature",
        "machine",
        "uuid",
        "capability-needed",
        "value-equal",
        "send-configuration",
        "send-section-footer",
        "virtio-serial-max-ports",
        "virtio-serial-port",
        "virtio-mem-block-size",
        "virtio-queue-size",
        "virtio-net-vnet-hdr",
        "virtio-net-ufo",
        "layout",
    )
)
"""The rules whose cause is an option of the destination's command line, where it has the machine type."""

_BYTE = re.compile(r"(.*)\[(0x[0-9a-f]+|\d+)\]\Z")
_PLACE = re.compile(r"([0-9a-f]{4}:[0-9a-f]{2}(?::[0-9a-f]{2}\.[0-7])+)(?=/|\Z)")


class Step(Data):
    """Something that is done to a stream: `severity` is its class, `text` what, `cost` what it may cost."""

    severity: str
    text: str
    cost: str
    rule: str

    def as_dict(self) -> dict[str, str]:
        """As JSON has it."""
        return {"class": self.severity, "step": self.text, "cost": self.cost, "rule": self.rule}


class Refused(Data):
    """What stands in the way and stays there: the finding, and why nothing is done about it."""

    finding: Explained
    why: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**self.finding.as_dict(), "why": self.why}


class Repair(Data):
    """What was done to a stream, and what was not. `data` is None where it would still be refused."""

    steps: tuple[Step, ...]
    refused: tuple[Refused, ...]
    data: bytes | None
    by_option: tuple[Explained, ...] = ()
    """What a changed command line of the destination would settle, where that is all."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "steps": [step.as_dict() for step in self.steps],
            "refused": [refused.as_dict() for refused in self.refused],
            "by_option": [finding.as_dict() for finding in self.by_option],
            "loads": self.data is not None,
        }


Made = tuple[Step, Callable[[], bytes]]
"""A step, and what makes the stream with it."""


def repair(
    source: StreamLike,
    target: Target,
    *,
    accept: Collection[str] = (INVISIBLE,),
    by_hand: Sequence[tuple[str, ...]] = (),
    keep_destination: bool = False,
) -> Repair:
    """Take away what stands in the way of a stream in a destination.

    `accept` has the classes of steps that are done. `by_hand` are ("drop", SECTION), ("rename", BLOCK, NAME) and
    ("move", SECTION, IDSTR), done first. Where a changed command line of the destination would do, nothing is done,
    unless `keep_destination`. Raises `VMStateError`.
    """
    with ExitStack() as stack:
        stream, versions = load_whatever_versions(source, stack)
        if stream.cut is not None:
            raise StreamError(f"a stream that is cut off cannot be repaired: {stream.cut.message}", file=stream.name)
        steps: list[Step] = []
        refuse_too_large(sum(map(len, stream.chunks())), stream.name)
        data = stream.to_bytes()
        for offset, error in sorted(versions.items()):
            section = stream.section_at(offset)
            name = "configuration" if section is None else section.name
            text = f"{name}: version {error.version_id} is written as {error.known}"
            steps.append(Step(BREAKS, text, "what the newer version has is read otherwise", "version-newer"))
    if steps and BREAKS not in accept:
        first = next(iter(_breaking(source, target)))
        return Repair((), (Refused(first, f"{steps[0].text}: {steps[0].cost} (--accept {BREAKS})"),), None)
    for words in by_hand:
        step, make = _hand(data, words)
        steps.append(step)
        data = make()
    findings = _breaking(data, target)
    if not by_hand and findings and not keep_destination and _option_is_enough(target, data, findings):
        return Repair((), (), None, tuple(_by_property(data, target, finding) for finding in findings))
    boards = next(
        (finding for finding in findings if finding.rule == "machine" and _is_other_board(data, target)), None
    )
    if boards is not None:
        why = "the guest runs on another board: start the destination with the machine type of the stream"
        return Repair(tuple(steps), (Refused(boards, why),), None)
    if len(findings) > MAX_STEPS:
        raise StreamError(
            "more stands in the way than is taken away",
            file=stream.name,
            expected=f"at most {MAX_STEPS} findings (`vmstate explain` lists them)",
            found=str(len(findings)),
        )
    refused: list[Refused] = []
    while findings and len(steps) < MAX_STEPS:
        made: Made | None = None
        refused = []
        for finding in findings:
            answer = _step(data, target, finding)
            if isinstance(answer, str):
                refused.append(Refused(finding, answer))
            elif answer[0].severity not in accept:
                why = f"{answer[0].text}: {answer[0].cost} (--accept {answer[0].severity})"
                refused.append(Refused(finding, why))
            else:
                made = answer
                break
        if made is None:
            break
        changed = made[1]()
        if changed == data:
            refused.append(Refused(finding, "the step changes nothing"))
            break
        steps.append(made[0])
        data = changed
        findings = _breaking(data, target)
    return Repair(tuple(steps), tuple(refused) if findings else (), None if findings else data)


def _breaking(source: StreamLike, target: Target) -> list[Explained]:
    """What stands in the way, in the order in which QEMU meets it."""
    return [finding for finding in explain(source, target).findings if finding.severity in (FAILS_LOAD, MAY_BREAK)]


def _by_property(data: bytes, target: Target, finding: Explained) -> Explained:
    """What differs in a configuration space, by the properties of the device that show there."""
    if finding.rule != "pci-config" or target.stream is None or finding.section is None:
        return finding
    with load(data) as stream, suppress(VMStateError):
        wanted, local = (properties_of(side, finding.section) for side in (stream, target.stream))
        differ = [name for name in {**wanted, **local} if wanted.get(name) != local.get(name)]
        given = [f"{name}={wanted[name]}" if name in wanted else f"no {name}={local[name]}" for name in differ]
        if given:
            return finding.replace(advice=f"give the destination's device {', '.join(given)}")
    return finding


def _is_other_board(data: bytes, target: Target) -> bool:
    """Whether the destination's machine type is of another family (pc, q35) than the stream's."""
    with load(data) as stream:
        boards = [name and family_of(name, ()) for name in (stream.machine, target.machine)]
    return None not in boards and boards[0] != boards[1]


def _option_is_enough(target: Target, data: bytes, findings: Sequence[Explained]) -> bool:
    """Whether the destination's command line is known, and all that it refuses is a matter of options."""
    if target.command is None or any(finding.rule not in BY_OPTION for finding in findings):
        return False
    with load(data) as stream:
        machine = stream.machine
    return machine is not None and (machine == target.machine or machine in (target.machines or ()))


# Steps, by the rule of what they take away.


def _step(data: bytes, target: Target, finding: Explained) -> Made | str:
    """The step for a finding; a text where there is none."""
    make = _STEPS.get(finding.rule)
    if make is None:
        return WHY_NOT.get(finding.rule, "nothing is known that takes this away")
    return make(data, target, finding)


def _bytes_at(data: bytes, changes: Mapping[int, int]) -> bytes:
    changed = bytearray(data)
    for offset, value in changes.items():
        changed[offset] = value
    return bytes(changed)


def _counterpart(target: Target, name: str | None) -> Section | None:
    if target.stream is None or name is None:
        return None
    try:
        return find_section(target.stream.sections, name)
    except VMStateError:
        return None


def _pci_config(data: bytes, target: Target, finding: Explained) -> Made | str:
    """A byte of a configuration space that the guest cannot have written: the destination's is put there."""
    match = _BYTE.match(finding.path or "")
    section = _counterpart(target, finding.section)
    if match is None or section is None or finding.offset is None:
        return "the destination's configuration space is not known"
    at = int(match[2], 0)
    config = next((config for config in _configs(section) if len(config) > at), None)
    if config is None:
        return "the destination's configuration space is not known"
    offset, value = finding.offset, config[at]
    changed = _bytes_at(data, {offset: value})
    if _still_reads(data, changed, finding.section):
        step = Step(
            SEEN,
            f"{finding.section}: byte {at:#x} of the configuration space is {value:#04x}, as the destination has it",
            "a driver that looks again finds other properties (vectors, capabilities) than it was set up for",
            finding.rule,
        )
        return step, lambda: changed
    # The byte decides what else is sent: whether there are vectors, for one.
    alone = _laid_out_as(data, section, finding, {at: value})
    if not isinstance(alone, str):
        return alone
    masks = Masks(config, target.regions.get(section.name), rom_size(target, section.name), target.release)
    start = offset - at
    sent = data[start : start + len(config)]
    refused = {byte.at: byte.device for byte in masks.differences(sent)}
    keeps_places = Masks(sent).places <= masks.places
    all_changed = _bytes_at(data, {start + place: byte for place, byte in refused.items()})
    if not _still_reads(data, all_changed, finding.section):
        return _laid_out_as(data, section, finding, refused, keeps_places=keeps_places)
    text = f"{finding.section}: {len(refused)} bytes of the configuration space are as the destination has them"
    cost = f"a driver {'finds other capabilities' if keeps_places else 'looks for capabilities where they were'}"
    return Step(SEEN if keeps_places else BREAKS, text, cost, finding.rule), lambda: all_changed


def _still_reads(data: bytes, changed: bytes, name: str | None) -> bool:
    """Whether the section is laid out as before, to the device library, where some of its bytes are others."""
    if name is None:
        return True
    with load(data) as stream:
        section = stream[name]
        at, size = section.payload_offset, len(section.payload())
        before = dict(_paths_in(section, data[at : at + size]))
    after = dict(_paths_in(section, changed[at : at + size]))
    return not before or any(before.get(number) == paths for number, paths in after.items())


def _paths_in(section: Section, payload: bytes) -> Iterator[tuple[int, set[str]]]:
    """The numbers of the layouts of the device library that fit, and the paths of all that is in the bytes then."""
    for number, vmsd in enumerate(all_descriptions(section.name)):
        with suppress(VMStateError):
            yield number, set(vmsd.trace(payload, version_id=section.version_id))


def _configs(section: Section) -> Iterator[bytes]:
    for path, entry in section.trace().items():
        if is_config(entry.field):
            value = resolve(section.state, path)[1]
            if value is not None:
                yield bytes(value)


def _value_equal(data: bytes, target: Target, finding: Explained) -> Made | str:
    """A number that must be the destination's: its bytes are put there."""
    section = _counterpart(target, finding.section)
    if section is None or finding.path is None or finding.offset is None or target.stream is None:
        return "the destination's value is not known"
    local = _bytes_of(target.stream, section, finding.path)
    if local is None:
        return "the destination's value is not known"
    offset = finding.offset
    if data[offset : offset + len(local)] == local:
        return "the number stands in what is counted by it"
    step = Step(
        BREAKS,
        f"{finding.section}: {finding.path} is {int.from_bytes(local, 'big')}, as the destination has it",
        "the guest has counted on the number that it had",
        finding.rule,
    )
    return step, lambda: data[:offset] + local + data[offset + len(local) :]


def _bytes_of(stream: Stream, section: Section, path: str) -> bytes | None:
    """The bytes of a value, whichever description names it so."""
    payload = section.payload()
    descriptions = [] if section.vmsd is None else [section.vmsd]
    for vmsd in (*descriptions, *all_descriptions(section.name)):
        try:
            trace = vmsd.trace(payload, version_id=section.version_id)
        except VMStateError:
            continue
        entry = trace.get(path)
        if entry is not None:
            return payload[entry.offset : entry.offset + entry.size]
    return None


def _queue_size(data: bytes, target: Target, finding: Explained) -> Made | str:
    """A queue that is larger than the destination's: one that no driver has set up is written as the destination's."""
    if finding.section is None or finding.path is None or finding.offset is None:
        return "which queue it is is not known"
    with load(data) as stream:
        section = stream[finding.section]
        queue = finding.path.removesuffix(".num")
        address = _bytes_of(stream, section, f"{queue}.desc")
        size = _bytes_of(stream, section, f"{queue}.num")
    counterpart = _counterpart(target, finding.section)
    local = None
    if counterpart is not None and target.stream is not None:
        local = _bytes_of(target.stream, counterpart, f"{queue}.num")
    if address is None or size is None or local is None:
        return "the destination's queue is not known"
    if any(address):
        return "the guest's ring has that size: give the destination a queue as large (queue-size=, rx_queue_size=)"
    offset = finding.offset
    text = f"{finding.section}: {queue} has {int.from_bytes(local, 'big')} entries, as the destination's"
    step = Step(INVISIBLE, text, "no driver has set the queue up", finding.rule)
    return step, lambda: data[:offset] + local + data[offset + len(local) :]


def _feature(data: bytes, target: Target, finding: Explained) -> Made | str:
    """A feature that the driver accepted and the destination does not offer: it is taken back."""
    match = re.search(r"\(bit (\d+)\)", finding.message)
    if match is None or finding.section is None:
        return "which bit it is is not known"
    bit = int(match[1])

    def make() -> bytes:
        with load(data) as stream:
            section = stream[finding.section or ""]
            _clear_feature(section, bit)
            return stream.to_bytes()

    step = Step(
        BREAKS,
        f"{finding.section}: the driver's feature {(finding.path or '').rpartition('.')[2]} is taken back",
        "a driver that uses it goes on using it",
        finding.rule,
    )
    return step, make


def _clear_feature(section: Section, bit: int) -> None:
    """Clear a bit of the features, in each place that has them."""
    for _, vmsd, state in described_states(section.vmsd, section.state):
        for field in vmsd.fields:
            if field.attribute is None or "guest_features" not in field.attribute:
                continue
            value = member(state, field.attribute)
            if isinstance(value, int):
                _set_member(state, field.attribute, value & ~(1 << bit))
            elif isinstance(value, list) and bit // 32 < len(value):
                value[bit // 32] &= ~(1 << bit % 32)


def _set_member(state: Any, name: str, value: Any) -> None:
    if isinstance(state, dict):
        state[name] = value
    else:
        setattr(state, name, value)


def _machine(data: bytes, target: Target, finding: Explained) -> Made | str:
    """Another machine type: that of the destination is written."""
    name = target.machine
    if name is None:
        return "the destination's machine type is not known"

    def make() -> bytes:
        with load(data) as stream:
            assert stream.configuration is not None
            stream.configuration.name = name
            stream.configuration.len = len(name)
            return stream.to_bytes()

    step = Step(
        SEEN,
        f"the machine type is {name}",
        "ACPI tables and what else the machine type decides are others after a reboot",
        finding.rule,
    )
    return step, make


def _configuration_part(attribute: str, text: str, cost: str) -> Callable[[bytes, Target, Explained], Made | str]:
    """A step that leaves a part of the configuration out."""

    def of(data: bytes, target: Target, finding: Explained) -> Made | str:
        def make() -> bytes:
            with load(data) as stream:
                assert stream.configuration is not None
                setattr(stream.configuration, attribute, None)
                return stream.to_bytes()

        return Step(INVISIBLE, text, cost, finding.rule), make

    return of


def _command(data: bytes, target: Target, finding: Explained) -> Made | str:
    """A command that the destination does not know: it is left out where it only announces something."""

    def make() -> bytes:
        with load(data) as stream:
            stream.parts = [
                part for part in stream.parts if not (isinstance(part, Command) and part.offset == finding.offset)
            ]
            return stream.to_bytes()

    with load(data) as stream:
        command = next(
            (part for part in stream.parts if isinstance(part, Command) and part.offset == finding.offset), None
        )
    if command is None or command.command not in ANNOUNCEMENTS:
        return "the rest of the stream depends on the command"
    return Step(INVISIBLE, "the command is left out", "it only announces what follows", finding.rule), make


ANNOUNCEMENTS = frozenset((CommandType.OPEN_RETURN_PATH, CommandType.PING, CommandType.SWITCHOVER_START))
"""Commands that change nothing in how the rest is read."""


def _footers(data: bytes, target: Target, finding: Explained) -> Made | str:
    """Footers as the destination has them."""
    wanted = target.stream is not None and any(
        section.footer.section_id is not None for section in target.stream.sections
    )

    def make() -> bytes:
        with load(data) as stream:
            for section in stream.sections:
                section.footer = section.footer.replace(section_id=section.section_id if wanted else None)
            return stream.to_bytes()

    return Step(INVISIBLE, f"sections are {'' if wanted else 'not '}followed by footers", "none", finding.rule), make


def _sends_configuration(data: bytes, target: Target, finding: Explained) -> Made | str:
    """The configuration section as the destination has it."""
    local = None
    if target.stream is not None:
        local = next((part for part in target.stream.parts if isinstance(part, ConfigurationSection)), None)

    def make() -> bytes:
        with load(data) as stream:
            stream.parts = [part for part in stream.parts if not isinstance(part, ConfigurationSection)]
            if local is not None:
                stream.parts.insert(1, local)
            return stream.to_bytes()

    return Step(
        INVISIBLE, f"the configuration section is {'added' if local else 'left out'}", "none", finding.rule
    ), make


def _block_size(data: bytes, target: Target, finding: Explained) -> Made | str:
    """A RAM block of another size: that of the destination, if it is a ROM."""
    name = finding.path or ""
    local = {} if target.stream is None else {block.idstr: block for block in target.stream.ram.blocks}
    block = local.get(name)
    if block is None:
        return "the destination's block is not known"
    size = int(block.used_length)
    if not name.endswith(".rom") and not name.startswith("/rom@"):
        if "bios" in name or "flash" in name:
            return "firmware of another size stands at other addresses: give the destination the same firmware"
        return "the guest has that memory: give the destination as much (-m, and the memory backends)"

    def make() -> bytes:
        return edit_ram(data, RamEdit(sizes={name: size}))

    step = Step(
        INVISIBLE, f"RAM block {name} has {size:#x} bytes", "a ROM is copied when the machine starts", finding.rule
    )
    return step, make


def _block_unknown(data: bytes, target: Target, finding: Explained) -> Made | str:
    """A RAM block that the destination calls otherwise, or of a device that it has not got."""
    name = finding.path or ""
    with load(data) as stream:
        blocks = {block.idstr: int(block.used_length) for block in stream.ram.blocks}
        sections = [section.name for section in stream.sections]
    local = {} if target.stream is None else {block.idstr: int(block.used_length) for block in target.stream.ram.blocks}
    free = [other for other, size in local.items() if other not in blocks and size == blocks.get(name)]
    if len(free) == 1 and _PLACE.match(name) is None:
        new = free[0]
        step = Step(INVISIBLE, f"RAM block {name} is called {new}", "none: the name is QEMU's alone", finding.rule)
        return step, lambda: edit_ram(data, RamEdit(names={name: new}))
    place = _PLACE.match(name)
    owner = None if place is None else next((each for each in sections if each.startswith(place[1] + "/")), None)
    if owner is not None and not _has_device_at(target, owner):
        return _section_unknown(data, target, finding.replace(section=owner))
    if name.endswith(".rom") or place is not None:
        text = f"RAM block {name} is left out"
        step = Step(INVISIBLE, text, "a ROM is copied when the machine starts", finding.rule)
        return step, lambda: edit_ram(data, RamEdit(drop=frozenset((name,))))
    return "the guest has that memory: give the destination a block of that name"


def _has_device_at(target: Target, name: str) -> bool:
    """Whether the destination has the same device there: then it is only the ROM that it lacks."""
    return target.stream is not None and any(section.name == name for section in target.stream.sections)


def _section_unknown(data: bytes, target: Target, finding: Explained) -> Made | str:
    """A section of a device that the destination has elsewhere, or has not got."""
    name = finding.section or ""
    with load(data) as stream:
        section = find_section(stream.sections, name)
        kind = last_part(section.name)
        names = {each.name for each in stream.sections}
        local = [] if target.stream is None else [each.name for each in target.stream.sections]
    if kind in HOST_ONLY:
        step = Step(INVISIBLE, f"section {name} is left out", "the guest has nothing of it", finding.rule)
        return step, lambda: _without_sections(data, lambda each: each.name == section.name and each.name not in local)
    place = _PLACE.match(section.name)
    if place is None:
        if kind in ("cpu", "cpu_common", "apic"):
            return "a processor cannot be taken from a guest that runs on it"
        step = Step(
            BREAKS, f"section {name} is left out", "the device is gone, and its driver does not know", finding.rule
        )
        instance = section.instance_id
        return step, lambda: _without_sections(
            data, lambda each: (each.name, each.instance_id) == (section.name, instance)
        )
    free = [each for each in local if last_part(each) == kind and each not in names and _PLACE.match(each)]
    if free:
        new = _PLACE.match(free[0])
        assert new is not None
        before, after = place[1], new[1]
        step = Step(
            BREAKS,
            f"the device at {before} ({kind}) is at {after}",
            "its driver keeps the address that it was found at",
            finding.rule,
        )
        return step, lambda: moved(data, before, after)
    before = place[1]
    step = Step(
        BREAKS, f"the device at {before} ({kind}) is left out", "it is gone, and its driver does not know", finding.rule
    )
    return step, lambda: without_device(data, before)


def _subsection_unknown(data: bytes, target: Target, finding: Explained) -> Made | str:
    """A subsection that the destination does not know."""
    path = finding.path or ""

    def make() -> bytes:
        with load(data) as stream:
            section = stream[finding.section or ""]
            for _, vmsd, state in described_states(section.vmsd, section.state):
                for sub in vmsd.subsections:
                    # A path is of attributes, or of the names that a -dump-vmstate text has.
                    is_named = path == sub.vmsd.name or path.endswith(f"/{sub.vmsd.name}")
                    if is_named and member(state, sub.attribute) is not None:
                        _set_member(state, sub.attribute, None)
                        return _with_vmdesc(stream, data)
            steps = resolve(section.state, path)[0]
            owner = section.state
            for step in steps[:-1]:
                owner = member(owner, step) if isinstance(step, str) else owner[step]
            _set_member(owner, str(steps[-1]), None)
            return _with_vmdesc(stream, data)

    step = Step(
        INVISIBLE,
        f"{finding.section}: subsection {path} is left out",
        "the device goes on as one of the older release, which has no such state",
        finding.rule,
    )
    return step, make


def _layout(data: bytes, target: Target, finding: Explained) -> Made | str:
    """A section that the destination reads with other facts: it is written with those."""
    section = _counterpart(target, finding.section)
    if section is None:
        return "how the destination lays it out is not known"
    return _laid_out_as(data, section, finding, {})


def _laid_out_as(
    data: bytes, section: Section, finding: Explained, config: Mapping[int, int], *, keeps_places: bool = True
) -> Made | str:
    """A section written as the destination's is laid out, which is `section`.

    `config`: number of a byte of the configuration space -> what it is then; `keeps_places`: whether the capabilities
    of the stream's are where they were.
    """
    with load(data) as stream:
        source = stream[finding.section or ""]
        written = _with_facts_of(source, section, config)
    if written is None and not keeps_places:
        return "the destination's device has other capabilities, and counts otherwise (queues, vectors, registers)"
    if written is None:
        return "the destination counts otherwise (queues, vectors, registers): the guest would have to set all up anew"
    payload, lost = written

    def make() -> bytes:
        with load(data) as stream:
            changing = stream[finding.section or ""]
            for vmsd in all_descriptions(changing.name):
                try:
                    changing.state = vmsd.decode(payload, version_id=changing.version_id)
                except VMStateError:
                    continue
                changing.vmsd = vmsd
                break
            else:
                changing.state, changing.vmsd = payload, None
            return _with_vmdesc(stream, data)

    step = Step(
        BREAKS if lost or not keeps_places else SEEN if config else INVISIBLE,
        f"{finding.section}: written as the destination reads it{_without(lost)}",
        "what is left out is as after a reset"
        if lost
        else "nothing is lost"
        if keeps_places
        else "a driver looks for capabilities where they were",
        finding.rule,
    )
    return step, make


def _registers(data: bytes, target: Target, finding: Explained) -> Made | str:
    """Registers of an Arm processor that the destination's has not got, or has with other constants."""
    section = _counterpart(target, finding.section)
    local = None if section is None else next(_processors(section), None)
    with load(data) as stream:
        sent = next(_processors(stream[finding.section or ""]), None)
    if local is None or sent is None:
        return "the destination's processor is not known"
    lost = sent[1].adopt_registers(local[1])

    def make() -> bytes:
        with load(data) as stream:
            changing = stream[finding.section or ""]
            changing.vmsd, changing.state = sent
            return _with_vmdesc(stream, data)

    step = Step(
        BREAKS,
        f"{finding.section}: the registers are those of the destination's processor{_without(lost)}",
        "a guest that uses what the other processor had (SVE, a performance monitor, a hypervisor's mode) fails",
        finding.rule,
    )
    return step, make


def _processors(section: Section) -> Iterator[tuple[VMStateDescription[Any], Any]]:
    """The layouts of a section under which it is an Arm processor, with its state."""
    for vmsd in all_descriptions(section.name):
        with suppress(VMStateError):
            state = vmsd.decode(section.payload(), version_id=section.version_id)
            if hasattr(state, "adopt_registers"):
                yield vmsd, state


def _without(paths: Sequence[str]) -> str:
    """Which values are lost, the first of them."""
    return f", without {', '.join(paths[:3])}" if paths else ""


def _with_facts_of(source: Section, local: Section, config: Mapping[int, int]) -> tuple[bytes, list[str]] | None:
    """The destination's section with the values of the stream's, and the paths of values that are not 0 and are lost.

    What only the destination has stays as it is there; subsections that only the stream has are kept.
    """
    payload, base = source.payload(), local.payload()
    for vmsd in all_descriptions(source.name):
        try:
            before = vmsd.trace(payload, version_id=source.version_id)
            after = vmsd.trace(base, version_id=local.version_id)
            written = bytearray(base)
            for path, entry in before.items():
                place = after.get(path)
                if place is not None and place.size == entry.size:
                    written[place.offset : place.offset + place.size] = payload[
                        entry.offset : entry.offset + entry.size
                    ]
            starts = [entry.offset for entry in after.values() if is_config(entry.field)]
            for at, value in config.items():
                written[starts[0] + at] = value
            if vmsd.trace(bytes(written), version_id=local.version_id).keys() != after.keys():
                continue
            data = _with_subsections_of(vmsd, bytes(written), local.version_id, payload, source.version_id)
            kept = vmsd.trace(data, version_id=local.version_id)
        except (VMStateError, IndexError):
            continue
        if data == payload:
            continue
        lost = [
            path
            for path, entry in before.items()
            if path not in kept and any(payload[entry.offset : entry.offset + entry.size])
        ]
        return data, lost
    return None


def _with_subsections_of(
    vmsd: VMStateDescription[Any], data: bytes, version: int, payload: bytes, version_sent: int
) -> bytes:
    """A section with the subsections that it has not got and another section of the same device has.

    Raises `VMStateError`.
    """
    state, sent = vmsd.decode(data, version_id=version), vmsd.decode(payload, version_id=version_sent)
    owners = {steps: (inner, value) for steps, inner, value in described_states(vmsd, state)}
    added = False
    for steps, _, value in list(described_states(vmsd, sent)):
        inner, owner = owners.get(steps, (None, None))
        for sub in () if inner is None else inner.subsections:
            if member(owner, sub.attribute) is None and (missing := _member_or_none(value, sub.attribute)) is not None:
                _set_member(owner, sub.attribute, missing)
                added = True
    facts = {**facts_of(sent), **facts_of(state)}
    return vmsd.encode(state, version_id=version, facts=facts) if added else data


def _member_or_none(state: Any, name: str) -> Any:
    try:
        return member(state, name)
    except VMStateError:
        return None


WHY_NOT = {
    "cut": "what is missing cannot be made up",
    "destination-blocked": "no stream helps: start the destination without that device",
    "virtio-serial-max-ports": "the guest has as many queues as ports: give the destination the same (max_ports=, nr=)",
    "virtio-serial-port": "the guest has the port open: give the destination the same ports",
    "virtio-mem-block-size": "the map of plugged blocks is in blocks of that size: give the destination the same",
    "virtio-net-vnet-hdr": "packets in the rings have such headers or none: give the destination such a back end",
    "virtio-net-ufo": "the guest sends such packets: give the destination such a back end",
    "virtio-pci-vector": "the number cannot be one of this device: the stream is damaged",
    "virtio-queue-address": "where the ring goes on is not known: the stream is damaged",
    "version-older": "what the newer release needs was not sent",
    "capability-unknown": "the stream is written otherwise where the capability is on",
    "capability-differs": "the stream is written otherwise where the capability is on",
    "capability-needed": "switch it on at the destination",
    "ram-record": "the memory is written otherwise: switch the capability on at the destination",
}
"""Rule -> why there is no step."""

_STEPS: dict[str, Callable[[bytes, Target, Explained], Made | str]] = {
    "pci-config": _pci_config,
    "value-equal": _value_equal,
    "feature": _feature,
    "virtio-queue-size": _queue_size,
    "machine": _machine,
    "arm-cpu-register-count": _registers,
    "arm-cpu-register-unknown": _registers,
    "arm-cpu-register-constant": _registers,
    "arm-cpu-register-release": _registers,
    "uuid": _configuration_part("uuid", "the UUID is left out", "none: it is only compared"),
    "command-unknown": _command,
    "send-section-footer": _footers,
    "send-configuration": _sends_configuration,
    "ram-block-size": _block_size,
    "ram-block-unknown": _block_unknown,
    "section-unknown": _section_unknown,
    "subsection-unknown": _subsection_unknown,
    "layout": _layout,
}


# What is done by hand, and what steps are made of.


def _hand(data: bytes, words: tuple[str, ...]) -> Made:
    """A step that the user asks for. Raises `VMStateError`."""
    what, name, *rest = words
    cost = "asked for by hand"
    if what == "rename":
        with load(data) as stream:
            if name not in {block.idstr for block in stream.ram.blocks}:
                raise StreamError(f"the stream has no RAM block {name!r}")
        step = Step(INVISIBLE, f"RAM block {name} is called {rest[0]}", cost, "rename")
        return step, lambda: edit_ram(data, RamEdit(names={name: rest[0]}))
    with load(data) as stream:
        section = stream[name]
    if what == "drop":
        place = _PLACE.match(section.name)
        step = Step(BREAKS, f"section {name} is left out", cost, "drop")
        if place is not None:
            return step, lambda: without_device(data, place[1])
        instance = section.instance_id
        return step, lambda: _without_sections(
            data, lambda each: (each.name, each.instance_id) == (section.name, instance)
        )
    before, after = _PLACE.match(section.name), _PLACE.fullmatch(rest[0])
    if before is None:
        raise StreamError("only a device on PCI can be moved", section=section.name)
    if after is None:
        raise StreamError("this is no place on PCI", expected="a place such as 0000:00:05.0", found=repr(rest[0]))
    with load(data) as stream:
        there_is = next((each.name for each in stream.sections if each.name.startswith(f"{after[1]}/")), None)
    if there_is is not None:
        raise StreamError(f"another device is at {after[1]}", found=there_is, expected="a place that is free")
    step = Step(BREAKS, f"the device at {before[1]} is at {after[1]}", cost, "move")
    return step, lambda: moved(data, before[1], after[1])


def _without_sections(data: bytes, gone: Callable[[Section], bool]) -> bytes:
    with load(data) as stream:
        numbers = {section.section_id for section in stream.sections if gone(section)}
        stream.parts = [part for part in stream.parts if not (isinstance(part, Section) and part.section_id in numbers)]
        return _with_vmdesc(stream, data)


def without_device(data: bytes, place: str) -> bytes:
    """A stream without the device at a place, what sits behind it, and its RAM blocks."""

    def is_there(name: str) -> bool:
        return name.startswith((f"{place}/", f"{place}:"))

    with load(data) as stream:
        blocks = frozenset(block.idstr for block in stream.ram.blocks if is_there(block.idstr))
    changed = edit_ram(data, RamEdit(drop=blocks)) if blocks else data
    return _without_sections(changed, lambda section: is_there(section.name))


def moved(data: bytes, before: str, after: str) -> bytes:
    """A stream with a device, what sits behind it and its RAM blocks at another place."""

    def renamed(name: str) -> str:
        return after + name[len(before) :] if name.startswith((f"{before}/", f"{before}:")) else name

    with load(data) as stream:
        names = {
            block.idstr: renamed(block.idstr) for block in stream.ram.blocks if renamed(block.idstr) != block.idstr
        }
    changed = edit_ram(data, RamEdit(names=names)) if names else data
    with load(changed) as stream:
        for section in stream.sections:
            section.header = section.header.replace(name=renamed(section.name))
        return _with_vmdesc(stream, changed)


def _with_vmdesc(stream: Stream, data: bytes) -> bytes:
    """The bytes of a stream that was made of others, its vmdesc following: entries left out, renamed, written anew."""
    place = next((number for number, part in enumerate(stream.parts) if isinstance(part, Vmdescription)), None)
    if place is None:
        return stream.to_bytes()
    vmdesc = stream.vmdesc
    assert vmdesc is not None and stream.vmdesc_text is not None
    with load(data) as before:
        original = [section for section in before.sections if section.kind == "full"]
        payloads = {section.section_id: section.payload() for section in original}
        order = [(section.name, section.instance_id, section.section_id) for section in original]
    top: list[tuple[str, Any]] = json.loads(stream.vmdesc_text, object_pairs_hook=lambda pairs: pairs or ())
    devices = dict(top).get("devices", [])
    waiting: dict[tuple[Any, Any], list[Any]] = {}
    for entry in devices:
        head = dict(entry[:2])
        waiting.setdefault((head.get("name"), head.get("instance_id")), []).append(entry)
    entries: dict[int, Any] = {}
    for name, instance, number in order:
        if waiting.get((name, instance)):
            entries[number] = waiting[name, instance].pop(0)
    kept = []
    for section in stream.sections:
        entry = entries.get(section.section_id)
        if section.kind != "full" or entry is None:
            continue
        if section.vmsd is not None and section.payload() != payloads[section.section_id]:
            entry = section.describe(vmdesc.dialect)
        kept.append([("name", section.name) if key == "name" else (key, value) for key, value in entry])
    top = [(key, kept if key == "devices" else value) for key, value in top]
    written = json_text(top, spaced=vmdesc.dialect.spaced).encode("utf-8", "surrogateescape")
    read_vmdesc(written)
    stream.parts[place] = Vmdescription(written, stream.parts[place].offset)
    return stream.to_bytes()
