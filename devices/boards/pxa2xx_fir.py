"""The infrared port of Intel's PXA2xx.

Facts from QEMU's hw/arm/pxa2xx.c as it was up to 9.1.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, uint8, uint32


@device("pxa2xx-fir")
@description("pxa2xx-fir", version_id=1, minimum_version_id=1)
class PXA2xxFIr(VMState):
    """Registers, and the bytes received."""

    enable: int = uint32()
    control: list[int] = array(uint8, 3)
    status: list[int] = array(uint8, 2)
    rx_len: int = uint32()
    rx_start: int = uint32()
    rx_fifo: list[int] = array(uint8, 64, private=CONTENTS)
