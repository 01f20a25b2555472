"""The state of a CPR transfer: one that QEMU 11.1 wrote, ones that are put together here, and damaged ones."""

from __future__ import annotations

import json
import lzma
import random
import struct
from pathlib import Path

import pytest
from saved_files import RECORDED, plain

from vmstate import load
from vmstate.cli import main
from vmstate.errors import StreamError
from vmstate.saved.cpr import CprStateError, open_cpr_state

REAL = "cpr-11.1"
NAMES = ["/rom@etc/acpi/rsdp", "/rom@etc/acpi/tables", "pc.bios", "/rom@etc/table-loader", "mem"]


def named(name: str) -> bytes:
    return struct.pack(">I", len(name) + 1) + name.encode() + b"\0"


def written(fds: list[tuple[str, int, int | None]], devices: list[tuple[str, int, int, int]] | None = None) -> bytes:
    """A file with descriptors (name, id, number; None: beside the file), and with devices of VFIO."""
    out = b"QCPR" + struct.pack(">I", 1)
    for name, number, fd in fds:
        out += b"\1" + named(name) + struct.pack(">i", number) + (b" " if fd is None else struct.pack(">i", fd))
    out += b"\0"
    if devices is not None:
        title = b"CprState/vfio devices"
        out += b"\5" + bytes([len(title)]) + title + struct.pack(">I", 1)
        for device in devices:
            out += b"\1" + named(device[0]) + struct.pack(">iII", *device[1:])
        out += b"\0"
    return out


def test_one_that_qemu_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "state"
    path.write_bytes(plain(f"{REAL}.file"))
    known = open_cpr_state(path)
    facts = known.facts()
    assert [(each["name"], each["id"]) for each in facts["descriptors"]] == [(name, 0) for name in NAMES]
    # As many as came beside it, each of the size of the memory that it is named after.
    sizes = dict(zip(NAMES, RECORDED[REAL]["sizes"], strict=True))
    assert sizes["pc.bios"] == 128 << 10 and sizes["mem"] == 8 << 20 and sizes["/rom@etc/table-loader"] == 64 << 10
    assert facts["mode"] == "transfer" and facts["vfio_devices"] == [] and known.state.vfio is not None
    assert known.encode() == path.read_bytes() and list(known.findings()) == []
    assert main(["info", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "the state of a CPR transfer" in printed and "5, beside the file" in printed and "pc.bios 0" in printed
    assert main(["info", "--format", "json", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["container"] == facts
    assert main(["verify", str(path), str(path)]) == 0
    assert capsys.readouterr().out.count("verifies: the state of a CPR transfer, 5 descriptors, 0 errors") == 2
    assert main(["show", str(path), "fds[4].name"]) == 0
    assert capsys.readouterr().out == "mem\n"
    assert main(["show", str(path)]) == 0
    assert "name: /rom@etc/acpi/rsdp" in capsys.readouterr().out
    assert main(["show", "--format", "json", str(path)]) == 0
    assert len(json.loads(capsys.readouterr().out)["state"]["fds"]) == 5
    assert main(["show", str(path), "fds[5]"]) == 2
    assert "an index below 5" in capsys.readouterr().err
    for verb in ("decode", "query", "ram", "cmdline"):
        assert main([verb, str(path), *["query-status"] * (verb == "query")]) == 2
        assert "names and descriptors" in capsys.readouterr().err
    with pytest.raises(CprStateError, match="the stream of the main channel"):
        load(path)
    path.write_bytes(lzma.compress(path.read_bytes()))
    assert main(["verify", str(path)]) == 0


def test_what_is_put_together_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = random.Random(1)
    path = tmp_path / "state"
    devices = [("0000:01:00.0", 7, 1, 2), ("0000:02:00.0", -1, 0xFFFFFFFF, 0)]
    for is_exec in (False, True):
        for vfio in (None, [], devices):
            fds = [
                (f"n{at}" * drawn.randrange(1, 9), drawn.randrange(-2, 9), at if is_exec else None) for at in range(9)
            ]
            path.write_bytes(written(fds, vfio))
            known = open_cpr_state(path)
            facts = known.facts()
            assert [tuple(each.values()) for each in facts["descriptors"]] == fds
            assert [tuple(each.values()) for each in facts["vfio_devices"]] == (vfio or [])
            assert facts["mode"] == ("exec" if is_exec else "transfer")
            assert known.encode() == path.read_bytes() and list(known.findings()) == []
    assert main(["info", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "by number, kept over exec" in printed and "descriptor 8" in printed
    assert "0000:02:00.0: device -1, address space 4294967295, page table 0 of iommufd" in printed
    assert main(["info", str(path), "--format", "json"]) == 0


def test_what_qemu_would_not_take_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "state"
    whole = written([("mem", 0, None), ("tap", 1, None)])
    for data, code, told in (
        (whole.replace(b"mem\0\0\0\0\0 ", b"mem\0\0\0\0\0!"), 1, "0x21 stands for a descriptor"),
        (whole.replace(b"mem\0", b"memo"), 1, "no name with one NUL"),
        (whole.replace(b"mem\0", b"m\0m\0"), 1, "no name with one NUL"),
        (written([("mem", 0, None), ("mem", 0, None)]), 0, "mem 0 comes twice"),
        (written([("mem", 0, None), ("mem", 1, None)]), 0, "0 errors, 0 notes"),
        (written([]), 0, "0 descriptors"),
    ):
        path.write_bytes(data)
        assert main(["verify", str(path)]) == code
        assert told in capsys.readouterr().out


def test_damage_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = written([("mem", 0, None), ("tap", 1, None)], [("0000:01:00.0", 7, 1, 2)])
    before_devices = whole.index(b"\5\x15Cpr")
    path = tmp_path / "state"
    for cut in range(4, len(whole)):
        path.write_bytes(whole[:cut])
        if cut == before_devices:
            assert len(open_cpr_state(path).state.fds) == 2
            continue
        with pytest.raises(StreamError) as caught:
            open_cpr_state(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value), cut
    first = whole.index(b"mem") - 4
    for data, told in (
        (whole[:4] + struct.pack(">I", 2) + whole[8:], "another version"),
        (whole[:first] + b"\xff\xff\xff\xff" + whole[first + 4 :], "damaged"),
        (whole[:first] + b"\x7f\xff\xff\xff" + whole[first + 4 :], "damaged"),
        (whole + b"\0", "goes on behind the state"),
        (whole.replace(b"vfio devices\0\0\0\1", b"vfio devices\0\0\0\2"), "damaged"),
        (whole.replace(b"CprState/vfio", b"CprState/what"), "damaged"),
        (b"QCPR\0\0\0\1" + bytes(2 << 20), "larger than any"),
    ):
        path.write_bytes(data)
        for verb in ("info", "show", "verify"):
            assert main([verb, str(path)]) == 2
            printed = capsys.readouterr().err
            assert told in printed and printed.count("\n") == 1
    for seed in range(150):
        drawn = random.Random(seed)
        changed = bytearray(whole)
        for _ in range(drawn.randrange(1, 4)):
            changed[drawn.randrange(4, len(whole))] = drawn.choice([0, 1, 5, 0x20, 0x7F, 0xFF])
        path.write_bytes(changed)
        try:
            known = open_cpr_state(path)
        except StreamError as error:
            assert "\n" not in str(error)
        else:
            assert known.encode() == bytes(changed)
    with pytest.raises(StreamError, match="no state of a CPR transfer"):
        path.write_bytes(b"QEVM")
        open_cpr_state(path)
