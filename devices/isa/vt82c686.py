"""The south bridges of VIA, of the boards of Pegasos and AmigaOne.

Facts from QEMU's hw/isa/vt82c686.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int64, struct, timer, uint16
from vmstate.devices.isa.apm import APM
from vmstate.devices.pci.device import PCIDevice


@device("via-isa")
@description("via-isa", version_id=1, minimum_version_id=1)
class ViaISA(VMState):
    """The bridge."""

    dev: PCIDevice = struct(PCIDevice)


@device("vt82c686b_pm")
@description("vt82c686b_pm", version_id=1, minimum_version_id=1)
class ViaPM(VMState):
    """Power management."""

    dev: PCIDevice = struct(PCIDevice)
    pm1_evt_sts: int = uint16(name="ar.pm1.evt.sts")
    pm1_evt_en: int = uint16(name="ar.pm1.evt.en")
    pm1_cnt_cnt: int = uint16(name="ar.pm1.cnt.cnt")
    apm: APM = struct(APM)
    tmr_timer: int = timer(name="ar.tmr.timer")
    tmr_overflow_time: int = int64(name="ar.tmr.overflow_time")
