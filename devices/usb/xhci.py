"""The xHCI (USB 3) controller.

Facts from QEMU's hw/usb/hcd-xhci.c, hcd-xhci-pci.c, hcd-xhci-sysbus.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    array,
    boolean,
    choose,
    description,
    device,
    fact,
    int64,
    len_,
    part,
    root,
    rule,
    struct,
    this,
    timer,
    uint8,
    uint32,
    uint64,
    variant,
    varray,
)
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.pci.msix import MSIX, msix_of
from vmstate.vmsd.destination import Comparison

PORTS = fact(
    "xhci_ports",
    (8, *range(1, 8), *range(9, 31)),
    advice="give the destination's controller the same p2= and p3=, {value} together",
)
"""Ports of the controller (`p2` and `p3`)."""

SLOTS = fact("xhci_slots", (64,), advice="give the destination's controller slots={value}")
"""Slots of the controller (`slots`)."""

INTERRUPTERS = fact(
    "xhci_interrupters",
    (16, 8, 4, 1),
    derived=choose(len_(root.msix.msix.table) != 0, len_(root.msix.msix.table), None),
    advice="give the destination's controller intrs={value}",
)
"""Interrupters of the controller (`intrs`): with MSI-X one for each vector; QEMU makes them a power of two."""

FULL_EVENT_RINGS = fact("xhci_full_event_rings", default=False)
"""Whether events that wait are sent; no release does."""


@description("xhci-ring", version_id=1)
class XHCIRing(VMState):
    """A ring: where the next element is."""

    dequeue: int = uint64()
    ccs: bool = boolean()


@description("xhci-port", version_id=1)
class XHCIPort(VMState):
    """A port."""

    portsc: int = uint32()


@description("xhci-slot", version_id=1)
class XHCISlot(VMState):
    """A slot: a device that the guest has enabled."""

    enabled: bool = boolean()
    addressed: bool = boolean()


@description("xhci-event", version_id=1)
class XHCIEvent(VMState):
    """An event that waits for room in its ring."""

    type: int = uint32()
    ccode: int = uint32()
    ptr: int = uint64()
    length: int = uint32()
    flags: int = uint32()
    slotid: int = uint8()
    epid: int = uint8()


@description("xhci-intr", version_id=1)
class XHCIInterrupter(VMState):
    """An interrupter and its event ring."""

    iman: int = uint32()
    imod: int = uint32()
    erstsz: int = uint32()
    erstba_low: int = uint32()
    erstba_high: int = uint32()
    erdp_low: int = uint32()
    erdp_high: int = uint32()
    msix_used: bool = boolean()
    er_pcs: bool = boolean()
    er_start: int = uint64()
    er_size: int = uint32()
    er_ep_idx: int = uint32()
    er_full_unused: bool = boolean()
    ev_buffer_put: int | None = uint32(exists=FULL_EVENT_RINGS)
    ev_buffer_get: int | None = uint32(exists=FULL_EVENT_RINGS)
    ev_buffer: list[XHCIEvent] | None = array(XHCIEvent, 5632, version=1, exists=FULL_EVENT_RINGS)


@part(noise={"timer": ("mfindex_start",)})
@description("xhci-core", version_id=1)
class XHCI(VMState):
    """Registers, ports, slots and interrupters."""

    ports: list[XHCIPort] = varray(XHCIPort, count=PORTS, version=1)
    slots: list[XHCISlot] = varray(XHCISlot, count=SLOTS, version=1)
    intr: list[XHCIInterrupter] = varray(XHCIInterrupter, count=INTERRUPTERS, version=1)
    usbcmd: int = uint32()
    usbsts: int = uint32()
    dnctrl: int = uint32()
    crcr_low: int = uint32()
    crcr_high: int = uint32()
    dcbaap_low: int = uint32()
    dcbaap_high: int = uint32()
    config: int = uint32()
    mfindex_start: int = int64()
    mfwrap_timer: int = timer()
    cmd_ring: XHCIRing = struct(XHCIRing, version=1)


# xhci_pci_vmstate_post_load gives up the vector of each interrupter that uses none; from 7.2 on only one that there is.
_HAS_VECTORS = rule(
    "xhci-vectors",
    len_(this.xhci.intr) <= len_(this.msix.msix.table),
    "the controller has an MSI-X vector for each of its interrupters: QEMU ends by an assertion where it has not "
    "(a defect of QEMU's)",
    since=Release(7, 2),
    qemu_error="Assertion `vector < dev->msix_entries_nr' failed",
    advice="leave msix=off out on both sides",
)


@device(
    "xhci",
    models="vmstate.devices.usb.models:XHCI",
    early_copy="vmstate.devices.early_copies:NEEDS_MEMORY",
    compares=Comparison(refuses_itself={b"": Release(1 << 30, 0)}),
)
@description("xhci", version_id=1, rules=(_HAS_VECTORS,))
class XHCIPCI(VMState):
    """The PCI function and the controller in it."""

    parent_obj: PCIDevice = struct(PCIDevice)
    msix: MSIX = struct(msix_of("parent_obj"), name="parent_obj")
    xhci: XHCI = struct(XHCI, version=1)


@device("xhci-sysbus")
@description("xhci-sysbus", version_id=1)
class XHCISysbus(VMState):
    """The controller."""

    xhci: XHCI = struct(XHCI, version=1)


XHCI_OF_DWC3 = variant(XHCI, slots=varray(XHCISlot, count=2, version=1))
XHCI_SYSBUS_DWC3 = variant(XHCISysbus, xhci=struct(XHCI_OF_DWC3, version=1))
"""The controller in DesignWare's DWC3, which has two slots."""
