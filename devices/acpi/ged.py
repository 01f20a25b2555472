"""The generic event device, which tells guests without a chipset of hotplug.

Facts from QEMU's hw/acpi/generic_event_device.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    array,
    description,
    device,
    known_since,
    struct,
    subsection,
    this,
    uint32,
    uint64,
)
from vmstate.devices.acpi.cpu_hotplug import CPUHotplug
from vmstate.devices.acpi.memory_hotplug import MemHotplug
from vmstate.devices.acpi.pcihp import AcpiPciHpPciStatus


@description("acpi-ged/memhp", version_id=1, minimum_version_id=1)
class MemhpState(VMState):
    """Memory hotplug."""

    memhp_state: MemHotplug = struct(MemHotplug, version=1)


@description("acpi-ged/cpuhp", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 2)),))
class CpuhpState(VMState):
    """Processor hotplug."""

    cpuhp_state: CPUHotplug = struct(CPUHotplug, version=1)


@description("acpi-ged-state", version_id=1, minimum_version_id=1)
class GedState(VMState):
    """The events that wait for the guest."""

    sel: int = uint32()


@description("acpi-ghes", version_id=1, minimum_version_id=1)
class Ghes(VMState):
    """Where firmware has put the hardware-error table."""

    hw_error_le: int = uint64()


@description("acpi-ged/ghes", version_id=1, minimum_version_id=1, needed=this.ghes_state.hw_error_le != 0)
class GhesState(VMState):
    """Hardware errors; sent where firmware has set up the table."""

    ghes_state: Ghes = struct(Ghes, version=1)


@description("acpi-ged/pcihp", version_id=1, minimum_version_id=1, rules=(known_since(Release(10, 1)),))
class PcihpState(VMState):
    """PCI hotplug through ACPI."""

    hotplug_select: int = uint32(name="pcihp_state.hotplug_select")
    acpi_pcihp_pci_status: list[AcpiPciHpPciStatus] = array(
        AcpiPciHpPciStatus, 256, name="pcihp_state.acpi_pcihp_pci_status", version=1
    )
    acpi_index: int = uint32(name="pcihp_state.acpi_index")


@description("acpi-hest", version_id=1, minimum_version_id=1)
class Hest(VMState):
    """Where firmware has put the error-source table."""

    hest_addr_le: int = uint64()


@description(
    "acpi-ged/hest",
    version_id=1,
    minimum_version_id=1,
    needed=this.ghes_state.hest_addr_le != 0,
    rules=(known_since(Release(10, 2)),),
)
class HestState(VMState):
    """Error sources; sent where firmware has set up the table."""

    ghes_state: Hest = struct(Hest, version=1)


@device("acpi-ged")
@description("acpi-ged", version_id=1, minimum_version_id=1)
class AcpiGed(VMState):
    """The generic event device."""

    ged_state: GedState = struct(GedState, version=1)
    memhp: MemhpState | None = subsection(MemhpState)
    cpuhp: CpuhpState | None = subsection(CpuhpState)
    ghes: GhesState | None = subsection(GhesState)
    pcihp: PcihpState | None = subsection(PcihpState)
    hest: HestState | None = subsection(HestState)
