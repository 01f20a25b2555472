"""The PCI Express host of DesignWare, in NXP's i.MX 6, i.MX 7 and i.MX 8M Plus.

Facts from QEMU's hw/pci-host/designware.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32, uint64
from vmstate.devices.pci.device import PCIDevice


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
