"""What QEMU gives a guest of Xen's, or a guest that KVM treats as one.

Facts from QEMU's hw/i386/xen/xen_platform.c and xen_pvdevice.c, and hw/i386/kvm/xen_overlay.c, xen_evtchn.c and
xen_gnttab.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    fact,
    struct,
    this,
    uint8,
    uint16,
    uint32,
    uint64,
    varray,
)
from vmstate.devices.pci.device import PCIDevice


@device("platform")
@description("platform", version_id=4, minimum_version_id=4)
class XenPlatform(VMState):
    """The platform device on the PCI bus: which disks and network cards were unplugged."""

    parent_obj: PCIDevice = struct(PCIDevice)
    flags: int = uint8()


@device("xen-pvdevice")
@description("xen-pvdevice", version_id=1, minimum_version_id=1)
class XenPVDevice(VMState):
    """A PCI device for the guest's own drivers to be bound to."""

    parent_obj: PCIDevice = struct(PCIDevice)


@device("xen_overlay")
@description("xen_overlay", version_id=1, minimum_version_id=1)
class XenOverlay(VMState):
    """Where the page that is shared with the guest lies, and whether the guest is in long mode."""

    shinfo_gpa: int = uint64()
    long_mode: bool = boolean()


@description("xen_evtchn_port", version_id=1, minimum_version_id=1)
class EventChannelPort(VMState):
    """A port: on which processor, of which kind, and to what it is bound."""

    vcpu: int = uint32()
    type: int = uint16()
    val: int = uint16(name="u.val")


PIRQ_WORDS = fact("xen_pirq_words", (4, *range(0, 4), *range(5, 33)))
"""Words of 64 bits that say which physical interrupts are in use: a property of the number of these interrupts."""


@device("xen_evtchn")
@description("xen_evtchn", version_id=1, minimum_version_id=1)
class XenEvtchn(VMState):
    """Event channels: how the guest is called, and the ports."""

    callback_param: int = uint64()
    nr_ports: int = uint32()
    port_table: list[EventChannelPort] = varray(EventChannelPort, count=this.nr_ports, version=1)
    gsi_pirq: list[int] = array(uint16, 24)
    pirq_inuse_bitmap: list[int] = varray(uint64, count=PIRQ_WORDS)
    pirq_gsi_set: int = uint32()


@device("xen_gnttab")
@description("xen_gnttab", version_id=1, minimum_version_id=1)
class XenGnttab(VMState):
    """Grant tables: where their frames lie in the guest's memory."""

    nr_frames: int = uint32()
    gnt_frame_gpas: list[int] = varray(uint64, count=this.nr_frames)
