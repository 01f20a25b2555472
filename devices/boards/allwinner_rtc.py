"""The real-time clock of Allwinner's SoCs.

Facts from QEMU's hw/rtc/allwinner-rtc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("allwinner-rtc")
@description("allwinner-rtc", version_id=1, minimum_version_id=1)
class AllwinnerRtc(VMState):
    """Registers, some of them for whatever the guest keeps."""

    regs: list[int] = array(uint32, 128)
