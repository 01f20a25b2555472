"""A stream without the contents of memory: the devices are as they were, byte for byte, and QEMU loads it."""

from __future__ import annotations

import io
import lzma
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from machines import COLD, ROOTS, needs_qemu, qemu_of
from recorded import BARE, FIXTURES, MAPPED_RAM, MICROVM, NONE, POSTCOPY, PROVENANCE, STREAMS, plain

from vmstate import Stream, StreamError, VMStateError, load, thin
from vmstate.cli import main
from vmstate.cli.load import is_thin
from vmstate.errors import MachineError
from vmstate.saved.corpus import ARCHIVE, corpus_names, corpus_stream, is_left_out, pack, thin_streams
from vmstate.stream.events import Command
from vmstate.stream.ram_mapped import emptied
from vmstate.stream.ram_records import RamMapped

MAPPED = {file for file in STREAMS if PROVENANCE.get(file, {}).get("format") == "mapped-ram"}
WHOLE = [file for file in STREAMS if "whole" in PROVENANCE[file] and file not in MAPPED]
SOME = sorted({*STREAMS[::12], *WHOLE} - MAPPED)
AT_OFFSET = "saved/mapped-offset-11.1.file.xz"
ORIGIN = 0x12345
"""Where the stream in that file begins."""


def told(stream: Stream) -> list[object]:
    """All that a stream has besides pages: every byte of it."""
    parts: list[object] = [stream.version, stream.vmdesc_text]
    parts += [part.to_bytes() for part in stream.parts if isinstance(part, Command)]
    for section in stream.sections:
        parts += [section.header.replace(offset=0), section.footer.replace(offset=0)]
        if section.is_ram:
            parts += [(block.idstr, block.used_length, block.gpa) for block in section.state.blocks]
        else:
            parts.append(section.payload())
    return parts


@pytest.mark.parametrize("file", SOME)
def test_all_but_the_pages_is_there(file: str) -> None:
    small = b"".join(thin(plain(file)))
    with load(plain(file)) as whole, load(small) as stream:
        assert told(stream) == told(whole)
        assert not stream.ram.pages
        assert len(small) < len(plain(file)) or not whole.ram.pages
        assert stream.to_bytes() == small
    assert b"".join(thin(small)) == small


@pytest.mark.slow
def test_all_recorded_streams_are_small() -> None:
    """The figures of fixtures/README.md."""
    sizes = [len(lzma.compress(b"".join(thin(FIXTURES / file)), preset=6)) for file in WHOLE]
    assert max(sizes) < 13_000
    assert sum(sizes) * 20 < sum((FIXTURES / file).stat().st_size for file in WHOLE)
    plain_streams = [PROVENANCE[file] for file in STREAMS if file not in MAPPED]
    assert sum(known.get("original", known)["size"] for known in plain_streams) > 90_000_000
    assert sum(known["size"] for known in plain_streams) < 60_000_000


@pytest.mark.slow
def test_mapped_ram_keeps_its_places(tmp_path: Path) -> None:
    """The pages become holes, and nothing else is another: in its file, at an offset, and in a save image."""
    whole, out = tmp_path / "whole", tmp_path / "thin"
    image = plain("saved/libvirt-12.8-sparse.head.xz") + b""
    files = {"alone": plain(MAPPED_RAM), "offset": plain(AT_OFFSET)}
    with load(plain("saved/mapped-10.0.file.xz")) as stream:
        files["libvirt"] = image + b"".join(stream.chunks(len(image)))
    for data in files.values():
        whole.write_bytes(data)
        assert main(["thin", str(whole), "-o", str(out)]) == 0
        small = out.read_bytes()
        with load(whole) as before, load(out) as after:
            assert told(after) == told(before)
            assert [block.mapped for block in after.ram.blocks] == [block.mapped for block in before.ram.blocks]
            assert not any(any(page) for _, page in after.memory().pages())
            begin, end = span_of_memory(after)
        assert (small[:begin], small[end:]) == (data[:begin], data[end:])
        assert out.stat().st_blocks * 512 < 1_000_000 < len(small) == len(data)
        assert is_thin(str(out)) and not is_thin(str(whole))
        assert b"".join(thin(small)) == b"".join(thin(data))


def span_of_memory(stream: Stream) -> tuple[int, int]:
    """Where in the file its bitmaps begin, and its pages end."""
    ends = []
    for block in stream.ram.blocks:
        assert block.mapped is not None
        ends += [block.mapped.bitmap_offset, block.mapped.pages_offset + block.used_length]
    return min(ends), max(ends)


def test_mapped_ram_is_written_for_the_start_of_a_file() -> None:
    data = plain("saved/mapped-10.0.file.xz")
    with load(data) as stream:
        assert b"".join(stream.chunks()) == data


def test_a_large_piece_of_a_block_is_emptied_piece_by_piece() -> None:
    piece = RamMapped(64, memoryview(b"\1" * (3 << 19)), "pc.ram", "pages", 4096)
    empty = list(emptied(piece))
    assert [(event.offset, event.address, len(event.raw)) for event in empty] == [
        (64, 4096, 1 << 20),
        (64 + (1 << 20), 4096 + (1 << 20), 1 << 19),
    ]
    assert not any(any(event.raw) for event in empty)


@pytest.mark.slow
def test_of_mapped_ram_at_an_offset_there_is_one_that_stands_alone() -> None:
    with load(plain(AT_OFFSET)) as stream:
        small, data = b"".join(thin(stream)), stream.to_bytes()
    assert b"".join(thin(plain(AT_OFFSET))) == small
    assert b"".join(thin(data)) == small
    with load(small) as stream:
        assert stream.ram.blocks[0].mapped is not None
        assert stream.ram.blocks[0].mapped.bitmap_offset < ORIGIN


def test_what_cannot_be_thin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.mig"
    cut = tmp_path / "cut.mig"
    cut.write_bytes(plain(NONE)[:200])
    for file in (cut, tmp_path / "nowhere.mig"):
        assert main(["thin", str(file), "-o", str(out)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.mig"]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.mig"
    file = str(FIXTURES / POSTCOPY)
    assert main(["thin", file, "-o", str(out)]) == 0
    assert out.read_bytes() == b"".join(thin(file))
    sink = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", sink)
    assert main(["thin", file, "-o", "-"]) == 0
    assert sink.buffer.getvalue() == out.read_bytes()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_memory_is_not_held(tmp_path: Path) -> None:
    """256 MiB of pages go by in a process that may not hold them."""
    path = tmp_path / "big.mig"
    data = plain("recorded/qemu-7.2-pc-ram-cold.mig.xz")
    with load(data) as stream:
        ram = next(section for section in stream.sections if section.is_ram and section.state.pages.get("page"))
    page = (0x28).to_bytes(8, "big") + bytes(range(256)) * 16
    end = ram.state.offset + ram.state.size - 8
    with path.open("wb") as file:
        file.write(data[:end])
        for _ in range(64):
            file.write(page * 1024)
        file.write(data[end:])
    code = (
        "from vmstate.cli import main\n"
        f"assert main(['thin', {str(path)!r}, '-o', {str(tmp_path / 'out.mig')!r}]) == 0\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100_000
    assert (tmp_path / "out.mig").read_bytes() == b"".join(thin(data))


@pytest.mark.slow
def test_the_streams_of_the_package_are_the_recorded_ones() -> None:
    """`make corpus` was run since the last recording."""
    kept = {file for file in set(STREAMS) - MAPPED if not is_left_out(Path(file))}
    assert sorted([f"{name}.xz" for name in corpus_names()]) == sorted(kept)
    assert ARCHIVE.stat().st_size < 80_000
    for name in corpus_names()[::10]:
        assert corpus_stream(name) == b"".join(thin(plain(f"{name}.xz"))), name
    with pytest.raises(StreamError, match="no stream of this name"):
        corpus_stream("qemu-7.2-none")


def test_what_the_documents_read_comes_with_the_package() -> None:
    """But for two that are read together with a file that does not come with it either."""
    root = FIXTURES.parent
    pages = [root / "README.md", *(root / "docs").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"fixtures/([\w./-]+\.mig)\.xz", page.read_text())}
    assert len(named) > 20
    left_out = {"recorded/qemu-7.2-pc-devices-cold.mig", "trace/qemu-11.1-mq4-tap.mig"}
    assert named - set(corpus_names()) == left_out


def test_an_archive_is_made_of_what_can_be_thin(tmp_path: Path) -> None:
    for file in (NONE, MAPPED_RAM):
        target = tmp_path / file
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((FIXTURES / file).read_bytes())
    pack(thin_streams(tmp_path), tmp_path / "made.tar.xz")
    with tarfile.open(tmp_path / "made.tar.xz") as archive:
        assert archive.getnames() == [NONE.removesuffix(".xz")]
    (tmp_path / "recorded" / "cut.mig.xz").write_bytes(lzma.compress(plain(NONE)[:100]))
    with pytest.raises(VMStateError, match="cut"):
        list(thin_streams(tmp_path))


@pytest.mark.qemu
@pytest.mark.parametrize("root", ROOTS)
def test_qemu_loads_mapped_ram_that_is_thin(root: str, tmp_path: Path) -> None:
    """Alone, and scrubbed; the same with a letter wrong behind memory is refused."""
    from vmstate.lab.incoming import load_into_qemu
    from vmstate.qemu.capture import capture_started

    whole, out = tmp_path / "mapped.mig", tmp_path / "thin.mig"
    try:
        capture_started(whole, COLD, qemu=qemu_of(root), transport="file", capabilities=["mapped-ram"])
    except MachineError as error:
        pytest.skip(f"this release has it not: {error}")
    for more in ((), ("--scrub",)):
        assert main(["thin", str(whole), *more, "-o", str(out)]) == 0
        assert load_into_qemu(out, COLD, qemu=qemu_of(root)).accepted
    data = bytearray(out.read_bytes())
    with load(bytes(data)) as stream:
        data[stream.sections[-1].header.offset] ^= 0xFF
    out.write_bytes(data)
    assert not load_into_qemu(out, COLD, qemu=qemu_of(root)).accepted


@pytest.mark.qemu
@needs_qemu
def test_qemu_loads_what_never_ran(tmp_path: Path) -> None:
    from vmstate.lab.incoming import load_into_qemu
    from vmstate.qemu.capture import capture_started

    capture_started(tmp_path / "cold.mig", COLD)
    assert main(["thin", str(tmp_path / "cold.mig"), "-o", str(tmp_path / "thin.mig")]) == 0
    assert (tmp_path / "thin.mig").stat().st_size * 2 < (tmp_path / "cold.mig").stat().st_size
    assert load_into_qemu(tmp_path / "thin.mig", COLD).accepted


def test_a_thin_stream_is_known_as_one(tmp_path: Path) -> None:
    """To say so where a QEMU stops in it."""
    path = tmp_path / "thin.mig"
    assert not is_thin(str(FIXTURES / MICROVM))
    path.write_bytes(b"".join(thin(plain(BARE))))
    assert is_thin(str(path))
    assert not is_thin(str(tmp_path / "missing")) and not is_thin("-")
