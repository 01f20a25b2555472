"""An ISA IDE controller.

Facts from QEMU's hw/ide/isa.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct
from vmstate.devices.ide.core import IDEBus, IDEDrive


@device("isa-ide", models="vmstate.devices.ide.models:ISA_IDE", listed=False)
@description("isa-ide", version_id=3)
class ISAIDE(VMState):
    """The bus and its two drives."""

    bus: IDEBus = struct(IDEBus, version=1)
    bus_ifs: list[IDEDrive] = array(IDEDrive, 2, name="bus.ifs", version=3)
