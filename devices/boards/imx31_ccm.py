"""The clock controller of NXP's i.MX 31.

Facts from QEMU's hw/misc/imx31_ccm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx31.ccm")
@description("imx31.ccm", version_id=2, minimum_version_id=2)
class Imx31Ccm(VMState):
    """Registers."""

    reg: list[int] = array(uint32, 26)
