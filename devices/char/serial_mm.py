"""The memory-mapped serial port, which has the idstr of the ISA one.

Facts from QEMU's hw/char/serial-mm.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct
from vmstate.devices.char.serial import Serial


@device("serial")
@description("serial", version_id=3, minimum_version_id=2)
class MMSerial(VMState):
    """The port."""

    serial: Serial = struct(Serial)
