"""The real-time clock MC146818 with its CMOS memory.

Facts from QEMU's hw/rtc/mc146818rtc.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    buffer,
    description,
    device,
    int64,
    secret,
    subsection,
    this,
    timer,
    uint8,
    uint16,
    uint32,
    uint64,
    unused,
)


@description(
    "mc146818rtc/irq_reinject_on_ack_count",
    version_id=1,
    minimum_version_id=1,
    needed=this.irq_reinject_on_ack_count != 0,
)
class IrqReinjectOnAckCount(VMState):
    """Interrupts to be raised again; sent where there are any."""

    irq_reinject_on_ack_count: int = uint16()


@device(
    "mc146818rtc",
    early_copy="vmstate.devices.early_copies:CLOCK",
    legacy_instances=(0x70,),
    noise={
        "timer": (
            # The registers of the date and the time, what the clock has done since it was asked, and the century.
            ("cmos_data", (0, 10), (0x0C, 0x0D), (0x32, 0x33)),
            "next_periodic_time",
            "base_rtc",
            "last_update",
            "offset",
            "next_alarm_time",
        ),
        "counter": ("irq_coalesced",),
    },
)
@description("mc146818rtc", version_id=3, minimum_version_id=1)
class RTC(VMState):
    """Registers, memory and timers."""

    # Behind 14 registers, whose bits QEMU asserts, is memory; the century is a register again.
    cmos_data: bytes = buffer(128, private=secret("contents", 14, 0x32 - 14) + secret("contents", 0x33, 128 - 0x33))
    cmos_index: int = uint8()
    unused_0: None = unused(28)
    periodic_timer: int = timer()
    next_periodic_time: int = int64()
    unused_1: None = unused(24)
    irq_coalesced: int = uint32(version=2)
    period: int = uint32(version=2)
    base_rtc: int = uint64(version=3)
    last_update: int = uint64(version=3)
    offset: int = int64(version=3)
    update_timer: int = timer(version=3)
    next_alarm_time: int = uint64(version=3)
    irq_reinject_on_ack_count: IrqReinjectOnAckCount | None = subsection(IrqReinjectOnAckCount)
