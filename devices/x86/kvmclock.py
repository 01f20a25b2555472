"""The clock that KVM gives a guest.

Facts from QEMU's hw/i386/kvm/clock.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, subsection, uint64


@description("kvmclock/clock_is_reliable", version_id=1, minimum_version_id=1)
class ClockIsReliable(VMState):
    """Whether the host's clock is the same for all processors; sent by machines since 2.8."""

    clock_is_reliable: bool = boolean()


@device("kvmclock", listed=False, noise={"timer": ("clock",)})
@description("kvmclock", version_id=1, minimum_version_id=1)
class KVMClock(VMState):
    """The clock in ns."""

    clock: int = uint64()
    is_reliable: ClockIsReliable | None = subsection(ClockIsReliable)
