"""The clock controller of Nuvoton's NPCM7xx and NPCM8xx.

Facts from QEMU's hw/misc/npcm_clk.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, array_of_pointer, description, device, int64, struct, uint32
from vmstate.devices.core.clock import Clock


@device("npcm-clk")
@description("npcm-clk", version_id=3, minimum_version_id=3)
class NpcmClk(VMState):
    """Registers, the time of the last reset in ns, and the clock it has."""

    regs: list[int] = array(uint32, 49)
    ref_ns: int = int64()
    clkref: Clock = struct(Clock)


@device("npcm7xx-clock-divider")
@description("npcm7xx-clock-divider")
class Npcm7xxClockDivider(VMState):
    """A divider: its source."""

    clock_in: Clock = struct(Clock)


@device("npcm7xx-clock-pll")
@description("npcm7xx-clock-pll")
class Npcm7xxClockPll(VMState):
    """A phase-locked loop: its source."""

    clock_in: Clock = struct(Clock)


@device("npcm7xx-clock-sel")
@description("npcm7xx-clock-sel")
class Npcm7xxClockSel(VMState):
    """A selector: the five clocks that it chooses from."""

    clock_in: list[Clock | None] = array_of_pointer(Clock, 5)
