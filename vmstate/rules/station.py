"""The station address (MAC) of a network card, which its sections keep in several forms.

A card has it in registers, in an EEPROM with a sum over it, and in the serial number of its PCI configuration space,
which QEMU compares when it loads. Which copies a device has stands with its models (`vmstate.vmsd.model.Station`);
here they are read, and changed together. Of a card that no model is of, a field of six bytes that is named for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from vmstate.errors import EncodeError, VMStateError
from vmstate.query.ask import AskedSection, LibrarySection
from vmstate.query.cmdline import models_of
from vmstate.query.find import MAC
from vmstate.query.pci import is_config
from vmstate.saved.scrub import SERIAL_SIZE, mac_forms, serial_numbers
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.model import Place, Station

SIZE = 6

_NAMES = ("mac", "macaddr", "mac_addr", "permanent_mac")
"""What the last part of the name of a field is that holds an address, of cards that nothing more is known of."""

_OF_BOARDS = {
    "cadence_gem": Place("regs", "registers", 0x88),
    "imx.fec": Place("regs", first=0xE4),
    "lan9118": Place("eeprom", first=1),
    "xgmac": Place("regs", "reversed", 0x42),
}
"""Where cards that are part of a board keep theirs, by their sections (hw/net/cadence_gem.c and so on)."""

_VMXNET3_SERIAL = (0xFE, 0xFF)
"""The first and the last byte of the serial number that vmxnet3 makes of its address."""


def is_address(text: str) -> bool:
    """Whether a text is an address."""
    return MAC.fullmatch(text.lower()) is not None


def address_from_text(text: str) -> bytes:
    """The six bytes of an address. Raises `EncodeError` for what is none."""
    if not is_address(text):
        raise EncodeError("the value cannot be read", expected="a value such as 52:54:00:12:34:56", found=repr(text))
    return bytes.fromhex(re.sub("[:-]", "", text))


def holds_an_address(section: Section) -> bool:
    """Whether a section is that of a network card of which it is known where its address is kept."""
    return section.vmsd is not None and _station_of(section) is not None


def addresses(stream: Stream) -> dict[int, str]:
    """The addresses of all cards: number of the section in the stream -> text."""
    known = ((number, address_of(stream, section)) for number, section in enumerate(stream.sections))
    return {number: address for number, address in known if address is not None}


def address_of(stream: Stream, section: Section) -> str | None:
    """The address of the card that a section is of, as text; None where the section is of none, or does not tell."""
    if section.vmsd is None or section.is_ram:
        return None
    kept = _Kept(stream, section)
    return kept.address.hex(":") if any(kept.address) else None


def with_address(stream: Stream, section: Section, address: bytes) -> dict[int, bytes]:
    """The bytes of the sections of a card with another address: number of the section in the stream -> payload.

    Raises `EncodeError` where the stream does not hold the address of the card.
    """
    kept = _Kept(stream, section)
    if not any(kept.address):
        raise EncodeError("the stream does not hold the MAC address of this device", section=section.name)
    kept.put(address)
    numbers = {id(each): number for number, each in enumerate(stream.sections)}
    return {numbers[key]: bytes(payload) for key, payload in kept.payloads.items()}


def _station_of(section: Section) -> Station | None:
    """Where the device library says that an address is kept; for other cards what the layout of the section names."""
    stations = [model.station for model in models_of(section.name) if model.station is not None]
    if stations:
        return stations[0]
    if section.name in _OF_BOARDS:
        return Station((_OF_BOARDS[section.name],))
    with suppress(VMStateError):
        for path, entry in section.trace().items():
            # "virtio.net.mac", "conf.macaddr": the last part of a path, or of a wire name.
            if entry.size == SIZE and path.rpartition(".")[2].strip('"') in _NAMES:
                return Station((Place(path),))
    return None


class _Kept:
    """The copies of a card's address in the bytes of its sections."""

    def __init__(self, stream: Stream, section: Section) -> None:
        self.payloads: dict[int, bytearray] = {}
        self.address = bytes(SIZE)
        self._copies: list[tuple[bytearray, int, str]] = []
        self._serials: list[tuple[bytearray, int]] = []
        self._sums: list[tuple[bytearray, int, int, str]] = []
        self._station = _station_of(section)
        if self._station is None:
            return
        self._stream = stream
        self._section = section
        self._places: dict[int, LibrarySection | AskedSection] = {}
        for place in self._station.places:
            where = self._where(place.path, place.beside)
            if where is not None and where[2] >= place.first + _WIDTHS[place.form]:
                self._copies.append((where[0], where[1] + place.first, place.form))
        for path in self._station.sums:
            beside, _, inside = path[1:].partition(".") if path.startswith("/") else ("", "", path)
            where = self._where(inside, beside)
            if where is not None:
                self._sums.append((*where, path))
        self._serials = list(self._serial_numbers())
        if self._copies:
            self.address = _read(*self._copies[0])
        elif self._serials:
            self.address = _of_serial(self._serials[0])

    def _asked(self, section: Section) -> LibrarySection | AskedSection:
        """A section in the layout that the paths are of."""
        if id(section) not in self._places:
            asked = LibrarySection(section)
            try:
                asked.trace  # noqa: B018 (a layout that fits is looked for when it is first asked for)
                self._places[id(section)] = asked
            except VMStateError:
                self._places[id(section)] = AskedSection(section)
        return self._places[id(section)]

    def _where(self, path: str, beside: str) -> tuple[bytearray, int, int] | None:
        """The bytes of a section, and where in them a field stands, with its size."""
        section = self._section
        if beside:
            place = section.name.rpartition("/")[0]
            near = (
                each for each in self._stream.sections if each.name == f"{place}/{beside}" and each.vmsd is not None
            )
            neighbour = next(near, None)
            if neighbour is None:
                return None
            section = neighbour
        for asked in (self._asked(section), AskedSection(section)):
            with suppress(VMStateError):
                entry = asked.trace.get(path)
                if entry is not None:
                    return self._bytes_of(section), entry.offset - section.payload_offset, entry.size
        return None

    def _bytes_of(self, section: Section) -> bytearray:
        if id(section) not in self.payloads:
            self.payloads[id(section)] = bytearray(section.payload())
        return self.payloads[id(section)]

    def _serial_numbers(self) -> Iterator[tuple[bytearray, int]]:
        section = self._section
        for entry in self._asked(section).trace.values():
            if is_config(entry.field):
                payload, start = self._bytes_of(section), entry.offset - section.payload_offset
                for at in serial_numbers(bytes(payload[start : start + entry.size])):
                    if at + SERIAL_SIZE <= entry.size:
                        yield payload, start + at
                return

    def put(self, address: bytes) -> None:
        """Give the card another address, in every copy of the one that it has, and make the sums right again."""
        old = self.address
        assert self._station is not None
        sums = [
            (payload, at, size, self._station.sums[path])
            for payload, at, size, path in self._sums
            if self._station.sums[path](bytes(payload[at : at + size])) == payload[at : at + size]
        ]
        for copy in self._copies:
            if _read(*copy) == old:
                _write(*copy, address)
        for payload, at in self._serials:
            for form, new in zip(mac_forms(old), mac_forms(address), strict=True):
                if len(form) == SERIAL_SIZE and payload[at : at + SERIAL_SIZE] == form:
                    payload[at : at + SERIAL_SIZE] = new
                    break
        for payload, at, size, right in sums:
            payload[at : at + size] = right(bytes(payload[at : at + size]))


_WIDTHS = {"bytes": 6, "reversed": 6, "words": 6, "registers": 8, "doubled": 12}
"""Bytes that an address takes in each form."""


def _read(payload: bytearray, at: int, form: str) -> bytes:
    raw = payload[at : at + _WIDTHS[form]]
    match form:
        case "reversed":
            return bytes(raw[::-1])
        case "words":
            return bytes(raw[place ^ 1] for place in range(SIZE))
        case "registers":
            return bytes(raw[3::-1] + raw[:5:-1])
        case "doubled":
            return bytes(raw[::2])
    return bytes(raw)


def _write(payload: bytearray, at: int, form: str, address: bytes) -> None:
    match form:
        case "reversed":
            address = address[::-1]
        case "words":
            address = bytes(address[place ^ 1] for place in range(SIZE))
        case "registers":
            address = address[3::-1] + payload[at + 4 : at + 6] + address[:3:-1]
        case "doubled":
            address = bytes(byte for byte in address for _ in range(2))
    payload[at : at + len(address)] = address


def _of_serial(place: tuple[bytearray, int]) -> bytes:
    """The address in a serial number of vmxnet3, the only card whose address is nowhere else; none of another form."""
    payload, at = place
    serial = bytes(payload[at : at + SERIAL_SIZE])
    fits = (serial[0], serial[-1]) == _VMXNET3_SERIAL
    return serial[4:7] + serial[1:4] if fits else bytes(SIZE)
