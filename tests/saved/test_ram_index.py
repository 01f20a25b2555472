"""An index of the pages of a stream: made where asked, used again, refused where it is wrong or damaged."""

from __future__ import annotations

import json
import random
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import FIXTURES
from saved_files import SAVED, image, plain, small_stream
from sent_pages import PAGE, PAGES, Batch, batches, records, stream_of

from vmstate import load
from vmstate.cli import main
from vmstate.errors import StreamError, VMStateError
from vmstate.saved import memory as of_memory
from vmstate.saved import open_memory
from vmstate.stream.memory_index import CHUNK
from vmstate.stream.memory_map import MemoryRange


@pytest.fixture
def stream_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a stream by its index does not read it through."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the whole stream was read")

    monkeypatch.setattr(of_memory, "read_stream", refuse)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(batches, st.integers(0, 1 << 32))
def test_memory_by_an_index_is_that_of_the_stream(
    tmp_path_factory: pytest.TempPathFactory, sent: list[Batch], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("index")
    data, model = records(sent, random.Random(seed))
    path, index = folder / "guest.mig", folder / "guest.index"
    path.write_bytes(stream_of([data]))
    for _ in range(2):
        with open_memory(str(path), index=index) as memory:
            assert sum(size for _, size in memory.missing()) == PAGE * (PAGES - len(model))
            assert all(memory.read(page * PAGE, PAGE) == right for page, right in model.items())
            assert dict(memory.pages()) == {page * PAGE: right for page, right in model.items() if any(right)} | {
                address: bytes(PAGE) for address, page in memory.pages() if not any(page)
            }
    assert sorted(each.name for each in folder.iterdir()) == ["guest.index", "guest.mig"]
    assert index.stat().st_size < 700 + 5 * PAGES


@pytest.mark.parametrize(
    "file",
    ["offset-10.0.file", "savevm-7.2-v2.qcow2", pytest.param("mapped-offset-11.1.file", marks=pytest.mark.slow)],
)
def test_whatever_a_stream_is_kept_in(file: str, tmp_path: Path, stream_is_not_loaded: None) -> None:
    path, index = tmp_path / "guest", tmp_path / "index"
    path.write_bytes(plain(file))
    with load(str(path)) as stream:
        memory = stream.memory()
        right = [memory.read(each.address, each.size) for each in memory.ranges]
        known = memory.map
        of_memory.write_index(stream, memory, index)
    with open_memory(str(path), index=index) as memory:
        assert memory.map == known
        assert [memory.read(each.address, each.size) for each in memory.ranges] == right
        # Page tables are found by the processor's section, which stands behind memory.
        assert memory.read_virtual("cpu", 0x102000, 9) == memory.read(0x102000, 9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["xbzrle", "compress"])
def test_pages_that_have_to_be_made(name: str, tmp_path: Path) -> None:
    file = str(FIXTURES / "recorded" / f"qemu-7.2-pc-{name}.mig.xz")
    index = tmp_path / "index"
    with open_memory(file) as memory:
        right = [memory.read_block(each.block) for each in memory.ranges]
    for _ in range(2):
        with open_memory(file, index=index) as memory:
            assert [memory.read_block(each.block) for each in memory.ranges] == right


@pytest.mark.slow
def test_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, index = tmp_path / "guest.save", tmp_path / "index"
    path.write_bytes(image("gzip", small_stream()))
    outputs = []
    for words in ([], ["--index", str(index)], ["--index", str(index)]):
        answers = []
        for more in (
            [],
            ["map", "--format", "json"],
            ["read", "0x101000", "20"],
            ["read", "0", "4", "--virtual", "cpu"],
        ):
            assert main(["ram", str(path), *more, *words]) == 0
            answers.append(capsys.readouterr().out)
        for form in ("raw", "elf", "lime"):
            assert main(["ram", str(path), "-o", str(tmp_path / form), "--format", form, *words]) == 0
            answers.append((tmp_path / form).read_bytes().hex())
        capsys.readouterr()
        outputs.append(answers)
    assert outputs[0] == outputs[1] == outputs[2]
    assert main(["ram", str(path), "-o", str(index), "--index", str(index)]) == 2
    assert "two files" in capsys.readouterr().err


def made(tmp_path: Path) -> tuple[Path, Path]:
    """A stream whose pages stand in an index evenly, unevenly and not at all, and the index."""
    path, index = tmp_path / "guest.mig", tmp_path / "index"
    data, _ = records([("page", 0, 1, 300), ("page", 400, PAGES - 1, 50), ("zero", 900, 7, 60)], random.Random(3))
    path.write_bytes(stream_of([data]))
    with open_memory(str(path), index=index):
        pass
    return path, index


def read_all(path: Path, index: Path) -> None:
    with open_memory(str(path), index=index) as memory:
        for _ in memory.pages():
            pass


def test_the_index_of_another_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, index = made(tmp_path)
    whole = path.read_bytes()
    for changed in (whole + b"\0", bytes([*whole[:-9], 1, *whole[-8:]]), small_stream()):
        path.write_bytes(changed)
        assert main(["ram", str(path), "--index", str(index)]) == 2
        assert "is the index of another file" in capsys.readouterr().err
    path.write_bytes(whole)
    for content in (b"", b"VMSTIDX1", b"text", whole):
        index.write_bytes(content)
        assert main(["ram", str(path), "--index", str(index)]) == 2
        assert "is no index of a stream" in capsys.readouterr().err
        assert index.read_bytes() == content


def test_a_damaged_index_is_refused(tmp_path: Path) -> None:
    path, index = made(tmp_path)
    whole = index.read_bytes()
    rng = random.Random(5)
    for at in [*range(64), *(rng.randrange(len(whole)) for _ in range(150))]:
        index.write_bytes(whole[:at])
        with pytest.raises(StreamError, match="index"):
            read_all(path, index)
        broken = bytearray(whole)
        broken[at] ^= 1 << rng.randrange(8)
        index.write_bytes(broken)
        with pytest.raises(StreamError, match="index"):
            read_all(path, index)


def with_sum(whole: bytes) -> bytes:
    """An index whose size and CRC-32 are right, whatever is in it."""
    return whole[:8] + zlib.crc32(whole[20:]).to_bytes(4, "little") + struct.pack("<Q", len(whole) - 20) + whole[20:]


@pytest.mark.slow
def test_a_forged_index_costs_an_error_at_most(tmp_path: Path) -> None:
    path, index = made(tmp_path)
    whole = index.read_bytes()
    rng = random.Random(6)
    length = int.from_bytes(whole[20:24], "little")
    text = json.loads(whole[24 : 24 + length])
    forged = []
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            broken[rng.randrange(20, len(whole))] = rng.randrange(256)
        forged.append(bytes(broken))
    for number in (-1, 1 << 63, 1 << 64, 0, 1.5, "x", None, []):
        for place in range(1, 6):
            changed = json.loads(json.dumps(text))
            changed["blocks"][0][place] = number
            forged.append(
                whole[:20]
                + struct.pack("<I", len(json.dumps(changed)))
                + json.dumps(changed).encode()
                + whole[24 + length :]
            )
        for name in ("page_size", "map", "blocks", "identity", "placed"):
            changed = {**text, name: number}
            forged.append(
                whole[:20]
                + struct.pack("<I", len(json.dumps(changed)))
                + json.dumps(changed).encode()
                + whole[24 + length :]
            )
        for place in range(4):
            changed = json.loads(json.dumps(text))
            changed["map"]["ranges"][0][place] = number
            forged.append(
                whole[:20]
                + struct.pack("<I", len(json.dumps(changed)))
                + json.dumps(changed).encode()
                + whole[24 + length :]
            )
    refused = 0
    for content in forged:
        index.write_bytes(with_sum(content))
        try:
            read_all(path, index)
        except VMStateError:
            refused += 1
    assert refused > len(forged) // 2


def test_further_channels_have_an_index(
    tmp_path: Path, stream_is_not_loaded: None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, index = tmp_path / "kept", tmp_path / "index"
    folder.mkdir()
    files = [folder / f"ch{number}" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(plain(f"multifd-7.2.ch{number}"))
    with load(files[0], channels=files[1:]) as stream:
        memory = stream.memory()
        of_memory.write_index(stream, memory, index)
        (inside,) = memory.ranges
        right = memory.read(inside.address, inside.size)
        # Memory can be asked for again.
        assert stream.memory().read(inside.address, inside.size) == right
    assert index.stat().st_size < 1 << 13
    with open_memory(str(folder), index=index) as memory:
        assert memory.ranges == (inside,)
        assert memory.read(inside.address, inside.size) == right
    # In any order, beside something else; and not without one of them.
    (folder / "ch0").rename(tmp_path / "first")
    further = ["--channel", str(files[2]), "--channel", str(files[1])]
    words = ["ram", str(tmp_path / "first"), "--index", str(index), "read", "0x103000", "9"]
    assert main([*words, *further]) == 0
    assert "page    3" in capsys.readouterr().out
    assert main([*words, *further[:2]]) == 2
    assert "one of them is not given" in capsys.readouterr().err
    assert main(words) == 2
    files[1].write_bytes(files[1].read_bytes()[:-1] + b"x")
    assert main([*words, *further]) == 2
    assert "with its digest" in capsys.readouterr().err


def test_what_an_index_cannot_be_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = tmp_path / "index"
    channels = [str(SAVED / f"multifd-zlib-7.2.ch{number}.xz") for number in range(3)]
    assert main(["ram", channels[0], "--channel", channels[1], "--channel", channels[2], "--index", str(index)]) == 2
    assert "these are compressed, each channel as a whole (expected ram -o OUT once" in capsys.readouterr().err
    # From 9.0 on the main stream says that pages go elsewhere.
    main_channel, *others = [str(SAVED / f"multifd-zstd-10.0.ch{number}.xz") for number in range(3)]
    assert main(["ram", main_channel, "--index", str(index)]) == 2
    assert "of all channels of a migration (expected them too (--channel))" in capsys.readouterr().err
    assert main(["ram", main_channel, "--channel", others[0], "--index", str(index)]) == 2
    assert "packets of multifd in none of the files" in capsys.readouterr().err
    assert main(["ram", str(SAVED / "offset-10.0.file.xz"), "--index", str(tmp_path / "no" / "index")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert not index.exists()
    assert CHUNK > PAGES


def test_what_was_opened_by_an_index_is_not_written(tmp_path: Path) -> None:
    path, index = made(tmp_path)
    with of_memory.load_by_index(str(path), index) as stream:
        assert stream.machine == "pc-q35-7.2" and [block.idstr for block in stream.ram.blocks] == ["pc.ram"]
        with pytest.raises(StreamError, match="only what stands before memory was read"):
            stream.save(tmp_path / "out")
    with open_memory(str(path), index=index) as memory:
        assert memory.source(PAGE, 0) is not None
    with pytest.raises(StreamError, match="is closed"):
        memory.read(0, 1)


def test_ranges_that_cannot_be(tmp_path: Path) -> None:
    path, _ = made(tmp_path)
    size = PAGES * PAGE
    with load(str(path)) as stream:
        for told, message in (
            (MemoryRange(0, size + 1, "pc.ram", 0), "outside of block pc.ram"),
            (MemoryRange(0, size, "pc.ram", PAGE), "outside of block pc.ram"),
            (MemoryRange(0, PAGE, "pc.ram", -PAGE), "outside of block pc.ram"),
            (MemoryRange(0, PAGE, "none", 0), "outside of block none .expected a block of the stream"),
            (MemoryRange((1 << 64) - 1, PAGE, "pc.ram", 0), "behind the last address"),
            (MemoryRange(0, PAGE, "pc.ram", 5), "begins inside a page"),
        ):
            with pytest.raises(StreamError, match=message):
                stream.memory(ranges=[told])
