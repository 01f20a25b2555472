"""A FIFO of bytes, as devices carry it.

Facts from QEMU's util/fifo8.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, fact, uint32, vbuffer

CAPACITY = fact("fifo8_capacity", (16, 1, 4, 8, 32, 64, 128, 256, 512, 1024, 4096))
"""Bytes that fit into a FIFO: a property of the device."""


@description("Fifo8", version_id=1, minimum_version_id=1)
class Fifo8(VMState):
    """The whole buffer, where its first byte is, and how many there are."""

    data: bytes = vbuffer(CAPACITY)
    head: int = uint32()
    num: int = uint32()
