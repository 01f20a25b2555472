"""The clock controller of NXP's i.MX 8M.

Facts from QEMU's hw/misc/imx8mp_ccm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx8mp.ccm")
@description("imx8mp.ccm", version_id=1, minimum_version_id=1)
class Imx8mpCcm(VMState):
    """Registers."""

    ccm: list[int] = array(uint32, 12736)
