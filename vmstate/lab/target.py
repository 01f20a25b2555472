"""A destination from its command line: started paused, saved, and asked for what its stream does not say.

    target = target_of(["qemu-system-x86_64", "-M", "q35", ...])
    vmstate.explain("guest.mig", target)

QEMU is started with that command line, paused, and migrated out into a pipe. Then:

* `query-pci` gives the sizes of regions, `query-hotpluggable-cpus` the number of processors that there can be,
  `query-machines` the machine types that this QEMU has, and the greeting the release;
* `-dump-vmstate` of the same binary and machine type says which versions and subsections it takes;
* the features that the host offers to virtio devices are asked of the loader of the same QEMU (vmstate.lab.features).

The machine is never run, and nothing is written; but what the command line opens is opened.
"""

from __future__ import annotations

import os
import re
import tempfile
import uuid as uuid_module
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from vmstate.compare.compat_properties import CompatProperties
from vmstate.compare.schemas import dump_of, dump_schema
from vmstate.compare.target import POSSIBLE_CPUS, Target
from vmstate.errors import MachineError, VMStateError, one_line
from vmstate.lab.features import Place, features_by_fresh_machines, offered_features
from vmstate.qemu.capture import IGNORE_SHARED
from vmstate.qemu.machine import Machine, Qemu, find_qemu
from vmstate.qemu.memory import has_backend, memory_size
from vmstate.qemu.migration import NO_LIMIT, capabilities_of, save, set_capabilities
from vmstate.qemu.monitor import LIMIT, answers_understood
from vmstate.qemu.provenance import read_provenance
from vmstate.rules.pci_config import Region
from vmstate.saved.loading import load
from vmstate.stream.stream import Stream
from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.release import Release

_INCOMING = ("incoming", "loadvm")
_BLOCKED = re.compile(r"State blocked by non-migratable device '[^'\n]+'")
_UNSAVED = re.compile(r"(query-)?migrate: ")
"""How it begins where `migrate` is refused (a device allows no saving: ivshmem), or QEMU ends by it."""
_SLOT = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:([0-9a-f]{2})\.([0-7])/")


PROPERTIES_SINCE = (9, 1)
"""The first release whose query-machines tells what the machine types set."""

WITHOUT_VMDESC = "suppress-vmdesc=on"


def target_of(
    argv: Sequence[str],
    *,
    qemu: Qemu | None = None,
    features: bool = True,
    like: str | os.PathLike[str] | None = None,
    limit: float = LIMIT,
) -> Target:
    """The destination that a command line makes. Raises `VMStateError` where QEMU does not start or save in time.

    `like` is the stream that it is for: what the capture of that added to its machine (a serial port for the console,
    a memory backend) is added here too, as when it is loaded.

    -incoming and -loadvm are left out, since it is to be saved as it is before a guest ran. Without `features` the
    features that virtio devices offer are not asked for.
    """
    words = list(_without_incoming(argv))
    if not words:
        raise MachineError("there is no command line of a destination", expected="QEMU and its options")
    program = qemu or find_qemu(words[0])
    if not any(word in ("-S", "--S") for word in words):
        words.append("-S")
    known = (None if like is None or os.fspath(like) == "-" else read_provenance(like)) or {}
    words += _added_memory(words, known)
    console = bool(known.get("console"))
    with tempfile.TemporaryDirectory(prefix="vmstate-") as folder:
        try:
            told = _asked(words, program, folder, console=console, features=features, limit=limit)
        except MachineError:
            if not _sends_no_configuration(words):
                raise
            # From 8.0 on QEMU ends by an assertion where it has to describe what it does not send.
            words += ["-machine", WITHOUT_VMDESC]
            told = _asked(words, program, folder, console=console, features=features, limit=limit)
        stream = told.stream
        if stream is not None:
            stream.name = " ".join(argv)
        offered = told.offered
        if offered is None and stream is not None:
            offered = features_by_fresh_machines(words, stream, folder, qemu=program, console=console, limit=limit)
    dump = _dump_of(program, told.machine_type, limit)
    schema = None
    # That of 5.2 is cut off on some boards: then the library and the two streams have to do.
    with suppress(VMStateError):
        schema = None if dump is None else dump_schema(dump, words[0])
    return Target(
        " ".join(argv),
        stream=stream,
        schema=schema,
        release=told.release,
        host_features=offered or {},
        regions={
            section.name: regions_of_device
            for section in (() if stream is None else stream.sections)
            if (slot := _SLOT.match(section.name))
            and (regions_of_device := told.regions.get((int(slot[1], 16), int(slot[2]))))
        },
        facts=told.facts,
        command=tuple(argv),
        dump=None if schema is None else dump,
        capabilities=told.capabilities,
        uuid=told.uuid,
        machine_type=told.machine_type,
        machines=told.machines,
        compat_properties=told.properties,
        blocked=told.blocked,
        unsaved=told.unsaved,
    )


class _Told(NamedTuple):
    """What a destination said of itself when it was asked."""

    release: Release
    facts: dict[str, int]
    capabilities: tuple[str, ...]
    uuid: bytes | None
    machine_type: str | None
    machines: tuple[str, ...]
    properties: CompatProperties
    regions: dict[tuple[int, int], tuple[Region, ...]]
    stream: Stream | None
    offered: dict[Place, int] | None
    blocked: str | None = None
    unsaved: str | None = None


@answers_understood()
def _asked(words: Sequence[str], program: Qemu, folder: str, *, console: bool, features: bool, limit: float) -> _Told:
    """Start a destination paused, ask it, and save it into a file of the folder. Raises `MachineError`."""
    path = os.path.join(folder, "destination.mig")
    with Machine(words, qemu=program, console=console, limit=limit) as machine:
        capabilities = tuple(capabilities_of(machine))
        facts, uuid, machine_type = dict(_facts_of(machine)), _uuid_of(machine), _machine_type_of(machine)
        machines, properties = _machines_of(machine)
        regions = dict(regions_of(_pci_of(machine)))
        machine.ask("migrate-set-parameters", dict(NO_LIMIT))
        # What would write another stream, or want a way back, is off while it is saved.
        set_capabilities(machine, [name for name in capabilities if name != IGNORE_SHARED], state=False)
        release = Release(*machine.monitor.version[:2])
        told = (release, facts, capabilities, uuid, machine_type, machines, properties, regions)
        try:
            save(machine, path, limit=limit)
        except MachineError as error:
            blocked = _BLOCKED.search(str(error))
            if blocked is not None:
                # With such a device QEMU neither saves nor loads.
                return _Told(*told, None, None, blocked[0])
            may_be_told_without = _sends_no_configuration(words) and WITHOUT_VMDESC not in words
            if may_be_told_without or not _UNSAVED.match(str(error)):
                raise
            return _Told(*told, None, None, unsaved=one_line(str(error)))
        with open(path, "rb") as file:
            stream = load(file.read())
        return _Told(*told, stream, offered_features(machine, stream, folder, limit) if features else {})


def _sends_no_configuration(words: Sequence[str]) -> bool:
    """Whether a command line switches the configuration section off."""
    return any("send-configuration=off" in word for word in words)


def _without_incoming(argv: Sequence[str]) -> Iterator[str]:
    skip = False
    for word in argv:
        if skip:
            skip = False
        elif word.startswith("-") and word.lstrip("-") in _INCOMING:
            skip = True
        else:
            yield word


def _added_memory(argv: Sequence[str], known: Mapping[str, Any]) -> list[str]:
    """The options of a memory backend like the one that a capture added; of the size that the command line asks for."""
    added = [str(entry["id"]) for entry in known.get("memory") or [] if entry.get("added")]
    if not added or has_backend(argv):
        return []
    backend = f"memory-backend-ram,id={added[0]},size={memory_size(argv)}"
    return ["-object", backend, "-machine", f"memory-backend={added[0]}"]


def _facts_of(machine: Machine) -> Iterator[tuple[str, int]]:
    """What holds for all sections of a machine; nothing where QEMU does not tell it of this one."""
    try:
        slots = machine.ask("query-hotpluggable-cpus")
    except MachineError:
        if not machine.monitor.is_open:
            raise
        return
    yield POSSIBLE_CPUS, sum(slot["vcpus-count"] for slot in slots)


def _uuid_of(machine: Machine) -> bytes | None:
    """The UUID of a machine that was given one; QEMU compares no other."""
    uuid = uuid_module.UUID(machine.ask("query-uuid")["UUID"]).bytes
    return uuid if any(uuid) else None


def _machine_type_of(machine: Machine) -> str | None:
    """The machine type, which no stream without a configuration section says."""
    try:
        kind = machine.ask("qom-get", {"path": "/machine", "property": "type"})
    except MachineError:
        if not machine.monitor.is_open:
            raise
        return None
    return str(kind).removesuffix("-machine")


def _machines_of(machine: Machine) -> tuple[tuple[str, ...], CompatProperties]:
    """The machine types that this QEMU has, with their other names, and what each sets; that before 9.1 none tells."""
    tells = machine.monitor.version >= PROPERTIES_SINCE
    names: set[str] = set()
    properties: dict[str, tuple[tuple[str, str, str], ...]] = {}
    for known in machine.ask("query-machines", {"compat-props": True} if tells else None):
        names.update(str(known[key]) for key in ("name", "alias") if key in known)
        properties[str(known["name"])] = tuple(
            (str(entry["qom-type"]), str(entry["property"]), str(entry["value"]))
            for entry in known.get("compat-props", ())
        )
    return tuple(sorted(names)), properties if tells else {}


def _pci_of(machine: Machine) -> list[Any]:
    """The answer of query-pci; nothing where QEMU was built without PCI, which has no such command or refuses it."""
    if not any(command["name"] == "query-pci" for command in machine.ask("query-commands")):
        return []
    try:
        return list(machine.ask("query-pci"))
    except MachineError:
        if not machine.monitor.is_open:
            raise
        return []


def regions_of(buses: Iterable[Any]) -> Iterator[tuple[tuple[int, int], tuple[Region, ...]]]:
    """(slot, function) -> regions, of the devices on the root bus: the answer of query-pci before a guest ran.

    Bridges have no numbers yet, so that QEMU does not tell what is behind them.
    """
    for bus in buses:
        if bus["bus"] != 0:
            continue
        for device in bus["devices"]:
            regions = tuple(Region(region["bar"], region["type"], region["size"]) for region in device["regions"])
            yield (device["slot"], device["function"]), regions


def _dump_of(program: Qemu, machine: str | None, limit: float) -> bytes | None:
    """The -dump-vmstate text of the same binary and machine type; None where it writes none."""
    if machine is None:
        return None
    with suppress(VMStateError):
        return dump_of(program.command, machine, environment=program.environment, seconds=limit)
    return None
