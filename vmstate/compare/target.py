"""A destination: what is known of the QEMU that is to load a stream.

    open_target("destination.mig")             a stream that a QEMU with the destination's command line wrote
    open_target("dump.json")                   a -dump-vmstate text: layouts and versions, but no values
    open_target("qemu-system-x86_64:q35")      a QEMU binary, which is asked for that text
    open_target("destination.json")            a destination that was recorded (`vmstate explain --record`)
    vmstate.Target.of_command([...])           vmstate.lab.target: started, saved, asked

What a stream does not say (the features that the host offers, the sizes of PCI regions, what the release knows beyond
this machine) is there where the destination was started or recorded.
"""

from __future__ import annotations

import base64
import json
import lzma
import os
from collections.abc import Mapping
from typing import Any

from vmstate.compare.compat_properties import CompatProperties
from vmstate.compare.schemas import MACHINE, Schema, dump_schema, is_program, open_schema
from vmstate.errors import SchemaError, VMStateError
from vmstate.files import write_atomic
from vmstate.rules.command_line import facts_of_command
from vmstate.rules.pci_config import Region
from vmstate.rules.stream import ANY_RELEASE, Loader, possible_releases
from vmstate.saved.loading import load
from vmstate.saved.opening import Input, StreamLike, open_input
from vmstate.schema.plain import parse_plain, refuse_many_values
from vmstate.schema.vmdesc import NOT_SAID
from vmstate.stream.stream import Stream
from vmstate.vmsd.data import Data
from vmstate.vmsd.release import Release

FORM = 1
"""The version of the form of a recorded destination."""

KEY = "vmstate-target"

POSSIBLE_CPUS = "possible_cpus"
"""The fact that descriptions of ACPI's CPU hotplug have for the number of processors that there can be."""


class Target(Data):
    """A destination.

    `stream` is one that it wrote before a guest ran, `schema` its -dump-vmstate text; either can be None. `release` is
    None where nothing tells. `host_features`: (idstr, instance_id) -> all bits that the host offers; `regions`: idstr
    -> the PCI regions. What is not in them is not known. `facts` are those that hold for all of its sections, by the
    names that descriptions have for them. `command` is its command line, `dump` the text of the schema. `capabilities`
    are the migration capabilities that are on, None where nobody asked; `uuid` has the 16 bytes of the machine's UUID,
    None where it has none or nobody asked. `machines` are the machine types that its QEMU has. `machine_type` is for a
    stream without a configuration section, and `sends_configuration` for one that could not be saved as the
    destination would have. `left_out` says in words what of its description is not in it.
    `compat_properties` are what the machine types of its QEMU set (vmstate.compare.compat_properties). `blocked` is
    what QEMU says of a device with which it neither saves nor loads; then there is no stream. Nor is there where QEMU
    can load and not save, or ends when it saves: `unsaved` is what came of the attempt.
    """

    name: str
    stream: Stream | None = None
    schema: Schema | None = None
    release: Release | None = None
    host_features: Mapping[tuple[str, int], int] = {}
    regions: Mapping[str, tuple[Region, ...]] = {}
    facts: Mapping[str, int] = {}
    command: tuple[str, ...] | None = None
    dump: bytes | None = None
    capabilities: tuple[str, ...] | None = None
    uuid: bytes | None = None
    machine_type: str | None = None
    sends_configuration: bool | None = None
    machines: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()
    compat_properties: Mapping[str, tuple[tuple[str, str, str], ...]] = {}
    blocked: str | None = None
    unsaved: str | None = None

    def beside(self, values: Target) -> Target:
        """This destination with the stream of another one, and with what was asked of that."""
        if values.stream is None:
            raise SchemaError("the values of a destination are in a stream of it", file=values.name)
        release = values.release if self.release is None else self.release
        return values.replaced(name=self.name, schema=self.schema, release=release)

    def replaced(self, **changes: Any) -> Target:
        """This destination with some values changed."""
        return Target(**{**vars(self), **changes})

    @property
    def command_facts(self) -> dict[str, int]:
        """What rules ask of the command line."""
        return {} if self.command is None else facts_of_command(self.command)

    @property
    def machine(self) -> str | None:
        """The machine type."""
        if self.stream is not None and self.stream.configuration is not None:
            return self.stream.configuration.machine
        if self.machine_type is not None:
            return self.machine_type
        return None if self.schema is None else self.schema.machine

    @property
    def loader(self) -> Loader:
        """What is known of it beside what its devices hold."""
        blocks = None if self.stream is None else [block.idstr for block in self.stream.ram.blocks]
        sections = () if self.stream is None else self.stream.sections
        configuration = None if self.stream is None else self.stream.configuration
        uuid = self.uuid
        if uuid is None and configuration is not None and configuration.uuid is not None:
            uuid = bytes(configuration.uuid.data)
        return Loader(
            release=self.release,
            capabilities=self.capabilities,
            blocks=blocks or None,
            sections=[(section.name, section.instance_id) for section in sections if section.kind in ("start", "full")],
            machine=self.machine,
            command=self.command,
            uuid=uuid,
            machines=self.machines,
        )


def open_target(source: StreamLike | Stream | Schema | Target, *, machine: str | None = None) -> Target:
    """A destination from a file, a QEMU binary with a machine type, a `Stream` or a `Target`. Raises `VMStateError`."""
    if isinstance(source, Target):
        return source
    if isinstance(source, Stream):
        return of_stream(source)
    if isinstance(source, Schema):
        return Target(source.name, schema=source)
    if not isinstance(source, str) or source == "-" or not _means_schema(source):
        opened = open_input(source)
        head = bytes(opened.data[:4096])
        if head[:4] == b"QEVM":
            return of_stream(load(opened))
        if f'"{KEY}"'.encode() in head:
            with opened:
                return read_target(bytes(opened.data), opened.name)
        opened.close()
    schema = open_schema(source, machine=machine)
    return Target(schema.name, schema=schema)


def _means_schema(source: str) -> bool:
    """Whether a text is no file: the library, or a program."""
    return not os.path.isfile(source) or is_program(source)


def of_stream(stream: Stream, **known: Any) -> Target:
    """A destination of which there is a stream.

    Where its vmdesc does not tell releases from 8.0 on apart, the release is not known: the earliest would be the wrong
    one for what QEMU prints.
    """
    earliest, _ = possible_releases(stream)
    release = None if earliest == ANY_RELEASE[0] else earliest
    if stream.vmdesc is not None and stream.vmdesc.dialect is NOT_SAID:
        release = None
    return Target(str(stream.name), **{"stream": stream, "release": release, **known})


def read_target(text: bytes, name: str) -> Target:
    """A recorded destination. Raises `VMStateError`."""
    try:
        refuse_many_values(text, "the recorded destination")
        top = parse_plain(text, "the recorded destination")
        if top[KEY] != FORM:
            shown = str(top[KEY])[:40]
            raise SchemaError("the recorded destination is of another version", expected=str(FORM), found=shown)
        blocked = None if top.get("blocked") is None else str(top["blocked"])
        unsaved = None if top.get("unsaved") is None else str(top["unsaved"])
        has_stream = blocked is None and unsaved is None
        stream = load(_unpacked(top["stream"], MAX_STREAM)) if has_stream else None
        dump = None if top.get("dump") is None else _unpacked_text(top["dump"])
        return Target(
            name,
            stream=stream,
            schema=None if dump is None else dump_schema(dump, name),
            release=None if top["release"] is None else Release(*map(int, top["release"])),
            host_features={
                (str(entry["section"]), int(entry["instance_id"])): int(entry["bits"], 16) for entry in top["features"]
            },
            regions={
                str(section): tuple(Region(int(bar), str(kind), int(size)) for bar, kind, size in regions)
                for section, regions in top["regions"].items()
            },
            facts={str(fact): int(value) for fact, value in top.get("facts", {}).items()},
            command=None if top.get("command") is None else tuple(map(str, top["command"])),
            dump=dump,
            capabilities=None if top.get("capabilities") is None else tuple(map(str, top["capabilities"])),
            uuid=None if top.get("uuid") is None else bytes.fromhex(top["uuid"]),
            machine_type=None if top.get("machine") is None else str(top["machine"]),
            sends_configuration=None if top.get("sends_configuration") is None else bool(top["sends_configuration"]),
            machines=None if top.get("machines") is None else tuple(map(str, top["machines"])),
            left_out=tuple(map(str, top.get("left_out", ()))),
            compat_properties=_properties_in(top.get("compat_properties")),
            blocked=blocked,
            unsaved=unsaved,
        )
    except VMStateError as error:
        raise error.named(name) from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise SchemaError(f"this is no recorded destination: {error}", file=name) from None


def write_target(path: str | os.PathLike[str], target: Target) -> None:
    """Record a destination in one file, to be held against streams where its QEMU is not. Raises `VMStateError`."""
    if target.stream is None and target.blocked is None and target.unsaved is None:
        raise SchemaError("only a destination that was started can be recorded", expected="a command line")
    dump = None if target.dump is None or target.stream is None else _part_needed(target.dump, target.stream)
    top = {
        KEY: FORM,
        "command": None if target.command is None else list(target.command),
        "release": None if target.release is None else list(target.release),
        "machine": target.machine,
        "features": [
            {"section": section, "instance_id": instance_id, "bits": f"{bits:#x}"}
            for (section, instance_id), bits in target.host_features.items()
        ],
        "regions": {section: [list(region) for region in regions] for section, regions in target.regions.items()},
        "facts": dict(target.facts),
        "capabilities": None if target.capabilities is None else list(target.capabilities),
        "uuid": None if target.uuid is None else target.uuid.hex(),
        "sends_configuration": target.sends_configuration,
        "machines": None if target.machines is None else list(target.machines),
        "left_out": list(target.left_out),
        "compat_properties": _packed(json.dumps(target.compat_properties).encode()),
        "dump": None if dump is None else _packed(dump),
        "blocked": target.blocked,
        "unsaved": target.unsaved,
        "stream": None if target.stream is None else _packed(target.stream.to_bytes()),
    }
    write_atomic(path, [json.dumps(top, indent=1).encode() + b"\n"])


def _properties_in(packed: Any) -> CompatProperties:
    """What the machine types set, as it was recorded; nothing where it was not."""
    if packed is None:
        return {}
    machines = json.loads(_unpacked_text(packed))
    return {
        str(machine): tuple((str(kind), str(name), str(value)) for kind, name, value in properties)
        for machine, properties in machines.items()
    }


def _part_needed(dump: bytes, stream: Stream) -> bytes | None:
    """The part of a -dump-vmstate text that is of sections in the stream: a twentieth of it, or less, or nothing."""
    names = {section.name.rpartition("/")[2] for section in stream.sections}
    top = json.loads(dump)
    kept = {
        key: value
        for key, value in top.items()
        if key == MACHINE or (isinstance(value, dict) and value.get("Description", {}).get("name") in names)
    }
    return json.dumps(kept).encode() if kept.keys() - {MACHINE} else None


def _packed(data: bytes) -> str:
    return base64.b64encode(lzma.compress(data)).decode()


XZ = b"\xfd7zXZ\0"

MAX_STREAM = 1 << 30
"""Bytes of a stream at most: a machine that never ran sends nine for each page of its memory."""

MAX_DUMP = 64 << 20


def _unpacked(text: Any, limit: int) -> Input:
    """What `_packed` packed. Raises `VMStateError`: what is inside is looked at before all of it is unpacked."""
    try:
        packed = base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise SchemaError(f"what is packed in a recorded destination cannot be read: {error}") from None
    if not packed.startswith(XZ):
        raise SchemaError("what is packed in a recorded destination cannot be read", expected="xz data")
    return open_input(packed, limit=limit)


def _unpacked_text(text: Any) -> bytes:
    with _unpacked(text, MAX_DUMP) as opened:
        unpacked = bytes(opened.data)
    refuse_many_values(unpacked, "what is packed in a recorded destination")
    return unpacked
