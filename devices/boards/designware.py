"""Devices of Synopsys' DesignWare.

Above each part stands the file of QEMU's that its facts are from.
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
    struct,
    timer,
    uint8,
    uint16,
    uint32,
    uint64,
    variant,
)
from vmstate.devices.core.fifo8 import Fifo8
from vmstate.devices.pci.device import PCIDevice

# The PCI Express host of DesignWare, in NXP's i.MX 6, i.MX 7 and i.MX 8M Plus (hw/pci-host/designware.c).


@description("designware-pcie-viewport", version_id=1, minimum_version_id=1)
class Viewport(VMState):
    """A window between the addresses of the processor and those of the bus."""

    base: int = uint64()
    target: int = uint64()
    limit: int = uint32()
    cr: list[int] = array(uint32, 2)


@description("designware-pcie-msi-bank", version_id=1, minimum_version_id=1)
class MSIBank(VMState):
    """32 interrupts by message."""

    enable: int = uint32()
    mask: int = uint32()
    status: int = uint32()


@description("designware-pcie-msi", version_id=1, minimum_version_id=1)
class MSI(VMState):
    """Where messages are caught, and which."""

    base: int = uint64()
    intr: list[MSIBank] = array(MSIBank, 1, version=1)


@device("designware-pcie-root")
@description("designware-pcie-root", version_id=1, minimum_version_id=1)
class DesignwarePCIERoot(VMState):
    """The root port: its configuration space, windows and messages."""

    parent_obj: PCIDevice = struct(PCIDevice)
    atu_viewport: int = uint32()
    viewports: list[Viewport] = array(Viewport, 8, version=1)
    msi: MSI = struct(MSI, version=1)


@device("designware-pcie-host")
@description("designware-pcie-host", version_id=1, minimum_version_id=1)
class DesignwarePCIEHost(VMState):
    """The host, which sends its root port a second time."""

    root_: DesignwarePCIERoot = struct(DesignwarePCIERoot, name="root", version=1)


# The I2C controller of DesignWare. Facts from the streams and the descriptions of QEMU 11.1.


@device("designware-i2c")
@description("designware-i2c")
class DesignwareI2C(VMState):
    """Registers, the bytes received, and where a transfer stands."""

    regs: list[int] = array(uint32, 64)
    rx_fifo: Fifo8 = struct(Fifo8)
    status: int = uint32()


# The USB controller of DesignWare (DWC2), of Broadcom's BCM2835 (hw/usb/hcd-dwc2.c).


@description("dwc2/packet", version_id=1, minimum_version_id=1)
class Dwc2Packet(VMState):
    """A packet under way: of which device and endpoint, and how far."""

    devadr: int = uint32()
    epnum: int = uint32()
    epdir: int = uint32()
    mps: int = uint32()
    pid: int = uint32()
    index: int = uint32()
    pcnt: int = uint32()
    len: int = uint32()
    async_: int = int32(name="async")
    small: bool = boolean()
    needs_service: bool = boolean()


@device(
    "dwc2",
    noise={
        "timer": (
            "eof_timer",
            "frame_timer",
            "sof_time",
            "frame_number",
        )
    },
)
@description("dwc2", version_id=1, minimum_version_id=1)
class Dwc2(VMState):
    """Registers, the frame, and the packets of the channels."""

    glbreg: list[int] = array(uint32, 28)
    fszreg: list[int] = array(uint32, 1)
    hreg0: list[int] = array(uint32, 17)
    hreg1: list[int] = array(uint32, 64)
    pcgreg: list[int] = array(uint32, 2)
    eof_timer: int = timer()
    frame_timer: int = timer()
    sof_time: int = int64()
    usb_frame_time: int = int64()
    usb_bit_time: int = int64()
    usb_version: int = uint32()
    frame_number: int = uint16()
    fi: int = uint16()
    next_chan: int = uint16()
    working: bool = boolean()
    packet: list[Dwc2Packet] = array(Dwc2Packet, 8, version=1)
    usb_buf: list[int] = array(uint8, 524288)


# The USB controller of DesignWare (DWC3): what it has beside an xHCI (hw/usb/hcd-dwc3.c).


@device("usb-dwc3")
@description("usb-dwc3", version_id=1)
class UsbDwc3(VMState):
    """Registers, and how the controller was configured."""

    regs: list[int] = array(uint32, 384)
    cfg_mode: int = uint8(name="cfg.mode")
    cfg_dwc_usb3_user: int = uint32(name="cfg.dwc_usb3_user")


USB_DWC3_7_2 = variant(UsbDwc3, regs=array(uint32, 333))
"""Up to 7.2 at least."""
