"""The SD host controller.

Facts from QEMU's hw/sd/sdhci.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    fact,
    subsection,
    this,
    timer,
    uint8,
    uint16,
    uint32,
    uint64,
    vbuffer,
)

FIFO_SIZE = fact("sdhci_fifo_size", (512, 1024, 2048))
"""Bytes of the longest block."""


@description("sdhci/pending-insert", version_id=1, minimum_version_id=1, needed=this.pending_insert_state)
class PendingInsert(VMState):
    """Whether a card was inserted while its interrupt was off; sent where one was."""

    pending_insert_state: bool = boolean()


@device("sdhci", models="vmstate.devices.misc.models:SDHCI")
@description("sdhci", version_id=1, minimum_version_id=1)
class SDHCI(VMState):
    """Registers and the buffer of a block."""

    sdmasysad: int = uint32()
    blksize: int = uint16()
    blkcnt: int = uint16()
    argument: int = uint32()
    trnmod: int = uint16()
    cmdreg: int = uint16()
    rspreg: list[int] = array(uint32, 4)
    prnsts: int = uint32()
    hostctl1: int = uint8()
    pwrcon: int = uint8()
    blkgap: int = uint8()
    wakcon: int = uint8()
    clkcon: int = uint16()
    timeoutcon: int = uint8()
    admaerr: int = uint8()
    norintsts: int = uint16()
    errintsts: int = uint16()
    norintstsen: int = uint16()
    errintstsen: int = uint16()
    norintsigen: int = uint16()
    errintsigen: int = uint16()
    acmd12errsts: int = uint16()
    data_count: int = uint16()
    admasysaddr: int = uint64()
    stopped_state: int = uint8()
    fifo_buffer: bytes = vbuffer(FIFO_SIZE, version=1)
    insert_timer: int = timer()
    transfer_timer: int = timer()
    pending_insert: PendingInsert | None = subsection(PendingInsert)
