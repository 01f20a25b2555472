"""The lights, switches and counters of Arm's MPS2 and MPS3.

Facts from QEMU's hw/misc/mps2-fpgaio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int64, part, subsection, uint32


@part(
    noise={
        "timer": (
            "counter",
            "pscntr",
            "pscntr_sync_ticks",
        )
    }
)
@description("mps2-fpgaio/counters", version_id=2, minimum_version_id=2)
class Counters(VMState):
    """The counters, which 5.2 sends beside the registers."""

    clk1hz_tick_offset: int = int64()
    clk100hz_tick_offset: int = int64()
    counter: int = uint32()
    pscntr: int = uint32()
    pscntr_sync_ticks: int = int64()


@device(
    "mps2-fpgaio",
    noise={
        "timer": (
            "counter",
            "pscntr",
            "pscntr_sync_ticks",
        )
    },
)
@description("mps2-fpgaio", version_id=3, minimum_version_id=3)
class Mps2Fpgaio(VMState):
    """Registers, and the counters with the time at which they were looked at."""

    led0: int = uint32()
    prescale: int = uint32()
    misc: int = uint32()
    dbgctrl: int = uint32()
    clk1hz_tick_offset: int = int64()
    clk100hz_tick_offset: int = int64()
    counter: int = uint32()
    pscntr: int = uint32()
    pscntr_sync_ticks: int = int64()


@device("mps2-fpgaio", order=1)
@description("mps2-fpgaio", version_id=1, minimum_version_id=1)
class Mps2FpgaioUpTo5_2(VMState):
    """The registers up to 5.2, with the counters in a subsection."""

    led0: int = uint32()
    prescale: int = uint32()
    misc: int = uint32()
    counters: Counters | None = subsection(Counters)
