"""Many streams: the same rows on every engine, in order, nothing lost, nothing twice."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import time
import tracemalloc
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random

import fleet_work
import pytest
from fleet_work import Process, Work
from machines import PROGRAM, needs_qemu
from recorded import FIXTURES

from vmstate import TraceEntry, load
from vmstate.cli import main
from vmstate.compare.explain import explain
from vmstate.compare.indifferent import masks_unjudged
from vmstate.compare.target import open_target
from vmstate.errors import SchemaError, VMStateError
from vmstate.fleet import outlines, remote
from vmstate.fleet.changes import read_changes
from vmstate.fleet.domains import domains_at, row_of_domain
from vmstate.fleet.engine import Engine, Poison, as_they_come, in_order, pool_of
from vmstate.fleet.outputs import Case, junit, tap
from vmstate.fleet.scan import Known, empty_row, facts_of, flat, places, row_of
from vmstate.qemu.machine import Machine
from vmstate.saved.opening import open_input
from vmstate.schema.shared import SharedVmdescs
from vmstate.schema.values import to_plain
from vmstate.schema.vmdesc import read_vmdesc
from vmstate.stream.ram_records import RamPages
from vmstate.stream.reader import StreamReader
from vmstate.stream.seen import Keys, Masks, Seen, SeenSection, read_seen
from vmstate.stream.verify import verify

STREAM = FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz"
OTHER = FIXTURES / "qemu-7.2-q35-virtio-net-mq4.mig.xz"
MICROVM = FIXTURES / "qemu-7.2-microvm-virtio-net-mmio.mig.xz"


@pytest.mark.slow
def test_a_worker_that_dies_costs_nothing(tmp_path: Path) -> None:
    numbers = list(range(40))
    results = list(in_order(Work(str(tmp_path), once=17), numbers, pool_of(2), chunk=5))
    assert results == [number * number for number in numbers]
    assert (tmp_path / "died").exists()


@pytest.mark.slow
def test_an_item_that_kills_twice_is_set_aside_and_named(tmp_path: Path) -> None:
    numbers = list(range(30))
    results = list(in_order(Work(str(tmp_path), poison=11), numbers, pool_of(2), chunk=6))
    poison = results[11]
    assert isinstance(poison, Poison) and poison.item == 11
    assert results[:11] + results[12:] == [number * number for number in numbers if number != 11]


def threads(workers: int) -> Engine:
    """Workers that are threads of this process."""
    return Engine(lambda _: ThreadPoolExecutor(1), workers, lambda: None)


@pytest.mark.slow
def test_results_come_as_they_are_done_or_in_order() -> None:
    """So that what is done can be kept, also where something before it is not."""

    def later(number: int) -> int:
        time.sleep(0.5 * (number == 0))
        return number * number

    numbers = list(range(12))
    results = list(as_they_come(later, numbers, threads(2), chunk=1))
    assert results[0][0] != 0
    assert sorted(results) == [(number, number * number) for number in numbers]
    assert list(in_order(later, numbers, threads(2), chunk=1)) == [number * number for number in numbers]


def test_where_there_is_enough_what_is_under_way_still_comes() -> None:
    begun: list[int] = []
    came: list[int] = []

    def noted(number: int) -> int:
        begun.append(number)
        return number

    for number, _ in as_they_come(noted, range(1000), threads(2), chunk=1, enough=lambda: len(came) >= 5):
        came.append(number)
    assert 5 <= len(came) < 20 and sorted(came) == sorted(begun)


@pytest.mark.slow
def test_workers_end_with_who_started_them(tmp_path: Path) -> None:
    code = (
        "from fleet_work import Sleep; from vmstate.fleet.engine import in_order, pool_of\n"
        f"if __name__ == '__main__': list(in_order(Sleep({str(tmp_path)!r}), list(range(4)), pool_of(2), chunk=1))"
    )
    path = os.pathsep.join([str(Path(fleet_work.__file__).parent), *sys.path])
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path})
    pids: list[int] = []
    for _ in range(400):
        pids = [int(entry.name) for entry in tmp_path.iterdir()]
        if len(pids) == 2:
            break
        time.sleep(0.1)
    assert len(pids) == 2
    process.kill()
    process.wait()
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            break
        time.sleep(0.1)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.slow
def test_a_cluster_gives_the_same(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install qemu-vmstate[cluster]")
    from vmstate.fleet.engine import cluster_of

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        results = list(in_order(Work(str(tmp_path)), list(range(30)), cluster_of(cluster.scheduler_address), chunk=4))
    assert results == [number * number for number in range(30)]


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_told(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install qemu-vmstate[cluster]")
    from vmstate.fleet.engine import cluster_of

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        results = in_order(Work(str(tmp_path)), list(range(500)), cluster_of(cluster.scheduler_address), chunk=1)
        assert next(results) == 0
        cluster.close()
        with pytest.raises(VMStateError, match="the workers are gone"):
            list(results)


@pytest.mark.slow
def test_a_scheduler_without_workers_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install qemu-vmstate[cluster]")
    from vmstate.fleet import engine

    monkeypatch.setattr(engine, "LONGEST_WAIT", 1)
    local = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "processes": False}
    with distributed.LocalCluster(**local) as cluster:
        assert list(in_order(Work(str(tmp_path)), [3], engine.cluster_of(cluster.scheduler_address))) == [9]
        monkeypatch.setattr(distributed, "__version__", "1.0")
        with pytest.raises(VMStateError, match=r"another version of Dask \(expected 1\.0, found"):
            engine.cluster_of(cluster.scheduler_address)
        monkeypatch.undo()
        monkeypatch.setattr(engine, "LONGEST_WAIT", 1)
        gone = engine.cluster_of(cluster.scheduler_address)
        cluster.scale(0)
        with pytest.raises(VMStateError, match="the workers are gone"):
            list(in_order(Work(str(tmp_path)), [3], gone))
        with pytest.raises(VMStateError, match="the scheduler has no workers"):
            engine.cluster_of(cluster.scheduler_address)


def test_a_scheduler_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed", reason="needs Dask: pip install qemu-vmstate[cluster]")
    assert main(["fleet", "scan", str(MICROVM), "--scheduler", "not-an-address://x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_places(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    shutil.copy(MICROVM, tmp_path / "a" / "one.mig.xz")
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    (tmp_path / "two.mig.xz").symlink_to(tmp_path / "a" / "one.mig.xz")
    (tmp_path / "note.txt").write_text("no stream")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to(tmp_path / "absent")
    (tmp_path / "list").write_text(f"{tmp_path}/a/one.mig.xz\n\n")
    files = list(places([str(tmp_path)]))
    assert sorted(os.path.basename(place) for place in files) == ["list", "two.mig.xz", "zero"]
    assert len(list(places([f"@{tmp_path}/list", str(tmp_path / "*.mig.xz")]))) == 1
    (tmp_path / "a" / "hard.mig.xz").hardlink_to(tmp_path / "a" / "one.mig.xz")
    assert len(list(places([str(tmp_path / "a")]))) == 1
    with pytest.raises(VMStateError, match="there is nothing at this place"):
        list(places([str(tmp_path / "absent")]))
    (tmp_path / "circle").write_text(f"@{tmp_path}/list\n@{tmp_path}/back\n")
    (tmp_path / "back").write_text(f"@{tmp_path}/circle\n")
    with pytest.raises(VMStateError, match="the list names itself"):
        list(places([f"@{tmp_path}/circle"]))


def test_a_url_is_a_place(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec: pip install qemu-vmstate[remote]")
    shutil.copy(MICROVM, tmp_path / "one.mig.xz")
    (url,) = places([f"file://{tmp_path}"])
    assert url.startswith("file://") and row_of(url, Known())["machine"] == "microvm"
    with pytest.raises(VMStateError, match="the place cannot be read"):
        list(places(["nothing-of-the-kind://x"]))


@pytest.mark.slow
def test_guest_memory_of_a_file_elsewhere_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec: pip install qemu-vmstate[remote]")
    path = tmp_path / "whole.mig"
    path.write_bytes(lzma.decompress((FIXTURES / "qemu-11.1-q35-smp4-rootports.mig.xz").read_bytes()))
    monkeypatch.setattr(remote, "HEAD", 16 << 10)
    monkeypatch.setattr(remote, "TAIL", 32 << 10)
    here, remote_row = row_of(str(path), Known()), row_of(f"file://{path}", Known())
    assert (remote_row["read"], remote_row["size"], remote_row["verify"]) == ("devices", path.stat().st_size, "ok")
    same = ("machine", "release", "devices", "features", "size", "verify")
    assert [here[key] for key in same] == [remote_row[key] for key in same]
    # Of memory only what stands beside the two ends.
    data, _, _ = remote.contents_of(f"file://{path}")
    assert isinstance(data, bytes) and len(data) < path.stat().st_size // 3
    assert row_of(f"file://{path}", Known(whole=True)) == {**here, "file": f"file://{path}"}


class Fetched:
    """What is asked for of local files by their URLs: how many bytes, and that no byte is asked for twice."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from fsspec.implementations.local import LocalFileSystem

        self.spans: list[tuple[int, int]] = []
        original = LocalFileSystem.cat_file

        def cat_file(system: LocalFileSystem, path: str, start: int = 0, end: int = 0) -> bytes:
            data: bytes = original(system, path, start=start, end=end)
            self.spans.append((start, start + len(data)))
            return data

        monkeypatch.setattr(LocalFileSystem, "cat_file", cat_file)

    def taken(self) -> int:
        """The bytes since the last call."""
        spans = sorted(self.spans)
        self.spans.clear()
        assert all(end <= start for (_, end), (start, _) in pairwise(spans)), "a byte is fetched twice"
        return sum(end - start for start, end in spans)


@pytest.mark.slow
def test_what_is_compressed_elsewhere_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec: pip install qemu-vmstate[remote]")
    data = lzma.decompress((FIXTURES / "qemu-11.1-q35-smp4-rootports.mig.xz").read_bytes())
    plain = tmp_path / "whole.mig"
    plain.write_bytes(data)
    monkeypatch.setattr(remote, "HEAD", 16 << 10)
    monkeypatch.setattr(remote, "TAIL", 32 << 10)
    monkeypatch.setattr(remote, "STEP", 32 << 10)
    fetched = Fetched(monkeypatch)
    here = row_of(str(plain), Known())
    for packed in (gzip.compress(data), bz2.compress(data), lzma.compress(data)):
        path = tmp_path / "packed"
        path.write_bytes(packed)
        row = row_of(f"file://{path}", Known())
        assert row["read"] == "devices" and (row["verify"], row["error"]) == ("ok", None)
        assert [row[key] for key in ("machine", "release", "devices", "features")] == [
            here[key] for key in ("machine", "release", "devices", "features")
        ]
        # Its first twelve bytes and its index tell that an xz file is of one block.
        fetched.spans = [span for span in fetched.spans if span[1] - span[0] > 64]
        assert fetched.taken() == len(packed)
    # Without a vmdesc, which is not looked for here, the devices are found as well.
    bare = load(data)
    bare_data = data[: -(len(bare.vmdesc_text or b"") + 5)]
    path.write_bytes(gzip.compress(bare_data))
    assert row_of(f"file://{path}", Known())["devices"] == here["devices"]
    # What holds no stream that can be looked into so is there in full, and is not fetched again.
    fetched.spans.clear()
    path.write_bytes(gzip.compress(b"LibvirtQemud" + Random(1).randbytes(100_000)))
    contents, _, read = remote.contents_of(f"file://{path}")
    assert not isinstance(contents, bytes) and contents.read() == path.read_bytes() and read == "all"
    contents.close()
    assert fetched.taken() == path.stat().st_size
    # One that is cut off is an error of its own.
    path.write_bytes(gzip.compress(data)[:-100_000])
    assert "the gzip data ends too early" in row_of(f"file://{path}", Known())["error"]


@pytest.mark.slow
def test_of_an_xz_file_of_blocks_only_some_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec: pip install qemu-vmstate[remote]")
    if shutil.which("xz") is None:
        pytest.skip("needs the program xz")
    data = lzma.decompress((FIXTURES / "qemu-11.1-q35-smp4-rootports.mig.xz").read_bytes())
    path = tmp_path / "whole.mig.xz"
    path.write_bytes(subprocess.run(["xz", "-c", "--block-size=64KiB"], input=data, stdout=-1, check=True).stdout)
    size = path.stat().st_size
    content = path.read_bytes()
    blocks = remote.xz_blocks(size, lambda start, end: content[start:end])
    assert blocks is not None and blocks.size == len(data)
    for start, end in ((0, 100), (65_530, 65_540), (0, len(data)), (len(data) - 5, len(data) + 5)):
        assert blocks.plain(start, end) == data[start:end]
    monkeypatch.setattr(remote, "HEAD", 16 << 10)
    monkeypatch.setattr(remote, "TAIL", 32 << 10)
    fetched = Fetched(monkeypatch)
    row = row_of(f"file://{path}", Known())
    assert (row["read"], row["verify"], row["size"]) == ("devices", "ok", size)
    assert sum(end - start for start, end in fetched.spans) < size // 2
    # A damaged block and a damaged index are told, or passed by; no number of either is believed.
    random = Random(3)
    for _ in range(200):
        spoilt = bytearray(content)
        at = random.choice([random.randrange(size), random.randrange(size - 120, size)])
        spoilt[at] ^= 1 << random.randrange(8)
        path.write_bytes(spoilt)
        wrong = row_of(f"file://{path}", Known())
        assert wrong["error"] or wrong["devices"] == row["devices"]


@pytest.mark.slow
def test_memory_that_is_compressed_elsewhere_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec: pip install qemu-vmstate[remote]")
    data = lzma.decompress((FIXTURES / "qemu-11.1-q35-smp4-rootports.mig.xz").read_bytes())
    reader = StreamReader()
    reader.receive_data(data)
    pages = next(event for event in reader.events() if isinstance(event, RamPages) and event.kind == "page")
    end = pages.offset + len(pages.raw)
    # The same page again and again, with other bytes each time: a page, and that the block is the same.
    header = (pages.address | 0x28).to_bytes(8, "big")
    path = tmp_path / "large.mig.gz"
    random = Random(1)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(data[:end])
        for _ in range(16 << 10):
            file.write(header + random.randbytes(4096))
        file.write(data[end:])
    fetched = Fetched(monkeypatch)
    tracemalloc.start()
    try:
        contents, size, read = remote.contents_of(f"file://{path}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == "devices" and size > 64 << 20 and isinstance(contents, bytes) and len(contents) < 1 << 20
    assert fetched.taken() == size
    assert peak < 6 * remote.STEP, peak


@pytest.mark.slow
def test_a_large_file_elsewhere_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec: pip install qemu-vmstate[remote]")
    path = tmp_path / "one.mig.xz"
    path.write_bytes(STREAM.read_bytes())
    row = row_of(f"file://{path}", Known(open_target(str(STREAM))))
    monkeypatch.setattr(remote, "MOST", 1000)
    monkeypatch.setattr(remote, "STEP", 700)
    copy, size, read = remote.contents_of(f"file://{path}")
    assert not isinstance(copy, bytes) and copy.read() == path.read_bytes()
    assert (size, read) == (path.stat().st_size, "all")
    copy.close()
    assert row_of(f"file://{path}", Known(open_target(str(STREAM)))) == row
    assert row["verdict"] == "loads" and row["verify"] == "ok"


def test_what_a_change_of_the_source_would_hit(tmp_path: Path) -> None:
    findings = [
        {"rule": "field-removed", "severity": "breaks", "name": "virtio-net-device", "field": "mac", "message": "a"},
        {"rule": "subsection-removed", "severity": "breaks", "name": "cpu", "field": "cpu/none", "message": "b"},
        {"rule": "version-lowered", "severity": "breaks", "name": "no such device", "field": None, "message": "c"},
        {"rule": "field-removed", "severity": "unpromised", "name": "timer", "field": None, "message": "d"},
    ]
    path = tmp_path / "lint.json"
    path.write_text(json.dumps({"findings": findings}))
    row = row_of(str(STREAM), Known(changes=read_changes(str(path))))
    assert [(change["section"], change["message"]) for change in row["changes"]] == [("0000:00:01.0/virtio-net", "a")]
    kinds = {(line["device"], line["kind"]) for line in flat(row)}
    assert ("virtio-net", "change") in kinds and ("timer", None) in kinds
    for text in ("[]", '{"findings": [1]}', "x"):
        path.write_text(text)
        with pytest.raises(VMStateError):
            read_changes(str(path))


def test_features_that_drivers_accepted() -> None:
    features = row_of(str(STREAM), Known())["features"]
    assert "VIRTIO_F_VERSION_1" in features["0000:00:01.0/virtio-net"]
    assert list(features) == ["0000:00:01.0/virtio-net"]


DOMAIN = """<domain type='kvm'><name>a</name><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
<devices><emulator>/usr/bin/q</emulator><disk type='file'><target dev='vda' bus='virtio'/></disk>
<interface type='network'><model type='virtio'/></interface><interface type='network'><model type='virtio'/></interface>
<video><model type='qxl'/></video></devices></domain>"""


def test_domains_of_a_libvirt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a virsh that answers as one does."""
    (tmp_path / "a.xml").write_text(DOMAIN)
    (tmp_path / "b.xml").write_text("<domain")
    virsh = tmp_path / "virsh"
    virsh.write_text(
        f"#!/bin/sh\n[ $2 = qemu:///gone ] && {{ echo 'error: no\nsocket' >&2; exit 1; }}\n"
        f"case $4 in list) printf 'a\\nb\\n\\n';; dumpxml) cat {tmp_path}/$6.xml;; esac\n"
    )
    virsh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert domains_at("qemu:///system") == ["qemu:///system#a", "qemu:///system#b"]
    row = row_of_domain("qemu:///system#a", empty_row("x"))
    assert (row["machine"], row["release"], row["error"]) == ("pc-q35-7.2", "7.2", None)
    assert row["devices"] == ["disk virtio", "interface virtio", "video qxl"]
    assert "no XML" in row_of_domain("qemu:///system#b", empty_row("x"))["error"]
    assert main(["fleet", "scan", "--libvirt", "qemu:///gone"]) == 2
    error = capsys.readouterr().err
    assert "no socket" in error and error.count("\n") == 1


def test_a_row_of_what_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mig"
    path.write_bytes(b"QEVM\0\0\0\3garbage")
    row = row_of(str(path), Known())
    assert row["error"] and row["verdict"] is None
    assert next(flat(row))["error"] == row["error"]


@pytest.mark.slow
def test_scan_resumes_and_says_what_stands_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        shutil.copy(STREAM if number else OTHER, tmp_path / f"{number}.mig.xz")
    (tmp_path / "3.mig").write_bytes(b"QEVM")
    rows = tmp_path / "rows.txt"
    words = ["fleet", "scan", str(tmp_path), "--against", str(STREAM), "--workers", "1", "--no-verify"]
    assert main([*words, "--resume", str(rows), "--format", "json"]) == 2
    first = capsys.readouterr().out
    verdicts = [json.loads(line)["verdict"] for line in first.splitlines()]
    assert verdicts == ["fails", "loads", "loads", None]
    kept = rows.read_text().splitlines()
    rows.write_text("\n".join(kept[:2]) + "\n" + kept[2][:40])
    assert main([*words, "--resume", str(rows), "--format", "json"]) == 2
    assert capsys.readouterr().out == first
    assert main([*words, "--resume", str(rows), "--format", "tap"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "1..4" and [line[:6] for line in lines if "ok" in line[:6]] == [
        "not ok",
        "ok 2 -",
        "ok 3 -",
        "not ok",
    ]
    assert main([*words, "--resume", str(rows), "--format", "junit"]) == 2
    suite = ET.fromstring(capsys.readouterr().out)
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    assert main([*words, "--resume", str(rows)]) == 2
    text = capsys.readouterr().out
    assert "4 files: 2 loads, 1 fails, 1 error" in text and "pci-config" in text


@pytest.mark.slow
def test_parquet_has_a_row_for_each_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install qemu-vmstate[parquet]")
    out = tmp_path / "rows.parquet"
    main(["fleet", "scan", str(OTHER), "--against", str(STREAM), "--workers", "1", "--parquet", str(out)])
    table = parquet.read_table(out).to_pylist()
    assert {row["rule"] for row in table if row["device"] == "virtio-net"} >= {"pci-config"}
    assert {row["device"] for row in table} >= {"apic", "timer", "virtio-net"}
    # A place that cannot be written is told before anything is read.
    capsys.readouterr()
    assert main(["fleet", "scan", str(OTHER), "--workers", "1", "--parquet", str(tmp_path / "absent" / "rows")]) == 2
    told = capsys.readouterr()
    assert not told.out
    assert told.err.count("\n") == 1 and "the Parquet file cannot be written: no such file or directory" in told.err


def test_junit_and_tap() -> None:
    cases = [Case("a", "-> b", True), Case("a", "-> <c>", False, "x & \x1by"), Case("a", "-> d", None, "unknown")]
    suite = ET.fromstring("\n".join(junit(cases, "s")))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert list(tap(cases))[1:4] == ["1..3", "ok 1 - a -> b", "not ok 2 - a -> <c>"]


@pytest.mark.slow
def test_matrix_of_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["matrix", str(STREAM), str(OTHER), "--workers", "1"]
    assert main([*words, "--format", "json"]) == 1
    text = capsys.readouterr().out
    cells = [json.loads(line) for line in text.splitlines()]
    assert [cell["verdict"] for cell in cells] == ["loads", "fails", "fails", "loads"]
    (tmp_path / "baseline").write_text(text)
    assert main([*words, "--baseline", str(tmp_path / "baseline")]) == 0
    (tmp_path / "baseline").write_text(text.replace('"fails"', '"loads"'))
    assert main([*words, "--baseline", str(tmp_path / "baseline")]) == 1
    assert "was loads, is fails" in capsys.readouterr().out
    assert main(["matrix", "nothing"]) == 2


@pytest.mark.slow
def test_a_machine_that_does_not_start_leaves_the_rest_of_a_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["matrix", str(STREAM), "qemu-nonsense:pc", "--workers", "1", "--format", "json"]
    assert main(words) == 2
    cells = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [cell["verdict"] for cell in cells] == ["loads", "error", "error", "error"]
    assert all("there is no qemu-nonsense here" in cell["cause"] for cell in cells[1:])


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_matrix_really(capsys: pytest.CaptureFixture[str]) -> None:
    sides = ["qemu-system-x86_64:pc-q35-7.2", "qemu-system-x86_64:pc-q35-6.2"]
    verdicts = []
    for really in ([], ["--really"]):
        main(["matrix", *sides, "--workers", "1", "--format", "json", *really])
        verdicts.append([json.loads(line)["verdict"] for line in capsys.readouterr().out.splitlines()])
    assert verdicts[0] == verdicts[1] == ["loads", "fails", "fails", "loads"]


STREAMS = (STREAM, OTHER, MICROVM, FIXTURES / "qemu-7.2-pc-virtio-net-legacy.mig.xz")


def changed(data: bytes, random: Random) -> bytes:
    """A stream with other values, and now and then with damage."""
    copy = bytearray(data)
    for _ in range(random.randrange(4)):
        # Behind is the vmdesc, in which little can be changed that is not damage.
        at = random.randrange(copy.rfind(b'"devices"') if random.random() < 0.9 else len(copy))
        copy[at : at + 4] = random.choice([bytes(4), b"\xff" * 4, random.randbytes(4)])
    return bytes(copy)


def test_what_decides_a_layout_is_of_it_and_what_decides_nothing_is_not() -> None:
    """Counts, and features on which fields depend; not an address, an index or a status."""
    with load(lzma.decompress(STREAM.read_bytes())) as stream:
        net = stream["virtio-net"]
        masks = masks_unjudged(net)
        assert masks is not None
        mask = masks.of_layout.to_bytes(len(net.payload()), "big")
        for path, decides in (
            ("virtio.num_queues", True),
            ("virtio.guest_features", True),
            ("virtio.net.mac", False),
            ("virtio.vq[1].last_avail_idx", False),
            ("virtio.status", False),
        ):
            entry = net.trace()[path]
            start = entry.offset - net.payload_offset
            assert {*mask[start : start + entry.size]} == {0xFF if decides else 0}, path


def test_a_section_that_was_seen_has_its_state_all_the_same() -> None:
    """It is made when somebody asks, and is not to be changed."""
    data, known = lzma.decompress(STREAM.read_bytes()), Known(open_target(str(STREAM)))
    for _ in range(2):
        with read_seen(open_input(data), known.seen) as stream:
            sections = [section for section in stream if isinstance(section, SeenSection) and section.vmsd]
            unread = [section for section in sections if not section.was_read]
            with load(data) as alone:
                for section in unread:
                    assert to_plain(section.state) == to_plain(alone[f"{section.name}#{section.instance_id}"].state)
                    assert section.was_read and section.written() == section.payload() == section.raw
    assert len(unread) > 20
    with pytest.raises(AttributeError, match="cannot be changed"):
        unread[0].state = None


@pytest.mark.slow
def test_what_was_seen_before_makes_no_difference_to_any_answer() -> None:
    """Read, verified and explained as one of many, a stream gives what it gives alone, whatever came before."""
    random, known = Random(5), Known(open_target(str(STREAM)))
    assert known.target is not None and known.sound is not None
    recorded = [lzma.decompress(path.read_bytes()) for path in STREAMS]
    kept = read = alike = 0
    raws: set[bytes] = set()
    for number in range(60):
        data = recorded[number % 4] if number < 8 else changed(random.choice(recorded), random)
        try:
            with load(data) as stream:
                errors = [finding for finding in verify(stream, data) if finding.severity == "error"]
                alone = explain(stream, known.target).as_dict(), errors[:1], stream.to_bytes() == data, facts_of(stream)
        except VMStateError as error:
            with pytest.raises(type(error), match=re.escape(error.message)):
                read_seen(open_input(data), known.seen)
            continue
        with read_seen(open_input(data), known.seen) as stream:
            sections = [section for section in stream if isinstance(section, SeenSection)]
            passed = [section for section in sections if section.key in known.sound.keys]
            kept += len(passed)
            alike += sum(section.raw not in raws for section in passed)
            raws.update(section.raw for section in sections)
            read += 1
            error = known.sound.first_error(stream, memoryview(data))
            explanation = explain(stream, known.target, judged=known.judged).as_dict()
            assert alone == (explanation, [] if error is None else [error], stream.to_bytes() == data, facts_of(stream))
    # Some were passed over whose bytes nobody had seen, since what differs makes no difference.
    assert kept > 500 and read > 30 and alike > 1, (kept, read, alike)


@pytest.mark.slow
def test_what_is_looked_at_in_a_section_is_in_its_key() -> None:
    """Where it is known which bytes make no difference, each value that a rule reads makes one all the same."""
    random, known = Random(3), Known(open_target(str(STREAM)))
    assert known.target is not None and known.sound is not None
    data = lzma.decompress(STREAM.read_bytes())
    with load(data) as stream:
        net, ahci = stream["0000:00:01.0/virtio-net"], stream["0000:00:1f.2/ich9_ahci"]
        unread = [net.trace()[f"virtio.virtio.virtqueues.vq[{number}].avail"] for number in range(40, 44)]
        unread += [ahci.trace()[f"ahci.dev[2].ncq_tfs[{number}].lba"] for number in range(4)]
        read = {
            path: section.trace()[path]
            for section, paths in (
                (net, ("virtio.vq[0].num", "virtio.vq[2].last_avail_idx", "virtio.vq[1].vector", "virtio.queue_sel")),
                (net, ("virtio.guest_features", "virtio.vq[0].desc", "virtio.transport.config_vector")),
                (net, ("virtio.transport.pci_dev.irq_state.pins", "virtio.num_queues", "virtio.status")),
                (ahci, ("ahci.dev[0].busy_slot", "ahci.dev[3].port_regs.cmd", "parent_obj.version_id")),
            )
            for path in paths
        }

    def row(copy: bytes, known: Known) -> tuple[object, ...]:
        with read_seen(open_input(copy), known.seen) as stream:
            assert known.sound is not None and known.target is not None
            error = known.sound.first_error(stream, memoryview(copy))
            return explain(stream, known.target, judged=known.judged).as_dict(), error

    for _ in range(6):
        copy = bytearray(data)
        for entry in unread:
            copy[entry.offset : entry.offset + entry.size] = random.randbytes(entry.size)
        assert row(bytes(copy), known) == row(data, known)
    with read_seen(open_input(bytes(copy)), known.seen) as stream:
        sections = [section for section in stream if isinstance(section, SeenSection)]
        by_layout = [section.name for section in sections if section.keys is not None and section.keys.layout]
        assert {net.name, ahci.name} <= {*by_layout}
    verdicts = set()
    for path, entry in read.items():
        for value in (0, 1, 0x4000, (1 << 8 * entry.size) - 1):
            copy = bytearray(data)
            copy[entry.offset : entry.offset + entry.size] = (value % (1 << 8 * entry.size)).to_bytes(entry.size, "big")
            try:
                alone = row(bytes(copy), Known(known.target))
            except VMStateError as error:
                with pytest.raises(type(error), match=re.escape(error.message)):
                    row(bytes(copy), known)
                continue
            assert row(bytes(copy), known) == alone, (path, value)
            verdicts.add((path, alone[0]["verdict"]))  # type: ignore[index]
    assert len(verdicts) > len(read) + 4


@pytest.mark.slow
def test_what_is_known_of_a_section_holds_for_what_is_said_of_it_alone() -> None:
    """The same bytes of a section in a machine with other memory, of another version, under another vmdesc."""
    known = Known(open_target(str(STREAM)))
    assert known.target is not None
    data, other = (lzma.decompress(path.read_bytes()) for path in (STREAM, OTHER))
    with load(data) as stream:
        (blocks,) = [section.state.blocks for section in stream.sections if section.is_ram and section.state.blocks]
        block = next(block for block in blocks if block.idstr == "m0")
        net = stream["0000:00:01.0/virtio-net"]
        desc, header = net.trace()["virtio.vq[0].desc"], net.payload_offset - 4
    small, far, version = bytearray(data), bytearray(data), bytearray(data)
    size = block.offset + 1 + len(block.idstr)
    assert data[size : size + 8] == block.used_length.to_bytes(8, "big")
    small[size : size + 8] = (1 << 20).to_bytes(8, "big")
    far[desc.offset : desc.offset + 8] = (1 << 40).to_bytes(8, "big")
    version[header : header + 4] = (net.version_id + 1).to_bytes(4, "big")
    vmdesc = data.replace(b'"busy_slot"', b'"busy_slop"')
    assert vmdesc != data
    rows = []
    for copy in (data, bytes(small), bytes(far), bytes(version), vmdesc, other, data):
        for shared in (known, Known(known.target)):
            try:
                with read_seen(open_input(bytes(copy)), shared.seen) as stream:
                    assert shared.sound is not None
                    error = shared.sound.first_error(stream, memoryview(copy))
                    row = explain(stream, known.target, judged=shared.judged).as_dict(), error
                    shared.judged.learn_rest(stream)
            except VMStateError as failure:
                row = {"raised": failure.message}, None
            rows.append(row)
    assert rows[0::2] == rows[1::2]
    assert rows[0] == rows[-1]
    assert len({json.dumps(row[0].get("findings", row[0])) + repr(row[1]) for row in rows}) >= 4


def row_at(path: Path, data: bytes, known: Known) -> dict[str, object]:
    """The row of bytes that stand in a file."""
    path.write_bytes(data)
    return row_of(str(path), known)


def copy_unlike(data: bytes, free: Sequence[TraceEntry], random: Random) -> bytearray:
    """A copy with other values where nothing looks."""
    copy = bytearray(data)
    for entry in free:
        copy[entry.offset : entry.offset + entry.size] = random.randbytes(entry.size)
    return copy


@pytest.mark.slow
def test_a_stream_is_like_another_only_where_all_that_is_looked_at_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of one of many is the row of a stream alone, whichever byte it differs in from one of its length."""
    target = open_target(str(STREAM))
    data = lzma.decompress(STREAM.read_bytes())
    with load(data) as stream:
        net = stream["0000:00:01.0/virtio-net"]
        trace = net.trace()
        free = [trace[f"virtio.virtio.virtqueues.vq[{number}].avail"] for number in range(40, 44)]
        (ram,) = [section for section in stream.sections if section.is_ram and section.state.blocks]
        places = {
            "machine": data.index(b"pc-q35") + 3,
            "a block": ram.state.blocks[0].offset + 1,
            "a size": ram.state.blocks[0].offset + 1 + len(ram.state.blocks[0].idstr) + 6,
            "an idstr": net.offset + 6,
            "an instance": net.payload_offset - 5,
            "a version": net.payload_offset - 1,
            "a footer": net.offset + net.size - 1,
            "the vmdesc": data.index(b'"name"', net.offset + net.size) + 2,
            "features": trace["virtio.guest_features"].offset,
            "a queue": trace["virtio.vq[0].last_avail_idx"].offset,
            "its size": trace["virtio.vq[0].num"].offset,
            "a number of queues": trace["virtio.num_queues"].offset + 3,
        }
    random, path = Random(2), tmp_path / "one"

    row, unlike = partial(row_at, path), partial(copy_unlike, data, free, random)
    known, other = Known(target), Known(open_target(str(OTHER)))
    first = row(data, known)
    assert first["verdict"] == "loads" and first["verify"] == "ok"
    for _ in range(6):
        assert row(bytes(unlike()), known) == first
    path.write_bytes(unlike())
    assert known.outlines.row_of(str(path)) == first, "its like was met"
    assert row(data, other)["verdict"] == "fails"
    differing = 0
    for name, at in places.items():
        copy = unlike()
        copy[at] ^= 0x41
        alone = row(bytes(copy), Known(target))
        assert row(bytes(copy), known) == alone, name
        assert row(bytes(copy), known) == alone, name
        differing += alone != first
    assert differing >= 9
    for cut in (1, 7, len(data) // 2):
        assert row(data[:-cut], known) == row(data[:-cut], Known(target))
    # What is too much is forgotten, and then met anew.
    monkeypatch.setattr(outlines, "MOST_KEPT", 3 * known.outlines.by_length[len(data)][0].size)
    monkeypatch.setattr(outlines, "MOST_ROWS", 2)
    for number in range(8):
        copy = bytearray(data)
        copy[places["machine"]] = 0x61 + number
        assert row(bytes(copy), known)["machine"] != first["machine"]
        assert len(known.outlines.by_length[len(data)]) <= 3 and len(known.outlines.rows) <= 2
    assert row(data, known) == first


@pytest.mark.slow
def test_sections_without_footers_are_known_as_those_with(tmp_path: Path) -> None:
    """A stream of an old machine type has the row of one that is like it, and no other than it has alone."""
    random, target, path = Random(7), open_target(str(STREAM)), tmp_path / "one"
    data = lzma.decompress((FIXTURES / "recorded" / "qemu-7.2-pc-i440fx-2.0-cold.mig.xz").read_bytes())
    with load(data) as stream:
        assert not any(section.footer.to_bytes() for section in stream.sections)
        net, power = stream["0000:00:02.0/virtio-net"], stream["0000:00:01.3/piix4_pm"]
        trace = power.trace()
        free = [trace[path] for path in ("tmr_overflow_time", "acpi_pcihp_pci_status[4].up_")]
        behind = net.offset + net.size
    known = Known(target)

    row, unlike = partial(row_at, path), partial(copy_unlike, data, free, random)
    first = row(data, known)
    assert row(bytes(unlike()), known) == first
    path.write_bytes(unlike())
    assert known.outlines.row_of(str(path)) == first, "its like was met"
    rows = [first]
    for at, value in ((behind, 0), (behind, 5), (behind, 0x7E), (behind + 5, 0), (behind + 6, 0), (len(data) - 1, 1)):
        copy = unlike()
        copy[at] = value
        rows.append(row(bytes(copy), Known(target)))
        assert row(bytes(copy), known) == rows[-1], (at, value)
    for cut in (1, 40, len(data) - behind - 3):
        copy = unlike()[:-cut]
        assert row(bytes(copy), known) == row(bytes(copy), Known(target)), cut
    assert len({json.dumps(kept) for kept in rows}) > 3


def test_layouts_that_come_again_are_found_out_at_once() -> None:
    """Of a section in many layouts each is known from its first time, as long as those that are known come again."""
    seen, place, payload = Seen(), bytes(16), bytes(256)
    free = (1 << 8 * 250) - 1

    def keys(layout: int) -> Keys:
        return seen.keys_of(place, layout.to_bytes(1, "big") + payload[1:], None)

    learned = 0
    for layout in range(12):
        for _ in range(6):
            known = keys(layout)
            if known.layout is None and seen.is_due(known, 256, None):
                masks = Masks(
                    layout.to_bytes(1, "big") + payload[1:], 0xFF << 8 * 255, ~free & ((1 << 8 * 256) - 1), (b"sub",),
                    is_judged=True, asked_memory=False,
                )  # fmt: skip
                seen.learn(place, 256, None, masks)
                learned += 1
    assert learned == 12
    assert len({keys(layout).layout for layout in range(12)}) == 12
    # Those that never come again are not worth it.
    lonely = Seen()
    due = 0
    for layout in range(200):
        payload = layout.to_bytes(2, "big") + bytes(254)
        known = lonely.keys_of(place, payload, None)
        if lonely.is_due(known, 256, None):
            masks = Masks(payload, 0xFFFF << 8 * 254, 0, (b"sub",), is_judged=True, asked_memory=False)
            lonely.learn(place, 256, None, masks)
            due += 1
    assert due < 10


def test_a_vmdesc_is_put_together_from_entries_that_were_read_before() -> None:
    shared = SharedVmdescs()
    for path in STREAMS:
        with load(path) as stream:
            text = stream.vmdesc_text
            assert text is not None
            known, alone = shared.read(text), read_vmdesc(text)
            assert repr(known.vmdesc) == repr(alone) and len(known.keys) == len({*map(id, known.vmdesc.devices)})
            assert shared.read(text) is known
    entries = [shared.read(load(path).vmdesc_text).vmdesc.devices for path in STREAMS[:2]]
    assert len({id(device) for devices in entries for device in devices}) < sum(map(len, entries))
    with pytest.raises(SchemaError):
        shared.read(b'{"devices": [{"name": "a"}]}')
    repeated = text.replace(b'"fields"', b'"vmsd_name": "again", "fields"', 1)
    assert repr(shared.read(repeated).vmdesc) == repr(read_vmdesc(repeated))


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_machines_that_run_are_asked_and_paused_only_where_that_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"unix:{tmp_path}/qmp"
    words = [PROGRAM, "-M", "microvm", "-accel", "tcg", "-m", "16", "-nodefaults"]
    words += ["-device", "virtio-balloon-device", "-qmp", f"{place},server=on,wait=off"]
    scan = ["fleet", "scan", "--workers", "1", "--format", "json", "--qmp", place]
    with Machine(words) as machine:
        machine.ask("query-status")
        assert main(scan) == 0
        assert machine.ask("query-status")["status"] == "running"
        assert not any(event["event"] == "STOP" for event in machine.monitor.events())
        asked = json.loads(capsys.readouterr().out)
        assert main([*scan, "--live-state"]) == 0
        assert any(event["event"] == "STOP" for event in machine.monitor.events())
        taken = json.loads(capsys.readouterr().out)
    assert asked["machine"] == taken["machine"] == "microvm"
    assert asked["devices"] == ["virtio-balloon-device"] and asked["sections"] is None
    assert "virtio-balloon" in taken["devices"] and taken["verify"] == "ok"
    assert main(scan) == 2
    assert json.loads(capsys.readouterr().out)["error"].count("\n") == 0


def test_nothing_to_scan_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "scan"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_what_is_alike_goes_to_one_worker() -> None:
    numbers = list(range(400))

    def met_by(kind_of: Callable[[int], int] | None) -> list[set[int]]:
        results = in_order(Process(), numbers, pool_of(2), chunk=10, kind_of=kind_of)
        processes: list[set[int]] = [set() for _ in range(8)]
        for number, result in zip(numbers, results, strict=True):
            assert not isinstance(result, Poison) and result[0] == number
            processes[number % 8].add(result[1])
        assert len(set.union(*processes)) == 2
        return processes

    # Whoever has nothing left takes from the other, so that some are met by both.
    assert sum(len(alike) == 1 for alike in met_by(lambda number: number % 8)) >= 4
    # What is all alike is shared out all the same, and so is that of which nothing is known.
    met_by(lambda number: 0)
    met_by(None)
