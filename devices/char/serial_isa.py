"""The ISA serial port.

Facts from QEMU's hw/char/serial-isa.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.char.serial import Serial


@device("serial", legacy_instances=(0x3F8, 0x2F8, 0x3E8, 0x2E8))
@description("serial", version_id=3, minimum_version_id=2)
class ISASerial(VMState):
    """The port."""

    state: Serial = struct(Serial)
