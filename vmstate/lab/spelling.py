"""A command line in the words of one QEMU: what it does not know is left out, and said.

The program is started once without a machine and asked over QMP for its machine types, its devices and their
properties (query-machines, device-list-properties).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from vmstate.errors import MachineError, VMStateError
from vmstate.qemu.machine import Machine, find_qemu
from vmstate.query.cmdline import CommandLine, Option
from vmstate.vmsd.data import Data

OF_A_DEVICE = frozenset(("id", "bus", "addr", "multifunction"))
"""Properties of -device that are no property of the device's class."""


class Abilities(Data):
    """What a QEMU knows: `machines`, and device -> its properties, of the devices that were asked for."""

    machines: frozenset[str]
    devices: dict[str, frozenset[str] | None]
    release: tuple[int, int]


def abilities_of(program: str, devices: Iterable[str], *, root: str | os.PathLike[str] | None = None) -> Abilities:
    """Ask a QEMU. Raises `MachineError`."""
    qemu = find_qemu(program, root)
    known: dict[str, frozenset[str] | None] = {}
    with Machine([program, "-M", "none", "-nodefaults", "-S"], qemu=qemu, limit=30) as machine:
        for name in devices:
            try:
                told = machine.ask("device-list-properties", {"typename": name})
                known[name] = frozenset(str(each["name"]) for each in told)
            except MachineError:
                if not machine.monitor.is_open:
                    raise
                known[name] = None
        machines = frozenset(
            str(name) for kind in machine.ask("query-machines") for name in (kind["name"], kind.get("alias")) if name
        )
        return Abilities(machines, known, machine.monitor.version[:2])


def spelled(line: CommandLine, program: str, *, root: str | os.PathLike[str] | None = None) -> CommandLine:
    """A command line as a QEMU can read it. Raises `VMStateError` where it has not got the machine type."""
    names = {name_of(option) for option in line.options if option.words[0] == "-device"}
    abilities = abilities_of(program, sorted(names), root=root)
    missing = list(line.missing)
    options = []
    for option in line.options:
        if option.words[0] == "-M":
            machine = name_of(option)
            if machine not in abilities.machines:
                release = ".".join(map(str, abilities.release))
                raise VMStateError(f"QEMU {release} has no machine type {machine}", file=program)
        if option.words[0] == "-device":
            properties = abilities.devices[name_of(option)]
            if properties is None:
                missing.append(f"this QEMU has no device {name_of(option)}")
                continue
            option, left_out = _known_properties(option, properties)
            missing += [f"this QEMU has no property {name_of(option)}.{name}" for name in left_out]
        options.append(option)
    return CommandLine(line.program, tuple(options), tuple(dict.fromkeys(missing)), line.files, line.capabilities)


def name_of(option: Option) -> str:
    """The first part of the value of an option: the machine type, the device."""
    return option.words[1].partition(",")[0]


def _known_properties(option: Option, properties: frozenset[str]) -> tuple[Option, list[str]]:
    """An option without the properties that a device has not got, and their names."""
    first, *rest = re.split(r"(?<!,),(?!,)", option.words[1])
    kept, left_out = [first], []
    for part in rest:
        name = part.partition("=")[0]
        if name in OF_A_DEVICE or name in properties:
            kept.append(part)
        else:
            left_out.append(name)
    if not left_out:
        return option, []
    return option.with_value(",".join(kept)), left_out
