"""The Intel 82540EM network card and its relatives.

Facts from QEMU's hw/net/e1000.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    boolean,
    buffer,
    description,
    device,
    int8,
    secret,
    struct,
    sub_array,
    subsection,
    uint8,
    uint16,
    uint32,
    unused,
    version_id,
)
from vmstate.devices.pci.device import PCIDevice

PRIVATE_REGISTERS = (
    *secret("mac-registers", 0x1500, 32),  # RA: the addresses of the receive filter
    *secret("contents", 0x1610, 8),  # IP4AT and IP6AT: addresses that wake the machine
    *secret("contents", 0x1620, 4),
    *secret("contents", 0x1680, 32),  # WUPM: the packet that woke it
)
"""Registers of Intel's cards that hold what belongs to somebody, by their place in `mac_reg`."""


@description("e1000/mit_state", version_id=1, minimum_version_id=1)
class MitState(VMState):
    """Interrupt mitigation."""

    mac_reg_RDTR: int = uint32(name="mac_reg[RDTR]")
    mac_reg_RADV: int = uint32(name="mac_reg[RADV]")
    mac_reg_TADV: int = uint32(name="mac_reg[TADV]")
    mac_reg_ITR: int = uint32(name="mac_reg[ITR]")
    mit_irq_level: bool = boolean()


@description("e1000/full_mac_state", version_id=1, minimum_version_id=1)
class FullMacState(VMState):
    """All registers."""

    mac_reg: list[int] = array(uint32, 0x8000, private=PRIVATE_REGISTERS)


@description("e1000/tx_tso_state", version_id=1, minimum_version_id=1)
class TxTsoState(VMState):
    """The segmentation context, apart from the other one."""

    ipcss: int = uint8(name="tx.tso_props.ipcss")
    ipcso: int = uint8(name="tx.tso_props.ipcso")
    ipcse: int = uint16(name="tx.tso_props.ipcse")
    tucss: int = uint8(name="tx.tso_props.tucss")
    tucso: int = uint8(name="tx.tso_props.tucso")
    tucse: int = uint16(name="tx.tso_props.tucse")
    paylen: int = uint32(name="tx.tso_props.paylen")
    hdr_len: int = uint8(name="tx.tso_props.hdr_len")
    mss: int = uint16(name="tx.tso_props.mss")
    ip: int = int8(name="tx.tso_props.ip")
    tcp: int = int8(name="tx.tso_props.tcp")


@device("e1000", models="vmstate.devices.net.models:E1000")
@description("e1000", version_id=2, minimum_version_id=1)
class E1000(VMState):
    """Registers, EEPROM, and the packet that is being sent."""

    parent_obj: PCIDevice = struct(PCIDevice)
    unused_0: None = unused(4, exists=version_id == 1)
    unused_1: None = unused(4)
    rxbuf_size: int = uint32()
    rxbuf_min_shift: int = uint32()
    val_in: int = uint32(name="eecd_state.val_in")
    bitnum_in: int = uint16(name="eecd_state.bitnum_in")
    bitnum_out: int = uint16(name="eecd_state.bitnum_out")
    reading: int = uint16(name="eecd_state.reading")
    old_eecd: int = uint32(name="eecd_state.old_eecd")
    ipcss: int = uint8(name="mig_props.ipcss")
    ipcso: int = uint8(name="mig_props.ipcso")
    ipcse: int = uint16(name="mig_props.ipcse")
    tucss: int = uint8(name="mig_props.tucss")
    tucso: int = uint8(name="mig_props.tucso")
    tucse: int = uint16(name="mig_props.tucse")
    paylen: int = uint32(name="mig_props.paylen")
    hdr_len: int = uint8(name="mig_props.hdr_len")
    mss: int = uint16(name="mig_props.mss")
    tx_size: int = uint16(name="tx.size")
    tx_tso_frames: int = uint16(name="tx.tso_frames")
    tx_sum_needed: int = uint8(name="tx.sum_needed")
    ip: int = int8(name="mig_props.ip")
    tcp: int = int8(name="mig_props.tcp")
    tx_header: bytes = buffer(256, name="tx.header")
    tx_data: bytes = buffer(65536, name="tx.data")
    eeprom_data: list[int] = array(uint16, 64, private=CONTENTS)
    phy_reg: list[int] = array(uint16, 0x20)
    mac_reg_CTRL: int = uint32(name="mac_reg[CTRL]")
    mac_reg_EECD: int = uint32(name="mac_reg[EECD]")
    mac_reg_EERD: int = uint32(name="mac_reg[EERD]")
    mac_reg_GPRC: int = uint32(name="mac_reg[GPRC]")
    mac_reg_GPTC: int = uint32(name="mac_reg[GPTC]")
    mac_reg_ICR: int = uint32(name="mac_reg[ICR]")
    mac_reg_ICS: int = uint32(name="mac_reg[ICS]")
    mac_reg_IMC: int = uint32(name="mac_reg[IMC]")
    mac_reg_IMS: int = uint32(name="mac_reg[IMS]")
    mac_reg_LEDCTL: int = uint32(name="mac_reg[LEDCTL]")
    mac_reg_MANC: int = uint32(name="mac_reg[MANC]")
    mac_reg_MDIC: int = uint32(name="mac_reg[MDIC]")
    mac_reg_MPC: int = uint32(name="mac_reg[MPC]")
    mac_reg_PBA: int = uint32(name="mac_reg[PBA]")
    mac_reg_RCTL: int = uint32(name="mac_reg[RCTL]")
    mac_reg_RDBAH: int = uint32(name="mac_reg[RDBAH]")
    mac_reg_RDBAL: int = uint32(name="mac_reg[RDBAL]")
    mac_reg_RDH: int = uint32(name="mac_reg[RDH]")
    mac_reg_RDLEN: int = uint32(name="mac_reg[RDLEN]")
    mac_reg_RDT: int = uint32(name="mac_reg[RDT]")
    mac_reg_STATUS: int = uint32(name="mac_reg[STATUS]")
    mac_reg_SWSM: int = uint32(name="mac_reg[SWSM]")
    mac_reg_TCTL: int = uint32(name="mac_reg[TCTL]")
    mac_reg_TDBAH: int = uint32(name="mac_reg[TDBAH]")
    mac_reg_TDBAL: int = uint32(name="mac_reg[TDBAL]")
    mac_reg_TDH: int = uint32(name="mac_reg[TDH]")
    mac_reg_TDLEN: int = uint32(name="mac_reg[TDLEN]")
    mac_reg_TDT: int = uint32(name="mac_reg[TDT]")
    mac_reg_TORH: int = uint32(name="mac_reg[TORH]")
    mac_reg_TORL: int = uint32(name="mac_reg[TORL]")
    mac_reg_TOTH: int = uint32(name="mac_reg[TOTH]")
    mac_reg_TOTL: int = uint32(name="mac_reg[TOTL]")
    mac_reg_TPR: int = uint32(name="mac_reg[TPR]")
    mac_reg_TPT: int = uint32(name="mac_reg[TPT]")
    mac_reg_TXDCTL: int = uint32(name="mac_reg[TXDCTL]")
    mac_reg_WUFC: int = uint32(name="mac_reg[WUFC]")
    mac_reg_VET: int = uint32(name="mac_reg[VET]")
    mac_reg_RA: list[int] = sub_array(uint32, 0x1500, 32, name="mac_reg", private=secret("mac-registers", 0, 32))
    mac_reg_MTA: list[int] = sub_array(uint32, 0x1480, 128, name="mac_reg")
    mac_reg_VFTA: list[int] = sub_array(uint32, 0x1580, 128, name="mac_reg")
    mit_state: MitState | None = subsection(MitState)
    full_mac_state: FullMacState | None = subsection(FullMacState)
    tx_tso_state: TxTsoState | None = subsection(TxTsoState)
