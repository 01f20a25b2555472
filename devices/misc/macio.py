"""The controller of old Macintoshes that their other devices hang on, and the pins of the later one.

Facts from QEMU's hw/misc/macio/macio.c and hw/misc/macio/gpio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint8
from vmstate.devices.pci.device import PCIDevice


@device("macio-oldworld")
@description("macio-oldworld")
class MacIOOldworld(VMState):
    """The one of `g3beige`."""

    parent: PCIDevice = struct(PCIDevice, name="parent_obj.parent")


@device("macio-newworld")
@description("macio-newworld")
class MacIONewworld(VMState):
    """The one of `mac99`."""

    parent: PCIDevice = struct(PCIDevice, name="parent_obj.parent")


@device("macio_gpio")
@description("macio_gpio")
class MacIOGpio(VMState):
    """The levels of the pins, and their registers."""

    gpio_levels: list[int] = array(uint8, 8)
    gpio_regs: list[int] = array(uint8, 36)
