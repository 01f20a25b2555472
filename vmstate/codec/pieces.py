"""What is written of a large state, without a copy of its large values."""

from __future__ import annotations

from typing import Any

from vmstate.vmsd.description import VMStateDescription

LARGE = 1 << 20
"""Bytes from which on a value is kept as it is."""


class Pieces(bytearray):
    """A bytearray that grows by large values without copying them: what it is in memory is the end alone."""

    def __init__(self, large: int = LARGE) -> None:
        super().__init__()
        self.large = large
        self.before: list[Any] = []
        self.size_before = 0

    def __len__(self) -> int:
        return self.size_before + super().__len__()

    def __iadd__(self, more: Any) -> Pieces:  # type: ignore[misc]
        if len(more) < self.large:
            super().__iadd__(more)
        else:
            self.before += bytes(self), more
            self.clear()
            self.size_before = sum(map(len, self.before))
        return self

    def _own(self, place: Any) -> slice:
        """The same slice of the end, which is all there is where it reaches further back."""
        start, stop, _ = place.indices(len(self))
        if start < self.size_before:
            whole = b"".join(self.all())
            self.before, self.size_before = [], 0
            self[:] = whole
        return slice(start - self.size_before, stop - self.size_before)

    def __getitem__(self, place: Any) -> Any:
        return super().__getitem__(self._own(place))

    def __setitem__(self, place: Any, value: Any) -> None:
        super().__setitem__(self._own(place), value)

    def all(self) -> list[Any]:
        """All pieces in their order, bytes-like."""
        return [piece for piece in (*self.before, bytes(self)) if piece]


def pieces_of(vmsd: VMStateDescription, state: Any, version_id: int, size: int) -> list[Any]:
    """What `vmsd.encode` gives by force, in bytes-like pieces; several where the state, as read, had a large `size`."""
    if size < LARGE:
        return [vmsd.encode(state, version_id=version_id, force=True)]
    pieces = Pieces()
    vmsd.codec.encode(state, version_id=version_id, force=True, out=pieces)
    return pieces.all()
