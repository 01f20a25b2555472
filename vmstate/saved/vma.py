"""VMA archives, the backups of Proxmox VE: the state of a machine among its disks.

Big-endian but for the sizes of blobs. A header: "VMA\\0", u32 version 1, 16 uuid, u64 time, 16 MD5 of the header with
this field 0, u32 offset, size of the blobs, size of the header; from 2044 on 256 u32 names of configurations, from 3068
on as many of their contents, from 4096 on 256 devices: u32 name, u32 unused, u64 size, 16 unused. A name is the offset
of a blob: u16 size, little-endian, and the bytes. Then extents: "VMAE", u16 unused, u16 blocks, 16 uuid, 16 MD5 as
before, 59 of u16 mask, u8 unused, u8 device, u32 cluster; and of each cluster of 64 KiB those blocks of 4 KiB that are
in its mask. The device "vmstate" is the stream. From the published layout (vma_spec.txt, vma-writer.c and vma-reader.c
of pve-qemu); not checked on a real file.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any

from vmstate.errors import StreamError
from vmstate.saved.containers import Container
from vmstate.saved.opening import Input, collected
from vmstate.vmsd.data import NamedTuple, Value

STATE = "vmstate"
"""The name of the device that is the state of the machine."""

CLUSTER = 64 << 10
BLOCK = 4 << 10
HEADER = 12288
MOST_HEADER = 16 << 20
"""Bytes of a header with its blobs at most; QEMU's blobs are at most 640 KiB."""

_HEAD = struct.Struct(">4sI16sQ16sIII")
_EXTENT = struct.Struct(">4s2xH16s16s")
_DEVICE = struct.Struct(">I4xQ16x")
_ENTRIES = 59
_EXTENT_SIZE = 512
_MD5_AT = {"header": 32, "extent": 24}


class Device(Value):
    """A disk, or the state, of `size` bytes."""

    number: int
    name: str
    size: int


class VmaArchive(Container):
    """A backup of Proxmox VE."""

    time: int
    devices: tuple[Device, ...]
    configs: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """What is in it."""
        devices = [{"name": device.name, "size": device.size} for device in self.devices]
        return {
            "kind": "vma",
            "time": self.time,
            "devices": devices,
            "configs": list(self.configs),
            "checked_on_a_real_file": False,
        }

    def lines(self) -> list[tuple[str, str]]:
        """The same for a reader."""
        rows = [("kept in", "a backup of Proxmox VE (VMA); not checked on a real file")]
        rows += [("device", f"{device.name}, {device.size} bytes") for device in self.devices]
        return [*rows, *(("config", name) for name in self.configs)]


class _Cluster(NamedTuple):
    """Where the blocks of a cluster stand, and which of its 16 they are."""

    at: int
    mask: int


def open_archive(opened: Input, limit: int) -> Input:
    """The stream in an archive; `limit` is the number of bytes that are taken of it. Raises `StreamError`."""
    archive, end, uuid = read_archive(opened)
    state = next((device for device in archive.devices if device.name == STATE), None)
    if state is None:
        disks = ", ".join(device.name for device in archive.devices) or "nothing"
        raise StreamError(
            "the backup has no state of a running machine", file=opened.name, expected=f"a device {STATE}", found=disks
        )
    if not 0 < state.size <= limit:
        raise StreamError(
            "impossible size of the state", file=opened.name, expected=f"1 to {limit}", found=str(state.size)
        )
    clusters = _clusters(opened, end, uuid, state)
    inside = collected(_content(opened.data, clusters, state.size), opened.name, limit)
    opened.close()
    inside.container = archive
    return inside


def read_archive(opened: Input) -> tuple[VmaArchive, int, bytes]:
    """What the header says, where the first extent stands, and the uuid that all of them have."""
    data, name = opened.data, opened.name
    if len(data) < HEADER:
        raise StreamError("the header of the archive is cut off", file=name, expected=f"{HEADER} bytes")
    _, version, uuid, time, digest, blobs_at, blobs_size, size = _HEAD.unpack_from(data)
    if version != 1:
        raise StreamError("an archive of an unknown version", file=name, offset=4, expected="1", found=str(version))
    if not HEADER <= size <= min(MOST_HEADER, len(data)) or size % _EXTENT_SIZE:
        raise StreamError("impossible size of the header of an archive", file=name, offset=56, found=str(size))
    if blobs_at + blobs_size > size or (blobs_size and blobs_at < HEADER):
        raise StreamError("the blobs of the archive are not in its header", file=name, offset=48, found=hex(blobs_at))
    _check_sum(data, 0, size, "header", digest, name)
    blobs = bytes(data[blobs_at : blobs_at + blobs_size])
    configs = [_text(blobs, at, name) for at in struct.unpack_from(">256I", data, 2044) if at]
    devices = []
    for number in range(1, 256):
        at, length = _DEVICE.unpack_from(data, 4096 + number * _DEVICE.size)
        if at:
            devices.append(Device(number, _text(blobs, at, name), length))
    return VmaArchive(opened.name, time, tuple(devices), tuple(configs)), size, uuid


def _text(blobs: bytes, at: int, file: str) -> str:
    size = int.from_bytes(blobs[at : at + 2], "little")
    if at + 2 + size > len(blobs):
        raise StreamError("a name of the archive is not among its blobs", file=file, found=hex(at))
    return blobs[at + 2 : at + 2 + size].partition(b"\0")[0].decode(errors="backslashreplace")


def _check_sum(data: memoryview, start: int, size: int, what: str, digest: bytes, file: str) -> None:
    at = start + _MD5_AT[what]
    summed = hashlib.md5(data[start:at], usedforsecurity=False)
    summed.update(bytes(16))
    summed.update(data[at + 16 : start + size])
    if summed.digest() != digest:
        raise StreamError(f"the checksum of the archive's {what} is wrong", file=file, offset=start)


def _clusters(opened: Input, at: int, uuid: bytes, state: Device) -> list[_Cluster]:
    """The clusters of the state, all of them, in their order."""
    data, name = opened.data, opened.name
    wanted = -(-state.size // CLUSTER)
    known: dict[int, _Cluster] = {}
    while at < len(data):
        start = at
        at += _EXTENT_SIZE
        if at > len(data):
            raise StreamError("the archive ends inside an extent", file=name, offset=start)
        magic, blocks, extent_uuid, digest = _EXTENT.unpack_from(data, start)
        if magic != b"VMAE" or extent_uuid != uuid:
            if start and not any(data[start : start + _EXTENT_SIZE]):
                # The room of a volume behind the archive.
                break
            raise StreamError("no extent of the archive begins there", file=name, offset=start, found=magic.hex())
        _check_sum(data, start, _EXTENT_SIZE, "extent", digest, name)
        for mask, device, cluster in struct.iter_unpack(">HxBI", data[start + 40 : start + _EXTENT_SIZE]):
            if device == state.number:
                if cluster >= wanted or cluster in known:
                    problem = "comes twice" if cluster in known else "is behind the end"
                    raise StreamError(f"a cluster of the state {problem}", file=name, offset=start, found=str(cluster))
                known[cluster] = _Cluster(at, mask)
            if device:
                at += mask.bit_count() * BLOCK
        if at - start - _EXTENT_SIZE != blocks * BLOCK:
            raise StreamError("an extent of another size than its blocks", file=name, offset=start)
        if at > len(data):
            raise StreamError("the archive ends inside an extent", file=name, offset=start)
        opened.release(start, at)
    if len(known) < wanted:
        gone = next(number for number in range(wanted) if number not in known)
        raise StreamError("a cluster of the state is not in the archive", file=name, found=f"cluster {gone}")
    return [known[number] for number in range(wanted)]


def _content(data: memoryview, clusters: list[_Cluster], size: int) -> Iterator[bytes]:
    for cluster in clusters:
        at, pieces = cluster.at, []
        for number in range(CLUSTER // BLOCK):
            if cluster.mask >> number & 1:
                pieces.append(bytes(data[at : at + BLOCK]))
                at += BLOCK
            else:
                pieces.append(bytes(BLOCK))
        whole = b"".join(pieces)[: min(CLUSTER, size)]
        size -= len(whole)
        yield whole
