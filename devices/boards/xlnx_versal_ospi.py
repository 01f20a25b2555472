"""The flash memory's controller of Xilinx's Versal (OSPI).

Facts from QEMU's hw/ssi/xlnx-versal-ospi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, struct, uint8, uint32
from vmstate.devices.core.fifo8 import Fifo8


@description("OSPIIndOp", version_id=1, minimum_version_id=1)
class OSPIIndOp(VMState):
    """A transfer by the controller itself: where, how much, how far."""

    flash_addr: int = uint32()
    num_bytes: int = uint32()
    done_bytes: int = uint32()
    completed: bool = boolean()


@device("xlnx.versal-ospi")
@description("xlnx.versal-ospi", version_id=1, minimum_version_id=1)
class XlnxVersalOspi(VMState):
    """Bytes on their way, transfers, and registers."""

    rx_fifo: Fifo8 = struct(Fifo8)
    tx_fifo: Fifo8 = struct(Fifo8)
    rx_sram: Fifo8 = struct(Fifo8)
    tx_sram: Fifo8 = struct(Fifo8)
    ind_write_disabled: bool = boolean()
    dac_with_indac: bool = boolean()
    dac_enable: bool = boolean()
    src_dma_inprog: bool = boolean()
    rd_ind_op: list[OSPIIndOp] = array(OSPIIndOp, 2, version=1)
    wr_ind_op: list[OSPIIndOp] = array(OSPIIndOp, 2, version=1)
    regs: list[int] = array(uint32, 64)
    stig_membank: list[int] = array(uint8, 512)
