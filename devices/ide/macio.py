"""The IDE controller of old Macintoshes.

Facts from QEMU's hw/ide/macio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, struct, uint32
from vmstate.devices.ide.core import IDEBus, IDEDrive


@device("ide", order=1, listed=False)
@description("ide", version_id=5)
class MacIOIDE(VMState):
    """The controller and its two drives."""

    bus: IDEBus = struct(IDEBus, version=1)
    bus_ifs: list[IDEDrive] = array(IDEDrive, 2, name="bus.ifs", version=3)
    dma_active: bool = boolean()
    timing_reg: int = uint32()
    irq_reg: int = uint32()
