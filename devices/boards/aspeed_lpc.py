"""The LPC controller of Aspeed's SoCs, through which a BMC talks with its host.

Facts from QEMU's hw/misc/aspeed_lpc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("aspeed.lpc")
@description("aspeed.lpc", version_id=2, minimum_version_id=2)
class AspeedLpc(VMState):
    """Registers, and which of its parts interrupt."""

    regs: list[int] = array(uint32, 152)
    subdevice_irqs_pending: int = uint32()
