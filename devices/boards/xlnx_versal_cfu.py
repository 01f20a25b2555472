"""The configuration frame unit of Xilinx's Versal.

Facts from QEMU's hw/misc/xlnx-versal-cfu.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, struct, uint8, uint32, variant, vbuffer
from vmstate.devices.core.fifo8 import Fifo8


@device("xlnx-versal-cfu-apb")
@description("xlnx-versal-cfu-apb", version_id=1, minimum_version_id=1)
class XlnxVersalCfuApb(VMState):
    """Registers, a write of 128 bits, and the row it goes to."""

    wfifo: list[int] = array(uint32, 4, private=CONTENTS)
    regs: list[int] = array(uint32, 72)
    fdri_row_addr: int = uint8()


@device("xlnx-versal-cfu-sfr")
@description("xlnx-versal-cfu-sfr", version_id=1, minimum_version_id=1)
class XlnxVersalCfuSfr(VMState):
    """A write of 128 bits."""

    wfifo: list[int] = array(uint32, 4, private=CONTENTS)


FDRO_FIFO = variant(Fifo8, data=vbuffer(8192))


@device("xlnx-versal-cfu-fdro")
@description("xlnx-versal-cfu-fdro", version_id=1, minimum_version_id=1)
class XlnxVersalCfuFdro(VMState):
    """What was read of the frames and not yet fetched."""

    fdro_data: Fifo8 = struct(FDRO_FIFO, name="fdro_data.fifo")
