"""The device that tells a guest the time and of a migration.

Facts from QEMU's hw/acpi/vmclock.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint64


@device("vmclock", models="vmstate.devices.acpi.models:VMCLOCK")
@description("vmclock", version_id=1, minimum_version_id=1)
class VMClock(VMState):
    """The address of the page."""

    physaddr: int = uint64()
