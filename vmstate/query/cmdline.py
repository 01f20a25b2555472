"""Which QEMU command line loads a stream.

    line = command_line(stream)
    line.argv                     ("qemu-system-x86_64", "-M", "pc-q35-7.2", ...)
    line.missing                  what the stream does not tell, in words
    line.options[3].sources       the bytes that each part of an option came from

A device says itself how QEMU calls it and which facts of its state give which property (`vmstate.vmsd.model`); where
it sits stands in the idstr of its section, and the names of RAM blocks tell of ROMs, memory and of devices that have no
section. What stands behind a device on the host (a disk image, a network) is in no stream: stand-ins take its place, of
which a guest sees nothing before it is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import takewhile
from typing import Any

from vmstate.errors import QueryError, VMStateError
from vmstate.query.ask import (
    AskedSection,
    HostNote,
    IdstrNote,
    Inquiry,
    LibrarySection,
    Note,
    QueryOrigin,
    Reading,
    StateNote,
)
from vmstate.query.machines import Family, family_of
from vmstate.query.pci import (
    BRIDGE,
    CAPABILITY_LIST,
    CLASS_DEVICE,
    HEADER_TYPE,
    MULTI_FUNCTION,
    STATUS,
    STATUS_CAP_LIST,
    is_config,
)
from vmstate.query.pci import Config as ConfigSpace
from vmstate.query.processors import (
    old_riscv_model,
    power_capabilities,
    power_globals,
    power_model,
    riscv_model,
    s390x_model,
)
from vmstate.saved.libvirt import LibvirtImage, domain_cpu
from vmstate.stream.events import Command, CommandType, ConfigurationSection
from vmstate.stream.ram_records import RamBlock, RamMapped, RamPages
from vmstate.stream.reader import StreamReader
from vmstate.stream.registry import all_descriptions, last_part
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.data import Data
from vmstate.vmsd.model import Model
from vmstate.vmsd.record import record_of
from vmstate.vmsd.release import Release

_PCI = re.compile(r"([0-9a-f]{4}:[0-9a-f]{2}|pci@[0-9a-f]+|pci\.0)((?::[0-9a-f]{2}\.[0-7])+)(?:/(.*))?")
_CCW = re.compile(r"/?([0-9a-f]+\.[0-9a-f]\.[0-9a-f]{4})/([^/]+)")
_CHANNEL_BLOCK = re.compile(r"/([0-9a-f]+\.[0-9a-f]\.[0-9a-f]{4})/([^/]+)")
_MMIO = re.compile(r"virtio-mmio@([0-9a-f]{16})/([^/]+)")
_VIO = re.compile(r"(?:vty|l-lan|v-scsi|nvram)@([0-9a-f]{8})/([^/]+)")
_BEHIND = re.compile(r"(/?[0-9a-f]+\.[0-9a-f]\.[0-9a-f]{4}|virtio-mmio@[0-9a-f]{16}|v-scsi@[0-9a-f]{8})/(.+/[^/]+)")
_USB = re.compile(r"(\d+(?:\.\d+)*)/usb-[^/]+")
_SCSI = re.compile(r"(\d+):(\d+):(\d+)")

MIB = 1 << 20
MAX_CAPABILITIES = 48
EXTENDED = 0x100
"""Where the capabilities of PCI Express begin."""

ROMS_OF_QEMU = {"vga.rom": 0x10000}
"""Bytes of the ROM blocks of which every release has a file of that size."""

NEEDED_BY_OTHERS = frozenset(("iommu-intel", "ipmi-bmc-sim", "ipmi-bmc-extern"))
"""The devices without a place that must be there before others: an IOMMU, and what an IPMI interface speaks for."""

UNDESCRIBED = frozenset(("ipoctal232",))
"""Devices without a place that the library knows by name alone: that is what they are called on a command line."""

FIRST_BUID = 0x800000020000000
"""The number of the first host bridge of pseries; those of the next follow it."""

VIO_DEVICES = {
    "spapr_vty": ("spapr-vty", "chardev"),
    "spapr_llan": ("spapr-vlan", "netdev"),
    "spapr_vscsi": ("spapr-vscsi", ""),
}
"""Devices of pseries' virtual bus: last part of the idstr -> what QEMU calls it, and what stands behind it."""

KEYS_SINCE = Release(2, 5)
"""The first machine type of s390x that sends storage keys."""

MASKS_SINCE = Release(2, 12)
"""The first machine type of s390x that sends the length of the mask of events."""

ACPI_INDEX_SINCE = Release(6, 2)
"""The first version of pc that sends the index that a guest asks for."""

FULL_INTERRUPTS_SINCE = Release(9, 1)
"""The first machine type of s390x that sends all of the floating interrupts."""

RISCV_ACPI_SINCE = Release(8, 0)
"""The first release with ACPI on RISC-V."""

SECOND_IOAPIC = Release(6, 0)
"""The first release in which microvm has a second one."""

SWITCHES_SINCE = {"pic": Release(7, 1), "i8042": Release(7, 1)}
"""Options of the PC machine types that are not in every release."""

OWN_MODES_SINCE = Release(3, 1)
"""The first version of pseries with ic-mode."""

EXT_CAP_ID_ARI = 0x0E
NEXT_FUNCTION_0_SINCE = Release(8, 1)
"""From this machine type on the function behind a device's only one is 0."""

THREADS_SINCE = Release(4, 2)
"""From this machine type on a core of pseries has room for no more threads than it has."""

SMALL_WINDOW = 0x20000000
"""Bytes of the memory window of a host bridge of pseries up to 2.2."""

BRIDGES_SINCE = Release(2, 8)
"""From this machine type on a host bridge of pseries sends no addresses of its own."""

EXPRESS = frozenset(("q35", "virt", "riscv-virt", "microvm"))
"""The families whose root bus is one of PCI Express."""

CXL_BELOW = {None: "cxl-rp", "cxl-rp": "cxl-upstream", "cxl-upstream": "cxl-downstream"}
"""Which port of CXL sits on which: on a root bus (None), and on another."""

LOW_BUS = 0x40
"""A number for a root bus of which nothing tells the number."""

Place = tuple[str, tuple[tuple[int, int], ...]]
"""A place on PCI: the root bus, and slot and function on each bus on the way."""

CANONICAL = "/objects/"
"""How the name of a RAM block begins that is the whole path of its backend, as in machine types before 4.0."""

SMALL_BIOS = 0x20000
"""Bytes of SeaBIOS in machine types before 2.0."""


class Option:
    """An option of a command line: its words, and what was read for each of its parts."""

    __slots__ = ("_notes", "words")

    def __init__(self, *words: str, notes: Mapping[str, Sequence[Note]] | None = None) -> None:
        self.words = words
        self._notes = notes or {}

    def __repr__(self) -> str:
        return f"Option{self.words!r}"

    @property
    def sources(self) -> dict[str, tuple[QueryOrigin, ...]]:
        """Each part of the value -> the bytes that it came from; a part that follows from nothing has none."""
        return {
            part: tuple(dict.fromkeys(origin for note in notes for origin in note.sources()))
            for part, notes in self._notes.items()
        }

    def with_value(self, value: str) -> Option:
        """The option with some parts of its value left out."""
        return Option(self.words[0], value, notes={part: notes for part, notes in self._notes.items() if part in value})

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "words": list(self.words),
            "sources": {part: [origin.as_dict() for origin in origins] for part, origins in self.sources.items()},
        }


class CommandLine(Data):
    """A command line that loads a stream.

    `program` is the QEMU that has the machine type. `missing` says in words what the stream does not tell and what was
    taken in its place. `files`: name -> bytes of the stand-ins of ROM files that the options name: what is in them
    comes with the stream. `capabilities` are the migration capabilities that have to be on before it is loaded.
    """

    program: str
    options: tuple[Option, ...]
    missing: tuple[str, ...]
    files: Mapping[str, int]
    capabilities: tuple[str, ...] = ()

    @property
    def argv(self) -> tuple[str, ...]:
        """The words, the program first."""
        return (self.program, *(word for option in self.options for word in option.words))

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "argv": list(self.argv),
            "options": [option.as_dict() for option in self.options],
            "missing": list(self.missing),
            "files": dict(self.files),
            "capabilities": list(self.capabilities),
        }


class Space(ConfigSpace):
    """A configuration space with its capabilities."""

    def __init__(self, ask: ModelReading, subject: AskedSection, path: str) -> None:
        super().__init__(ask, path)
        self.subject = subject
        self.reading = ask

    def number(self, at: int, size: int) -> int:
        """`size` bytes from `at` on; 0 behind the end."""
        self.reading.notes.append(StateNote(self.subject, self.path, at, size))
        return self.silent(at, size)

    def silent(self, at: int, size: int) -> int:
        """The same, where only the way to what is meant is read."""
        from vmstate.vmsd.path import value_at

        data = value_at(self.subject.state, self.path)
        return int.from_bytes(bytes(data[at : at + size]), "little")

    @property
    def size(self) -> int:
        """256 bytes, or 4096 of PCI Express."""
        return self.subject.trace[self.path].size

    def capability(self, identifier: int) -> int | None:
        """The offset of a capability; None where there is none."""
        return next(iter(self.capabilities(identifier)), None)

    def capabilities(self, identifier: int) -> tuple[int, ...]:
        """The offsets of all capabilities with that number, in the order of the list."""
        at = self.silent(CAPABILITY_LIST, 1) & ~3 if self.silent(STATUS, 2) & STATUS_CAP_LIST else 0
        offsets = []
        for _ in range(MAX_CAPABILITIES):
            if at == 0:
                break
            if self.silent(at, 1) == identifier:
                offsets.append(at)
            at = self.silent(at + 1, 1) & ~3
        return tuple(offsets)

    def extended_capability(self, identifier: int) -> int | None:
        """The offset of a capability of PCI Express; None where there is none."""
        at = EXTENDED
        for _ in range(MAX_CAPABILITIES):
            header = self.silent(at, 4) if at + 4 <= self.size else 0
            if header == 0:
                break
            if header & 0xFFFF == identifier:
                return at
            at = header >> 20 & ~3
            if at < EXTENDED:
                break
        return None


class ModelReading(Reading):
    """What a model asks of a section (`vmstate.vmsd.model.ModelAsk`)."""

    def __init__(self, builder: Builder, device: Device, section: Section) -> None:
        super().__init__(builder.inquiry, LibrarySection(section))
        self.builder = builder
        self.device = device
        self.section = section

    def __call__(self, path: str) -> Any:
        """The value at a path; None where the stream has nothing there."""
        from vmstate.vmsd.path import value_or_none

        self.notes.append(StateNote(self._subject, path))
        return value_or_none(self._subject.state, path)

    @property
    def space(self) -> Space:
        """The configuration space. Raises `QueryError` where the device has none."""
        subject, path = self.device.config_place(self.section)
        if subject is None:
            raise QueryError("the device has no configuration space", section=self.section.name)
        return Space(self, subject, path)

    @property
    def machine_release(self) -> Release | None:
        """The release in the name of the machine type."""
        self.notes.append(HostNote(self.builder.stream, ConfigurationSection))
        return self.builder.machine_release

    @property
    def is_pci(self) -> bool:
        """Whether it sits on a PCI bus."""
        return bool(self.device.slots)

    @property
    def is_on_express_root(self) -> bool:
        """Whether it sits on a root bus of PCI Express."""
        return len(self.device.slots) == 1 and self.builder.family.name in EXPRESS

    @property
    def is_behind_port(self) -> bool:
        """Whether it sits on a bus of PCI Express that is not the root bus."""
        return len(self.device.slots) > 1 and self.space.size > EXTENDED

    @property
    def has_children(self) -> bool:
        """Whether sections of other devices sit behind it: their idstrs begin with its place."""
        place = self.section.name.rpartition("/")[0] + "/"
        return any(
            section.name.startswith(place) and "/" in section.name.removeprefix(place)
            for section in self.builder.sections
        )

    def block_size(self, name: str) -> int | None:
        """Bytes of a RAM block of the device."""
        return self._size_of(self.device.blocks.get(name))

    def machine_block_size(self, name: str) -> int | None:
        """Bytes of a RAM block that no device is named with."""
        return self._size_of(self.builder.blocks.get(name))

    def _size_of(self, block: RamBlock | None) -> int | None:
        if block is None:
            return None
        self.notes.append(BlockNote(block))
        return int(block.used_length)

    def beside(self, name: str) -> ModelReading | None:
        """Another section of the same device."""
        section = self.device.section_named(name)
        if section is None:
            return None
        reading = ModelReading(self.builder, self.device, section)
        reading.notes = self.notes
        return reading

    def fact(self, name: str) -> Any:
        """What a fact was found to be while the state was read."""
        from vmstate.vmsd.state import facts_of

        return facts_of(self._subject.state).get(name)

    def object(self, kind: str) -> str:
        """The id of a stand-in, which is made for it."""
        return self.builder.stand_in(kind)


class BlockNote:
    """The name and size of a RAM block were read."""

    def __init__(self, block: RamBlock) -> None:
        self.block = block

    def sources(self) -> Iterable[QueryOrigin]:
        """What was read."""
        yield QueryOrigin("ram", 0, self.block.idstr, self.block.offset, len(self.block.raw))


class Device:
    """Sections of one device, by where it sits.

    `root` and `slots` are its place on PCI, () where it sits elsewhere; `blocks` are its RAM blocks by the rest of
    their names; `silent` is what a port is called that has no section, and
    `behind` a device that sits behind it.
    """

    def __init__(self, root: str = "", slots: tuple[tuple[int, int], ...] = ()) -> None:
        self.root = root
        self.slots = slots
        self.sections: list[Section] = []
        self.blocks: dict[str, RamBlock] = {}
        self.id = ""
        self.bus: str | None = None
        self.is_expander = False
        self.silent: str | None = None
        self.behind: Device | None = None
        self._places: dict[int, tuple[AskedSection | None, str]] = {}

    def section_named(self, name: str) -> Section | None:
        """The section whose idstr ends so."""
        return next((section for section in self.sections if last_part(section.name) == name), None)

    def config_place(self, preferred: Section) -> tuple[AskedSection | None, str]:
        """The section that holds the configuration space, and its path there."""
        for section in (preferred, *self.sections):
            if id(section) not in self._places:
                self._places[id(section)] = _config_of(section)
            subject, path = self._places[id(section)]
            if subject is not None:
                return subject, path
        return None, ""


def _config_of(section: Section) -> tuple[AskedSection | None, str]:
    kinds = (AskedSection, LibrarySection) if section.vmsd is not None else (LibrarySection,)
    for kind in kinds:
        subject = kind(section)
        try:
            trace = subject.trace
        except VMStateError:
            continue
        path = next((path for path, entry in trace.items() if is_config(entry.field)), None)
        if path is not None:
            return subject, path
    return None, ""


def models_of(idstr: str) -> tuple[Model, ...]:
    """What a device with this idstr is called on a command line; () where nobody says."""
    if idstr in UNDESCRIBED:
        return (Model(idstr),)
    records = {id(record): record for vmsd in all_descriptions(idstr) if (record := record_of(vmsd)) is not None}
    return tuple(model for record in records.values() for model in record.part("models") or ())


def command_line(
    stream: Stream, *, release: Release | None = None, folder: str = "", program: str | None = None
) -> CommandLine:
    """The command line of a QEMU that loads a stream.

    `release` is that of the QEMU that is to load it, where it is known; `folder` is where the files stand that the
    options name. Raises `QueryError` where nothing tells what machine it is.
    """
    return Builder(stream, release, folder).build(program)


def properties_of(stream: Stream, name: str) -> dict[str, str]:
    """What the section of a device on PCI tells of its properties, as -device has them; {} where no model is known."""
    builder = Builder(stream, None, "")
    devices, _ = builder.on_pci()
    device = next((each for each in devices.values() if any(inner.name == name for inner in each.sections)), None)
    chosen = None if device is None else builder.choose(device)
    told: dict[str, str] = {}
    if chosen is None:
        return told
    model, reading = chosen
    for prop, of in model.properties.items():
        with suppress(VMStateError, TypeError, ValueError, IndexError):
            value = of(reading)
            if value is not None:
                told[prop] = _text(value)
    return told


class Builder:
    """Makes the options of one stream."""

    def __init__(self, stream: Stream, release: Release | None, folder: str) -> None:
        self.stream = stream
        self.inquiry = Inquiry(stream, "cmdline", {}, release)
        self.folder = folder
        self.options: list[Option] = []
        self.missing: list[str] = []
        self.files: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self.bmcs: list[str] = []
        self.expander_id: str | None = None
        self.roots: dict[str, str] = {}
        self.usb_controllers: list[str] = []
        self.sections = [
            section for section in stream.sections if section.kind in ("full", "start") and not section.is_ram
        ]
        self.kinds = {last_part(section.name) for section in self.sections}
        machine = stream.machine
        family = family_of(machine, self.kinds)
        if family is None:
            raise QueryError(
                "nothing is known of this machine type"
                if machine
                else "the stream does not say which machine type it is",
                found=machine,
            )
        self.family: Family = family
        self.blocks: dict[str, RamBlock] = {block.idstr: block for block in stream.ram.blocks}
        self.slirp = sum(last_part(section.name) == "slirp" for section in self.sections)
        self.shared = stream.configuration is not None and "x-ignore-shared" in stream.configuration.capability_names

    # Options, and where they come from.

    def add(self, option: str, parts: Sequence[tuple[str, Sequence[Note]]]) -> None:
        """An option of parts with commas between them; each with what was read for it."""
        value = ",".join(text for text, _ in parts)
        self.options.append(Option(option, value, notes={text: tuple(notes) for text, notes in parts if notes}))

    def number(self, kind: str) -> int:
        """How many of a kind there were before."""
        number = self.counts.get(kind, 0)
        self.counts[kind] = number + 1
        return number

    def file(self, name: str, size: int) -> str:
        """The name of a stand-in of a file with that many bytes."""
        self.files[name] = size
        return f"{self.folder}/{name}" if self.folder else name

    def build(self, program: str | None) -> CommandLine:
        """All of it."""
        self.machine()
        self.processors()
        self.memory()
        self.firmware()
        self.options.append(Option("-nodefaults"))
        self.serial_ports()
        self.plain_devices(first=True)
        self.pci_devices()
        self.usb_devices_without_place()
        self.channel_devices()
        self.virtual_devices()
        self.transports()
        self.plain_devices(first=False)
        self.globals()
        return CommandLine(
            program or self.family.program,
            tuple(self.options),
            tuple(dict.fromkeys(self.missing)),
            dict(self.files),
            tuple(self.capabilities()),
        )

    def capabilities(self) -> Iterator[str]:
        """The migration capabilities that have to be on before the stream is loaded."""
        configuration = self.stream.configuration
        yield from () if configuration is None else configuration.capability_names
        for part in self.stream.parts:
            if isinstance(part, Command) and part.command == CommandType.POSTCOPY_ADVISE and len(part.data):
                yield "postcopy-ram"
        if "compressed" in self.stream.ram.pages:
            yield "compress"

    # The machine.

    def machine(self) -> None:
        """-M with its options, -accel, -uuid."""
        name = self.stream.machine
        notes: list[Note] = [HostNote(self.stream, ConfigurationSection)]
        if name is None:
            name = self.guessed_machine()
            self.missing.append(f"the machine type is not in the stream: {name} is taken")
        parts: list[tuple[str, Sequence[Note]]] = [(name, notes)]
        for switch, kind in self.family.switches.items():
            present = kind in self.kinds
            if self.family.name == "microvm":
                parts.append((f"{switch}={'on' if present else 'off'}", self._notes_of_kind(kind)))
            elif not present and self.has_switch(switch):
                parts.append((f"{switch}=off", ()))
        # The bridge of pc has no power management without ACPI; tables are sent by types from 2.0 on alone.
        if not self.kinds & {"acpi_build", "piix4_pm"} and self.family.name in ("pc", "q35"):
            parts.append(("acpi=off", ()))
        if self.family.name == "pc" and "PIIX4" in self.kinds:
            parts.append(("x-south-bridge=piix4-isa", self._notes_of_kind("PIIX4")))
        if self.family.name == "microvm" and "gpex_root" in self.kinds:
            parts.append(("pcie=on", self._notes_of_kind("gpex_root")))
        if self.family.name == "microvm" and "xhci-sysbus" in self.kinds:
            parts.append(("usb=on", self._notes_of_kind("xhci-sysbus")))
        release = self.inquiry.release
        controllers = sum(section.name == "ioapic" for section in self.sections)
        if self.family.name == "microvm" and controllers == 1 and release is not None and release >= SECOND_IOAPIC:
            parts.append(("ioapic2=off", self._notes_of_kind("ioapic")))
        if self.family.name in ("virt", "riscv-virt") and "virt_acpi_build" not in self.kinds:
            of_riscv = self.family.name == "riscv-virt" and (release is None or release < RISCV_ACPI_SINCE)
            parts += [] if of_riscv else [("acpi=off", ())]
        parts += self.arm_parts() if self.family.name == "virt" else []
        parts += self.riscv_parts() if self.family.name == "riscv-virt" else []
        parts += self.power_parts() if self.family.name == "pseries" else []
        backend = self.main_backend
        if backend is not None:
            parts.append((f"memory-backend={backend.idstr.removeprefix(CANONICAL)}", [BlockNote(backend)]))
        self.add("-M", parts)
        clock = next((section for section in self.sections if last_part(section.name) == "kvmclock"), None)
        self.add("-accel", [("tcg", ())] if clock is None else [("kvm", [IdstrNote(clock)])])
        self.instruction_counting()
        configuration = self.stream.configuration
        if configuration is not None and configuration.uuid is not None:
            import uuid

            told = uuid.UUID(bytes=bytes(configuration.uuid.data))
            self.add("-uuid", [(str(told), [HostNote(self.stream, ConfigurationSection)])])

    def has_switch(self, switch: str) -> bool:
        """Whether the release has an option of the machine."""
        since, release = SWITCHES_SINCE.get(switch), self.inquiry.release
        return since is None or release is None or release >= since

    def instruction_counting(self) -> None:
        """-icount, whose state is sent where it is on: with shift=auto the timers that adjust it too."""
        section = next((section for section in self.sections if section.name == "timer"), None)
        if section is None:
            return
        reading = ModelReading(self, Device(), section)
        try:
            if reading("icount") is None:
                return
            shift = reading("icount.shift.icount_time_shift")
            is_adjusted = reading("icount.timers") is not None
        except VMStateError:
            return
        told = "auto" if is_adjusted else None if shift is None else str(int(shift))
        if told is None:
            self.missing.append("the shift of -icount is not in the stream: 0 is taken")
        parts: list[tuple[str, Sequence[Note]]] = [(f"shift={told or 0}", reading.notes)]
        if not is_adjusted and reading("icount.warp_timer") is None:
            parts.append(("sleep=off", reading.notes))
        self.add("-icount", parts)

    def guessed_machine(self) -> str:
        """The machine type where no configuration section says it: releases before 2.3 had none."""
        if self.family.name == "pseries" and "spapr-xive" not in self.kinds:
            return self.guessed_pseries()
        if self.family.name != "pc":
            return self.family.prefixes[-1]
        bios = self.blocks.get("pc.bios")
        if bios is None or int(bios.used_length) > SMALL_BIOS:
            bridge = next((section for section in self.sections if last_part(section.name) == "piix4_pm"), None)
            with suppress(VMStateError):
                if bridge is not None and ModelReading(self, Device(), bridge)("memhp") is None:
                    return "pc-i440fx-2.0"
            return "pc-i440fx-2.3"
        if "kvm-tpr-opt" not in self.kinds:
            return "pc-1.0"
        return "pc-i440fx-1.7" if "acpi_build" in self.kinds else "pc-i440fx-1.4"

    def guessed_pseries(self) -> str:
        """The same of pseries with the interrupt controller of 3.1 and older, by what they send."""
        bridge = next((section for section in self.sections if section.name == "spapr_pci"), None)
        processor = next((section for section in self.sections if section.name == "cpu"), None)
        with suppress(VMStateError):
            if bridge is not None:
                reading = ModelReading(self, Device(), bridge)
                if reading("mem_win_size") == SMALL_WINDOW:
                    return "pseries-2.2"
                if reading("liobn") is not None:
                    return "pseries-2.7" if "globalstate" in self.kinds else "pseries-2.3"
            if processor is not None and ModelReading(self, Device(), processor)("slb.slb_nr") is not None:
                return "pseries-2.12"
        return "pseries-3.0"

    def arm_parts(self) -> Iterator[tuple[str, Sequence[Note]]]:
        """The interrupt controller of Arm's virt."""
        for kind, version in (("arm_gic", "2"), ("arm_gicv3", "3")):
            if kind in self.kinds:
                yield f"gic-version={version}", self._notes_of_kind(kind)
        if "arm_gicv3" in self.kinds and "arm_gicv3_its" not in self.kinds:
            yield "its=off", ()
        if "smmuv3" in self.kinds:
            yield "iommu=smmuv3", self._notes_of_kind("smmuv3")
        section = next((section for section in self.sections if section.name == "cpu"), None)
        chosen = None if section is None else self.choose_section(section)
        if chosen is None:
            return
        model, reading = chosen
        for name, of in model.machine.items():
            reading.notes = []
            value = of(reading)
            if value is not None:
                yield f"{name}={_text(value)}", reading.notes

    def riscv_parts(self) -> Iterator[tuple[str, Sequence[Note]]]:
        """The interrupt controllers of RISC-V's virt."""
        if "riscv_aplic" in self.kinds:
            name = "aplic-imsic" if "riscv_imsic" in self.kinds else "aplic"
            yield f"aia={name}", self._notes_of_kind("riscv_aplic")
        if "riscv_iommu" in self.kinds:
            yield "iommu-sys=on", self._notes_of_kind("riscv_iommu")

    def power_parts(self) -> Iterator[tuple[str, Sequence[Note]]]:
        """The interrupt controller of pseries."""
        if "spapr-xive" in self.kinds:
            name = "dual" if "ics" in self.kinds else "xive"
            yield f"ic-mode={name}", self._notes_of_kind("spapr-xive")
        elif "ics" in self.kinds and self.machine_release is not None and self.machine_release >= OWN_MODES_SINCE:
            yield "ic-mode=xics", self._notes_of_kind("ics")
        section = next((section for section in self.sections if section.name == "spapr"), None)
        if section is not None:
            reading = ModelReading(self, Device(), section)
            with suppress(VMStateError):
                for option in power_capabilities(reading):
                    yield option, reading.notes

    @property
    def machine_release(self) -> Release | None:
        """The release in the name of the machine type; None where it has none."""
        match = re.search(r"-(\d+)\.(\d+)", self.stream.machine or "")
        return None if match is None else Release(int(match[1]), int(match[2]))

    def _notes_of_kind(self, kind: str) -> Sequence[Note]:
        return [IdstrNote(section) for section in self.sections if last_part(section.name) == kind][:1]

    # Processors.

    def processors(self) -> None:
        """-smp and -cpu."""
        processors = [section for section in self.sections if section.name == "cpu_common"]
        if not processors:
            return
        parts: list[tuple[str, Sequence[Note]]] = [(str(len(processors)), [IdstrNote(item) for item in processors])]
        possible = self.possible_processors()
        if possible is not None and possible[0] > len(processors):
            parts.append((f"maxcpus={possible[0]}", possible[1]))
        numbers = [section.instance_id for section in processors]
        if numbers != list(range(len(numbers))):
            self.missing.append(f"the processors have the numbers {', '.join(map(str, numbers))}: -smp says not which")
        self.add("-smp", parts)
        self.cpu_model()

    def possible_processors(self) -> tuple[int, Sequence[Note]] | None:
        """How many processors there can be, as ACPI's hotplug or XIVE has it; None where it does not tell."""
        told = self._length("spapr-xive", "endt")
        if told is not None:
            # Each has eight queues of events, one for each priority; up to 4.1 each core has room for eight threads.
            release = self.machine_release
            threads = 8 if release is not None and release < THREADS_SINCE else 1
            return told[0] // 8 // threads, told[1]
        for kind, path in (("ICH9LPC", "pm.cpuhp.cpuhp_state.devs"), ("piix4_pm", "cpuhp.cpuhp_state.devs")):
            told = self._length(kind, path)
            if told is not None:
                return told
        return None

    def _length(self, kind: str, path: str) -> tuple[int, Sequence[Note]] | None:
        section = next((section for section in self.sections if last_part(section.name) == kind), None)
        if section is None:
            return None
        reading = ModelReading(self, Device(), section)
        try:
            elements = reading(path)
        except VMStateError:
            return None
        return None if elements is None else (len(elements), reading.notes)

    def cpu_model(self) -> None:
        """-cpu, as far as the state tells it."""
        if self.family.name == "virt":
            model, notes = self.arm_model()
            if model is not None:
                self.add("-cpu", [(model, notes)])
                return
        if self.family.name in ("riscv-virt", "pseries", "s390-ccw"):
            model, notes = self.told_by_processor()
            if model is not None:
                self.add("-cpu", [(model, notes)])
                return
        container = None if self.stream.input is None else self.stream.input.container
        named = domain_cpu(container.xml) if isinstance(container, LibvirtImage) else None
        if named is not None:
            self.add("-cpu", [(named, ())])
            self.missing.append("the model of the processor is that of libvirt's XML (-cpu)")
            return
        if self.family.name == "isapc" and "apic" in self.kinds:
            # Its usual processor, a 486, has no APIC.
            self.add("-cpu", [("pentium", self._notes_of_kind("apic"))])
        elif self.family.name in ("pc", "q35") and "apic" not in self.kinds:
            # Without one no function has interrupts by message.
            self.add("-cpu", [("qemu64,apic=off", ())])
        if self.family.name in ("pc", "q35", "isapc", "microvm"):
            self.missing.append("the model of the processor is not in the stream: QEMU's default is taken (-cpu)")
        else:
            self.missing.append("the model of the processor is not known from the stream (-cpu)")

    def suppresses_interrupts(self) -> bool:
        """Whether the processor of s390x has the suppression of adapters' interrupts."""
        section = next((section for section in self.sections if section.name == "qemu-s390-flic"), None)
        if section is None:
            return False
        with suppress(VMStateError):
            return ModelReading(self, Device(), section)("simm") is not None
        return True

    def told_by_processor(self) -> tuple[str | None, Sequence[Note]]:
        """The model that the first processor of POWER, RISC-V or s390x tells, and what was read."""
        section = next((section for section in self.sections if section.name == "cpu"), None)
        if section is None:
            return None, ()
        reading = ModelReading(self, Device(), section)
        try:
            if self.family.name == "pseries":
                return power_model(reading), reading.notes
            if self.family.name == "s390-ccw":
                return s390x_model(reading, self.machine_release, self.suppresses_interrupts()), reading.notes
            return riscv_model(reading), reading.notes
        except (VMStateError, TypeError, IndexError):
            if self.family.name == "riscv-virt" and section.described_by == "vmdesc":
                return old_riscv_model(section.state), self._notes_of_kind("cpu")
            return None, ()

    def arm_model(self) -> tuple[str | None, Sequence[Note]]:
        """The model that an Arm processor's main id register names."""
        section = next((section for section in self.sections if last_part(section.name) == "cpu"), None)
        chosen = None if section is None else self.choose_section(section)
        if chosen is None:
            return None, ()
        model, reading = chosen
        told = {name: of(reading) for name, of in model.properties.items()}
        words = [model.name, *(f"{name}={_text(value)}" for name, value in told.items() if value is not None)]
        return ",".join(words), reading.notes

    # Memory.

    @cached_property
    def loose_blocks(self) -> list[RamBlock]:
        """The RAM blocks that are of no device, no ROM and no machine: memory backends."""
        known = {
            "vga.vram",
            "vmclock_page",
            "vmsvga.fifo",
            "s390.ram",
            "tpm-crb-cmd",
            "tpm-ppi",
            "virt.secure-ram",
            "isa-bios",
            self.family.memory,
        }
        return [
            block
            for name, block in self.blocks.items()
            if _PCI.match(name) is None
            and _CHANNEL_BLOCK.fullmatch(name) is None
            and name not in known
            and not name.startswith(("/rom@", "virt.flash", "pc.", "system.flash", "riscv_virt_board.", "spapr."))
            and not name.endswith((".rom", ".bios", ".ram", ".flash0", ".flash1", ".vram"))
        ]

    @cached_property
    def main_backend(self) -> RamBlock | None:
        """The memory backend that has all of -m, where there is one."""
        if self.family.memory in self.blocks or not self.loose_blocks:
            return None
        loose = [block for block in self.loose_blocks if block not in self.claimed_blocks]
        return loose[0] if len(loose) == 1 or self.has_slots else None

    @cached_property
    def claimed_blocks(self) -> list[RamBlock]:
        """Of the loose blocks those of devices that are no PCI device's memory but name a backend (acpi-erst)."""
        if "acpi-erst" not in self.kinds:
            return []
        # The storage of error records is the smallest there is.
        loose = sorted(self.loose_blocks, key=lambda block: int(block.used_length))
        return loose[:1] if len(loose) > 1 or self.family.memory in self.blocks else []

    @cached_property
    def has_slots(self) -> bool:
        """Whether memory can be plugged in."""
        slots = self.slots()
        return slots is not None and slots[0] > 0

    def slots(self) -> tuple[int, Sequence[Note]] | None:
        """How many slots for memory ACPI's hotplug has."""
        for kind, path in (
            ("ICH9LPC", "pm.memhp.acpi_memory_hotplug.devs"),
            ("piix4_pm", "memhp.acpi_memory_hotplug.devs"),
        ):
            told = self._length(kind, path)
            if told is not None:
                return told
        return None

    def memory(self) -> None:
        """-m, and the memory backends."""
        main = self.blocks.get(self.family.memory) or self.main_backend
        loose = [block for block in self.loose_blocks if block not in self.claimed_blocks]
        nodes: list[RamBlock] = [] if main is not None else loose
        dimms = [] if main is None else [block for block in loose if block is not main]
        total = int(main.used_length) if main is not None else sum(int(block.used_length) for block in nodes)
        if not total:
            self.missing.append("no RAM block tells how much memory there is (-m)")
            return
        notes: list[Note] = [BlockNote(block) for block in ([main] if main is not None else nodes)]
        parts: list[tuple[str, Sequence[Note]]] = [(_bytes(total), notes)]
        slots = self.slots()
        plugged = [block for name, block in self.blocks.items() if self._is_memory_device(name)]
        if (slots is not None and slots[0]) or dimms or plugged:
            number, told = slots if slots is not None and slots[0] else (len(dimms), [])
            largest = total + sum(int(block.used_length) for block in (*dimms, *plugged)) + (4 << 30)
            parts += [(f"slots={number}", told)] if number else []
            parts.append((f"maxmem={_bytes(largest)}", ()))
            self.missing.append("how much memory there can be is not in the stream: a maxmem with room is taken")
        self.add("-m", parts)
        if self.shared and not {block.idstr for block in (nodes if main is None else [main])} <= self.blocks_with_pages:
            self.missing.append("the guest's memory is not in the stream: what stood in it has to come with its file")
        if main is not None and main.idstr != self.family.memory:
            self.backend(main)
        for block in nodes:
            self.backend(block)
            self.add("-numa", [("node", ()), (f"memdev={block.idstr.removeprefix(CANONICAL)}", [BlockNote(block)])])
        for block in dimms:
            self.backend(block)
            named = f"memdev={block.idstr.removeprefix(CANONICAL)}"
            self.add("-device", [("pc-dimm", ()), (named, [BlockNote(block)])])
        for block in self.claimed_blocks:
            self.backend(block)

    def _is_memory_device(self, name: str) -> bool:
        match, channel = _PCI.match(name), _CHANNEL_BLOCK.fullmatch(name)
        place = None if match is None else f"{match[1]}{match[2]}/virtio-mem"
        place = place if channel is None else f"/{channel[1]}/virtio-mem"
        return place in self.section_names

    @cached_property
    def section_names(self) -> set[str]:
        """The names of all sections."""
        return {section.name for section in self.sections}

    @cached_property
    def blocks_with_pages(self) -> set[str]:
        """The RAM blocks whose contents are in a stream that leaves shared memory out."""
        source = self.stream.input
        if source is None:
            return set()
        events = StreamReader.over(source.data, origin=source.origin).events()
        ram = [section.state for section in self.stream.sections if section.is_ram]
        end = max((summary.offset + summary.size for summary in ram), default=0)
        records = takewhile(lambda event: event.offset < end, events)
        return {event.block for event in records if isinstance(event, RamPages | RamMapped)}

    def backend(self, block: RamBlock, name: str | None = None) -> str:
        """An -object with the memory of a block; its id."""
        name = block.idstr.removeprefix(CANONICAL) if name is None else name
        notes = [BlockNote(block)]
        parts: list[tuple[str, Sequence[Note]]] = [
            ("memory-backend-ram", ()),
            (f"id={name}", notes),
            (f"size={_bytes(int(block.used_length))}", notes),
        ]
        if block.idstr.startswith(CANONICAL):
            parts.append(("x-use-canonical-path-for-ramblock-id=on", notes))
        if self.shared and block.idstr not in self.blocks_with_pages:
            parts.append(("share=on", [HostNote(self.stream, ConfigurationSection)]))
        self.add("-object", parts)
        return name

    def firmware(self) -> None:
        """-bios, where the block of the firmware is not of the usual size."""
        for unit in range(2):
            flash = self.blocks.get(f"system.flash{unit}")
            if flash is not None:
                told = f"if=pflash,unit={unit},driver=null-co,read-zeroes=on"
                self.add("-drive", [(told, ()), (f"size={int(flash.used_length)}", [BlockNote(flash)])])
        usual = self.family.firmware.get("pc.bios")
        block = self.blocks.get("pc.bios")
        if block is None or usual is None or int(block.used_length) == usual:
            return
        size = int(block.used_length)
        self.add("-bios", [(self.file(f"bios-{size}.bin", size), [BlockNote(block)])])

    def serial_ports(self) -> None:
        """-serial for each port of the ISA bus, or the console of s390x."""
        for section in self.sections:
            kind = section.name
            if (kind == "serial" and self.family.name in ("q35", "pc", "isapc", "microvm")) or kind == "sclpconsole":
                self.add("-serial", [("null", [IdstrNote(section)])])
        for section in self.terminals_before_memory():
            self.number("serial")
            self.add("-serial", [("null", [IdstrNote(section)])])

    def terminals_before_memory(self) -> list[Section]:
        """The terminals of pseries that the machine itself has made: those in front of its non-volatile memory."""
        places = {}
        for section in self.sections:
            match = _VIO.fullmatch(section.name)
            if match is not None:
                places[int(match[1], 16)] = section
        memory = next((at for at, section in places.items() if section.name.endswith("/spapr_nvram")), 0)
        return [section for at, section in sorted(places.items()) if at < memory and section.name.startswith("vty@")]

    # Stand-ins.

    def stand_in(self, kind: str) -> str:
        """The id of an object that is made for a device."""
        if kind == "chardev":
            return self.null_device()
        name = f"{kind}{self.number(kind)}"
        if kind in ("iothread", "can-bus"):
            self.options.append(Option("-object", f"{kind},id={name}"))
        elif kind == "fsdev":
            self.options.append(Option("-fsdev", f"synth,id={name}"))
        else:
            self.missing.append(f"what stands behind a device ({kind}) has no stand-in")
        return name

    def behind(self, model: Model, reading: ModelReading) -> str | None:
        """What stands behind a device: the value of the property that names it."""
        kind = model.back_end
        if kind == "netdev":
            return self.netdev(reading)
        if kind == "drive":
            size = None if model.medium is None else model.medium(reading)
            name = f"drive{self.number('drive')}"
            more = "" if size is None else f",size={size}"
            self.options.append(Option("-blockdev", f"driver=null-co,node-name={name},read-zeroes=on{more}"))
            return name
        if kind == "chardev":
            return self.null_device()
        if kind == "audiodev":
            return self.audio_device()
        if kind == "bmc":
            return self.bmcs.pop(0) if self.bmcs else None
        if kind == "memdev":
            block = next((block for name, block in reading.device.blocks.items() if "." not in name), None)
            if block is not None:
                return self.backend(block, block.idstr.rpartition("/")[2])
            claimed = self.claimed_blocks
            if claimed:
                return claimed[0].idstr
            self.missing.append(f"{reading.section.name}: which memory stands behind it")
            return None
        if kind is not None:
            self.missing.append(f"{reading.section.name}: what stands behind it ({kind}) has no stand-in")
        return None

    def audio_device(self) -> str:
        """The audio of the host behind a device: as many of them as have a state; the last one is for all others."""
        number, there_are = self.number("audiodev"), sum(section.name == "audio" for section in self.sections)
        if number == 0 or number < there_are:
            self.options.append(Option("-audiodev", f"none,id=audio{number}"))
        return f"audio{min(number, max(there_are, 1) - 1)}"

    def netdev(self, reading: ModelReading) -> str | None:
        """The network behind a card."""
        from vmstate.vmsd.path import value_or_none

        name = f"net{self.number('netdev')}"
        state = reading._subject.state if last_part(reading.section.name) == "virtio-net" else None
        pairs = 1 if state is None else int(value_or_none(state, "virtio.net.max_queue_pairs") or 1)
        headers = None if state is None else value_or_none(state, "virtio.net.has_vnet_hdr.has_vnet_hdr")
        if pairs > 1 or headers:
            queues = f",queues={pairs}" if pairs > 1 else ""
            self.options.append(Option("-netdev", f"tap,id={name},script=no,downscript=no{queues}"))
            self.missing.append(f"{reading.section.name}: a tap device stands behind it, which takes privileges")
        else:
            self.stack_or_hub(name)
        return name

    def stack_or_hub(self, name: str) -> None:
        """The user network, as many of them as have a state, and behind that ports of hubs, which have none."""
        if self.slirp > 0:
            self.slirp -= 1
            self.options.append(Option("-netdev", f"user,id={name}"))
        else:
            self.options.append(Option("-netdev", f"hubport,id={name},hubid={self.counts['netdev']}"))

    def user_network(self) -> str:
        """A network behind a card that is no virtio card; its id."""
        name = f"net{self.number('netdev')}"
        self.stack_or_hub(name)
        return name

    def null_device(self) -> str:
        """A character device; its id."""
        name = f"chr{self.number('chardev')}"
        self.options.append(Option("-chardev", f"null,id={name}"))
        return name

    # Devices.

    def on_pci(self) -> tuple[dict[Place, Device], list[tuple[Section, Device, str]]]:
        """The devices on PCI by their places, and what sits behind them: section, controller, where."""
        devices: dict[Place, Device] = {}
        behind: list[tuple[Section, Device, str]] = []

        def at(match: re.Match[str]) -> Device:
            slots = tuple((int(slot[1:3], 16), int(slot[4])) for slot in re.findall(r":[0-9a-f]{2}\.[0-7]", match[2]))
            return devices.setdefault((match[1], slots), Device(match[1], slots))

        for section in self.sections:
            match = _PCI.fullmatch(section.name)
            if match is None or match[3] is None:
                continue
            device = at(match)
            if "/" in match[3]:
                behind.append((section, device, match[3]))
            else:
                device.sections.append(section)
        for name, block in self.blocks.items():
            match = _PCI.fullmatch(name)
            if match is not None and match[3] is not None:
                at(match).blocks[match[3]] = block
        return devices, behind

    def pci_devices(self) -> None:
        """The devices on PCI, those of each bus in order, and what sits behind them."""
        devices, behind = self.on_pci()
        self.silent_ports(devices)
        self.expanders(devices)
        # A port is there before what sits behind it.
        for _, device in sorted(devices.items(), key=lambda item: (item[0][0], len(item[0][1]), item[0][1])):
            self.pci_device(device, devices)
        self.ports_without_devices()
        children: dict[str, str] = {}
        # So is a hub: what is plugged into it has one number more in its port.
        for section, device, rest in sorted(
            behind, key=lambda item: (item[0].name.count("/"), item[2].count("."), item[0].name)
        ):
            self.child(section, device, rest, children)

    def silent_ports(self, devices: dict[Place, Device]) -> None:
        """The ports of CXL, which have a bus and no section: the idstrs of what sits behind them go through them."""
        for (root, slots), device in [*devices.items()]:
            above = 2 if self.is_expanded(root) else 1
            for depth in range(above, len(slots) if self.family.name in EXPRESS else 0):
                port = devices.setdefault((root, slots[:depth]), Device(root, slots[:depth]))
                if not (port.sections or port.blocks):
                    before = devices[root, slots[: depth - 1]].silent or "port" if depth > above else None
                    port.behind = device
                    port.silent = CXL_BELOW.get(before, "cxl-upstream")

    def ports_without_devices(self) -> None:
        """The ports of CXL behind which nothing sits: each has a bus that is counted."""
        if self.family.name not in ("q35", "virt", "riscv-virt"):
            return
        told = 1 + self.counts.get("expander", 0) + self.counts.get("bridge", 0)
        buses = sum(section.name == "PCIBUS" for section in self.sections)
        for _ in range(buses - told):
            self.missing.append("the place of a port that has a bus and no state (cxl-rp) is not in the stream")
            self.silent_port("cxl-rp", [(f"bus={self.expander_id or 'pcie.0'}", ())], ())

    def silent_port(self, name: str, where: Sequence[tuple[str, Sequence[Note]]], notes: Sequence[Note]) -> str:
        """-device of a port of CXL; its id."""
        identifier = f"dev{self.number('dev')}"
        self.number("bridge")
        slot = [] if name == "cxl-upstream" else [(f"chassis={self.number('chassis') + 1}", ())]
        self.add("-device", [(name, notes), (f"id={identifier}", ()), *where, *slot])
        return identifier

    @staticmethod
    def is_expanded(root: str) -> bool:
        """Whether a root bus is one of an expander."""
        return not root.endswith((":00", ".0"))

    def expanders(self, devices: dict[Place, Device]) -> None:
        """The root buses besides that of the machine: pxb on PCI, with a bridge of its own, and pxb-pcie.

        An idstr names the number of the bus, then the slot in which the expander itself sits, which has no section.
        """
        is_express = self.family.name in EXPRESS
        if self.family.name == "pseries":
            self.host_bridges()
            return
        places = {(root, slots[:1]) for root, slots in devices if self.is_expanded(root)}
        for root, slots in sorted(places):
            behind = next(device for key, device in devices.items() if key[0] == root)
            notes: list[Note] = [IdstrNote(section) for section in behind.sections[:1]]
            has_cxl = any(key[0] == root and device.silent for key, device in devices.items())
            name = "pxb-cxl" if has_cxl else "pxb-pcie" if is_express else "pxb"
            if has_cxl:
                self.options.append(Option("-machine", "cxl=on"))
            expander = self.expander(name, [(f"addr={slots[0][0]:#x}", notes)], int(root[-2:], 16), notes)
            expander.root, expander.slots = root, slots
            devices[root, slots] = expander
            if not is_express:
                # It brings the bridge, whose bus is called as the expander is.
                devices[root, (*slots, (0, 0))] = expander
        hosts = sum(section.name == "PCIHost" for section in self.sections) - 1
        taken = {slots[0][0] for _, slots in devices} | {slot for slot, _ in self.family.built_in}
        free = [slot for slot in reversed(range(1, 0x1F)) if slot not in taken]
        for number in range(hosts - len(places) if self.family.name in ("q35", "virt", "riscv-virt") else 0):
            self.missing.append("the number and place of a root bus without devices (pxb-pcie) are not in the stream")
            place: list[tuple[str, Sequence[Note]]] = [(f"addr={free[number]:#x}", ())] if number < len(free) else []
            self.expander("pxb-pcie", place, LOW_BUS + 0x10 * number, ())

    def host_bridges(self) -> None:
        """The host bridges of pseries besides the first, each with the number that its own number tells."""
        for section in self.sections:
            if section.name != "spapr_pci":
                continue
            reading = ModelReading(self, Device(), section)
            try:
                index = int(reading("buid")) - FIRST_BUID
                is_old = reading("liobn") is not None
            except (VMStateError, TypeError):
                continue
            if index == 0:
                release = self.machine_release
                if is_old and release is not None and release >= BRIDGES_SINCE:
                    self.add("-global", [("spapr-pci-host-bridge.pre-2.8-migration=on", reading.notes)])
                continue
            identifier = f"dev{self.number('dev')}"
            self.number("expander")
            self.roots[f"pci@{FIRST_BUID + index:x}"] = f"{identifier}.0"
            bridge = "spapr-pci-host-bridge"
            self.add("-device", [(bridge, ()), (f"id={identifier}", ()), (f"index={index}", reading.notes)])

    def expander(self, name: str, where: list[tuple[str, Sequence[Note]]], bus: int, notes: Sequence[Note]) -> Device:
        """-device of a root bus."""
        device = Device()
        device.id = self.expander_id = f"dev{self.number('dev')}"
        self.number("expander")
        self.add("-device", [(name, ()), (f"id={device.id}", ()), (f"bus_nr={bus}", notes), *where])
        device.is_expander = True
        return device

    def pci_device(self, device: Device, devices: Mapping[Any, Device]) -> None:
        """One device of PCI."""
        if device.is_expander:
            return
        slot, function = device.slots[-1]
        if len(device.slots) == 1 and (slot, function) in self.family.built_in:
            device.id = ""
            return
        address = f"addr={slot:#x}" + (f".{function}" if function else "")
        where: list[tuple[str, Sequence[Note]]] = []
        notes: list[Note] = [IdstrNote(section) for section in (device.behind or device).sections[:1]]
        notes = notes or [BlockNote(block) for block in list(device.blocks.values())[:1]]
        if len(device.slots) > 1:
            parent = devices.get((device.root, device.slots[:-1]))
            if parent is None or not parent.id:
                name = device.sections[0].name if device.sections else next(iter(device.blocks), "")
                self.missing.append(f"{name}: the bridge that it sits behind is not in the stream")
                return
            where.append((f"bus={parent.id}", notes))
        elif device.root in self.roots:
            where.append((f"bus={self.roots[device.root]}", notes))
        elif self.counts.get("expander"):
            # Among several root buses QEMU takes the first that is free.
            where.append(("bus=pcie.0" if self.family.name in EXPRESS else "bus=pci.0", notes))
        where.append((address, notes))
        if device.silent is not None:
            device.id = self.silent_port(device.silent, where, notes)
            return
        where += self.rom(device)
        chosen = self.choose(device)
        if chosen is None:
            told_by_blocks = self.name_by_blocks(device)
            if told_by_blocks is not None:
                memory = device.blocks.get("vga.vram")
                if memory is not None:
                    where.append((f"vgamem_mb={int(memory.used_length) // MIB}", [BlockNote(memory)]))
                device.id = f"dev{self.number('dev')}"
                self.add("-device", [(told_by_blocks, notes), (f"id={device.id}", ()), *where])
                return
            for section in device.sections:
                self.missing.append(f"{section.name}: nothing says what QEMU calls this device")
            return
        model, reading = chosen
        device.bus = model.bus
        more = self.multifunction(device, reading, devices)
        if model.bus == "pcie" and model.name != "x3130-upstream":
            more.append((f"chassis={self.number('chassis') + 1}", ()))
        self.device(model, reading, device, [*where, *more])
        if model.bus == "usb":
            self.usb_controllers.append(device.id)
        if last_part(reading.section.name) == "virtio-console":
            self.ports(device, reading)

    def name_by_blocks(self, device: Device) -> str | None:
        """What a device without a section is called, which only its ROM or its video memory tells of."""
        if device.sections:
            return None
        rom = next((name for name in device.blocks if name.endswith(".rom")), None)
        return rom.removesuffix(".rom") if rom is not None else "ati-vga" if "vga.vram" in device.blocks else None

    def multifunction(
        self, device: Device, reading: ModelReading, devices: Mapping[Any, Device]
    ) -> list[tuple[str, Sequence[Note]]]:
        """multifunction=on where the header says so and the device does not by itself."""
        reading.notes = []
        try:
            header = reading.space.byte(HEADER_TYPE)
        except VMStateError:
            return []
        if header & ~MULTI_FUNCTION == BRIDGE:
            self.number("bridge")
        parts: list[tuple[str, Sequence[Note]]] = (
            [("multifunction=on", reading.notes)] if header & MULTI_FUNCTION else []
        )
        return [*parts, *self.alternative_routing(device, reading)]

    def alternative_routing(self, device: Device, reading: ModelReading) -> Iterator[tuple[str, Sequence[Note]]]:
        """That the next function is the first, where the machine type has it otherwise by itself."""
        reading.notes = []
        release = self.machine_release
        if release is None or release < NEXT_FUNCTION_0_SINCE or reading.space.size <= EXTENDED:
            return
        at = reading.space.extended_capability(EXT_CAP_ID_ARI)
        if at is not None and reading.space.number(at + 5, 1) == 1:
            yield "x-pcie-ari-nextfn-1=on", reading.notes

    def rom(self, device: Device) -> list[tuple[str, Sequence[Note]]]:
        """The ROM of a device: a stand-in of its size, or none."""
        roms = (block for name, block in device.blocks.items() if name.endswith((".rom", "-non-transitional")))
        block = next(roms, None)
        if block is not None:
            size = int(block.used_length)
            if ROMS_OF_QEMU.get("vga.rom") == size and self._class_of(device) >> 8 == 3:
                return []
            return [(f"romfile={self.file(f'rom-{size}.bin', size)}", [BlockNote(block)])]
        return [("romfile=", ())] if self._class_of(device) >> 8 in (2, 3) else []

    def _class_of(self, device: Device) -> int:
        if not device.sections:
            return 0x0300 if any("vga" in name for name in device.blocks) else 0
        try:
            return ModelReading(self, device, device.sections[0]).space.word(CLASS_DEVICE)
        except VMStateError:
            return 0

    def choose(self, device: Device) -> tuple[Model, ModelReading] | None:
        """What QEMU calls a device, and the section that says so."""
        for section in device.sections:
            for model in models_of(section.name):
                reading = ModelReading(self, device, section)
                try:
                    if self._fits(model, reading):
                        return model, reading
                except VMStateError as error:
                    self.missing.append(f"{section.name}: {error.message}")
                    break
        return None

    def _fits(self, model: Model, reading: ModelReading) -> bool:
        if (model.pci is not None or model.class_id is not None) and not reading.is_pci:
            return False
        if model.pci is not None and (reading.space.word(0), reading.space.word(2)) != model.pci:
            return False
        if model.class_id is not None and reading.space.word(CLASS_DEVICE) != model.class_id:
            return False
        return model.when is None or bool(model.when(reading))

    def device(
        self,
        model: Model,
        reading: ModelReading,
        device: Device,
        where: Sequence[tuple[str, Sequence[Note]]],
        *,
        behind: bool = True,
    ) -> None:
        """-device with its properties, what stands behind it before it."""
        device.id = f"dev{self.number('dev')}"
        parts: list[tuple[str, Sequence[Note]]] = [
            (model.name, [IdstrNote(reading.section)]),
            (f"id={device.id}", ()),
            *where,
        ]
        if model.or_else:
            self.missing.append(f"{reading.section.name}: {model.name} is taken; it may be {model.or_else}")
        if model.back_end is not None and behind:
            name = self.behind(model, reading)
            if name is not None:
                parts.append((f"{model.back_end}={name}", ()))
        for name, of in model.properties.items():
            reading.notes = []
            try:
                value = of(reading)
            except (VMStateError, TypeError, ValueError, IndexError) as error:
                told = error.message if isinstance(error, VMStateError) else "it is not in the state"
                self.missing.append(f"{reading.section.name}: {name}: {told}")
                continue
            if value is not None:
                parts.append((f"{name}={_text(value)}", reading.notes))
            elif name == "mac":
                self.missing.append(f"{reading.section.name}: the address of the card (mac=) is not in the stream")
        self.add("-device", parts)

    def ports(self, device: Device, reading: ModelReading) -> None:
        """The ports of virtio-serial: which kind the others than port 0 are, nothing tells."""
        reading.notes = []
        for port in reading("virtio.ports") or ():
            number = int(port.id)
            chardev = f"chr{self.number('chardev')}"
            self.options.append(Option("-chardev", f"null,id={chardev}"))
            kind = "virtconsole" if number == 0 else "virtserialport"
            if number:
                self.missing.append(
                    f"{reading.section.name}: port {number} is a virtserialport; it may be a virtconsole"
                )
            self.add(
                "-device",
                [
                    (kind, reading.notes),
                    (f"bus={device.id}.0", ()),
                    (f"nr={number}", reading.notes),
                    (f"chardev={chardev}", ()),
                ],
            )

    def child(self, section: Section, device: Device, rest: str, children: dict[str, str]) -> None:
        """A device behind a controller: on USB or SCSI."""
        place, _, kind = rest.rpartition("/")
        above, _, last = place.rpartition("/")
        if not device.id or (above and f"{id(device)}/{above}" in children and children[f"{id(device)}/{above}"] == ""):
            # The disk inside usb-storage comes with it.
            return
        chosen = self.choose_section(section)
        if chosen is None:
            self.missing.append(f"{section.name}: nothing says what QEMU calls this device")
            return
        model, reading = chosen
        inner = Device()
        notes = [IdstrNote(section)]
        scsi = _SCSI.fullmatch(last)
        where: list[tuple[str, Sequence[Note]]] = [(f"bus={device.id}.0", notes)]
        if scsi is not None:
            where += [(f"channel={int(scsi[1])}", notes), (f"scsi-id={int(scsi[2])}", notes)]
            where.append((f"lun={int(scsi[3])}", notes))
        else:
            where.append((f"port={place}", notes))
        self.device(model, reading, inner, where)
        children[f"{id(device)}/{place}"] = "" if kind == "usb-storage" else inner.id

    def usb_devices_without_place(self) -> None:
        """The USB devices whose idstrs have their port alone and not the controller: they are told so (full-path)."""
        for section in self.sections:
            match = _USB.fullmatch(section.name)
            chosen = None if match is None or not self.usb_controllers else self.choose_section(section)
            if match is None or chosen is None:
                continue
            notes = [IdstrNote(section)]
            where: list[tuple[str, Sequence[Note]]] = [(f"bus={self.usb_controllers[0]}.0", notes)]
            where += [(f"port={match[1]}", notes), ("full-path=off", notes)]
            self.device(*chosen, Device(), where)

    def choose_section(self, section: Section) -> tuple[Model, ModelReading] | None:
        """What QEMU calls the device of a section that is not on PCI."""
        device = Device()
        device.sections.append(section)
        place = section.name.rpartition("/")[0].lstrip("/")
        for name, block in self.blocks.items():
            match = _CHANNEL_BLOCK.fullmatch(name)
            if match is not None and match[1] == place:
                device.blocks[match[2]] = block
        return self.choose(device)

    def channel_devices(self) -> None:
        """The devices of s390x's channel subsystem."""
        for section in self.sections:
            match = _CCW.fullmatch(section.name)
            if match is None:
                self.channel_device_without_place(section)
                continue
            chosen = self.choose_section(section)
            if chosen is None:
                if not match[2].endswith("-early"):
                    self.missing.append(f"{section.name}: nothing says what QEMU calls this device")
                continue
            device = Device()
            self.device(*chosen, device, [(f"devno={match[1]}", [IdstrNote(section)])])
            self.children_of(section, device)
            if match[2] == "virtio-console":
                self.ports(device, chosen[1])

    def channel_device_without_place(self, section: Section) -> None:
        """A device of a machine type before 2.7, whose idstrs have no place: its subchannel tells it."""
        if self.family.name != "s390-ccw" or not section.name.startswith("virtio-"):
            return
        chosen = self.choose_section(section)
        if chosen is None:
            return
        model, reading = chosen
        reading.notes = []
        told = [reading(f"virtio.transport.parent_obj.sch.{name}") for name in ("cssid", "ssid", "devno")]
        where: list[tuple[str, Sequence[Note]]] = []
        if None not in told:
            where.append((f"devno={told[0]:x}.{told[1]:x}.{told[2]:04x}", reading.notes))
        device = Device()
        self.device(model._replace(name=model.name.replace("-device", "-ccw")), reading, device, where)
        children: dict[str, str] = {}
        if model.bus == "scsi":
            for disk in self.sections:
                if _SCSI.fullmatch(disk.name.rpartition("/")[0]):
                    self.child(disk, device, disk.name, children)
        elif section.name == "virtio-console":
            self.ports(device, reading)

    def children_of(self, controller: Section, device: Device) -> None:
        """The devices behind a controller that is not on PCI: their idstrs begin with its place."""
        place = controller.name.rpartition("/")[0]
        children: dict[str, str] = {}
        for section in self.sections:
            match = _BEHIND.fullmatch(section.name)
            if match is not None and match[1] == place:
                self.child(section, device, match[2], children)

    def virtual_devices(self) -> None:
        """The devices of pseries' virtual bus, whose idstrs name their registers; that of its memory is built in."""
        serial = self.counts.get("serial", 0)
        for section in self.sections:
            match = _VIO.fullmatch(section.name)
            if match is None or match[2] not in VIO_DEVICES:
                continue
            if serial and match[2] == "spapr_vty":
                serial -= 1
                continue
            name, back_end = VIO_DEVICES[match[2]]
            notes = [IdstrNote(section)]
            device = Device()
            device.id = f"dev{self.number('dev')}"
            parts: list[tuple[str, Sequence[Note]]] = [(name, notes), (f"id={device.id}", ())]
            parts.append((f"reg={int(match[1], 16):#x}", notes))
            if back_end == "netdev":
                parts.append((f"netdev={self.user_network()}", ()))
            elif back_end == "chardev":
                parts.append((f"chardev={self.null_device()}", ()))
            self.add("-device", parts)
            self.children_of(section, device)

    def transports(self) -> None:
        """The virtio devices on memory-mapped transports."""
        modern = False
        for section in self.sections:
            match = _MMIO.fullmatch(section.name)
            if match is None or self.family.mmio is None:
                continue
            chosen = self.choose_section(section)
            if chosen is None:
                self.missing.append(f"{section.name}: nothing says what QEMU calls this device")
                continue
            start, step = self.family.mmio
            number = (int(match[1], 16) - start) // step
            device = Device()
            self.device(*chosen, device, [(f"bus=virtio-mmio-bus.{number}", [IdstrNote(section)])])
            self.children_of(section, device)
            reading = chosen[1]
            reading.notes = []
            if reading("virtio.virtio.extra_state.extra_state.state") is not None:
                modern = True
            if match[2] == "virtio-console":
                self.ports(device, reading)
        if modern:
            self.options.append(Option("-global", "virtio-mmio.force-legacy=off"))

    def plain_devices(self, *, first: bool) -> None:
        """The devices whose idstr has no place: on ISA, and those of which a machine has one.

        Those that others need must be there before them.
        """
        brought = set(self.family.brings)
        for section in self.sections:
            kind = section.name
            if kind in ("fdc", "vmmouse") and kind in brought and not first:
                # The machine brings one alone.
                brought.discard(kind)
                continue
            if "/" in kind or "@" in kind or kind in brought or (kind in NEEDED_BY_OTHERS) is not first:
                continue
            if self.family.name == "s390-ccw" and kind.startswith("virtio-"):
                continue
            if kind in ("tpm-emulator", "tpm-crb", "tpm-tis"):
                self.missing.append(f"{kind}: what stands behind it (a TPM emulator) has no stand-in")
                continue
            if kind == "vga" and ("vga.vram" not in self.blocks or "vmware_vga" in self.kinds):
                # It is of a card on PCI (ati-vga, vmware-svga), whose memory or other section tells of it.
                continue
            chosen = self.choose_section(section)
            if chosen is None:
                self.missing.append(f"{kind}: nothing says what QEMU calls this device")
                continue
            device = Device()
            self.device(*chosen, device, self.bus_of(kind))
            if kind.startswith("ipmi-bmc-"):
                self.bmcs.append(device.id)
            else:
                reading = chosen[1]
                assert reading.device is not None

    def bus_of(self, kind: str) -> list[tuple[str, Sequence[Note]]]:
        """The bus of a device whose idstr does not tell it: the first of its kind."""
        wanted = {"hda-audio": "intel-hda", "sd-card": "sdhci"}.get(kind)
        if wanted is None:
            return []
        for option in self.options:
            words = option.words
            if words[0] == "-device" and words[1].startswith((f"{wanted},", f"ich9-{wanted},", f"{wanted}-pci,")):
                identifier = re.search(r",id=([^,]+)", words[1])
                bus = "sd-bus" if kind == "sd-card" else f"{identifier[1]}.0" if identifier else ""
                return [(f"bus={bus}", ())] if kind != "sd-card" else []
        return []

    # What hangs on no device.

    def globals(self) -> None:
        """-global of what shows in the devices of the machine, and of the migration."""
        if self.family.name in ("pc", "q35", "microvm") and "kvm-tpr-opt" not in self.kinds and "apic" in self.kinds:
            self.options.append(Option("-global", "apic.vapic=off"))
        bridge = next((section for section in self.sections if last_part(section.name) == "piix4_pm"), None)
        machine = self.machine_release
        if bridge is not None and machine is not None and machine >= ACPI_INDEX_SINCE:
            with suppress(VMStateError):
                if ModelReading(self, Device(), bridge).fact("acpi_index_migrated") is False:
                    self.options.append(Option("-global", "PIIX4_PM.x-not-migrate-acpi-index=on"))
        hpet = next((section for section in self.sections if section.name == "hpet"), None)
        if hpet is not None:
            reading = ModelReading(self, Device(), hpet)
            try:
                timers = reading("num_timers_save")
            except VMStateError:
                timers = None
            if timers not in (None, 3):
                self.add("-global", [(f"hpet.timers={int(timers)}", reading.notes)])
        processor = next((section for section in self.sections if section.name == "cpu"), None)
        if self.family.name == "pseries" and processor is not None:
            reading = ModelReading(self, Device(), processor)
            with suppress(VMStateError):
                for text in power_globals(reading, self.machine_release):
                    self.add("-global", [(text, reading.notes)])
        release = self.machine_release
        if self.family.name == "s390-ccw" and "s390-skeys" not in self.kinds and release and release >= KEYS_SINCE:
            self.options.append(Option("-global", "s390-skeys-qemu.migration-enabled=off"))
        if self.family.name == "s390-ccw" and release is not None and release >= FULL_INTERRUPTS_SINCE:
            interrupts = next((section for section in self.sections if section.name == "qemu-s390-flic"), None)
            with suppress(VMStateError):
                if interrupts is not None and ModelReading(self, Device(), interrupts)("full") is None:
                    self.options.append(Option("-global", "s390-flic-qemu.migrate-all-state=off"))
        events = next((section for section in self.sections if section.name == "vmstate-event-facility"), None)
        if events is not None and release is not None and release >= MASKS_SINCE:
            reading = ModelReading(self, Device(), events)
            with suppress(VMStateError):
                if reading("mask_length") is None:
                    name = "s390-sclp-event-facility.allow_all_mask_sizes=off"
                    self.add("-global", [(name, reading.notes)])
        if self.stream.configuration is None and self.stream.sections and self.family.name != "pc":
            self.options.append(Option("-global", "migration.send-configuration=off"))
        if not any(section.footer.section_id is not None for section in self.stream.sections):
            self.options.append(Option("-global", "migration.send-section-footer=off"))
        if "globalstate" not in self.kinds and self.family.name != "none":
            self.options.append(Option("-global", "migration.store-global-state=off"))
        if "audio" in self.kinds and not self.counts.get("audiodev"):
            self.options.append(Option("-audiodev", "none,id=audio0"))
        for _ in range(self.slirp):
            # A network that no card of the state is attached to.
            self.options.append(Option("-netdev", f"user,id=net{self.number('netdev')}"))


def _bytes(size: int) -> str:
    """A size as QEMU reads it: in MiB where it is a whole number of them."""
    return f"{size // MIB}M" if size % MIB == 0 else f"{size}B" if size % 1024 else f"{size // 1024}K"


def _text(value: Any) -> str:
    """A value as a property has it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value).replace(",", ",,")
