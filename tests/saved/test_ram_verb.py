"""`vmstate ram` on the command line, and inputs that nothing is written over."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest
from saved_files import image, plain, small_stream

from vmstate.cli import main

IMAGE = "savevm-7.2-v2.qcow2"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.qcow2"
    path.write_bytes(plain(IMAGE))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "more"), [("ram", []), ("set", ["mc146818rtc.cmos_index=5"]), ("thin", []), ("unpack", [])]
)
def test_a_snapshot_is_not_written_over_its_image(
    verb: str, more: list[str], disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = disk.read_bytes()
    link = tmp_path / "link"
    link.symlink_to(disk)
    for output in (disk, link):
        assert main([verb, f"{disk}@1", *more, "-o", str(output)]) == 2
        assert "this is what is read" in capsys.readouterr().err
    assert disk.read_bytes() == before


@pytest.mark.slow
def test_what_is_asked_may_stand_behind_the_options(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ram", str(disk), "read", "0x102000", "16", "--virtual", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert main(["ram", str(disk), "--virtual", "cpu", "read", "0x102000", "16"]) == 0
    assert capsys.readouterr().out == shown != ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["read", "0", "1", "--virtual", "0xzz"], "what CR3 holds"),
        (["read", "0", "1", "--virtual", str(1 << 64)], "what CR3 holds"),
        (["--memory", "nope=/dev/null"], "expected 'microvm.ram'"),
        (["--at", "nope=0"], "expected 'microvm.ram'"),
        (["--at", "pc.bios=0"], "this block is none (found 'pc.bios')"),
        (["--at", f"microvm.ram={(1 << 64) - 4096}"], "behind the last address"),
        (["--at", f"microvm.ram={1 << 63}", "-o", "OUT"], "no file of a system (expected at most 4611686018427387904"),
        (["--format", "elf"], "expected -o OUT"),
        (["--index", "-"], "an index is a file"),
    ],
)
def test_what_is_told_must_mean_something(
    words: list[str], message: str, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ram", str(disk), *(word.replace("OUT", f"{disk}.out") for word in words)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_file_of_memory_must_be_one(disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thin, memory = tmp_path / "thin.mig", tmp_path / "memory"
    assert main(["thin", f"{disk}@1", "-o", str(tmp_path / "thin.qcow2")]) == 0
    assert main(["unpack", str(tmp_path / "thin.qcow2"), "-o", str(thin)]) == 0
    memory.write_bytes(b"text" * (2 << 20))
    assert main(["ram", str(thin), "--memory", f"microvm.ram={memory}", "read", "4096", "4"]) == 0
    assert "74 65 78 74" in capsys.readouterr().out
    memory.write_bytes(bytes((8 << 20) - 1))
    for file, name, message in (
        (thin, memory, "no file of microvm.ram (expected at least 8388608 bytes, found 8388607)"),
        (thin, tmp_path / "none", "the memory file cannot be read: no such file"),
        (thin, tmp_path, "the memory file cannot be read: is a directory"),
        (disk, memory, "it holds this block (found 'microvm.ram')"),
    ):
        assert main(["ram", str(file), "--memory", f"microvm.ram={name}"]) == 2
        assert message in capsys.readouterr().err


def test_an_unfinished_save_image_does_not_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for magic, code in ((b"LibvirtQemudSave", 0), (b"LibvirtQemudPart", 1)):
        path = tmp_path / "guest.save"
        path.write_bytes(image("raw", small_stream(), magic=magic))
        assert main(["verify", str(path)]) == code
        assert ("[unfinished]" in capsys.readouterr().out) == (code == 1)


@pytest.mark.slow
def test_modules_are_not_put_over_other_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A block that nobody knows the place of: told, it must not hide another."""
    stream = small_stream().replace(b"\x07pc.bios", b"\x07pc_dimm")
    path = tmp_path / "dimm.mig"
    path.write_bytes(stream)
    assert main(["ram", str(path), "--at", "pc_dimm=0x1000"]) == 2
    assert "puts 'microvm.ram' and 'pc_dimm' over each other (found 0x1000)" in capsys.readouterr().err
    assert main(["ram", str(path), "--at", "pc_dimm=0x10000000"]) == 0
    assert "pc_dimm" in capsys.readouterr().out


def shared_stream(*, with_pages: bool) -> bytes:
    """A machine whose one block of memory is 1 MiB at address 0, sent with x-ignore-shared."""
    name, size = b"\x06pc.ram", 1 << 20
    capability = b"\x0fx-ignore-shared"
    out = b"QEVM" + struct.pack(">I", 3) + b"\x07" + struct.pack(">I", 10) + b"pc-q35-7.2"
    caps = b"configuration/capabilities"
    out += b"\x05" + bytes([len(caps)]) + caps + struct.pack(">II", 1, 1) + capability
    out += b"\1" + struct.pack(">I", 2) + b"\3ram" + struct.pack(">II", 0, 4)
    out += struct.pack(">Q", size | 4) + name + struct.pack(">QQQ", size, 0, 0x10) + b"\x7e\0\0\0\2"
    pages = struct.pack(">Q", 2) + name + b"\0" if with_pages else b""
    return out + b"\3" + struct.pack(">I", 2) + pages + struct.pack(">Q", 0x10) + b"\x7e\0\0\0\2" + b"\0"


def test_memory_that_is_shared_is_refused_without_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out, shared = tmp_path / "guest.mig", tmp_path / "out", tmp_path / "shared"
    path.write_bytes(shared_stream(with_pages=False))
    shared.write_bytes(b"text" * (1 << 18))
    for words in (*(["-o", str(out), "--format", form] for form in ("raw", "elf", "lime")), ["--hash"]):
        assert main(["ram", str(path), *words]) == 2
        assert "(x-ignore-shared): pc.ram (expected --memory pc.ram=FILE)" in capsys.readouterr().err
        assert not out.exists()
    assert main(["ram", str(path)]) == 0
    assert "not in the stream       1 MiB  pc.ram (--memory ID=FILE)" in capsys.readouterr().out
    assert main(["ram", str(path), "--memory", f"pc.ram={shared}", "--hash", "-o", str(out)]) == 0
    assert f"{hashlib.sha256(shared.read_bytes()).hexdigest()}  the memory" in capsys.readouterr().out
    assert out.read_bytes() == shared.read_bytes()


def test_info_names_what_a_stream_leaves_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "guest.mig"
    whole = shared_stream(with_pages=True)
    path.write_bytes(whole)
    assert main(["info", str(path)]) == 0
    assert "in a file of its own" not in capsys.readouterr().out
    # A second block, of which there is no page.
    block = struct.pack(">QQ", 1 << 20, 0)
    more = b"\6pc.ram" + block, b"\6pc.ram" + block + b"\x02m0" + struct.pack(">QQ", 1 << 16, 1 << 32)
    path.write_bytes(whole.replace(struct.pack(">Q", 1 << 20 | 4), struct.pack(">Q", (17 << 16) | 4)).replace(*more))
    assert main(["info", str(path)]) == 0
    told = "memory        not in it, but in a file of its own: m0 (64 KiB); ram needs --memory m0=FILE"
    assert told in capsys.readouterr().out
    assert main(["info", str(path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"]["blocks"] == ["m0"]
    path.write_bytes(shared_stream(with_pages=False))
    assert main(["info", str(path)]) == 0
    assert "pages: none, ram needs --memory" in capsys.readouterr().out


def test_a_sum_of_memory_that_lacks_pages_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "guest.mig"
    path.write_bytes(shared_stream(with_pages=True))
    assert main(["ram", str(path), "--hash"]) == 1
    captured = capsys.readouterr()
    assert "the memory, range by range" in captured.out
    assert "255 pages are not in what was given, at 0x1000 to 0xfffff: zeros stand there" in captured.err


def test_a_map_is_not_written_and_a_device_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "guest.mig"
    path.write_bytes(shared_stream(with_pages=True))
    assert main(["ram", str(path), "map", "-o", str(tmp_path / "out")]) == 2
    assert "a map is shown, and not written" in capsys.readouterr().err
    assert main(["ram", str(path), "-o", "/dev/null"]) == 2
    assert "memory is written here and there (expected a file)" in capsys.readouterr().err
