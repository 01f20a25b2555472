"""Devices that block every migration, so that no stream holds them.

Facts from QEMU's hw/usb/dev-audio.c, dev-mtp.c, dev-network.c, dev-serial.c, dev-uas.c, dev-wacom.c, hw/ufs/ufs.c,
hw/net/rocker/rocker.c, hw/hyperv/syndbg.c, hw/riscv/riscv-iommu-pci.c, hw/i386/amd_iommu.c, hw/i386/kvm/xen_xenstore.c,
hw/virtio/vhost-user-device.c and hw/vfio/platform.c, and from the descriptions of 11.1.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device


@device("usb-audio")
@description("usb-audio", unmigratable=True)
class USBAudio(VMState):
    """A sound card on the USB."""


@device("usb-mtp")
@description("usb-mtp", unmigratable=True)
class USBMTP(VMState):
    """A folder of the host as a media player on the USB."""


@device("usb-net")
@description("usb-net", unmigratable=True)
class USBNet(VMState):
    """A network card on the USB."""


@device("usb-serial")
@description("usb-serial", unmigratable=True)
class USBSerial(VMState):
    """A serial port on the USB, or a Braille display."""


@device("usb-uas")
@description("usb-uas", unmigratable=True)
class USBUAS(VMState):
    """A disk controller on the USB (UAS)."""


@device("usb-wacom")
@description("usb-wacom", unmigratable=True)
class USBWacom(VMState):
    """A graphics tablet on the USB."""


@device("ufs")
@description("ufs", unmigratable=True)
class UFS(VMState):
    """A flash memory of the Universal Flash Storage kind."""


@device("rocker")
@description("rocker", unmigratable=True)
class Rocker(VMState):
    """A network switch."""


@device("hv-syndbg")
@description("hv-syndbg", unmigratable=True)
class HvSynDbg(VMState):
    """Hyper-V's debugger."""


@device("riscv-iommu")
@description("riscv-iommu", unmigratable=True)
class RISCVIOMMUPCI(VMState):
    """An IOMMU of RISC-V on the PCI bus."""


@device("amd-iommu")
@description("amd-iommu", unmigratable=True)
class AMDVI(VMState):
    """AMD's IOMMU."""


@device("vfio-platform")
@description("vfio-platform", unmigratable=True)
class VFIOPlatform(VMState):
    """A device of the host that is not on PCI."""


@device("vfio-amd-xgbe")
@description("vfio-amd-xgbe", unmigratable=True)
class VFIOAmdXgbe(VMState):
    """AMD's 10-gigabit network card of the host's, up to 10.1."""


@device("vfio-calxeda-xgmac")
@description("vfio-calxeda-xgmac", unmigratable=True)
class VFIOCalxedaXgmac(VMState):
    """Calxeda's 10-gigabit network card of the host's, up to 10.1."""


@device("xen_xenstore")
@description("xen_xenstore", unmigratable=True)
class XenXenstore(VMState):
    """The store that Xen's drivers talk through."""


@device("vhost-user-device")
@description("vhost-user-device", unmigratable=True)
class VHostUserDevice(VMState):
    """A virtio device of whatever kind, served by a process beside QEMU; of 8.2 to 10.0."""


@device("vhost-user-rtc")
@description("vhost-user-rtc", unmigratable=True)
class VHostUserRTC(VMState):
    """A clock, served by a process beside QEMU."""
