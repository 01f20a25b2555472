"""The keypad controller of Intel's PXA27x.

Facts from QEMU's hw/input/pxa2xx_keypad.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("pxa2xx_keypad")
@description("pxa2xx_keypad")
class Pxa2xxKeypad(VMState):
    """Registers."""

    kpc: int = uint32()
    kpdk: int = uint32()
    kprec: int = uint32()
    kpmk: int = uint32()
    kpas: int = uint32()
    kpasmkp: list[int] = array(uint32, 4)
    kpkdi: int = uint32()
