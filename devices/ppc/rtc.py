"""The clock of a `pseries` machine.

Facts from QEMU's hw/ppc/spapr_rtc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int64


@device("spapr/rtc")
@description("spapr/rtc", version_id=1, minimum_version_id=1)
class RTC(VMState):
    """Nanoseconds by which the guest's clock is ahead of the host's."""

    ns_offset: int = int64()
