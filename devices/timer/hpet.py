"""The high-precision event timer.

Facts from QEMU's hw/timer/hpet.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    description,
    device,
    equal,
    otherwise,
    part,
    subsection,
    this,
    timer,
    uint8,
    uint64,
    validate,
    variant,
    varray,
)

# Up to 9.2 the destination takes over the number of the source.
SAME_TIMERS = equal(
    "hpet-timers",
    "num_timers_save",
    "the source has {value} timers, the destination {local}",
    since=Release(10, 0),
    qemu_error="Input validation failed: hpet/num_timers must match",
    advice="give both sides the same number of timers (-global hpet.timers=)",
)


@description("hpet/rtc_irq_level", version_id=1, minimum_version_id=1, needed=this.rtc_irq_level != 0)
class RtcIrqLevel(VMState):
    """The level of the real-time clock's interrupt, which passes through; sent where it is not 0."""

    rtc_irq_level: int = uint8()


@part(noise={"timer": ("hpet_offset",)})
@description("hpet/offset", version_id=1, minimum_version_id=1)
class Offset(VMState):
    """What the counter is ahead of the virtual clock, in nanoseconds."""

    hpet_offset: int = uint64()


@part(noise={"timer": ("cmp", "wrap_flag")})
@description("hpet_timer", version_id=1, minimum_version_id=1)
class HPETTimer(VMState):
    """One comparator."""

    tn: int = uint8()
    config: int = uint64()
    cmp: int = uint64()
    fsb: int = uint64()
    period: int = uint64()
    wrap_flag: int = uint8()
    qemu_timer: int = timer()


@device(
    "hpet", noise={"timer": ("hpet_counter",), "interrupt": ("isr",)}, early_copy="vmstate.devices.early_copies:CLOCK"
)
@description("hpet", version_id=2, minimum_version_id=2)
class HPET(VMState):
    """Registers and comparators."""

    config: int = uint64()
    isr: int = uint64()
    hpet_counter: int = uint64()
    num_timers_save: int = uint8(rules=(SAME_TIMERS,))
    valid_num_timers_must_match: None = validate(
        (this.num_timers_save >= 3) & (this.num_timers_save <= 32), name="num_timers must match"
    )
    timer_: list[HPETTimer] = varray(HPETTimer, count=this.num_timers_save, name="timer")
    rtc_irq_level: RtcIrqLevel | None = subsection(RtcIrqLevel)
    offset: Offset | None = subsection(Offset)


HPET_9_2 = variant(
    HPET,
    None,
    None,
    1,
    num_timers_save=uint8(name="num_timers", version=2, rules=(SAME_TIMERS,)),
    valid_num_timers_must_match=validate(
        (this.num_timers_save >= 3) & (this.num_timers_save <= 32), name="num_timers in range", version=2
    ),
    timer_=varray(HPETTimer, count=otherwise(this.num_timers_save, 3), name="timer"),
)
"""Up to 9.2, which took version 1, without the number: three. In 10.0 the number that did not come never matches."""
