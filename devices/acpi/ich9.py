"""Power management of the ICH9, inside its LPC bridge.

Facts from QEMU's hw/acpi/ich9.c.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    Release,
    VMState,
    array,
    description,
    int64,
    known_since,
    part,
    struct,
    subsection,
    timer,
    uint8,
    uint16,
    uint32,
)
from vmstate.devices.acpi.cpu_hotplug import CPUHotplug
from vmstate.devices.acpi.memory_hotplug import MemHotplug
from vmstate.devices.acpi.pcihp import AcpiPciHpPciStatus
from vmstate.devices.acpi.tco import TCOIORegs


@description("ich9_pm/memhp", version_id=1, minimum_version_id=1)
class MemhpState(VMState):
    """Memory hotplug; sent where the machine has slots."""

    acpi_memory_hotplug: MemHotplug = struct(MemHotplug, version=1)


@description("ich9_pm/tco", version_id=1, minimum_version_id=1)
class TCOIOState(VMState):
    """The watchdog."""

    tco_regs: TCOIORegs = struct(TCOIORegs, version=1)


@description("ich9_pm/cpuhp", version_id=1, minimum_version_id=1)
class CpuhpState(VMState):
    """Processor hotplug, where it is not the legacy kind."""

    cpuhp_state: CPUHotplug = struct(CPUHotplug, version=1)


@description("ich9_pm/pcihp", version_id=1, minimum_version_id=1, rules=(known_since(Release(6, 1)),))
class PcihpState(VMState):
    """PCI hotplug through ACPI."""

    hotplug_select: int = uint32(name="acpi_pci_hotplug.hotplug_select")
    acpi_pcihp_pci_status: list[AcpiPciHpPciStatus] = array(
        AcpiPciHpPciStatus, 256, name="acpi_pci_hotplug.acpi_pcihp_pci_status", version=1
    )
    acpi_index: int = uint32(name="acpi_pci_hotplug.acpi_index")


@part(noise={"timer": ("acpi_regs.tmr.overflow_time",)})
@description("ich9_pm", version_id=1, minimum_version_id=1)
class ICH9PM(VMState):
    """The registers."""

    pm1_evt_sts: int = uint16(name="acpi_regs.pm1.evt.sts")
    pm1_evt_en: int = uint16(name="acpi_regs.pm1.evt.en")
    pm1_cnt_cnt: int = uint16(name="acpi_regs.pm1.cnt.cnt")
    tmr_timer: int = timer(name="acpi_regs.tmr.timer")
    tmr_overflow_time: int = int64(name="acpi_regs.tmr.overflow_time")
    gpe_sts: list[int] = array(uint8, 16, name="acpi_regs.gpe.sts", private=REGISTERS)
    gpe_en: list[int] = array(uint8, 16, name="acpi_regs.gpe.en", private=REGISTERS)
    smi_en: int = uint32()
    smi_sts: int = uint32()
    memhp: MemhpState | None = subsection(MemhpState)
    tco: TCOIOState | None = subsection(TCOIOState)
    cpuhp: CpuhpState | None = subsection(CpuhpState)
    pcihp: PcihpState | None = subsection(PcihpState)
