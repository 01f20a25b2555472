"""A touch screen's controller with a codec, on an SPI bus: TI's TSC2301.

Facts from QEMU's hw/input/tsc210x.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, int32, int64, timer, uint8, uint16


@device("tsc2301", noise={"timer": ("timer",)})
@description("tsc2301", version_id=1, minimum_version_id=1)
class Tsc2301(VMState):
    """Registers, where a measurement stands, and the codec."""

    enabled: bool = boolean()
    host_mode: bool = boolean()
    irq: bool = boolean()
    command: bool = boolean()
    pressure: bool = boolean()
    softstep: bool = boolean()
    state: bool = boolean()
    dav: int = uint16()
    x: int = int32()
    y: int = int32()
    offset: int = uint8()
    page: int = uint8()
    filter: int = uint8()
    pin_func: int = uint8()
    ref: int = uint8()
    timing: int = uint8()
    noise: int = uint8()
    function: int = uint8()
    nextfunction: int = uint8()
    precision: int = uint8()
    nextprecision: int = uint8()
    audio_ctrl1: int = uint16()
    audio_ctrl2: int = uint16()
    audio_ctrl3: int = uint16()
    pll: list[int] = array(uint16, 3)
    volume: int = uint16()
    dac_power: int = uint16()
    volume_change: int = int64()
    powerdown: int = int64()
    now: int = int64()
    filter_data: list[int] = array(uint16, 20)
    timer_: int = timer(name="timer")
