"""Pairs of a stream and a destination, drawn at random, and what real QEMU said of each.

    python -m vmstate.lab.machines --qemu qemu-system-x86_64 --seed 1 --count 100 -o FOLDER
    python -m vmstate.lab.machines --qemu ROOT --against OTHER-ROOT --arch aarch64 --seed 1 --count 100 -o FOLDER

A machine is drawn from the tables of kinds.py: machine type, its options, memory, processors, devices and
their properties. The destination is the same machine with one realistic change: another version of the machine type, a
device more, less or elsewhere, another value of a property, and so on; or the same in another release of QEMU. The
source is started, a device or processor is plugged into some, it runs its firmware or not, and is migrated into a file;
the destination, which has from the start what was plugged in, is given that file. `QEMU=ARCH` is the QEMU of another
architecture than `--arch`, one of the same family (i386 for x86_64). Kept are, for each pair:

    NNNN.mig.xz          the stream
    NNNN.json            both command lines, the change, the verdict ("loads" or "fails") and QEMU's words
    NNNN.target.json     the destination as `vmstate explain --record` records it

`explain_accuracy.py` holds `explain` against them. Half of the pairs load and half fail, and no cause, of the changes
or of QEMU's first words, has more than its share of the failures: what has enough is drawn again. The same seed and the
same QEMUs draw the same machines.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from vmstate.compare.target import write_target
from vmstate.errors import MachineError, VMStateError, one_line
from vmstate.files import write_atomic
from vmstate.lab.incoming import QemuDestination
from vmstate.lab.kinds import ALIKE, BOARDS, KINDS, SMP, Board, Kind
from vmstate.lab.network import no_tap
from vmstate.lab.program import exit_code_of
from vmstate.lab.target import target_of
from vmstate.qemu.machine import Machine, Qemu, find_qemu
from vmstate.qemu.migration import NO_LIMIT, save
from vmstate.vmsd.data import Value
from vmstate.vmsd.release import Release

LIMIT = 20.0
"""Seconds that each step of a pair may take; what takes longer is drawn again."""

LARGEST_SHARE = 0.05
"""Of the failures, that one cause may have."""

FAILING = 0.5
"""Of the pairs, that fail."""

SAME_RELEASE = 0.5
"""Of the pairs, whose destination is of the source's release wherever it can be; others are by chance."""

RUNNING = 0.3
"""Of the sources, whose firmware runs for a moment before they are saved."""

WITHOUT_VMDESC = 0.1
"""Of the sources, that send no vmdesc."""

TRIES = 12
"""Draws for each pair that is kept, at most."""

KEPT_WORDS = 6000
"""Characters of QEMU's words that are kept."""

PLUGGED = 0.08
"""Of the sources, into which the last device is plugged when they have started; as many a processor, if they can."""

LOADS, FAILS = "loads", "fails"

FAMILY: Mapping[str, str] = {
    "qemu-system-i386": "qemu-system-x86_64",
    "qemu-system-arm": "qemu-system-aarch64",
    "qemu-system-ppc": "qemu-system-ppc64",
    "qemu-system-riscv32": "qemu-system-riscv64",
}
"""Programs with the boards of another."""

_PLUGS = {"-netdev": "netdev_add", "-object": "object_add", "-chardev": "chardev-add", "-device": "device_add"}
"""Options and the monitor's commands that do the same later; -drive is written otherwise."""

_PROCESSORS = re.compile(r"2,maxcpus=\d+$")


class Installed(Value):
    """A QEMU to draw machines for: the words that run it, its release, and what it says that it has.

    `kinds` maps the kinds of devices in the tables that it has to the names of their properties.
    """

    name: str
    program: str
    root: str | None
    qemu: Qemu
    release: Release
    machines: frozenset[str]
    kinds: Mapping[str, frozenset[str]]


def installed(place: str, program: str | None = None, *, limit: float = LIMIT) -> Installed:
    """The QEMU of a place, a program or a system's root, in which it is `program`. Raises `MachineError`.

    It is started once, without a machine, and asked. `PLACE=ARCH` is that of another architecture in a place.
    """
    name = place
    if not os.path.exists(place) and "=" in place:
        place, _, arch = place.partition("=")
        program = f"qemu-system-{arch}"
        place = place if os.path.isdir(place) else program
    is_root = os.path.isdir(place)
    if is_root and program is None:
        raise MachineError("a root has many QEMUs", expected="--arch ARCH", file=place)
    word = program if is_root and program is not None else place
    qemu = find_qemu(word, place if is_root else None)
    with Machine([word, "-M", "none", "-nodefaults", "-S"], qemu=qemu, limit=limit) as machine:
        kinds = {}
        for name in dict.fromkeys(kind.name for kind in KINDS):
            # To list all types QEMU would load all of its modules, and one that is not of its build ends it.
            properties = machine.monitor.ask_or_none("device-list-properties", {"typename": name})
            if properties is not None:
                kinds[name] = frozenset(str(entry["name"]) for entry in properties)
        return Installed(
            name,
            os.path.basename(word),
            place if is_root else None,
            qemu,
            Release(*machine.monitor.version[:2]),
            frozenset(str(entry["name"]) for entry in machine.ask("query-machines")),
            kinds,
        )


Pairs = tuple[tuple[str, str], ...]


_NAMED_BY_ID = ("port", "upstream", "bridge", "nested", "expander", "cxl", "cxl port", "cxl switch", "nvme")


class Device(Value):
    """A device of a machine: its kind, id, place (`bus`, `addr` and the like), drawn options, and values of words."""

    kind: Kind
    id: str
    place: Pairs = ()
    options: Pairs = ()
    numbers: Pairs = ()

    def words(self) -> list[str]:
        """Its part of a command line."""
        values = {name.removeprefix("@"): choices[0] for name, choices in self.kind.options if name.startswith("@")}
        values |= {name.removeprefix("@"): value for name, value in self.options if name.startswith("@")}
        values |= {"id": self.id, **dict(self.numbers)}
        given = [part for part in self.kind.given.format_map(values).split(",") if part]
        named = dict(part.split("=", 1) for part in given)
        named |= {name: value for name, value in self.options if not name.startswith("@")}
        named |= {name: value for name, value in self.place if name not in named}
        identifier = [] if self.kind.name in ("loader", "guest-loader") else [f"id={self.id}d"]
        parts = [self.kind.name, *identifier, *(f"{name}={value}" for name, value in named.items())]
        return [*self.kind.backend.format_map(values).split(), "-device", ",".join(parts)]

    @property
    def bus(self) -> str:
        """The name of the bus that it provides."""
        return f"{self.id}d" if self.kind.provides in _NAMED_BY_ID else f"{self.id}d.0"

    def renamed(self) -> Device:
        """It with other ids, and its place on a device with other ids."""
        place = tuple((name, re.sub(r"^x(?=\d+d)", "other", value)) for name, value in self.place)
        return self.replace(id=re.sub("^x", "other", self.id), place=place)


class Drawn(Value):
    """A machine: what its command line is made of.

    `plugged`: whether the last of its devices is plugged in when it has started; `processor`: whether the second
    processor is.
    """

    program: str
    machine: str
    options: Pairs
    memory: str
    smp: str | None
    cpu: str | None
    globals_: tuple[str, ...]
    words: tuple[str, ...]
    devices: tuple[Device, ...]
    bare: bool = True
    given: str = ""
    plugged: bool = False
    processor: bool = False

    def at_start(self) -> Drawn:
        """It without what is plugged in later."""
        return self.replace(
            devices=self.devices[:-1] if self.plugged else self.devices,
            smp=self.smp and self.smp.replace("2", "1", 1) if self.processor else self.smp,
        )

    def commands(self) -> Iterator[str]:
        """The monitor's commands that plug in the last device. Raises `NotDrawnError` where there are none for it."""
        words = self.devices[-1].words() if self.plugged else []
        for option, value in zip(words[::2], words[1::2], strict=True):
            if option == "-drive":
                yield f"drive_add 0 {value}"
            elif option in _PLUGS:
                yield f"{_PLUGS[option]} {value}"
            else:
                raise NotDrawnError

    def argv(self) -> list[str]:
        """Its command line, without -S, and with all that is plugged in."""
        machine = ",".join([self.machine, *(f"{name}={value}" for name, value in self.options)])
        words = [self.program, "-M", machine, "-accel", "tcg"]
        words += ["-m", self.memory] if self.memory else []
        words += ["-nodefaults"] if self.bare else []
        words += self.given.split()
        words += ["-smp", self.smp] if self.smp else []
        words += ["-cpu", self.cpu] if self.cpu else []
        for text in self.globals_:
            words += ["-global", text]
        size = self.memory.partition(",")[0]
        sizes = {"{memory}": size, "{half}": str(int(size or 0) // 2)}
        for text in self.words:
            for name, value in sizes.items():
                text = text.replace(name, value)
            words += text.split()
        for device in self.devices:
            words += device.words()
        return words


class NotDrawnError(Exception):
    """A change that this machine cannot have."""


class Drawer:
    """Draws machines that both QEMUs have, and one change of each."""

    def __init__(self, random: Random, source: Installed, destination: Installed) -> None:
        self.random = random
        self.source = source
        self.destination = destination
        program = FAMILY.get(source.program, source.program)
        self.boards = [board for board in BOARDS if board.program == program and self.types_of(board)]
        if not self.boards:
            raise MachineError(
                f"no board of {source.program} is drawn here that both QEMUs have",
                expected=", ".join(sorted({board.program for board in BOARDS})),
            )
        self.has_tap = no_tap() is None and os.geteuid() == 0
        self._number = 0

    def types_of(self, board: Board) -> list[str]:
        """The machine types of a board that both have, the newest first."""
        pattern = re.compile(board.pattern)
        both = self.source.machines & self.destination.machines
        return sorted(filter(pattern.fullmatch, both), key=_version_key, reverse=True)

    def is_known(self, kind: Kind) -> bool:
        """Whether both have a kind of device, and what it needs here."""
        if kind.tap and not self.has_tap:
            return False
        return kind.name in self.source.kinds and kind.name in self.destination.kinds

    def kinds_on(self, buses: Sequence[str]) -> list[Kind]:
        """The kinds of devices that both have, of some buses."""
        return [kind for kind in KINDS if kind.bus in buses and self.is_known(kind)]

    # A machine.

    def machine(self) -> tuple[Board, Drawn]:
        """A machine."""
        random = self.random
        board = random.choices(self.boards, [board.weight for board in self.boards])[0]
        types = self.types_of(board)
        machine = random.choice(types[:3] if random.random() < 0.6 else types)
        drawn = Drawn(
            board.program,
            machine,
            (),
            random.choice(board.memory),
            random.choice(SMP) if random.random() < (0.4 if board.cpus else 0.05) else None,
            random.choice(board.cpus) if board.cpus and random.random() < 0.3 else None,
            (random.choice(board.globals_),) if board.globals_ and random.random() < 0.08 else (),
            (random.choice(board.words),) if board.words and random.random() < 0.15 else (),
            (),
            bare=random.random() < 0.93,
            given=board.given,
        )
        if random.random() < 0.25:
            name, values = random.choice(board.options)
            drawn = drawn.replace(options=((name, random.choice(values)),))
        self._number = 0
        for _ in range(random.choice((1, 1, 2, 2, 3, 4))):
            with suppress(NotDrawnError):
                drawn = self.with_device(board, drawn)
        return board, self.plugged(drawn)

    def plugged(self, drawn: Drawn) -> Drawn:
        """The machine, or it with what is plugged in when it has started."""
        if drawn.devices and self.random.random() < PLUGGED:
            plugged = drawn.replace(plugged=True)
            with suppress(NotDrawnError):
                list(plugged.commands())
                return plugged
        if drawn.smp and _PROCESSORS.match(drawn.smp) and self.random.random() < 0.5:
            return drawn.replace(processor=True)
        return drawn

    def with_device(self, board: Board, drawn: Drawn, kind: Kind | None = None) -> Drawn:
        """A machine with a device more, and with what that stands on. Raises `NotDrawnError`."""
        if kind is None:
            bus = self.random.choice(board.buses)
            kinds = self.kinds_on([bus])
            if not kinds:
                raise NotDrawnError
            kind = self.random.choice(kinds)
        drawn, place = self.place_for(board, drawn, kind)
        self._number += 1
        numbers = (("chassis", str(self._number)), ("address", hex(0x40 + self._number)))
        options = tuple(
            (name, self.random.choice(values))
            for name, values in self.options_of(kind)
            if self.random.random() < min(0.12, 1.5 / len(kind.options))
        )
        device = Device(kind, f"x{self._number}", place, options, numbers)
        return drawn.replace(devices=(*drawn.devices, device))

    def options_of(self, kind: Kind) -> list[tuple[str, tuple[str, ...]]]:
        """The options of a kind that both have; a property of the bus is not listed, and taken to be had."""
        known = self.source.kinds.get(kind.name, frozenset()) & self.destination.kinds.get(kind.name, frozenset())
        return [(name, values) for name, values in kind.options if name.startswith("@") or name in known]

    def place_for(self, board: Board, drawn: Drawn, kind: Kind) -> tuple[Drawn, Pairs]:
        """A place for a device, and the machine with what provides it."""
        random = self.random
        if kind.bus in ("pci", "pcie", "conventional"):
            is_express = "pcie" in board.buses
            if is_express and kind.bus == "pci" and random.random() < 0.25:
                for device in drawn.devices:
                    taken = any(("bus", device.bus) in child.place for child in drawn.devices)
                    if device.kind.provides in ("port", "bridge") and not taken:
                        address = () if device.kind.provides == "port" else (("addr", str(random.randrange(1, 8))),)
                        return drawn, (("bus", device.bus), *address)
                drawn = self.with_device(board, drawn, self.kind_named("pcie-root-port"))
                return drawn, (("bus", drawn.devices[-1].bus),)
            if random.random() < 0.2:
                return drawn, ()
            return drawn, (("addr", f"{self.free_slot(drawn):#x}"),)
        if kind.bus in ("mmio", "free", "isa", "ide", "dimm", "floppy", "vio", "i2c", "any usb"):
            return drawn, ()
        if kind.bus == "ccw":
            devno = f"fe.{random.randrange(2)}.{random.randrange(1, 64):04x}"
            return drawn, () if random.random() < 0.3 else (("devno", devno),)
        for device in drawn.devices:
            if device.kind.provides == kind.bus:
                return drawn, self.on_bus(device)
        providers = [
            provider
            for provider in KINDS
            if provider.provides == kind.bus and provider.bus in board.buses and self.is_known(provider)
        ]
        if not providers:
            raise NotDrawnError
        drawn = self.with_device(board, drawn, random.choice(providers))
        return drawn, self.on_bus(drawn.devices[-1])

    def on_bus(self, provider: Device) -> Pairs:
        """The place on the bus of a device; that of an SD controller has no name of its own."""
        if provider.kind.provides in ("sd", "ufs", "ccid", "ipack"):
            return ()
        if provider.kind.provides == "hub":
            return (*provider.place, ("port", f"1.{self.random.randrange(1, 4)}"))
        return (("bus", provider.bus),)

    @staticmethod
    def kind_named(name: str) -> Kind:
        """A kind of device by its name."""
        return next(kind for kind in KINDS if kind.name == name)

    def free_slot(self, drawn: Drawn) -> int:
        """A slot of the root bus on which no device was put."""
        taken = {value for device in drawn.devices for name, value in device.place if name == "addr"}
        slots = [slot for slot in range(3, 0x1A) if f"{slot:#x}" not in taken]
        if not slots:
            raise NotDrawnError
        return self.random.choice(slots)

    # A change.

    def change(self, board: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """The machine with one change, and what was changed. Raises `NotDrawnError`."""
        changes: dict[Callable[[Board, Drawn], tuple[Drawn, str]], int] = {
            self.nothing: 3 if self.source is self.destination else 30,
            self.property_changed: 26,
            self.device_removed: 10,
            self.device_added: 7,
            self.device_moved: 8,
            self.device_replaced: 6,
            self.devices_in_another_order: 2,
            self.machine_version: 5,
            self.machine_option: 8,
            self.memory: 4,
            self.processors: 4,
            self.cpu: 8,
            self.setting: 6,
            self.option_word: 7,
            self.defaults: 1,
            self.identifiers: 2,
        }
        draw = self.random.choices(list(changes), list(changes.values()))[0]
        changed, what = draw(board, drawn)
        if changed.argv() == drawn.argv() and self.source is self.destination and draw != self.nothing:
            raise NotDrawnError
        return changed, what

    def nothing(self, _: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """The same machine, and perhaps another release."""
        if self.source is self.destination:
            return drawn, "nothing"
        return drawn, f"release {self.source.release} to {self.destination.release}: {drawn.machine}"

    def any_device(self, drawn: Drawn) -> int:
        """The place of a device in the list of all."""
        if not drawn.devices:
            raise NotDrawnError
        return self.random.randrange(len(drawn.devices))

    def property_changed(self, _: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """Another value of a property, or of one that was not given."""
        place = self.any_device(drawn)
        device = drawn.devices[place]
        options = self.options_of(device.kind)
        if not options:
            raise NotDrawnError
        name, values = self.random.choice(options)
        after = self._with_another_value(dict(device.options), name, values)
        changed = device.replace(options=tuple(after.items()))
        return _with_device_at(drawn, place, changed), f"property {device.kind.name}.{name}"

    def device_removed(self, _: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """A device less, and those that stand on it."""
        device = drawn.devices[self.any_device(drawn)]
        gone = {device.id}
        for child in drawn.devices:
            on = dict(child.place).get("bus", "")
            if on and any(on in (f"{identifier}d", f"{identifier}d.0") for identifier in gone):
                gone.add(child.id)
        kept = tuple(child for child in drawn.devices if child.id not in gone)
        return drawn.replace(devices=kept), f"device removed: {device.kind.name}"

    def device_added(self, board: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """A device more, in front of the others or behind them."""
        changed = self.with_device(board, drawn)
        added = changed.devices[-1]
        if self.random.random() < 0.3 and not dict(added.place).get("bus"):
            changed = changed.replace(devices=(added, *changed.devices[:-1]))
        return changed, f"device added: {added.kind.name}"

    def device_moved(self, board: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """A device at another place."""
        place = self.any_device(drawn)
        device = drawn.devices[place]
        before = dict(device.place)
        if device.kind.bus not in ("pci", "pcie", "ccw"):
            raise NotDrawnError
        if device.kind.bus == "ccw":
            after: Pairs = (("devno", f"fe.{self.random.randrange(2)}.{self.random.randrange(64, 128):04x}"),)
        elif "bus" in before and "addr" not in before:
            after = (("addr", f"{self.free_slot(drawn):#x}"),)
        elif "bus" in before:
            after = (("bus", before["bus"]), ("addr", str(self.random.randrange(8, 16))))
        else:
            function = ".1" if self.random.random() < 0.15 else ""
            after = (("addr", f"{self.free_slot(drawn):#x}{function}"),)
        changed = device.replace(place=after)
        return _with_device_at(drawn, place, changed), f"device moved: {device.kind.name}"

    def device_replaced(self, _: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """A device of a similar kind in the place of one."""
        place = self.any_device(drawn)
        device = drawn.devices[place]
        alike = {name for group in ALIKE if device.kind.name in group for name in group} - {device.kind.name}
        kinds = [kind for kind in KINDS if kind.name in alike and kind.bus == device.kind.bus and self.is_known(kind)]
        if not kinds:
            raise NotDrawnError
        kind = self.random.choice(kinds)
        known = dict(self.options_of(kind))
        kept = tuple((name, value) for name, value in device.options if name in known)
        changed = device.replace(kind=kind, options=kept)
        return _with_device_at(drawn, place, changed), f"device replaced: {device.kind.name} by {kind.name}"

    def devices_in_another_order(self, _: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """The devices in another order."""
        if len(drawn.devices) < 2:
            raise NotDrawnError
        devices = list(drawn.devices)
        self.random.shuffle(devices)
        names = ", ".join(sorted({device.kind.name for device in devices}))
        return drawn.replace(devices=tuple(devices)), f"order of {names}"

    def machine_version(self, board: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """Another version of the machine type, or rarely another type."""
        types = [name for name in self.destination.machines if re.fullmatch(board.pattern, name)]
        if len(types) < 2 or self.random.random() < 0.1:
            types = [
                name
                for board_known in self.boards
                for name in self.destination.machines
                if re.fullmatch(board_known.pattern, name)
            ]
        types = sorted(name for name in types if name != drawn.machine)
        if not types:
            raise NotDrawnError
        machine = self.random.choice(types)
        return drawn.replace(machine=machine), f"machine type {drawn.machine} to {machine}"

    def machine_option(self, board: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """Another value of an option of the machine type."""
        name, values = self.random.choice(board.options)
        before = dict(drawn.options)
        after = self._with_another_value(before, name, values)
        options = tuple(after.items())
        return drawn.replace(options=options), f"machine option {name}={before.get(name)} to {after.get(name)}"

    def _with_another_value(self, before: dict[str, str], name: str, values: Sequence[str]) -> dict[str, str]:
        """The options with another value of one, or without it where it was given. Raises `NotDrawnError`."""
        choices: list[str | None] = [value for value in values if value != before.get(name)]
        if name in before:
            choices.append(None)
        if not choices:
            raise NotDrawnError
        value = self.random.choice(choices)
        after = {key: kept for key, kept in before.items() if key != name}
        return after if value is None else {**after, name: value}

    def memory(self, board: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """More or less memory, or other slots for it."""
        sizes = [size for size in board.memory if size != drawn.memory]
        if not sizes:
            raise NotDrawnError
        memory = self.random.choice(sizes)
        what = "slots" if memory.partition(",")[0] == drawn.memory.partition(",")[0] else "size"
        return drawn.replace(memory=memory), f"memory {what}: {drawn.memory} to {memory}"

    def processors(self, _: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """Another number of processors."""
        smp = self.random.choice([text for text in SMP if text != drawn.smp])
        return drawn.replace(smp=smp), f"processors: {drawn.smp} to {smp}"

    def cpu(self, board: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """Another CPU model, or other features."""
        models = [model for model in board.cpus if model != drawn.cpu]
        if not models:
            raise NotDrawnError
        cpu = self.random.choice(models)
        return drawn.replace(cpu=cpu), f"cpu {drawn.cpu} to {cpu}"

    def setting(self, board: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """A -global more or less."""
        if drawn.globals_ and self.random.random() < 0.5:
            return drawn.replace(globals_=()), f"-global {drawn.globals_[0]} left out"
        text = self.random.choice(board.globals_)
        return drawn.replace(globals_=(*drawn.globals_, text)), f"-global {text}"

    def option_word(self, board: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """An option of the command line more or less."""
        if drawn.words and self.random.random() < 0.6:
            return drawn.replace(words=()), f"without {drawn.words[0]}"
        text = self.random.choice(board.words)
        return drawn.replace(words=(*drawn.words, text)), f"with {text}"

    def identifiers(self, _: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """The devices and back ends with other ids."""
        if not drawn.devices:
            raise NotDrawnError
        names = ", ".join(sorted({device.kind.name for device in drawn.devices}))
        return drawn.replace(devices=tuple(device.renamed() for device in drawn.devices)), f"ids of {names}"

    def defaults(self, _: Board, drawn: Drawn) -> tuple[Drawn, str]:
        """With QEMU's default devices or without."""
        return drawn.replace(bare=not drawn.bare), "without -nodefaults" if drawn.bare else "with -nodefaults"


def _with_device_at(drawn: Drawn, place: int, device: Device) -> Drawn:
    devices = (*drawn.devices[:place], device, *drawn.devices[place + 1 :])
    return drawn.replace(devices=devices)


def _version_key(machine: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", machine.rpartition("-")[2])]


# What QEMU said.

_PREFIX = re.compile(r"^\S*qemu[\w.-]*: |^\S*ld-linux\S*: ")
_OF_DEVICE = re.compile(r"of device '([^'\n]+)'")
_SINCE_11 = re.compile(
    r"^load of migration failed: [^:]+: (?:error while loading state for instance \S+ (?=of device))?"
)
_GENERAL = re.compile(
    r"load of migration failed|error while loading state|^warning:|\b[Ww]?arning: |audio: |Failed to load |skip it$|"
    r"failed to initialize module|Only modules from the same build"
)


def cause_of(output: str) -> str:
    """What QEMU said first of a refusal, without its numbers, and the kind of the device that it was about."""
    lines = [_SINCE_11.sub("", _PREFIX.sub("", line.strip())) for line in output.splitlines() if line.strip()]
    first = next((line for line in lines if not _GENERAL.search(line)), "no words")
    device = next((match[1] for line in lines if (match := _OF_DEVICE.search(line))), "")
    first = re.sub(r"^of device '[^']*': ", "", first)
    first = re.sub(r"\d+(?:\.\d+)+/|[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f.:]+/", "", first)
    if "Bad config data" in first:
        # Where in the configuration space it is tells properties apart.
        first = first.partition(" read:")[0]
    elif first.startswith("Machine type received"):
        first = "Machine type received"
    else:
        first = re.sub(r"\b(?:0x[0-9a-fA-F]+|\d+)\b", "N", first.partition(". Make sure")[0])
    return f"{first[:120]} [{device.rpartition('/')[2]}]"


# Recording.


class Draft(Value):
    """A pair that was drawn: the QEMUs, both command lines without -S, and how long the source runs, if it does.

    `commands` are the monitor's that plug in a device at the source; `processor`: whether a processor is.
    """

    source: Installed
    destination: Installed
    change: str
    argv: Sequence[str]
    against: Sequence[str]
    seconds: float | None
    has_vmdesc: bool
    commands: Sequence[str] = ()
    processor: bool = False


class UnfitError(Exception):
    """A pair that cannot be recorded, or is not wanted; the reason."""


def source_stream(
    argv: Sequence[str],
    installed_qemu: Installed,
    path: str,
    *,
    seconds: float | None,
    commands: Sequence[str] = (),
    processor: bool = False,
    limit: float,
) -> None:
    """Start a machine, plug in what is, let it run or not, and save it into a file. Raises `VMStateError`."""
    words = [*argv] if seconds is not None else [*argv, "-S"]
    with Machine(words, qemu=installed_qemu.qemu, limit=limit) as machine:
        machine.ask("migrate-set-parameters", dict(NO_LIMIT))
        for command in commands:
            answer = str(machine.ask("human-monitor-command", {"command-line": command})).strip()
            if answer not in ("", "OK"):
                raise MachineError("a device cannot be plugged in", found=answer)
        if processor:
            free = [slot for slot in machine.ask("query-hotpluggable-cpus") if "qom-path" not in slot]
            if not free:
                raise MachineError("no processor can be plugged in")
            machine.ask("device_add", {"driver": free[-1]["type"], **free[-1]["props"]})
        if seconds is not None:
            time.sleep(seconds)
            machine.ask("stop")
        save(machine, path, limit=limit)


def verdict_of(argv: Sequence[str], installed_qemu: Installed, path: str, *, limit: float) -> tuple[str, str]:
    """("loads" or "fails", what QEMU printed) of a stream in a destination. Raises `VMStateError`."""
    with QemuDestination(path, [*argv, "-S"], qemu=installed_qemu.qemu, limit=limit) as destination:
        outcome = destination.feed()
        if outcome.error is not None:
            destination.machine.wait_for_end(2)
        output = destination.machine.output
        if outcome.error is not None and outcome.error.partition(" | ")[0] not in output:
            output = f"{output}{outcome.error}\n"
        if len(output) > KEPT_WORDS:
            # What it says first is why, what it says last is where.
            output = f"{output[: KEPT_WORDS // 2]}\n...\n{output[-KEPT_WORDS // 2 :]}"
        return (LOADS if outcome.accepted else FAILS), output


class Recorder:
    """Records pairs into a folder until there are as many as wanted."""

    def __init__(
        self,
        sources: Sequence[Installed],
        destinations: Sequence[Installed],
        *,
        seed: str,
        count: int,
        folder: str | os.PathLike[str],
        limit: float = LIMIT,
    ) -> None:
        self.random = Random(seed)
        self.seed = seed
        self.count = count
        self.folder = Path(folder)
        self.limit = limit
        self.sources = sources
        self.destinations = destinations
        failing = round(count * FAILING)
        self.wanted = {FAILS: failing, LOADS: count - failing}
        self.most = max(1, int(LARGEST_SHARE * self.wanted[FAILS]))
        self.kept: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.reasons: list[str] = []

    def run(self) -> Iterator[str]:
        """Record; a line for each pair. Raises `VMStateError` where hardly anything that is drawn can be recorded."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.glob("*.mig.xz")):
            raise MachineError("there are pairs in it already", file=str(self.folder), expected="an empty folder")
        number = 0
        for _ in range(self.count * TRIES):
            if number == self.count:
                break
            try:
                top = self.pair(number)
            except UnfitError as reason:
                self.dropped[str(reason).partition(":")[0]] += 1
                self.reasons.append(one_line(str(reason)))
                continue
            number += 1
            yield one_line(f"{number:4} {top['verdict']}  {top['change']}  {top['cause'] or ''}")
        summary = {
            "seed": self.seed,
            "count": number,
            "kept": dict(self.kept),
            "drawn again": dict(self.dropped),
            "qemus": sorted({f"{qemu.program} {qemu.release}" for qemu in (*self.sources, *self.destinations)}),
        }
        write_atomic(self.folder / "summary.json", [json.dumps(summary, indent=1).encode() + b"\n"])
        write_atomic(self.folder / "drawn-again.txt", [f"{reason}\n".encode() for reason in self.reasons])
        if number < self.count:
            raise MachineError(f"no more than {number} of {self.count} pairs in {TRIES} draws each", found=str(summary))

    def pair(self, number: int) -> Mapping[str, Any]:
        """Draw and record one pair, and keep it; what stands in its JSON file. Raises `UnfitError`."""
        draft = self.draft()
        name = f"{number:04}"
        with tempfile.TemporaryDirectory(prefix="vmstate-") as scratch:
            path = os.path.join(scratch, "source.mig")
            verdict, output = self.tried(draft, path)
            cause = cause_of(output) if verdict == FAILS else None
            self.take(verdict, draft.change, cause)
            target_error = None
            try:
                qemu = draft.destination.qemu
                target = target_of([*draft.against, "-S"], qemu=qemu, like=path, limit=self.limit)
                write_target(self.folder / f"{name}.target.json", target)
            except VMStateError as error:
                target_error = str(error)
            stream = Path(path).read_bytes()
        top = {
            "seed": self.seed,
            "arch": draft.source.program.rpartition("-")[2],
            "change": draft.change,
            "source": _side(draft.source, draft.argv, draft.seconds),
            "plugged": [*draft.commands, *(["a processor"] if draft.processor else [])],
            "destination": _side(draft.destination, draft.against, None),
            "vmdesc": draft.has_vmdesc,
            "verdict": verdict,
            "cause": cause,
            "output": output,
            "target_error": target_error,
        }
        write_atomic(self.folder / f"{name}.mig.xz", [lzma.compress(stream, preset=0)])
        write_atomic(self.folder / f"{name}.json", [json.dumps(top, indent=1).encode() + b"\n"])
        return top

    def draft(self) -> Draft:
        """Draw a pair. Raises `UnfitError`."""
        random = self.random
        source = random.choice(self.sources)
        # Half of the pairs stay in one release.
        same = [qemu for qemu in self.destinations if qemu.name == source.name]
        destination = (
            random.choice(same) if same and random.random() < SAME_RELEASE else random.choice(self.destinations)
        )
        if destination.name == source.name:
            destination = source
        seconds = random.uniform(0.1, 1.5) if random.random() < RUNNING else None
        try:
            drawer = Drawer(random, source, destination)
            board, drawn = drawer.machine()
            changed, change = drawer.change(board, drawn)
        except NotDrawnError:
            raise UnfitError("no such change") from None
        except MachineError:
            raise UnfitError("no machine type in common") from None
        has_vmdesc = random.random() >= WITHOUT_VMDESC
        begun = drawn.at_start()
        if drawn.plugged:
            change = f"{change}, {drawn.devices[-1].kind.name} plugged in at the source"
        if drawn.processor:
            change = f"{change}, a processor plugged in at the source"
        argv = [source.program, *begun.argv()[1:], *([] if has_vmdesc else ["-machine", "suppress-vmdesc=on"])]
        against = [destination.program, *changed.argv()[1:]]
        commands = tuple(drawn.commands())
        return Draft(
            source, destination, change, argv, against, seconds, has_vmdesc, commands, processor=drawn.processor
        )

    def tried(self, draft: Draft, path: str) -> tuple[str, str]:
        """("loads" or "fails", what QEMU printed) of a pair; the stream is then at `path`. Raises `UnfitError`."""
        try:
            source_stream(
                draft.argv,
                draft.source,
                path,
                seconds=draft.seconds,
                commands=draft.commands,
                processor=draft.processor,
                limit=self.limit,
            )
        except VMStateError as error:
            raise UnfitError(f"the source is not saved: {error}") from None
        try:
            return verdict_of(draft.against, draft.destination, path, limit=self.limit)
        except VMStateError as error:
            raise UnfitError(f"the destination does not start: {error}") from None

    def take(self, verdict: str, change: str, cause: str | None) -> None:
        """Count a pair. Raises `UnfitError` where there are enough like it."""
        if self.kept[verdict] >= self.wanted[verdict]:
            raise UnfitError(f"enough that {verdict.removesuffix('s')}")
        if cause is not None:
            keys = [f"change {change}", f"words {cause}"]
            if any(self.causes[key] >= self.most for key in keys):
                raise UnfitError("enough of that cause")
            self.causes.update(keys)
        self.kept[verdict] += 1


def record_among(
    program: str, places: Sequence[str | None], *, seed: str, count: int, folder: str, limit: float
) -> None:
    """Record pairs of the QEMUs of a name in some roots; None is this system's. Raises `VMStateError`."""
    if not places:
        raise MachineError(f"there is no {program} here", expected="QEMU, or a root of it")
    qemus = [installed(place or program, program, limit=limit) for place in places]
    for _ in Recorder(qemus, qemus, seed=seed, count=count, folder=folder, limit=limit).run():
        pass


def _side(qemu: Installed, argv: Sequence[str], seconds: float | None) -> dict[str, Any]:
    ran = None if seconds is None else round(seconds, 2)
    return {"release": str(qemu.release), "root": qemu.root, "argv": list(argv), "ran_seconds": ran}


def main(words: Sequence[str] | None = None) -> int:
    """Run as a program: exit code 0; 2 where nothing, or not enough, can be recorded."""
    parser = argparse.ArgumentParser(
        prog="python -m vmstate.lab.machines", description="Record random pairs of a stream and a destination."
    )
    place = "a program, or the folder of another system's root"
    parser.add_argument("--qemu", metavar="QEMU", action="append", required=True, help=f"a source: {place}; repeatable")
    parser.add_argument(
        "--against", metavar="QEMU", action="append", help="a destination; those of --qemu if not given"
    )
    parser.add_argument("--arch", metavar="ARCH", help="which QEMU of a root: x86_64, aarch64, s390x, ppc64, riscv64")
    parser.add_argument("--seed", metavar="TEXT", required=True, help="what all is drawn from")
    parser.add_argument("--count", metavar="N", type=int, default=100, help="pairs to keep (100)")
    parser.add_argument("-o", "--output", metavar="FOLDER", required=True, help="an empty folder, or a new one")
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=LIMIT, help=f"for each step ({LIMIT:g})")
    options = parser.parse_args(words)
    program = None if options.arch is None else f"qemu-system-{options.arch}"

    def record() -> int:
        known = {place: installed(place, program) for place in dict.fromkeys([*options.qemu, *(options.against or ())])}
        recorder = Recorder(
            [known[place] for place in options.qemu],
            [known[place] for place in options.against or options.qemu],
            seed=options.seed,
            count=options.count,
            folder=options.output,
            limit=options.limit,
        )
        for line in recorder.run():
            print(line, flush=True)
        return 0

    return exit_code_of(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
