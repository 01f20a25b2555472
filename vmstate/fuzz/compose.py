"""Whole streams made from nothing but descriptions."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

from vmstate.errors import DescriptionError, VMStateError
from vmstate.fuzz.grow import Grower
from vmstate.fuzz.residue import odd_bytes
from vmstate.fuzz.source import ChoiceSource
from vmstate.saved.loading import load
from vmstate.schema.vmdesc import DIALECTS
from vmstate.stream.configuration import Capabilities, Configuration, TargetPageBits
from vmstate.stream.events import (
    FOOTER,
    MAGIC,
    VERSION,
    Mark,
    SectionFooter,
    SectionHeader,
    Vmdescription,
)
from vmstate.stream.registry import all_descriptions, is_old_style, known_names
from vmstate.stream.stream import Stream
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.state import version_of

BUS = {"virtio": "0000:00:02.0/"}
"""The path in front of names that begin so: it tells the transport."""

PAGE = 4096


def description_of(declared: Any) -> VMStateDescription:
    """The description that a class has, or that this is. Raises `VMStateError` where there is no codec for it."""
    vmsd = getattr(declared, "vmsd", declared)
    if not isinstance(vmsd, VMStateDescription):
        raise DescriptionError(f"{declared!r} is neither a description nor a class with one")
    if vmsd.unmigratable:
        raise DescriptionError(f"{vmsd.name!r} cannot be migrated and has no states")
    if vmsd.unknown is not None:
        raise DescriptionError(f"{vmsd.name!r} has no codec: {vmsd.unknown}")
    return vmsd


def device_names(patterns: str | Sequence[str]) -> list[str]:
    """The idstrs that patterns mean: names of the library, with a path in front where a pattern has one.

    Raises `VMStateError` where nothing is meant.
    """
    devices: list[str] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        path, _, last = pattern.rpartition("/")
        names = [name for name in known_names() if fnmatch.fnmatchcase(name, last)]
        devices += [f"{path}/{name}" if path else on_a_bus(name) for name in names if _has_states(name)]
    if not devices:
        raise DescriptionError(f"the device library has nothing of the name {patterns!r}")
    return list(dict.fromkeys(devices))


def on_a_bus(name: str) -> str:
    """A name with a path in front of it, where its description reads the bus from that."""
    return next((path + name for start, path in BUS.items() if name.startswith(start)), name)


def _has_states(name: str) -> bool:
    return any(not vmsd.unmigratable for vmsd in all_descriptions(name))


def compose(
    source: ChoiceSource,
    devices: str | Sequence[str],
    *,
    most: int = 4,
    vmdesc: bool | None = None,
    ram: bool | None = None,
    residue: bool = False,
) -> Stream:
    """A stream with up to `most` sections of the devices named, each as the library describes it."""
    names = device_names(devices)
    body = bytearray(MAGIC + VERSION.to_bytes(4, "big"))
    body.append(Mark.CONFIGURATION)
    configuration = _configuration(source)
    body += _vmsd(Configuration).encode(configuration)
    ids = iter(range(source.integer(0, 3), 1 << 32))
    if source.chance(2) if ram is None else ram:
        body += _ram(source, next(ids), configuration.has_capability("x-ignore-shared"))
    described: list[tuple[SectionHeader, VMStateDescription, Any]] = []
    for instance in range(source.integer(1, most)):
        made = section_of(source, source.choice(names), next(ids), instance, residue=residue)
        if made is not None:
            described.append(made)
            body += section_bytes(*made)
    body.append(Mark.EOF)
    if (source.chance(2) if vmdesc is None else vmdesc) and described:
        body += Vmdescription(_vmdesc(described)).to_bytes()
    return load(bytes(body))


def section_of(
    source: ChoiceSource, idstr: str, section_id: int, instance: int, *, residue: bool = False
) -> tuple[SectionHeader, VMStateDescription, Any] | None:
    """A section of a device of the library: header, description, state.

    None where no state was found, or where its bytes can be read in two ways by whoever is told no facts.
    """
    layouts = [vmsd for vmsd in all_descriptions(idstr) if not vmsd.unmigratable]
    vmsd = layouts[0] if source.chance(2) else source.choice(layouts)
    try:
        state = Grower(vmsd, source, {IDSTR.name: idstr}).grow()
    except VMStateError:
        return None
    if residue:
        state = odd_bytes(vmsd, state, source)
    version = version_of(state)
    header = SectionHeader("full", section_id, idstr, instance, vmsd.version_id if version is None else version, 0)
    return None if _fits_two_ways(header, vmsd, state) else (header, vmsd, state)


def _fits_two_ways(header: SectionHeader, vmsd: VMStateDescription, state: Any) -> bool:
    """Whether facts that nobody tells a reader of the section leave it two ways of reading the bytes."""
    with load(minimal(section_bytes(header, vmsd, state))) as alone:
        return "two ways" in (alone.sections[0].problem or "")


def section_bytes(header: SectionHeader, vmsd: VMStateDescription, state: Any) -> bytes:
    """The bytes of a section from header to footer."""
    payload = vmsd.encode(state, version_id=header.version_id, force=True)
    return header.to_bytes() + payload + SectionFooter(header.section_id, 0).to_bytes()


def minimal(section: bytes, configuration: bytes = b"") -> bytes:
    """The smallest stream that holds a section: the header, the configuration if there is one, the end."""
    return MAGIC + VERSION.to_bytes(4, "big") + configuration + section + bytes((Mark.EOF,))


def _vmsd(declared: Any) -> VMStateDescription:
    vmsd: VMStateDescription = declared.vmsd
    return vmsd


def _configuration(source: ChoiceSource) -> Configuration:
    name = source.choice(("pc-q35-7.2", "none", "microvm", "s390-ccw-virtio-7.2", "x" * 64))
    names = [capability for capability in ("x-ignore-shared", "auto-converge") if source.chance(4)]
    return Configuration(
        len=len(name),
        name=name,
        target_page_bits=TargetPageBits(target_page_bits=12) if source.chance(3) else None,
        capabilities=Capabilities(caps_count=len(names), capabilities=names) if names else None,
    )


def _ram(source: ChoiceSource, section_id: int, ignore_shared: bool) -> bytes:
    """RAM of a few pages: a start with the list of blocks, parts with pages, the end."""
    blocks = [(b"pc.ram", source.integer(1, 4) * PAGE), (b"pc.bios", PAGE)][: source.integer(1, 2)]
    footer = bytes((FOOTER,)) + section_id.to_bytes(4, "big")
    listed = b""
    for name, size in blocks:
        listed += bytes((len(name),)) + name + size.to_bytes(8, "big") + (bytes(8) if ignore_shared else b"")
    total = sum(size for _, size in blocks)
    end = (0x10).to_bytes(8, "big")
    out = SectionHeader("start", section_id, "ram", 0, 4, 0).to_bytes()
    out += (total | 0x04).to_bytes(8, "big") + listed + end + footer
    for kind in ("part", "end"):
        out += SectionHeader(kind, section_id, "ram", 0, 4, 0).to_bytes()
        for name, size in blocks:
            flags = 0
            for page in range(size // PAGE):
                is_zero = source.chance(2)
                out += (page * PAGE | (0x02 if is_zero else 0x08) | flags).to_bytes(8, "big")
                out += b"" if flags else bytes((len(name),)) + name
                out += b"\0" if is_zero else source.data(16) * (PAGE // 16)
                flags = 0x20
        out += end + footer
    return out


def _vmdesc(described: Sequence[tuple[SectionHeader, VMStateDescription, Any]]) -> bytes:
    from vmstate.schema.write import describe_device, describe_old_style, json_text

    dialect = DIALECTS["11.1"]
    devices = []
    for header, vmsd, state in described:
        if is_old_style(header.name):
            size = len(vmsd.encode(state, version_id=header.version_id))
            devices.append(describe_old_style(header.name, header.instance_id, size))
        else:
            devices.append(describe_device(header.name, header.instance_id, vmsd, state, dialect, header.version_id))
    top: list[tuple[str, Any]] = [("page_size", PAGE), ("devices", devices)]
    return json_text(top, spaced=dialect.spaced).encode("utf-8", "surrogateescape")
