"""A stream back into what it was taken out of: the header and XML of libvirt, a snapshot of a qcow2 image, an offset.

What is written is a file of its own; nothing is changed where it stands. A qcow2 image is copied, with the state of one
snapshot replaced, or a snapshot more (`vmstate.saved.qcow2_write`).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Literal

from vmstate.errors import StreamError
from vmstate.files import PIECE
from vmstate.saved import lzop
from vmstate.saved.compressed import PACKAGES
from vmstate.saved.containers import Container, StreamAtOffset
from vmstate.saved.libvirt import FORMATS, HEADER_SIZE, LibvirtImage
from vmstate.saved.opening import Input, held, open_input, open_raw
from vmstate.saved.qcow2 import Qcow2Image, image_to_extend
from vmstate.saved.qcow2_write import NewSnapshot, with_snapshot_added, with_state_replaced
from vmstate.stream.events import Event
from vmstate.stream.ram_mapped import relaid
from vmstate.stream.reader import StreamReader

Pieces = Iterable[bytes | memoryview]

_HEADER = 8
"""Bytes of the magic and version that a stream begins with."""

_MAC = re.compile(rb"(?<![0-9a-f:])[0-9a-f]{2}(?::[0-9a-f]{2}){5}(?![0-9a-f:])", re.IGNORECASE)


def packed(container: Container, pieces: Pieces) -> Iterator[bytes | memoryview]:
    """The bytes of a file like the one that a stream was taken out of, with the stream that `pieces` make up.

    An image that was not finished stays one that was not. Raises `StreamError`: an image of a big-endian host, and a
    disk image that was not closed properly.
    """
    if isinstance(container, LibvirtImage):
        return _libvirt(container, pieces)
    if isinstance(container, Qcow2Image):
        return _qcow2(container, pieces)
    if isinstance(container, StreamAtOffset):
        return chain(_beginning(container), pieces)
    raise StreamError(
        "nothing is written into such a file",
        file=container.file,
        expected="the plain stream that `vmstate unpack` makes",
    )


def as_kept(file: str, data: bytes) -> Pieces:
    """A stream in what the one in a file is taken out of; the stream alone where that is a stream and nothing else."""
    if file == "-":
        return [data]
    with open_input(file) as opened:
        container = opened.container
    if container is None:
        return [data]
    origin = origin_of(container) if is_mapped(memoryview(data)) else 0
    return packed(container, at_origin(Input(memoryview(data), "the stream"), 0, origin))


def is_mapped(data: memoryview) -> bool:
    """Whether the head of a stream names the capability mapped-ram."""
    return b"mapped-ram" in bytes(data[:4096])


def origin_of(container: Container) -> int:
    """Where in a file like that a stream begins, which is where mapped-ram's offsets count from 0."""
    if isinstance(container, LibvirtImage):
        return container.stream_offset
    return container.offset if isinstance(container, StreamAtOffset) else 0


def _beginning(container: StreamAtOffset) -> Iterator[bytes | memoryview]:
    with open_raw(container.file) as opened:
        for start in range(0, container.offset, PIECE):
            yield bytes(opened.data[start : min(start + PIECE, container.offset)])


# libvirt.


def _libvirt(image: LibvirtImage, pieces: Pieces) -> Iterator[bytes | memoryview]:
    if image.is_big_endian:
        raise StreamError("a save image of a big-endian host is read, and not written", file=image.file)
    return chain((image.head,), compressed_as(image.form, pieces))


def compressed_as(form: str, pieces: Pieces) -> Iterator[bytes | memoryview]:
    """What libvirt's program of a format makes of a stream, or what that program reads."""
    if form in ("raw", "sparse"):
        return iter(pieces)
    if form == "lzop":
        return lzop.stored(pieces)
    return _compressed(form, pieces)


def _compressed(form: str, pieces: Pieces) -> Iterator[bytes]:
    if form == "gzip":
        compressor: Any = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    elif form == "bzip2":
        import bz2

        compressor = bz2.BZ2Compressor()
    elif form == "xz":
        import lzma

        # As libvirt runs it: xz -3.
        compressor = lzma.LZMACompressor(preset=3)
    else:
        try:
            import zstandard
        except ImportError:
            raise StreamError(f"zstd needs a package: pip install {PACKAGES['zstd']}") from None
        compressor = zstandard.ZstdCompressor().compressobj()
    for piece in pieces:
        yield compressor.compress(bytes(piece))
    yield compressor.flush()


def in_form(image: LibvirtImage, form: str) -> LibvirtImage:
    """The same image in another of libvirt's formats."""
    order: Literal["big", "little"] = "big" if image.is_big_endian else "little"
    number = FORMATS.index(form).to_bytes(4, order)
    return image.replace(form=form, head=image.head[:28] + number + image.head[32:])


def with_addresses(image: LibvirtImage, changed: Iterable[tuple[str, str]]) -> LibvirtImage:
    """The same image with MAC addresses changed in its XML: pairs of the old and the new one, as text.

    Raises `StreamError` for what is no MAC address, and for an old one that the XML does not have.
    """
    pairs: dict[bytes, bytes] = {}
    known = dict.fromkeys(address.lower() for address in _MAC.findall(image.xml))
    for old, new in changed:
        if not _MAC.fullmatch(old.encode()) or not _MAC.fullmatch(new.encode()):
            raise StreamError("that is no MAC address", file=image.file, found=f"{old}, {new}")
        if int(new[:2], 16) & 1:
            raise StreamError("libvirt takes no address of a group", file=image.file, found=new)
        if old.lower().encode() not in known:
            raise StreamError(
                f"the XML has no MAC address {old} that could become {new}",
                file=image.file,
                expected="set without --xml, and the XML changed by virsh save-image-edit",
                found=b", ".join(known).decode() or "none",
            )
        pairs[old.lower().encode()] = new.encode()
    # All in one pass, for two cards can change theirs; of the same length, so that everything stays where it is.
    xml = _MAC.sub(lambda match: pairs.get(match[0].lower(), match[0]), image.xml)
    head = image.head[:HEADER_SIZE] + xml + image.head[HEADER_SIZE + len(xml) :]
    return image.replace(head=head, xml=xml)


# qcow2.


def _qcow2(image: Qcow2Image, pieces: Pieces) -> Iterator[bytes | memoryview]:
    snapshot = image.chosen
    assert snapshot is not None
    with open_raw(image.file) as opened, _all_of(pieces, image.file) as state:
        yield from with_state_replaced(opened.data, image, snapshot, state.data)


def with_new_snapshot(file: str, name: str, pieces: Pieces, clock: int) -> Iterator[bytes | memoryview]:
    """A copy of a qcow2 image with a snapshot more, made now; `clock` is the guest's, in nanoseconds.

    Its disk is that of the snapshot in `file` (FILE@SNAPSHOT), or without one what the disk is now. Raises
    `StreamError`.
    """
    import time

    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    with open_raw(file) as opened, _all_of(pieces, file) as state:
        image = image_to_extend(opened, file)
        new = NewSnapshot(name, seconds & 0xFFFF_FFFF, nanoseconds, clock)
        yield from with_snapshot_added(opened.data, image, image.chosen, new, state.data)


def _all_of(pieces: Pieces, name: str) -> Input:
    return held((bytes(piece) for piece in pieces), name)


# mapped-ram.


def at_origin(opened: Input, old: int, new: int) -> Iterator[bytes | memoryview]:
    """A stream for another place in a file: `old` and `new` are where it begins there. Only mapped-ram minds.

    Raises `StreamError` for what is no stream.
    """
    data = opened.data
    try:
        next(StreamReader.over(data[:_HEADER]).events(), None)
    except StreamError as error:
        raise error.within(file=opened.name) from None
    return opened.pieces(0, len(data)) if old == new else relaid(_events(data, old), new)


def _events(data: memoryview, origin: int) -> Iterator[tuple[Event | None, memoryview]]:
    """The events of a stream, each with its bytes."""
    last: Event | None = None
    for event in StreamReader.over(data, origin=origin).events():
        start = 0 if last is None else last.offset
        yield last, data[start : event.offset]
        last = event
    yield last, data[0 if last is None else last.offset :]
