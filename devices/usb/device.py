"""What every USB device has.

Facts from QEMU's hw/usb/bus.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, int32, uint8


@description("USBDevice", version_id=1, minimum_version_id=1)
class USBDevice(VMState):
    """Address, state, and the control transfer that is under way."""

    addr: int = uint8()
    state: int = int32()
    remote_wakeup: int = int32()
    setup_state: int = int32()
    setup_len: int = int32()
    setup_index: int = int32()
    setup_buf: list[int] = array(uint8, 8)
