"""A keyboard controller on an I2C bus, of Nokia's N800 and N810: National Semiconductor's LM8323.

Facts from QEMU's hw/input/lm832x.c as it was up to 9.1.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    VMState,
    array,
    array_of_pointer,
    buffer,
    description,
    device,
    struct,
    timer,
    uint8,
    uint16,
)
from vmstate.devices.i2c.core import I2CSlave


@device("LM8323", noise={"timer": ("pwm.tm",)})
@description("LM8323")
class LM823KbdState(VMState):
    """The command under way, the lines, the keys pressed, and the programs of the three lights."""

    parent_obj: I2CSlave = struct(I2CSlave)
    i2c_dir: int = uint8()
    i2c_cycle: int = uint8()
    reg: int = uint8()
    config: int = uint8()
    status: int = uint8()
    acttime: int = uint8()
    error: int = uint8()
    clock: int = uint8()
    gpio_pull: int = uint16(name="gpio.pull")
    gpio_mask: int = uint16(name="gpio.mask")
    gpio_dir: int = uint16(name="gpio.dir")
    gpio_level: int = uint16(name="gpio.level")
    kbd_dbnctime: int = uint8(name="kbd.dbnctime")
    kbd_size: int = uint8(name="kbd.size")
    kbd_start: int = uint8(name="kbd.start")
    kbd_len: int = uint8(name="kbd.len")
    kbd_fifo: bytes = buffer(16, name="kbd.fifo")
    pwm_file: list[int] = array(uint16, 256, name="pwm.file")
    pwm_faddr: int = uint8(name="pwm.faddr")
    pwm_addr: bytes = buffer(3, name="pwm.addr", private=REGISTERS)
    pwm_tm: list[int | None] = array_of_pointer(timer, 3, name="pwm.tm")
