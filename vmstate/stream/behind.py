"""What stands behind the end of a stream, of which QEMU reads nothing."""

from __future__ import annotations

from typing import Any

from vmstate.stream.events import MAGIC, Trailing
from vmstate.vmsd.data import NamedTuple

COLO_READY, COLO_REQUEST, COLO_SEND = 0, 1, 3
"""Messages with which the source of COLO begins (COLOMessage in QEMU's qapi/migration.json)."""

_COLO = tuple(
    b"".join(number.to_bytes(4, "big") for number in numbers)
    for numbers in ((COLO_REQUEST, COLO_SEND), (COLO_READY, COLO_REQUEST, COLO_SEND))
)

LOOK = 16 << 20
"""Bytes that are looked at for whether they are zeros."""

_PIECE = 1 << 20


class Behind(NamedTuple):
    """So many bytes, from an offset of the stream on; `kind` is "zeros", "colo", "stream" or "other"."""

    kind: str
    offset: int
    size: int

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return self._asdict()

    @property
    def text(self) -> str:
        """The same in words."""
        what = {
            "zeros": "zeros: the room of a volume that is larger than the stream",
            "colo": "checkpoints of COLO (FILE@colo:1)",
            "stream": f"another stream (FILE@{self.offset:#x})",
            "other": "none of this stream, but what the volume held before (Proxmox VE leaves it there), or another's",
        }[self.kind]
        return f"{self.size} bytes from {self.offset:#x} on: {what}"


def what_is_behind(part: Trailing) -> Behind:
    """What the bytes are. Of very many zeros only the first are looked at."""
    raw = memoryview(part.raw)
    head = bytes(raw[:16])
    kind = "other"
    if head.startswith(_COLO):
        kind = "colo"
    elif head.startswith(MAGIC):
        kind = "stream"
    elif all(
        not any(raw[at : at + 16]) and bytes(raw[at : at + _PIECE]).count(0) == len(raw[at : at + _PIECE])
        for at in range(0, min(len(raw), LOOK), _PIECE)
    ):
        kind = "zeros"
    return Behind(kind, part.offset, len(raw))
