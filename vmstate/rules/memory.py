"""Guest memory for the rules that read it: the stream's own, looked up when a rule asks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vmstate.errors import StreamError
from vmstate.stream.stream import Stream
from vmstate.vmsd.expr import MEMORY

if TYPE_CHECKING:
    from vmstate.stream.memory import GuestMemory


class SentMemory:
    """What a stream holds of guest memory, found when it is first asked for; what was read is remembered.

    Each question raises `StreamError` where the stream does not tell: where it has not sent the page, or where it is
    not known at which addresses the machine has its memory. A rule that asked is then not judged.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.was_asked = False
        """Whether any question was asked."""

    @property
    def _memory(self) -> GuestMemory:
        self.was_asked = True
        return self._found

    @cached_property
    def _found(self) -> GuestMemory:
        from vmstate.stream.memory_map import known_ranges

        ranges = known_ranges(self._stream.machine, self._stream.ram.blocks)
        if not ranges:
            raise StreamError("where the machine has its memory is not known")
        return self._stream.memory(ranges=ranges)

    def has(self, address: int, size: int) -> bool:
        """Whether the machine has `size` bytes of memory from a guest physical address on, in one piece."""
        return self._memory.has(address, size)

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from a guest physical address on."""
        return self._memory.read(address, size)

    def read_all(self, spans: Iterable[tuple[int, int]]) -> list[bytes]:
        """The same of several (address, size), the stream being scanned once for all."""
        return self._memory.read_all(spans)


def unsent_memory(stream: Stream) -> tuple[object, ...] | None:
    """All on which the answers depend where a stream holds no guest memory; None where it holds some."""
    parts = [section.state for section in stream.sections if section.is_ram]
    if stream.channels or any(part.pages for part in parts):
        return None
    blocks = [block for part in parts for block in part.blocks]
    if any(block.mapped is not None for block in blocks):
        return None
    return stream.machine, tuple((block.idstr, block.used_length) for block in blocks)


def memory_facts(stream: Stream) -> dict[str, Any]:
    """The fact by which rules find the memory of a stream."""
    return {MEMORY.name: SentMemory(stream)}
