"""ACPI hotplug of PCI devices: the state of one bus.

Facts from QEMU's hw/acpi/pcihp.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, uint32

ACPI_PCIHP_MAX_HOTPLUG_BUS = 256


@description("acpi_pcihp_pci_status", version_id=1, minimum_version_id=1)
class AcpiPciHpPciStatus(VMState):
    """The slots of one bus that were plugged or asked to be unplugged."""

    up_: int = uint32(name="up")
    down: int = uint32()
