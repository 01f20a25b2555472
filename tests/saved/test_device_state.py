"""What devices send of their own state through multifd's channels: packets that are written here, among recorded ones.
Not checked on a real file: QEMU has it for VFIO alone.
"""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import pytest
from saved_files import plain, put_out, wrong_pages

from vmstate import load
from vmstate.cli import main
from vmstate.errors import StreamError
from vmstate.saved.device_state import device_states

NAME = "multifd-7.2"
HELLO = 64
VFIO = "0000:00:03.0/vfio"


def packet(idstr: str, data: bytes, instance: int = 0, flags: int = 0x40) -> bytes:
    """A packet of a device, by the layout in QEMU's migration/multifd.h."""
    return struct.pack(">III256sII", 0x11223344, 1, flags, idstr.encode(), instance, len(data)) + data


def vfio(index: int, state: bytes, *, last: bool = False) -> bytes:
    return struct.pack(">III", 0, index, int(last)) + state


def places(channel: bytes) -> list[int]:
    """Where packets begin, and the end."""
    found, at = [], HELLO
    while at < len(channel):
        found.append(at)
        normal, size = struct.unpack_from(">II", channel, at + 16)
        at += 1344 + (size if normal else 0)
    return [*found, at]


def among(channel: bytes, packets: list[bytes], drawn: random.Random) -> bytes:
    """A channel with further packets between its own."""
    out = bytearray(channel)
    for at, further in sorted(((drawn.choice(places(channel)), each) for each in packets), reverse=True):
        out[at:at] = further
    return bytes(out)


def put_apart(folder: Path, packets: list[bytes], seed: int = 1) -> list[Path]:
    """A migration whose two channels have these packets; the machine has a device of VFIO."""
    paths, drawn = put_out(NAME, folder), random.Random(seed)
    whole = paths[0].read_bytes()
    with load(paths[0]) as stream:
        started, ended = (stream.sections[at].offset + stream.sections[at].size for at in (0, 2))
    # VFIO's marks: its setup, or what is left at the end; then the end of what it says.
    number, setup, rest, end = struct.pack(">I", 99), 0xFFFFFFFFEF100002, 0xFFFFFFFFEF100003, 0xFFFFFFFFEF100001
    name = struct.pack(">B17sII", len(VFIO), VFIO.encode(), 0, 1)
    footer = b"\x7e" + number
    start_section = b"\1" + number + name + struct.pack(">QQ", setup, end) + footer
    end_section = b"\3" + number + struct.pack(">QQ", rest, end) + footer
    paths[0].write_bytes(whole[:started] + start_section + whole[started:ended] + end_section + whole[ended:])
    shares: list[list[bytes]] = [[], []]
    for each in packets:
        drawn.choice(shares).append(each)
    for path, share in zip(paths[1:], shares, strict=True):
        path.write_bytes(among(path.read_bytes(), share, drawn))
    return paths


@pytest.mark.parametrize("seed", range(4))
def test_what_devices_sent(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = random.Random(seed)
    pieces = [drawn.randbytes(drawn.randrange(1, 9000)) for _ in range(drawn.randrange(1, 12))]
    packets = [packet(VFIO, vfio(at, data, last=at == len(pieces) - 1)) for at, data in enumerate(pieces)]
    blob = drawn.randbytes(3000)
    put_apart(tmp_path, [*packets, packet("ioapic", blob, 1)], seed)
    with load(tmp_path) as stream:
        assert wrong_pages(NAME, stream.memory()) == []
        by_name = {(device.idstr, device.instance_id): device for device in device_states(stream)}
        assert by_name.keys() == {(VFIO, 0), ("ioapic", 1)}
        assert by_name[VFIO, 0].buffers() == pieces
        assert [bytes(each.data) for each in by_name["ioapic", 1].packets] == [blob]
        sizes = by_name[VFIO, 0].sizes
        assert sizes.keys() <= {0, 1} and sum(sizes.values()) == sum(len(data) + 12 for data in pieces)
        for device in by_name.values():
            for each in device.packets:
                held = (tmp_path / f"{NAME}.ch{each.channel + 1}").read_bytes()
                assert held[each.offset + 276 : each.offset + 276 + len(each.data)] == bytes(each.data)
    assert main(["verify", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["info", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert f"{VFIO}#0 sent {sum(sizes.values()):,} bytes of its own state: " in printed
    assert all(f"{size:,} in channel {channel}" in printed for channel, size in sizes.items())
    assert main(["info", "--format", "json", str(tmp_path)]) == 0
    devices = json.loads(capsys.readouterr().out)["channels"]["devices"]
    told = {device["idstr"]: device for device in devices}
    assert told["ioapic"]["size"] == 3000 and told[VFIO]["packets"] == len(pieces)
    assert told[VFIO]["channels"] == {str(channel): size for channel, size in sizes.items()}


@pytest.mark.slow
def test_what_lacks_or_belongs_to_nothing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = packet(VFIO, vfio(2, b"c", last=True))
    first, second = packet(VFIO, vfio(0, b"a")), packet(VFIO, vfio(1, b"b"))
    for packets, told in (
        ([first, second, last], "0 errors"),
        ([first, last], "1 of 3 of the packets of 0000:00:03.0/vfio in none of the files"),
        ([last], "2 of 3 of the packets"),
        ([first, second], "its configuration of the packets of 0000:00:03.0/vfio"),
        ([first, first, second, last], "comes twice"),
        ([first, second, last, packet(VFIO, vfio(3, b"d"))], "of the packets of 0000:00:03.0/vfio"),
        ([packet(VFIO, vfio(0xFFFFFFFF, b"", last=True))], "4294967295 of 4294967296"),
        ([packet(VFIO, b"short")], "no packet of VFIO begins so"),
        ([packet(VFIO, b"\0\0\0\1" + bytes(8))], "no packet of VFIO begins so"),
        ([packet("0000:00:09.0/vfio", vfio(0, b"", last=True))], "of which the main stream has no section"),
        ([packet("ioapic", b"x", 7)], "state of ioapic#7, of which the main stream has no section"),
        ([packet("ioapic", b"x", 1)], "0 errors"),
    ):
        put_apart(tmp_path, packets)
        assert main(["verify", str(tmp_path)]) == (told != "0 errors")
        assert told in capsys.readouterr().out


def test_damage_of_such_packets_is_told(tmp_path: Path) -> None:
    whole = packet(VFIO, vfio(0, bytes(900), last=True))
    for further, told in (
        (packet(VFIO, b""), "has no bytes"),
        (packet(VFIO, b"x", flags=0x41), "ends an epoch"),
        (packet("v" * 256, b"x"), "the name of a device in a packet does not end"),
        (whole[:272] + b"\xff\xff\xff\xff" + whole[276:], "ends inside a packet"),
        (whole[:272] + b"\0\0\1\0" + whole[276:], "no packet of a multifd channel begins so"),
        (whole[:4] + b"\0\0\0\2" + whole[8:], "no packet of a multifd channel begins so"),
        *((whole[:cut], "multifd channel") for cut in (1, 3, 4, 275, 276, 300, len(whole) - 1)),
    ):
        paths = put_out(NAME, tmp_path)
        paths[2].write_bytes(paths[2].read_bytes() + further)
        with pytest.raises(StreamError, match=told) as caught:
            load(tmp_path)
        assert "\n" not in str(caught.value) and paths[2].name in str(caught.value)
    assert plain(f"{NAME}.ch2")[:4] == whole[:4]
