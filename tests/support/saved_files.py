"""The recorded files of fixtures/saved, and containers made around a stream without the library's help."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import zstandard

from vmstate.stream.memory import GuestMemory

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
SAVED = FIXTURES / "saved"
PAGE = 4096
LIBVIRT = "libvirt-9.0-save-lzop.save"
SPARSE_HEAD = "libvirt-12.8-sparse.head"

RECORDED: dict[str, dict[str, Any]] = json.loads((SAVED / "saved.json").read_text())
"""What is known of each file, by its name as stored."""

PROGRAMS = {
    "raw": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}
"""What libvirt puts a stream through, by the format's name; lzop is recorded."""

MICROVM_ROM = range(0xE0, 0x100)
"""Pages of a microvm that pmemsave has from its firmware."""

NUMBERS = ("raw", "gzip", "bzip2", "xz", "lzop", "zstd", "sparse")


@cache
def plain(name: str) -> bytes:
    """A recorded file, without the compression that it is stored in."""
    return lzma.decompress((SAVED / f"{name}.xz").read_bytes())


@cache
def small_stream() -> bytes:
    """A whole stream of a small machine that QEMU wrote, 222 KB."""
    return plain("offset-10.0.file")[4096:]


def head_of(form: str, *, big_endian: bool = False, magic: bytes = b"LibvirtQemudSave", source: str = LIBVIRT) -> bytes:
    """What libvirt wrote in front of a stream, with another format in it, as a host of that byte order has it."""
    recorded = plain(source)
    words = struct.unpack_from("<19I", recorded, 16)
    data = recorded[92 : 92 + words[1]]
    changed = (*words[:3], NUMBERS.index(form), *words[4:])
    return magic + struct.pack(">19I" if big_endian else "<19I", *changed) + data


def image(form: str, stream: bytes, **how: Any) -> bytes:
    """A save image with a stream in it."""
    return head_of(form, **how) + PROGRAMS[form](stream)


def sums_of(name: str) -> list[int]:
    """The CRC-32 of each page of memory that QEMU gave of the machine in a recorded file."""
    known = RECORDED[name + ".xz"]
    empty = zlib.crc32(bytes(PAGE))
    return [known["sums"].get(str(number), empty) for number in range(known["pages"])]


def put_out(name: str, folder: Path) -> list[Path]:
    """The channels of a recording in a folder, the main one first."""
    paths = []
    for number in range(RECORDED[name]["channels"]):
        paths.append(folder / f"{name}.ch{number}")
        paths[-1].write_bytes(plain(paths[-1].name))
    return paths


def wrong_pages(name: str, memory: GuestMemory) -> list[int]:
    """The pages that are not as QEMU told."""
    empty = zlib.crc32(bytes(PAGE))
    sums = RECORDED[name]["sums"]
    return [
        number
        for number in range(RECORDED[name]["pages"])
        if zlib.crc32(memory.read(number * PAGE, PAGE)) != sums.get(str(number), empty) and number not in MICROVM_ROM
    ]


def qcow2_with_packed_clusters(stream: bytes, *, zstd: bool) -> bytes:
    """An image whose one snapshot has its state in compressed clusters, as qemu-img might copy one."""
    bits, entries = 16, 8192
    cluster = 1 << bits
    count = -(-len(stream) // cluster)
    out = bytearray(cluster * 5)  # header, snapshots, L1 of the disk, L1 of the snapshot, L2
    words = []
    for number in range(count):
        piece = stream[number * cluster : (number + 1) * cluster].ljust(cluster, b"\0")
        if zstd:
            packed = zstandard.ZstdCompressor().compress(piece)
        else:
            deflate = zlib.compressobj(9, zlib.DEFLATED, -12)
            packed = deflate.compress(piece) + deflate.flush()
        at = len(out)
        sectors = (at % 512 + len(packed) - 1) // 512
        words.append(1 << 62 | sectors << (62 - (bits - 8)) | at)
        out += packed
    out += bytes(-len(out) % cluster)
    size = 1 << 20
    struct.pack_into(">4sIQIIQIIQQIIQ", out, 0, b"QFI\xfb", 3, 0, 0, bits, size, 0, 1, 2 * cluster, 0, 0, 1, cluster)
    struct.pack_into(">QQQII", out, 72, 8 if zstd else 0, 0, 0, 4, 112)
    out[104] = 1 if zstd else 0
    entry = struct.pack(">QIHHIIQII", 3 * cluster, 2, 1, 4, 1, 0, 0, 0, 24)
    entry += struct.pack(">QQQ", len(stream), size, (1 << 64) - 1) + b"1" + b"pack"
    out[cluster : cluster + len(entry)] = entry
    struct.pack_into(">QQ", out, 3 * cluster, 0, 4 * cluster)
    assert count <= entries
    struct.pack_into(f">{count}Q", out, 4 * cluster, *words)
    return bytes(out)
