"""System control port A: the fast A20 gate and reset.

Facts from QEMU's hw/isa/port92.c, hw/i386/port92.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8


@device("port92", early_copy="vmstate.devices.early_copies:STANDS")
@description("port92", version_id=1, minimum_version_id=1)
class Port92(VMState):
    """The output port."""

    outport: int = uint8()
