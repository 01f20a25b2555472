"""The analogue part of the clock controller of NXP's i.MX 8M.

Facts from QEMU's hw/misc/imx8mp_analog.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx8mp.analog")
@description("imx8mp.analog", version_id=1, minimum_version_id=1)
class Imx8mpAnalog(VMState):
    """Registers."""

    analog: list[int] = array(uint32, 513)
