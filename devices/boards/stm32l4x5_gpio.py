"""General-purpose lines of ST's STM32L4.

Facts from QEMU's hw/gpio/stm32l4x5_gpio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint16, uint32
from vmstate.devices.core.clock import Clock


@device("stm32l4x5-gpio")
@description("stm32l4x5-gpio", version_id=2, minimum_version_id=2)
class Stm32l4x5Gpio(VMState):
    """General-purpose lines of ST's STM32."""

    moder: int = uint32()
    otyper: int = uint32()
    ospeedr: int = uint32()
    pupdr: int = uint32()
    idr: int = uint32()
    odr: int = uint32()
    lckr: int = uint32()
    afrl: int = uint32()
    afrh: int = uint32()
    ascr: int = uint32()
    disconnected_pins: int = uint16()
    pins_connected_high: int = uint16()
    clk: Clock = struct(Clock)
