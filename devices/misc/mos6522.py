"""The versatile interface adapter of old Macintoshes, which the chips around it are made of.

Facts from QEMU's hw/misc/mos6522.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int64, timer, uint8, uint16, variant


@description("mos6522_timer")
class Mos6522Timer(VMState):
    """One of its two timers."""

    latch: int = uint16()
    counter_value: int = uint16()
    load_time: int = int64()
    next_irq_time: int = int64()
    timer: int = timer()


@device("mos6522")
@description("mos6522", version_id=1, minimum_version_id=1)
class Mos6522(VMState):
    """Its registers and timers."""

    a: int = uint8()
    b: int = uint8()
    dira: int = uint8()
    dirb: int = uint8()
    sr: int = uint8()
    acr: int = uint8()
    pcr: int = uint8()
    ifr: int = uint8()
    ier: int = uint8()
    last_irq_levels: int = uint8()
    timers: list[Mos6522Timer] = array(Mos6522Timer, 2)


MOS6522_5_2 = variant(Mos6522, "mos6522", 0, last_irq_levels=None)
"""Up to 5.2 the levels were not sent."""
