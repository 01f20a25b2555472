"""Interrupt lines that are joined to one.

Facts from QEMU's hw/core/or-irq.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, fact, sub_array, subsection, varray

LINES = fact("or_irq_lines", tuple(range(16, 49)))
"""How many lines are joined, where it is 16 or more."""


@description("or-irq-extras", version_id=1, minimum_version_id=1)
class OrIRQExtras(VMState):
    """All lines; sent where there are 16 or more."""

    levels: list[bool] = varray(boolean, count=LINES)


@device("or-irq")
@description("or-irq", version_id=1, minimum_version_id=1)
class OrIRQ(VMState):
    """The levels of the first 16 lines."""

    levels: list[bool] = sub_array(boolean, 0, 16)
    extras: OrIRQExtras | None = subsection(OrIRQExtras)
