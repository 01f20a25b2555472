"""What a stream stands in, told by the first bytes, and the stream taken out of it.

A save image of libvirt (`libvirt`), a snapshot inside a qcow2 image (`qcow2`), a backup of Proxmox VE (`vma`), a file
in which the stream begins further on. What holds no stream, or one of another program, is named, with what opens it
(`foreign`).
"""

from __future__ import annotations

from typing import Any

from vmstate.errors import StreamError
from vmstate.saved.opening import Input
from vmstate.stream.events import MAGIC, VERSION
from vmstate.vmsd.data import Data

LEADING = 64 << 20
"""Zero bytes at most that may stand before a stream without being told."""

_HEADER = MAGIC + VERSION.to_bytes(4, "big")


class Container(Data):
    """What a stream was taken out of. `file` is its name."""

    file: str

    def facts(self) -> dict[str, Any]:
        """What it is and what it says, as JSON values; always with a `kind`."""
        raise NotImplementedError

    def lines(self) -> list[tuple[str, str]]:
        """The same for a reader, as rows of two words."""
        raise NotImplementedError


class StreamAtOffset(Container):
    """A file in which the stream begins `offset` bytes further on, as "migrate file:NAME,offset=N" makes one."""

    offset: int

    def facts(self) -> dict[str, Any]:
        """Where the stream begins."""
        return {"kind": "offset", "offset": self.offset}

    def lines(self) -> list[tuple[str, str]]:
        """Where the stream begins."""
        return [("stands at", f"{self.offset:#x} of the file")]


class UndecidedError(StreamError):
    """A file that holds several streams, of which none was named; `container` is what holds them."""

    def __init__(self, message: str, container: Container, *, file: str | None = None, expected: str) -> None:
        super().__init__(message, file=file, expected=expected)
        self.container = container


def unwrapped(opened: Input, limit: int, part: str | None) -> Input:
    """The stream in what was opened; what is nothing that is known here comes back as it is.

    `part` is the name of a snapshot, or the offset of the stream; `limit` the number of bytes that are taken of what
    must be decompressed. Raises `StreamError`.
    """
    name = opened.name
    try:
        inside = _unwrapped(opened, limit, part)
        if part is not None:
            inside.name = f"{name}@{part}"
        return inside
    except BaseException:
        opened.close()
        raise


def _unwrapped(opened: Input, limit: int, part: str | None) -> Input:
    head = bytes(opened.data[:16])
    kind = getattr(part, "kind", None)
    if kind == "offset" and head.startswith(b"QFI\xfb"):
        raise StreamError("a disk image has its streams in snapshots", file=opened.name, expected="--snapshot NAME")
    if kind == "snapshot" and part is not None and not (head.startswith(b"QFI\xfb") or part.startswith("colo:")):
        raise StreamError(
            "there are no snapshots in it to choose from", file=opened.name, expected="a qcow2 image", found=part
        )
    if head.startswith(b"LibvirtQemud"):
        from vmstate.saved.libvirt import open_image

        inside = open_image(opened, limit)
    elif head.startswith(b"QFI\xfb"):
        from vmstate.saved.qcow2 import open_snapshot

        return open_snapshot(opened, limit, part)
    elif head.startswith(b"VMA\0"):
        from vmstate.saved.vma import open_archive

        inside = open_archive(opened, limit)
    elif part is not None and part.startswith("colo:") and head.startswith(MAGIC):
        from vmstate.saved.colo import open_checkpoint

        return open_checkpoint(opened, limit, part)
    elif part is not None:
        return _at_offset(opened, part)
    elif head.startswith(MAGIC):
        return opened
    else:
        behind = None if any(head) else _behind_zeros(opened)
        if behind is not None:
            return behind
        from vmstate.saved.foreign import what_it_is

        what = what_it_is(opened.data, opened.release)
        if what is not None:
            if head.startswith(b"QCPR"):
                from vmstate.saved.cpr import refuse

                refuse(opened, what)
            raise StreamError(f"this is no migration stream but {what.name}", file=opened.name, expected=what.advice)
        return opened
    if part is not None:
        raise StreamError("there is nothing to choose from in it", file=opened.name, found=part)
    return inside


def _at_offset(opened: Input, part: str) -> Input:
    try:
        offset = int(part, 0)
    except ValueError:
        raise StreamError(
            "there are no snapshots in it to choose from", file=opened.name, expected="a qcow2 image", found=part
        ) from None
    if not 0 <= offset < len(opened.data):
        raise StreamError(
            "no stream begins there", file=opened.name, expected=f"less than {len(opened.data)}", found=str(offset)
        )
    return _moved(opened, offset)


def _behind_zeros(opened: Input) -> Input | None:
    """The stream that stands behind the zeros at the beginning; None where it is none."""
    step = 1 << 20
    for start in range(0, min(len(opened.data), LEADING), step):
        piece = bytes(opened.data[start : start + step])
        rest = piece.lstrip(b"\0")
        if rest:
            at = start + len(piece) - len(rest)
            return _moved(opened, at) if opened.data[at : at + 8] == _HEADER else None
        opened.release(start, start + step)
    return None


def _moved(opened: Input, offset: int) -> Input:
    moved = opened.moved(offset)
    moved.container = StreamAtOffset(opened.name, offset)
    return moved
