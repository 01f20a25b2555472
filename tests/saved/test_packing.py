"""Streams that are put back into what they were taken out of."""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from saved_files import LIBVIRT, PROGRAMS, SAVED, SPARSE_HEAD, head_of, image, plain, small_stream

from vmstate import load
from vmstate.cli import main
from vmstate.errors import StreamError
from vmstate.saved import open_input
from vmstate.saved.containers import StreamAtOffset
from vmstate.saved.libvirt import LibvirtImage
from vmstate.saved.packing import packed, with_addresses

QEMU_IMG = shutil.which("qemu-img")
CHANGE = "mc146818rtc.cmos_index=5"


def changed_stream() -> bytes:
    with load(small_stream()) as stream:
        stream["mc146818rtc"].state["cmos_index"] = 5
        return stream.to_bytes()


@pytest.mark.parametrize("form", [*PROGRAMS, "lzop"])
def test_set_keeps_the_save_image(form: str, tmp_path: Path) -> None:
    source, output = tmp_path / "in.save", tmp_path / "out.save"
    if form == "lzop":
        source.write_bytes(plain(LIBVIRT))
        assert main(["set", str(source), CHANGE, "-o", str(output)]) == 0
    else:
        source.write_bytes(image(form, small_stream()))
        assert main(["set", str(source), CHANGE, "-o", str(output)]) == 0
        with open_input(output) as opened:
            assert opened.data == changed_stream()
    head = head_of(form)
    assert output.read_bytes()[: len(head)] == head
    assert source.read_bytes()[: len(head)] == head
    with load(output) as stream:
        assert stream["mc146818rtc"].state["cmos_index"] == 5 and stream.container.form == form


def test_what_is_not_written() -> None:
    with open_input(image("raw", small_stream(), big_endian=True)) as opened:
        assert opened.container is not None
        with pytest.raises(StreamError, match="big-endian"):
            list(packed(opened.container, [b""]))


def test_a_format_that_does_not_fit_says_which_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    like, output = tmp_path / "like.save", tmp_path / "out.save"
    like.write_bytes(image("raw", small_stream()))
    mapped = str(SAVED / "mapped-10.0.file.xz")
    words = ["--as", "libvirt", "--like", str(like), "-o", str(output)]
    assert main(["pack", str(like), "--format", "sparse", *words]) == 2
    assert "this stream has its memory in records (expected --format and one of raw, gzip" in capsys.readouterr().err
    assert main(["pack", mapped, *words]) == 2
    assert "in its format sparse alone (expected --format sparse, found raw)" in capsys.readouterr().err
    assert not output.exists()
    assert main(["pack", mapped, "--format", "sparse", *words]) == 0
    assert main(["ram", str(output), "read", "0x101000", "4"]) == 0


def test_addresses_in_the_xml() -> None:
    with open_input(image("raw", small_stream())) as opened:
        container = opened.container
    assert isinstance(container, LibvirtImage)
    xml = container.xml.replace(b"<devices>", b"<!--52:54:00:AA:bb:cc--><devices>")
    container = container.replace(xml=xml, head=container.head[:92] + xml.ljust(len(container.head) - 92, b"\0"))
    new = with_addresses(container, [("52:54:00:aa:bb:cc", "52:54:00:00:00:01")])
    assert b"<!--52:54:00:00:00:01-->" in new.xml and len(new.head) == len(container.head)
    assert new.head.count(b"52:54:00:00:00:01") == 1 and b"AA:bb:cc" not in new.head
    two = container.replace(xml=b"<mac address='52:54:00:00:00:01'/><mac address='52:54:00:00:00:02'/>")
    swapped = with_addresses(
        two, [("52:54:00:00:00:01", "52:54:00:00:00:02"), ("52:54:00:00:00:02", "52:54:00:00:00:01")]
    )
    assert swapped.xml == b"<mac address='52:54:00:00:00:02'/><mac address='52:54:00:00:00:01'/>"
    for pair, message in (
        (("52", "53"), "no MAC address"),
        (("52:54:00:00:00:01", "53:54:00:00:00:01"), "no address of a group"),
        (
            ("52:54:00:00:00:09", "52:54:00:00:00:01"),
            "has no MAC address 52:54:00:00:00:09 .*found 52:54:00:00:00:01, 52",
        ),
    ):
        with pytest.raises(StreamError, match=message):
            with_addresses(two, [pair])


def test_the_xml_follows_any_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, output = tmp_path / "in.save", tmp_path / "out.save"
    stream = lzma.decompress((SAVED.parent / "recorded" / "qemu-7.2-isapc-cold.mig.xz").read_bytes())
    old, strange = (f"<uuid>{address:36}</uuid>".encode() for address in ("52:54:00:12:34:56", "52:54:00:99:99:99"))
    whole = re.sub(b"<uuid>.{36}</uuid>", old, image("raw", stream), count=1)
    source.write_bytes(whole)
    new = "52:54:00:77:77:77"
    assert main(["set", str(source), "--xml", f"ne2000.mac={new}", "-o", str(output)]) == 0
    with load(output) as changed:
        assert changed.container.xml.count(new.encode()) == 1 and b"12:34:56" not in changed.container.xml
        assert bytes(changed["ne2000"].state["ne2000"]["mem"][:12:2]).hex(":") == new
    assert main(["set", str(source), "--xml", "mc146818rtc.cmos_index=5", "-o", str(tmp_path / "none")]) == 2
    assert "no MAC address was changed (expected one of ne2000.mac=52:54:00:12:34:56)" in capsys.readouterr().err
    source.write_bytes(whole.replace(old, strange))
    assert main(["set", str(source), "--xml", f"ne2000.mac={new}", "-o", str(tmp_path / "none")]) == 2
    assert "the XML has no MAC address 52:54:00:12:34:56" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["savevm-7.2.qcow2", "savevm-7.2-v2.qcow2", "savevm-11.1-extl2.qcow2"])
def test_set_and_thin_replace_a_snapshot_in_a_copy(name: str, tmp_path: Path) -> None:
    source, output = tmp_path / "in.qcow2", tmp_path / "out.qcow2"
    source.write_bytes(plain(name))
    assert main(["set", f"{source}@1", CHANGE, "-o", str(output)]) == 0
    assert source.read_bytes() == plain(name)
    before, after = source.read_bytes(), output.read_bytes()
    with load(f"{output}@1") as stream:
        assert stream["mc146818rtc"].state["cmos_index"] == 5
    assert len(before) == len(after) and sum(a != b for a, b in zip(before, after, strict=True)) == 1
    if name == "savevm-7.2.qcow2":
        with open_input(f"{source}@two") as first, open_input(f"{output}@two") as second:
            assert first.data == second.data
    assert main(["thin", f"{source}@1", "-o", str(output)]) == 0
    with load(f"{output}@1") as stream:
        assert not set(stream.ram.pages) and stream.container.chosen.state_size < 60_000
    if QEMU_IMG is not None:
        subprocess.run([QEMU_IMG, "check", output], check=True, capture_output=True)


def test_a_stream_at_an_offset_keeps_what_is_before(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"something else" + small_stream())
    assert main(["set", f"{tmp_path / 'x'}@14", CHANGE, "-o", str(tmp_path / "y")]) == 0
    assert (tmp_path / "y").read_bytes() == b"something else" + changed_stream()
    container = StreamAtOffset(str(tmp_path / "x"), 14)
    assert b"".join(packed(container, [b"new"])) == b"something elsenew"


def test_unpack_and_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save, stream, again = (str(tmp_path / name) for name in ("in.save", "plain", "again.save"))
    Path(save).write_bytes(image("xz", small_stream()))
    assert main(["unpack", save, "-o", stream]) == 0
    assert Path(stream).read_bytes() == small_stream()
    for form in ("raw", "lzop", "zstd"):
        words = ["pack", stream, "--as", "libvirt", "--like", save, "--format", form, "-o", again]
        assert main(words) == 0
        with open_input(again) as opened:
            assert opened.data == small_stream() and opened.container is not None
            assert opened.container.facts()["format"] == form
    assert Path(again).read_bytes()[: len(head_of("zstd"))] == head_of("zstd")
    assert main(["pack", stream, "--as", "qcow2", "--like", save, "-o", again]) == 2
    assert main(["pack", stream, "--like", save, "--format", "sparse", "-o", again]) == 2
    assert "format sparse is that of mapped-ram" in capsys.readouterr().err
    assert main(["pack", stream, "--like", stream, "-o", again]) == 2
    assert main(["pack", stream, "--like", save, "-o", save]) == 2
    assert main(["encode", "nothing", "--like", save, "-o", again]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mapped-10.0.file", "mapped-offset-11.1.file"])
def test_mapped_ram_is_laid_out_anew_at_another_place(name: str, tmp_path: Path) -> None:
    like, sparse, back = (tmp_path / file for file in ("like", "out.save", "back"))
    like.write_bytes(plain(SPARSE_HEAD))
    (tmp_path / "file").write_bytes(plain(name))
    assert main(["unpack", str(tmp_path / "file"), "-o", str(back)]) == 0
    assert main(["pack", str(tmp_path / "file"), "--like", str(like), "-o", str(sparse)]) == 0
    with load(tmp_path / "file") as first, load(sparse) as second, load(back) as third:
        assert second.container.form == "sparse" and third.container is None
        memories = [each.memory() for each in (first, second, third)]
        pages = [dict(memory.pages()) for memory in memories]
        assert pages[0] == pages[1] == pages[2] and len(pages[0]) == 16
        for each in (second, third):
            assert [part.as_dict()["name"] for part in each] == [part.as_dict()["name"] for part in first]
            mapped = [block.mapped for block in each.ram.blocks if block.mapped is not None]
            assert len(mapped) == 5 and all(header.pages_offset % (1 << 20) == 0 for header in mapped)
        # So it is written by whatever writes: saved, by its document, into a file like the first.
        saved = tmp_path / "saved"
        first.save(saved)
        assert saved.read_bytes() == back.read_bytes()
    document, encoded = str(tmp_path / "document.json"), tmp_path / "encoded"
    assert main(["decode", str(tmp_path / "file"), "-o", document]) == 0
    assert main(["encode", document, "-o", str(encoded)]) == 0
    assert encoded.read_bytes() == back.read_bytes()
    assert main(["encode", document, "--like", str(tmp_path / "file"), "-o", str(encoded)]) == 0
    assert encoded.read_bytes() == plain(name)
    # Nothing but the machine's name is longer, and memory stands where it did.
    words = ["configuration.name=microvm-of-another-name", "-o", str(encoded)]
    for file in ("file", "out.save"):
        assert main(["set", str(tmp_path / file), *words]) == 0
        with load(encoded) as stream:
            assert stream.machine == "microvm-of-another-name"
            assert dict(stream.memory(ranges=memories[0].ranges).pages()) == pages[0]
        assert encoded.stat().st_blocks * 512 < 1_000_000
    if name == "mapped-10.0.file":
        # QEMU lays it out in the same way.
        assert back.read_bytes() == plain(name)


def test_what_is_no_stream_is_not_unpacked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, out = tmp_path / "text", tmp_path / "out"
    text.write_bytes(b"no stream at all\n" * 100)
    assert main(["unpack", str(text), "-o", str(out)]) == 2
    assert "not a migration stream" in capsys.readouterr().err and not out.exists()
