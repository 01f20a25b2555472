"""The I3C buses of Aspeed's AST2600, and the controller of DesignWare that each is.

Facts from QEMU's hw/misc/aspeed_i3c.c, and from the streams of 11.1, where the controller is a device.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32, variant


@device("dw.i3c")
@description("dw.i3c", version_id=1, minimum_version_id=1)
class DwI3c(VMState):
    """Registers of a controller."""

    regs: list[int] = array(uint32, 1024)


@device("aspeed.i3c")
@description("aspeed.i3c", version_id=1, minimum_version_id=1)
class AspeedI3c(VMState):
    """Registers that the buses share, and those of each bus."""

    regs: list[int] = array(uint32, 28)
    devices: list[DwI3c] = array(DwI3c, 6, version=1)


BUS_10_2 = variant(DwI3c, "aspeed.i3c", regs=array(uint32, 192))
ASPEED_I3C_10_2 = variant(AspeedI3c, devices=array(BUS_10_2, 6, version=1))
"""Up to 10.2: fewer registers of a bus, under the controller's name."""
