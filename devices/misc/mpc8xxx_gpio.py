"""The pins of e500 boards.

Facts from QEMU's hw/gpio/mpc8xxx.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("mpc8xxx_gpio")
@description("mpc8xxx_gpio", version_id=1, minimum_version_id=1)
class MPC8XXXGpio(VMState):
    """Their registers."""

    dir: int = uint32()
    odr: int = uint32()
    dat: int = uint32()
    ier: int = uint32()
    imr: int = uint32()
    icr: int = uint32()
