"""The EHCI controller of boards without PCI.

Facts from QEMU's hw/usb/hcd-ehci-sysbus.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.usb.ehci import EHCI


@device("ehci-sysbus")
@description("ehci-sysbus", version_id=2, minimum_version_id=1)
class EHCISysBus(VMState):
    """The controller."""

    ehci: EHCI = struct(EHCI, version=2)
