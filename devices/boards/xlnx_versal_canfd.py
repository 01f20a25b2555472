"""A network card of Xilinx's SoCs: xlnx.versal-canfd.

Facts from QEMU's hw/net/can/xlnx-versal-canfd.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.core.ptimer import Ptimer


@device("xlnx.versal-canfd")
@description("xlnx.versal-canfd", version_id=1, minimum_version_id=1)
class XlnxVersalCanfd(VMState):
    """A network card of Xilinx's SoCs."""

    regs: list[int] = array(uint32, 5312)
    canfd_timer: Ptimer = struct(Ptimer, version=1)
