"""What QEMU minds in a stream beside its devices, a table each, and what of it a destination refuses.

Commands, records of RAM, the configuration section, footers, RAM blocks, and sections that a destination takes without
sending them. Each entry says from which release on QEMU has it (`since`; None: every release that is known) and which
was the first without it (`until`). What a destination refuses is a `Refusal`: why, QEMU's line, what to do.

Facts from QEMU's migration/savevm.c (qemu_loadvm_state_header, configuration_post_load, loadvm_process_command,
check_section_footer, find_se), migration/ram.c (ram_load_precopy), system/physmem.c, qapi/migration.json and the
releases that changed them, and from what 5.2, 7.2, 10.0 and 11.1 do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Generic, TypeVar

from vmstate.query.origin import earliest_release
from vmstate.rules import messages
from vmstate.schema.vmdesc import DIALECTS
from vmstate.stream.configuration import Configuration
from vmstate.stream.events import Command, CommandType
from vmstate.stream.ram_records import RamHook, RamMultifdFlush, RamPages
from vmstate.stream.reader import RAM
from vmstate.stream.registry import is_old_style, legacy_instances
from vmstate.stream.stream import Stream
from vmstate.vmsd.data import Data, Value
from vmstate.vmsd.release import Release

ANY_INSTANCE = 0xFFFFFFFF
"""The instance_id that stands for no instance in particular; also the alias_id of what has none."""


def is_in(release: Release, since: Release | None, until: Release | None = None) -> bool:
    """Whether a release has what came with one and went with another."""
    return (since is None or release >= since) and (until is None or release < until)


class Refusal(Value):
    """Why a destination refuses a part of a stream.

    `rule` is a stable id; `qemu_error` is the part of QEMU's line that is the same wherever it prints it, None where it
    prints none of its own. `missing` says what would have to be told of the destination to be sure; None where it is.
    """

    rule: str
    why: str
    qemu_error: str | None = None
    advice: str | None = None
    missing: str | None = None
    expected: str | None = None
    received: str | None = None
    path: str | None = None


class Loader(Value):
    """What is known of a destination beside what its devices hold.

    `capabilities` are the migration capabilities that are on, None where nobody told; `blocks` the names of its RAM
    blocks, None where its stream holds none; `sections` its sections as (idstr, instance_id); `command` its command
    line. `uuid` has 16 bytes, None where the machine has none or it is not told. `machines` are the machine types that
    its QEMU has, None where nobody asked.
    """

    release: Release | None = None
    capabilities: Collection[str] | None = None
    blocks: Collection[str] | None = None
    sections: Collection[tuple[str, int]] = ()
    machine: str | None = None
    command: tuple[str, ...] | None = None
    uuid: bytes | None = None
    machines: Collection[str] | None = None

    def has(self, capability: str) -> bool | None:
        """Whether a capability is on; None where nobody told."""
        return None if self.capabilities is None else capability in self.capabilities

    def is_before(self, release: Release) -> bool:
        """Whether it is known to be of an earlier release."""
        return self.release is not None and self.release < release

    def has_device(self, *kinds: str) -> bool:
        """Whether a section of one of the kinds (last parts of idstrs) is among its own."""
        return any(name.rpartition("/")[2] in kinds for name, _ in self.sections)


# Commands.


class CommandRule(Data):
    """What QEMU minds in a command: the length of its data where that is fixed, and which releases know it."""

    size: int | None = None
    since: Release | None = None
    until: Release | None = None


COMMANDS: Mapping[int, CommandRule] = {
    CommandType.OPEN_RETURN_PATH: CommandRule(0, since=Release(2, 5)),
    CommandType.PING: CommandRule(4, since=Release(2, 5)),
    CommandType.POSTCOPY_ADVISE: CommandRule(since=Release(2, 5)),
    CommandType.POSTCOPY_LISTEN: CommandRule(0, since=Release(2, 5)),
    CommandType.POSTCOPY_RUN: CommandRule(0, since=Release(2, 5)),
    CommandType.POSTCOPY_RAM_DISCARD: CommandRule(since=Release(2, 5)),
    CommandType.PACKAGED: CommandRule(4, since=Release(2, 5)),
    CommandType.ENABLE_COLO: CommandRule(0, since=Release(3, 1), until=Release(11, 0)),
    CommandType.POSTCOPY_RESUME: CommandRule(0, since=Release(3, 1)),
    CommandType.RECV_BITMAP: CommandRule(since=Release(3, 1)),
    CommandType.SWITCHOVER_START: CommandRule(0, since=Release(10, 0)),
}
"""By number. Written by make source-facts: 2.4 (5c79ae3615d5) to 10.2 (698104725efa)."""

RAM_ADVISE = 16
"""Bytes of a postcopy advice that is of RAM; one of dirty bitmaps alone has none."""

COLO_ASKS_SINCE = Release(8, 1)
"""The first release that takes ENABLE_COLO only with the capability."""

SMALLEST_DISCARD = 20
"""Bytes of the shortest list of pages to discard: version, length, a name of one letter, NUL, one range of 16."""


def is_known(command: int, release: Release | None) -> bool:
    """Whether a release knows a command; one that is not told is taken to."""
    rule = COMMANDS.get(command)
    if rule is None:
        return False
    return release is None or is_in(release, rule.since, rule.until)


class Postcopy(IntEnum):
    """Where an incoming postcopy is, as QEMU counts it (PostcopyState)."""

    NONE = 0
    ADVISE = 1
    DISCARD = 2
    LISTENING = 3
    RUNNING = 4


class Commands:
    """The commands of one stream as a destination takes them, one after the other."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.postcopy = Postcopy.NONE
        self.has_return_path = False

    def refused(self, command: Command) -> Refusal | None:
        """Why the next command is refused; None where the destination goes on."""
        number, size, release = command.command, len(command.data), self.loader.release
        rule = COMMANDS.get(number)
        if rule is None or self.loader.is_before(rule.since or Release(0, 0)):
            return self._unknown(command, rule)
        if rule.size is not None and size != rule.size:
            # QEMU's table of them has no name for this one.
            name = "(null)" if number == CommandType.ENABLE_COLO else command.name
            return Refusal(
                "command-length",
                f"the command {command.name} has {size} bytes, and QEMU wants {rule.size}",
                f"{name} received with bad length - expecting {rule.size}, got {size}",
                "the stream itself is wrong: no QEMU sends this",
            )
        if not is_known(number, release):
            return self._unknown(command, rule)
        method = getattr(self, f"_{command.name.lower()}", None)
        refusal: Refusal | None = None if method is None else method(command)
        return refusal

    def _unknown(self, command: Command, rule: CommandRule | None) -> Refusal:
        number, size = command.command, len(command.data)
        if rule is None:
            why, advice = f"no release knows the command {number}", "the stream itself is wrong: no QEMU sends this"
        elif self.loader.is_before(rule.since or Release(0, 0)):
            why = f"the source sends the command {command.name}, which QEMU has from {rule.since} on"
            advice = "use a versioned machine type of the older release on both sides"
            if number == CommandType.SWITCHOVER_START:
                advice += ", or switch it off at the source (-global migration.send-switchover-start=off)"
        else:
            why = (
                f"the source sends the command {command.name}, which QEMU takes up to {rule.until}, and no longer then"
            )
            advice = "save without the capability that sends it (x-colo), or load with an older release"
        known = rule is not None and not self.loader.is_before(rule.since or Release(0, 0))
        line = messages.deprecated_command if known else messages.unknown_command
        return Refusal("command-unknown", why, line(number, size), advice)

    def _open_return_path(self, _: Command) -> None:
        self.has_return_path = True

    def _ping(self, command: Command) -> Refusal | None:
        if self.has_return_path:
            return None
        number = int.from_bytes(command.data, "big")
        return Refusal(
            "command-place",
            "the command PING asks for an answer before a way back was opened",
            f"CMD_PING (0x{number:x}) received with no return path",
            "the stream itself is wrong: OPEN_RETURN_PATH comes first",
        )

    def _postcopy_advise(self, command: Command) -> Refusal | None:
        size, before = len(command.data), self.postcopy
        self.postcopy = Postcopy.ADVISE
        if before != Postcopy.NONE:
            return self._misplaced(command, before)
        if size not in (0, RAM_ADVISE):
            return Refusal(
                "command-length",
                f"the command POSTCOPY_ADVISE has {size} bytes, and QEMU wants none or {RAM_ADVISE}",
                f"CMD_POSTCOPY_ADVISE invalid length ({size})",
                "the stream itself is wrong: no QEMU sends this",
            )
        is_on = self.loader.has("postcopy-ram")
        if is_on is (size == RAM_ADVISE):
            return None
        if size == RAM_ADVISE:
            why = "the source has the capability postcopy-ram on, the destination has it off"
            line = "RAM postcopy is disabled but have 16 byte advise"
            advice = "switch the capability postcopy-ram on at the destination, or off at the source"
        else:
            why = "the source announces postcopy without RAM, and the destination has the capability postcopy-ram on"
            line = "RAM postcopy is enabled but have 0 byte advise"
            advice = "switch the capability postcopy-ram off at the destination, or on at the source"
        if is_on is None and size != RAM_ADVISE:
            return None
        missing = None if is_on is not None else "the migration capability postcopy-ram is on at the destination"
        return Refusal("capability-needed", why, line, advice, missing=missing)

    def _misplaced(self, command: Command, before: Postcopy) -> Refusal:
        return Refusal(
            "command-place",
            f"the command {command.name} has no place here",
            f"CMD_{command.name} in wrong postcopy state ({before:d})",
            "the stream is of a migration that had begun before it: it cannot be loaded from here on",
        )

    def _postcopy_listen(self, command: Command) -> Refusal | None:
        before, self.postcopy = self.postcopy, Postcopy.LISTENING
        return None if before in (Postcopy.ADVISE, Postcopy.DISCARD) else self._misplaced(command, before)

    def _postcopy_run(self, command: Command) -> Refusal | None:
        before = self.postcopy
        if before != Postcopy.LISTENING:
            return self._misplaced(command, before)
        self.postcopy = Postcopy.RUNNING
        return None

    def _postcopy_ram_discard(self, command: Command) -> Refusal | None:
        before = self.postcopy
        if before not in (Postcopy.ADVISE, Postcopy.DISCARD):
            return self._misplaced(command, before)
        self.postcopy = Postcopy.DISCARD
        if len(command.data) < SMALLEST_DISCARD:
            return Refusal(
                "command-length",
                f"the command POSTCOPY_RAM_DISCARD has {len(command.data)} bytes, too few for one range",
                f"CMD_POSTCOPY_RAM_DISCARD invalid length ({len(command.data)})",
                "the stream itself is wrong: no QEMU sends this",
            )
        return None

    def _enable_colo(self, _: Command) -> Refusal | None:
        loader = self.loader
        asks = loader.release is None or loader.release >= COLO_ASKS_SINCE
        is_on = loader.has("x-colo") if asks else True
        if is_on and loader.has_device("virtio-mem"):
            return Refusal(
                "colo-memory",
                "the source asks for COLO, which no machine with a virtio-mem takes part in",
                "COLO: cannot disable RAM discard",
                "leave the virtio-mem away, or save without the capability x-colo",
            )
        if is_on:
            return None
        return Refusal(
            "capability-needed",
            "the source asks for COLO, and the destination has the capability x-colo off",
            messages.colo_is_off(loader.release),
            "switch the capability x-colo on at the destination, or off at the source",
            missing=None if is_on is False else "the migration capability x-colo is on at the destination",
        )

    def _recv_bitmap(self, command: Command) -> Refusal | None:
        length = command.data[0] if command.data else 0
        name = command.data[1 : 1 + length].decode(errors="replace")
        where = messages.received_bitmap_prefix(self.loader.release)
        if len(command.data) != 1 + length or not length:
            return Refusal(
                "command-length",
                "the command RECV_BITMAP is not as long as the name in it",
                f"{where}invalid payload length ({len(command.data)})",
                "the stream itself is wrong: no QEMU sends this",
            )
        if self.loader.blocks is None or name in self.loader.blocks:
            return None
        return Refusal(
            "ram-block-unknown",
            f"the command RECV_BITMAP names a RAM block {name!r} that the destination has not",
            f"{where}block '{name}' not found",
            "give the destination the same memory: -m and the memory backends, with the same ids",
        )


# Records of RAM.


class RecordRule(Data):
    """What a record of RAM needs at the destination: a range of releases, a migration capability."""

    why: str
    since: Release | None = None
    until: Release | None = None
    capability: str | None = None


RECORDS: Mapping[str, RecordRule] = {
    "hook": RecordRule("a hook, and no RDMA", since=Release(8, 2)),
    "multifd flush": RecordRule("a record of multifd", since=Release(8, 1)),
    "compressed": RecordRule("a compressed page", until=Release(9, 1), capability="compress"),
}
"""By the name of the record; others every release takes. Before 8.2 the hook is refused where there is no RDMA."""

ZERO_FILL_UNTIL = Release(8, 2)
"""The first release that refuses a zero page with another fill byte."""


def record_name(event: RamPages | RamHook | RamMultifdFlush) -> str:
    """What a record is called here."""
    if isinstance(event, RamPages):
        return event.kind
    return "hook" if isinstance(event, RamHook) else "multifd flush"


def refused_record(name: str, flags: int, loader: Loader) -> Refusal | None:
    """Why a record of RAM is refused; `flags` are those of its header, with the one that continues a block."""
    rule = RECORDS.get(name)
    if rule is None:
        return None
    release = loader.release
    if release is not None and not is_in(release, rule.since, rule.until):
        if name == "hook":
            advice, line = "migrate without RDMA, or to QEMU 8.2 or later", None
        else:
            advice, line = (
                f"switch the capability {'compress' if name == 'compressed' else 'multifd'} off at the source",
                "",
            )
            line = messages.unknown_record(flags)
        past = rule.until is not None and release >= rule.until
        why = f"{rule.why}, which QEMU has {'up to ' + str(rule.until) if past else 'from ' + str(rule.since) + ' on'}"
        return Refusal("ram-record", why, line, advice)
    if rule.capability is None:
        return None
    is_on = loader.has(rule.capability)
    if is_on:
        return None
    return Refusal(
        "capability-needed",
        f"{rule.why}, and the destination has the capability {rule.capability} off",
        messages.unexpected_compressed(release, flags),
        f"switch the capability {rule.capability} on at the destination, or off at the source",
        missing=None if is_on is False else f"the migration capability {rule.capability} is on at the destination",
    )


# The configuration section.


class CapabilityRule(Data):
    """Which releases know a migration capability, and whether both sides must have it on or off."""

    since: Release | None = None
    until: Release | None = None
    matched: bool = False


CAPABILITIES: Mapping[str, CapabilityRule] = {
    **dict.fromkeys(
        (
            *("xbzrle", "rdma-pin-all", "auto-converge", "events", "postcopy-ram", "x-colo", "release-ram"),
            *("return-path", "pause-before-switchover", "dirty-bitmaps"),
        ),
        CapabilityRule(),
    ),
    "zero-blocks": CapabilityRule(until=Release(11, 0)),
    "compress": CapabilityRule(until=Release(9, 1)),
    "block": CapabilityRule(until=Release(9, 1)),
    "x-multifd": CapabilityRule(until=Release(4, 0)),
    "multifd": CapabilityRule(since=Release(4, 0)),
    "late-block-activate": CapabilityRule(since=Release(3, 0)),
    "postcopy-blocktime": CapabilityRule(since=Release(3, 0)),
    "x-ignore-shared": CapabilityRule(since=Release(4, 0), matched=True),
    "validate-uuid": CapabilityRule(since=Release(4, 2)),
    "background-snapshot": CapabilityRule(since=Release(6, 0)),
    "zero-copy-send": CapabilityRule(since=Release(7, 1)),
    "postcopy-preempt": CapabilityRule(since=Release(7, 1)),
    "switchover-ack": CapabilityRule(since=Release(8, 1)),
    "dirty-limit": CapabilityRule(since=Release(8, 1)),
    "mapped-ram": CapabilityRule(since=Release(9, 0), matched=True),
}
"""By name: one that a release does not know is refused (get_capability, should_validate_capability)."""


def knows_capability(name: str, release: Release | None) -> bool:
    """Whether a release knows a migration capability; one that is not told is taken to, if any does."""
    rule = CAPABILITIES.get(name)
    return rule is not None and (release is None or is_in(release, rule.since, rule.until))


def advice_of_machine(machine: str, known: Collection[str] | None) -> str:
    """What to do where a stream is of another machine type: never to ask for one that the destination's QEMU has not.

    `known` are the types that it has, None where nobody asked.
    """
    same = "a machine type must be the same on both sides, with its version"
    if known is None or machine in known:
        return f"start the destination with -machine {machine}: {same}"
    kind, _, _ = machine.rpartition("-")
    alike = [name for name in known if kind and name.rpartition("-")[0] == kind]
    alike.sort(key=lambda name: [int(part) if part.isdecimal() else 0 for part in name.rpartition("-")[2].split(".")])
    has = f"; of {kind} it has {alike[0]} to {alike[-1]}" if alike else ""
    return f"the destination's QEMU has no machine type {machine}{has}: use a release of QEMU that has it; {same}"


def same_machine(received: str, local: str) -> bool:
    """Whether a machine type that was sent is taken: names are compared as far as it goes (configuration_post_load)."""
    return local.startswith(received)


def refused_configuration(received: Configuration, local: Configuration | None, loader: Loader) -> Iterator[Refusal]:
    """Why a configuration section is refused, in the order in which QEMU meets it.

    First what its subsections are read for, then what is compared when all is read.
    """
    for name in received.capability_names:
        name = name.split("\0", 1)[0]
        if not knows_capability(name, loader.release):
            yield Refusal(
                "capability-unknown",
                "no release knows the migration capability"
                if name not in CAPABILITIES
                else f"the destination does not know the migration capability {name}",
                messages.unknown_capability(name),
                f"save without the capability {name}, or load with a release that has it",
                received=repr(name),
                path="capabilities.capabilities",
            )
    if received.uuid is not None and loader.uuid is not None and bytes(received.uuid.data) != loader.uuid:
        shown = [uuid_text(bytes(received.uuid.data)), uuid_text(loader.uuid)]
        yield Refusal(
            "uuid",
            f"the machine's UUID is {shown[0]}, the destination's {shown[1]}",
            messages.uuid(*shown),
            f"start the destination with -uuid {shown[0]}, or the source without validate-uuid",
            expected=shown[1],
            received=shown[0],
            path="uuid",
        )
    machine = loader.machine if local is None else local.machine
    name = received.name.split("\0", 1)[0]
    if machine is not None and not (same_machine(name, machine) if len(name) == received.len else name == machine):
        yield Refusal(
            "machine",
            f"the machine types differ: {received.machine} saves, {machine} loads",
            messages.machine_type(received.machine, machine),
            advice_of_machine(received.machine, loader.machines),
            expected=machine,
            received=received.name,
            path="name",
        )
    if local is not None and local.page_size != received.page_size:
        yield from _page_bits(received, local)
    for name, rule in CAPABILITIES.items():
        if not rule.matched or not (loader.release is None or is_in(loader.release, rule.since, rule.until)):
            continue
        sent, is_on = received.has_capability(name), loader.has(name)
        if is_on is not None and sent != is_on:
            yield Refusal(
                "capability-differs",
                f"the capability {name} is on at one side only: {'on' if sent else 'off'} at the source",
                messages.capability(name, received=sent),
                f"switch the capability {name} {'on' if sent else 'off'} at the destination",
                path="capabilities",
            )


def _page_bits(received: Configuration, local: Configuration) -> Iterator[Refusal]:
    """The target's pages differ; a side that does not say how large its are has the smallest that there can be."""
    sizes = [None if side.page_size is None else side.page_size.bit_length() - 1 for side in (received, local)]
    shown = ["the smallest number of" if bits is None else str(bits) for bits in sizes]
    line = None if sizes[0] is None or sizes[1] is None else messages.target_page_bits(sizes[0], sizes[1])
    yield Refusal(
        "target-page-bits",
        f"the target's pages have {shown[0]} bits in the stream, {shown[1]} on the destination",
        line,
        "use the same machine type and the same kind of CPU on both sides",
        expected=str(local.page_size),
        received=str(received.page_size),
        path="target_page_bits",
    )


def uuid_text(data: bytes) -> str:
    """A UUID as QEMU prints it."""
    text = data.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


# Framing.


def earliest_release_of_framing(stream: Stream) -> Release | None:
    """The earliest release that can have written a stream, by its commands, records and capabilities."""
    known = [rule.since for part in stream.parts if isinstance(part, Command) and (rule := COMMANDS.get(part.command))]
    known += [RECORDS[name].since for name in stream.ram.firsts if name in RECORDS and name != "hook"]
    configuration = stream.configuration
    names = () if configuration is None else configuration.capability_names
    known += [CAPABILITIES[name].since for name in names if name in CAPABILITIES]
    return max((since for since in known if since is not None), default=None)


ANY_RELEASE = (Release(0, 0), Release(999, 0))
"""From before the first release to behind the last."""


def possible_releases(stream: Stream) -> tuple[Release, Release]:
    """The earliest and the latest release that can have written a stream; an end of `ANY_RELEASE` where nothing tells.

    The dialect of its vmdesc was that of the releases before the next dialect.
    """
    known = (earliest_release(stream), earliest_release_of_framing(stream))
    earliest = max((release for release in known if release is not None), default=ANY_RELEASE[0])
    dialect = None if stream.vmdesc is None else stream.vmdesc.dialect
    dialects = list(DIALECTS.values())
    if dialect is None or dialect not in dialects[:-1]:
        return earliest, ANY_RELEASE[1]
    major, minor = Release.read(dialects[dialects.index(dialect) + 1].name)
    # A major release has three minor ones, from 0 on.
    latest = Release(major, minor - 1) if minor else Release(major - 1, 2)
    return earliest, max(earliest, latest)


def refused_framing(
    sent: tuple[bool, bool], local: tuple[bool | None, bool | None], release: Release | None
) -> Iterator[Refusal]:
    """Why a stream is refused for its configuration section or its footers; both are (configuration, footers).

    Machine types before 2.4 write neither, and so does the property: send-configuration, send-section-footer.
    """
    for place, (is_sent, is_read) in enumerate(zip(sent, local, strict=True)):
        if is_read is None or is_sent == is_read:
            continue
        prop = ("send-configuration", "send-section-footer")[place]
        what = ("configuration section", "section footers")[place]
        if is_sent:
            why = f"the stream has {what}, and the destination reads none"
            line = messages.unknown_section_type((7, 0x7E)[place], release)
        else:
            why = f"the stream has no {what}, and the destination wants {('one', 'them')[place]}"
            line = messages.configuration_missing() if place == 0 else messages.missing_footer("ram")
        yield Refusal(
            prop,
            why,
            line,
            f"use the same machine type on both sides, with -global migration.{prop}="
            f"{'on' if is_sent else 'off'} at the destination",
        )
        return


# Sections that are taken, and not sent, or only sometimes.


class UnsentSection(Data):
    """A section that a destination takes though its own stream may not have it.

    `where` says for which destinations: all, or by a name in `Places`. `version_id` is the newest that it takes, `why`
    says why it is not always sent.
    """

    version_id: int
    why: str
    where: str = "all"
    since: Release | None = None
    until: Release | None = None
    instances: int | None = 1


UNSENT: Mapping[str, UnsentSection] = {
    "dirty-bitmap": UnsentSection(1, "sent with the capability dirty-bitmaps", since=Release(2, 12)),
    "block": UnsentSection(1, "sent with the capability block", until=Release(9, 1)),
    "globalstate": UnsentSection(1, "not sent with store-global-state=off", since=Release(2, 4)),
    "audio": UnsentSection(1, "never sent from 6.2 on", where="audio", instances=None),
    "COLOState": UnsentSection(1, "sent with COLO", since=Release(2, 8), until=Release(3, 1)),
    "s390-storage_attributes": UnsentSection(0, "sent where CMMA is on", where="s390", since=Release(2, 9)),
    "qemu-s390-flic": UnsentSection(1, "sent where the machine type has AIS", where="s390", since=Release(2, 10)),
    "PCIHost": UnsentSection(
        1, "not sent with x-config-reg-migration-enabled=off", where="pci", since=Release(5, 1), instances=None
    ),
    "smbus-eeprom": UnsentSection(
        1, "sent when the guest has read it", where="smbus", since=Release(4, 1), instances=8
    ),
    "pcspk": UnsentSection(1, "not sent with migrate=off", where="pc", since=Release(2, 7)),
    "ramfb-dev": UnsentSection(1, "not sent with x-migrate=off", where="ramfb", since=Release(8, 2)),
    "icp/server": UnsentSection(
        1,
        "a place for one that releases before 2.10 sent",
        where="old-pseries",
        since=Release(2, 10),
        until=Release(9, 2),
        instances=None,
    ),
    "spapr_drc": UnsentSection(
        1,
        "sent while what is plugged there is not as at the start",
        where="pseries",
        since=Release(2, 10),
        instances=None,
    ),
    "spapr_drc/physical": UnsentSection(
        1, "sent while its indicator is not as at the start", where="pseries", since=Release(2, 12), instances=None
    ),
    "spapr_watchdog": UnsentSection(1, "sent while it counts", where="pseries", since=Release(7, 1), instances=None),
}
"""By idstr: every section of QEMU's that is registered and sent only where it is `needed` or `is_active`.

Those of Xen under KVM, of CPR and of KVM's RISC-V interrupt controllers are left out: what a destination needs for them
is nothing that its stream or its command line shows.
"""

SOUND = frozenset(
    (
        *("ac97", "adlib", "cs4231a", "es1370", "gus", "hda-audio", "sb16", "usb-audio", "virtio-sound"),
        *("wm8750", "pl041", "milkymist-ac97", "lm4549", "asc", "via-ac97"),
    )
)
"""Sections of devices that play sound: where one is, there is a back end."""

OLD_PSERIES = frozenset(f"pseries-2.{minor}" for minor in range(1, 10))
"""Machine types that keep places for processors that are not there."""

SOUND_OPTIONS = ("-audiodev", "-audio", "-soundhw", "--audiodev", "--audio", "--soundhw")


def takes_unsent(name: str, instance_id: int, loader: Loader) -> bool | None:
    """Whether a destination takes a section that its own stream has not; None where nothing tells."""
    rule = UNSENT.get(name)
    if rule is None or (rule.instances is not None and instance_id >= rule.instances):
        return False
    if loader.release is not None and not is_in(loader.release, rule.since, rule.until):
        return False
    is_there = is_place(rule.where, instance_id, loader)
    if is_there and loader.release is None and rule.until is not None:
        return None
    return is_there


def is_place(where: str, instance_id: int, loader: Loader) -> bool | None:
    """Whether a destination is of a kind that `UnsentSection.where` names; None where nothing tells."""
    machine = loader.machine or ""
    if where == "all":
        return True
    if where == "s390":
        return machine.startswith("s390-ccw-virtio")
    if where == "pseries":
        return machine.startswith("pseries")
    if where == "old-pseries":
        return machine in OLD_PSERIES
    if where == "pc":
        return loader.has_device("i8254") and machine.startswith(("pc", "isapc", "xenfv"))
    if where == "smbus":
        return loader.has_device("ich9_smb", "piix4_pm")
    if where == "pci":
        # What is not sent of one host bridge is not sent of any, and how many there are is not to be seen.
        if loader.has_device("PCIHost") or not loader.has_device("PCIBUS"):
            return False
        return True if instance_id == 0 else None
    words = loader.command
    if where == "audio":
        if loader.has_device(*SOUND) or (words is not None and any(word in SOUND_OPTIONS for word in words)):
            return True
        return None if words is None else False
    # ramfb: it has no state of its own to be seen.
    return None if words is None else any(word.startswith("ramfb") for word in words)


# Versions.

OWN_MINIMUM: Mapping[str, tuple[str, ...]] = {
    "cpu": ("riscv_mtimer", "riscv_sifive_plic", "riscv_aplic"),
}
"""Sections that no release takes in an older version than its own: idstr -> the sections beside which it is one."""


def is_its_own_minimum(name: str, loader: Loader) -> bool:
    """Whether the oldest version that a destination takes of a section is the one that it sends."""
    return loader.has_device(*OWN_MINIMUM.get(name, ()))


# RAM blocks.

HOST_PAGE = 4096
"""RAM blocks are as large as their size rounded up to this."""

RESIZABLE = "/rom@"
"""How the names of RAM blocks begin that take the size of the source's, up to their own largest."""

RESIZABLE_UP_TO: Mapping[str, int] = {
    "/rom@etc/acpi/tables": 0x200000,
    "/rom@etc/table-loader": 0x10000,
    "/rom@etc/acpi/rsdp": 0x1000,
}
"""The largest size of those for which it is more than they have."""


def room_of_block(idstr: str, size: int, local: int) -> int | None:
    """The largest size that a destination takes of a RAM block, where a `size` is more; None where it takes that.

    `local` is the size that it has itself. Facts from QEMU's qemu_ram_resize: sizes are those of whole pages, and wrap
    around at 64 bits.
    """
    sent = (size + HOST_PAGE - 1) & -HOST_PAGE & 0xFFFF_FFFF_FFFF_FFFF
    if sent == (local + HOST_PAGE - 1) & -HOST_PAGE:
        return None
    if not idstr.startswith(RESIZABLE):
        return local
    largest = RESIZABLE_UP_TO.get(idstr, local)
    return largest if sent > largest else None


# Which section a name and an instance mean.


T = TypeVar("T")


class Registered(Generic[T]):
    """What a destination has registered, found as QEMU finds it (find_se).

    `sections` are its own, in their order, by (idstr, instance_id), the first of each.
    """

    def __init__(self, sections: Mapping[tuple[str, int], T], release: Release | None = None) -> None:
        self.sections = sections
        self._by_alias: dict[tuple[str, int], T] = {}
        self._by_last_part: dict[str, list[T]] = {}
        for (idstr, instance_id), alias in alias_ids(sections, release).items():
            self._by_alias.setdefault((idstr, alias), sections[idstr, instance_id])
        for (idstr, _), section in sections.items():
            path, _, last = idstr.rpartition("/")
            if path or idstr.startswith("/"):
                self._by_last_part.setdefault(last, []).append(section)

    def find(self, name: str, instance_id: int) -> T | None:
        """What stands under an idstr and instance_id; None where nothing does."""
        name = name.split("\0", 1)[0]
        key = (name, instance_id)
        match = self.sections.get(key)
        if match is None:
            match = self._by_alias.get(key)
        if match is None and "/" not in name:
            # Releases before 0.14 had no bus paths: the name alone, and a number among those of the name.
            short = self._by_last_part.get(name, [])
            number = 0 if instance_id == ANY_INSTANCE else instance_id
            match = short[number] if number < len(short) else None
        return match


LEGACY_INSTANCES_UNTIL: Mapping[str, Release] = {"mc146818rtc": Release(10, 1)}
"""The first release in which devices of a name are found by their own instance alone."""

LEGACY_INSTANCES_SINCE: Mapping[str, Release] = dict.fromkeys(
    ("ipmi-interface", "ipmi-interface-isa-bt"), Release(10, 1)
)
"""The first release in which devices of a name have an alias_id: before, they were registered by hand, without one."""


def alias_ids(keys: Iterable[tuple[str, int]], release: Release | None = None) -> dict[tuple[str, int], int]:
    """The alias_id of each section, by (idstr, instance_id), of those that are in this order at the destination.

    It is 0 of what is registered by register_savevm_live; that of a device of the ISA bus is the usual address of the
    n-th (qdev_set_legacy_instance_id), as far as the destination's release gives it one.
    """
    aliases: dict[tuple[str, int], int] = {}
    counts: dict[str, int] = {}
    for name, instance_id in keys:
        number = counts.get(name, 0)
        counts[name] = number + 1
        if name == RAM or is_old_style(name):
            aliases[name, instance_id] = 0
            continue
        until, since = LEGACY_INSTANCES_UNTIL.get(name), LEGACY_INSTANCES_SINCE.get(name)
        has_legacy = release is None or ((until is None or release < until) and (since is None or release >= since))
        usual = legacy_instances(name) if has_legacy else ()
        aliases[name, instance_id] = usual[number] if number < len(usual) else -1 if usual else ANY_INSTANCE
    return aliases
