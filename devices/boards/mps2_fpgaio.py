"""A controller of Arm's MPS2: mps2-fpgaio.

Facts from QEMU's hw/misc/mps2-fpgaio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int64, uint32


@device("mps2-fpgaio")
@description("mps2-fpgaio", version_id=3, minimum_version_id=3)
class Mps2Fpgaio(VMState):
    """A controller of Arm's MPS2."""

    led0: int = uint32()
    prescale: int = uint32()
    misc: int = uint32()
    dbgctrl: int = uint32()
    clk1hz_tick_offset: int = int64()
    clk100hz_tick_offset: int = int64()
    counter: int = uint32()
    pscntr: int = uint32()
    pscntr_sync_ticks: int = int64()
