"""Snapshots inside a qcow2 image, as `savevm`, snapshot-save and libvirt's internal snapshots make them.

All integers are big-endian. The state of the machine stands where the snapshot's disk would go on: it is read through
the L1 table of the snapshot from the first entry behind the disk, as long as the disk was when the snapshot was made.
Facts from QEMU's docs/interop/qcow2.rst, block/qcow2-snapshot.c and block/qcow2-cluster.c.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

from vmstate.errors import StreamError
from vmstate.files import PIECE
from vmstate.lazy import imported
from vmstate.saved.compressed import DECOMPRESSORS, PACKAGES, RATIO_WITH_HOLES, SUSPICIOUS
from vmstate.saved.containers import Container, UndecidedError
from vmstate.saved.opening import Input, collected
from vmstate.saved.parts import split
from vmstate.vmsd.data import Data, Value

MAGIC = b"QFI\xfb"

MOST_SNAPSHOTS = 65536
LARGEST_TABLE = 64 << 20
"""Bytes of all snapshot entries together."""
LARGEST_EXTRA = 1024
LARGEST_L1 = 32 << 20
"""Bytes of an L1 table."""
MOST_EXTENSIONS = 64

OFFSET_MASK = 0x00FF_FFFF_FFFF_FE00
"""The bits of an L1 or L2 entry that are an offset in the file."""
COMPRESSED = 1 << 62
ZERO = 1

DIRTY, CORRUPT, DATA_FILE, COMPRESSION, EXTENDED_L2 = (1 << bit for bit in range(5))
"""The incompatible features."""

BITMAPS_EXTENSION = 0x23852875
DATA_FILE_NAME = 0x44415441
MOST_BITMAPS = 65535

_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
_BITMAP = struct.Struct(">12xIxBHI")
"""An entry of the directory of bitmaps from the flags on: offset and size of its table are passed over."""
_ENTRY = struct.Struct(">QIHHIIQII")
SECTOR = 512
SUBCLUSTERS = 32


class Bitmap(Value):
    """A dirty bitmap of the disk: its name, and how many bytes of the disk a bit stands for.

    One that is in use was not saved when the image was last closed, and says nothing.
    """

    name: str
    granularity: int
    is_in_use: bool

    def facts(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {"name": self.name, "granularity": self.granularity, "in_use": self.is_in_use}


class Qcow2Header(Data):
    """The header of an image; sizes and offsets in bytes."""

    version: int
    cluster_bits: int
    size: int
    crypt_method: int
    l1_size: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshot_count: int
    snapshots_offset: int
    incompatible: int
    refcount_order: int
    header_length: int
    compression: str
    backing_file: str | None
    bitmaps: tuple[Bitmap, ...]

    @property
    def cluster_size(self) -> int:
        """Bytes in a cluster."""
        return 1 << self.cluster_bits

    @property
    def entry_size(self) -> int:
        """Bytes in an L2 entry."""
        return 16 if self.incompatible & EXTENDED_L2 else 8

    @property
    def entries(self) -> int:
        """Entries in an L2 table."""
        return self.cluster_size // self.entry_size


class Snapshot(Data):
    """An entry of the snapshot table, which stands in the file from `offset` to `end`."""

    offset: int
    end: int
    l1_offset: int
    l1_size: int
    id: str
    name: str
    seconds: int
    nanoseconds: int
    clock: int
    """The guest's clock, in nanoseconds."""
    state_size: int
    """Bytes of the machine's state; 0 for a snapshot of the disk alone."""
    disk_size: int | None
    """Bytes of the disk when it was made; None where the entry does not say."""

    def facts(self) -> dict[str, Any]:
        """What it is, as JSON values."""
        from datetime import UTC, datetime

        return {
            "id": self.id,
            "name": self.name,
            "date": datetime.fromtimestamp(self.seconds, UTC).isoformat(),
            "guest_clock_ns": self.clock,
            "state_size": self.state_size,
            "disk_size": self.disk_size,
        }


class Qcow2Image(Container):
    """An image and its snapshots; `chosen` is the one whose state was opened."""

    header: Qcow2Header
    snapshots: tuple[Snapshot, ...]
    chosen: Snapshot | None

    def facts(self) -> dict[str, Any]:
        """The image and its snapshots."""
        header = self.header
        return {
            "kind": "qcow2",
            "version": header.version,
            "cluster_size": header.cluster_size,
            "disk_size": header.size,
            "extended_l2": bool(header.incompatible & EXTENDED_L2),
            "compression": header.compression,
            "backing_file": header.backing_file,
            "dirty_bitmaps": [bitmap.facts() for bitmap in header.bitmaps],
            "snapshots": [snapshot.facts() for snapshot in self.snapshots],
            "snapshot": None if self.chosen is None else self.chosen.name,
        }

    def lines(self) -> list[tuple[str, str]]:
        """The same for a reader."""
        header = self.header
        about = f"a qcow2 image, version {header.version}, of {header.size} bytes, clusters of {header.cluster_size}"
        rows = [("kept in", about)]
        if header.backing_file is not None:
            rows.append(("backing file", header.backing_file))
        for bitmap in header.bitmaps:
            state = ", in use: it was not saved" if bitmap.is_in_use else ""
            rows.append(("dirty bitmap", f"{bitmap.name}, a bit for {bitmap.granularity} bytes{state}"))
        for snapshot in self.snapshots:
            facts = snapshot.facts()
            size = f"state of {snapshot.state_size} bytes"
            if not snapshot.state_size:
                size = "disk only; a state, if any, is in another disk"
            clock = f"guest clock {snapshot.clock / 1e9:.3f} s"
            mark = "  <- this one" if snapshot is self.chosen else ""
            rows.append(("snapshot", f"{snapshot.name} (id {snapshot.id}), {facts['date']}, {clock}, {size}{mark}"))
        return rows


def open_snapshot(opened: Input, limit: int, wanted: str | None) -> Input:
    """The state of a machine in an image: of the snapshot of that name or id, or of the only one that has one."""
    image = read_image(opened, wanted)
    assert image.chosen is not None
    inside = collected(state_pieces(opened.data, image, image.chosen), opened.name, limit)
    inside.container = image
    opened.close()
    return inside


def read_image(opened: Input, wanted: str | None) -> Qcow2Image:
    """The image with the snapshot that is meant. Raises `StreamError`."""
    image = _image(opened)
    return Qcow2Image(image.file, image.header, image.snapshots, _chosen(image, wanted))


def image_to_extend(opened: Input, file: str) -> Qcow2Image:
    """The image with the snapshot that `file` (FILE@SNAPSHOT) names as its chosen one; None where it names none.

    Raises `StreamError`, also for what is no qcow2 image.
    """
    if bytes(opened.data[:4]) != MAGIC:
        raise StreamError("snapshots are kept in qcow2 images", file=file, found=bytes(opened.data[:4]).hex())
    image = _image(opened)
    wanted = split(file)[1]
    return image if wanted is None else Qcow2Image(image.file, image.header, image.snapshots, _named(image, wanted))


def _image(opened: Input) -> Qcow2Image:
    name = opened.name
    try:
        header = read_header(opened.data)
        snapshots = tuple(read_snapshots(opened.data, header))
    except StreamError as error:
        raise error.within(file=name) from None
    if header.crypt_method:
        kind = {1: "AES", 2: "LUKS"}.get(header.crypt_method, f"method {header.crypt_method}")
        raise StreamError(
            f"the image is encrypted ({kind}), its snapshots too",
            file=name,
            expected="a copy without encryption: qemu-img convert with the key, or loadvm and savevm to another image",
        )
    return Qcow2Image(name, header, snapshots, None)


def _named(image: Qcow2Image, wanted: str) -> Snapshot:
    named = [snapshot for snapshot in image.snapshots if snapshot.name == wanted] or [
        snapshot for snapshot in image.snapshots if snapshot.id == wanted
    ]
    if not named:
        names = ", ".join(snapshot.name for snapshot in image.snapshots) or None
        raise StreamError("the image has no such snapshot", file=image.file, expected=names, found=wanted)
    return named[0]


def _chosen(image: Qcow2Image, wanted: str | None) -> Snapshot:
    with_state = [snapshot for snapshot in image.snapshots if snapshot.state_size]
    names = ", ".join(snapshot.name for snapshot in with_state) or None
    if wanted is not None:
        snapshot = _named(image, wanted)
        if not snapshot.state_size:
            raise StreamError("the snapshot is of the disk alone", file=image.file, expected=names, found=wanted)
        return snapshot
    if not with_state:
        count = len(image.snapshots)
        raise StreamError(
            "the disk image holds no machine: "
            + (f"{count} snapshot{'s' * (count > 1)} of the disk alone" if count else "it has no snapshots"),
            file=image.file,
            expected="a snapshot made by savevm, snapshot-save or `virsh snapshot-create`",
        )
    if len(with_state) > 1:
        ways = ", ".join(f"{image.file}@{snapshot.name}" for snapshot in with_state[:8])
        raise UndecidedError(
            f"the image holds {len(with_state)} snapshots of a machine", image, file=image.file, expected=ways
        )
    return with_state[0]


def inside_image(data: memoryview, offset: int, size: int, what: str) -> None:
    if offset + size > len(data):
        raise StreamError(
            f"{what} stands outside the image",
            offset=offset,
            expected=f"an end of at most {len(data)}",
            found=str(size),
        )


def read_header(data: memoryview) -> Qcow2Header:
    """The header of an image. Raises `StreamError`."""
    inside_image(data, 0, _HEADER.size, "the header")
    _, version, backing_at, backing_size, bits, size, crypt, l1_size, l1_at, refcounts_at, clusters, count, at = (
        _HEADER.unpack_from(data)
    )
    if version not in (2, 3):
        raise StreamError("a qcow2 image of an unknown version", offset=4, expected="2 or 3", found=str(version))
    if not 9 <= bits <= 21:
        raise StreamError("impossible size of clusters", offset=20, expected="9 to 21 bits", found=str(bits))
    incompatible, order, length, compression = 0, 4, _HEADER.size, "zlib"
    if version == 3:
        inside_image(data, 0, 104, "the header")
        incompatible, order, length = *struct.unpack_from(">Q", data, 72), *struct.unpack_from(">II", data, 96)
        if incompatible >> 5:
            raise StreamError("the image has features that are not known", offset=72, found=f"{incompatible:#x}")
        if incompatible & DATA_FILE:
            known = next(
                (content for kind, content in _extensions(data, length, 1 << bits) if kind == DATA_FILE_NAME), b""
            )
            raise StreamError(
                "the image keeps its data in another file, and then it has no state of a machine",
                expected="a disk image with a snapshot made by savevm, or a stream of the machine",
                found=f"data in {bytes(known).decode(errors='backslashreplace') or 'a file without a name'}",
            )
        if not 104 <= length <= 1 << bits or order > 6:
            raise StreamError("impossible header of the image", offset=96, found=f"{order} and {length}")
        if incompatible & COMPRESSION:
            inside_image(data, 0, 105, "the header")
            kinds = {0: "zlib", 1: "zstd"}
            if data[104] not in kinds:
                raise StreamError("the image has an unknown compression", offset=104, found=str(data[104]))
            compression = kinds[data[104]]
    if incompatible & EXTENDED_L2 and bits < 14:
        raise StreamError("clusters too small for extended L2 entries", offset=20, found=f"{bits} bits")
    if count > MOST_SNAPSHOTS:
        raise StreamError("too many snapshots", offset=60, expected=f"at most {MOST_SNAPSHOTS}", found=str(count))
    backing = None
    if backing_at and backing_size:
        inside_image(data, backing_at, min(backing_size, 1023), "the name of the backing file")
        backing = bytes(data[backing_at : backing_at + min(backing_size, 1023)]).decode(errors="backslashreplace")
    return Qcow2Header(
        version=version,
        cluster_bits=bits,
        size=size,
        crypt_method=crypt,
        l1_size=l1_size,
        l1_offset=l1_at,
        refcount_offset=refcounts_at,
        refcount_clusters=clusters,
        snapshot_count=count,
        snapshots_offset=at,
        incompatible=incompatible,
        refcount_order=order,
        header_length=length,
        compression=compression,
        backing_file=backing,
        bitmaps=_bitmaps(data, length, 1 << bits),
    )


def _bitmaps(data: memoryview, at: int, end: int) -> tuple[Bitmap, ...]:
    """The dirty bitmaps that an extension of the header names, as far as they can be read."""
    for kind, content in _extensions(data, at, end):
        if kind == BITMAPS_EXTENSION and len(content) >= 24:
            count, _, directory_size, offset = struct.unpack_from(">IIQQ", content)
            return tuple(_directory(data[offset : offset + min(directory_size, LARGEST_TABLE)], count))
    return ()


def _extensions(data: memoryview, at: int, end: int) -> Iterator[tuple[int, memoryview]]:
    """The extensions of a header, which stand from `at` on: type and content of each."""
    end = min(end, len(data))
    for _ in range(MOST_EXTENSIONS):
        if at + 8 > end:
            return
        kind, size = struct.unpack_from(">II", data, at)
        if not kind or at + 8 + size > end:
            return
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + -(-size // 8) * 8


def _directory(data: memoryview, count: int) -> Iterator[Bitmap]:
    """The entries of a directory of bitmaps. What is damaged in it costs the names that follow, and nothing else."""
    at = 0
    for _ in range(min(count, MOST_BITMAPS)):
        if at + _BITMAP.size > len(data):
            return
        flags, bits, name_size, extra_size = _BITMAP.unpack_from(data, at)
        name_at = at + _BITMAP.size + extra_size
        at = -(-(name_at + name_size) // 8) * 8
        if name_at + name_size > len(data) or bits > 63:
            return
        name = bytes(data[name_at : name_at + name_size]).decode(errors="backslashreplace")
        yield Bitmap(name, 1 << bits, bool(flags & 1))


def read_snapshots(data: memoryview, header: Qcow2Header) -> Iterator[Snapshot]:
    """The entries of the snapshot table. Raises `StreamError`."""
    at = begin = header.snapshots_offset
    for number in range(header.snapshot_count):
        what = f"entry {number} of the snapshot table"
        inside_image(data, at, _ENTRY.size, what)
        l1_at, l1_size, id_size, name_size, seconds, nanos, clock, state_size, extra_size = _ENTRY.unpack_from(data, at)
        if extra_size > LARGEST_EXTRA:
            raise StreamError(
                f"{what} is too long", offset=at + 36, expected=f"at most {LARGEST_EXTRA}", found=str(extra_size)
            )
        extra_at = at + _ENTRY.size
        id_at = extra_at + extra_size
        end = id_at + id_size + name_size
        inside_image(data, extra_at, end - extra_at, what)
        if end - begin > LARGEST_TABLE:
            raise StreamError("the snapshot table is too long", offset=begin, expected=f"at most {LARGEST_TABLE}")
        disk_size = None
        if extra_size >= 8:
            (state_size,) = struct.unpack_from(">Q", data, extra_at)
        if extra_size >= 16:
            (disk_size,) = struct.unpack_from(">Q", data, extra_at + 8)
        yield Snapshot(
            offset=at,
            end=end,
            l1_offset=l1_at,
            l1_size=l1_size,
            id=bytes(data[id_at : id_at + id_size]).decode(errors="backslashreplace"),
            name=bytes(data[id_at + id_size : end]).decode(errors="backslashreplace"),
            seconds=seconds,
            nanoseconds=nanos,
            clock=clock,
            state_size=state_size,
            disk_size=disk_size,
        )
        # Each entry but the last is padded.
        at = -(-end // 8) * 8


def state_start(header: Qcow2Header, snapshot: Snapshot) -> int:
    """The number of the first entry of the L1 table that is of the machine's state."""
    disk_size = header.size if snapshot.disk_size is None else snapshot.disk_size
    return -(-disk_size // (header.cluster_size * header.entries))


def state_pieces(data: memoryview, image: Qcow2Image, snapshot: Snapshot) -> Iterator[bytes]:
    """The bytes of the machine's state of a snapshot, in pieces of at most `PIECE`. Raises `StreamError`."""
    try:
        yield from _state_pieces(data, image.header, snapshot)
    except StreamError as error:
        raise error.within(file=f"{image.file}@{snapshot.name}") from None


def _state_pieces(data: memoryview, header: Qcow2Header, snapshot: Snapshot) -> Iterator[bytes]:
    if 8 * snapshot.l1_size > LARGEST_L1:
        raise StreamError(
            "the L1 table of the snapshot is too long", offset=snapshot.offset, found=str(snapshot.l1_size)
        )
    inside_image(data, snapshot.l1_offset, 8 * snapshot.l1_size, "the L1 table of the snapshot")
    left, cluster_size = snapshot.state_size, header.cluster_size
    # QEMU never writes a cluster twice into one state; one that does could be of any size.
    budget = _Budget(len(data))
    for host, size in _runs(_clusters(data, header, snapshot), cluster_size):
        size = min(size, left)
        left -= size
        if isinstance(host, bytes):
            budget.spend_packed(len(host), size)
            yield _unpacked(host, header)[:size]
        elif host < 0:
            budget.spend(size)
            for start in range(0, size, PIECE):
                yield bytes(min(PIECE, size - start))
        else:
            if host >= len(data):
                raise StreamError("a cluster of the state stands outside the image", offset=host)
            budget.spend(size)
            for start in range(host, host + size, PIECE):
                # Behind the end of the file there are zeros.
                wanted = min(PIECE, host + size - start)
                yield bytes(data[start : start + wanted]).ljust(wanted, b"\0")
        if not left:
            return
    raise StreamError(
        "the snapshot's tables end before the state does",
        offset=snapshot.l1_offset,
        expected=f"{snapshot.state_size} bytes",
        found=f"{snapshot.state_size - left}",
    )


class _Budget:
    """How many bytes the clusters of one state may have, in a file of so many bytes."""

    def __init__(self, file_size: int) -> None:
        self._left = 2 * file_size
        self._packed = self._plain = 0

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise StreamError("the state is larger than the image: its tables name clusters more than once")

    def spend_packed(self, packed: int, plain: int) -> None:
        self._packed += packed
        self._plain += plain
        if self._plain > SUSPICIOUS and self._plain > RATIO_WITH_HOLES * self._packed:
            raise StreamError(f"the clusters are out of proportion: {self._plain} bytes of {self._packed}")


_Cluster = int | bytes
"""Where in the file a cluster stands (-1: zeros), or its compressed bytes."""


def _clusters(data: memoryview, header: Qcow2Header, snapshot: Snapshot) -> Iterator[tuple[_Cluster, int]]:
    """The clusters of the state, and parts of some, each with its size."""
    cluster_size, extended = header.cluster_size, bool(header.incompatible & EXTENDED_L2)
    part = cluster_size // SUBCLUSTERS
    for at in range(state_start(header, snapshot), snapshot.l1_size):
        (l1_entry,) = struct.unpack_from(">Q", data, snapshot.l1_offset + 8 * at)
        table = l1_entry & OFFSET_MASK
        if not table:
            yield -1, cluster_size * header.entries
            continue
        if table % cluster_size:
            raise StreamError("an L2 table that is not at a cluster", offset=table)
        inside_image(data, table, cluster_size, "an L2 table")
        entries = struct.iter_unpack(">QQ" if extended else ">Q", data[table : table + cluster_size])
        for entry in entries:
            word = entry[0]
            host = word & OFFSET_MASK
            if word & COMPRESSED:
                yield _packed_bytes(data, header, word), cluster_size
            elif extended and host:
                bits = entry[1]
                for number in range(SUBCLUSTERS):
                    is_there = bits >> number & 1 and not bits >> (number + 32) & 1
                    yield host + number * part if is_there else -1, part
            elif not host or (word & ZERO and header.version == 3):
                yield -1, cluster_size
            else:
                if host % cluster_size:
                    raise StreamError("a cluster of the state is not where one can be", offset=host)
                yield host, cluster_size


def _runs(clusters: Iterator[tuple[_Cluster, int]], cluster_size: int) -> Iterator[tuple[_Cluster, int]]:
    """The same, with those that follow each other in the file taken together."""
    run_start: _Cluster = -1
    run_size = 0
    for host, size in clusters:
        if run_size:
            follows = isinstance(host, int) and isinstance(run_start, int)
            if follows and (host == run_start == -1 or (run_start >= 0 and host == run_start + run_size)):  # type: ignore[operator]
                run_size += size
                if run_size < max(PIECE, cluster_size):
                    continue
                yield run_start, run_size
                run_size = 0
                continue
            yield run_start, run_size
        run_start, run_size = host, size
    if run_size:
        yield run_start, run_size


def _packed_bytes(data: memoryview, header: Qcow2Header, word: int) -> bytes:
    """The bytes of a compressed cluster, as far as they can go."""
    shift = 62 - (header.cluster_bits - 8)
    host = word & (1 << shift) - 1
    sectors = (word & COMPRESSED - 1) >> shift
    size = (sectors + 1) * SECTOR - host % SECTOR
    if host >= len(data):
        raise StreamError("a compressed cluster of the state stands outside the image", offset=host)
    return bytes(data[host : host + size])


def _unpacked(packed: bytes, header: Qcow2Header) -> bytes:
    size = header.cluster_size
    try:
        if header.compression == "zlib":
            plain = zlib.decompressobj(-12).decompress(packed, size)
        else:
            plain = _zstd(packed, size)
    except ImportError:
        package = PACKAGES["zstd"]
        raise StreamError(f"has clusters compressed with zstd, which need a package: pip install {package}") from None
    except Exception as error:  # each package has its own kinds
        raise StreamError(f"a compressed cluster of the state is damaged: {error}") from None
    if len(plain) != size:
        raise StreamError("a compressed cluster of the state is too short", expected=str(size), found=str(len(plain)))
    return plain


def _zstd(packed: bytes, size: int) -> bytes:
    decompressor = imported(DECOMPRESSORS["zstd"])()
    plain: bytes = decompressor.decompress(packed, size)
    # Some packages give a block at a time.
    for _ in islice(iter(int, 1), size // SECTOR):
        if len(plain) >= size or decompressor.eof or decompressor.needs_input:
            break
        plain += decompressor.decompress(b"", size - len(plain))
    return plain[:size]
