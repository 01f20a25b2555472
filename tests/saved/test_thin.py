"""A stream without the contents of memory: the devices are as they were, byte for byte, and QEMU loads it."""

from __future__ import annotations

import io
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from machines import COLD, needs_qemu
from recorded import BARE, FIXTURES, MAPPED_RAM, MICROVM, NONE, POSTCOPY, PROVENANCE, STREAMS, plain

from vmstate import Stream, StreamError, VMStateError, load, thin
from vmstate.cli import main
from vmstate.cli.load import is_thin
from vmstate.saved.corpus import ARCHIVE, corpus_names, corpus_stream, is_left_out, pack, thin_streams
from vmstate.stream.events import Command

MAPPED = {file for file in STREAMS if PROVENANCE.get(file, {}).get("format") == "mapped-ram"}
WHOLE = [file for file in STREAMS if "whole" in PROVENANCE[file] and file not in MAPPED]
SOME = sorted({*STREAMS[::12], *WHOLE} - MAPPED)


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


def test_what_cannot_be_thin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StreamError, match="mapped-ram"):
        list(thin(plain(MAPPED_RAM)))
    out = tmp_path / "out.mig"
    cut = tmp_path / "cut.mig"
    cut.write_bytes(plain(NONE)[:200])
    for file in (FIXTURES / MAPPED_RAM, cut, tmp_path / "nowhere.mig"):
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
