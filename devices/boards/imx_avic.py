"""The interrupt controller of NXP's i.MX 25 and i.MX 31.

Facts from QEMU's hw/intc/imx_avic.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32, uint64


@device("imx.avic")
@description("imx.avic", version_id=1, minimum_version_id=1)
class ImxAvic(VMState):
    """What is pending and enabled, what goes to the fast interrupt, and priorities."""

    pending: int = uint64()
    enabled: int = uint64()
    is_fiq: int = uint64()
    intcntl: int = uint32()
    intmask: int = uint32()
    prio: list[int] = array(uint32, 8)
