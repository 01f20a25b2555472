"""`StreamSource`: the bytes that a stream is read from, as the stream sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol


class StreamSource(Protocol):
    """The bytes that a stream was read from, all at hand; `vmstate.saved` makes one of a file.

    `data` is valid until `close`; `name` is for messages; `origin` is where in its file the stream begins.
    """

    data: memoryview
    name: str
    origin: int
    container: Any

    def release(self, start: int, end: int) -> None:
        """Take notice that data[start:end] will not be looked at for a while; it stays readable.

        Raises `StreamError` where the data has changed meanwhile.
        """

    def pieces(self, start: int, end: int) -> Iterator[memoryview]:
        """data[start:end] piece by piece, each given up when the next is asked for."""

    def close(self) -> None:
        """Give up the data."""
