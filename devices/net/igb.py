"""The Intel 82576 network card.

Facts from QEMU's hw/net/igb.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    boolean,
    description,
    device,
    int64,
    secret,
    struct,
    uint8,
    uint16,
    uint32,
    variant,
)
from vmstate.devices.net import e1000e
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of

PRIVATE_REGISTERS = (
    *e1000e.PRIVATE_REGISTERS,
    *secret("mac-registers", 0x1538, 16),  # RA2: more addresses of the receive filter
    *secret("contents", 0x200, 128),  # VMBMEM: what a function and its virtual functions tell each other
)
"""Registers that hold what belongs to somebody, by their place in `core.mac`."""


@description("igb-tx-ctx", version_id=1, minimum_version_id=1)
class TxCtx(VMState):
    """An offload context."""

    vlan_macip_lens: int = uint32()
    seqnum_seed: int = uint32()
    type_tucmd_mlhl: int = uint32()
    mss_l4len_idx: int = uint32()


@description("igb-tx", version_id=2, minimum_version_id=2)
class Tx(VMState):
    """A transmit queue: its contexts and the packet that is being sent."""

    ctx: list[TxCtx] = array(TxCtx, 2)
    first_cmd_type_len: int = uint32()
    first_olinfo_status: int = uint32()
    first: bool = boolean()
    skip_cp: bool = boolean()


INTR_TIMER = variant(e1000e.IntrTimer, "igb-intr-timer")
"""That of an e1000e, by another name."""


@device("igb", models="vmstate.devices.net.models:IGB")
@description("igb", version_id=1, minimum_version_id=1)
class IGB(VMState):
    """Registers, EEPROM and timers."""

    parent_obj: PCIDevice = struct(PCIDevice)
    msix: MSIX = struct(msix_of("parent_obj"), name="parent_obj")
    ioaddr: int = uint32()
    rx_desc_len: int = uint8(name="core.rx_desc_len")
    eeprom: list[int] = array(uint16, 1024, name="core.eeprom", private=CONTENTS)
    phy: list[int] = array(uint16, 32, name="core.phy")
    mac: list[int] = array(uint32, 32768, name="core.mac", private=PRIVATE_REGISTERS)
    permanent_mac: list[int] = array(uint8, 6, name="core.permanent_mac")
    eitr: list[e1000e.IntrTimer] = array(INTR_TIMER, 25, name="core.eitr", version=1)
    eitr_guest_value: list[int] = array(uint32, 25, name="core.eitr_guest_value")
    tx: list[Tx] = array(Tx, 16, name="core.tx")
    timadj: int = int64(name="core.timadj")
