"""The clock controller of NXP's i.MX 6UL.

Facts from QEMU's hw/misc/imx6ul_ccm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx6ul.ccm")
@description("imx6ul.ccm", version_id=1, minimum_version_id=1)
class Imx6ulCcm(VMState):
    """Registers of the controller, and of the analogue part."""

    ccm: list[int] = array(uint32, 35)
    analog: list[int] = array(uint32, 4096)
