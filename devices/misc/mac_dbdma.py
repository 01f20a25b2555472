"""The DMA controller of old Macintoshes.

Facts from QEMU's hw/misc/macio/mac_dbdma.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    int32,
    struct,
    uint16,
    uint32,
    uint64,
)


@description("dbdma_io")
class DBDMAIO(VMState):
    """The transfer of a command."""

    addr: int = uint64()
    len: int = int32()
    is_last: int = int32()
    is_dma_out: int = int32()
    processing: bool = boolean()


@description("dbdma_cmd")
class DBDMACommand(VMState):
    """A command, as the guest has it in memory."""

    req_count: int = uint16()
    command: int = uint16()
    phy_addr: int = uint32()
    cmd_dep: int = uint32()
    res_count: int = uint16()
    xfer_status: int = uint16()


@description("dbdma_channel", version_id=1, minimum_version_id=1)
class DBDMAChannel(VMState):
    """The registers of a channel, and what it is at."""

    regs: list[int] = array(uint32, 16)
    io: DBDMAIO = struct(DBDMAIO)
    current: DBDMACommand = struct(DBDMACommand)


@device("dbdma")
@description("dbdma", version_id=3, minimum_version_id=3)
class DBDMA(VMState):
    """The channels."""

    channels: list[DBDMAChannel] = array(DBDMAChannel, 32, version=1)
