"""The standard hotplug controller of a PCI bridge.

Facts from QEMU's hw/pci/shpc.c and the PCI Standard Hot-Plug Controller specification.
"""

from __future__ import annotations

from typing import Any

from vmstate.declare import REGISTERS, buffer, fact

SHPC_PRESENT = fact(
    "shpc_present",
    (True, False),
    advice={True: "give the destination's bridge shpc=on", False: "give the destination's bridge shpc=off"},
)
"""Whether the bridge has a hotplug controller (`shpc`)."""

SLOTS_AT = 0x24
SLOTS = 31


def shpc_config(**options: Any) -> Any:
    """The working registers: 36 bytes, and four for each of the 31 slots."""
    return buffer(SLOTS_AT + 4 * SLOTS, info="shpc", private=REGISTERS, **options)
