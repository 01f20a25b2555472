"""The analogue-to-digital converter of Xilinx's Zynq.

Facts from QEMU's hw/adc/zynq-xadc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint16, uint32


@device("zynq-xadc")
@description("zynq-xadc", version_id=1, minimum_version_id=1)
class ZynqXadc(VMState):
    """Registers, and the samples."""

    regs: list[int] = array(uint32, 8)
    xadc_regs: list[int] = array(uint16, 128)
    xadc_dfifo: list[int] = array(uint16, 15)
    xadc_read_reg_previous: int = uint16()
    xadc_dfifo_entries: int = uint16()
