"""The interrupt controller of Intel's PXA2xx.

Facts from QEMU's hw/arm/pxa2xx_pic.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("pxa2xx_pic")
@description("pxa2xx_pic")
class Pxa2xxPic(VMState):
    """What is pending and enabled, what goes to the fast interrupt, and priorities."""

    int_enabled: list[int] = array(uint32, 2)
    int_pending: list[int] = array(uint32, 2)
    is_fiq: list[int] = array(uint32, 2)
    int_idle: int = uint32()
    priority: list[int] = array(uint32, 40)
