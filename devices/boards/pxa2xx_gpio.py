"""The general-purpose lines of Intel's PXA2xx.

Facts from QEMU's hw/arm/pxa2xx_gpio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("pxa2xx-gpio")
@description("pxa2xx-gpio", version_id=1, minimum_version_id=1)
class Pxa2xxGpio(VMState):
    """Levels, directions, edges, and alternate functions."""

    ilevel: list[int] = array(uint32, 4)
    olevel: list[int] = array(uint32, 4)
    dir: list[int] = array(uint32, 4)
    rising: list[int] = array(uint32, 4)
    falling: list[int] = array(uint32, 4)
    status: list[int] = array(uint32, 4)
    gafr: list[int] = array(uint32, 8)
    prev_level: list[int] = array(uint32, 4)
