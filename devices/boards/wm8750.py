"""An audio codec on an I2C bus: Wolfson's WM8750.

Facts from QEMU's hw/audio/wm8750.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, int32, struct, uint8
from vmstate.devices.i2c.core import I2CSlave


@device("wm8750")
@description("wm8750")
class Wm8750(VMState):
    """Registers, volumes, and where samples stand."""

    i2c_data: list[int] = array(uint8, 2)
    i2c_len: int = int32()
    enable: int = int32()
    idx_in: int = int32()
    req_in: int = int32()
    idx_out: int = int32()
    req_out: int = int32()
    outvol: list[int] = array(uint8, 7)
    outmute: list[int] = array(uint8, 2)
    invol: list[int] = array(uint8, 4)
    inmute: list[int] = array(uint8, 2)
    diff: list[int] = array(uint8, 2)
    pol: int = uint8()
    ds: int = uint8()
    monomix: list[int] = array(uint8, 2)
    alc: int = uint8()
    mute: int = uint8()
    path: list[int] = array(uint8, 4)
    mpath: list[int] = array(uint8, 2)
    format: int = uint8()
    power: int = uint8()
    rate_vmstate: int = uint8()
    parent_obj: I2CSlave = struct(I2CSlave)
