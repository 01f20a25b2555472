"""A save image that libvirt was still writing: told by every verb, read as far as it goes, with exit code 1."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from saved_files import PAGE, head_of, image, plain, small_stream, sums_of

from vmstate import load
from vmstate.cli import main
from vmstate.errors import StreamError, UnfinishedWarning
from vmstate.saved import open_memory
from vmstate.saved.loading import load_what_is_whole
from vmstate.saved.memory import load_for_memory
from vmstate.saved.opening import open_input

PART = b"LibvirtQemudPart"
TOLD = "libvirt was still writing this save image"


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """All of a stream in an image that was not finished."""
    path = tmp_path / "part.save"
    path.write_bytes(image("raw", small_stream(), magic=PART))
    return path


VERBS = (
    ["info"],
    ["show"],
    ["show", "mc146818rtc.cmos_index"],
    ["verify"],
    ["query", "query-status"],
    ["find", "cmos_index"],
    ["cmdline"],
    ["decode", "-o", "OUT"],
    ["unpack", "-o", "OUT"],
    ["thin", "-o", "OUT"],
    ["set", "mc146818rtc.cmos_index=5", "-o", "OUT"],
    ["ram"],
    ["ram", "read", "0", "16"],
    ["ram", "-o", "OUT"],
    ["explain", "--against", "FILE"],
    ["info", "--cost"],
    ["report", "-o", "OUT.html"],
)


def run(words: list[str], part: Path) -> int:
    return main(
        [words[0], str(part), *(w.replace("OUT", str(part) + ".out").replace("FILE", str(part)) for w in words[1:])]
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_verb_tells_and_ends_with_1(words: list[str], part: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = part.with_name("whole.save")
    whole.write_bytes(image("raw", small_stream()))
    code = run(words, whole)
    shown = capsys.readouterr()
    assert code in (0, 1) and TOLD not in shown.err
    assert run(words, part) == 1
    told = capsys.readouterr()
    assert told.err.count(TOLD) == 1 and str(part) in told.err
    # The rest of the answer is that of a finished image.
    if words[0] in ("query", "find", "ram", "show"):
        assert told.out.replace("part.save", "whole.save") == shown.out


def test_both_sides_of_a_comparison_are_told(part: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = part.with_name("second.save")
    second.write_bytes(part.read_bytes())
    assert main(["diff", str(part), str(second)]) == 1
    told = capsys.readouterr()
    assert "identical" in told.out and told.err.count(TOLD) == 2


def test_what_is_written_of_one_is_one(part: Path) -> None:
    for words in (["thin"], ["set", "mc146818rtc.cmos_index=5"]):
        output = part.with_name("output")
        assert main([words[0], str(part), *words[1:], "-o", str(output)]) == 1
        with pytest.warns(UnfinishedWarning), load(output) as stream:
            assert output.read_bytes()[: len(head_of("raw"))] == head_of("raw", magic=PART)
            assert stream.cut is None
            if words[0] == "set":
                assert stream["mc146818rtc"].state["cmos_index"] == 5


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """An image that breaks off in memory."""
    path = tmp_path / "cut.save"
    with open_input(plain("savevm-7.2-v2.qcow2")) as opened:
        stream = bytes(opened.data)
    with load(stream) as whole:
        memory = [section for section in whole.sections if section.is_ram]
    middle = memory[1].offset + memory[1].size // 2
    path.write_bytes(head_of("raw", magic=PART) + stream[:middle])
    return path


def test_the_memory_that_a_cut_one_holds(cut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = sums_of("savevm-7.2-v2.qcow2")
    with pytest.warns(UnfinishedWarning, match="breaks off"), load_for_memory(cut) as stream:
        assert stream.cut is not None
        memory = stream.memory()
        gone = {number for at, size in memory.missing() for number in range(at // PAGE, (at + size) // PAGE)}
        assert 0 < len(gone) < len(right)
        rom = set(range(0xA0, 0x100))
        for number in set(range(len(right))) - gone - rom:
            assert zlib.crc32(memory.read(number * PAGE, PAGE)) == right[number]
        missing = next(iter(sorted(gone)))
        with pytest.raises(StreamError, match=f"at {missing * PAGE:#x}.*breaks off"):
            memory.read(missing * PAGE, 1)
    assert main(["ram", str(cut), "-o", str(cut) + ".raw"]) == 1
    told = capsys.readouterr().err
    assert f"{len(gone)} pages are not in what was given" in told and f"at {missing * PAGE:#x} to" in told
    assert main(["ram", str(cut), "read", hex(missing * PAGE), "16"]) == 2
    capsys.readouterr()
    for words in (
        ["info"],
        ["show"],
        ["find", "cmos"],
        ["cmdline"],
        ["verify"],
        ["diff", "FILE"],
    ):
        assert run(words, cut) == 1, words
        assert TOLD in capsys.readouterr().err


def test_what_breaks_off_is_not_written_as_if_it_were_whole(cut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = Path(str(cut) + ".out")
    for words in (["set", "timer.cpu_clock_offset=5", "-o", "OUT"], ["thin", "-o", "OUT"]):
        assert run(words, cut) == 2
        assert TOLD in capsys.readouterr().err
        assert not output.exists()
    assert run(["decode", "-o", "OUT"], cut) == 1
    assert "cut" in json.loads(output.read_text())
    assert main(["encode", str(output), "-o", str(cut) + ".mig"]) == 2
    assert "breaks off" in capsys.readouterr().err


def test_mapped_ram_that_breaks_off(tmp_path: Path) -> None:
    """Pages that were written are read, bit or no bit; what has no bytes is not taken for zeros."""
    stream, right = plain("mapped-10.0.file"), sums_of("mapped-10.0.file")
    with load(stream) as whole:
        block = next(block for block in whole.ram.blocks if block.idstr == "microvm.ram")
        last = whole.sections[-1].offset
    assert block.mapped is not None
    begin, bits, pages = block.mapped.pages_offset, block.mapped.bitmap_offset, block.used_length // PAGE
    unfinished = bytearray(stream)
    unfinished[bits : bits + pages // 8] = bytes(pages // 8)
    path = tmp_path / "cut.file"
    for end in (begin + block.used_length // 2, last):
        path.write_bytes(unfinished[:end])
        with load_what_is_whole(path) as part:
            assert part.cut is not None
            memory = part.memory()
            known = 0
            for number in range(pages):
                place = begin + number * PAGE
                if any(stream[place : min(place + PAGE, end)]) and place + PAGE <= end:
                    known += 1
                    assert zlib.crc32(memory.read(number * PAGE, PAGE)) == right[number]
                else:
                    with pytest.raises(StreamError, match="does not hold"):
                        memory.read(number * PAGE, PAGE)
            assert known
            assert sum(size for _, size in memory.missing()) == (pages - known) * PAGE


def test_nothing_is_told_of_what_cannot_be_unpacked_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "part.save"
    path.write_bytes(head_of("xz", magic=PART) + b"no xz")
    with pytest.warns(UnfinishedWarning), pytest.raises(StreamError, match="xz"):
        load(path)
    with pytest.warns(UnfinishedWarning), open_memory(image("xz", small_stream(), magic=PART)) as memory:
        assert memory.read(0x101000, 9) == b"page    1"


def test_the_memory_of_any_stream_that_breaks_off(cut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain_cut = cut.with_name("cut.mig")
    plain_cut.write_bytes(cut.read_bytes()[len(head_of("raw")) :])
    for file in (cut, plain_cut):
        assert main(["ram", str(file), "-o", str(file) + ".raw"]) == 1
        told = capsys.readouterr().err
        assert "it breaks off" in told and "zeros stand there (the stream breaks off before them)" in told
    assert Path(f"{cut}.raw").read_bytes() == Path(f"{plain_cut}.raw").read_bytes()
    with pytest.raises(StreamError, match="the stream ends inside"):
        load(plain_cut)
