"""The generation identifier of a virtual machine.

Facts from QEMU's hw/acpi/vmgenid.c.
"""

from __future__ import annotations

from vmstate.declare import REGISTERS, VMState, array, description, device, uint8


@device("vmgenid", models="vmstate.devices.acpi.models:VMGENID")
@description("vmgenid", version_id=1, minimum_version_id=1)
class VmGenId(VMState):
    """Where firmware has put the identifier: an address, little-endian."""

    vmgenid_addr_le: list[int] = array(uint8, 8, private=REGISTERS)
