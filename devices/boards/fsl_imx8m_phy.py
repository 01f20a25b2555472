"""The PHY of PCI Express in NXP's i.MX 8M.

Facts from QEMU's hw/pci-host/fsl_imx8m_phy.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8


@device("fsl-imx8m-pcie-phy")
@description("fsl-imx8m-pcie-phy", version_id=1, minimum_version_id=1)
class FslImx8mPciePhy(VMState):
    """Registers, byte by byte."""

    data: list[int] = array(uint8, 2048)
