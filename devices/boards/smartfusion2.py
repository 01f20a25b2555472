"""Devices of Microsemi's SmartFusion2.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint8, uint16, uint32
from vmstate.devices.core.fifo8 import Fifo8
from vmstate.devices.core.ptimer import Ptimer

# The network card of Microsemi's SmartFusion2 (hw/net/msf2-emac.c).


@device("msf2-emac")
@description("msf2-emac", version_id=1, minimum_version_id=1)
class Msf2Emac(VMState):
    """The MAC address, registers of the PHY and of the card, and where it receives."""

    mac_addr: list[int] = array(uint8, 6)
    rx_desc: int = uint32()
    phy_regs: list[int] = array(uint16, 32)
    regs: list[int] = array(uint32, 104)


# The system registers of Microsemi's SmartFusion2 (hw/misc/msf2-sysreg.c).


@device("msf2-sysreg")
@description("msf2-sysreg", version_id=1, minimum_version_id=1)
class Msf2Sysreg(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 192)


# The SPI controller of Microsemi's SmartFusion2 (hw/ssi/mss-spi.c).


@device("mss-spi")
@description("mss-spi", version_id=1, minimum_version_id=1)
class MssSpi(VMState):
    """Words to be sent and received, and registers."""

    tx_fifo_fifo: Fifo8 = struct(Fifo8, name="tx_fifo.fifo")
    rx_fifo_fifo: Fifo8 = struct(Fifo8, name="rx_fifo.fifo")
    regs: list[int] = array(uint32, 16)


# The timers of Microsemi's SmartFusion2 (hw/timer/mss-timer.c).


@description("mss-timer-block", version_id=1, minimum_version_id=1)
class MssTimerBlock(VMState):
    """A timer."""

    ptimer: Ptimer = struct(Ptimer, version=1)
    regs: list[int] = array(uint32, 6)


@device("mss-timer")
@description("mss-timer", version_id=1, minimum_version_id=1)
class MssTimer(VMState):
    """The frequency in Hz, and the two timers."""

    freq_hz: int = uint32()
    timers: list[MssTimerBlock] = array(MssTimerBlock, 2)
