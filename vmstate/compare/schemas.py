"""The two sides of a comparison: what a QEMU, or a stream, says it reads and writes.

`open_schema` takes a -dump-vmstate file, a stream (its vmdesc, or where it has none what the library says of it), a
vmdesc by itself, the device library ("library"), a QEMU binary with a machine type ("BINARY:MACHINE"), which is asked
for its -dump-vmstate text, or a source tree of QEMU ("DIR", "GIT@REV"). Files may be compressed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vmstate.compare.from_dump import DumpSource
from vmstate.compare.layout import LayoutSource
from vmstate.errors import SchemaError, VMStateError
from vmstate.saved.opening import ENDINGS, Input, StreamLike, open_input
from vmstate.schema.plain import refuse_many_values
from vmstate.vmsd.data import Data

if TYPE_CHECKING:
    from vmstate.source.reading import SourceTree
    from vmstate.stream.stream import Stream

LIBRARY = "library"
"""The name that stands for the device library."""

SECONDS = 60
"""The time a QEMU binary has to write its -dump-vmstate text."""

MACHINE = "vmschkmachine"


class SectionSchema:
    """A section, as one side knows it.

    `key` is what the side calls it: the device class of a dump, the idstr of a stream. `idstr` is the last part of the
    idstr that it has on the wire. `sources` give its layout; a library can know several, the newest first. `sent` says
    that it is certainly in the stream. `version` and `minimum` are the section's own, `offset` its place in a stream.
    """

    __slots__ = ("idstr", "instance_id", "key", "minimum", "offset", "sent", "sources", "version")

    def __init__(
        self,
        key: str,
        idstr: str,
        instance_id: int,
        version: int,
        minimum: int,
        sources: tuple[LayoutSource, ...],
        sent: bool = False,
        offset: int | None = None,
    ) -> None:
        self.key = key
        self.idstr = idstr
        self.instance_id = instance_id
        self.version = version
        self.minimum = minimum
        self.sources = sources
        self.sent = sent
        self.offset = offset

    @property
    def label(self) -> str:
        """The key, with the instance_id behind it where that is not 0."""
        return f"{self.key}#{self.instance_id}" if self.instance_id else self.key


class Schema(Data):
    """One side: `kind` is "dump", "source", "stream", "vmdesc" or "library"."""

    name: str
    kind: str
    machine: str | None
    sections: tuple[SectionSchema, ...]

    @property
    def is_concrete(self) -> bool:
        """Whether it says what is in one stream, not what could be."""
        return self.kind in ("stream", "vmdesc")

    @property
    def has_classes(self) -> bool:
        """Whether its sections go by the names of device classes."""
        return self.kind in ("dump", "source")


def open_schema(
    source: StreamLike | Stream | Schema,
    *,
    machine: str | None = None,
    facts: Mapping[str, Any] | None = None,
    seconds: float = SECONDS,
) -> Schema:
    """A side of a comparison: from a `Stream` or a file of one, a vmdesc, a -dump-vmstate text, "library", a QEMU
    binary, or a source tree of QEMU ("DIR", or "GIT@REV" for a revision of a repository).

    `machine` is the machine type for a binary, which has `seconds` to say its -dump-vmstate, and for a source tree,
    whose lists for older machine types are applied then. Raises `VMStateError`.
    """
    if isinstance(source, Schema):
        return source
    if not isinstance(source, str | bytes | os.PathLike):
        # Streams are not imported for what is none.
        from vmstate.stream.stream import Stream

        if isinstance(source, Stream):
            return schema_of_stream(source, facts or {})
    if source == LIBRARY:
        return library_schema(facts or {})
    if isinstance(source, str) and source != "-":
        if ("@" in source or os.path.isdir(source)) and not os.path.isfile(source):
            tree = _tree_schema(source, machine)
            if tree is not None:
                return tree
        binary = _binary_of(source, machine)
        if binary is not None:
            return dump_schema(dump_of(*binary, seconds=seconds), f"{binary[0]}:{binary[1]}")
    opened = open_input(source)
    try:
        return _schema_of(opened, facts or {})
    except VMStateError as error:
        raise error.within(file=opened.name) from None
    finally:
        opened.close()


READABLE = "a stream, a recorded destination, a vmdesc, or the text that QEMU writes for -dump-vmstate"
"""What a schema can be read from, for a user."""


def _schema_of(opened: Input, facts: Mapping[str, Any]) -> Schema:
    data = opened.data
    if bytes(data[:4]) == b"QEVM":
        return stream_schema(opened, facts)
    if bytes(data[:64]).lstrip()[:1] != b"{":
        if len(data) == 0:
            raise SchemaError("the file is empty", expected=READABLE)
        raise SchemaError("QEMU wrote no such file", expected=READABLE, found=repr(bytes(data[:16]))[1:])
    text = bytes(data)
    top = _json_of(text)
    if isinstance(top, dict) and isinstance(top.get("devices"), list):
        return vmdesc_schema(text, opened.name, facts)
    return _dump_schema(top, b'"num":' in text, opened.name)


# Source trees


def _tree_schema(name: str, machine: str | None) -> Schema | None:
    """The schema of a source tree, "DIR" or "GIT@REV"; None where the name means no such thing."""
    from vmstate.source.tree import is_tree

    if not is_tree(name):
        return None
    from vmstate.source.reading import read_tree

    tree = read_tree(name, cached=True)
    if machine is None:
        return source_schema(tree)
    from vmstate.source.promises import files_of_machine
    from vmstate.source.tree import open_tree

    with open_tree(name) as opened:
        return source_schema(tree, machine, files_of_machine(opened, machine))


def source_schema(tree: SourceTree, machine: str | None = None, files: frozenset[str] | None = None) -> Schema:
    """The schema of a tree that was read: its device classes, and the sections that are registered by hand.

    With the name of a machine type the tree's lists for older machine types are applied: a condition on a property that
    they set is decided then. `files` are those of `hw` and `target` that it can have, where that is known.
    """
    from vmstate.compare.from_source import SourceLayout
    from vmstate.source.compat_lists import MachineProperties
    from vmstate.source.linking import Linked

    linked = Linked(tree)
    properties = None if machine is None else MachineProperties(linked, machine)
    sections = []
    for key, unit, vmsd in linked.devices():
        if files is not None and vmsd.path.startswith(("hw/", "target/")) and vmsd.path not in files:
            continue
        layout = SourceLayout(linked, unit, vmsd, properties, key)
        sections.append(SectionSchema(key, vmsd.name, 0, vmsd.version, vmsd.minimum, (layout,)))
    for unit, vmsd in linked.registered():
        if files is not None and vmsd.path.startswith(("hw/", "target/")) and vmsd.path not in files:
            continue
        layout = SourceLayout(linked, unit, vmsd)
        sections.append(SectionSchema(vmsd.name, vmsd.name, 0, vmsd.version, vmsd.minimum, (layout,)))
    return Schema(tree.name, "source", machine, tuple(sections))


# -dump-vmstate


def dump_schema(text: bytes, name: str) -> Schema:
    """The schema of a -dump-vmstate text. Raises `SchemaError`."""
    return _dump_schema(_json_of(text), b'"num":' in text, name)


def _json_of(text: bytes) -> Any:
    refuse_many_values(text, "the JSON text")
    try:
        return json.loads(text)
    except RecursionError:
        raise SchemaError("the JSON text nests too deeply") from None
    except ValueError as error:
        raise SchemaError(f"this is not JSON: {error}", expected=READABLE) from None


def _dump_schema(top: Any, counted: bool, name: str) -> Schema:
    machine, entries = _machine_and_entries(top, name)
    sections = []
    for key, entry in entries.items():
        raw = entry["Description"]
        source = DumpSource(raw, counted)
        sections.append(SectionSchema(key, raw["name"], 0, entry["version_id"], entry["minimum_version_id"], (source,)))
    return Schema(name, "dump", machine, tuple(sections))


def _machine_and_entries(top: Any, name: str) -> tuple[str | None, dict[str, Any]]:
    """The machine type and the entries, each of the form of a -dump-vmstate text."""
    if not isinstance(top, dict):
        raise SchemaError("QEMU wrote no such JSON", file=name, expected=READABLE)
    entries = dict(top)
    machine_name = entries.pop(MACHINE, None)
    machine = machine_name.get("Name") if isinstance(machine_name, dict) else None
    if machine_name is not None and not isinstance(machine, str):
        raise SchemaError(f"{MACHINE!r} has no 'Name'", file=name)
    if not entries:
        raise SchemaError("the -dump-vmstate text names no device", file=name, expected="descriptions of devices")
    for key, entry in entries.items():
        if not isinstance(entry, dict) or not _is_description(entry.get("Description")):
            shown = f"{key[:40]!r}, which is no entry of such a text"
            raise SchemaError("QEMU wrote no such JSON", file=name, expected=READABLE, found=shown)
        if not type(entry.get("version_id")) is type(entry.get("minimum_version_id")) is int:
            raise SchemaError(f"{key!r} has no version_id", file=name)
    return machine, entries


MAX_DEPTH = 64


def _is_description(raw: Any, depth: int = 0) -> bool:
    try:
        if depth > MAX_DEPTH or not type(raw["version_id"]) is type(raw["minimum_version_id"]) is int:
            return False
        if type(raw["name"]) is not str:
            return False
        if "Fields" in raw:
            for field in raw["Fields"]:
                if not type(field["version_id"]) is type(field["size"]) is type(field.get("num", 0)) is int:
                    return False
                if type(field["field"]) is not str or type(field["field_exists"]) is not bool:
                    return False
                if "Description" in field and not _is_description(field["Description"], depth + 1):
                    return False
        return "Subsections" not in raw or all(_is_description(sub, depth + 1) for sub in raw["Subsections"])
    except (KeyError, TypeError, AttributeError):
        return False


def _binary_of(source: str, machine: str | None) -> tuple[str, str] | None:
    """The binary and the machine type that a text means, if it means these."""
    if os.path.exists(source) and (os.path.isdir(source) or not is_program(source)):
        return None
    import shutil

    path, colon, named = source.rpartition(":")
    binary = shutil.which(path) if colon and path else None
    if binary is not None and named and is_program(binary):
        return binary, named
    binary = shutil.which(source)
    if binary is None or not is_program(binary):
        return None
    if machine is None:
        raise SchemaError(f"{source} is a program: which machine type?", expected=f"{source}:MACHINE, or --machine")
    return binary, machine


def is_program(path: str) -> bool:
    """Whether a file is one to be run, which its first bytes say as well as its mode: a stream can have any mode."""
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError:
        # One that may be run and not read.
        return True
    return head.startswith((b"\x7fELF", b"#!"))


def dump_of(
    binary: str | Sequence[str],
    machine: str,
    *,
    seconds: float = SECONDS,
    environment: Iterable[tuple[str, str]] = (),
) -> bytes:
    """The -dump-vmstate text of a QEMU binary, or of the words that run one. Raises `VMStateError`."""
    import subprocess
    import tempfile

    words = [binary] if isinstance(binary, str) else list(binary)
    with tempfile.TemporaryDirectory(prefix="vmstate-") as folder:
        path = os.path.join(folder, "dump.json")
        command = [*words, "-machine", machine, "-display", "none", "-dump-vmstate", path]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
                text=True,
                errors="replace",
                env={**os.environ, **dict(environment)},
            )
        except subprocess.TimeoutExpired:
            raise SchemaError(f"no -dump-vmstate text within {seconds:g} s", file=words[0]) from None
        except OSError as error:
            raise SchemaError(f"cannot be run: {error.strerror}", file=words[0]) from None
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            text = b""
        if not text:
            last_words = " | ".join(line.strip() for line in done.stderr.splitlines()[-3:] if line.strip()) or "nothing"
            raise SchemaError(
                f"wrote no -dump-vmstate text for {machine!r} (exit code {done.returncode}): {last_words}",
                file=words[0],
            )
        return text


# Streams and vmdescs


def stream_schema(opened: Any, facts: Mapping[str, Any]) -> Schema:
    """What a stream says of itself: by its vmdesc or, where it has none, as the library reads it."""
    from vmstate.saved.loading import load

    with load(opened, facts=facts) as stream:
        return schema_of_stream(stream, facts)


def schema_of_stream(stream: Stream, facts: Mapping[str, Any]) -> Schema:
    """What a loaded stream says of itself: by its vmdesc or, where it has none, as the library reads it."""
    from vmstate.compare.from_vmsd import DescriptionSource

    machine = stream.configuration.machine if stream.configuration is not None else None
    described = _descriptions_by_section(stream.vmdesc or _rebuilt(stream))
    sections = []
    for section in stream.sections:
        if section.kind not in ("full", "start") or section.is_ram:
            continue
        described_alike = described.get((section.name, section.instance_id))
        vmsd = described_alike.pop(0) if described_alike else None
        sources = () if vmsd is None else (DescriptionSource(vmsd, facts, True),)
        sections.append(
            SectionSchema(
                section.name,
                _last_part(section.name),
                section.instance_id,
                section.version_id,
                section.version_id,
                sources,
                sent=True,
                offset=section.payload_offset,
            )
        )
    return Schema(str(stream.name), "stream", machine, tuple(sections))


def _rebuilt(stream: Any) -> Any:
    """The vmdesc that a stream without one would have: it says what is there, as a library's description does not."""
    from vmstate.schema.vmdesc import read_vmdesc

    return read_vmdesc(stream.write_vmdesc())


def _descriptions_by_section(vmdesc: Any) -> dict[tuple[str, int], list[Any]]:
    described: dict[tuple[str, int], list[Any]] = {}
    for device in () if vmdesc is None else vmdesc.devices:
        described.setdefault((device.name, device.instance_id), []).append(device.vmsd)
    return described


def vmdesc_schema(text: bytes, name: str, facts: Mapping[str, Any]) -> Schema:
    """The schema of a vmdesc that is by itself."""
    from vmstate.compare.from_vmsd import DescriptionSource
    from vmstate.schema.vmdesc import read_vmdesc

    sections = []
    for device in read_vmdesc(text).devices:
        sources = () if device.vmsd is None else (DescriptionSource(device.vmsd, facts, True),)
        version = 0 if device.vmsd is None else device.vmsd.version_id
        sections.append(
            SectionSchema(
                device.name, _last_part(device.name), device.instance_id, version, version, sources, sent=True
            )
        )
    return Schema(name, "vmdesc", None, tuple(sections))


def _last_part(idstr: str) -> str:
    return idstr.rpartition("/")[2]


# The library


def library_schema(facts: Mapping[str, Any]) -> Schema:
    """Everything the device library knows."""
    from vmstate.stream.registry import all_descriptions, known_idstrs

    # A broken library of others has names without descriptions.
    described = (idstr for idstr in known_idstrs() if all_descriptions(idstr))
    return Schema(LIBRARY, LIBRARY, None, tuple(_library_section(idstr, facts) for idstr in described))


def library_section(idstr: str, facts: Mapping[str, Any]) -> SectionSchema | None:
    """What the library knows of the last part of an idstr."""
    from vmstate.stream.registry import shipped_descriptions

    return _library_section(idstr, facts) if shipped_descriptions(idstr) else None


def _library_section(idstr: str, facts: Mapping[str, Any]) -> SectionSchema:
    from vmstate.compare.from_vmsd import DescriptionSource
    from vmstate.stream.registry import all_descriptions

    vmsds = all_descriptions(idstr)
    sources = tuple(DescriptionSource(vmsd, facts, False) for vmsd in vmsds)
    version = max(vmsd.version_id for vmsd in vmsds)
    minimum = min(vmsd.minimum_version_id for vmsd in vmsds)
    return SectionSchema(idstr, idstr, 0, version, minimum, sources)


def dumps_in(folder: str) -> Iterator[str]:
    """The files of a folder that should be -dump-vmstate texts: `*.json`, compressed or not, in order."""
    for name in sorted(os.listdir(folder)):
        stem = name
        for ending in ENDINGS:
            stem = stem.removesuffix(ending)
        if stem.endswith(".json"):
            yield os.path.join(folder, name)
