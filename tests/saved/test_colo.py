"""COLO's checkpoints behind a migration, and what else stands behind the end of a stream."""

from __future__ import annotations

import json
import random
import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from saved_files import PAGE, RECORDED, plain, small_stream

from vmstate import load, verify
from vmstate.cli import main
from vmstate.errors import StreamError
from vmstate.saved import open_input
from vmstate.stream import reader
from vmstate.stream.events import Trailing

NAME = "colo-11.1"
COUNT = RECORDED[NAME]["checkpoints"]
ROM = range(0xC0, 0x100)
WRITTEN = (0, 6)
"""Pages in which the firmware goes on writing: the BIOS data area and its stack."""

BEHIND = plain(f"{NAME}.ch0")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "ch0"
    path.write_bytes(BEHIND)
    return path


def test_each_checkpoint_is_a_stream(recording: Path) -> None:
    clocks = []
    empty = zlib.crc32(bytes(PAGE))
    with load(recording) as stream:
        sections = [section.name for section in stream.sections if section.kind == "full"]
        clocks.append(int(stream.find("timer.cpu_clock_offset")[2]))
    for number in (1, 2, COUNT):
        name = f"{recording}@colo:{number}"
        with load(name) as stream:
            assert [section.name for section in stream.sections if section.kind == "full"] == sections
            assert [finding.rule for finding in verify(stream, stream.source or b"")] == []
            assert stream.to_bytes() == stream.source
            clocks.append(int(stream.find("timer.cpu_clock_offset")[2]))
            memory = stream.memory()
            assert not list(memory.missing())
            known = RECORDED[NAME]["sums"]
            wrong = [
                page
                for page in range(RECORDED[NAME]["pages"])
                if zlib.crc32(memory.read(page * PAGE, PAGE)) != known.get(str(page), empty)
            ]
            assert set(wrong) <= {*WRITTEN, *ROM}, wrong
            assert stream.container.facts()["checkpoints"] == COUNT
    # Later each time, and by far more than saving takes: they are not one and the same.
    assert all(later - earlier > 10**8 for earlier, later in pairwise(clocks)), clocks


def test_memory_is_that_of_the_checkpoint(recording: Path) -> None:
    ticks = []
    for number in range(1, COUNT + 1):
        with load(f"{recording}@colo:{number}") as stream:
            # The firmware counts the ticks of its timer in its data area.
            ticks.append(int.from_bytes(stream.memory().read(0x46C, 4), "little"))
    assert ticks == sorted(set(ticks))


def test_what_is_said_of_it(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(recording)]) == 0
    assert f"{COUNT} checkpoints of COLO" in capsys.readouterr().out
    assert main(["info", "--format", "json", str(recording)]) == 0
    behind = json.loads(capsys.readouterr().out)["behind"]
    assert (behind["kind"], behind["checkpoints"], behind["cut"]) == ("colo", COUNT, None)
    assert main(["verify", str(recording)]) == 0
    assert "checkpoints of COLO" in capsys.readouterr().out
    assert main(["info", f"{recording}@colo:2"]) == 0
    assert f"a recording of COLO, checkpoint 2 of {COUNT}" in capsys.readouterr().out
    for wrong in ("colo:0", "colo:99", "colo:", "colo:x", "colo:٣"):
        assert main(["info", f"{recording}@{wrong}"]) == 2
        assert f"colo:1 to colo:{COUNT}" in capsys.readouterr().err
    # Nothing is written back into one.
    out = str(recording.parent / "out")
    assert main(["set", f"{recording}@colo:1", "mc146818rtc.cmos_index=5", "-o", out]) == 2
    assert "nothing is written into such a file" in capsys.readouterr().err
    assert main(["unpack", f"{recording}@colo:1", "-o", out]) == 0
    with open_input(out) as plain_stream, open_input(f"{recording}@colo:1") as opened:
        assert plain_stream.data == opened.data and plain_stream.container is None


@pytest.mark.slow
def test_a_recording_that_is_cut_off_or_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ch0"
    with load(BEHIND) as stream:
        begin = next(part.offset for part in stream.parts if isinstance(part, Trailing))
    rng = random.Random(5)
    whole = 0
    for _ in range(60):
        data = bytearray(BEHIND)
        if rng.random() < 0.5:
            del data[rng.randrange(begin + 8, len(data)) :]
        else:
            at = rng.randrange(begin + 8, len(data))
            data[at : at + 4] = rng.choice((bytes(4), b"\xff" * 4, rng.randbytes(4)))
        path.write_bytes(data)
        # The migration before it stays what it is.
        assert main(["info", "--format", "json", str(path)]) == 0
        behind = json.loads(capsys.readouterr().out)["behind"]
        whole += behind["checkpoints"]
        assert "\n" not in (behind["cut"] or "")
        assert behind["cut"] or behind["checkpoints"] <= COUNT
        if behind["checkpoints"]:
            with open_input(f"{path}@colo:{behind['checkpoints']}") as opened:
                assert len(opened.data) < 2 * len(BEHIND)
    assert whole > 60
    path.write_bytes(BEHIND[:begin] + (1).to_bytes(4, "big") + (3).to_bytes(4, "big"))
    with pytest.raises(StreamError, match="expected a recording of COLO"):
        load(f"{path}@colo:1")


def test_what_a_volume_held_before_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    stale = BEHIND[-200_000:]
    path = tmp_path / "volume"
    for behind, kind in (
        (bytes(5000), "zeros"),
        (stale + bytes(9), "other"),
        (BEHIND, "stream"),
        (random.Random(2).randbytes(4096), "other"),
    ):
        path.write_bytes(small_stream() + behind)
        assert main(["info", "--format", "json", str(path)]) == 0
        told = json.loads(capsys.readouterr().out)["behind"]
        assert (told["kind"], told["offset"], told["size"]) == (kind, len(small_stream()), len(behind))
        assert main(["info", str(path)]) == 0
        assert "behind it" in capsys.readouterr().out
        with load(path) as stream, load(small_stream()) as right:
            # The descriptions of what was there before are not taken for those of this stream.
            assert stream.vmdesc_text == right.vmdesc_text
            assert [each.as_dict() for each in stream] == [each.as_dict() for each in right]
            assert [each.rule for each in verify(stream, path.read_bytes())] == ["behind"]
            assert stream.to_bytes() == path.read_bytes()
    assert main(["info", str(path)]) == 0


def test_a_volume_may_be_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "TRAILING", 100)
    with load(small_stream() + bytes(4000)) as stream:
        assert len(stream.parts[-1].raw) == 4000  # type: ignore[union-attr]
    incremental = reader.StreamReader()
    incremental.receive_data(small_stream() + bytes(4000))
    incremental.receive_data(b"")
    with pytest.raises(StreamError, match="too many bytes stand behind the end"):
        list(incremental.events())


def test_the_vmdesc_of_an_earlier_moment_need_not_fit(recording: Path) -> None:
    """Subsections and timers come and go between two checkpoints, and QEMU sends one vmdesc for all."""
    at = BEHIND.index(b'"array_len": 3', BEHIND.index(b'"name": "i8254"'))
    recording.write_bytes(BEHIND[:at] + b'"array_len": 2' + BEHIND[at + 14 :])
    found = {}
    for name in (str(recording), f"{recording}@colo:1"):
        with load(name) as stream:
            assert stream["i8254"].described_by == "library"
            found[name] = [each for each in verify(stream, stream.source or b"") if each.rule == "vmdesc"]
    earlier, checkpoint = found.values()
    assert [each.severity for each in earlier] == ["error"] and [each.severity for each in checkpoint] == ["note"]
    assert checkpoint[0].message == f"{earlier[0].message}; it is of an earlier moment"
