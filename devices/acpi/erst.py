"""The ACPI error-record serialization table.

Facts from QEMU's hw/acpi/erst.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8, uint32, uint64


@device("acpi-erst", models="vmstate.devices.acpi.models:ERST")
@description("acpi-erst", version_id=1, minimum_version_id=1)
class ERST(VMState):
    """The operation that is under way. The records are on disk."""

    operation: int = uint8()
    busy_status: int = uint8()
    command_status: int = uint8()
    record_offset: int = uint32()
    reg_action: int = uint64()
    reg_value: int = uint64()
    record_identifier: int = uint64()
    next_record_index: int = uint32()
