"""The Intel 82801AA AC97 controller.

Facts from QEMU's hw/audio/ac97.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    buffer,
    description,
    device,
    struct,
    uint8,
    uint16,
    uint32,
    unused,
    version_id,
)
from vmstate.devices.pci.device import PCIDevice


@description("ac97_bm_regs", version_id=1, minimum_version_id=1)
class BusMaster(VMState):
    """A bus master."""

    bdbar: int = uint32()
    civ: int = uint8()
    lvi: int = uint8()
    sr: int = uint16()
    picb: int = uint16()
    piv: int = uint8()
    cr: int = uint8()
    bd_valid: int = uint32()
    bd_addr: int = uint32(name="bd.addr")
    bd_ctl_len: int = uint32(name="bd.ctl_len")


@device("ac97", models="vmstate.devices.audio.models:AC97")
@description("ac97", version_id=3, minimum_version_id=2)
class AC97(VMState):
    """Registers and the mixer."""

    dev: PCIDevice = struct(PCIDevice)
    glob_cnt: int = uint32()
    glob_sta: int = uint32()
    cas: int = uint32()
    bm_regs: list[BusMaster] = array(BusMaster, 3, version=1)
    mixer_data: bytes = buffer(256)
    unused_0: None = unused(3, exists=version_id == 2)
