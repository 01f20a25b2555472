"""What the reader says of places: in a stream without footers, of a name that is none, of an end that is cut."""

from __future__ import annotations

import struct
from itertools import pairwise
from types import SimpleNamespace

import pytest
from recorded import BARE, FIXTURES, MICROVM, NO_ANYTHING, NO_CONFIGURATION, NO_FOOTER, plain

from vmstate import DONE, NEED_DATA, StreamError, StreamReader, TruncatedError, VMStateError, load
from vmstate.events import (
    ConfigurationSection,
    DeviceState,
    EndOfStream,
    Event,
    Header,
    SectionFooter,
    SectionHeader,
    Vmdescription,
)
from vmstate.saved.opening import open_input
from vmstate.stream.ends import Ends
from vmstate.stream.events import FOOTER, Mark
from vmstate.stream.ram_records import RamEnd
from vmstate.stream.stream import read_stream


def events_of(data: bytes) -> list[Event]:
    reader = StreamReader()
    events: list[Event] = []
    for piece in (data, b""):
        reader.receive_data(piece)
        while (event := reader.next_event()) is not NEED_DATA and event is not DONE:
            events.append(event)  # type: ignore[arg-type]
    return events


@pytest.mark.parametrize("file", [MICROVM, NO_FOOTER, NO_CONFIGURATION, NO_ANYTHING])
def test_an_event_stands_where_the_one_before_it_ends(file: str) -> None:
    """Also a footer that is not there: it stands where it would."""
    ends: dict[str, int] = {}
    for event in events_of(plain(file)):
        if isinstance(event, DeviceState):
            ends["state"] = event.offset + event.size
        elif isinstance(event, SectionFooter) and "state" in ends:
            assert event.offset == ends.pop("state")
            ends["footer"] = event.offset + (0 if event.section_id is None else 5)
        elif isinstance(event, (SectionHeader, EndOfStream)) and "footer" in ends:
            assert event.offset == ends.pop("footer")


def start_of(name: bytes) -> bytes:
    return b"QEVM\0\0\0\3" + struct.pack(">BIB", 4, 7, len(name)) + name + struct.pack(">II", 0, 1)


@pytest.mark.parametrize("name", [b"\xff", b"dev\xff\xfe", b"\x80name"])
def test_an_idstr_that_is_no_text_is_shown_as_it_is(name: bytes) -> None:
    with pytest.raises(StreamError, match="idstr of a section is not UTF-8") as caught:
        events_of(start_of(name))
    assert caught.value.found == repr(name)
    assert caught.value.offset == 14


@pytest.mark.parametrize("version", [0, 1, 2, 4, 1 << 31])
def test_a_stream_of_another_format_is_refused(version: int) -> None:
    with pytest.raises(StreamError) as caught:
        events_of(b"QEVM" + version.to_bytes(4, "big") + plain(NO_ANYTHING)[8:])
    assert (caught.value.offset, caught.value.expected, caught.value.found) == (4, "3", str(version))


@pytest.mark.parametrize(("size", "left"), [(17, 8), (18, 9), (21, 12), (24, 15)])
def test_an_end_inside_a_header_says_how_much_is_there(size: int, left: int) -> None:
    """Behind the first five bytes of a header: a length, the idstr, and eight bytes."""
    data = start_of(b"device-name")[:size]
    with pytest.raises(TruncatedError) as caught:
        events_of(data)
    assert caught.value.offset is not None and caught.value.found == str(len(data) - caught.value.offset)
    assert 0 < int(caught.value.found) <= left


def test_the_marks_of_a_stream() -> None:
    """QEMU_VM_* of migration/savevm.h."""
    assert {mark.name: int(mark) for mark in Mark} == {
        "EOF": 0,
        "SECTION_START": 1,
        "SECTION_PART": 2,
        "SECTION_END": 3,
        "SECTION_FULL": 4,
        "SUBSECTION": 5,
        "VMDESCRIPTION": 6,
        "CONFIGURATION": 7,
        "COMMAND": 8,
    }
    assert FOOTER == 0x7E


def test_a_stream_without_footers_whose_vmdesc_is_cut_is_refused() -> None:
    """Without footers a section ends where a legal part follows; a vmdesc that is longer than the data is none."""
    data = plain(NO_FOOTER)
    (vmdesc,) = (event for event in events_of(data) if isinstance(event, Vmdescription))
    assert load(data).to_bytes() == data
    assert vmdesc.offset + 5 + len(vmdesc.text) == len(data)
    for cut in (1, 2, 6):
        with pytest.raises(VMStateError):
            load(data[:-cut])


@pytest.mark.parametrize("file", [MICROVM, NO_FOOTER])
def test_a_stream_that_is_cut_behind_records_of_memory_lacks_a_byte(file: str) -> None:
    """What must follow is a footer or, in a stream without them, the next part: either has at least one byte."""
    data = plain(file)
    events = events_of(data)
    cuts = [footer.offset for end, footer in pairwise(events) if isinstance(end, RamEnd)]
    assert len(cuts) == 3
    for cut in cuts:
        with pytest.raises(TruncatedError, match="a section footer or what follows a section is missing") as caught:
            events_of(data[:cut])
        assert (caught.value.offset, caught.value.needed, caught.value.found) == (cut, cut + 1, "0")


@pytest.mark.parametrize("file", [BARE, NO_FOOTER])
def test_what_follows_a_state_is_waited_for(file: str) -> None:
    data = plain(file)
    whole = events_of(data)
    for state in (event for event in whole if isinstance(event, DeviceState)):
        reader = StreamReader()
        events: list[Event] = []
        for piece in (data[: state.offset + state.size], data[state.offset + state.size :], b""):
            reader.receive_data(piece)
            while (event := reader.next_event()) is not NEED_DATA and event is not DONE:
                events.append(event)  # type: ignore[arg-type]
        assert events == whole


@pytest.mark.parametrize("file", [MICROVM, NO_FOOTER, NO_ANYTHING])
def test_a_stream_tells_the_events_that_made_it(file: str) -> None:
    data = plain(file)
    with load(data) as stream:
        told = list(stream.events())
        assert stream.to_bytes() == data
    # Of memory the bytes, and the record that ends a section on its own.
    ends = [bytes(event.raw) for event in told if isinstance(event, RamEnd)]
    assert ends and set(ends) == {(0x10).to_bytes(8, "big")}
    kinds = (Header, ConfigurationSection, SectionHeader, DeviceState, SectionFooter, EndOfStream, Vmdescription)
    ours, theirs = ([event for event in events if isinstance(event, kinds)] for events in (told, events_of(data)))
    assert len(ours) == len(theirs) > 10
    for event, read in zip(ours, theirs, strict=True):
        assert type(event) is type(read)
        if isinstance(event, DeviceState) and isinstance(read, DeviceState):
            # By what it is described is another matter, and a state as it is now has no size of before.
            assert (event.offset, event.version_id) == (read.offset, read.version_id)
        else:
            assert event == read


def test_memory_that_has_been_read_is_given_back_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmstate.stream.stream._RELEASE", 1 << 12)
    with open_input(FIXTURES / "qemu-7.2-microvm-virtio-net-mmio.mig.xz") as source:
        spans: list[tuple[int, int]] = []
        given_back = SimpleNamespace(
            data=source.data, name=source.name, origin=0, release=lambda *span: spans.append(span), close=source.close
        )
        stream = read_stream(given_back)  # type: ignore[arg-type]
        # What is written goes the same way again.
        spans_read = list(spans)
        assert stream.to_bytes() == source.data
    # The devices' too: theirs can be large. What is read last is kept.
    last = max(section.offset + section.size for section in stream.sections)
    assert len(spans_read) > 1 and spans_read[0][0] == 0 and spans_read[-1][1] < last
    assert all(before[1] == after[0] for before, after in pairwise(spans_read))
    assert all(end - start > 1 << 12 for start, end in spans_read)


@pytest.mark.parametrize("name", [b"\1\2\3", b"a\nb", b"\xff\xfe\xfd", b"caf\xc3\xa9"])
def test_what_has_no_name_is_no_section(name: bytes) -> None:
    """Bytes in the state of a device that nothing describes, like a section but for the name."""
    whole = plain(NO_FOOTER)
    with load(whole) as stream:
        names, at = [part.name for part in stream.sections], stream.sections[-1].offset
    looks_like = struct.pack(">BIB", 4, 0x1234, len(name)) + name + struct.pack(">II", 0, 1)
    body = b"\5" * 16 + looks_like + b"\6" * 16
    data = whole[:at] + struct.pack(">BIB", 4, 0x1233, 3) + b"dev" + struct.pack(">II", 0, 1) + body + whole[at:]
    with load(data) as stream:
        assert [part.name for part in stream.sections] == [*names[:-1], "dev", names[-1]]
        assert bytes(stream["dev"].state) == body
    with load(data.replace(name, b"abcde"[: len(name)])) as stream:
        assert [part.name for part in stream.sections][-3:] == ["dev", "abcde"[: len(name)], names[-1]]


def test_a_footer_may_begin_in_what_looks_like_one() -> None:
    """The bytes of a section may end like a footer of its own begins: 0x7e is a byte of this section_id too."""
    section_id = int.from_bytes(bytes((FOOTER,)) * 4, "big")
    data = memoryview(bytes((FOOTER,)) * 6 + bytes((Mark.EOF,)))
    ends = Ends(data, 0, True, True, {}, section_id=section_id, begin=0)
    assert list(ends.footers_ahead()) == [1]
