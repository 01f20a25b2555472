"""A timer of Nordic's nRF51.

Facts from QEMU's hw/timer/nrf51_timer.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, int64, timer, uint8, uint32


@device(
    "nrf51_soc.timer",
    noise={
        "timer": (
            "timer",
            "timer_start_ns",
            "update_counter_ns",
            "counter",
        )
    },
)
@description("nrf51_soc.timer", version_id=1)
class Nrf51SocTimer(VMState):
    """The count and when it began, events, interrupts, and comparators."""

    timer_: int = timer(name="timer")
    timer_start_ns: int = int64()
    update_counter_ns: int = int64()
    counter: int = uint32()
    running: bool = boolean()
    events_compare: list[int] = array(uint8, 4)
    cc: list[int] = array(uint32, 4)
    shorts: int = uint32()
    inten: int = uint32()
    mode: int = uint32()
    bitmode: int = uint32()
    prescaler: int = uint32()
