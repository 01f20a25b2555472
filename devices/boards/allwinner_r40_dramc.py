"""The memory controller of Allwinner's R40.

Facts from QEMU's hw/misc/allwinner-r40-dramc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("allwinner-r40-dramc")
@description("allwinner-r40-dramc", version_id=1, minimum_version_id=1)
class AllwinnerR40Dramc(VMState):
    """Registers of its three parts: common, controller, PHY."""

    dramcom: list[int] = array(uint32, 513)
    dramctl: list[int] = array(uint32, 547)
    dramphy: list[int] = array(uint32, 1)
