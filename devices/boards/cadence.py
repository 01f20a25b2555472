"""Devices of Cadence's, which SoCs of several makers have.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    part,
    secret,
    struct,
    timer,
    uint8,
    uint16,
    uint32,
)
from vmstate.devices.core.clock import Clock

# Cadence's gigabit network card, of Xilinx's SoCs and others (hw/net/cadence_gem.c).

ADDRESSES = secret("contents", 34, 8)
"""The registers SPADDR1LO to SPADDR4HI: MAC addresses."""


@device("cadence_gem")
@description("cadence_gem", version_id=4, minimum_version_id=4)
class CadenceGem(VMState):
    """Registers of the card and of its PHY, and where each queue stands."""

    regs: list[int] = array(uint32, 512, private=ADDRESSES)
    phy_regs: list[int] = array(uint16, 32)
    phy_loop: int = uint8()
    rx_desc_addr: list[int] = array(uint32, 8)
    tx_desc_addr: list[int] = array(uint32, 8)
    sar_active: list[bool] = array(boolean, 4)


# The part of Cadence's controller of SD cards that is its own, of Microchip's PolarFire SoC
# (hw/sd/cadence_sdhci.c).


@device("cadence.sdhci")
@description("cadence.sdhci", version_id=1)
class CadenceSDHCI(VMState):
    """Registers beside those of every SD host."""

    regs: list[int] = array(uint32, 64)


# Cadence's triple timer counter, of Xilinx's SoCs (hw/timer/cadence_ttc.c).


@part(noise={"timer": ("reg_value",), "interrupt": ("reg_intr",)})
@description("cadence_timer", version_id=1, minimum_version_id=1)
class CadenceTimer(VMState):
    """A timer: clock, count, interval, matches, interrupts."""

    reg_clock: int = uint32()
    reg_count: int = uint32()
    reg_value: int = uint32()
    reg_interval: int = uint16()
    reg_match: list[int] = array(uint16, 3)
    reg_intr: int = uint32()
    reg_intr_en: int = uint32()
    reg_event_ctrl: int = uint32()
    reg_event: int = uint32()


@device("cadence_TTC")
@description("cadence_TTC", version_id=1, minimum_version_id=1)
class CadenceTTC(VMState):
    """The three timers."""

    timer_: list[CadenceTimer] = array(CadenceTimer, 3, name="timer")


# Cadence's serial port, of Xilinx's SoCs (hw/char/cadence_uart.c).


@device("cadence_uart", noise={"timer": ("fifo_trigger_handle",)})
@description("cadence_uart", version_id=3, minimum_version_id=2)
class CadenceUart(VMState):
    """Registers, and the bytes to be sent and received."""

    r: list[int] = array(uint32, 18)
    rx_fifo: list[int] = array(uint8, 16)
    tx_fifo: list[int] = array(uint8, 16)
    rx_count: int = uint32()
    tx_count: int = uint32()
    rx_wpos: int = uint32()
    fifo_trigger_handle: int = timer()
    refclk: Clock = struct(Clock, version=3)
