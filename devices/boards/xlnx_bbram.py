"""The battery-backed memory of Xilinx's SoCs, with a key.

Facts from QEMU's hw/nvram/xlnx-bbram.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, secret, uint32, variant

KEY = secret("contents", 4, 9)
"""The registers BBRAM_0 to BBRAM_8: a key and what the user stores."""


@device("xlnx.bbram-ctrl", "xlnx,bbram-ctrl")
@description("xlnx.bbram-ctrl", version_id=1, minimum_version_id=1)
class XlnxBbramCtrl(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 20, private=KEY)


XLNX_BBRAM_CTRL_7_2 = variant(XlnxBbramCtrl, "xlnx,bbram-ctrl")
"""The name up to 7.2 at least."""
