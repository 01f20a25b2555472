"""VMA archives, written from the published layout without the library's help."""

from __future__ import annotations

import hashlib
import random
import struct

UUID = bytes(range(16))


def summed(data: bytearray, at: int) -> bytes:
    """The bytes with their MD5 in the place that was left for it."""
    data[at : at + 16] = hashlib.md5(data).digest()
    return bytes(data)


def archive(devices: dict[str, bytes], *, seed: int = 0, configs: tuple[str, ...] = ("qemu-server.conf",)) -> bytes:
    """An archive of devices, whose clusters are mixed; blocks of zeros are left out."""
    blobs = bytearray(b"\0")

    def blob(content: bytes) -> int:
        at = len(blobs)
        blobs.extend(len(content).to_bytes(2, "little") + content)
        return at

    names, contents = bytearray(1024), bytearray(1024)
    for number, config in enumerate(configs):
        struct.pack_into(">I", names, 4 * number, blob(config.encode() + b"\0"))
        struct.pack_into(">I", contents, 4 * number, blob(b"memory: 8\n"))
    table = bytearray(256 * 32)
    for number, (name, content) in enumerate(devices.items(), 1):
        struct.pack_into(">IIQ", table, 32 * number, blob(name.encode() + b"\0"), 0, len(content))
    size = -(-(12288 + len(blobs)) // 512) * 512
    head = bytearray(b"VMA\0" + struct.pack(">I", 1) + UUID + struct.pack(">Q", 1_700_000_000) + bytes(16))
    head += struct.pack(">III", 12288, len(blobs), size)
    head = head.ljust(2044, b"\0") + names + contents
    head = (head.ljust(4096, b"\0") + table + blobs).ljust(size, b"\0")
    out = [summed(bytearray(head), 32)]
    clusters = [
        (number, at // 65536, content[at : at + 65536].ljust(65536, b"\0"))
        for number, content in enumerate(devices.values(), 1)
        for at in range(0, len(content), 65536)
    ]
    random.Random(seed).shuffle(clusters)
    for start in range(0, len(clusters), 59):
        entries, body = b"", b""
        for device, cluster, content in clusters[start : start + 59]:
            mask = 0
            for block in range(16):
                piece = content[4096 * block : 4096 * block + 4096]
                if any(piece):
                    mask |= 1 << block
                    body += piece
            entries += struct.pack(">HBBI", mask, 0, device, cluster)
        extent = bytearray(b"VMAE" + struct.pack(">HH", 0, len(body) // 4096) + UUID + bytes(16) + entries)
        out += [summed(extent.ljust(512, b"\0"), 24), body]
    return b"".join(out)


def disk(size: int) -> bytes:
    return random.Random(3).randbytes(size)
