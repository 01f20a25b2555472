"""Pieces of guest memory that a device maps while it is loaded.

Of what is not memory QEMU maps a copy, through a bounce buffer: before 9.2 one piece of a page at a time, since then as
many as have 4096 bytes together. Facts from QEMU's softmmu/physmem.c and system/physmem.c (address_space_map).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vmstate.declare import MEMORY, RELEASE, Expr, Release, asks

BOUNCE = 4096
"""Bytes of a bounce buffer: a page, and since 9.2 what all of a device's have together (x-max-bounce-buffer-size)."""

SEVERAL_SINCE = Release(9, 2)
"""The first release in which there can be more than one."""

COMMAND, MASTER = 4, 2
"""The low byte of a PCI function's command register, and the bit by which it is a bus master."""


def is_master(device: Any) -> bool:
    """Whether a PCI function (`PCIDevice`) reaches memory at all."""
    return bool(device.config[COMMAND] >> MASTER & 1)


def can_be_mapped(pieces: Callable[..., tuple[Sequence[tuple[int, int]], bool]], *arguments: Any) -> Expr:
    """The condition that QEMU can map all that a function names, as it does it in the destination's release.

    `pieces` gets the values of `arguments` and returns ((address, size) of each piece, whether the device reaches
    memory).
    """

    def outside(values: tuple[Any, ...]) -> list[int]:
        """The sizes of the pieces that are not memory, and of those that have no bytes: those are never mapped."""
        *known, memory = values
        places, reaches = pieces(*known)
        return [size for address, size in places if not size or not (reaches and memory.has(address, size))]

    def by_one(*values: Any) -> bool:
        sizes = outside(values)
        return len(sizes) <= 1 and all(0 < size <= BOUNCE for size in sizes)

    def by_several(*values: Any) -> bool:
        sizes = outside(values)
        return all(sizes) and sum(sizes) <= BOUNCE

    return asks(by_one, *arguments, MEMORY) | ((SEVERAL_SINCE <= RELEASE) & asks(by_several, *arguments, MEMORY))
