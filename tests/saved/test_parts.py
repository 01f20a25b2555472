"""Which stream in a file: FILE@PART, --snapshot and --offset."""

from __future__ import annotations

from pathlib import Path

import pytest
from saved_files import SAVED, image, plain, small_stream

from vmstate.cli import main
from vmstate.saved.parts import split

IMAGE = str(SAVED / "savevm-7.2.qcow2.xz")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["info"],
        ["show", "mc146818rtc.cmos_index"],
        ["verify"],
        ["query", "query-status"],
        ["find", "cmos_index"],
        ["cmdline"],
        ["ram", "map"],
        ["decode", "-o", "OUT"],
        ["unpack", "-o", "OUT"],
        ["thin", "-o", "OUT"],
        ["set", "mc146818rtc.cmos_index=5", "-o", "OUT"],
    ],
    ids=lambda words: words[0],
)
def test_a_snapshot_and_an_offset_by_option(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = tmp_path / "volume"
    volume.write_bytes(b"no zeros" * 512 + small_stream())
    output = tmp_path / "out"
    for file, part, option in ((IMAGE, "two", ["--snapshot", "two"]), (str(volume), "0x1000", ["--offset", "0x1000"])):
        answers = []
        for given in ([f"{file}@{part}"], [file, *option]):
            verb, *more = [word.replace("OUT", str(output)) for word in words]
            assert main([verb, given[0], *more, *given[1:]]) == 0
            answers.append(
                (capsys.readouterr().out.replace("@4096", "@0x1000"), output.exists() and output.read_bytes())
            )
            if verb == "decode":
                answers[-1] = (answers[-1][0], output.read_text().replace("@4096", "@0x1000"))
        assert answers[0] == answers[1]


def test_names_with_an_at(tmp_path: Path) -> None:
    file, other = tmp_path / "a@b", tmp_path / "a"
    for path in (file, other):
        path.touch()
    assert split(f"{file}") == (str(file), None)
    assert split(f"{file}@c@d") == (f"{file}", "c@d")
    assert split(f"{other}@x@y") == (str(other), "x@y")
    assert split(f"{tmp_path}/none@x@y") == (f"{tmp_path}/none@x", "y")
    assert split("-@one") == ("-", "one")
    assert split("none") == ("none", None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["info", IMAGE, "--snapshot", "three"], "no such snapshot (expected one, two, found three)"),
        (["info", IMAGE, "--offset", "4096"], "in snapshots (expected --snapshot NAME)"),
        (["info", "STREAM", "--snapshot", "0"], "no snapshots in it to choose from (expected a qcow2 image, found 0)"),
        (["info", "SAVE", "--snapshot", "one"], "no snapshots in it to choose from"),
        (["info", "SAVE", "--offset", "0"], "nothing to choose from in it"),
        (["info", "STREAM", "--offset", "0x100000000"], "no stream begins there"),
        (["info", "STREAM", "--offset", "-1"], "a number of bytes"),
        (["info", "STREAM", "--offset", "4K"], "a number of bytes"),
        (["info", "STREAM", "--offset", "1"], "not a migration stream"),
        (["info", IMAGE, "--offset", "1", "--snapshot", "one"], "in a snapshot or at an offset"),
        (["info", IMAGE, IMAGE, "--snapshot", "one"], "those of one FILE"),
    ],
)
def test_what_an_option_cannot_mean(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, save = tmp_path / "stream", tmp_path / "save"
    stream.write_bytes(small_stream())
    save.write_bytes(image("raw", small_stream()))
    assert main([{"STREAM": str(stream), "SAVE": str(save)}.get(word, word) for word in words]) == 2
    assert message in capsys.readouterr().err


def test_an_image_on_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(plain("savevm-7.2.qcow2"))))
    assert main(["info", "-", "--snapshot", "two"]) == 0


def test_a_verb_with_a_snapshot_of_its_own_keeps_it(tmp_path: Path) -> None:
    """`pack --snapshot` makes one."""
    disk, output = tmp_path / "disk.qcow2", tmp_path / "out.qcow2"
    disk.write_bytes(plain("savevm-7.2.qcow2"))
    assert main(["pack", f"{disk}@one", "--like", f"{disk}@two", "--snapshot", "three", "-o", str(output)]) == 0
    assert main(["verify", str(output), "--snapshot", "three"]) == 0
