"""Arm's second-level cache controller L210 and PL310.

Facts from QEMU's hw/misc/arm_l2x0.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("l2x0")
@description("l2x0", version_id=1, minimum_version_id=1)
class L2x0(VMState):
    """Registers: control, latencies, address filter."""

    ctrl: int = uint32()
    aux_ctrl: int = uint32()
    data_ctrl: int = uint32()
    tag_ctrl: int = uint32()
    filter_start: int = uint32()
    filter_end: int = uint32()
