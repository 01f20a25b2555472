"""A whole stream as an editable JSON document, and back, byte-identical.

    {"kind": "document", "vmstate": 1, "version": 3, "parts": [{"part": "configuration", "state": {...}},
      {"part": "section", "kind": "full", "name": ..., "section_id": ..., "state": {...}}, ...]}

RAM with pages in it stands in a file beside the document, in the order of the sections; the document names it by its
file name alone, and no other place is ever read.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from vmstate.errors import SchemaError, StreamError
from vmstate.files import reported
from vmstate.saved.opening import Input, open_input
from vmstate.schema.repeated import parse_json
from vmstate.schema.values import from_plain, to_plain
from vmstate.schema.vmdesc import Vmdesc, read_vmdesc
from vmstate.stream.candidates import Candidates
from vmstate.stream.configuration import Configuration
from vmstate.stream.events import (
    Command,
    ConfigurationSection,
    EndOfStream,
    Header,
    SectionFooter,
    SectionHeader,
    Trailing,
    Vmdescription,
)
from vmstate.stream.registry import all_descriptions
from vmstate.stream.stream import Part, RamSummary, Section, Stream
from vmstate.vmsd.description import VMStateDescription

KIND = "document"
FORMAT = 1
INLINE = 4096
"""RAM sections of at most this many bytes have no place of their own."""
MOST_BEHIND = 64 << 20
"""Bytes behind the end of a stream that a document takes."""


LEFT_OUT: dict[str, Any] = {"left_out": True}
"""What stands for RAM that a document does not have."""


class SourceOfDescriptions(Protocol):
    """QEMU's source, of which descriptions are kept in a document by their places (`vmstate.compare`)."""

    def place_of(self, vmsd: VMStateDescription) -> dict[str, str]:
        """Where a description stands."""

    def at(self, place: Any) -> VMStateDescription:
        """The description that stands there. Raises `VMStateError`."""


Ram = Callable[[Section, int], Any]
"""What a document has for the RAM of a section, which is at an offset of the file beside it."""


def to_document(stream: Stream, ram_name: str | None) -> dict[str, Any]:
    """The document of a stream; `ram_name` is the name of the file beside it, None for RAM inside the document."""
    inside: Ram = lambda section, offset: b"".join(stream.ram_bytes(section.state)).hex()  # noqa: E731
    ram = inside if ram_name is None else _ram_in_file(ram_name, stream)
    return {**_head(stream), "parts": list(_parts_values(stream, ram))}


def document_text(
    stream: Stream, ram_name: str | None, *, memory: bool, source: SourceOfDescriptions | None = None
) -> Iterator[str]:
    """The text of a document piece by piece, as `to_document` and json.dumps have it; no more than a section is held.

    `ram_name` is the name of the file beside it; without one RAM is inside where `memory` is wanted, or left out.
    `source` is what has described the sections that are described by "source".
    """
    if ram_name is not None:
        ram = _ram_in_file(ram_name, stream)
    else:
        ram = (lambda section, offset: "") if memory else (lambda section, offset: LEFT_OUT)
    head = json.dumps({**_head(stream), "parts": []}, indent=1)
    yield head[: -len("]\n}")]
    before = ""
    parts = (part for part in stream.parts if not isinstance(part, Header))
    for part, entry in zip(parts, _parts_values(stream, ram, source), strict=True):
        text = f"{before}\n  " + json.dumps(entry, indent=1).replace("\n", "\n  ")
        before = ","
        if entry.get("ram") == "" and isinstance(part, Section):
            # It is the last of the entry.
            end = '"\n  }'
            yield text.removesuffix(end)
            for piece in stream.ram_bytes(part.state):
                yield piece.hex()
            text = end
        yield text
    yield "\n ]\n}" if before else "]\n}"


def _head(stream: Stream) -> dict[str, Any]:
    cut = {} if stream.cut is None else {"cut": str(stream.cut)}
    return {"kind": KIND, "vmstate": FORMAT, "file": stream.name, "version": stream.version, **cut}


def _ram_in_file(name: str, stream: Stream) -> Ram:
    known = stream.configuration
    is_mapped = known is not None and known.has_capability("mapped-ram")

    def place(section: Section, offset: int) -> dict[str, Any]:
        entry = {"file": name, "offset": offset, "size": section.state.size}
        # The blocks of mapped-ram name positions of the file that they were read from.
        if is_mapped and stream.input is not None:
            entry["position"] = stream.input.origin + section.state.offset
        return entry

    return place


def _parts_values(stream: Stream, ram: Ram, source: SourceOfDescriptions | None = None) -> Iterator[dict[str, Any]]:
    """The parts behind the header as JSON values; RAM that is small stands inside in any case."""
    offset = 0
    vmdesc = stream.vmdesc
    second = () if vmdesc is None else [device.otherwise for device in vmdesc.devices if device.otherwise is not None]
    for part in stream.parts:
        if isinstance(part, Section) and isinstance(part.state, RamSummary):
            entry = _section_values(part)
            if part.state.size <= INLINE:
                entry["ram"] = b"".join(stream.ram_bytes(part.state)).hex()
            else:
                entry["ram"] = ram(part, offset)
                offset += part.state.size
            yield entry
        elif not isinstance(part, Header):
            yield _part_values(part, second, source)


def beside(stream: Stream) -> Iterator[memoryview]:
    """The bytes of the file beside the document."""
    for section in stream.sections:
        if isinstance(section.state, RamSummary) and section.state.size > INLINE:
            yield from stream.ram_bytes(section.state)


def has_ram_beside(stream: Stream) -> bool:
    """Whether there is anything to put beside the document."""
    return any(isinstance(section.state, RamSummary) and section.state.size > INLINE for section in stream.sections)


def _section_values(section: Section) -> dict[str, Any]:
    return {
        "part": "section",
        "kind": section.kind,
        "name": section.name,
        "instance_id": section.instance_id,
        "section_id": section.section_id,
        "version_id": section.version_id,
        "footer": section.footer.section_id is not None,
    }


def _part_values(
    part: Part, second: Sequence[VMStateDescription], source: SourceOfDescriptions | None
) -> dict[str, Any]:
    """A part as JSON values; `second` are the second descriptions that the vmdesc can mean."""
    match part:
        case ConfigurationSection(state=state):
            return {"part": "configuration", "state": to_plain(state)}
        case Section():
            entry = {**_section_values(part), "described_by": part.described_by}
            if part.described_by == "library":
                entry["layout"] = all_descriptions(part.name).index(part.vmsd)
            elif source is not None and part.vmsd is not None and part.described_by == "source":
                entry["source"] = source.place_of(part.vmsd)
            elif any(part.vmsd is vmsd for vmsd in second):
                entry["layout"] = 1
            return {**entry, "state": to_plain(part.state)}
        case Command():
            return {"part": "command", "command": part.command, "name": part.name, "data": part.data.hex()}
        case EndOfStream():
            return {"part": "end"}
        case Vmdescription(text=text):
            return {"part": "vmdesc", "text": text.decode("utf-8", "surrogateescape")}
        case Trailing():
            if len(part.raw) > MOST_BEHIND:
                raise StreamError(
                    "what stands behind the end of the stream is too long for a document",
                    offset=part.offset,
                    expected=f"at most {MOST_BEHIND} bytes; `vmstate thin` leaves it out",
                    found=str(len(part.raw)),
                )
            return {"part": "trailing", "data": part.to_bytes().hex()}
    raise StreamError(f"{type(part).__name__} is no part of a document")


def read_document(text: bytes, folder: str, name: str, source: SourceOfDescriptions | None = None) -> Stream:
    """The stream of a document that lies in `folder`. Raises `VMStateError`.

    `source` has the descriptions of sections that are described by "source".
    """
    top = parse_json(text, "the document")
    if not isinstance(top, dict) or top.get("kind") != KIND or top.get("vmstate") != FORMAT:
        kind = top.get("kind") if isinstance(top, dict) else None
        raise SchemaError(
            "this is no document of a stream",
            file=name,
            expected=f'what `vmstate decode` writes, an object with "kind": "{KIND}" and "vmstate": {FORMAT}',
            found=f"a {kind}" if isinstance(kind, str) and kind.isalpha() and kind != KIND else None,
        )
    if "cut" in top:
        raise SchemaError("the document is of a stream that breaks off", file=name, found=str(top["cut"]))
    if not isinstance(top.get("parts"), list):
        raise SchemaError("the document has no list of parts", file=name, expected='"parts": [...]')
    beside = _ram_source(top["parts"], folder)
    try:
        vmdesc = next((_vmdesc(part) for part in top["parts"] if _value_of_kind(part, "part", str) == "vmdesc"), None)
        take = _Descriptions(vmdesc, source)
        parts: list[Part] = [Header(_number(top, "version", 32))]
        parts += [_read_part(part, take, beside) for part in top["parts"]]
        return Stream(parts, beside, name)
    except BaseException:
        if beside is not None:
            beside.close()
        raise


class _Descriptions:
    """The descriptions of sections: of vmdesc, found as the reader of a stream finds them, the library, or a source."""

    def __init__(self, vmdesc: Vmdesc | None, source: SourceOfDescriptions | None) -> None:
        self._source = source
        self._candidates = Candidates(vmdesc, library=False)

    def of(self, entry: Mapping[str, Any], header: SectionHeader) -> VMStateDescription | None:
        described = self._candidates.device(header)
        self._candidates.passed(header)
        match entry.get("described_by"):
            case "none":
                return None
            case "vmdesc" if described is not None and described.vmsd is not None:
                layouts = described.descriptions()
            case "library":
                layouts = all_descriptions(header.name)
            case "source" if self._source is not None:
                layouts = (self._source.at(entry.get("source")),)
            case "source":
                raise SchemaError(
                    "the section is described by QEMU's source",
                    section=header.name,
                    expected="the tree that `decode` was given (--source TREE)",
                )
            case _:
                layouts = ()
        layout = entry.get("layout", 0)
        if isinstance(layout, int) and 0 <= layout < len(layouts):
            return layouts[layout]
        shown = repr(entry.get("described_by"))[:40]
        raise SchemaError("nothing describes the section", section=header.name, found=shown)


def _value_of_kind(entry: Any, key: str, kind: type) -> Any:
    if not isinstance(entry, dict) or type(entry.get(key)) is not kind:
        raise SchemaError(f"a part of the document lacks {key!r}", expected=kind.__name__)
    if kind is int and not 0 <= entry[key] < 1 << 64:
        raise SchemaError(f"{key!r} cannot be that", found=str(entry[key])[:40])
    return entry[key]


def _number(entry: Any, key: str, bits: int) -> int:
    value: int = _value_of_kind(entry, key, int)
    if value >= 1 << bits:
        raise SchemaError(f"{key!r} does not fit", expected=f"{bits} bits", found=str(value))
    return value


def _hex(entry: Any, key: str) -> bytes:
    text = _value_of_kind(entry, key, str)
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise SchemaError(f"{key!r} is not hex", found=text[:40]) from None


def _vmdesc(entry: Any) -> Vmdesc:
    return read_vmdesc(_text(entry))


def _text(entry: Any) -> bytes:
    return _utf8(_value_of_kind(entry, "text", str))


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise SchemaError("no bytes are this text", found=repr(text[error.start])) from None


def _read_part(entry: Any, take: _Descriptions, source: Input | None) -> Part:
    match _value_of_kind(entry, "part", str):
        case "configuration":
            vmsd: VMStateDescription = Configuration.vmsd  # type: ignore[attr-defined]
            return ConfigurationSection(from_plain(vmsd, entry.get("state")), 0, 0)
        case "section":
            return _read_section(entry, take, source)
        case "command":
            return Command(_number(entry, "command", 16), _hex(entry, "data"), 0)
        case "end":
            return EndOfStream(0)
        case "vmdesc":
            return Vmdescription(_text(entry))
        case "trailing":
            return Trailing(_hex(entry, "data"))
    raise SchemaError("an unknown part in the document", found=repr(entry["part"])[:40])


def _read_section(entry: Any, take: _Descriptions, source: Input | None) -> Section:
    header = SectionHeader(
        kind=_value_of_kind(entry, "kind", str),
        section_id=_number(entry, "section_id", 32),
        name=_value_of_kind(entry, "name", str),
        instance_id=_number(entry, "instance_id", 32),
        version_id=_number(entry, "version_id", 32),
        offset=0,
    )
    if header.kind not in ("start", "part", "end", "full"):
        raise SchemaError("an unknown kind of section", section=header.name[:40], found=header.kind[:40])
    if len(_utf8(header.name)) > 255:
        raise SchemaError("an idstr is too long", section=header.name[:40], expected="at most 255 bytes")
    footer = SectionFooter(header.section_id if _value_of_kind(entry, "footer", bool) else None, 0)
    make = partial(Section, header, footer=footer, payload_offset=0, size=0)
    if "ram" in entry:
        return make(state=_read_ram(entry, source), vmsd=None, described_by="library")
    vmsd = take.of(entry, header)
    if vmsd is None:
        return make(state=_hex(entry, "state"), vmsd=None, described_by="none")
    try:
        state = from_plain(vmsd, entry.get("state"))
    except SchemaError as error:
        raise error.within(section=header.name) from None
    return make(state=state, vmsd=vmsd, described_by=entry["described_by"])


def _read_ram(entry: Any, source: Input | None) -> RamSummary:
    place = entry["ram"]
    if isinstance(place, dict):
        assert source is not None
        summary = RamSummary(offset=_value_of_kind(place, "offset", int), size=_value_of_kind(place, "size", int))
        if summary.offset + summary.size > len(source.data):
            raise SchemaError("the file beside the document is too short", file=source.name)
        if "position" in place:
            source.origin = _value_of_kind(place, "position", int) - summary.offset
        return summary
    raw = _hex(entry, "ram")
    return RamSummary(size=len(raw), raw=raw)


def _ram_source(parts: list[Any], folder: str) -> Input | None:
    """The file beside the document, if it names one."""
    places = [part["ram"] for part in parts if isinstance(part, dict) and isinstance(part.get("ram"), dict)]
    if LEFT_OUT in places:
        raise SchemaError("the document has no memory", expected="one of decode -o JSON, or of decode --memory")
    names = {_value_of_kind(place, "file", str) for place in places}
    if not names:
        return None
    name = names.pop()
    if names or not name or name in (".", "..") or "/" in name or os.sep in name or "\0" in name:
        raise SchemaError("RAM stands in one file beside the document", expected="a file name", found=repr(name)[:60])
    return _open_beside(os.path.join(folder, name))


def _open_beside(path: str) -> Input:
    """The file beside a document: a plain one, not a link to another and not a pipe to be waited for."""
    with reported(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    with open(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StreamError("the memory of a document stands in a plain file", file=path)
        opened = open_input(file)
        opened.name = path
        return opened
