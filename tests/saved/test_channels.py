"""Machines of which memory came through several channels: multifd, postcopy's preempt channel, a recovery."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from saved_files import PAGE, RECORDED, SAVED, plain, put_out, small_stream, wrong_pages
from sent_pages import NAME, records, stream_of

from vmstate import StreamReader, load, thin
from vmstate.cli import main
from vmstate.errors import StreamError, VMStateError
from vmstate.stream.memory_map import MemoryRange
from vmstate.stream.ram_records import RamPages

MULTIFD = [name for name in RECORDED if name.startswith("multifd-")]


@pytest.mark.parametrize("name", MULTIFD)
def test_multifd(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *others = put_out(name, tmp_path)
    with load(first, channels=reversed(others)) as stream:
        memory = stream.memory()
        assert wrong_pages(name, memory) == [] and list(memory.missing()) == []
        assert memory.read(0x103000, 9) == b"page    3"
    with load(tmp_path) as stream:
        assert stream.memory().read(0x103000, 9) == b"page    3"
    # Without one of them pages are missing, and that is said.
    with load(first) as stream:
        assert list(stream.memory().missing())
    output = str(tmp_path / "out.raw")
    assert main(["ram", str(first), "-o", output]) == 1
    assert "are not in what was given" in capsys.readouterr().err
    assert main(["ram", str(first), *chain(*(("--channel", str(path)) for path in others)), "-o", output]) == 0
    assert Path(output).read_bytes()[0x103000:0x103009] == b"page    3"


def changed_packets(data: bytes) -> Iterator[bytes]:
    """A channel with the fields of its packets at their bounds, and cut."""
    for at, size in ((0, 4), (4, 4), *((64 + 4 * field, 4) for field in range(6)), (88, 8), (96, 4), (128, 4)):
        for value in (0, 1, 0x7F, 0x40, 0xFFFF, 1 << 31, (1 << 8 * size) - 1):
            yield data[:at] + (value & (1 << 8 * size) - 1).to_bytes(size, "big") + data[at + size :]
    for cut in (1, 63, 64, 100, 300, 64 + 1343, 64 + 1344, len(data) - 1):
        yield data[:cut]
    for seed in range(20):
        drawn = random.Random(seed)
        at = drawn.randrange(64, len(data))
        yield data[:at] + drawn.randbytes(8) + data[at + 8 :]


@pytest.mark.slow
@pytest.mark.parametrize("name", MULTIFD)
def test_damage_of_a_channel_is_said(name: str, tmp_path: Path) -> None:
    first, *others = put_out(name, tmp_path)
    whole = others[0].read_bytes()
    refused = 0
    for data in changed_packets(whole):
        others[0].write_bytes(data)
        try:
            with load(first, channels=others) as stream:
                stream.memory().read(0, PAGE)
        except VMStateError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 30
    others[0].write_bytes(whole)
    with pytest.raises(StreamError, match="is a main stream"):
        load(first, channels=[first])
    (tmp_path / "second").write_bytes(first.read_bytes())
    with pytest.raises(StreamError, match="one file in it has to be the main stream"):
        load(tmp_path)


def refusal_of(first: Path, others: list[Path]) -> str:
    """What is said of channels that are not of the migration."""
    try:
        with load(first, channels=others) as stream:
            stream.memory().read(0, PAGE)
    except StreamError as error:
        return str(error)
    return "taken"


@pytest.mark.parametrize("mine", MULTIFD)
def test_a_channel_of_another_migration(mine: str, tmp_path: Path) -> None:
    first, *own = put_out(mine, tmp_path)
    assert refusal_of(first, own) == "taken"
    for theirs in MULTIFD:
        if theirs != mine:
            _, *foreign = put_out(theirs, tmp_path)
            for channels in ([own[0], foreign[1]], [foreign[0], own[1]], [*own, foreign[0]]):
                assert "of another migration" in refusal_of(first, channels), (theirs, channels)
            if mine[-3:] != theirs[-3:]:
                # All of them together agree, but not with the main stream.
                assert refusal_of(first, foreign) != "taken"
    assert "or given twice" in refusal_of(first, [*own, own[0]])
    # A hello has the machine's UUID.
    whole = own[1].read_bytes()
    own[1].write_bytes(whole[:8] + bytes(range(16)) + whole[24:])
    assert "of another machine" in refusal_of(first, own) and "00010203-0405" in refusal_of(first, own)
    # A channel of which nothing came but its hello.
    own[1].write_bytes(whole[:64])
    assert "or one that breaks off" in refusal_of(first, own)
    stream = tmp_path / "stream"
    stream.write_bytes(small_stream())
    own[1].write_bytes(whole)
    assert "the main stream has its pages itself" in refusal_of(stream, own)
    stream.write_bytes(plain("mapped-10.0.file"))
    assert "has no further channels" in refusal_of(stream, own)


def test_packets_that_no_file_has_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, one, two = put_out("multifd-zstd-10.0", tmp_path)
    output = str(tmp_path / "out")
    for channel in (one, two):
        assert main(["ram", str(first), "--channel", str(channel), "-o", output]) == 1
        assert "packets of multifd in none of the files: pages can be older ones" in capsys.readouterr().err
        assert main(["info", str(first), "--channel", str(channel)]) == 0
        assert "packets of multifd in none of the files" in capsys.readouterr().out
        assert main(["verify", str(first), "--channel", str(channel)]) == 1
        assert "pages can be older ones" in capsys.readouterr().out
    two.write_bytes(two.read_bytes()[:24] + b"\7" + two.read_bytes()[25:])
    with load(first, channels=[one, two]) as stream:
        assert stream.channels[0].lacks.startswith("channel 1, 2, 3, 4, 5, 6")


def postcopy(pages: bytes, dropped: tuple[int, int], later: bytes) -> bytes:
    """A stream whose pages are sent, then partly dropped by number and count, and sent again."""
    listed = b"\0\6pc.ram\0" + struct.pack(">QQ", dropped[0] * PAGE, dropped[1] * PAGE)
    commands = struct.pack(">BHH", 8, 6, len(listed)) + listed + struct.pack(">BHH", 8, 4, 0)
    whole = stream_of([pages, later])
    at = whole.rindex(b"\3" + struct.pack(">I", 2))
    return whole[:at] + commands + whole[at:]


def test_what_postcopy_drops_is_not_there_until_it_is_sent_again(tmp_path: Path) -> None:
    early, _ = records([("page", 0, 1, 40)], random.Random(1))
    model = {page: random.Random(page).randbytes(PAGE) for page in range(12, 18)}
    sent = {page: struct.pack(">Q", page * PAGE | 8) + NAME + content for page, content in model.items()}
    again, asked = b"".join(sent[page] for page in (12, 13, 14)), b"".join(sent[page] for page in (15, 16, 17))
    path, preempt = tmp_path / "main", tmp_path / "preempt"
    path.write_bytes(postcopy(early, (10, 8), again))
    preempt.write_bytes(asked)
    whole = MemoryRange(0, 40 * PAGE, "pc.ram", 0)
    with load(path) as stream:
        memory = stream.memory(ranges=[whole])
        assert list(memory.missing()) == [(10 * PAGE, 2 * PAGE), (15 * PAGE, 3 * PAGE)]
        assert memory.read(13 * PAGE, PAGE) == model[13]
    with load(path, channels=[preempt]) as stream:
        memory = stream.memory(ranges=[whole])
        assert list(memory.missing()) == [(10 * PAGE, 2 * PAGE)]
        assert memory.read(16 * PAGE, PAGE) == model[16]
    # Of another migration: a page that the main stream has, which is not sent twice.
    path.write_bytes(postcopy(early, (10, 6), again))
    with (
        load(path, channels=[preempt]) as stream,
        pytest.raises(StreamError, match=r"the main stream has the page itself .*0x10000 of pc\.ram"),
    ):
        stream.memory(ranges=[whole]).read(0, 1)
    # Of a migration that was recovered it may have been lost on one of them.
    recovery = tmp_path / "recovery"
    recovery.write_bytes(struct.pack(">BHHB11s", 8, 10, 12, 11, b"pc.ram") + struct.pack(">BHH", 8, 9, 0) + b"\0")
    with load(path, channels=[preempt, recovery]) as stream:
        assert stream.memory(ranges=[whole]).read(16 * PAGE, PAGE) == model[16]
    with pytest.raises(StreamError, match="one preempt channel too many"):
        load(path, channels=[preempt, preempt])
    path.write_bytes(stream_of([early]))
    with pytest.raises(StreamError, match="is of no postcopy"):
        load(path, channels=[preempt])
    preempt.write_bytes(b"")
    with pytest.raises(StreamError, match="is empty"):
        load(path, channels=[preempt])
    path.write_bytes(postcopy(early, (10, 6), again).replace(b"\0\6pc.ram\0", b"\0\7pc.ram\0"))
    with load(path) as stream, pytest.raises(StreamError, match="a list of dropped memory is cut off"):
        stream.memory(ranges=[whole]).read(0, 1)


def runs_of(data: bytes) -> list[RamPages]:
    return [event for event in StreamReader.over(memoryview(data)).events() if isinstance(event, RamPages)]


def pages_of(data: bytes) -> dict[int, bytes]:
    with load(data) as stream:
        return dict(stream.memory().pages())


@pytest.mark.parametrize("ending", [b"", struct.pack(">Q", 0x10)], ids=["nothing", "end of section"])
def test_the_preempt_channel_of_postcopy(ending: bytes, tmp_path: Path) -> None:
    main_stream, preempt = tmp_path / "main", tmp_path / "preempt"
    bare = b"".join(thin(small_stream()))
    with load(bare) as stream:
        begin = stream.sections[0].offset
    listen = struct.pack(">BHH", 8, 4, 0)
    main_stream.write_bytes(bare[:begin] + listen + bare[begin:])
    preempt.write_bytes(b"".join(bytes(run.raw) for run in runs_of(small_stream())) + ending)
    with load(main_stream) as stream:
        assert list(stream.memory().missing())
    with load(main_stream, channels=[preempt]) as stream:
        memory = stream.memory()
        assert dict(memory.pages()) == pages_of(small_stream()) and list(memory.missing()) == []
    whole = preempt.read_bytes()
    # Nothing was asked for: it is a channel, and has nothing.
    preempt.write_bytes(ending)
    with load(main_stream, channels=[preempt]) as stream:
        assert list(stream.memory().missing())
    preempt.write_bytes(whole[: -len(ending) - 5])
    with (
        load(main_stream, channels=[preempt]) as stream,
        pytest.raises(StreamError, match="ends inside the RAM section"),
    ):
        stream.memory().read(0, 1)


def test_a_recovery(tmp_path: Path) -> None:
    runs = runs_of(small_stream())
    named = [run for run in runs if not run.raw[7] & 0x20]
    cut = named[len(named) // 2]
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(small_stream()[: cut.offset + 5])
    with load(small_stream()) as whole:
        number = whole["ram"].section_id
    part = struct.pack(">BI", 2, number) + b"".join(bytes(run.raw) for run in runs[runs.index(cut) :])
    part += struct.pack(">QBI", 0x10, 0x7E, number)
    commands = struct.pack(">BHHB11s", 8, 10, 12, 11, b"microvm.ram") + struct.pack(">BHH", 8, 9, 0)
    second.write_bytes(commands + part + b"\0")
    with load(first, channels=[second]) as stream:
        memory = stream.memory()
        assert stream.cut is not None
        assert dict(memory.pages()) == pages_of(small_stream()) and list(memory.missing()) == []
    second.write_bytes(commands + part[:-9])
    with load(first, channels=[second]) as stream, pytest.raises(StreamError, match="ends"):
        stream.memory().read(0, 1)


def test_what_came_back_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "main").write_bytes(small_stream())
    (tmp_path / "back").write_bytes(struct.pack(">HHI", 2, 4, 1))
    (tmp_path / "empty").write_bytes(b"")
    with load(tmp_path) as stream:
        assert stream.channels == () and len(stream.sections) == 17
    assert SAVED.is_dir()


def test_every_verb_takes_a_folder_and_further_channels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "multifd-zlib-7.2"
    first, *others = put_out(name, tmp_path)
    (tmp_path / "notes.txt").write_text("what was recorded")
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8b" + bytes(20))
    further = [word for path in others for word in ("--channel", str(path))]
    for verb, more in (
        ("info", []),
        ("verify", []),
        ("show", ["mc146818rtc.cmos_index"]),
        ("query", ["query-status"]),
        ("find", ["cmos_index"]),
        ("cmdline", []),
        ("ram", ["map"]),
    ):
        # Options stand behind what argparse takes by its place.
        assert main([verb, str(tmp_path), *more]) == 0, verb
        of_folder = capsys.readouterr().out.replace(str(tmp_path), "X")
        assert main([verb, str(first), *more, *further]) == 0, verb
        assert capsys.readouterr().out.replace(str(first), "X") == of_folder.replace(f"X/{first.name}", "X"), verb
    assert main(["info", str(tmp_path)]) == 0
    assert "2 further channels: multifd" in capsys.readouterr().out
    assert main(["info", str(first), str(first), *further]) == 2
    assert "further channels belong to one FILE" in capsys.readouterr().err
    assert main(["verify", str(first), "--channel", str(tmp_path / "notes.txt")]) == 2
    assert "is no channel of a migration" in capsys.readouterr().err
    others[0].write_bytes(others[0].read_bytes()[:-100])
    assert main(["verify", str(first), *further]) == 2
    assert "ends inside a packet" in capsys.readouterr().err
    for path in (first, *others):
        path.unlink()
    assert main(["info", str(tmp_path)]) == 2
    assert "is a directory" in capsys.readouterr().err


def test_memory_that_is_elsewhere_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *_ = put_out("multifd-zstd-10.0", tmp_path)
    assert main(["info", str(first), "--format", "json"]) == 0
    assert '"channels": {"count": 0, "kinds": []' in capsys.readouterr().out
    assert main(["info", str(first)]) == 0
    assert "in further channels (multifd), which were not given" in capsys.readouterr().out
    assert main(["verify", str(tmp_path)]) == 0
    assert main(["ram", str(first), "read", "0x101010", "4"]) == 2
    printed = capsys.readouterr().err
    assert "does not hold page 0x101 of microvm.ram, at 0x101010" in printed and "given: none" in printed
    # In 7.2 no record says that there are more channels.
    alone = tmp_path / "alone"
    alone.write_bytes(plain("multifd-7.2.ch0"))
    assert main(["info", str(alone)]) == 0
    assert main(["verify", str(alone)]) == 0
    told = "16 pages are not in it, the first at 0x100000: in a further channel"
    assert capsys.readouterr().out.count(told) == 2
    assert main(["ram", str(alone), "read", "0x101010", "4"]) == 2
    assert "at 0x101010 (expected a further channel, if any" in capsys.readouterr().err
    only = str(tmp_path / "multifd-zstd-10.0.ch2")
    lacking = []
    for address in range(0x100000, 0x110000, 0x1000):
        if main(["ram", str(first), "read", hex(address), "4", "--channel", only]) == 2:
            lacking.append(address)
            assert f"at {address:#x} (expected a further channel" in (printed := capsys.readouterr().err), printed
            assert "given: 1 of multifd" in printed
    assert lacking
    # A channel is lacking, and with it pages.
    assert main(["verify", str(first), "--channel", str(tmp_path / "multifd-zstd-10.0.ch1")]) == 1
    assert "pages of memory are in none of the channels" in capsys.readouterr().out
