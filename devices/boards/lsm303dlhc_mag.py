"""The magnetometer of ST's LSM303DLHC, on an I2C bus.

Facts from QEMU's hw/sensor/lsm303dlhc_mag.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int16, struct, uint8
from vmstate.devices.i2c.core import I2CSlave


@device("LSM303DLHC_MAG")
@description("LSM303DLHC_MAG")
class LSM303DLHCMag(VMState):
    """Registers by their names in the data sheet, the field and temperature measured, and what a read has locked."""

    parent_obj: I2CSlave = struct(I2CSlave)
    len: int = uint8()
    buf: int = uint8()
    pointer: int = uint8()
    cra: int = uint8()
    crb: int = uint8()
    mr: int = uint8()
    x: int = int16()
    z: int = int16()
    y: int = int16()
    x_lock: int = int16()
    z_lock: int = int16()
    y_lock: int = int16()
    sr: int = uint8()
    ira: int = uint8()
    irb: int = uint8()
    irc: int = uint8()
    temperature: int = int16()
    temperature_lock: int = int16()
