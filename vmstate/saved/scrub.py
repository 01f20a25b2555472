"""A thin stream that can be given to strangers: contents, addresses, UUIDs and names replaced, the layout kept.

What is replaced is told by the descriptions: bytes and text of any kind, arrays of uint8, the bytes of what nothing
describes, and what a field says of itself (`private=`). Every size, offset and order stays, so that the stream reads as
the original does. Numbers stay: registers, addresses in guest memory, counts, features.

A replacement is made of the value and of a key, by HMAC: equal values have equal replacements, and a short value, such
as a MAC address, cannot be found by trying all there are without the key. A MAC address and a UUID are also replaced
where they stand inside of what else is kept. The serial number in a PCI configuration space, which is made of a MAC
address more often than not, is private whatever it is made of.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Protocol, runtime_checkable

from vmstate.errors import StreamError, VMStateError
from vmstate.files import PIECE
from vmstate.saved.loading import closed_by_failure, load
from vmstate.saved.opening import Input, held
from vmstate.saved.thin import thin
from vmstate.schema.vmdesc import Vmdesc
from vmstate.schema.write import describe_device
from vmstate.stream.configuration import Configuration
from vmstate.stream.events import Command, CommandType, ConfigurationSection
from vmstate.stream.registry import all_descriptions
from vmstate.stream.stream import Part, RamSummary, Section, Stream, read_stream
from vmstate.stream.verify import first_difference, vmdesc_entries
from vmstate.vmsd import types as t
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import Field, Secret, TraceEntry, VMStateDescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.state import facts_of

KEY_SIZE = 32
NAME = "the thin stream"

PCI_CONFIG = "pci config"
"""The info of a PCI configuration space, all of it registers, whatever describes it."""

EXTENDED = 0x100
"""Where the extended capabilities of a configuration space begin."""
SERIAL_NUMBER = 3
"""The id of the one that holds a serial number."""
SERIAL_SIZE = 8

_BLOCK_NAMES = re.compile(
    rb"/rom@[\x21-\x7e]+"
    rb"|(?:pc|microvm|isapc|mach-virt|virt|s390|ppc_spapr|pflash|system|vga|vmsvga|bochs-display|erst)"
    rb"[.\-](?:ram|bios|rom|vram|exchange|fifo|flash\d?)"
    rb"|[a-z0-9_\-]+\.rom|vram|vmclock_page|ram-node\d+|(?:mem)?(?:dimm|nvdimm)\d+|mem\d*"
)
"""Names of RAM blocks that QEMU and libvirt give: all others are somebody's own."""

Patch = tuple[int, bytes]
"""The offset of bytes that are replaced, and what is put there."""


@runtime_checkable
class Opened(Protocol):
    """An attribute of a state class that knows what is in a field of bytes of the state, as a configuration space is.

    `opens` is the path of the field; `trace` gives the places of the members in its bytes, from 0 on.
    """

    opens: str

    def trace(self, state: Any) -> Mapping[str, TraceEntry]: ...


class Reading(Data):
    """How a section is read: a description, the facts, the places in the payload, and the state."""

    vmsd: VMStateDescription
    facts: Mapping[str, Any]
    trace: Mapping[str, TraceEntry]
    state: Any


def scrub(source: Any, key: bytes | None = None) -> bytes:
    """The bytes of a stream without memory, in which nothing is left that is the user's or the guest's own.

    `source` is what `thin` takes; equal keys give equal replacements, without one every call has its own. Raises
    `VMStateError` where the stream cannot be read, and where a replacement would change how it reads.
    """
    with scrubbed(source, key) as opened:
        return bytes(opened.data)


def scrubbed(source: Any, key: bytes | None = None) -> Input:
    """The same opened, and not held in memory where it is large: a mapped-ram file has room for all pages."""
    with load(held(map(bytes, thin(source)), NAME)) as stream:
        assert isinstance(stream.input, Input)
        scrubber = _Scrubber(stream, stream.input.data, Replacer(key or secrets.token_bytes(KEY_SIZE)))
        result = held(patched(stream.input, scrubber.patches()), NAME)
        with closed_by_failure(result):
            scrubber.compare(result)
        return result


def patched(opened: Input, patches: Iterable[Patch]) -> Iterator[bytes]:
    """The bytes of an input with some replaced, piece by piece; of patches that overlap the later one counts."""
    of_piece: dict[int, list[Patch]] = {}
    for offset, replacement in patches:
        for number in range(offset // PIECE, -(-(offset + len(replacement)) // PIECE)):
            of_piece.setdefault(number, []).append((offset - number * PIECE, replacement))
    for number in range(-(-len(opened.data) // PIECE)):
        start, stop = number * PIECE, (number + 1) * PIECE
        piece = bytearray(opened.data[start:stop])
        for place, replacement in of_piece.get(number, ()):
            # It can begin in the piece before, and end in the next.
            part = replacement[max(0, -place) : PIECE - place]
            piece[max(0, place) : max(0, place) + len(part)] = part
        yield bytes(piece)
        opened.release(start, stop)


class Replacer:
    """What stands in place of a value: the same for the same value under the same key, and as long."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.macs: dict[bytes, bytes] = {}
        self.uuids: dict[bytes, bytes] = {}

    def _keyed_bytes(self, kind: bytes, value: bytes, size: int) -> bytes:
        seed = hmac.digest(self._key, kind + b"\0" + value, "sha256")
        return hashlib.shake_256(seed).digest(size)

    def contents(self, value: bytes) -> bytes:
        """Bytes of any kind; what is nothing but zeros stays, for it says that there is nothing."""
        return self._keyed_bytes(b"contents", value, len(value)) if any(value) else value

    def text(self, value: bytes) -> bytes:
        """Text, with zeros where it has them: letters."""
        return b"\0".join(
            bytes(0x61 + byte % 26 for byte in self._keyed_bytes(b"text", word, len(word)))
            for word in value.split(b"\0")
        )

    def mac(self, value: bytes) -> bytes:
        """A MAC address: it stays a group's or one station's; none and the broadcast address stay."""
        if value in (bytes(6), b"\xff" * 6):
            return value
        replaced = self.macs.get(value)
        if replaced is None:
            drawn = self._keyed_bytes(b"mac", value, 6)
            replaced = self.macs[value] = bytes(((drawn[0] & 0xFC) | 2 | (value[0] & 1), *drawn[1:]))
        return replaced

    def uuid(self, value: bytes) -> bytes:
        """A UUID of 16 bytes; its version and variant stay."""
        if not any(value):
            return value
        replaced = self.uuids.get(value)
        if replaced is None:
            drawn = bytearray(self._keyed_bytes(b"uuid", value, 16))
            drawn[6] = (value[6] & 0xF0) | (drawn[6] & 0x0F)
            drawn[8] = (value[8] & 0xC0) | (drawn[8] & 0x3F)
            replaced = self.uuids[value] = bytes(drawn)
        return replaced

    def block_name(self, name: bytes) -> bytes:
        """The name of a RAM block: what somebody chose for it, the last part, unless QEMU or libvirt gives it."""
        if _BLOCK_NAMES.fullmatch(name):
            return name
        above, slash, last = name.rpartition(b"/")
        return name if _BLOCK_NAMES.fullmatch(last) else above + slash + self.text(last)

    def field(self, field: Field, value: bytes, told: tuple[Secret, ...] | None = None) -> Iterator[Patch]:
        """(place in the value, replacement) of a field whose bytes on the wire are `value`."""
        kind = field.type
        if kind.info == PCI_CONFIG:
            for place in serial_numbers(value):
                yield place, self.contents(value[place : place + SERIAL_SIZE])
        if field.private is None and told is None and isinstance(kind, (t.CountedString, t.Chunks)):
            yield from self._behind_lengths(kind, value)
            return
        stated = field.private if field.private is not None else told
        for secret in private_by_type(field, len(value)) if stated is None else stated:
            size = kind.size if isinstance(kind, t.Scalar) else 1
            first = secret.first * size
            stop = len(value) if secret.count is None else first + secret.count * size
            part = value[first:stop]
            if isinstance(kind, t.Text) and secret.kind == "contents":
                yield first, self.text(part)
            else:
                yield first, self._by_kind(secret.kind, part, size)

    def _behind_lengths(self, kind: t.WireType, value: bytes) -> Iterator[Patch]:
        """Text or pieces of bytes, each behind its length; the lengths stay."""
        width = 1 if isinstance(kind, t.CountedString) else 4
        place = 0
        while place + width <= len(value):
            begin = place + width
            place = begin + int.from_bytes(value[place:begin], "big")
            replace = self.text if width == 1 else self.contents
            yield begin, replace(value[begin:place])

    def _by_kind(self, kind: str, value: bytes, size: int) -> bytes:
        match kind:
            case "mac":
                return _in_pieces(value, 6, self.mac, self.contents)
            case "mac-words" if len(value) == 6:
                return _bytes_swapped(self.mac(_bytes_swapped(value)))
            case "mac-registers":
                return _in_pieces(value, 8, self._mac_registers, self.contents)
            case "uuid" if len(value) == 16:
                return self.uuid(value)
        if size > 1:
            # Numbers, each for itself: equal ones stay equal, and those that are zero stay so.
            return _in_pieces(value, size, self.contents, self.contents)
        return self.contents(value)

    def _mac_registers(self, value: bytes) -> bytes:
        """Both registers, big-endian each as they are in the stream."""
        mac = value[3::-1] + value[:5:-1]
        replaced = self.mac(mac)
        return replaced[3::-1] + value[4:6] + replaced[:3:-1]

    def forms(self) -> Iterator[tuple[bytes, bytes]]:
        """(bytes, replacement) of every form in which the addresses and UUIDs that were met can stand elsewhere."""
        for old, new in self.macs.items():
            yield from zip(mac_forms(old), mac_forms(new), strict=True)
        for old, new in self.uuids.items():
            yield from zip(uuid_forms(old), uuid_forms(new), strict=True)


def mac_forms(mac: bytes) -> tuple[bytes, ...]:
    """The forms in which devices and guests hold an address.

    As it is, from behind, in 16-bit words; as the EUI-64 that an IPv6 address has; as igb, e1000e and vmxnet3 make a
    PCI serial number of it; as a card's two registers, the second without its flags or valid; and as text.
    """
    eui, e1000e = (mac[:3] + between + mac[3:] for between in (b"\xff\xfe", b"\xff\xff"))
    interface = bytes((eui[0] ^ 2,)) + eui[1:]
    swapped = b"".join(mac[place : place + 2][::-1] for place in (0, 2, 4))
    vmxnet3 = b"\xfe" + mac[3:] + mac[:3] + b"\xff"
    registers = (mac[3::-1] + flags + mac[:3:-1] for flags in (b"\0\0", b"\x80\0"))
    texts = (mac.hex(separator).encode() for separator in ":-")
    shown = [form for text in texts for form in (text, text.upper())]
    serials = [form for serial in (eui, e1000e, vmxnet3) for form in (serial, serial[::-1])]
    return mac, mac[::-1], swapped, interface, *serials, *registers, *shown


def uuid_forms(uuid: bytes) -> tuple[bytes, ...]:
    """As it is, with its first three numbers little-endian, and as text."""
    digits = uuid.hex()
    shown = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    mixed = uuid[3::-1] + uuid[5:3:-1] + uuid[7:5:-1] + uuid[8:]
    return uuid, mixed, shown.encode(), shown.upper().encode(), digits.encode()


class _Scrubber:
    """One run over a thin stream, whose bytes are `data`."""

    def __init__(self, stream: Stream, data: memoryview, replacer: Replacer) -> None:
        self.stream = stream
        self.data = data
        self.replacer = replacer
        self.layouts: list[tuple[Section, Reading]] = []
        self.numbers: dict[tuple[str, str], int] = {}
        """Which entry of the vmdesc is of a section, by name and instance_id as text."""

    def patches(self) -> Iterator[Patch]:
        """What replaces all that is private; of two that overlap the later one counts."""
        vmdesc = self.stream.vmdesc
        text = self.stream.vmdesc_text
        entries: Sequence[Any] = () if text is None else vmdesc_entries(text)
        for number, pairs in enumerate(entries):
            keys = dict(pairs)
            self.numbers.setdefault((str(keys.get("name")), str(keys.get("instance_id"))), number)
        for part in self.stream.parts:
            yield from self._patches_of_part(part, vmdesc, entries)
        # All addresses are known only now.
        forms = list(self.replacer.forms())
        for part in self.stream.parts:
            if isinstance(part, Section) and not part.is_ram:
                yield from _occurrences(
                    self._bytes(part.payload_offset, part.footer.offset), part.payload_offset, forms
                )

    def _bytes(self, start: int, stop: int) -> bytes:
        return bytes(self.data[start:stop])

    def compare(self, scrubbed: Input) -> None:
        """Refuse what does not read as the stream it was made from."""
        for part, replaced in zip_longest(self.stream.parts, read_stream(scrubbed).parts):
            if type(part) is not type(replaced) or part.offset != replaced.offset:
                raise _reads_otherwise(None)
            if isinstance(part, Section) and isinstance(replaced, Section) and _frame_of(part) != _frame_of(replaced):
                raise _reads_otherwise(part.name)
        for section, layout in self.layouts:
            payload = bytes(scrubbed.data[section.payload_offset : section.footer.offset])
            try:
                trace = layout.vmsd.trace(payload, version_id=section.version_id, facts=layout.facts)
            except VMStateError:
                raise _reads_otherwise(section.name) from None
            if _places_of(trace) != _places_of(layout.trace):
                raise _reads_otherwise(section.name)

    def _patches_of_part(self, part: Part, vmdesc: Vmdesc | None, entries: Sequence[Any]) -> Iterator[Patch]:
        if isinstance(part, ConfigurationSection):
            vmsd: VMStateDescription = Configuration.vmsd  # type: ignore[attr-defined]
            start = part.offset + 1
            configuration = self._bytes(start, part.offset + part.size)
            yield from self._patches_of_fields(configuration, vmsd.trace(configuration), start)
        elif isinstance(part, Command):
            yield from self._patches_of_command(part)
        elif isinstance(part, Section):
            if isinstance(part.state, RamSummary):
                for block in part.state.blocks:
                    name = block.idstr.encode("utf-8", "surrogateescape")
                    yield block.offset + 1, self.replacer.block_name(name)
            else:
                yield from self._patches_of_section(part, vmdesc, entries)

    def _patches_of_command(self, command: Command) -> Iterator[Patch]:
        """The name of a RAM block, which two of the commands hold behind its length."""
        before = {CommandType.POSTCOPY_RAM_DISCARD: 1, CommandType.RECV_BITMAP: 0}.get(CommandType(command.command))
        if before is None or len(command.data) <= before:
            return
        name = command.data[before + 1 : before + 1 + command.data[before]]
        yield command.offset + 5 + before + 1, self.replacer.block_name(name)

    def _patches_of_section(self, section: Section, vmdesc: Vmdesc | None, entries: Sequence[Any]) -> Iterator[Patch]:
        start = section.payload_offset
        payload = self._bytes(start, section.footer.offset)
        layout = self._reading_of_section(section, payload, vmdesc, entries)
        if layout is None:
            yield start, self.replacer.contents(payload)
            return
        self.layouts.append((section, layout))
        try:
            yield from self._patches_of_fields(payload, layout.trace, start, _of_library(section))
            yield from self._patches_inside(payload, layout, start)
        except VMStateError as error:
            raise error.within(section=section.name) from None

    def _reading_of_section(
        self, section: Section, payload: bytes, vmdesc: Vmdesc | None, entries: Sequence[Any]
    ) -> Reading | None:
        """How the section is read: by the library where that agrees with the vmdesc, since it knows what is private."""
        version = section.version_id
        if section.vmsd is None:
            return None
        facts = {**facts_of(section.state), IDSTR.name: section.name}
        if section.described_by == "vmdesc" and vmdesc is not None:
            number = self.numbers.get((section.name, str(section.instance_id)))
            entry = None if number is None else entries[number]
            for vmsd in all_descriptions(section.name):
                layout = _reading_of(vmsd, payload, version, {IDSTR.name: section.name})
                if layout is None:
                    continue
                built = describe_device(section.name, section.instance_id, vmsd, layout.state, vmdesc.dialect, version)
                if first_difference(built, entry) is None:
                    return layout
        trace = section.vmsd.trace(payload, version_id=version, facts=facts)
        return Reading(section.vmsd, facts, trace, section.state)

    def _patches_of_fields(
        self,
        payload: bytes,
        trace: Mapping[str, TraceEntry],
        start: int,
        library: Mapping[str, tuple[Secret, ...]] | None = None,
    ) -> Iterator[Patch]:
        """The patches of the fields of a trace; `library` has, by wire name, what another layout says of them."""
        for entry in trace.values():
            field = entry.field
            if field is None or entry.size == 0:
                continue
            value = payload[entry.offset : entry.offset + entry.size]
            told = None if library is None or field.private is not None else library.get(field.name)
            for place, replacement in self.replacer.field(field, value, told):
                yield start + entry.offset + place, replacement

    def _patches_inside(self, payload: bytes, layout: Reading, start: int) -> Iterator[Patch]:
        """What the class of a state knows of the inside of a field of bytes: instead of all of it, only some."""
        for attribute in vars(type(layout.state)).values():
            if not isinstance(attribute, Opened):
                continue
            entry = layout.trace.get(attribute.opens)
            if entry is None:
                continue
            try:
                members = attribute.trace(layout.state)
            except VMStateError:
                # It is not what it should be, and so stays replaced as a whole.
                continue
            end = max((member.offset + member.size for member in members.values()), default=0)
            value = payload[entry.offset : entry.offset + entry.size]
            # The members are registers, but for what they say of themselves; what is behind them stays replaced.
            yield start + entry.offset, value[:end]
            yield from self._patches_of_fields(value, members, start + entry.offset)


def serial_numbers(config: bytes) -> Iterator[int]:
    """Where the serial numbers of a PCI configuration space stand, 8 bytes each; many are made of a MAC address.

    They are what follows the header of an extended capability with the id 3 (PCI Express Base Specification, Device
    Serial Number); the first such capability is at 0x100, and each says where the next is.
    """
    place, seen = EXTENDED, set[int]()
    while EXTENDED <= place <= len(config) - 4 - SERIAL_SIZE and place not in seen:
        seen.add(place)
        header = int.from_bytes(config[place : place + 4], "little")
        if header & 0xFFFF == SERIAL_NUMBER:
            yield place + 4
        place = header >> 20 & 0xFFC


def private_by_type(field: Field, size: int) -> tuple[Secret, ...]:
    """What of a field is private that says nothing of it, and whose value is `size` bytes: bytes in any form."""
    kind = field.type
    is_bytes = isinstance(kind, (t.Buffer, t.CountedString, t.Chunks)) and kind.info != PCI_CONFIG
    is_bytes |= isinstance(kind, t.Scalar) and field.count is not None and kind.size == 1 and kind.code != "?"
    if not is_bytes:
        return ()
    return (Secret("mac" if size == 6 else "contents"),)


def _of_library(section: Section) -> Mapping[str, tuple[Secret, ...]]:
    """What the library says of fields by their wire names, for a section that none of its layouts is exactly."""
    if section.described_by != "vmdesc":
        return {}
    return {
        field.name: field.private
        for layout in all_descriptions(section.name)
        for vmsd in layout.walk()
        for field in vmsd.fields
        if field.private is not None
    }


def _reading_of(vmsd: VMStateDescription, payload: bytes, version: int, facts: dict[str, Any]) -> Reading | None:
    try:
        state = vmsd.decode(payload, version_id=version, facts=facts)
        known = {**facts_of(state), **facts}
        return Reading(vmsd, known, vmsd.trace(payload, version_id=version, facts=known), state)
    except VMStateError:
        return None


def _in_pieces(
    value: bytes, size: int, replace: Callable[[bytes], bytes], replace_rest: Callable[[bytes], bytes]
) -> bytes:
    whole = len(value) // size * size
    pieces = [replace(value[place : place + size]) for place in range(0, whole, size)]
    return b"".join(pieces) + replace_rest(value[whole:])


def _bytes_swapped(words: bytes) -> bytes:
    """The two bytes of each word in the other order."""
    return b"".join(words[place : place + 2][::-1] for place in range(0, len(words), 2))


def _occurrences(payload: bytes, start: int, forms: list[tuple[bytes, bytes]]) -> Iterator[Patch]:
    for old, new in forms:
        place = payload.find(old)
        while place >= 0:
            yield start + place, new
            place = payload.find(old, place + 1)


def _frame_of(section: Section) -> tuple[Any, ...]:
    return section.header, section.footer, section.described_by


def _places_of(trace: Mapping[str, TraceEntry]) -> list[tuple[str, int, int]]:
    return [(path, entry.offset, entry.size) for path, entry in trace.items()]


def _reads_otherwise(section: str | None) -> StreamError:
    message = "with its contents replaced the stream would read otherwise, and so is not written: try once more"
    return StreamError(message, section=section, expected="a description that says which of its bytes are registers")
