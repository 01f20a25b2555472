"""What tells a guest that it is another than it was: the generation identifier, and the clock.

Facts from QEMU's hw/acpi/vmgenid.c and hw/acpi/vmclock.c.
"""

from __future__ import annotations

from vmstate.declare import REGISTERS, VMState, array, description, device, uint8, uint64


@device("vmgenid", models="vmstate.devices.acpi.models:VMGENID")
@description("vmgenid", version_id=1, minimum_version_id=1)
class VmGenId(VMState):
    """Where firmware has put the identifier: an address, little-endian."""

    vmgenid_addr_le: list[int] = array(uint8, 8, private=REGISTERS)


@device("vmclock", models="vmstate.devices.acpi.models:VMCLOCK")
@description("vmclock", version_id=1, minimum_version_id=1)
class VMClock(VMState):
    """The address of the page."""

    physaddr: int = uint64()
