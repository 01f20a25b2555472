"""A disk in a CompactFlash slot of Intel's PXA2xx boards (Microdrive).

Facts from QEMU's hw/ide/microdrive.c as it was up to 9.1.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint8, uint16
from vmstate.devices.ide.core import IDEBus, IDEDrive


@device("microdrive")
@description("microdrive", version_id=3)
class MicroDrive(VMState):
    """Registers of the slot, and the bus with its two drives."""

    opt: int = uint8()
    stat: int = uint8()
    pins: int = uint8()
    ctrl: int = uint8()
    io: int = uint16()
    cycle: int = uint8()
    bus: IDEBus = struct(IDEBus, version=1)
    bus_ifs: list[IDEDrive] = array(IDEDrive, 2, name="bus.ifs", version=3)
