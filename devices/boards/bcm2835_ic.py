"""The interrupt controller of Broadcom's BCM2835.

Facts from QEMU's hw/intc/bcm2835_ic.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, uint8, uint64


@device("bcm2835-ic")
@description("bcm2835-ic", version_id=1, minimum_version_id=1)
class Bcm2835Ic(VMState):
    """Lines of the GPU and of the processor, and which are enabled."""

    gpu_irq_level: int = uint64()
    gpu_irq_enable: int = uint64()
    arm_irq_level: int = uint8()
    arm_irq_enable: int = uint8()
    fiq_enable: bool = boolean()
    fiq_select: int = uint8()
