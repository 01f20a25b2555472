"""Sections of a phase behind the first end, and the messages of the return path."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import pytest
from recorded import opened

import vmstate
from vmstate.cli import main
from vmstate.cli.phases import phases_argument
from vmstate.declare import SavePhase, VMState, description, uint8
from vmstate.devices.net.netpass import FilterNetpass, NetTap
from vmstate.early.copies import insert
from vmstate.errors import DescriptionError, EncodeError, StreamError, TruncatedError
from vmstate.stream.events import (
    DONE,
    NEED_DATA,
    EndOfStream,
    Event,
    SectionFooter,
    SectionHeader,
    Trailing,
    Vmdescription,
)
from vmstate.stream.phases import READERS, NetpassReader, NetpassWriter, phase_of
from vmstate.stream.return_path import (
    BITMAP_END,
    ReceivedBitmap,
    ReturnEvent,
    ReturnMessage,
    ReturnPathReader,
    ReturnType,
)
from vmstate.stream.writer import StreamWriter

STREAM = "qemu-11.1-q35-virtio-net-cold.mig.xz"
PACKETS = [(12, b"first packet"), (0, b"second")]


def late_section() -> bytes:
    buf = b"".join(
        len(packet).to_bytes(4, "big") + header.to_bytes(4, "big") + packet for header, packet in PACKETS
    ) + bytes(7)
    state = FilterNetpass(qlength=2, qcapacity=len(buf), buf=buf)
    header = SectionHeader("full", 70, "filter-netpass/net0", 0, 1, 0).to_bytes()
    return header + state.vmsd.encode(state, version_id=1) + SectionFooter(70, 0).to_bytes()


@pytest.fixture(scope="module")
def plain() -> bytes:
    with opened(STREAM) as stream:
        return stream.to_bytes()


def test_it_is_read_where_it_is_asked_for(plain: bytes) -> None:
    data = plain + late_section() + b"\0"
    with vmstate.load(data) as stream:
        # Nobody guesses.
        assert isinstance(stream.parts[-1], Trailing)
        assert stream.to_bytes() == data
        before = len(stream.sections)
    with vmstate.load(data, phases="netpass") as stream:
        assert len(stream.sections) == before + 1
        section = stream["filter-netpass/net0"]
        assert section.described_by == "library"
        assert section.state.packets() == PACKETS
        assert phase_of(stream, section) is SavePhase.NETPASS
        assert section.vmsd is not None
        assert section.vmsd.phase == SavePhase.NETPASS
        assert phase_of(stream, stream["virtio-net"]) is SavePhase.COMPLETE
        assert stream.to_bytes() == data
        section.state.qlength = 3
        assert stream.to_bytes() != data
    with pytest.raises(StreamError, match="not of this stream"):
        phase_of(stream, opened(STREAM)["virtio-net"])


def test_other_ends(plain: bytes) -> None:
    """An end without a vmdesc, a phase without a section, bytes behind the second end, no phase at all."""
    with vmstate.load(plain) as stream:
        bare = plain[: stream.parts[-1].offset] if isinstance(stream.parts[-1], Vmdescription) else plain
    for data, trailing in (
        (bare + late_section() + b"\0", False),
        (plain + b"\0", False),
        (plain + late_section() * 2 + b"\0behind", True),
        (plain, False),
        (plain + b"\0\6\0\0", True),
    ):
        with vmstate.load(data, phases="netpass") as stream:
            assert stream.to_bytes() == data
            assert isinstance(stream.parts[-1], Trailing) is trailing


def test_what_is_no_such_phase_is_refused(plain: bytes) -> None:
    with pytest.raises(StreamError, match="stand sections of the phase netpass"):
        vmstate.load(plain + b"\1rest", phases="netpass")
    with pytest.raises(TruncatedError):
        vmstate.load(plain + late_section(), phases="netpass")
    with pytest.raises(StreamError, match="no phase behind the end"):
        vmstate.load(plain, phases="early-setup")


def test_an_early_copy_is_of_the_early_phase(plain: bytes) -> None:
    with opened("qemu-7.2-q35-virtio-net-filters.mig.xz") as stream:
        pieces, _ = insert(stream, devices="mch")
        data = b"".join(bytes(piece) for piece in pieces)
    with vmstate.load(data) as stream:
        first, last = (section for section in stream.sections if section.name.endswith("/mch"))
        assert (phase_of(stream, first), phase_of(stream, last)) == (SavePhase.EARLY_SETUP, SavePhase.COMPLETE)


def events_of(reader: vmstate.StreamReader, data: bytes, cuts: list[int]) -> list[Event]:
    events: list[Event] = []
    for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if start < stop:
            reader.receive_data(data[start:stop])
        while not ((event := reader.next_event()) is NEED_DATA or event is DONE):
            assert not isinstance(event, vmstate.stream.events.NeedData | vmstate.stream.events.Done)
            events.append(event)
    reader.receive_data(b"")
    while (event := reader.next_event()) is not DONE:
        assert not isinstance(event, vmstate.stream.events.NeedData | vmstate.stream.events.Done)
        events.append(event)
    return events


def test_events_do_not_depend_on_the_cuts_and_are_written_again(plain: bytes) -> None:
    data = plain + late_section() + b"\0"
    whole = events_of(NetpassReader(), data, [])
    generator = random.Random(3)
    cuts = sorted(generator.randrange(len(plain) - 100, len(data)) for _ in range(60))
    assert [event.to_bytes() for event in events_of(NetpassReader(), data, cuts) if hasattr(event, "to_bytes")] == [
        event.to_bytes() for event in whole if hasattr(event, "to_bytes")
    ]
    assert sum(isinstance(event, EndOfStream) for event in whole) == 2
    writer = NetpassWriter()
    assert b"".join(writer.send(event) for event in whole) == data
    with pytest.raises(StreamError, match="cannot go on so"):
        writer.send(whole[0])
    plain_writer = StreamWriter()
    with pytest.raises(StreamError, match="nothing but trailing bytes"):
        for event in whole:
            plain_writer.send(event)


def test_the_old_spelling_is_read() -> None:
    @description("old-spelling", early_setup=True)
    class Old(VMState):
        value: int = uint8()

    @description("new-spelling", phase=SavePhase.EARLY_SETUP)
    class New(VMState):
        value: int = uint8()

    @description("at-the-stop")
    class Usual(VMState):
        value: int = uint8()

    assert Old.vmsd.phase == New.vmsd.phase == SavePhase.EARLY_SETUP
    assert Old.vmsd.early_setup and New.vmsd.early_setup
    assert Usual.vmsd.phase == SavePhase.COMPLETE and not Usual.vmsd.early_setup
    with pytest.raises(DescriptionError, match="early_setup, and the phase netpass"):

        @description("both", early_setup=True, phase=SavePhase.NETPASS)
        class Both(VMState):
            value: int = uint8()


def test_a_tap_that_is_passed_on() -> None:
    state = NetTap(fd=0x20, using_vnet_hdr=True, has_ufo=True, enabled=True, host_vnet_hdr_len=12)
    assert NetTap.vmsd.encode(state).hex() == "20" + "0101000001" + "0000000c"
    with pytest.raises(EncodeError):
        NetTap.vmsd.encode(NetTap(host_vnet_hdr_len=1 << 32))


# ---------------------------------------------------------------------------------------------------------------------
# The return path.

SAID: list[ReturnEvent] = [
    ReturnMessage(ReturnType.PONG, (1).to_bytes(4, "big"), 0),
    ReturnMessage(ReturnType.REQ_PAGES_ID, (4096).to_bytes(8, "big") + (8192).to_bytes(4, "big") + b"\6pc.ram", 8),
    ReturnMessage(ReturnType.REQ_PAGES, (12288).to_bytes(8, "big") + (4096).to_bytes(4, "big"), 31),
    ReturnMessage(ReturnType.RECV_BITMAP, b"\6pc.ram", 47),
    ReceivedBitmap(b"\xff\0\0\0\0\0\0\1", 58),
    ReturnMessage(ReturnType.RESUME_ACK, (1).to_bytes(4, "big"), 82),
    ReturnMessage(ReturnType.SWITCHOVER_ACK, b"", 90),
    ReturnMessage(ReturnType.VM_STARTED, b"", 94),
    ReturnMessage(ReturnType.SHUT, bytes(4), 98),
]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_what_a_destination_says(step: int) -> None:
    data = b"".join(event.to_bytes() for event in SAID)
    reader = ReturnPathReader()
    events: list[ReturnEvent] = []
    for place in range(0, len(data), step):
        events += reader.events(data[place : place + step])
    assert events == SAID
    reader.receive_data(b"")
    assert reader.next_event() is DONE
    messages = [event for event in events if isinstance(event, ReturnMessage)]
    assert [message.block for message in messages if message.block] == ["pc.ram", "pc.ram"]
    assert [message.pages for message in messages if message.pages] == [(4096, 8192), (12288, 4096)]
    assert [message.value for message in messages if message.value is not None] == [1, 1, 0]
    assert data[:8].hex() == "0002000400000001"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\0\0\0\0", "no message of the return path"),
        (b"\0\x09\0\0", "no message of the return path"),
        (b"\0\2\0\5", "PONG of another length"),
        (b"\0\5\2\1", "RECV_BITMAP of another length"),
        (b"\0\5\0\0", "RECV_BITMAP does not hold"),
        (b"\0\5\0\3\6pc", "RECV_BITMAP does not hold"),
        (b"\0\3\0\x0d" + bytes(12) + b"\1", "REQ_PAGES_ID does not hold"),
        (b"\0\5\0\2\1x" + b"\xff" * 8, "too long"),
        (b"\0\5\0\2\1x" + (8).to_bytes(8, "big") + bytes(16), "has another end"),
    ],
)
def test_what_no_source_would_take_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(StreamError, match=told):
        list(ReturnPathReader().events(data))


def test_a_return_path_that_is_cut_off() -> None:
    for data in (b"\0\2\0", b"\0\5\0\2\1x", b"\0\5\0\2\1x" + (8).to_bytes(8, "big")):
        reader = ReturnPathReader()
        list(reader.events(data))
        reader.receive_data(b"")
        with pytest.raises(TruncatedError):
            reader.next_event()
    with pytest.raises(StreamError, match="SHUT does not hold"):
        ReturnMessage(ReturnType.SHUT, b"").to_bytes()
    assert ReceivedBitmap(b"").to_bytes() == bytes(8) + BITMAP_END.to_bytes(8, "big")


def test_random_bytes_end_in_words() -> None:
    generator = random.Random(9)
    for _ in range(300):
        reader = ReturnPathReader()
        data = bytes(generator.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 255)) for _ in range(60))
        try:
            list(reader.events(data))
            reader.receive_data(b"")
            reader.next_event()
        except (StreamError, TruncatedError):
            pass


def test_the_file_of_a_phase_is_closed(tmp_path: Path, plain: bytes) -> None:
    path = tmp_path / "late.mig"
    path.write_bytes(plain + late_section() + b"\0")
    with vmstate.load(path, phases="netpass") as stream:
        assert "filter-netpass/net0" in stream


def test_verbs_read_a_phase_where_they_are_asked(
    tmp_path: Path, plain: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "late.mig"
    path.write_bytes(plain + late_section() + b"\0")
    asked = [str(path), "--phases", "netpass"]
    assert main(["show", *asked, "--format", "json"]) == 0
    phases = {section["name"]: section["phase"] for section in json.loads(capsys.readouterr().out)["sections"]}
    assert phases.pop("filter-netpass/net0") == SavePhase.NETPASS
    assert set(phases.values()) <= {SavePhase.COMPLETE, SavePhase.EARLY_SETUP}
    assert main(["show", *asked, "filter-netpass/net0.qlength"]) == 0
    assert capsys.readouterr().out.strip() == "2"
    assert main(["verify", *asked]) == 0
    assert "verifies" in capsys.readouterr().out
    # Without a word of the caller nobody guesses.
    assert main(["show", str(path), "--format", "json"]) == 0
    sections = json.loads(capsys.readouterr().out)["sections"]
    assert all("phase" not in section and section["name"] != "filter-netpass/net0" for section in sections)
    path.write_bytes(plain + b"\1rest")
    assert main(["verify", *asked]) == 2
    assert "sections of the phase netpass, and nothing else" in capsys.readouterr().err


def test_the_phases_of_the_verbs_are_those_that_are_read() -> None:
    parser = argparse.ArgumentParser()
    phases_argument(parser)
    for phase in READERS:
        assert parser.parse_args(["--phases", phase]).phases == phase
