"""Files that hold a stream and more: save images of libvirt, snapshots in qcow2 images, streams behind something."""

from __future__ import annotations

import json
import lzma
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saved_files import (
    LIBVIRT,
    PAGE,
    PROGRAMS,
    RECORDED,
    head_of,
    image,
    plain,
    qcow2_with_packed_clusters,
    small_stream,
    sums_of,
)

from vmstate import load, verify
from vmstate.cli import main
from vmstate.errors import StreamError, UnfinishedWarning, VMStateError
from vmstate.saved import lzop, open_input
from vmstate.saved.containers import UndecidedError
from vmstate.saved.foreign import FOREIGN, FURTHER_ON, Foreign
from vmstate.saved.loading import load_what_is_whole

MICROVM_ROM = range(0xE0, 0x100)
"""Pages of a machine that never ran which the processor sees as ROM, and pmemsave gives."""

TWO = "savevm-7.2.qcow2"
V2 = "savevm-7.2-v2.qcow2"


def every_machine() -> Iterator[tuple[str, str | None]]:
    for stored in (name for name in RECORDED if name.endswith(".xz")):
        name = stored.removesuffix(".xz")
        if name == TWO:
            yield from ((name, "one"), (name, "2"))
        else:
            yield name, None


@pytest.mark.slow
@pytest.mark.parametrize(("name", "part"), list(every_machine()))
def test_what_was_recorded_opens_and_has_the_memory_that_qemu_told(name: str, part: str | None) -> None:
    with open_input(plain(name), part=part) as opened, load(opened) as stream:
        assert not [finding for finding in verify(stream, opened.data) if finding.severity == "error"]
        assert b"".join(stream.chunks(opened.origin)) == opened.data
        memory = stream.memory()
        assert [(each.address, each.size) for each in memory.ranges] == [(0, 8 << 20)]
        assert memory.map.source == "cmos"
        wrong = [
            number
            for number, right in enumerate(sums_of(name))
            if zlib.crc32(memory.read(number * PAGE, PAGE)) != right and number not in MICROVM_ROM
        ]
        assert wrong == [] and memory.read(0x100000, 9) == b"page    0"
        assert list(memory.missing()) == []
        assert dict(memory.pages())[0x101000].startswith(b"page    1")


def test_a_save_image_of_libvirt_says_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "guest.save").write_bytes(plain(LIBVIRT))
    assert main(["info", str(tmp_path / "guest.save"), "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    container = facts["container"]
    assert (container["kind"], container["format"], container["whole"]) == ("libvirt", "lzop", True)
    assert (container["domain"], container["machine"], container["memory"]) == ("tiny", "pc-q35-7.2", 32 << 20)
    assert container["emulator"] == "/usr/bin/qemu-system-x86_64"
    assert not any(text.startswith("emulator") for text in container["devices"])
    assert [(disk["target"], disk["source"]) for disk in container["disks"]] == [
        ("sda", "/var/lib/libvirt/images/d.qcow2")
    ]
    assert container["cookie"] == {"cpu": "qemu64", "features": 2}
    assert facts["machine"] == "pc-q35-7.2"
    assert main(["info", str(tmp_path / "guest.save")]) == 0
    out = capsys.readouterr().out
    assert "format lzop; the domain was paused" in out and "tiny, pc-q35-7.2, x86_64, 32768 KiB" in out


@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("form", PROGRAMS)
def test_every_format_of_libvirt_and_both_byte_orders(form: str, big_endian: bool) -> None:
    with load(image(form, small_stream(), big_endian=big_endian)) as stream:
        assert stream.to_bytes() == small_stream()
        facts = stream.container.facts()
        assert (facts["format"], facts["domain"]) == (form, "tiny")


@pytest.mark.parametrize("form", ["raw", "gzip", "xz"])
def test_an_image_that_was_not_finished_is_opened_as_far_as_it_goes(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = image(form, small_stream(), magic=b"LibvirtQemudPart")
    path = tmp_path / "part.save"
    path.write_bytes(whole)
    assert main(["info", str(path)]) == 1
    assert "incomplete" in capsys.readouterr().out
    path.write_bytes(whole[: len(head_of(form)) + (len(whole) - len(head_of(form))) * 3 // 4])
    for read in (load_what_is_whole, load):
        with pytest.warns(UnfinishedWarning, match="still writing"), read(path) as stream:
            assert stream.cut is not None and stream.machine == "microvm"
    assert main(["info", str(path)]) == 1


def test_lzop_is_read_as_lzop_writes_it_and_written_as_it_reads() -> None:
    with open_input(plain(LIBVIRT)) as opened:
        data = bytes(opened.data)
    assert len(data) == 9232793 and zlib.crc32(data) == 0xC4A1B950
    again = b"".join(lzop.stored([data[:300_000], memoryview(data)[300_000:]]))
    with open_input(again) as opened:
        assert opened.data == data
    packed = plain(LIBVIRT)[len(head_of("lzop")) :]
    for at in (9, 15, 17, 40, 47, 55, 300, 100_000):
        broken = bytearray(packed)
        broken[at] ^= 0x10
        with pytest.raises(StreamError, match=r"lzop|packs|migration"):
            open_input(head_of("lzop") + bytes(broken))


def test_lzo_without_a_package_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lzop, "unpacked", lzop.unpacked_here)
    with open_input(plain(LIBVIRT)) as opened:
        assert zlib.crc32(opened.data) == 0xC4A1B950
    for packed in (b"", b"\x11", b"\x00" * 40, b"\x15abcd\x40\xff", b"\x20\x00\x00\x00"):
        with pytest.raises(lzop.LzopError):
            lzop.unpacked_here(packed, 100)
    # A literal, then a pattern that is copied from itself.
    assert lzop.unpacked_here(b"\x15abcd\x2b\x00\x00\x11\x00\x00", 17) == b"abcd" + b"d" * 13


@pytest.mark.parametrize("zstd", [False, True], ids=["zlib", "zstd"])
def test_compressed_clusters(zstd: bool) -> None:
    packed = qcow2_with_packed_clusters(small_stream(), zstd=zstd)
    with load(packed) as stream:
        assert stream.to_bytes() == small_stream()
        assert stream.container.facts()["snapshot"] == "pack"
    broken = packed[: (5 << 16) + 5000] + bytes(5000) + packed[(5 << 16) + 10_000 :]
    with pytest.raises(StreamError, match="compressed cluster"):
        load(broken)


def test_several_snapshots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "disk.qcow2"
    path.write_bytes(plain(TWO))
    with pytest.raises(UndecidedError, match=r"2 snapshots of a machine \(expected .*disk.qcow2@one, .*@two"):
        load(path)
    with load(f"{path}@one") as one, load(path.with_name("disk.qcow2@2")) as two:
        assert one.container.chosen.name == "one" and two.container.chosen.name == "two"
    assert main(["info", str(path)]) == 0
    assert "guest clock" in capsys.readouterr().out
    assert main(["info", "--format", "json", str(path)]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)["container"]["snapshots"]] == ["one", "two"]
    assert main(["verify", f"{path}@two"]) == 0
    capsys.readouterr()
    assert main(["info", f"{path}@three"]) == 2
    assert "the image has no such snapshot (expected one, two, found three)" in capsys.readouterr().err
    # A file that is called so comes first.
    (tmp_path / "disk.qcow2@one").write_bytes(small_stream())
    with load(f"{path}@one") as stream:
        assert stream.container is None


def test_a_stream_that_begins_further_on(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"something else" + small_stream())
    with pytest.raises(StreamError, match="one begins at 0xe"):
        load(path)
    with load(f"{path}@14") as stream:
        assert stream.container.facts() == {"kind": "offset", "offset": 14}
        assert stream.to_bytes() == small_stream()
    for wrong, message in (("15", "not a migration stream"), ("9999999", "no stream begins there"), ("x", "snapshots")):
        with pytest.raises(StreamError, match=message):
            load(f"{path}@{wrong}")


@pytest.mark.parametrize("magic", FOREIGN)
def test_what_holds_no_stream_is_named(magic: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    # Of ELF files those are cores that have the type ET_CORE.
    path.write_bytes(magic + (bytes(12) + b"\4" if magic == b"\x7fELF" else b"") + bytes(4096))
    with pytest.raises(StreamError, match="this is no migration stream but ") as caught:
        load(path)
    assert FOREIGN[magic].name in str(caught.value) and FOREIGN[magic].advice in str(caught.value)


@pytest.mark.parametrize(("at", "magic", "named"), FURTHER_ON, ids=[each.name for _, _, each in FURTHER_ON])
def test_what_is_told_further_on_is_named(at: int, magic: bytes, named: Foreign, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for head in (bytes(at), bytes(at - 1) + b"\1"):
        path.write_bytes(head + magic + bytes(4096))
        with pytest.raises(StreamError, match="this is no migration stream but ") as caught:
            load(path)
        assert named.name in str(caught.value) and named.advice in str(caught.value)


def damaged(at: int, size: int, value: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + (value & (1 << 8 * size) - 1).to_bytes(size, "big") + data[at + size :]


BOUNDS = (0, 1, 2, 0x7F, 0xFFFF, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


def tried(data: bytes, **how: str) -> None:
    """Opening gives a stream, or an error of ours; within bounded memory."""
    try:
        with open_input(data, **how) as opened, load(opened) as stream:
            stream.memory().read(0x100000, 9)
    except VMStateError as error:
        assert str(error) and "\n" not in str(error)


LIBVIRT_FIELDS = [(at, 4) for at in range(16, 40, 4)]
QCOW2_FIELDS = [(4, 4), (8, 8), (16, 4), (20, 4), (24, 8), (32, 4), (36, 4), (40, 8), (60, 4), (64, 8), (72, 8)]
QCOW2_FIELDS += [(80, 8), (88, 8), (96, 4), (100, 4), (104, 1)]


def entry_fields(at: int) -> list[tuple[int, int]]:
    """The fields of an entry of the snapshot table that stands there."""
    sizes = (8, 4, 2, 2, 4, 4, 8, 4, 4, 8, 8, 8)
    return [(at + sum(sizes[:number]), size) for number, size in enumerate(sizes)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["libvirt", "savevm-11.1-extl2.qcow2", V2])
def test_every_field_of_a_header_at_its_bounds_and_beyond(name: str) -> None:
    if name == "libvirt":
        data, fields, how = image("raw", small_stream()), LIBVIRT_FIELDS, {}
    else:
        data, how = plain(name), {"part": "1"}
        fields = QCOW2_FIELDS + entry_fields(struct.unpack_from(">Q", data, 64)[0])
    tracemalloc.start()
    for at, size in fields:
        for value in BOUNDS:
            with suppress(StreamError), open_input(damaged(at, size, value)(data), **how) as opened:
                assert len(opened.data) < 4 << 20
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["libvirt", V2])
def test_every_cut(name: str) -> None:
    data = image("gzip", small_stream()) if name == "libvirt" else plain(name)
    head = 92 if name == "libvirt" else 120
    cuts = [*range(16, head), *random.Random(1).sample(range(head, len(data)), 40)]
    for cut in cuts:
        tried(data[:cut])
    for cut in cuts[:-40]:
        with pytest.raises(StreamError):
            load(data[:cut])


def tables_of(data: bytes) -> tuple[int, int, int]:
    """Offset of the snapshot's L1 table, its entries, and the offset of the first L2 table of the state."""
    entry = struct.unpack_from(">Q", data, 64)[0]
    l1_at, l1_size = struct.unpack_from(">QI", data, entry)
    return l1_at, l1_size, struct.unpack_from(">Q", data, l1_at + 8)[0] & 0xFF_FFFF_FFFF_FE00


def test_tables_that_lead_round_in_circles() -> None:
    data = bytearray(plain(V2))
    l1_at, _, l2_at = tables_of(data)
    entry = struct.unpack_from(">Q", data, 64)[0]
    huge = bytearray(data)
    # Every cluster of the state is the same, and there are very many.
    struct.pack_into(">Q", huge, entry + 40, 1 << 40)
    first = struct.unpack_from(">Q", data, l2_at)[0]
    struct.pack_into(">8192Q", huge, l2_at, *[first] * 8192)
    with pytest.raises(StreamError, match=r"name clusters more than once|tables end before"):
        load(bytes(huge))
    for target in (l2_at, l1_at, 0, len(data) // 65536 * 65536 + 65536):
        loop = bytearray(data)
        struct.pack_into(">Q", loop, l2_at, target | 1 << 63)
        tried(bytes(loop))
        loop = bytearray(data)
        struct.pack_into(">Q", loop, l1_at + 8, target | 1 << 63)
        tried(bytes(loop))


def test_what_cannot_be_read_is_said() -> None:
    data = plain(TWO)
    for method, name in ((1, "AES"), (2, "LUKS")):
        with pytest.raises(StreamError, match=f"encrypted \\({name}\\)"):
            load(damaged(32, 4, method)(data))
    with pytest.raises(StreamError, match=r"its data in another file, .*a file without a name"):
        load(damaged(72, 8, 4)(data))
    named = damaged(72, 8, 4)(data)
    length = struct.unpack_from(">I", data, 100)[0]
    extension = struct.pack(">II8s", 0x44415441, 8, b"disk.raw")
    with pytest.raises(StreamError, match=r"found data in disk\.raw"):
        load(named[:length] + extension + named[length + len(extension) :])
    with pytest.raises(StreamError, match="it has no snapshots"):
        load(damaged(60, 4, 0)(data))
    with pytest.raises(StreamError, match="features that are not known"):
        load(damaged(72, 8, 1 << 40)(data))
    with pytest.raises(StreamError, match=r"unknown format .*6 \(sparse\)"):
        load(damaged(28, 4, 0x63000000)(image("raw", small_stream())))


def test_compressed_images_are_opened_within_the_same_bounds() -> None:
    with open_input(lzma.compress(image("gzip", small_stream()))) as opened:
        assert opened.data == small_stream()
    for form in ("gzip", "zstd"):
        with pytest.raises(StreamError, match="out of proportion"):
            open_input(image(form, b"QEVM\0\0\0\3" + bytes(48 << 20)))


EDITS = st.lists(st.tuples(st.integers(0, 1 << 17), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["raw", "gzip", V2]), EDITS, st.integers(0, 1 << 22))
def test_damage_of_any_kind(form: str, edits: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(plain(V2) if form == V2 else image(form, small_stream()))
    for at, new in edits:
        at %= len(data)
        data[at : at + len(new)] = new
    tried(bytes(data if cut % 3 else data[: cut % len(data)]))


def with_bitmaps(names: list[bytes], *, count: int | None = None, size: int | None = None) -> bytes:
    """An image whose header names a directory of dirty bitmaps."""
    data = bytearray(plain("savevm-7.2.qcow2"))
    directory = b""
    for number, name in enumerate(names):
        entry = struct.pack(">QIIBBHI", 0x50000, 1, number % 2, 1, 16 + number, len(name), 0) + name
        directory += entry + bytes(-len(entry) % 8)
    (length,) = struct.unpack_from(">I", data, 100)
    extension = struct.pack(">IIIIQQ", 0x23852875, 24, len(names) if count is None else count, 0, 0, 0)
    extension = extension[:-16] + struct.pack(">QQ", len(directory) if size is None else size, len(data))
    data[length : length + 40] = extension + bytes(8)
    return bytes(data) + directory


def test_dirty_bitmaps_and_other_disks_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "disk.qcow2"
    path.write_bytes(with_bitmaps([b"backup-1", "nightly \u00fc".encode()]))
    assert main(["info", "--format", "json", f"{path}@two"]) == 0
    facts = json.loads(capsys.readouterr().out)["container"]
    assert facts["dirty_bitmaps"] == [
        {"name": "backup-1", "granularity": 65536, "in_use": False},
        {"name": "nightly \u00fc", "granularity": 131072, "in_use": True},
    ]
    assert facts["disks"] == []
    assert main(["info", f"{path}@two"]) == 0
    shown = capsys.readouterr().out
    assert "backup-1, a bit for 65536 bytes\n" in shown and "in use: it was not saved" in shown
    # A directory that is damaged costs names, and nothing else.
    for damaged in (
        with_bitmaps([b"one"], count=1 << 31),
        with_bitmaps([b"one", b"two"])[:-5],
        with_bitmaps([b"one"], size=1 << 62),
        with_bitmaps([b"x" * 70_000][:0], count=5),
    ):
        path.write_bytes(damaged)
        assert main(["verify", f"{path}@one"]) == 0
        capsys.readouterr()


@pytest.mark.parametrize(
    ("magic", "name"), [(b"QEVM", "stream"), (b"LibvirtQemudSave", "libvirt"), (b"QFI\xfb", "qcow2")]
)
def test_a_file_that_ends_inside_its_magic_is_named(magic: bytes, name: str) -> None:
    for size in range(2, min(len(magic), 12)):
        with pytest.raises(StreamError, match=f"the first {size} bytes of a.*{name}"):
            load(magic[:size])


def test_file_systems_are_named() -> None:
    for at, mark, name in ((0x8001, b"CD001", "ISO 9660"), (0x438, b"\x53\xef", "an ext file system")):
        data = bytearray(b"\1" + bytes(0x9000))
        data[at : at + len(mark)] = mark
        with pytest.raises(StreamError, match=name):
            load(bytes(data))
