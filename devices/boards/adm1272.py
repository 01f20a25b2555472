"""A hot-swap controller that measures power, on its PMBus: Analog Devices' ADM1272.

Facts from QEMU's hw/sensor/adm1272.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, struct, uint8, uint16, uint32, uint64
from vmstate.devices.i2c.pmbus import PmbusDevice


@device("ADM1272")
@description("ADM1272")
class ADM1272(VMState):
    """Peaks, limits and configuration, by their names in the data sheet."""

    parent: PmbusDevice = struct(PmbusDevice)
    ein_ext: int = uint64()
    pin_ext: int = uint32()
    restart_time: int = uint8()
    peak_vin: int = uint16()
    peak_vout: int = uint16()
    peak_iout: int = uint16()
    peak_temperature: int = uint16()
    peak_pin: int = uint16()
    pmon_control: int = uint8()
    pmon_config: int = uint16()
    alert1_config: int = uint16()
    alert2_config: int = uint16()
    device_config: int = uint16()
    hysteresis_low: int = uint16()
    hysteresis_high: int = uint16()
    status_hysteresis: int = uint8()
    status_gpio: int = uint8()
    strt_up_iout_lim: int = uint16()
