"""A serial port of Samsung's Exynos 4210.

Facts from QEMU's hw/char/exynos4210_uart.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, fact, struct, uint32, vbuffer

FIFO_SIZE = fact("exynos4210_uart_fifo", (16, 64, 256))
"""Bytes that the FIFO of a port takes: 256 of the first, 64 of the second and the fourth, 16 of the third."""


@description("exynos4210.uart.fifo", version_id=1, minimum_version_id=1)
class Fifo(VMState):
    """Where the next byte is stored and read, and the bytes."""

    sp: int = uint32()
    rp: int = uint32()
    data: bytes = vbuffer(FIFO_SIZE, version=1)


@device("exynos4210.uart")
@description("exynos4210.uart", version_id=1, minimum_version_id=1)
class Exynos4210Uart(VMState):
    """The bytes received, and the registers."""

    rx: Fifo = struct(Fifo, version=1)
    reg: list[int] = array(uint32, 15)
