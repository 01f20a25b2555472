"""The memory controller of Allwinner's H3.

Facts from QEMU's hw/misc/allwinner-h3-dramc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("allwinner-h3-dramc")
@description("allwinner-h3-dramc", version_id=1, minimum_version_id=1)
class AllwinnerH3Dramc(VMState):
    """Registers of its three parts: common, controller, PHY."""

    dramcom: list[int] = array(uint32, 513)
    dramctl: list[int] = array(uint32, 547)
    dramphy: list[int] = array(uint32, 1)
