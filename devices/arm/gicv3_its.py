"""The interrupt translation service of Arm's GICv3.

Facts from QEMU's hw/intc/arm_gicv3_its_common.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32, uint64


@device("arm_gicv3_its")
@description("arm_gicv3_its")
class GICv3ITS(VMState):
    """Registers; the tables are in guest memory."""

    ctlr: int = uint32()
    iidr: int = uint32()
    cbaser: int = uint64()
    cwriter: int = uint64()
    creadr: int = uint64()
    baser: list[int] = array(uint64, 8)
