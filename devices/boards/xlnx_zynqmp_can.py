"""The CAN controller of Xilinx's Zynq UltraScale+.

Facts from QEMU's hw/net/can/xlnx-zynqmp-can.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32, variant, vbuffer
from vmstate.devices.core.fifo8 import Fifo8
from vmstate.devices.core.ptimer import Ptimer

FIFO = variant(Fifo8, data=vbuffer(1024))
HIGH_PRIORITY_FIFO = variant(Fifo8, data=vbuffer(16))


@device("xlnx.zynqmp-can")
@description("xlnx.zynqmp-can", version_id=1, minimum_version_id=1)
class XlnxZynqMPCAN(VMState):
    """Messages received and to be sent, registers, and the timer that stamps messages."""

    rx_fifo: Fifo8 = struct(FIFO, name="rx_fifo.fifo")
    tx_fifo: Fifo8 = struct(FIFO, name="tx_fifo.fifo")
    txhpb_fifo: Fifo8 = struct(HIGH_PRIORITY_FIFO, name="txhpb_fifo.fifo")
    regs: list[int] = array(uint32, 33)
    can_timer: Ptimer = struct(Ptimer, version=1)
