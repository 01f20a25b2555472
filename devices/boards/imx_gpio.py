"""General-purpose lines of NXP's i.MX.

Facts from QEMU's hw/gpio/imx_gpio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, uint32, uint64


@device("imx.gpio")
@description("imx.gpio", version_id=1, minimum_version_id=1)
class ImxGpio(VMState):
    """General-purpose lines of NXP's i.MX."""

    dr: int = uint32()
    gdir: int = uint32()
    psr: int = uint32()
    icr: int = uint64()
    imr: int = uint32()
    isr: int = uint32()
    has_edge_sel: bool = boolean()
    edge_sel: int = uint32()
