"""The OHCI (USB 1.1) controller.

Facts from QEMU's hw/usb/hcd-ohci.c, hcd-ohci-pci.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    int32,
    int64,
    part,
    struct,
    subsection,
    this,
    timer,
    uint8,
    uint16,
    uint32,
)
from vmstate.devices.pci.device import PCIDevice


@description("ohci-core/port", version_id=1, minimum_version_id=1)
class OHCIPort(VMState):
    """A port."""

    ctrl: int = uint32()


@description("ohci-core/eof-timer", version_id=1, minimum_version_id=1, needed=this.eof_timer != -1)
class EofTimer(VMState):
    """The timer of the end of the frame; sent while it runs."""

    eof_timer: int = timer()


@part(noise={"counter": ("frame_number", "frt"), "timer": ("sof_time",)})
@description("ohci-core", version_id=1, minimum_version_id=1)
class OHCIState(VMState):
    """Registers, ports and the transfer that is under way."""

    sof_time: int = int64()
    ctl: int = uint32()
    status: int = uint32()
    intr_status: int = uint32()
    intr: int = uint32()
    hcca: int = uint32()
    ctrl_head: int = uint32()
    ctrl_cur: int = uint32()
    bulk_head: int = uint32()
    bulk_cur: int = uint32()
    per_cur: int = uint32()
    done: int = uint32()
    done_count: int = int32()
    fsmps: int = uint16()
    fit: int = uint8()
    fi: int = uint16()
    frt: int = uint8()
    frame_number: int = uint16()
    padding: int = uint16()
    pstart: int = uint32()
    lst: int = uint32()
    rhdesc_a: int = uint32()
    rhdesc_b: int = uint32()
    rhstatus: int = uint32()
    rhport: list[OHCIPort] = array(OHCIPort, 15)
    hstatus: int = uint32()
    hmask: int = uint32()
    hreset: int = uint32()
    htest: int = uint32()
    old_ctl: int = uint32()
    usb_buf: list[int] = array(uint8, 8192)
    async_td: int = uint32()
    async_complete: bool = boolean()
    eof_timer: EofTimer | None = subsection(EofTimer)


@device("ohci", models="vmstate.devices.usb.models:OHCI")
@description("ohci", version_id=1, minimum_version_id=1)
class OHCIPCI(VMState):
    """The PCI function and the controller in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    state: OHCIState = struct(OHCIState, version=1)
