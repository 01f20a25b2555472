"""The Ethernet card of Allwinner's H3, R40 and kin, and its PHY.

Facts from QEMU's hw/net/allwinner-sun8i-emac.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8, uint32


@device("allwinner-sun8i-emac")
@description("allwinner-sun8i-emac", version_id=1, minimum_version_id=1)
class AllwinnerSun8iEmac(VMState):
    """Registers of the PHY and of the card, and where its descriptors are in memory."""

    mii_phy_addr: int = uint8()
    mii_cmd: int = uint32()
    mii_data: int = uint32()
    mii_cr: int = uint32()
    mii_st: int = uint32()
    mii_adv: int = uint32()
    basic_ctl0: int = uint32()
    basic_ctl1: int = uint32()
    int_en: int = uint32()
    int_sta: int = uint32()
    frm_flt: int = uint32()
    rx_ctl0: int = uint32()
    rx_ctl1: int = uint32()
    rx_desc_head: int = uint32()
    rx_desc_curr: int = uint32()
    tx_ctl0: int = uint32()
    tx_ctl1: int = uint32()
    tx_desc_head: int = uint32()
    tx_desc_curr: int = uint32()
    tx_flowctl: int = uint32()
