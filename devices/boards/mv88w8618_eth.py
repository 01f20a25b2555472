"""The network card of Marvell's 88W8618.

Facts from QEMU's hw/net/mv88w8618_eth.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("mv88w8618_eth")
@description("mv88w8618_eth", version_id=1, minimum_version_id=1)
class Mv88w8618Eth(VMState):
    """Registers, and where its queues are in memory."""

    smir: int = uint32()
    icr: int = uint32()
    imr: int = uint32()
    vlan_header: int = uint32()
    tx_queue: list[int] = array(uint32, 2)
    rx_queue: list[int] = array(uint32, 4)
    frx_queue: list[int] = array(uint32, 4)
    cur_rx: list[int] = array(uint32, 4)
