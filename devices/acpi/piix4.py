"""Power management of the PIIX4, a function of its own on the PC machine.

Facts from QEMU's hw/acpi/piix4.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    array,
    description,
    device,
    fact,
    int64,
    not_,
    struct,
    subsection,
    timer,
    uint16,
    uint32,
)
from vmstate.devices.acpi.cpu_hotplug import CPUHotplug
from vmstate.devices.acpi.memory_hotplug import MemHotplug
from vmstate.devices.acpi.pcihp import AcpiPciHpPciStatus
from vmstate.devices.i2c.pm_smbus import SMBUS_MIGRATED, PMSMBus
from vmstate.devices.isa.apm import APM
from vmstate.devices.pci.device import PCIDevice

ACPI_HOTPLUG_BRIDGE = fact(
    "acpi_hotplug_bridge",
    (True, False),
    advice={
        True: "start the destination with -global PIIX4_PM.acpi-pci-hotplug-with-bridge-support=on",
        False: "start the destination with -global PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off",
    },
)
"""Whether devices behind bridges are plugged through ACPI (`acpi-pci-hotplug-with-bridge-support`)."""

ACPI_INDEX_MIGRATED = fact(
    "acpi_index_migrated",
    (True, False),
    advice={
        True: "start the destination with -global PIIX4_PM.x-not-migrate-acpi-index=off",
        False: "start the destination with -global PIIX4_PM.x-not-migrate-acpi-index=on",
    },
    since=Release(7, 0),
)
"""Whether the index that the guest has asked for is sent (`x-not-migrate-acpi-index` off; machines from 6.2 on)."""


@description("gpe", version_id=1, minimum_version_id=1)
class GPE(VMState):
    """The general-purpose events: status and enable."""

    sts: int = uint16()
    en: int = uint16()


@description("pci_status", version_id=1, minimum_version_id=1)
class RootBusStatus(VMState):
    """The slots of the root bus that were plugged or asked to be unplugged."""

    up_: int = uint32(name="up")
    down: int = uint32()


@description("piix4_pm/memhp", version_id=1, minimum_version_id=1)
class MemhpState(VMState):
    """Memory hotplug; sent where the machine has slots."""

    acpi_memory_hotplug: MemHotplug = struct(MemHotplug, version=1)


@description("piix4_pm/cpuhp", version_id=1, minimum_version_id=1)
class CpuhpState(VMState):
    """Processor hotplug, where it is not the legacy kind."""

    cpuhp_state: CPUHotplug = struct(CPUHotplug, version=1)


@device("piix4_pm", noise={"timer": ("ar.tmr.overflow_time",)})
@description("piix4_pm", version_id=3, minimum_version_id=3)
class PIIX4PM(VMState):
    """The registers."""

    parent_obj: PCIDevice = struct(PCIDevice)
    pm1_evt_sts: int = uint16(name="ar.pm1.evt.sts")
    pm1_evt_en: int = uint16(name="ar.pm1.evt.en")
    pm1_cnt_cnt: int = uint16(name="ar.pm1.cnt.cnt")
    apm: APM = struct(APM)
    smb: PMSMBus | None = struct(PMSMBus, version=3, exists=SMBUS_MIGRATED)
    tmr_timer: int = timer(name="ar.tmr.timer")
    tmr_overflow_time: int = int64(name="ar.tmr.overflow_time")
    gpe: GPE = struct(GPE, name="ar.gpe", version=2)
    pci_status: RootBusStatus | None = struct(
        RootBusStatus, name="acpi_pci_hotplug.acpi_pcihp_pci_status[0x0]", version=2, exists=not_(ACPI_HOTPLUG_BRIDGE)
    )
    hotplug_select: int | None = uint32(name="acpi_pci_hotplug.hotplug_select", exists=ACPI_HOTPLUG_BRIDGE)
    acpi_pcihp_pci_status: list[AcpiPciHpPciStatus] | None = array(
        AcpiPciHpPciStatus, 256, name="acpi_pci_hotplug.acpi_pcihp_pci_status", version=1, exists=ACPI_HOTPLUG_BRIDGE
    )
    acpi_index: int | None = uint32(
        name="acpi_pci_hotplug.acpi_index", exists=ACPI_HOTPLUG_BRIDGE & ACPI_INDEX_MIGRATED
    )
    memhp: MemhpState | None = subsection(MemhpState)
    cpuhp: CpuhpState | None = subsection(CpuhpState)
