"""The Intel 8254 interval timer.

Facts from QEMU's hw/timer/i8254_common.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, int64, part, uint8, uint16, uint32


@part(noise={"timer": ("count_load_time", "next_transition_time", "latched_count")})
@description("pit channel", version_id=2, minimum_version_id=2)
class PITChannel(VMState):
    """One of the three counters."""

    count: int = int32()
    latched_count: int = uint16()
    count_latched: int = uint8()
    status_latched: int = uint8()
    status: int = uint8()
    read_state: int = uint8()
    write_state: int = uint8()
    write_latch: int = uint8()
    rw_mode: int = uint8()
    mode: int = uint8()
    bcd: int = uint8()
    gate: int = uint8()
    count_load_time: int = int64()
    next_transition_time: int = int64()


@device(
    "i8254",
    legacy_instances=(0x40,),
    noise={"timer": ("channels[0].next_transition_time",)},
    early_copy="vmstate.devices.early_copies:CLOCK",
)
@description("i8254", version_id=3, minimum_version_id=2)
class PIT(VMState):
    """The counters; the first raises interrupt 0."""

    channels_0_irq_disabled: int = uint32(name="channels[0].irq_disabled", version=3)
    channels: list[PITChannel] = array(PITChannel, 3, version=2)
    channels_0_next_transition_time: int = int64(name="channels[0].next_transition_time")
