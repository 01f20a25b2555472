"""A network card of Cadence: cadence_gem.

Facts from QEMU's hw/net/cadence_gem.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, uint8, uint16, uint32


@device("cadence_gem")
@description("cadence_gem", version_id=4, minimum_version_id=4)
class CadenceGem(VMState):
    """A network card of Cadence."""

    regs: list[int] = array(uint32, 512)
    phy_regs: list[int] = array(uint16, 32)
    phy_loop: int = uint8()
    rx_desc_addr: list[int] = array(uint32, 8)
    tx_desc_addr: list[int] = array(uint32, 8)
    sar_active: list[bool] = array(boolean, 4)
