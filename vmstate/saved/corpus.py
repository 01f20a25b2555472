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
    r"-(?:pc|q35)-(?:virtio-)?devices[0-9]?-|-q35-(?:tpm-crb|nvme-bios|qxl|virtio-iommu|virtio-zoo|virtio-scsi-request)"
    r"|-(?:reboot|link-down|mq4-[a-z0-9-]+|packed-driver-reload|legacy-driver-reload)-(?:early|final)\."
    r"|-virtio-net-(?:root-port|queues-without-mq|mq-one-queue)-cold\.|-microvm-(?:block|dirty-bitmaps)-|-pc-1\.0|-isapc"
    r"|-(?:default|smp4|virtio-mem|vhost-user)-|-riscv64-|-s390x-virtio-devices\.|-11\.1-blk-"
    r"|-(?:5\.2|10\.0)-q35-virtio-net-(?:idle|changed)\.|-(?:xbzrle|compress|background-snapshot|q35-uuid-cold)\.|-mac-change-"
    r"|-pc-(?:i440fx-(?:1\.4|2\.0|2\.3|2\.4)-cold|postcopy(?:-advised)?|return-path|ram-cold|virtio-net-transitional)\."
    r"|-q35-(?:mq2|virtio-net-(?:mq|packed))-cold\.|-7\.2-q35-virtio-net-(?:cold|packed)\.|-11\.1-q35-virtio-net\.|-q35-stopped\."
    r"|-traffic-|-pc-virtio-net-legacy\.|-11\.1-(?:mq4-tap\.|s390x-virtio-cold|pc-q35-8\.2-virtio-gpu)"
    r"|-aarch64-virt-|-7\.2-(?:q35-virtio-net-cold|idle-final)\.|-(?:5\.2|10\.0)-none\.|-11\.1-microvm-"
)
"""Streams that are left out, for a wheel is to stay small: machines that have every device at once, large ones, machine
types that hardly anybody has, and pairs that are much like others."""

KEPT = re.compile(
    r"-11\.1-(?:q35-virtio-devices-booted\.|blk-)|-7\.2-(?:mq4-(?:queues-2-|rss-on-early\.)|q35-(?:smp4-|virtio-zoo2-))"
)
"""Of these the ones that the documents read."""


def is_left_out(path: Path) -> bool:
    """Whether the archive leaves out the stream of a file."""
    return LEFT_OUT.search(path.name) is not None and KEPT.search(path.name) is None


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
