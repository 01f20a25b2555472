"""The display controller of NXP's i.MX 6UL.

Facts from the streams and the descriptions of QEMU 11.1.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, timer, uint32


@device("imx6ul-lcdif", noise={"timer": ("frame_timer",)})
@description("imx6ul-lcdif", version_id=1, minimum_version_id=1)
class IMX6ULLcdif(VMState):
    """Registers, and when the next frame is drawn."""

    regs: list[int] = array(uint32, 36)
    frame_timer: int = timer()
