"""The network card of later Macintoshes.

Facts from QEMU's hw/net/sungem.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, MACS, VMState, array, buffer, description, device, struct, uint8, uint32, uint64
from vmstate.devices.pci.device import PCIDevice


@device("sungem")
@description("sungem")
class SunGEM(VMState):
    """Its registers, and the packet that is being sent."""

    pdev: PCIDevice = struct(PCIDevice)
    macaddr: bytes = buffer(6, name="conf.macaddr", private=MACS)
    phy_addr: int = uint32()
    gregs: list[int] = array(uint32, 2048)
    txdmaregs: list[int] = array(uint32, 1024)
    rxdmaregs: list[int] = array(uint32, 2048)
    macregs: list[int] = array(uint32, 128)
    mifregs: list[int] = array(uint32, 8)
    pcsregs: list[int] = array(uint32, 24)
    rx_mask: int = uint32()
    tx_mask: int = uint32()
    tx_data: list[int] = array(uint8, 9016, private=CONTENTS)
    tx_size: int = uint32()
    tx_first_ctl: int = uint64()
