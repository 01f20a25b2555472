"""General-purpose inputs and outputs: the PrimeCell PL061, and a key on one.

Facts from QEMU's hw/gpio/pl061.c and hw/gpio/gpio_key.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, timer, uint32


@device("pl061")
@description("pl061", version_id=4, minimum_version_id=4)
class PL061(VMState):
    """Registers."""

    locked: int = uint32()
    data: int = uint32()
    old_out_data: int = uint32()
    old_in_data: int = uint32()
    dir: int = uint32()
    isense: int = uint32()
    ibe: int = uint32()
    iev: int = uint32()
    im: int = uint32()
    istate: int = uint32()
    afsel: int = uint32()
    dr2r: int = uint32()
    dr4r: int = uint32()
    dr8r: int = uint32()
    odr: int = uint32()
    pur: int = uint32()
    pdr: int = uint32()
    slr: int = uint32()
    den: int = uint32()
    cr: int = uint32()
    amsel: int = uint32(version=2)


@device("gpio-key")
@description("gpio-key", version_id=1, minimum_version_id=1)
class GpioKey(VMState):
    """The timer that releases it."""

    timer_: int = timer(name="timer")
