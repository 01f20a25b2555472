"""The reader and the writer of streams: however the bytes are cut, the events are the same, and give the bytes back."""

from __future__ import annotations

import re
import struct
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import (
    BARE,
    MAPPED_RAM,
    MICROVM,
    NO_ANYTHING,
    NO_CONFIGURATION,
    NO_FOOTER,
    NO_VMDESC,
    NONE,
    POSTCOPY,
    S390X,
    STREAMS,
    TWO_SLIRPS,
    plain,
    vmdesc_of,
)

from vmstate import DONE, NEED_DATA, StreamError, StreamReader, StreamWriter, TruncatedError, load
from vmstate.events import Configuration
from vmstate.schema import Vmdesc
from vmstate.stream.events import (
    Command,
    ConfigurationSection,
    DeviceState,
    EndOfStream,
    Event,
    Header,
    SectionFooter,
    SectionHeader,
    Trailing,
    Vmdescription,
)
from vmstate.stream.ram_records import RamEnd, RamHook, RamPages, RamSize

SMALL = [
    MICROVM,
    BARE,
    NONE,
    S390X,
    NO_FOOTER,
    NO_CONFIGURATION,
    NO_VMDESC,
    NO_ANYTHING,
    "recorded/qemu-11.1-none.mig.xz",
]
LARGE = [POSTCOPY, MAPPED_RAM, "recorded/qemu-7.2-pc-xbzrle.mig.xz", "recorded/qemu-7.2-pc-compress.mig.xz"]
WITHOUT_VMDESC = {NO_VMDESC, NO_ANYTHING, POSTCOPY}


def read(pieces: Iterable[bytes], **how: Any) -> list[Event]:
    """The events of a stream that comes in pieces, each told as soon as it can be."""
    reader = StreamReader(**how)
    events: list[Event] = []
    for piece in [*pieces, b""]:
        reader.receive_data(piece)
        while (event := reader.next_event()) is not NEED_DATA and event is not DONE:
            events.append(event)  # type: ignore[arg-type]
    assert reader.next_event() is DONE
    return events


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Pieces of some bytes, none of them empty."""
    bounds = sorted({0, *(place % (len(data) + 1) for place in places), len(data)})
    return [data[start:stop] for start, stop in pairwise(bounds)]


def given_vmdesc(file: str, *, told: bool) -> Vmdesc | None:
    return vmdesc_of(file) if told and file not in WITHOUT_VMDESC else None


WAYS = [
    pytest.param(library, told, id=f"{'library' if library else 'alone'}-{'told' if told else 'untold'}")
    for library in (True, False)
    for told in (True, False)
]


def can_be_read(file: str, *, library: bool) -> bool:
    """QEMU 7.2 describes s390_css wrongly: without the library it cannot be read."""
    return library or file != S390X


# However it is cut


@pytest.mark.parametrize(("library", "told"), WAYS)
@pytest.mark.parametrize("file", SMALL)
def test_one_byte_at_a_time(file: str, library: bool, told: bool) -> None:
    if not can_be_read(file, library=library):
        pytest.skip("its vmdesc is wrong")
    data, vmdesc = plain(file), given_vmdesc(file, told=told)
    whole = read([data], vmdesc=vmdesc, library=library)
    assert read((data[at : at + 1] for at in range(len(data))), vmdesc=vmdesc, library=library) == whole
    assert b"".join(event_bytes(event) for event in whole) == data


def event_bytes(event: Event) -> bytes:
    return event.to_bytes() if hasattr(event, "to_bytes") else bytes(event.raw)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_pieces(data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(SMALL))
    library = data.draw(st.booleans()) or file == S390X
    vmdesc = given_vmdesc(file, told=data.draw(st.booleans()))
    stream = plain(file)
    pieces = cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=40)))
    assert read(pieces, vmdesc=vmdesc, library=library) == read([stream], vmdesc=vmdesc, library=library)


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize("size", [4093, 300_007])
@pytest.mark.parametrize("file", LARGE)
def test_pieces_of_large_streams(file: str, size: int, library: bool) -> None:
    data = plain(file)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert read(pieces, library=library) == read([data], library=library)


@pytest.mark.parametrize("file", SMALL)
def test_the_stream_is_the_events(file: str) -> None:
    """`load` reads the same as a reader that is told the stream's own vmdesc."""
    told = read([plain(file)], vmdesc=given_vmdesc(file, told=True))
    states = [event for event in told if isinstance(event, DeviceState)]
    sections = [section for section in load(plain(file)).sections if not section.is_ram]
    assert [(event.state, event.described_by, event.offset) for event in states] == [
        (section.state, section.described_by, section.payload_offset) for section in sections
    ]


def test_offsets_are_where_the_bytes_stand() -> None:
    at = 0
    for event in read([plain(MICROVM)]):
        assert event.offset == at
        at += len(event_bytes(event))
    assert at == len(plain(MICROVM))


def test_any_bytes_like_object_is_taken() -> None:
    data = plain(NONE)
    whole = read([data])
    assert read([bytearray(data[:100]), memoryview(data)[100:]]) == whole  # type: ignore[list-item]


# NEED_DATA and DONE


def test_need_data_and_done() -> None:
    reader = StreamReader()
    assert reader.next_event() is NEED_DATA
    assert reader.offset == 0
    reader.receive_data(plain(NONE))
    events = []
    while (event := reader.next_event()) is not NEED_DATA:
        events.append(event)
    # Trailing bytes could still come.
    assert isinstance(events[-1], Vmdescription)
    assert reader.next_event() is NEED_DATA
    reader.receive_data(b"")
    assert reader.next_event() is DONE
    assert reader.next_event() is DONE
    assert reader.offset == len(plain(NONE))
    assert (repr(NEED_DATA), repr(DONE)) == ("NEED_DATA", "DONE")


def test_the_end_of_the_data_is_the_end() -> None:
    reader = StreamReader()
    reader.receive_data(plain(NONE))
    reader.receive_data(b"")
    reader.receive_data(b"")
    with pytest.raises(StreamError, match="data came after the end of the data"):
        reader.receive_data(b"\0")
    assert len(list(reader.events())) > 10
    assert reader.next_event() is DONE


def test_events_stops_where_data_is_missing() -> None:
    reader = StreamReader()
    reader.receive_data(plain(NONE)[:8])
    assert [type(event) for event in reader.events()] == [Header]
    reader.receive_data(plain(NONE)[8:])
    assert isinstance(next(reader.events()), ConfigurationSection)


def test_an_error_stays() -> None:
    reader = StreamReader()
    reader.receive_data(plain(NONE)[:8] + b"\x55")
    assert isinstance(reader.next_event(), Header)
    for _ in range(3):
        with pytest.raises(StreamError, match="no part of a stream begins so at offset 0x8"):
            reader.next_event()


def test_sections_are_told_as_they_come() -> None:
    """With the vmdesc known, or a library, a section is told with the byte behind its footer, and not later."""
    data, vmdesc = plain(BARE), vmdesc_of(BARE)
    reader = StreamReader(vmdesc=vmdesc, library=False)
    for section in load(data, library=False).sections:
        if section.is_ram:
            continue
        reader.receive_data(data[reader._base + len(reader._buffer) : section.offset + section.size])
        told = list(reader.events())
        assert isinstance(told[-1], SectionFooter), section
        assert told[-1].section_id == section.section_id


def test_nothing_is_told_late() -> None:
    """Every footer is told with its last byte, every header with its own."""
    data = plain(BARE)
    reader = StreamReader(vmdesc=vmdesc_of(BARE), library=False)
    for at in range(len(data)):
        reader.receive_data(data[at : at + 1])
        for event in reader.events():
            if isinstance(event, (SectionFooter, SectionHeader)):
                assert event.offset + len(event.to_bytes()) == at + 1


def test_without_a_description_the_reader_waits_for_the_vmdesc() -> None:
    data = plain(BARE)
    reader = StreamReader(library=False)
    reader.receive_data(data)
    told = list(reader.events())
    assert not any(isinstance(event, DeviceState) for event in told)
    assert isinstance(told[-1], SectionHeader)
    reader.receive_data(b"")
    assert {event.described_by for event in reader.events() if isinstance(event, DeviceState)} == {"vmdesc"}


# Other shapes of the stream


def test_two_sections_of_one_name_match_by_order() -> None:
    """Two `slirp` have the same idstr and instance_id, and different contents."""
    data, vmdesc = plain(TWO_SLIRPS), vmdesc_of(TWO_SLIRPS)
    entries = [device for device in vmdesc.devices if device.name == "slirp"]
    assert len(entries) == 2
    assert entries[0].instance_id == entries[1].instance_id == 0
    for how in ({"vmdesc": vmdesc, "library": False}, {"library": False}, {"vmdesc": vmdesc}):
        stream = load(data, **how)  # type: ignore[arg-type]
        sections = [section for section in stream.sections if section.name == "slirp"]
        for section, device in zip(sections, entries, strict=True):
            if section.described_by == "vmdesc":
                assert section.vmsd is device.vmsd
            else:
                assert device.size in (None, len(section.payload()))
        assert stream.to_bytes() == data


def same_name_twice(first: bytes, second: bytes) -> bytes:
    """A stream with two sections of one name, whose entries in the vmdesc differ."""
    fields = ['{"name": "a", "type": "uint8", "size": 1}', '{"name": "b", "type": "uint16", "size": 2}']
    device = '{"name": "twin", "instance_id": 0, "vmsd_name": "twin", "version": 1, "fields": [%s]}'
    text = ('{"page_size": 4096, "devices": [%s]}' % ", ".join(device % field for field in fields)).encode()  # noqa: UP031
    sections = b"".join(
        struct.pack(">BIB4sII", 4, number, 4, b"twin", 0, 1) + body + struct.pack(">BI", 0x7E, number)
        for number, body in enumerate((first, second))
    )
    return b"QEVM\0\0\0\3" + sections + b"\0" + struct.pack(">BI", 6, len(text)) + text


def test_twins_with_different_layouts() -> None:
    states = [section.state for section in load(same_name_twice(b"\1", b"\2\3")).sections]
    assert states == [{"a": 1}, {"b": 0x203}]
    with pytest.raises(StreamError):
        load(same_name_twice(b"\2\3", b"\1"))


def test_a_stream_without_footers() -> None:
    stream = load(plain(NO_FOOTER))
    assert {section.footer.section_id for section in stream.sections} == {None}
    assert "none" not in {section.described_by for section in stream.sections}
    assert stream.to_bytes() == plain(NO_FOOTER)


def test_a_stream_without_configuration() -> None:
    stream = load(plain(NO_CONFIGURATION))
    assert stream.configuration is None
    assert stream.to_bytes() == plain(NO_CONFIGURATION)


@pytest.mark.parametrize("file", [NO_VMDESC, POSTCOPY])
def test_a_stream_without_vmdesc(file: str) -> None:
    """Nothing describes a section: it is kept as it is, up to the footer, and the rest of the stream goes on."""
    stream = load(plain(file), library=False)
    assert stream.vmdesc is None
    assert {section.described_by for section in stream.sections if not section.is_ram} == {"none"}
    assert stream.to_bytes() == plain(file)
    names = [section.name for section in load(plain(file)).sections]
    assert [section.name for section in stream.sections] == names


def test_a_stream_without_anything() -> None:
    """No footers either: another section must be recognised by its header."""
    stream = load(plain(NO_ANYTHING), library=False)
    assert (stream.configuration, stream.vmdesc) == (None, None)
    assert [section.name for section in stream.sections] == [
        section.name for section in load(plain(NO_ANYTHING)).sections
    ]
    assert stream.to_bytes() == plain(NO_ANYTHING)


def test_packaged_sections_are_parts_of_the_stream() -> None:
    stream = load(plain(POSTCOPY), library=False)
    commands = [part.name for part in stream.parts if isinstance(part, Command)]
    assert {"POSTCOPY_ADVISE", "PACKAGED", "POSTCOPY_LISTEN", "POSTCOPY_RUN"} <= set(commands)


@pytest.mark.parametrize("trailing", [b"\0", b"\x06", bytes(511), b"QEVM", bytes(range(256))])
@pytest.mark.parametrize("file", [BARE, NO_VMDESC, NO_FOOTER])
def test_trailing_bytes_are_kept(file: str, trailing: bytes) -> None:
    data = plain(file) + trailing
    if file == NO_VMDESC and trailing == b"\x06":
        with pytest.raises(TruncatedError, match="the stream ends inside the vmdesc"):
            load(data)
        return
    stream = load(data)
    last = stream.parts[-1]
    assert isinstance(last, Trailing)
    assert last.to_bytes() == trailing
    assert stream.to_bytes() == data
    assert [section.state for section in stream.sections if not section.is_ram] == [
        section.state for section in load(plain(file)).sections if not section.is_ram
    ]


def test_the_vmdesc_of_something_else_is_not_taken() -> None:
    """A stream without one, and behind it, or in the memory of its guest, another stream that has one."""
    data = plain(NO_VMDESC) + plain(BARE)
    stream = load(data)
    assert stream.vmdesc is None
    assert [section.described_by for section in stream.sections] == [
        section.described_by for section in load(plain(NO_VMDESC)).sections
    ]
    assert stream.to_bytes() == data


# RAM is not kept

PAGE = 4096
MIB = 1 << 20


def ram_pages(megabytes: int) -> Iterator[bytes]:
    """A stream with so much RAM in it, in pieces of a page and a bit."""
    total = megabytes * MIB
    yield b"QEVM\0\0\0\3" + struct.pack(">BIB3sII", 1, 2, 3, b"ram", 0, 4)
    yield struct.pack(">Q", total | 4) + b"\6pc.ram" + struct.pack(">QQ", total, 16) + struct.pack(">BI", 0x7E, 2)
    yield struct.pack(">BI", 2, 2) + struct.pack(">Q", 8) + b"\6pc.ram" + bytes(PAGE)
    body = bytes(range(256)) * (PAGE // 256)
    for address in range(PAGE, total, PAGE):
        yield struct.pack(">Q", address | 0x28) + body
    yield struct.pack(">QBI", 16, 0x7E, 2)
    yield struct.pack(">BIQBI", 3, 2, 16, 0x7E, 2) + b"\0"


@pytest.mark.slow
def test_ram_is_not_kept() -> None:
    reader = StreamReader()
    pages = 0
    tracemalloc.start()
    try:
        for piece in ram_pages(64):
            reader.receive_data(piece)
            for event in reader.events():
                pages += event.count if isinstance(event, RamPages) else 0
        reader.receive_data(b"")
        assert [type(event) for event in reader.events()] == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pages == 64 * MIB // PAGE
    assert peak < 4 * MIB


def test_ram_in_any_pieces() -> None:
    data = b"".join(ram_pages(1))
    whole = read([data])
    assert read([data[at : at + 1000] for at in range(0, len(data), 1000)]) == whole
    assert read([data[at : at + 1] for at in range(0, 3 * PAGE)] + [data[3 * PAGE :]]) == whole
    assert sum(event.count for event in whole if isinstance(event, RamPages)) == 256


# The writer


@pytest.mark.parametrize("file", [*SMALL, *LARGE])
def test_what_is_read_is_written(file: str) -> None:
    writer = StreamWriter()
    assert b"".join(writer.send(event) for event in read([plain(file)])) == plain(file)


@pytest.mark.parametrize("file", [file for file in STREAMS[::7] if "dirty" not in file])
def test_recorded_streams_go_through_the_writer(file: str) -> None:
    writer = StreamWriter()
    assert b"".join(writer.send(event) for event in read([plain(file)])) == plain(file)


PIECES: dict[str, Event] = {
    "H": Header(3),
    "C": ConfigurationSection(Configuration(len=1, name="x"), 8, 6),
    "S": SectionHeader("start", 7, "dev", 0, 1, 0),
    "P": SectionHeader("part", 7, "dev", 0, 1, 0),
    "D": DeviceState(b"abc", None, "none", 1, 0, 3),
    "R": RamSize(0, memoryview(struct.pack(">Q", 4)), 0),
    "K": RamHook(0, memoryview(struct.pack(">Q", 0x80))),
    "E": RamEnd(0, memoryview(struct.pack(">Q", 16))),
    "F": SectionFooter(7, 0),
    "N": SectionFooter(None, 0),
    "M": Command(1, b"", 0),
    "Z": EndOfStream(0),
    "V": Vmdescription(b"{}"),
    "T": Trailing(b"rest"),
}
SECTION = r"[SP](D|[RK]*E)[FN]"
PREFIX = re.compile(rf"H(C?((M|{SECTION})*)([SP]?|[SP]D|[SP][RK]*E?)|C?(M|{SECTION})*ZV?T?)|")


@pytest.mark.slow
@settings(max_examples=400)
@given(st.one_of(st.text("HCSPDRKEFNMZVT", max_size=4), st.from_regex(PREFIX, fullmatch=True), st.text("HCSPDEFNMZVT")))
def test_the_writer_takes_only_what_a_reader_would(order: str) -> None:
    writer = StreamWriter()
    sent = ""
    for letter in order:
        begun = "S" in sent
        legal = PREFIX.fullmatch(sent + letter) is not None and (letter != "P" or begun)
        if not legal:
            with pytest.raises(StreamError) as caught:
                writer.send(PIECES[letter])
            assert "\n" not in str(caught.value)
            # Nothing has happened: the stream can go on as before.
            continue
        assert writer.send(PIECES[letter]) == event_bytes(PIECES[letter])
        sent += letter


def test_the_writer_refuses_a_part_that_was_not_started() -> None:
    writer = StreamWriter()
    writer.send(PIECES["H"])
    for kind in ("part", "end"):
        with pytest.raises(StreamError, match=f"a section {kind} that was not started"):
            writer.send(SectionHeader(kind, 3, "ram", 0, 4, 0))


def test_the_writer_refuses_the_footer_of_another_section() -> None:
    writer = StreamWriter()
    for letter in "HSD":
        writer.send(PIECES[letter])
    with pytest.raises(StreamError, match="a footer of another section"):
        writer.send(SectionFooter(8, 0))


@pytest.mark.parametrize(
    "event",
    [
        SectionHeader("full", 1, "x" * 256, 0, 1, 0),
        SectionHeader("full", 1, "\udcff", 0, 1, 0),
        SectionHeader("full", 1 << 32, "x", 0, 1, 0),
        SectionHeader("full", 1, "x", -1, 1, 0),
        SectionHeader("full", 1, "x", 0, 1 << 32, 0),
        SectionHeader("whole", 1, "x", 0, 1, 0),
        Command(1 << 16, b"", 0),
        Command(1, bytes(1 << 16), 0),
    ],
    ids=["long name", "name no UTF-8", "section_id", "instance_id", "version_id", "kind", "command", "long data"],
)
def test_the_writer_refuses_what_does_not_fit(event: Event) -> None:
    writer = StreamWriter()
    writer.send(PIECES["H"])
    with pytest.raises(StreamError):
        writer.send(event)
    assert writer.send(PIECES["Z"]) == b"\0"


def test_an_offset_is_in_one_section_or_in_none() -> None:
    stream = load(plain(MICROVM))
    for section in stream.sections:
        for offset in (section.offset, section.offset + section.size - 1):
            assert stream.section_at(offset) is section
    assert stream.section_at(0) is None
    assert stream.section_at(stream.sections[-1].offset + stream.sections[-1].size) is None
