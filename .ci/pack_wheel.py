"""Compress what is in wheels as closely as DEFLATE allows: python .ci/pack_wheel.py FILE...

zlib, by which wheels are built, leaves some three per cent, which zopfli takes ten seconds to find. Names, order and
dates stay, so that two builds of one commit are equal after this too.
"""

import struct
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import zopfli.zlib

FRAME = slice(2, -4)
"""What of zlib's format is DEFLATE."""

ITERATIONS = 5
"""More gain a hundred bytes in all."""

DIVIDED = 8_000
"""Bytes of a file above which looking for blocks with codes of their own gains more than it costs."""

UNIX = 3
LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def framed(plain: bytes) -> bytes:
    """DEFLATE in zlib's format."""
    return zopfli.zlib.compress(plain, numiterations=ITERATIONS, blocksplitting=len(plain) > DIVIDED)


def packed(path: Path) -> bytes:
    """The bytes of the wheel, packed again."""
    body, directory = bytearray(), bytearray()
    with zipfile.ZipFile(path) as archive, ThreadPoolExecutor() as threads:
        members = archive.infolist()
        plains = [archive.read(member) for member in members]
        for member, plain, closest in zip(members, plains, threads.map(framed, plains), strict=True):
            data = closest[FRAME]
            method = zipfile.ZIP_DEFLATED
            if len(data) >= len(plain):
                data, method = plain, zipfile.ZIP_STORED
            name = member.filename.encode("ascii")
            year, month, day, hour, minute, second = member.date_time
            time = hour << 11 | minute << 5 | second // 2
            date = (year - 1980) << 9 | month << 5 | day
            same = struct.pack("<4H3I2H", 0, method, time, date, member.CRC, len(data), len(plain), len(name), 0)
            mode = member.external_attr
            directory += CENTRAL + struct.pack("<2BH", 20, UNIX, 20) + same
            directory += struct.pack("<3H2I", 0, 0, 0, mode, len(body)) + name
            body += LOCAL + struct.pack("<H", 20) + same + name + data
    end = struct.pack("<4H2IH", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return bytes(body + directory + END + end)


if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        before = file.stat().st_size
        file.write_bytes(packed(file))
        print(f"{file}: {before:,} bytes, packed {file.stat().st_size:,}")
