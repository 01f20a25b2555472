"""The system registers of Calxeda's Highbank and Midway.

Facts from QEMU's hw/arm/highbank.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("highbank-regs")
@description("highbank-regs")
class HighbankRegs(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 512)
