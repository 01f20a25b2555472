"""The recorded streams that come with the package: thin, so without any ROM, all in one archive of some 40 KB.

    python -m vmstate.saved.corpus FOLDER      makes it of the *.mig.xz in FOLDER and below

Names are those of the files, relative to FOLDER and without `.xz`: "pairs/qemu-7.2-idle-early.mig". Each member is the
stream of that file without its pages (vmstate.saved.thin), every other byte as QEMU wrote it. Most of all of them is
the same texts and tables, so that one archive is a tenth of what they are one by one.
"""

from __future__ import annotations

import io
import lzma
import re
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from vmstate.errors import StreamError, VMStateError
from vmstate.files import write_atomic
from vmstate.saved.opening import open_input
from vmstate.saved.packing import is_mapped
from vmstate.saved.thin import thin

ARCHIVE = Path(__file__).resolve().parent.parent / "golden.tar.xz"
"""The archive of this package."""

DICTIONARY = 64 << 20
"""Bytes that xz looks back: all of the archive."""


LEFT_OUT = re.compile(
    r"-(?:pc|q35)-(?:virtio-)?devices[0-9]?-(?:cold|booted)\.|-q35-(?:tpm-crb|nvme-bios|qxl-cold)\.|-(?:pc-1\.0|isapc)-cold\."
    r"|-(?:reboot|link-down|mq4-ring-reset|mq4-offloads|packed-driver-reload|legacy-driver-reload)-(?:early|final)\."
    r"|-q35-virtio-zoo\.|-virtio-net-(?:root-port|queues-without-mq|mq-one-queue)-cold\.|-microvm-block-cold\."
    r"|-7\.2-s390x-virtio-devices\.|-10\.0-q35-vhost-user-fs-cold\.|-default-(?:zoo-cold|devices)\.|-virtio-zoo2-cold\."
    r"|-q35-virtio-scsi-request\.|-vhost-user-blk-inflight\.|-11\.1-blk-(?:early|final)\."
)
"""Streams that are left out, for a wheel is to stay small: machines that have every device at once, large ones, machine
types that hardly anybody has, and pairs that are much like others."""


def is_left_out(path: Path) -> bool:
    """Whether the archive leaves out the stream of a file."""
    return LEFT_OUT.search(path.name) is not None


def corpus_members() -> Iterator[tuple[str, bytes]]:
    """Each stream with its name, in order."""
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            yield member.name, file.read()


def corpus_names() -> list[str]:
    """The names of the streams, in order."""
    with tarfile.open(ARCHIVE) as archive:
        return archive.getnames()


def corpus_stream(name: str) -> bytes:
    """The bytes of a stream by its name. Raises `StreamError` where there is none."""
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name == name else None
            if file is not None:
                return file.read()
    raise StreamError("the package has no stream of this name", file=name)


def pack(files: Iterable[tuple[str, bytes]], path: Path = ARCHIVE) -> None:
    """Write an archive of (name, bytes)."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    # Nothing in a stream is aligned.
    how = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": DICTIONARY, "pb": 0}]
    write_atomic(path, [lzma.compress(raw.getvalue(), filters=how)])


def thin_streams(folder: Path) -> Iterable[tuple[str, bytes]]:
    """(name, bytes) of the streams in a folder and below that are small, which those of mapped-ram are not.

    Left out are the seeds of the fuzzer's findings, which go with these, and what `is_left_out` says.
    """
    for path in sorted(folder.rglob("*.mig.xz")):
        if folder / "fuzz" in path.parents or is_left_out(path):
            continue
        opened = open_input(path)
        if not is_mapped(opened.data):
            yield str(path.relative_to(folder).with_suffix("")), b"".join(thin(opened))


def main(folder: str) -> int:
    """Make the archive of this package."""
    try:
        pack(thin_streams(Path(folder)))
    except VMStateError as error:
        print(f"vmstate: {error}", file=sys.stderr)
        return 2
    print(f"{ARCHIVE}: {ARCHIVE.stat().st_size:,} bytes, {len(corpus_names())} streams")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
