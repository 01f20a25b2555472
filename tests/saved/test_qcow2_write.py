"""Snapshots that are put into a copy of a qcow2 image: larger than before, and new ones."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from machines import PROGRAM, needs_qemu
from saved_files import plain, qcow2_with_packed_clusters, small_stream

from vmstate import load
from vmstate.cli import main
from vmstate.errors import StreamError
from vmstate.saved import open_input
from vmstate.saved.opening import open_raw
from vmstate.saved.qcow2 import Qcow2Image, image_to_extend

QEMU_IMG = shutil.which("qemu-img")
CHANGE = "mc146818rtc.cmos_index=5"
LARGER = random.Random(4).randbytes(3 << 20)
"""What comes behind the stream, so that it needs more clusters than there are."""

IMAGES = ("savevm-7.2", "savevm-7.2-v2", "savevm-10.0-c512", "savevm-10.0-c2M", "savevm-11.1-extl2")


def tool(*words: object, good: bool = True) -> str:
    """What `qemu-img` says, where there is one."""
    if QEMU_IMG is None:
        return ""
    done = subprocess.run([QEMU_IMG, *map(str, words)], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == good, done.stdout + done.stderr
    return done.stdout


def state_of(file: str) -> bytes:
    with open_input(file) as opened:
        return bytes(opened.data)


def image_of(file: Path) -> Qcow2Image:
    with open_raw(str(file)) as opened:
        return image_to_extend(opened, str(file))


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_a_state_that_grows_and_a_new_snapshot(name: str, tmp_path: Path) -> None:
    disk, out, more, large = (tmp_path / file for file in ("disk.qcow2", "out.qcow2", "more.qcow2", "large.mig"))
    disk.write_bytes(plain(f"{name}.qcow2"))
    large.write_bytes(small_stream() + LARGER)
    before = image_of(disk)
    first, *rest = before.snapshots
    assert main(["pack", str(large), "--as", "qcow2", "--like", f"{disk}@{first.name}", "-o", str(out)]) == 0
    assert state_of(f"{out}@{first.name}") == large.read_bytes()
    assert [each.name for each in image_of(out).snapshots] == [each.name for each in before.snapshots]
    for each in rest:
        assert state_of(f"{out}@{each.name}") == state_of(f"{disk}@{each.name}")
    tool("check", out)
    # A new one on the disk of the first, another on the disk as it is now, and then one of them larger.
    words = ["pack", str(large), "--like", f"{disk}@{first.name}", "--snapshot", "new", "-o", str(out)]
    assert main(words) == 0
    image = image_of(out)
    new = image.snapshots[-1]
    assert (new.name, new.disk_size) == ("new", first.disk_size) and new.seconds > 1_700_000_000
    assert new.id not in {each.id for each in before.snapshots}
    assert state_of(f"{out}@new") == large.read_bytes()
    for each in before.snapshots:
        assert state_of(f"{out}@{each.name}") == state_of(f"{disk}@{each.name}")
    large.write_bytes(small_stream())
    assert main(["pack", str(large), "--like", str(out), "--snapshot", "newer", "-o", str(more)]) == 0
    large.write_bytes(small_stream() + LARGER + LARGER)
    assert main(["pack", str(large), "--like", f"{more}@newer", "-o", str(out)]) == 0
    assert state_of(f"{out}@newer") == large.read_bytes() and len(state_of(f"{out}@new")) < len(large.read_bytes())
    for file in (more, out):
        tool("check", file)
    tool("compare", "-U", disk, out)
    tool("snapshot", "-d", "new", out)
    tool("check", out)


def test_compressed_clusters_give_way(tmp_path: Path) -> None:
    # Whoever made it counted nothing: qemu-img counts anew.
    disk, out = tmp_path / "disk.qcow2", tmp_path / "out.qcow2"
    disk.write_bytes(qcow2_with_packed_clusters(small_stream(), zstd=False))
    with load(f"{disk}@pack") as stream:
        stream["mc146818rtc"].state["cmos_index"] = 5
        changed = stream.to_bytes()
    (tmp_path / "changed").write_bytes(changed)
    words = ["pack", str(tmp_path / "changed"), "--like", f"{disk}@pack", "-o", str(out)]
    assert main(words) == 2
    if QEMU_IMG is None:
        pytest.skip("apt-get install qemu-utils")
    subprocess.run([QEMU_IMG, "check", "-r", "all", disk], capture_output=True, check=False)
    assert main(words) == 0
    assert state_of(f"{out}@pack") == changed
    tool("check", out)


def test_what_an_image_cannot_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disk, stream, out = tmp_path / "disk.qcow2", tmp_path / "stream", tmp_path / "out"
    data = bytearray(plain("savevm-7.2.qcow2"))
    disk.write_bytes(data)
    stream.write_bytes(small_stream())

    def said(*words: str) -> str:
        assert main(["pack", str(stream), "-o", str(out), *words]) == 2
        assert not out.exists()
        return capsys.readouterr().err

    assert "has a snapshot of that name" in said("--like", str(disk), "--snapshot", "one")
    assert "no such snapshot" in said("--like", f"{disk}@none", "--snapshot", "new")
    assert "a snapshot is one of a disk image" in said("--like", str(disk), "--snapshot", "new", "--format", "raw")
    assert "1 to 255 bytes" in said("--like", str(disk), "--snapshot", "")
    assert "snapshots are kept in qcow2 images" in said("--like", str(stream), "--snapshot", "new")
    for offset, size, value, message in (
        (72, 8, 1, "not closed properly"),
        (72, 8, 2, "not closed properly"),
        (48, 8, 1 << 40, "the refcount table stands outside the image"),
        (56, 4, 1 << 30, "the refcount table is too long"),
        (36, 4, 1 << 24, "an L1 table is too long"),
        (40, 8, 1 << 40, "an L1 table stands outside the image"),
    ):
        disk.write_bytes(data[:offset] + value.to_bytes(size, "big") + data[offset + size :])
        assert message in said("--like", str(disk), "--snapshot", "new")
    # A refcount block that is none, and one that says that nothing is in use.
    (table,) = struct.unpack_from(">Q", data, 48)
    (block,) = struct.unpack_from(">Q", data, table)
    disk.write_bytes(data[:table] + (block + 512).to_bytes(8, "big") + data[table + 8 :])
    assert "a refcount block that is not at a cluster" in said("--like", str(disk), "--snapshot", "new")
    disk.write_bytes(data[:block] + bytes(65536) + data[block + 65536 :])
    assert "in use and not counted" in said("--like", str(disk), "--snapshot", "new")


def test_an_l2_table_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    data = bytearray(plain("savevm-10.0-c512.qcow2"))
    (tmp_path / "disk").write_bytes(data)
    image = image_of(tmp_path / "disk")
    first = struct.unpack_from(">Q", data, image.header.l1_offset)[0]
    if not first & 0xFFFF_FFFF_FE00:
        first = image.header.l1_offset
    struct.pack_into(">QQ", data, image.header.l1_offset, first, first)
    (tmp_path / "disk").write_bytes(data)
    (tmp_path / "stream").write_bytes(small_stream())
    words = ["pack", str(tmp_path / "stream"), "--like", str(tmp_path / "disk"), "--snapshot", "new", "-o"]
    assert main([*words, str(tmp_path / "out")]) == 2
    assert StreamError is not None and not (tmp_path / "out").exists()


def monitor(disk: Path, commands: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What a QEMU with that disk says to commands of its monitor."""
    command = [PROGRAM, "-M", "microvm", "-m", "8", "-nodefaults", "-display", "none", "-accel", "tcg", "-S", *words]
    command += ["-drive", f"file={disk},if=none,id=d0", "-monitor", "stdio"]
    return subprocess.run(command, input=f"{commands}\nquit\n", capture_output=True, text=True, timeout=60, check=False)


@needs_qemu
@pytest.mark.qemu
@pytest.mark.slow
def test_qemu_loads_what_was_put_into_its_image(tmp_path: Path) -> None:
    disk, out = tmp_path / "disk.qcow2", tmp_path / "out.qcow2"
    if QEMU_IMG is None:
        pytest.skip("apt-get install qemu-utils")
    tool("create", "-f", "qcow2", disk, "4M")
    done = monitor(disk, "savevm one\nsavevm two\nloadvm one\nsavevm three\ninfo snapshots")
    assert done.returncode == 0 and "three" in done.stdout, done.stderr
    for name in ("one", "two", "three"):
        assert main(["verify", f"{disk}@{name}"]) == 0
    # One replaced in its place, one larger than before, one new.
    assert main(["set", f"{disk}@one", CHANGE, "-o", str(out)]) == 0
    with load(f"{out}@one") as stream:
        assert stream["mc146818rtc"].state["cmos_index"] == 5
    large = tmp_path / "large.mig"
    large.write_bytes(state_of(f"{out}@one") + bytes(5 << 20))
    for target, words in (
        (disk, ["--like", f"{out}@two"]),
        (out, ["--like", f"{disk}@three", "--snapshot", "new"]),
    ):
        assert main(["pack", str(large), *words, "-o", str(target)]) == 0
        tool("check", target)
    with load(f"{out}@new") as stream:
        assert stream["mc146818rtc"].state["cmos_index"] == 5
        assert image_of(out).snapshots[-1].clock == int(stream.find("timer.cpu_clock_offset")[2])
    for name in ("one", "two", "three", "new"):
        done = monitor(out, "info status", "-loadvm", name)
        assert done.returncode == 0 and "paused" in done.stdout, (name, done.stdout + done.stderr)
    # QEMU goes on in it, and takes the clusters of ours for taken.
    done = monitor(out, "loadvm new\nsavevm new\ndelvm two\nsavevm five\ninfo snapshots")
    assert done.returncode == 0 and "five" in done.stdout and "rror" not in done.stdout, done.stdout + done.stderr
    tool("check", out)
    # With another magic in the state QEMU refuses it: it does look.
    out.write_bytes(out.read_bytes().replace(b"QEVM\0\0\0\3", b"QEVM\0\0\0\4"))
    assert monitor(out, "info status", "-loadvm", "five").returncode != 0


OPTIONS = ("refcount_bits=8", "cluster_size=512,refcount_bits=64", "extended_l2=on", "compat=0.10,cluster_size=1k")
WRITTEN = ("write -P 5 0 3M", "write -P 6 5M 77777", "write -c -P 7 8M 256k", "write -z 9M 1M")


@pytest.mark.slow
@pytest.mark.skipif(QEMU_IMG is None or shutil.which("qemu-io") is None, reason="apt-get install qemu-utils")
@pytest.mark.parametrize("options", OPTIONS)
def test_a_disk_with_something_on_it_stays_what_it_is(options: str, tmp_path: Path) -> None:
    disk, out, more, stream = (str(tmp_path / name) for name in ("disk.qcow2", "out.qcow2", "more.qcow2", "stream"))
    tool("create", "-f", "qcow2", "-o", options, disk, "16M")
    writes = [word for line in WRITTEN for word in ("-c", line)]
    subprocess.run(["qemu-io", "-f", "qcow2", disk, *writes], check=True, capture_output=True)
    Path(stream).write_bytes(small_stream() + LARGER)
    assert main(["pack", stream, "--like", disk, "--snapshot", "new", "-o", out]) == 0
    tool("check", out)
    # What is written now is not written into the snapshot, and the snapshot goes with what it has alone.
    subprocess.run(["qemu-io", "-f", "qcow2", out, "-c", "write -P 9 1M 3M"], check=True, capture_output=True)
    tool("check", out)
    tool("convert", "-l", "snapshot.name=new", "-O", "raw", out, tmp_path / "then.raw")
    tool("compare", "-f", "raw", "-F", "qcow2", tmp_path / "then.raw", disk)
    assert state_of(f"{out}@new") == Path(stream).read_bytes()
    # One more on the disk of the first, beside it.
    assert main(["pack", stream, "--like", f"{out}@new", "--snapshot", "newer", "-o", more]) == 0
    tool("check", more)
    tool("compare", "-f", "qcow2", "-F", "qcow2", out, more)
    tool("snapshot", "-a", "newer", more)
    tool("compare", "-f", "qcow2", "-F", "qcow2", more, disk)
    for name in ("new", "newer"):
        tool("snapshot", "-d", name, more)
    tool("check", more)


@pytest.mark.slow
@pytest.mark.skipif(QEMU_IMG is None or shutil.which("qemu-io") is None, reason="apt-get install qemu-utils")
def test_counts_of_one_bit_cannot_be_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disk, stream, out = (tmp_path / name for name in ("disk.qcow2", "stream", "out"))
    stream.write_bytes(small_stream())
    tool("create", "-f", "qcow2", "-o", "refcount_bits=1", disk, "4M")
    # On an empty disk nothing is shared.
    assert main(["pack", str(stream), "--like", str(disk), "--snapshot", "new", "-o", str(out)]) == 0
    tool("check", out)
    subprocess.run(["qemu-io", "-f", "qcow2", disk, "-c", "write 0 1M"], check=True, capture_output=True)
    assert main(["pack", str(stream), "--like", str(disk), "--snapshot", "new", "-o", str(out)]) == 2
    assert "refcounts of 1 bits cannot say" in capsys.readouterr().err
