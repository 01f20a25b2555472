"""The firmware configuration device.

Facts from QEMU's hw/nvram/fw_cfg.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, subsection, uint16, uint32, uint64, version_id


@description("fw_cfg/dma")
class FwCfgDma(VMState):
    """The address of a DMA command; sent where the interface has DMA."""

    dma_addr: int = uint64()


@description("fw_cfg/acpi_mr", version_id=1, minimum_version_id=1)
class FwCfgAcpiMr(VMState):
    """Sizes of the ACPI tables; sent where they are no multiple of the page size."""

    table_mr_size: int = uint64()
    linker_mr_size: int = uint64()
    rsdp_mr_size: int = uint64()


@device("fw_cfg", early_copy="vmstate.devices.early_copies:FW_CFG")
@description("fw_cfg", version_id=2, minimum_version_id=1)
class FwCfg(VMState):
    """The selected entry and the position in it."""

    cur_entry: int = uint16()
    cur_offset_v1: int | None = uint16(name="cur_offset", exists=version_id == 1)
    cur_offset: int = uint32(version=2)
    dma: FwCfgDma | None = subsection(FwCfgDma)
    acpi_mr: FwCfgAcpiMr | None = subsection(FwCfgAcpiMr)
