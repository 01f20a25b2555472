"""The DEC 21143 (Tulip) network card.

Facts from QEMU's hw/net/tulip.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, buffer, description, device, struct, uint8, uint16, uint32, uint64
from vmstate.devices.pci.device import PCIDevice


@device("tulip", models="vmstate.devices.net.models:TULIP")
@description("tulip")
class Tulip(VMState):
    """Registers and the frames that are under way."""

    dev: PCIDevice = struct(PCIDevice)
    csr: list[int] = array(uint32, 16)
    old_csr9: int = uint32()
    mii_word: int = uint32()
    mii_bitcnt: int = uint32()
    current_rx_desc: int = uint64()
    current_tx_desc: int = uint64()
    rx_frame: bytes = buffer(2048)
    tx_frame: bytes = buffer(2048)
    rx_frame_len: int = uint16()
    tx_frame_len: int = uint16()
    rx_frame_size: int = uint16()
    rx_status: int = uint32()
    filter: list[list[int]] = array(uint8, 16, 6)
