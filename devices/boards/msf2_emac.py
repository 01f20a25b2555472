"""The network card of Microsemi's SmartFusion2.

Facts from QEMU's hw/net/msf2-emac.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint16, uint32


@device("msf2-emac")
@description("msf2-emac", version_id=1, minimum_version_id=1)
class Msf2Emac(VMState):
    """The MAC address, registers of the PHY and of the card, and where it receives."""

    mac_addr: list[int] = array(uint8, 6)
    rx_desc: int = uint32()
    phy_regs: list[int] = array(uint16, 32)
    regs: list[int] = array(uint32, 104)
