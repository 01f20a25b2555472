"""The Bochs display adapter.

Facts from QEMU's hw/display/bochs-display.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, struct, uint16
from vmstate.devices.pci.device import PCIDevice


@device("bochs-display", models="vmstate.devices.display.models:BOCHS")
@description("bochs-display")
class BochsDisplay(VMState):
    """The mode and the byte order."""

    pci: PCIDevice = struct(PCIDevice)
    vbe_regs: list[int] = array(uint16, 10)
    big_endian_fb: bool = boolean()
