"""`vmstate ram` on the command line, and inputs that nothing is written over."""

from __future__ import annotations

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
