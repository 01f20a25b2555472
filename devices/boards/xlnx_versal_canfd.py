"""The CAN FD controller of Xilinx's Versal.

Facts from QEMU's hw/net/can/xlnx-versal-canfd.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, struct, uint32
from vmstate.devices.core.ptimer import Ptimer


@device("xlnx.versal-canfd")
@description("xlnx.versal-canfd", version_id=1, minimum_version_id=1)
class XlnxVersalCanfd(VMState):
    """Registers with the messages, and the timer that stamps these."""

    regs: list[int] = array(uint32, 5312, private=CONTENTS)
    canfd_timer: Ptimer = struct(Ptimer, version=1)
