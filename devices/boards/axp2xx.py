"""X-Powers' power management AXP209 and AXP221, on an I2C bus.

Facts from QEMU's hw/misc/axp2xx.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8


@device("axp2xx_pmu")
@description("axp2xx_pmu", version_id=1)
class Axp2xxPmu(VMState):
    """Registers, and which of them comes next."""

    regs: list[int] = array(uint8, 255)
    ptr: int = uint8()
    count: int = uint8()
