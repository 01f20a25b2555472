"""Devices of Luminary's Stellaris.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    array_of_pointer,
    description,
    device,
    fact,
    host,
    int32,
    int64,
    struct,
    timer,
    uint8,
    uint32,
    unused,
    variant,
    varray,
)
from vmstate.devices.core.clock import Clock

# TI's Stellaris: converter, I2C controller and system control (hw/arm/stellaris.c).


@device("stellaris_adc")
@description("stellaris_adc", version_id=1, minimum_version_id=1)
class StellarisAdc(VMState):
    """The analogue-to-digital converter: four queues of samples."""

    actss: int = uint32()
    ris: int = uint32()
    im: int = uint32()
    emux: int = uint32()
    ostat: int = uint32()
    ustat: int = uint32()
    sspri: int = uint32()
    sac: int = uint32()
    fifo_0_state: int = uint32(name="fifo[0].state")
    fifo_0_data: list[int] = array(uint32, 16, name="fifo[0].data")
    ssmux_0: int = uint32(name="ssmux[0]")
    ssctl_0: int = uint32(name="ssctl[0]")
    fifo_1_state: int = uint32(name="fifo[1].state")
    fifo_1_data: list[int] = array(uint32, 16, name="fifo[1].data")
    ssmux_1: int = uint32(name="ssmux[1]")
    ssctl_1: int = uint32(name="ssctl[1]")
    fifo_2_state: int = uint32(name="fifo[2].state")
    fifo_2_data: list[int] = array(uint32, 16, name="fifo[2].data")
    ssmux_2: int = uint32(name="ssmux[2]")
    ssctl_2: int = uint32(name="ssctl[2]")
    fifo_3_state: int = uint32(name="fifo[3].state")
    fifo_3_data: list[int] = array(uint32, 16, name="fifo[3].data")
    ssmux_3: int = uint32(name="ssmux[3]")
    ssctl_3: int = uint32(name="ssctl[3]")
    noise: int = uint32()


@device("stellaris_i2c")
@description("stellaris_i2c", version_id=1, minimum_version_id=1)
class StellarisI2c(VMState):
    """The I2C controller."""

    msa: int = uint32()
    mcs: int = uint32()
    mdr: int = uint32()
    mtpr: int = uint32()
    mimr: int = uint32()
    mris: int = uint32()
    mcr: int = uint32()


@device("stellaris_sys")
@description("stellaris_sys", version_id=2, minimum_version_id=1)
class StellarisSys(VMState):
    """The system control: clocks and resets."""

    pborctl: int = uint32()
    ldopctl: int = uint32()
    int_mask: int = uint32()
    int_status: int = uint32()
    resc: int = uint32()
    rcc: int = uint32()
    rcc2: int = uint32(version=2)
    rcgc: list[int] = array(uint32, 3)
    scgc: list[int] = array(uint32, 3)
    dcgc: list[int] = array(uint32, 3)
    clkvclr: int = uint32()
    ldoarst: int = uint32()


# The network card of TI's Stellaris (hw/net/stellaris_enet.c).


@description("stellaris_enet/rx_frame", version_id=1, minimum_version_id=1)
class StellarisEnetRxFrame(VMState):
    """A frame received."""

    data: list[int] = array(uint8, 2048)
    len: int = uint32()


@device("stellaris_enet")
@description("stellaris_enet", version_id=2, minimum_version_id=2)
class StellarisEnet(VMState):
    """Registers, the frame that is written, and the frames received."""

    ris: int = uint32()
    im: int = uint32()
    rctl: int = uint32()
    tctl: int = uint32()
    thr: int = uint32()
    mctl: int = uint32()
    mdv: int = uint32()
    mtxd: int = uint32(private=CONTENTS)
    mrxd: int = uint32(private=CONTENTS)
    np: int = uint32()
    tx_fifo_len: int = uint32()
    tx_fifo: list[int] = array(uint8, 2048)
    rx: list[StellarisEnetRxFrame] = array(StellarisEnetRxFrame, 31, version=1)
    rx_fifo_offset: int = uint32()
    next_packet: int = uint32()


# The buttons of TI's Stellaris boards (hw/input/stellaris_gamepad.c).

BUTTONS = fact("stellaris_gamepad_buttons", (5, *range(1, 5), *range(6, 17)))
"""Buttons of the board."""


@description("stellaris_button")
class Button(VMState):
    """Whether a button is pressed, as releases up to 8.1 send it."""

    pressed: int = uint8()


@device("stellaris_gamepad", listed=False)
@description("stellaris_gamepad", version_id=4, minimum_version_id=4)
class StellarisGamepad(VMState):
    """Which of the buttons are pressed."""

    extension: int | None = host()
    pressed: list[int] | None = varray(uint8, count=BUTTONS)
    buttons: list[Button] | None = host()


STELLARIS_GAMEPAD_8_1 = variant(
    StellarisGamepad, None, 2, extension=int32(), pressed=None, buttons=varray(Button, count=BUTTONS)
)
"""Up to 8.1: with the state of the keyboard's prefix."""


# The general-purpose timers of TI's Stellaris (hw/timer/stellaris-gptm.c).


@device("stellaris_gptm", noise={"timer": ("tick", "timer")})
@description("stellaris_gptm", version_id=2, minimum_version_id=2)
class GPTM(VMState):
    """Registers of a pair of timers, and when they fire."""

    config: int = uint32()
    mode: list[int] = array(uint32, 2)
    control: int = uint32()
    state: int = uint32()
    mask: int = uint32()
    unused_0: None = unused(8, name="unused")
    load: list[int] = array(uint32, 2)
    match: list[int] = array(uint32, 2)
    prescale: list[int] = array(uint32, 2)
    match_prescale: list[int] = array(uint32, 2)
    rtc: int = uint32()
    tick: list[int] = array(int64, 2)
    timers: list[int | None] = array_of_pointer(timer, 2, name="timer")
    clk: Clock | None = struct(Clock)


GPTM_5_2 = variant(GPTM, None, 1, clk=None)
"""Up to 5.2: without the clock."""
