"""The Realtek 8139C+ network card.

Facts from QEMU's hw/net/rtl8139.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    buffer,
    description,
    device,
    int32,
    int64,
    struct,
    subsection,
    uint8,
    uint16,
    uint32,
    uint64,
    unused,
)
from vmstate.devices.pci.device import PCIDevice


@description("rtl8139/hotplug_ready", version_id=1, minimum_version_id=1)
class HotplugReady(VMState):
    """Sent where the device can be unplugged; it holds nothing."""


@device(
    "rtl8139",
    models="vmstate.devices.net.models:RTL8139",
    noise={
        "counter": (
            "tally_counters.TxOk",
            "tally_counters.RxOk",
            "tally_counters.RxOkPhy",
            "tally_counters.RxOkBrd",
            "tally_counters.RxOkMul",
        ),
        "timer": ("TCTR_base",),
    },
)
@description("rtl8139", version_id=5, minimum_version_id=3)
class RTL8139(VMState):
    """Registers, EEPROM and counters."""

    parent_obj: PCIDevice = struct(PCIDevice)
    phys: bytes = buffer(6)
    mult: bytes = buffer(8)
    TxStatus: list[int] = array(uint32, 4)
    TxAddr: list[int] = array(uint32, 4)
    RxBuf: int = uint32()
    RxBufferSize: int = uint32()
    RxBufPtr: int = uint32()
    RxBufAddr: int = uint32()
    IntrStatus: int = uint16()
    IntrMask: int = uint16()
    TxConfig: int = uint32()
    RxConfig: int = uint32()
    RxMissed: int = uint32()
    CSCR: int = uint16()
    Cfg9346: int = uint8()
    Config0: int = uint8()
    Config1: int = uint8()
    Config3: int = uint8()
    Config4: int = uint8()
    Config5: int = uint8()
    clock_enabled: int = uint8()
    bChipCmdState: int = uint8()
    MultiIntr: int = uint16()
    BasicModeCtrl: int = uint16()
    BasicModeStatus: int = uint16()
    NWayAdvert: int = uint16()
    NWayLPAR: int = uint16()
    NWayExpansion: int = uint16()
    CpCmd: int = uint16()
    TxThresh: int = uint8()
    unused_0: None = unused(4)
    conf_macaddr: bytes = buffer(6, name="conf.macaddr")
    rtl8139_mmio_io_addr_dummy: int = int32()
    currTxDesc: int = uint32()
    currCPlusRxDesc: int = uint32()
    currCPlusTxDesc: int = uint32()
    RxRingAddrLO: int = uint32()
    RxRingAddrHI: int = uint32()
    eeprom_contents: list[int] = array(uint16, 64, name="eeprom.contents")
    eeprom_mode: int = int32(name="eeprom.mode")
    eeprom_tick: int = uint32(name="eeprom.tick")
    eeprom_address: int = uint8(name="eeprom.address")
    eeprom_input: int = uint16(name="eeprom.input")
    eeprom_output: int = uint16(name="eeprom.output")
    eeprom_eecs: int = uint8(name="eeprom.eecs")
    eeprom_eesk: int = uint8(name="eeprom.eesk")
    eeprom_eedi: int = uint8(name="eeprom.eedi")
    eeprom_eedo: int = uint8(name="eeprom.eedo")
    TCTR: int = uint32()
    TimerInt: int = uint32()
    TCTR_base: int = int64()
    tally_counters_TxOk: int = uint64(name="tally_counters.TxOk")
    tally_counters_RxOk: int = uint64(name="tally_counters.RxOk")
    tally_counters_TxERR: int = uint64(name="tally_counters.TxERR")
    tally_counters_RxERR: int = uint32(name="tally_counters.RxERR")
    tally_counters_MissPkt: int = uint16(name="tally_counters.MissPkt")
    tally_counters_FAE: int = uint16(name="tally_counters.FAE")
    tally_counters_Tx1Col: int = uint32(name="tally_counters.Tx1Col")
    tally_counters_TxMCol: int = uint32(name="tally_counters.TxMCol")
    tally_counters_RxOkPhy: int = uint64(name="tally_counters.RxOkPhy")
    tally_counters_RxOkBrd: int = uint64(name="tally_counters.RxOkBrd")
    tally_counters_RxOkMul: int = uint32(name="tally_counters.RxOkMul", version=5)
    tally_counters_TxAbt: int = uint16(name="tally_counters.TxAbt")
    tally_counters_TxUndrn: int = uint16(name="tally_counters.TxUndrn")
    cplus_enabled: int = uint32(version=4)
    hotplug_ready: HotplugReady | None = subsection(HotplugReady)
