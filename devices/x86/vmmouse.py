"""The mouse of the VMware backdoor.

Facts from QEMU's hw/i386/vmmouse.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, int32_equal, uint8, uint16, uint32


@device("vmmouse", models="vmstate.devices.misc.models:VMMOUSE", early_copy="vmstate.devices.early_copies:STANDS")
@description("vmmouse")
class VMMouse(VMState):
    """Events that wait for the guest."""

    queue_size: int = int32_equal()
    queue: list[int] = array(uint32, 1024, private=CONTENTS)
    nb_queue: int = uint16()
    status: int = uint16()
    absolute: int = uint8()
