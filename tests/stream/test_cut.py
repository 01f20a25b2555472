"""A stream that is cut off is not taken for a whole one, and what of it is whole is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from handmade import scalar, stream_with, vmdesc_text
from recorded import MICROVM, NO_ANYTHING, NO_FOOTER, NO_VMDESC, NONE, opened, plain

from vmstate import VMStateError, explain, load, verify
from vmstate.cli import main
from vmstate.saved.loading import load_what_is_whole
from vmstate.stream.stream import Section


def ends(section: Section) -> Iterator[int]:
    """Offsets at which a section is cut: in its header, at and in its state, and right behind that."""
    end = section.offset + section.size
    footer = 5 if section.footer.section_id is not None else 0
    yield from {section.offset + 3, section.payload_offset, section.payload_offset + 1, end - footer - 1, end - footer}
    if footer:
        yield from (end - 1, end - 4)


@pytest.mark.parametrize("file", [MICROVM, NO_VMDESC, NO_FOOTER, NO_ANYTHING])
def test_no_cut_reads_as_complete(file: str) -> None:
    """Right behind the state of a section, too, whose last byte is zero: in a stream without footers."""
    data = plain(file)
    whole = opened(file).sections
    for number, section in enumerate(whole):
        if section.is_ram:
            continue
        for end in ends(section):
            with pytest.raises(VMStateError):
                load(data[:end])
            cut = load_what_is_whole(data[:end])
            assert cut.cut is not None
            assert cut.whole is not None and cut.whole <= end
            assert cut.to_bytes() == data[: cut.whole]
            names = [(part.name, part.described_by == "none") for part in cut.sections]
            # Without the vmdesc some are opaque; where nothing says that one ends, that before it may be the last.
            assert [name for name, _ in names] == [part.name for part in whole[: len(names)]]
            assert number - 1 <= len(names) <= number


@pytest.mark.parametrize("file", [MICROVM, NO_FOOTER])
def test_behind_each_section(file: str) -> None:
    """All sections are there and their end is not."""
    data = plain(file)
    last = opened(file).sections[-1]
    end = last.offset + last.size
    cut = load_what_is_whole(data[:end])
    assert cut.cut is not None
    assert len(cut.sections) in (len(opened(file).sections), len(opened(file).sections) - 1)
    assert load(data[: end + 1]).sections[-1].name == last.name


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A stream whose last section is cut, in front of which all is whole."""
    path = tmp_path / "cut.mig"
    data = plain(NONE)
    last = opened(NONE).sections[-1]
    path.write_bytes(data[: last.payload_offset + 5])
    return path


@pytest.fixture
def without_all_of_the_vmdesc(tmp_path: Path) -> Path:
    path = tmp_path / "vmdesc.mig"
    path.write_bytes(plain(NONE)[:-40])
    return path


def line_of(path: Path, error: str) -> str:
    assert error.count("\n") == 1
    assert error.startswith(f"vmstate: {path}: cut off at offset {path.stat().st_size:#x}: ")
    return error


def test_info_and_show_say_where(
    cut: Path, without_all_of_the_vmdesc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [section.name for section in opened(NONE).sections]
    for path, number in ((cut, len(names) - 1), (without_all_of_the_vmdesc, len(names))):
        for verb in ("info", "show"):
            assert main([verb, str(path)]) == 1
            out, err = capsys.readouterr()
            line_of(path, err)
            assert all(name in out for name in names[:number])
            assert main([verb, str(path), "--format", "json"]) == 1
            out, err = capsys.readouterr()
            line_of(path, err)
            top = json.loads(out)
            assert [section["name"] for section in top["sections"]] == names[:number]
            assert top["cut"] in err
    assert main(["show", str(cut), "timer"]) == 1
    out, err = capsys.readouterr()
    assert "cpu_clock_offset" in out
    line_of(cut, err)
    assert main(["info", str(cut), str(without_all_of_the_vmdesc)]) == 1


def test_verify_says_what_is_missing(
    cut: Path, without_all_of_the_vmdesc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, missing in ((cut, opened(NONE).sections[-1].name), (without_all_of_the_vmdesc, "inside the vmdesc")):
        assert main(["verify", str(path)]) == 1
        out, err = capsys.readouterr()
        assert err == ""
        errors = [line for line in out.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert "cut off" in errors[0] and missing in errors[0] and errors[0].endswith("[cut]")


def test_explain_knows_what_qemu_needs(cut: Path, without_all_of_the_vmdesc: Path) -> None:
    """QEMU reads to the end of the stream, and takes no notice of what is wrong with the vmdesc."""
    found = explain(str(cut), plain(NONE))
    assert found.verdict == "fails"
    assert found.qemu_error == "load of migration failed: Input/output error"
    assert [finding.rule for finding in found.findings if finding.severity == "breaks"] == ["cut"]
    found = explain(str(without_all_of_the_vmdesc), plain(NONE))
    assert found.verdict == "loads"
    assert any("cut off" in text for text in found.assumed)


@pytest.mark.parametrize("verb", ["decode", "set", "thin", "query", "encode"])
def test_nothing_is_made_of_half_a_stream(
    verb: str, cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"set": ["timer.cpu_ticks_offset=1"], "query": ["query-status"]}.get(verb, [])
    output = [] if verb == "query" else ["-o", str(tmp_path / "out")]
    assert main([verb, str(cut), *more, *output]) == 2
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "out").exists()


def test_what_is_damaged_is_not_cut() -> None:
    """A description of its own that does not fit, and a vmdesc that is none, are no cuts."""
    data = stream_with(vmdesc_text(scalar("a", 4)), b"\1\2\3\4\5")
    for damaged in (data, data[:-1] + b"x", b"QEVM\0\0\0\3\x99", b"QEVM", b"QEVM\0\0\0\3", b"hello"):
        with pytest.raises(VMStateError):
            load_what_is_whole(damaged)


def test_a_whole_stream_is_not_cut() -> None:
    for file in (MICROVM, NO_ANYTHING, NONE):
        stream = load_what_is_whole(plain(file))
        assert stream.cut is stream.whole is None
        assert not [finding for finding in verify(stream, memoryview(plain(file))) if finding.rule == "cut"]
