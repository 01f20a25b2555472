"""The TEWS TPCI200 carrier of IndustryPack modules.

Facts from QEMU's hw/ipack/tpci200.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, struct, uint8, uint16
from vmstate.devices.pci.device import PCIDevice


@device("tpci200", models="vmstate.devices.misc.models:TPCI200")
@description("tpci200", version_id=1, minimum_version_id=1)
class TPCI200(VMState):
    """The carrier."""

    dev: PCIDevice = struct(PCIDevice)
    big_endian: list[bool] = array(boolean, 3)
    ctrl: list[int] = array(uint8, 4)
    status: int = uint16()
    int_set: int = uint8()
