"""The configuration frames of Xilinx's Versal.

Facts from QEMU's hw/misc/xlnx-versal-cframe-reg.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    boolean,
    description,
    device,
    gtree,
    struct,
    uint32,
    variant,
    vbuffer,
)
from vmstate.devices.core.fifo8 import Fifo8


@device("xlnx.cframe-bcast-reg")
@description("xlnx.cframe-bcast-reg", version_id=1, minimum_version_id=1)
class XlnxCframeBcastReg(VMState):
    """A write to all rows, of 128 bits."""

    wfifo: list[int] = array(uint32, 4)


FRAME_FIFO = variant(Fifo8, data=vbuffer(400))


@description("cframe", version_id=1, minimum_version_id=1)
class CFrame(VMState):
    """A frame of configuration: 25 times 128 bits."""

    data: list[int] = array(uint32, 100, private=CONTENTS)


@device("xlnx-cframe-reg")
@description("xlnx-cframe-reg", version_id=1, minimum_version_id=1)
class XlnxVersalCFrameReg(VMState):
    """A row of frames: registers, the frames by their address, and the frame that is being written."""

    wfifo: list[int] = array(uint32, 4, private=CONTENTS)
    regs: list[int] = array(uint32, 144)
    rowon: bool = boolean()
    wcfg: bool = boolean()
    rcfg: bool = boolean()
    cframes: list[tuple[int, CFrame]] = gtree(CFrame, version=1)
    new_f_data: Fifo8 = struct(FRAME_FIFO, name="new_f_data.fifo")
