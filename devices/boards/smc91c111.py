"""SMSC's network card LAN91C111.

Facts from QEMU's hw/net/smc91c111.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, buffer, description, device, int32, uint8, uint16


@device("smc91c111")
@description("smc91c111", version_id=1, minimum_version_id=1)
class Smc91c111(VMState):
    """Registers, packets in its memory, and their queues."""

    tcr: int = uint16()
    rcr: int = uint16()
    cr: int = uint16()
    ctr: int = uint16()
    gpr: int = uint16()
    ptr: int = uint16()
    ercv: int = uint16()
    bank: int = int32()
    packet_num: int = int32()
    tx_alloc: int = int32()
    allocated: int = int32()
    tx_fifo_len: int = int32()
    tx_fifo: list[int] = array(int32, 4)
    rx_fifo_len: int = int32()
    rx_fifo: list[int] = array(int32, 4)
    tx_fifo_done_len: int = int32()
    tx_fifo_done: list[int] = array(int32, 4)
    data: bytes = buffer(8192)
    int_level: int = uint8()
    int_mask: int = uint8()
