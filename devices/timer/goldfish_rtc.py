"""The Goldfish real-time clock.

Facts from QEMU's hw/rtc/goldfish_rtc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32, uint64, variant


@device("goldfish_rtc", noise={"timer": ("tick_offset_vmstate", "tick_offset")})
@description("goldfish_rtc", version_id=3)
class GoldfishRTC(VMState):
    """Registers."""

    tick_offset_vmstate: int = uint64()
    alarm_next: int = uint64()
    alarm_running: int = uint32()
    irq_pending: int = uint32()
    irq_enabled: int = uint32()
    time_high: int = uint32()
    tick_offset: int | None = uint64(version=3)


GOLDFISH_RTC_5_2 = variant(GoldfishRTC, None, 2, tick_offset=None)
"""Of 5.2."""
