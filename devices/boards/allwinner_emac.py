"""The Fast Ethernet card of Allwinner's A10 and its PHY, a Realtek RTL8201CP.

Facts from QEMU's hw/net/allwinner_emac.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint16, uint32, variant, vbuffer
from vmstate.devices.core.fifo8 import Fifo8

RX_FIFO = variant(Fifo8, data=vbuffer(32768))
TX_FIFO = variant(Fifo8, data=vbuffer(4096))


@description("rtl8201cp", version_id=1, minimum_version_id=1)
class RTL8201CP(VMState):
    """Registers of the PHY: control, status, what is advertised, and what the partner can do."""

    bmcr: int = uint16()
    bmsr: int = uint16()
    anar: int = uint16()
    anlpar: int = uint16()


@device("allwinner_emac")
@description("allwinner_emac", version_id=1, minimum_version_id=1)
class AwEmac(VMState):
    """PHY, registers, the packets received and the two channels that send."""

    mii: RTL8201CP = struct(RTL8201CP, version=1)
    ctl: int = uint32()
    tx_mode: int = uint32()
    rx_ctl: int = uint32()
    int_ctl: int = uint32()
    int_sta: int = uint32()
    phy_target: int = uint32()
    rx_fifo: Fifo8 = struct(RX_FIFO)
    rx_num_packets: int = uint32()
    rx_packet_size: int = uint32()
    rx_packet_pos: int = uint32()
    tx_fifo: list[Fifo8] = array(TX_FIFO, 2, version=1)
    tx_length: list[int] = array(uint32, 2)
    tx_channel: int = uint32()
