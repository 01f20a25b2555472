"""The timer of OpenTitan's Ibex.

Facts from QEMU's hw/timer/ibex_timer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("ibex-timer")
@description("ibex-timer", version_id=2, minimum_version_id=2)
class IbexTimer(VMState):
    """Registers: control, what is compared with, and interrupts."""

    timer_ctrl: int = uint32()
    timer_cfg0: int = uint32()
    timer_compare_lower0: int = uint32()
    timer_compare_upper0: int = uint32()
    timer_intr_enable: int = uint32()
    timer_intr_state: int = uint32()
