"""Intel's PXA2xx: clocks, power, memory, clock of the day, SSP, I2C and I2S.

Facts from QEMU's hw/arm/pxa2xx.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, int32, int64, struct, uint8, uint16, uint32
from vmstate.devices.i2c.core import I2CSlave


@device("pxa2xx-ssp")
@description("pxa2xx-ssp", version_id=1, minimum_version_id=1)
class Pxa2xxSsp(VMState):
    """A synchronous serial port: registers, and the words received."""

    enable: int = uint32()
    sscr: list[int] = array(uint32, 2)
    sspsp: int = uint32()
    ssto: int = uint32()
    ssitr: int = uint32()
    sssr: int = uint32()
    sstsa: int = uint8()
    ssrsa: int = uint8()
    ssacd: int = uint8()
    rx_level: int = uint32()
    rx_start: int = uint32()
    rx_fifo: list[int] = array(uint32, 16, private=CONTENTS)


@device("pxa2xx_cm")
@description("pxa2xx_cm")
class Pxa2xxCm(VMState):
    """Clocks: registers of the manager and of the coprocessor."""

    cm_regs: list[int] = array(uint32, 4)
    clkcfg: int = uint32()
    pmnc: int = uint32()


@description("pxa2xx_i2c_slave", version_id=1, minimum_version_id=1)
class Pxa2xxI2cSlave(VMState):
    """The controller as somebody else's device."""

    parent_obj: I2CSlave = struct(I2CSlave)


@device("pxa2xx_i2c")
@description("pxa2xx_i2c", version_id=1, minimum_version_id=1)
class Pxa2xxI2c(VMState):
    """The I2C controller."""

    control: int = uint16()
    status: int = uint16()
    ibmr: int = uint8()
    data: int = uint8()
    slave: Pxa2xxI2cSlave = struct(Pxa2xxI2cSlave)


@device("pxa2xx_i2s")
@description("pxa2xx_i2s")
class Pxa2xxI2s(VMState):
    """The I2S controller."""

    control: list[int] = array(uint32, 2)
    status: int = uint32()
    mask: int = uint32()
    clk: int = uint32()
    enable: int = int32()
    rx_len: int = int32()
    tx_len: int = int32()
    fifo_len: int = int32()


@device("pxa2xx_mm")
@description("pxa2xx_mm")
class Pxa2xxMm(VMState):
    """Registers of the memory controller."""

    mm_regs: list[int] = array(uint32, 26)


@device("pxa2xx_pm")
@description("pxa2xx_pm")
class Pxa2xxPm(VMState):
    """Registers of the power manager."""

    pm_regs: list[int] = array(uint32, 64)


@device(
    "pxa2xx_rtc",
    noise={
        "timer": (
            "last_rcnr",
            "last_rdcr",
            "last_rycr",
            "last_swcr",
            "last_rtcpicr",
            "last_hz",
            "last_sw",
            "last_pi",
        )
    },
)
@description("pxa2xx_rtc")
class Pxa2xxRtc(VMState):
    """The real-time clock, its stopwatch and its periodic interrupt."""

    rttr: int = uint32()
    rtsr: int = uint32()
    rtar: int = uint32()
    rdar1: int = uint32()
    rdar2: int = uint32()
    ryar1: int = uint32()
    ryar2: int = uint32()
    swar1: int = uint32()
    swar2: int = uint32()
    piar: int = uint32()
    last_rcnr: int = uint32()
    last_rdcr: int = uint32()
    last_rycr: int = uint32()
    last_swcr: int = uint32()
    last_rtcpicr: int = uint32()
    last_hz: int = int64()
    last_sw: int = int64()
    last_pi: int = int64()
