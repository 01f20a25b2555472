"""A key on a general-purpose input.

Facts from QEMU's hw/gpio/gpio_key.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, timer


@device("gpio-key")
@description("gpio-key", version_id=1, minimum_version_id=1)
class GpioKey(VMState):
    """The timer that releases it."""

    timer_: int = timer(name="timer")
