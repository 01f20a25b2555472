"""Cadence's gigabit network card, of Xilinx's SoCs and others.

Facts from QEMU's hw/net/cadence_gem.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, secret, uint8, uint16, uint32

ADDRESSES = secret("contents", 34, 8)
"""The registers SPADDR1LO to SPADDR4HI: MAC addresses."""


@device("cadence_gem")
@description("cadence_gem", version_id=4, minimum_version_id=4)
class CadenceGem(VMState):
    """Registers of the card and of its PHY, and where each queue stands."""

    regs: list[int] = array(uint32, 512, private=ADDRESSES)
    phy_regs: list[int] = array(uint16, 32)
    phy_loop: int = uint8()
    rx_desc_addr: list[int] = array(uint32, 8)
    tx_desc_addr: list[int] = array(uint32, 8)
    sar_active: list[bool] = array(boolean, 4)
