"""Intel's StrongARM SA-1110: interrupts, lines, clock of the day, serial ports.

Facts from QEMU's hw/arm/strongarm.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, boolean, description, device, int64, uint8, uint16, uint32


@device("strongarm-gpio")
@description("strongarm-gpio")
class StrongarmGpio(VMState):
    """General-purpose lines."""

    ilevel: int = uint32()
    olevel: int = uint32()
    dir: int = uint32()
    rising: int = uint32()
    falling: int = uint32()
    status: int = uint32()
    gafr: int = uint32()
    prev_level: int = uint32()


@device("strongarm-ppc")
@description("strongarm-ppc")
class StrongarmPpc(VMState):
    """Lines of peripherals."""

    ilevel: int = uint32()
    olevel: int = uint32()
    dir: int = uint32()
    ppar: int = uint32()
    psdr: int = uint32()
    ppfr: int = uint32()
    prev_level: int = uint32()


@device(
    "strongarm-rtc",
    noise={
        "timer": (
            "last_rcnr",
            "last_hz",
        )
    },
)
@description("strongarm-rtc")
class StrongarmRtc(VMState):
    """The real-time clock."""

    rttr: int = uint32()
    rtsr: int = uint32()
    rtar: int = uint32()
    last_rcnr: int = uint32()
    last_hz: int = int64()


@device("strongarm-ssp")
@description("strongarm-ssp")
class StrongarmSsp(VMState):
    """A synchronous serial port: registers, and the words received."""

    sscr: list[int] = array(uint16, 2)
    sssr: int = uint16()
    rx_fifo: list[int] = array(uint16, 8, private=CONTENTS)
    rx_start: int = uint8()
    rx_level: int = uint8()


@device("strongarm-uart")
@description("strongarm-uart")
class StrongarmUart(VMState):
    """A serial port: registers, and the bytes to be sent and received."""

    utcr0: int = uint8()
    brd: int = uint16()
    utcr3: int = uint8()
    utsr0: int = uint8()
    tx_fifo: list[int] = array(uint8, 8)
    tx_start: int = uint8()
    tx_len: int = uint8()
    rx_fifo: list[int] = array(uint16, 12, private=CONTENTS)
    rx_start: int = uint8()
    rx_len: int = uint8()
    wait_break_end: bool = boolean()


@device("strongarm_pic")
@description("strongarm_pic")
class StrongarmPic(VMState):
    """The interrupt controller."""

    pending: int = uint32()
    enabled: int = uint32()
    is_fiq: int = uint32()
    int_idle: int = uint32()
