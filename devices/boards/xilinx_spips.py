"""The SPI controllers of Xilinx's Zynq, also with four lines, and the generic one of Zynq UltraScale+.

Facts from QEMU's hw/ssi/xilinx_spips.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint8, uint32, variant, vbuffer
from vmstate.devices.core.fifo8 import Fifo8


@device("xilinx_spips")
@description("xilinx_spips", version_id=2, minimum_version_id=2)
class XilinxSpips(VMState):
    """Bytes to be sent and received, registers, and how a flash memory is spoken to."""

    tx_fifo: Fifo8 = struct(Fifo8)
    rx_fifo: Fifo8 = struct(Fifo8)
    regs: list[int] = array(uint32, 64)
    snoop_state: int = uint8()


@description("xilinx_qspips", version_id=1, minimum_version_id=1)
class XilinxQSPIPS(VMState):
    """The controller with four lines."""

    parent_obj: XilinxSpips = struct(XilinxSpips)


FIFO_G = variant(Fifo8, data=vbuffer(256))
COMMAND_FIFO = variant(Fifo8, data=vbuffer(128))


@device("xlnx_zynqmp_qspips")
@description("xlnx_zynqmp_qspips", version_id=1, minimum_version_id=1)
class XlnxZynqMPQSPIPS(VMState):
    """The generic controller of the Zynq UltraScale+: the older one, its own FIFOs, commands and registers."""

    parent_obj: XilinxQSPIPS = struct(XilinxQSPIPS)
    tx_fifo_g: Fifo8 = struct(FIFO_G)
    rx_fifo_g: Fifo8 = struct(FIFO_G)
    fifo_g: Fifo8 = struct(COMMAND_FIFO, name="fifo_g.fifo")
    regs: list[int] = array(uint32, 128)


XLNX_ZYNQMP_QSPIPS_5_2 = variant(XlnxZynqMPQSPIPS, regs=array(uint32, 524))
"""Up to 5.2, with registers that are not there."""
