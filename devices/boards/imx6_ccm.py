"""The clock controller of NXP's i.MX 6.

Facts from QEMU's hw/misc/imx6_ccm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx6.ccm")
@description("imx6.ccm", version_id=1, minimum_version_id=1)
class Imx6Ccm(VMState):
    """Registers of the controller, and of the analogue part."""

    ccm: list[int] = array(uint32, 35)
    analog: list[int] = array(uint32, 153)
