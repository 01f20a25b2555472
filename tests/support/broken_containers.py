"""Hypothesis strategies: files of every container, broken where it hurts.

A `Kind` has a whole file, the stretches in which its headers and tables stand, and what opens it. `broken(kind)` draws
files with fields at their bounds and beyond, entries that lead to other tables, stretches that come twice or are gone,
and cuts.
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from handmade_vma import archive, disk
from hypothesis import strategies as st
from saved_files import NUMBERS, head_of, image, plain, qcow2_with_packed_clusters, small_stream

from vmstate import load
from vmstate.saved.lzop import stored
from vmstate.saved.opening import Input
from vmstate.saved.packing import at_origin
from vmstate.stream.stream import Stream

Stretch = tuple[int, int]
"""Where something stands, and how many bytes it has."""

BOUNDS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 511, 512, 4095, 4096, 0xFFFF, 0x1_0000, 1 << 20, 1 << 24)
LARGE = ((1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 56) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)

IMAGES = ("savevm-7.2", "savevm-7.2-v2", "savevm-10.0-c512", "savevm-10.0-c2M", "savevm-11.1-extl2")
MULTIFD = ("multifd-7.2", "multifd-zlib-7.2", "multifd-zstd-10.0")
DEVICE_PACKET = struct.pack(">3I256s5I", 0x11223344, 1, 0x40, b"0000:00:03.0/vfio", 0, 3000, 0, 0, 1) + bytes(2988)
"""What a device of VFIO sends of its own state, in one packet."""


class Kind(NamedTuple):
    """A container, and how it is opened: with what behind its name, and with which further files."""

    name: str
    whole: Callable[[], bytes]
    stretches: Callable[[bytes], list[Stretch]]
    part: str = ""
    mended: Callable[[bytearray], None] | None = None
    """What puts right what would be refused first: sums."""
    main: Callable[[], list[bytes]] = list
    """What the file is a channel of: the main stream, and other channels."""


def of_qcow2(data: bytes) -> list[Stretch]:
    """Header, tables of refcounts, snapshot table, and the L1 and L2 tables of each snapshot."""
    head = struct.unpack_from(">4sIQIIQIIQQIIQ", data)
    size, l1_size, l1_at, refcounts, count, at = 1 << head[4], head[7], head[8], head[9], head[11], head[12]
    (block,) = struct.unpack_from(">Q", data, refcounts) if refcounts else (0,)
    places = [(0, 112), (l1_at, 8 * l1_size), (refcounts, 64), (block, 128), (at, min(len(data) - at, 200))]
    for _ in range(count):
        table, entries, id_size, name_size, _, _, _, _, extra = struct.unpack_from(">QIHHIIQII", data, at)
        places.append((table, 8 * entries))
        for number in range(entries):
            l2 = struct.unpack_from(">Q", data, table + 8 * number)[0] & 0xFF_FFFF_FFFF_FE00
            places += [(l2, min(size, 160))] if l2 else []
        at = -(-(at + 40 + extra + id_size + name_size) // 8) * 8
    return [stretch for stretch in places if stretch[1] > 0]


def of_libvirt(data: bytes) -> list[Stretch]:
    """The header twice as often as the XML, and the stream behind it."""
    size = 92 + int.from_bytes(data[20:24], "little")
    return [(16, 76), (16, 76), (92, 400), (size, 128), (size, len(data) - size)]


def of_mapped(data: bytes) -> list[Stretch]:
    """The list of blocks with their headers, and the devices."""
    begin = data.index(b"QEVM")
    block = data.index(b"microvm.ram")
    return [(begin, 64), (block - 20, 80), (block - 20, 80), (block, 1024), (len(data) - 40_000, 40_000)]


def of_multifd(data: bytes) -> list[Stretch]:
    """The hello, the first packets, and any."""
    return [(0, 64), (64, 128), (64, 1344), (64, len(data) - 64)]


def of_colo(data: bytes) -> list[Stretch]:
    """What stands behind the first stream."""
    with load(data) as stream:
        begin = int(stream.parts[-1].offset)  # type: ignore[union-attr]
    return [(begin, 16), (begin, 2048), (begin, len(data) - begin)]


def of_vma(data: bytes) -> list[Stretch]:
    """Header, names, devices, blobs and the first extents."""
    return [(0, 64), (2044, 16), (3068, 16), (4096, 96), (12288, 128), (12800, 512), (12800, len(data) - 12800)]


def _summed(data: bytearray, at: int, size: int, place: int) -> None:
    data[at + place : at + place + 16] = bytes(16)
    data[at + place : at + place + 16] = hashlib.md5(data[at : at + size]).digest()


def with_sums(data: bytearray) -> None:
    """Put the sums of an archive right, wherever something of it still stands."""
    size = int.from_bytes(data[56:60], "big")
    if 12288 <= size <= len(data):
        _summed(data, 0, size, 32)
        at = data.find(b"VMAE", size)
        while 0 <= at <= len(data) - 512:
            _summed(data, at, 512, 24)
            at = data.find(b"VMAE", at + 512)


@cache
def _of_image(form: str) -> bytes:
    if form == "lzop":
        # Stored blocks: the recording is of a machine with more memory.
        return head_of("lzop") + b"".join(stored([small_stream()]))
    if form == "sparse":
        head = head_of("sparse")
        return head + b"".join(at_origin(Input(memoryview(plain("mapped-10.0.file")), "plain"), 0, len(head)))
    return image(form, small_stream())


KINDS = [
    *(Kind(name, lambda name=name: plain(f"{name}.qcow2"), of_qcow2, "@1") for name in IMAGES),  # type: ignore[misc]
    *(
        Kind(
            f"compressed {name}",
            cache(lambda zstd=zstd: qcow2_with_packed_clusters(small_stream(), zstd=zstd)),
            of_qcow2,
        )
        for name, zstd in (("zlib", False), ("zstd", True))
    ),
    *(Kind(f"libvirt {form}", lambda form=form: _of_image(form), of_libvirt) for form in NUMBERS),  # type: ignore[misc]
    Kind("mapped-ram", lambda: plain("mapped-10.0.file"), of_mapped),
    Kind("mapped-ram further on", lambda: plain("mapped-offset-11.1.file"), of_mapped, "@0x12345"),
    Kind(
        "further on", lambda: plain("offset-10.0.file"), lambda data: [(4096, 512), (4096, len(data) - 4096)], "@4096"
    ),
    Kind("COLO", lambda: plain("colo-11.1.ch0"), of_colo, "@colo:2"),
    Kind("VMA", cache(lambda: archive({"drive": disk(200_000), "vmstate": small_stream()})), of_vma, "", with_sums),
    *(
        Kind(
            name,
            lambda name=name: plain(f"{name}.ch1"),  # type: ignore[misc]
            of_multifd,
            main=lambda name=name: [plain(f"{name}.ch0"), plain(f"{name}.ch2")],  # type: ignore[misc]
        )
        for name in MULTIFD
    ),
    *(
        Kind(
            name,
            lambda name=name: plain(f"{name}.ch1"),  # type: ignore[misc]
            lambda data: [(0, 16), (0, min(512, len(data))), (0, len(data))],
            main=lambda name=name: [plain(f"{name}.ch0")],  # type: ignore[misc]
        )
        for name in ("postcopy-preempt-7.2", "postcopy-recovery-7.2")
    ),
    Kind(
        "multifd with a device's state",
        lambda: plain("multifd-7.2.ch1") + DEVICE_PACKET,
        lambda data: [(0, 64), (len(data) - len(DEVICE_PACKET), 12), (len(data) - len(DEVICE_PACKET), 288)],
        main=lambda: [plain("multifd-7.2.ch0"), plain("multifd-7.2.ch2")],
    ),
]


@st.composite
def broken(draw: st.DrawFn, kind: Kind) -> bytes:
    """A file of a kind with something wrong."""
    whole = kind.whole()
    data = bytearray(whole)
    stretches = kind.stretches(whole)
    for _ in range(draw(st.integers(1, 3))):
        way = draw(st.sampled_from(("bound", "bound", "bound", "other", "random", "cut", "twice", "gone")))
        if way == "cut":
            del data[draw(st.integers(0, len(data))) :]
            continue
        begin, size = draw(st.sampled_from(stretches))
        at = begin + draw(st.integers(0, max(0, size - 1)))
        if way in ("twice", "gone"):
            length = draw(st.sampled_from((1, 2, 4, 8, 16, 64, 512, 4096, 65536)))
            data[at : at + length] = bytes(data[at : at + length]) * 2 if way == "twice" else b""
            continue
        width = draw(st.sampled_from((1, 2, 4, 8, 8)))
        at = begin + (at - begin) // width * width
        if way == "bound":
            value = draw(st.sampled_from(BOUNDS + LARGE)) & (1 << 8 * width) - 1
            new = value.to_bytes(width, draw(st.sampled_from(("big", "little"))))
        elif way == "other":
            # Where another table stands, with a flag of an entry or without.
            flag = draw(st.sampled_from((0, 1 << 63, 1 << 62, 1)))
            new = (draw(st.sampled_from(stretches))[0] | flag).to_bytes(8, "big")
        else:
            new = draw(st.binary(min_size=1, max_size=9))
        data[at : at + len(new)] = new
    if kind.mended is not None and draw(st.booleans()):
        kind.mended(data)
    return bytes(data)


@contextmanager
def opened(kind: Kind, data: bytes) -> Iterator[Stream]:
    """The machine in such a file. Raises `VMStateError`."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        files = [folder / "file", *(folder / str(number) for number in range(len(kind.main())))]
        for path, content in zip(files, (data, *kind.main()), strict=True):
            path.write_bytes(content)
        if len(files) > 1:
            with load(files[1], channels=[files[0], *files[2:]]) as stream:
                yield stream
        else:
            with load(f"{files[0]}{kind.part}") as stream:
                yield stream
