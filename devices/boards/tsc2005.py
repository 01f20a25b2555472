"""A touch screen's controller on an SPI bus: TI's TSC2005.

Facts from QEMU's hw/input/tsc2005.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, int8, int32, timer, uint8, uint16


@device("tsc2005", noise={"timer": ("timer",)})
@description("tsc2005", version_id=2, minimum_version_id=2)
class Tsc2005(VMState):
    """Registers, and where a measurement stands."""

    pressure: bool = boolean()
    irq: bool = boolean()
    command: bool = boolean()
    enabled: bool = boolean()
    host_mode: bool = boolean()
    reset: bool = boolean()
    pdst: bool = boolean()
    pnd0: bool = boolean()
    precision: bool = boolean()
    nextprecision: bool = boolean()
    reg: int = uint8()
    state: int = uint8()
    data: int = uint16()
    dav: int = uint16()
    filter: int = uint16()
    nextfunction: int = int8()
    function: int = int8()
    x: int = int32()
    y: int = int32()
    timer_: int = timer(name="timer")
    pin_func: int = uint8()
    timing: list[int] = array(uint16, 2)
    noise: int = uint8()
    temp_thr: list[int] = array(uint16, 2)
    aux_thr: list[int] = array(uint16, 2)
    tr: list[int] = array(int32, 8)
