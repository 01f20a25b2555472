"""The lines of Sharp's Zaurus (SCOOP).

Facts from QEMU's hw/gpio/zaurus.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, asks, description, device, this, uint16, uint32, unused, validate, version_id


def _are_lines(gpio_level: int, gpio_dir: int, prev_level: int) -> bool:
    """Whether there are 16 lines at most in each."""
    return not (gpio_level | gpio_dir | prev_level) >> 16


@device("scoop")
@description("scoop", version_id=1)
class Scoop(VMState):
    """General-purpose lines of Sharp's Zaurus."""

    status: int = uint16()
    power: int = uint16()
    gpio_level: int = uint32()
    gpio_dir: int = uint32()
    prev_level: int = uint32()
    valid_lines: None = validate(
        asks(_are_lines, this.gpio_level, this.gpio_dir, this.prev_level), name="irq levels are 16 bit"
    )
    mcr: int = uint16()
    cdr: int = uint16()
    ccr: int = uint16()
    irr: int = uint16()
    imr: int = uint16()
    isr: int = uint16()
    unused_0: None | None = unused(2, exists=(version_id == 0))
