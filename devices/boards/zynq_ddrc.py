"""The memory controller of Xilinx's Zynq.

Facts from the streams and the descriptions of QEMU 11.1.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint32


@device("zynq_ddrc")
@description("zynq_ddrc", version_id=1, minimum_version_id=1)
class ZynqDdrc(VMState):
    """Registers."""

    reg: list[int] = array(uint32, 256)
