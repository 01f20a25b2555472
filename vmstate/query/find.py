"""Where something is in a stream: a name, a value, text, an address, bytes, a feature."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from vmstate.errors import QueryError, VMStateError
from vmstate.query.ask import QueryOrigin, ask
from vmstate.saved.scrub import mac_forms, uuid_forms
from vmstate.stream.configuration import Configuration
from vmstate.stream.events import ConfigurationSection
from vmstate.stream.registry import virtio_id_of
from vmstate.stream.stream import RamSummary, Section, Stream
from vmstate.vmsd.data import Value
from vmstate.vmsd.description import TraceEntry
from vmstate.vmsd.path import value_at
from vmstate.vmsd.release import Release

TEXT_LEAST = 3
"""Text of fewer characters is not looked for inside of bytes."""

NEWEST = Release(999, 0)
"""A release that has all names of features, also those that came after the one that saved."""

HEX_LEAST = 8
"""A number of at least so many hexadecimal digits is looked for as bytes as well."""

MAC = re.compile(r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}")
SPELLED_BYTES = re.compile(r"[0-9a-f]{2}(?:[ :-][0-9a-f]{2})+")
"""Bytes one by one, as the beginning of a MAC address or a hexdump has them."""

PCI_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
"""Vendor and device, as lspci -n has them."""

UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
NUMBER = re.compile(r"-?(?:0x[0-9a-f]{1,40}|[0-9]{1,40})")
"""A number of up to 128 bits, and some digits more; what has more is a word."""


class Match(Value):
    """One place where what was looked for is.

    `section` is an idstr or "configuration"; `path` is from its state on, "" for the section as a whole. `offset` is
    absolute and `size` that of what is there, both in bytes. `by` says what fits: "name", "value", "text", "bytes" or
    "feature"; `value` is what stands at the path.
    """

    section: str
    instance_id: int
    path: str
    offset: int
    size: int
    by: str
    value: Any

    @property
    def whole_path(self) -> str:
        """SECTION.PATH, as `show` and `set` take it."""
        number = f"#{self.instance_id}" if self.instance_id else ""
        return self.section + number + ("." if self.path and not self.path.startswith("[") else "") + self.path


class Wanted:
    """What is looked for: a word, and everything that it can mean."""

    def __init__(self, word: str) -> None:
        if not word:
            raise QueryError("there is no word to look for", expected="a name, a value, an address, or bytes")
        self.word = word
        self.lower = lower = word.lower()
        self.number: int | None = int(lower, 0 if "x" in lower else 10) if NUMBER.fullmatch(lower) else None
        self.patterns: tuple[bytes, ...] = ()
        """What is looked for inside of bytes."""
        self.is_text = False
        if MAC.fullmatch(lower):
            self.patterns = mac_forms(bytes.fromhex(re.sub("[:-]", "", lower)))
        elif UUID.fullmatch(lower):
            self.patterns = uuid_forms(bytes.fromhex(lower.replace("-", "")))
        elif PCI_ID.fullmatch(lower):
            # Vendor and device, as they stand in a configuration space.
            self.patterns = (b"".join(bytes.fromhex(number)[::-1] for number in lower.split(":")),)
        elif digits := self._hexadecimal(lower):
            self.patterns = (bytes.fromhex(digits),)
        elif self.number is None and len(word) >= TEXT_LEAST:
            self.patterns, self.is_text = (word.encode("utf-8", "surrogateescape"),), True

    @staticmethod
    def _hexadecimal(lower: str) -> str | None:
        if SPELLED_BYTES.fullmatch(lower):
            return re.sub("[ :-]", "", lower)
        digits = lower.removeprefix("hex:").removeprefix("0x")
        if re.fullmatch(r"(?:[0-9a-f]{2})+", digits) is None:
            return None
        return digits if lower.startswith("hex:") or len(digits) >= HEX_LEAST else None

    def is_name(self, name: str) -> bool:
        """Whether a name has the word in it."""
        return self.lower in name.lower()

    def is_value(self, value: Any) -> bool:
        """Whether a value is the number that is looked for, or text that has the word in it."""
        if isinstance(value, str):
            return self.lower in value.lower()
        return self.number is not None and isinstance(value, int) and int(value) == self.number

    def places(self, data: bytes) -> Iterator[tuple[int, int]]:
        """(offset, size) of the patterns in bytes."""
        for pattern in dict.fromkeys(self.patterns):
            at = data.find(pattern)
            while at >= 0:
                yield at, len(pattern)
                at = data.find(pattern, at + 1)


def find(stream: Stream, word: str) -> Iterator[Match]:
    """Every place of a stream that a word means, in the order of the stream; RAM itself is not looked through.

    A word is looked for in names of sections, fields, subsections and RAM blocks, and in text; a number among values;
    a MAC address, a UUID and "hex:..." among the bytes, in every form that QEMU's devices keep them; bytes one by one
    ("52:54:00", "1b 00"); vendor and device of PCI ("1af4:1041"); a feature of the virtio specification among those
    that drivers accepted. Raises `QueryError` for a word of nothing.
    """
    wanted = Wanted(word)
    for part in stream.parts:
        if isinstance(part, ConfigurationSection):
            payload = part.to_bytes()[1:]
            trace = Configuration.vmsd.trace(payload)  # type: ignore[attr-defined]
            yield from _Holder("configuration", 0, part.offset + 1, payload, part.state, trace).matches(wanted)
        elif isinstance(part, Section):
            yield from _in_section(stream, part, wanted)


def _in_section(stream: Stream, section: Section, wanted: Wanted) -> Iterator[Match]:
    name, instance_id = section.name, section.instance_id
    if wanted.is_name(name) and section.kind in ("start", "full"):
        yield Match(name, instance_id, "", section.offset, section.size, "name", None)
    if isinstance(section.state, RamSummary):
        for block in section.state.blocks:
            if wanted.is_name(block.idstr):
                size = len(bytes(block.raw))
                yield Match(name, instance_id, "", block.offset, size, "name", block.idstr)
        return
    shift = section.payload_offset
    entries = {path: entry._replace(offset=entry.offset - shift) for path, entry in section.trace().items()}
    yield from _Holder(name, instance_id, shift, section.payload(), section.state, entries).matches(wanted)
    yield from _features(stream, section, wanted)


class _Holder:
    """A section or the configuration: its bytes, its state, and where in the bytes everything is."""

    def __init__(
        self,
        name: str,
        instance_id: int,
        offset: int,
        payload: bytes,
        state: Any,
        entries: Mapping[str, TraceEntry],
    ) -> None:
        self.name = name
        self.instance_id = instance_id
        self.offset = offset
        self.payload = payload
        self.state = state
        self.entries = entries

    def matches(self, wanted: Wanted) -> Iterator[Match]:
        """What fits a word: by name and by value in the order of the wire, then what has it among its bytes."""
        for path, entry in self.entries.items():
            last = path.rpartition(".")[2]
            if wanted.is_name(last) and not last.endswith("]"):
                yield self._match(path, entry.offset, entry.size, "name", self._value(path, entry))
            elif entry.field is not None and not any(entry.field.type.children()):
                yield from self._values(path, entry, wanted)
        seen: set[str] = set()
        for at, size in wanted.places(self.payload):
            path, leaf = self._leaf(at)
            if path in seen:
                continue
            seen.add(path)
            # Text that is a value has been told as one.
            if not (wanted.is_text and leaf is not None and isinstance(self._value(path, leaf), str)):
                by = "text" if wanted.is_text else "bytes"
                yield self._match(path, at, size, by, self.payload[at : at + size])

    def _value(self, path: str, entry: TraceEntry) -> Any:
        """What stands at a path; None for padding, which is no value."""
        if entry.field is not None and not entry.field.in_state:
            return None
        return value_at(self.state, path)

    def _values(self, path: str, entry: TraceEntry, wanted: Wanted) -> Iterator[Match]:
        value = self._value(path, entry)
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            elements = list(_flat(value, path))
            size = entry.size // len(elements) if elements else 0
            for number, (place, element) in enumerate(elements):
                if wanted.is_value(element):
                    yield self._match(place, entry.offset + number * size, size, "value", element)
        elif wanted.is_value(value):
            yield self._match(path, entry.offset, entry.size, "value", value)

    def _match(self, path: str, offset: int, size: int, by: str, value: Any) -> Match:
        return Match(self.name, self.instance_id, path, self.offset + offset, size, by, value)

    @cached_property
    def _leaves(self) -> list[tuple[int, str, TraceEntry]]:
        return sorted(
            (entry.offset, path, entry)
            for path, entry in self.entries.items()
            if entry.size and entry.field is not None and not any(entry.field.type.children())
        )

    def _leaf(self, at: int) -> tuple[str, TraceEntry | None]:
        """What the byte at a place of the payload is in; the section as a whole where nothing describes it."""
        place = bisect_right(self._leaves, at, key=lambda leaf: leaf[0]) - 1
        if place >= 0:
            offset, path, entry = self._leaves[place]
            if at < offset + entry.size:
                return path, entry
        return "", None


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """(path, element) of a list, and of the lists in it."""
    for number, element in enumerate(value):
        place = f"{path}[{number}]"
        if isinstance(element, Sequence) and not isinstance(element, (str, bytes)):
            yield from _flat(element, place)
        else:
            yield place, element


def _features(stream: Stream, section: Section, wanted: Wanted) -> Iterator[Match]:
    """The features with such a name that the driver of a virtio device accepted."""
    if wanted.number is not None or len(wanted.word) < TEXT_LEAST:
        return
    names, source = accepted_features(stream, section)
    for name in names:
        if wanted.is_name(name) and source is not None and source.offset is not None:
            yield Match(section.name, section.instance_id, source.path, source.offset, source.size, "feature", name)


def accepted_features(stream: Stream, section: Section) -> tuple[list[str], QueryOrigin | None]:
    """The features that the driver of a virtio device accepted, by QEMU's names, and where the stream says so.

    A bit that no release has a name for is "bit N". None of a section that is no virtio device, or whose machine is of
    a release that nothing is known of.
    """
    if section.is_ram or virtio_id_of(section.name) is None:
        return [], None
    try:
        answer = ask(stream, "x-query-virtio-status", {"path": section.name}, release=NEWEST)
    except VMStateError:
        return [], None
    told = answer.value["guest-features"]
    known = [names for names in told.values() if isinstance(names, list)]
    unknown = told.get("unknown-dev-features", 0) | told.get("unknown-dev-features2", 0) << 64
    known.append([f"bit {bit}" for bit in range(unknown.bit_length()) if unknown >> bit & 1])
    sources = answer.sources["guest-features"]
    said_in = next((source for source in sources if source.offset is not None and source.section == section.name), None)
    return [name.partition(":")[0] for names in known for name in names], said_in
