"""The ACPI tables of x86 machines.

Facts from QEMU's hw/i386/acpi-build.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8


@device("acpi_build", listed=False, early_copy="vmstate.devices.early_copies:STANDS")
@description("acpi_build", version_id=1, minimum_version_id=1)
class AcpiBuild(VMState):
    """Whether the tables were made for what the firmware has set up."""

    patched: int = uint8()
