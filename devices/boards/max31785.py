"""A controller of six fans on a PMBus: Maxim's MAX31785.

Facts from QEMU's hw/sensor/max31785.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, struct, uint8, uint16, uint32, uint64
from vmstate.devices.i2c.pmbus import PmbusDevice


@device("max31785")
@description("max31785")
class Max31785(VMState):
    """Settings, peaks and averages of fans, temperatures and voltages."""

    parent: PmbusDevice = struct(PmbusDevice)
    mfr_mode: list[int] = array(uint16, 23)
    vout_peak: list[int] = array(uint16, 23)
    temperature_peak: list[int] = array(uint16, 23)
    vout_min: list[int] = array(uint16, 23)
    fault_response: list[int] = array(uint8, 23)
    time_count: list[int] = array(uint32, 23)
    temp_sensor_config: list[int] = array(uint16, 23)
    fan_config: list[int] = array(uint16, 23)
    read_fan_pwm: list[int] = array(uint16, 23)
    fan_fault_limit: list[int] = array(uint16, 23)
    fan_warn_limit: list[int] = array(uint16, 23)
    fan_run_time: list[int] = array(uint16, 23)
    fan_pwm_avg: list[int] = array(uint16, 23)
    fan_pwm2rpm: list[int] = array(uint64, 23)
    mfr_location: int = uint64()
    mfr_date: int = uint64()
    mfr_serial: int = uint64(private=CONTENTS)
