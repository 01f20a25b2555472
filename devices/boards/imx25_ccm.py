"""The clock controller of NXP's i.MX 25.

Facts from QEMU's hw/misc/imx25_ccm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx25.ccm")
@description("imx25.ccm", version_id=1, minimum_version_id=1)
class Imx25Ccm(VMState):
    """Registers."""

    reg: list[int] = array(uint32, 28)
