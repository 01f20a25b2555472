"""The super I/O chip of `40p`.

Facts from QEMU's hw/isa/pc87312.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8


@device("pc87312")
@description("pc87312", version_id=1, minimum_version_id=1)
class PC87312(VMState):
    """Its registers, the one that is chosen, and how far its identification was read."""

    read_id_step: int = uint8()
    selected_index: int = uint8()
    regs: list[int] = array(uint8, 3)
