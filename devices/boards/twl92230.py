"""The power management of Nokia's N800 and N810, with a real-time clock: TI's TWL92230 (Menelaus).

Facts from QEMU's hw/rtc/twl92230.c as it was up to 9.1.
"""

from __future__ import annotations

from vmstate.declare import REGISTERS, VMState, array, buffer, description, device, int32, struct, uint8, uint16
from vmstate.devices.i2c.core import I2CSlave


@description("menelaus_tm")
class MenelausTime(VMState):
    """A time; QEMU sends the minute where the month was meant, and never the month."""

    tm_sec: bytes = buffer(2, info="int32_as_uint16", private=REGISTERS)
    tm_min: bytes = buffer(2, info="int32_as_uint16", private=REGISTERS)
    tm_hour: bytes = buffer(2, info="int32_as_uint16", private=REGISTERS)
    tm_mday: bytes = buffer(2, info="int32_as_uint16", private=REGISTERS)
    tm_mon: bytes = buffer(2, info="int32_as_uint16", name="tm_min", private=REGISTERS)
    tm_year: bytes = buffer(2, info="int32_as_uint16", private=REGISTERS)


@device("menelaus", noise={"timer": ("rtc_next_vmstate",)})
@description("menelaus")
class Menelaus(VMState):
    """Registers of the supplies, of interrupts and lines, and the clock."""

    firstbyte: int = int32()
    reg: int = uint8()
    vcore: list[int] = array(uint8, 5)
    dcdc: list[int] = array(uint8, 3)
    ldo: list[int] = array(uint8, 8)
    sleep: list[int] = array(uint8, 2)
    osc: int = uint8()
    detect: int = uint8()
    mask: int = uint16()
    status: int = uint16()
    dir: int = uint8()
    inputs: int = uint8()
    outputs: int = uint8()
    bbsms: int = uint8()
    pull: list[int] = array(uint8, 4)
    mmc_ctrl: list[int] = array(uint8, 3)
    mmc_debounce: int = uint8()
    rtc_ctrl: int = uint8(name="rtc.ctrl")
    rtc_comp: int = uint16(name="rtc.comp")
    rtc_next: int = uint16(name="rtc_next_vmstate")
    rtc_new: MenelausTime = struct(MenelausTime, name="rtc.new")
    rtc_alm: MenelausTime = struct(MenelausTime, name="rtc.alm")
    pwrbtn_state: int = uint8()
    parent_obj: I2CSlave = struct(I2CSlave)
