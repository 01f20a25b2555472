"""The network card of NXP's i.MX (FEC and ENET), and its PHY.

Facts from QEMU's hw/net/imx_fec.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, host, secret, subsection, uint32, variant

ADDRESSES = secret("contents", 57, 2)
"""The registers PALR and PAUR: the MAC address."""


@description("imx.fec/txdescs", version_id=1, minimum_version_id=1)
class ImxFecTxdescs(VMState):
    """Where the second and third queues to be sent stand; sent by a card with three."""

    tx_descriptor_1: int = uint32(name="tx_descriptor[1]")
    tx_descriptor_2: int = uint32(name="tx_descriptor[2]")


@device("imx.fec")
@description("imx.fec", version_id=3, minimum_version_id=3)
class ImxFec(VMState):
    """Registers of the card and of the PHY, and where its descriptors are in memory."""

    regs: list[int] = array(uint32, 400, private=ADDRESSES)
    rx_descriptor: int = uint32()
    tx_descriptor_0: int = uint32(name="tx_descriptor[0]")
    phy_status: int | None = host()
    phy_control: int | None = host()
    phy_advertise: int | None = host()
    phy_int: int | None = host()
    phy_int_mask: int | None = host()
    txdescs: ImxFecTxdescs | None = subsection(ImxFecTxdescs)


IMX_FEC_7_2 = variant(
    ImxFec,
    None,
    2,
    phy_status=uint32(),
    phy_control=uint32(),
    phy_advertise=uint32(),
    phy_int=uint32(),
    phy_int_mask=uint32(),
)
"""Up to 7.2 at least."""
