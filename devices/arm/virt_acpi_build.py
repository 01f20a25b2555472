"""The ACPI tables of the Arm virt machine.

Facts from QEMU's hw/arm/virt-acpi-build.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device


@device("virt_acpi_build", listed=False)
@description("virt_acpi_build", version_id=1, minimum_version_id=1)
class VirtAcpiBuild(VMState):
    """Whether the tables were made for what the firmware has set up."""

    patched: bool = boolean()
