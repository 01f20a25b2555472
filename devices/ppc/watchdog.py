"""The watchdogs of a `pseries` machine.

Facts from QEMU's hw/watchdog/spapr_watchdog.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, timer, uint8


@device("spapr_watchdog")
@description("spapr_watchdog", version_id=1, minimum_version_id=1)
class Watchdog(VMState):
    """When it ends its patience, what it does then, and whether the others go on."""

    timer: int = timer()
    action: int = uint8()
    leave_others: int = uint8()
