"""The analogue-to-digital converter of Aspeed's SoCs.

Facts from QEMU's hw/adc/aspeed_adc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("aspeed.adc")
@description("aspeed.adc", version_id=1, minimum_version_id=1)
class AspeedAdc(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 52)
