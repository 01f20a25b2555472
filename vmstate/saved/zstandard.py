"""zstd, where Python has it not: by the zstandard package."""

from __future__ import annotations


class Frame:
    """The zstandard package's decompressor of one frame, in the shape of the others."""

    # It has no bound on what a call gives, but four bytes give at most a block of 128 KiB: small
    # bites keep a bomb's output to some megabytes at a time.
    BITE = 256

    def __init__(self) -> None:
        import zstandard

        # Of a window of 128 MiB, the largest that zstd takes unasked.
        self._frame = zstandard.ZstdDecompressor(max_window_size=128 << 20).decompressobj()
        self._waiting = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data + bytes(self._waiting)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if data:
            self._waiting = memoryview(data)
        plain: list[bytes] = []
        size = 0
        while self._waiting and size < max_length and not self._frame.eof:
            bite, self._waiting = self._waiting[: self.BITE], self._waiting[self.BITE :]
            plain.append(self._frame.decompress(bite))
            size += len(plain[-1])
        return b"".join(plain)
