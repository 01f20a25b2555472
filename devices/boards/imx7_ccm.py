"""The clock controller of NXP's i.MX 7.

Facts from QEMU's hw/misc/imx7_ccm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("imx7.analog")
@description("imx7.analog", version_id=1, minimum_version_id=1)
class Imx7Analog(VMState):
    """Registers of the analogue part and of its power management."""

    analog: list[int] = array(uint32, 513)
    pmu: list[int] = array(uint32, 80)


@device("imx7.ccm")
@description("imx7.ccm", version_id=1, minimum_version_id=1)
class Imx7Ccm(VMState):
    """Registers."""

    ccm: list[int] = array(uint32, 12161)
