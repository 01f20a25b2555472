"""Cadence's triple timer counter, of Xilinx's SoCs.

Facts from QEMU's hw/timer/cadence_ttc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, part, uint16, uint32


@part(noise={"timer": ("reg_value",), "interrupt": ("reg_intr",)})
@description("cadence_timer", version_id=1, minimum_version_id=1)
class CadenceTimer(VMState):
    """A timer: clock, count, interval, matches, interrupts."""

    reg_clock: int = uint32()
    reg_count: int = uint32()
    reg_value: int = uint32()
    reg_interval: int = uint16()
    reg_match: list[int] = array(uint16, 3)
    reg_intr: int = uint32()
    reg_intr_en: int = uint32()
    reg_event_ctrl: int = uint32()
    reg_event: int = uint32()


@device("cadence_TTC")
@description("cadence_TTC", version_id=1, minimum_version_id=1)
class CadenceTTC(VMState):
    """The three timers."""

    timer_: list[CadenceTimer] = array(CadenceTimer, 3, name="timer")
