"""The LVDS tunnel to another board of Aspeed's AST1700 and AST2700 (LTPI).

Facts from the streams and the descriptions of QEMU 11.1.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("aspeed.ltpi-ctrl")
@description("aspeed.ltpi-ctrl", version_id=1, minimum_version_id=1)
class AspeedLtpiCtrl(VMState):
    """Registers of the controller, of its PHY and of the top."""

    ctrl_regs: list[int] = array(uint32, 128)
    phy_regs: list[int] = array(uint32, 64)
    top_regs: list[int] = array(uint32, 64)
