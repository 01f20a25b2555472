"""The VMware paravirtual SCSI controller.

Facts from QEMU's hw/scsi/vmw_pvscsi.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    description,
    device,
    host,
    struct,
    subsection,
    uint8,
    uint32,
    uint64,
    variant,
)
from vmstate.devices.pci.device import PCIDevice


@description("pvscsi/pcie")
class PVSCSIPCIeDevice(VMState):
    """The PCI function, where it is PCI Express."""

    parent_obj: PCIDevice = struct(PCIDevice)


@device("pvscsi", models="vmstate.devices.scsi.models:PVSCSI")
@description("pvscsi")
class PVSCSI(VMState):
    """Registers and rings."""

    parent_obj: PCIDevice | None = host()
    msi_used: int = uint8()
    resetting: int = uint32()
    reg_interrupt_status: int = uint64()
    reg_interrupt_enabled: int = uint64()
    reg_command_status: int = uint64()
    curr_cmd: int = uint64()
    curr_cmd_data_cntr: int = uint32()
    curr_cmd_data: list[int] = array(uint32, 132, private=CONTENTS)
    rings_info_valid: int = uint8()
    msg_ring_info_valid: int = uint8()
    use_msg: int = uint8()
    rs_pa: int = uint64(name="rings.rs_pa")
    txr_len_mask: int = uint32(name="rings.txr_len_mask")
    rxr_len_mask: int = uint32(name="rings.rxr_len_mask")
    req_ring_pages_pa: list[int] = array(uint64, 32, name="rings.req_ring_pages_pa")
    cmp_ring_pages_pa: list[int] = array(uint64, 32, name="rings.cmp_ring_pages_pa")
    consumed_ptr: int = uint64(name="rings.consumed_ptr")
    filled_cmp_ptr: int = uint64(name="rings.filled_cmp_ptr")
    pcie: PVSCSIPCIeDevice | None = subsection(PVSCSIPCIeDevice)


PVSCSI_PCI = variant(PVSCSI, parent_obj=struct(PCIDevice))
"""Of a conventional PCI function (`x-disable-pcie`), as machines up to 2.5 have it."""
