"""Arm's interrupt controller PL190.

Facts from QEMU's hw/intc/pl190.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, uint8, uint32


@device("pl190")
@description("pl190", version_id=1, minimum_version_id=1)
class Pl190(VMState):
    """Lines, vectors, and the priority that runs."""

    level: int = uint32()
    soft_level: int = uint32()
    irq_enable: int = uint32()
    fiq_select: int = uint32()
    vect_control: list[int] = array(uint8, 16)
    vect_addr: list[int] = array(uint32, 17)
    prio_mask: list[int] = array(uint32, 18)
    protected: int = int32()
    priority: int = int32()
    prev_prio: list[int] = array(int32, 17)
