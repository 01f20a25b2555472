"""IPMI: baseboard management controllers, and the interfaces to them.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    int16,
    int64,
    struct,
    uint8,
    uint16,
    uint32,
    unused,
    variant,
    version_id,
    vstruct,
)
from vmstate.devices.i2c.smbus_slave import SMBusDevice
from vmstate.devices.pci.device import PCIDevice

# The simulated IPMI management controller (hw/ipmi/ipmi_bmc_sim.c).


@description("ipmi-bmc-sim-lan", version_id=1, minimum_version_id=1)
class Lan(VMState):
    """The settings of its network."""

    channel: int = uint8()
    ipaddr: list[int] = array(uint8, 4)
    ipsrc: int = uint8()
    macaddr_a: list[int] = array(uint8, 6, name="macaddr.a")
    netmask: list[int] = array(uint8, 4)
    defgw_ipaddr: list[int] = array(uint8, 4)
    defgw_macaddr_a: list[int] = array(uint8, 6, name="defgw_macaddr.a")


@device(
    "ipmi-bmc-sim", models="vmstate.devices.misc.models:IPMI_BMC", listed=False, noise={"timer": ("watchdog_expiry",)}
)
@description("ipmi-bmc-sim", version_id=2, minimum_version_id=1)
class IPMIBmcSim(VMState):
    """Watchdog, event buffer and sensors."""

    bmc_global_enables: int = uint8()
    msg_flags: int = uint8()
    watchdog_initialized: bool = boolean()
    watchdog_use: int = uint8()
    watchdog_action: int = uint8()
    watchdog_pretimeout: int = uint8()
    watchdog_expired: int = uint8()
    watchdog_timeout: int = uint16()
    watchdog_running: bool = boolean()
    watchdog_preaction_ran: bool = boolean()
    watchdog_expiry: int = int64()
    evtbuf: list[int] = array(uint8, 16)
    watchdog_sensor_status: int = uint8(name="sensors[0].status")
    watchdog_sensor_reading: int = uint8(name="sensors[0].reading")
    watchdog_sensor_states: int = uint16(name="sensors[0].states")
    watchdog_sensor_assert_states: int = uint16(name="sensors[0].assert_states")
    watchdog_sensor_deassert_states: int = uint16(name="sensors[0].deassert_states")
    watchdog_sensor_assert_enable: int = uint16(name="sensors[0].assert_enable")
    lan: Lan = struct(Lan, version=2)


IPMI_BMC_SIM_7_2 = variant(IPMIBmcSim, None, 1, watchdog_expired=boolean(), lan=None)
"""The layout up to 7.2."""


# The block-transfer interface of an IPMI controller, on the ISA bus (hw/ipmi/ipmi_bt.c, hw/ipmi/isa_ipmi_bt.c).


@description("ipmi-interface-bt", version_id=1, minimum_version_id=1)
class IPMIBT(VMState):
    """The interface: messages in both directions."""

    obf_irq_set: bool = boolean()
    atn_irq_set: bool = boolean()
    irqs_enabled: bool = boolean()
    outpos: int = uint32()
    outlen: int = uint32()
    outmsg: list[int] = array(uint8, 300)
    inlen: int = uint32()
    inmsg: list[int] = array(uint8, 300)
    control_reg: int = uint8()
    mask_reg: int = uint8()
    waiting_rsp: int = uint8()
    waiting_seq: int = uint8()


@device("ipmi-interface-isa-bt", models="vmstate.devices.misc.models:IPMI_BT", listed=False, legacy_instances=(0xE4,))
@description("ipmi-interface-isa-bt", version_id=2, minimum_version_id=2)
class ISAIPMIBT(VMState):
    """The device."""

    bt: IPMIBT = struct(IPMIBT, version=1)


# The keyboard-controller-style interface of an IPMI controller, on the ISA bus (hw/ipmi/ipmi_kcs.c,
# hw/ipmi/isa_ipmi_kcs.c).


@description("ipmi-interface-kcs", version_id=2, minimum_version_id=1)
class IPMIKCS(VMState):
    """The interface: messages in both directions."""

    obf_irq_set: bool = boolean()
    atn_irq_set: bool = boolean()
    unused_0: None = unused(1, exists=version_id <= 1)
    irqs_enabled: bool = boolean()
    outpos: int = uint32()
    outlen: int = uint32(version=2)
    outmsg: list[int] = array(uint8, 300)
    inlen: int = uint32(version=2)
    inmsg: list[int] = array(uint8, 300)
    write_end: bool = boolean()
    status_reg: int = uint8()
    data_out_reg: int = uint8()
    data_in_reg: int = int16()
    cmd_reg: int = int16()
    waiting_rsp: int = uint8()


@device("ipmi-interface", models="vmstate.devices.misc.models:IPMI_KCS", listed=False, legacy_instances=(0xCA2,))
@description("ipmi-interface", version_id=2, minimum_version_id=1)
class ISAIPMIKCS(VMState):
    """The device; its version 1 had the interface at version 1."""

    kcs_v1: IPMIKCS | None = vstruct(IPMIKCS, 1, name="kcs", exists=version_id <= 1)
    kcs: IPMIKCS = vstruct(IPMIKCS, 2, version=2)


# The interfaces of an IPMI controller on the PCI bus (hw/ipmi/pci_ipmi_kcs.c, hw/ipmi/pci_ipmi_bt.c).


@device("ipmi-interface-pci-kcs", models="vmstate.devices.misc.models:IPMI_PCI_KCS")
@description("ipmi-interface-pci-kcs", version_id=1, minimum_version_id=1)
class PCIIPMIKCS(VMState):
    """The PCI function and the keyboard-controller-style interface in it."""

    dev: PCIDevice = struct(PCIDevice)
    kcs: IPMIKCS = struct(IPMIKCS, version=1)


@device("ipmi-interface-pci-bt", models="vmstate.devices.misc.models:IPMI_PCI_BT")
@description("ipmi-interface-pci-bt", version_id=1, minimum_version_id=1)
class PCIIPMIBT(VMState):
    """The PCI function and the block-transfer interface in it."""

    dev: PCIDevice = struct(PCIDevice)
    bt: IPMIBT = struct(IPMIBT, version=1)


# The interface of an IPMI controller on the SMBus (SSIF) (hw/ipmi/smbus_ipmi.c).


@device("smbus-ipmi", models="vmstate.devices.misc.models:IPMI_SMBUS")
@description("smbus-ipmi", version_id=1, minimum_version_id=1)
class SMBusIPMI(VMState):
    """The interface: messages in both directions, and the block that is sent to the guest."""

    parent: SMBusDevice = struct(SMBusDevice)
    waiting_rsp: int = uint8()
    outlen: int = uint32()
    currblk: int = uint32()
    outmsg: list[int] = array(uint8, 255)
    outpos: int = uint32()
    outbuf: list[int] = array(uint8, 33)
    inlen: int = uint32()
    inmsg: list[int] = array(uint8, 255)
