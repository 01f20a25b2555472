"""The ICH9 LPC bridge of the Q35 machine.

Facts from QEMU's hw/isa/lpc_ich9.c.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    VMState,
    array,
    description,
    device,
    struct,
    subsection,
    this,
    uint8,
    uint32,
    uint64,
)
from vmstate.devices.acpi.ich9 import ICH9PM
from vmstate.devices.isa.apm import APM
from vmstate.devices.pci.device import PCIDevice


@description("ICH9LPC/rst_cnt", version_id=1, minimum_version_id=1, needed=this.rst_cnt != 0)
class RstCnt(VMState):
    """The reset control register; sent where it is not 0."""

    rst_cnt: int = uint8()


@description("ICH9LPC/smi_feat", version_id=1, minimum_version_id=1)
class SmiFeat(VMState):
    """The SMI features that firmware has negotiated; sent where it has."""

    smi_guest_features_le: list[int] = array(uint8, 8, private=REGISTERS)
    smi_features_ok: int = uint8()
    smi_negotiated_features: int = uint64()


@device("ICH9LPC", early_copy="vmstate.devices.early_copies:LPC")
@description("ICH9LPC", version_id=1, minimum_version_id=1)
class ICH9LPC(VMState):
    """The LPC bridge, with power management."""

    d: PCIDevice = struct(PCIDevice)
    apm: APM = struct(APM)
    pm: ICH9PM = struct(ICH9PM)
    chip_config: list[int] = array(uint8, 16384, private=REGISTERS)
    sci_level: int = uint32()
    rst_cnt: RstCnt | None = subsection(RstCnt)
    smi_feat: SmiFeat | None = subsection(SmiFeat)
