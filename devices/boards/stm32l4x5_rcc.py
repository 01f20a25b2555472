"""The clock controller of ST's STM32L4.

Facts from QEMU's hw/misc/stm32l4x5_rcc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, array_of_pointer, boolean, description, device, struct, uint32
from vmstate.devices.core.clock import Clock


@device("stm32l4x5-rcc")
@description("stm32l4x5-rcc", version_id=1, minimum_version_id=1)
class Stm32l4x5Rcc(VMState):
    """Registers, and the clocks that come in."""

    cr: int = uint32()
    icscr: int = uint32()
    cfgr: int = uint32()
    pllcfgr: int = uint32()
    pllsai1cfgr: int = uint32()
    pllsai2cfgr: int = uint32()
    cier: int = uint32()
    cifr: int = uint32()
    ahb1rstr: int = uint32()
    ahb2rstr: int = uint32()
    ahb3rstr: int = uint32()
    apb1rstr1: int = uint32()
    apb1rstr2: int = uint32()
    apb2rstr: int = uint32()
    ahb1enr: int = uint32()
    ahb2enr: int = uint32()
    ahb3enr: int = uint32()
    apb1enr1: int = uint32()
    apb1enr2: int = uint32()
    apb2enr: int = uint32()
    ahb1smenr: int = uint32()
    ahb2smenr: int = uint32()
    ahb3smenr: int = uint32()
    apb1smenr1: int = uint32()
    apb1smenr2: int = uint32()
    apb2smenr: int = uint32()
    ccipr: int = uint32()
    bdcr: int = uint32()
    csr: int = uint32()
    hsi16_rc: Clock = struct(Clock)
    msi_rc: Clock = struct(Clock)
    hse: Clock = struct(Clock)
    lsi_rc: Clock = struct(Clock)
    lse_crystal: Clock = struct(Clock)
    sai1_extclk: Clock = struct(Clock)
    sai2_extclk: Clock = struct(Clock)


@device("stm32l4x5-rcc-clock-mux")
@description("stm32l4x5-rcc-clock-mux", version_id=1, minimum_version_id=1)
class Stm32l4x5RccClockMux(VMState):
    """A multiplexer: its sources, the one chosen, and what its frequency is multiplied and divided by."""

    id: int = uint32()
    srcs: list[Clock | None] = array_of_pointer(Clock, 7)
    enabled: bool = boolean()
    src: int = uint32()
    multiplier: int = uint32()
    divider: int = uint32()


@device("stm32l4x5-rcc-pll")
@description("stm32l4x5-rcc-pll", version_id=1, minimum_version_id=1)
class Stm32l4x5RccPll(VMState):
    """A phase-locked loop and its three channels."""

    id: int = uint32()
    in_: Clock = struct(Clock, name="in")
    channels: list[Clock | None] = array_of_pointer(Clock, 3)
    enabled: bool = boolean()
    vco_multiplier: int = uint32()
    channel_enabled: list[bool] = array(boolean, 3)
    channel_exists: list[bool] = array(boolean, 3)
    channel_divider: list[int] = array(uint32, 3)
