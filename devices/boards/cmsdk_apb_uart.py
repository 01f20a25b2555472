"""The serial port of Arm's Cortex-M System Design Kit.

Facts from QEMU's hw/char/cmsdk-apb-uart.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, uint8, uint32


@device("cmsdk-apb-uart")
@description("cmsdk-apb-uart", version_id=1, minimum_version_id=1)
class CmsdkApbUart(VMState):
    """Registers, and a byte each way."""

    state: int = uint32()
    ctrl: int = uint32()
    intstatus: int = uint32()
    bauddiv: int = uint32()
    txbuf: int = uint8(private=CONTENTS)
    rxbuf: int = uint8(private=CONTENTS)
