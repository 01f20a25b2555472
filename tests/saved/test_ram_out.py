"""Memory written out, held against a model of what was sent."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saved_files import plain
from sent_pages import PAGE, PAGES, Batch, batches, records, stream_of

from vmstate import load, verify
from vmstate.cli import main
from vmstate.errors import StreamError
from vmstate.saved import memory as of_memory
from vmstate.saved import open_memory, opening
from vmstate.saved.memory import load_for_memory
from vmstate.saved.ram_out import write_ram
from vmstate.stream.stream import Stream


def written(stream: Stream, folder: Path) -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """All memory, by way of a raw file, and what is missing of it."""
    with stream:
        done = write_ram(stream, stream.memory(), str(folder / "raw"), "raw")
    return (folder / "raw").read_bytes(), done.missing


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(batches, st.integers(1, 3), st.integers(0, 1 << 32))
def test_what_is_written_is_what_was_sent(
    tmp_path_factory: pytest.TempPathFactory, sent: list[Batch], parts: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("sent")
    data, model = records(sent, random.Random(seed))
    cuts = [data, *[b""] * (parts - 1)]
    path = folder / "guest.mig"
    path.write_bytes(stream_of(cuts))
    right = b"".join(model.get(page, bytes(PAGE)) for page in range(PAGES))
    gone = {page * PAGE for page in range(PAGES) if page not in model}
    with pytest.MonkeyPatch.context() as patch:
        for large in (False, True):
            # A file that is mapped is copied from by its descriptor, another from memory.
            patch.setattr(opening, "READ", 0 if large else 1 << 30)
            for way in (load, load_for_memory):
                content, missing = written(way(str(path)), folder)
                assert content == right
                assert {at for start, size in missing for at in range(start, start + size, PAGE)} == gone


def test_places_that_were_noted_are_those_that_a_second_pass_finds() -> None:
    data, model = records([("page", 0, 1, 700), ("zero", 300, 3, 90), ("page", 20, PAGES - 1, 40)], random.Random(7))
    with load_for_memory(stream_of([data])) as noted, load(stream_of([data])) as plain:
        assert noted.noted and plain.noted is None
        # As few as there are: each batch is one, but for those that go backwards or have the block's name.
        assert len(noted.noted) < 50
        for address in range(0, PAGES * PAGE, 37 * PAGE):
            if address // PAGE in model:
                assert noted.memory().source(address, 4) == plain.memory().source(address, 4)
                assert noted.memory().read(address, PAGE) == model[address // PAGE]


def test_a_file_that_is_cut_short_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "READ", 0)
    data, _ = records([("page", 0, 1, PAGES)], random.Random(1))
    path = tmp_path / "guest.mig"
    path.write_bytes(stream_of([data]))
    with load_for_memory(str(path)) as stream:
        memory = stream.memory()
        os.truncate(path, 1 << 20)
        with pytest.raises(StreamError, match="cut short"):
            write_ram(stream, memory, str(tmp_path / "raw"), "raw")
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("words", [[], ["--sync"]])
def test_on_disk_only_where_that_is_asked_for(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    data, _ = records([("page", 0, 1, 3)], random.Random(1))
    path = tmp_path / "guest.mig"
    path.write_bytes(stream_of([data]))
    assert main(["ram", str(path), "-o", str(tmp_path / "out"), *words]) == 1
    assert "are not in what was given" in capsys.readouterr().err
    assert bool(synced) == bool(words)


MAPPED = ("mapped-10.0.file.xz", "mapped-offset-11.1.file.xz@0x12345")


@pytest.mark.parametrize("name", [*MAPPED, "savevm-7.2-v2.qcow2.xz"])
def test_memory_that_is_opened_at_once_is_that_of_the_stream(name: str, tmp_path: Path) -> None:
    file, _, part = name.partition(".xz")
    (tmp_path / file).write_bytes(plain(file))
    path = f"{tmp_path / file}{part}"
    with open_memory(path) as memory, load(path) as stream:
        right = stream.memory()
        assert memory.map == right.map
        for each in right.ranges:
            for address in range(each.address, each.address + each.size, 1 << 18):
                assert memory.read(address, PAGE) == right.read(address, PAGE)


def test_devices_are_not_looked_at_where_memory_is_opened_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("all of the stream was loaded")

    monkeypatch.setattr(of_memory, "load_for_memory", never)
    with open_memory(f"fixtures/saved/{MAPPED[0]}") as memory:
        assert memory.map.source == "cmos"
    data = bytearray(plain("mapped-10.0.file"))
    at = data.index(b"\x0bmc146818rtc")
    # Two that could be it: which it is only the sections between would tell.
    data[at + 300 : at + 300] = data[at - 5 : at + 300]
    with pytest.raises(AssertionError, match="all of the stream"), open_memory(bytes(data)):
        pass


def test_verify_does_not_read_memory_that_it_would_hold_against_itself() -> None:
    data = bytearray(plain("mapped-10.0.file"))
    view = memoryview(data)
    with load(data) as stream:
        assert verify(stream, memoryview(data)) == verify(stream, memoryview(bytes(data)))
        header = next(section for section in stream.sections if section.is_ram).offset
        # What stands around it is compared still.
        view[header + 4] ^= 1
        assert [finding.rule for finding in verify(stream, memoryview(data)) if finding.severity == "error"]


def test_memory_of_a_closed_stream_says_why_there_is_none() -> None:
    stream = load(plain("offset-10.0.file")[4096:])
    stream.close()
    with pytest.raises(StreamError, match="this one is closed"):
        stream.memory().read(0x1000, 1)


def test_memory_of_a_negative_size_is_refused() -> None:
    with load(plain("offset-10.0.file")[4096:]) as stream:
        assert stream.memory().read(0x1000, 0) == b""
        with pytest.raises(StreamError, match="negative size"):
            stream.memory().read(0x1000, -1)
