"""The UHCI (USB 1.1) controller.

Facts from QEMU's hw/usb/hcd-uhci.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    description,
    device,
    int64,
    struct,
    timer,
    uint8,
    uint8_equal,
    uint16,
    uint32,
)
from vmstate.devices.pci.device import PCIDevice


@description("uhci port", version_id=1, minimum_version_id=1)
class UHCIPort(VMState):
    """A port."""

    ctrl: int = uint16()


# Frames of USB, a thousand a second.
@device("uhci", models="vmstate.devices.usb.models:UHCI", noise={"counter": ("frnum",), "timer": ("expire_time",)})
@description("uhci", version_id=3, minimum_version_id=1)
class UHCI(VMState):
    """Registers and ports."""

    dev: PCIDevice = struct(PCIDevice)
    num_ports_vmstate: int = uint8_equal()
    ports: list[UHCIPort] = array(UHCIPort, 2, version=1)
    cmd: int = uint16()
    status: int = uint16()
    intr: int = uint16()
    frnum: int = uint16()
    fl_base_addr: int = uint32()
    sof_timing: int = uint8()
    status2: int = uint8()
    frame_timer: int = timer()
    expire_time: int = int64(version=2)
    pending_int_mask: int = uint32(version=3)
