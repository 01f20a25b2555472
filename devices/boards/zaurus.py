"""General-purpose lines of Sharp's Zaurus: scoop.

Facts from QEMU's hw/gpio/zaurus.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint16, uint32, unused, version_id


@device("scoop")
@description("scoop", version_id=1)
class Scoop(VMState):
    """General-purpose lines of Sharp's Zaurus."""

    status: int = uint16()
    power: int = uint16()
    gpio_level: int = uint32()
    gpio_dir: int = uint32()
    prev_level: int = uint32()
    mcr: int = uint16()
    cdr: int = uint16()
    ccr: int = uint16()
    irr: int = uint16()
    imr: int = uint16()
    isr: int = uint16()
    unused_0: None | None = unused(2, exists=(version_id == 0))
