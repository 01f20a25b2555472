"""The clocks of Broadcom's BCM2835: loops, their channels, multiplexers.

Facts from QEMU's hw/misc/bcm2835_cprman.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, array_of_pointer, description, device, struct, uint32, variant
from vmstate.devices.core.clock import Clock


@device("bcm2835-cprman")
@description("bcm2835-cprman", version_id=1, minimum_version_id=1)
class Bcm2835Cprman(VMState):
    """Registers of all of them."""

    regs: list[int] = array(uint32, 2048)


@device("bcm2835-cprman-dsi0hsck-mux")
@description("bcm2835-cprman-dsi0hsck-mux", version_id=1, minimum_version_id=1)
class Bcm2835CprmanDsi0hsckMux(VMState):
    """The multiplexer of a display's clock: its two sources."""

    plla_in: Clock = struct(Clock)
    plld_in: Clock = struct(Clock)


@device("bcm2835-cprman-pll")
@description("bcm2835-cprman-pll", version_id=1, minimum_version_id=1)
class Bcm2835CprmanPll(VMState):
    """A phase-locked loop: its source."""

    xosc_in: Clock = struct(Clock)


@device("bcm2835-cprman-pll-channel")
@description("bcm2835-cprman-pll-channel", version_id=1, minimum_version_id=1)
class Bcm2835CprmanPllChannel(VMState):
    """A channel of a phase-locked loop: its source."""

    pll_in: Clock = struct(Clock)


@device("bcm2835-cprman-clock-mux")
@description("bcm2835-cprman-clock-mux", version_id=1, minimum_version_id=1)
class Bcm2835CprmanClockMux(VMState):
    """Which of ten sources a clock comes from: the sources."""

    srcs: list[Clock | None] = array_of_pointer(Clock, 10)


CLOCK_5_2 = variant(Clock, muldiv=None)
BCM2835_CPRMAN_CLOCK_MUX_5_2 = variant(Bcm2835CprmanClockMux, srcs=array_of_pointer(CLOCK_5_2, 10))
"""Of 5.2, whose clocks have no multiplier."""
