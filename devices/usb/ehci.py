"""The EHCI (USB 2.0) controller.

Facts from QEMU's hw/usb/hcd-ehci.c, hcd-ehci-sysbus.c and hcd-ehci-pci.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, part, struct, timer, uint32, uint64
from vmstate.devices.pci.device import PCIDevice


@part(noise={"counter": ("frindex", "usbsts_frindex"), "timer": ("last_run_ns",)})
@description("ehci-core", version_id=2, minimum_version_id=1)
class EHCI(VMState):
    """Registers, ports and the place in the schedules."""

    usbcmd: int = uint32()
    usbsts: int = uint32()
    usbsts_pending: int = uint32(version=2)
    usbsts_frindex: int = uint32(version=2)
    usbintr: int = uint32()
    frindex: int = uint32()
    ctrldssegment: int = uint32()
    periodiclistbase: int = uint32()
    asynclistaddr: int = uint32()
    configflag: int = uint32()
    portsc_0: int = uint32(name="portsc[0]")
    portsc_1: int = uint32(name="portsc[1]")
    portsc_2: int = uint32(name="portsc[2]")
    portsc_3: int = uint32(name="portsc[3]")
    portsc_4: int = uint32(name="portsc[4]")
    portsc_5: int = uint32(name="portsc[5]")
    frame_timer: int = timer()
    last_run_ns: int = uint64()
    async_stepdown: int = uint32()
    astate: int = uint32()
    pstate: int = uint32()
    a_fetch_addr: int = uint32()
    p_fetch_addr: int = uint32()


@device("ehci-sysbus")
@description("ehci-sysbus", version_id=2, minimum_version_id=1)
class EHCISysBus(VMState):
    """The controller of boards without PCI."""

    ehci: EHCI = struct(EHCI, version=2)


@device("ehci", models="vmstate.devices.usb.models:EHCI")
@description("ehci", version_id=2, minimum_version_id=1)
class EHCIPCI(VMState):
    """The PCI function and the controller in it."""

    pcidev: PCIDevice = struct(PCIDevice)
    ehci: EHCI = struct(EHCI, version=2)
