"""A power-supply manager of 16 channels on a PMBus: Maxim's MAX34451.

Facts from QEMU's hw/sensor/max34451.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, struct, uint8, uint16, uint32, uint64
from vmstate.devices.i2c.pmbus import PmbusDevice


@device("max34451")
@description("max34451")
class MAX34451(VMState):
    """Limits and delays of the channels, peaks and averages measured, and what identifies the board."""

    parent: PmbusDevice = struct(PmbusDevice)
    power_good_on: list[int] = array(uint16, 16)
    power_good_off: list[int] = array(uint16, 16)
    ton_delay: list[int] = array(uint16, 12)
    ton_max_fault_limit: list[int] = array(uint16, 12)
    toff_delay: list[int] = array(uint16, 12)
    status_mfr_specific: list[int] = array(uint8, 16)
    mfr_location: int = uint64()
    mfr_date: int = uint64()
    mfr_serial: int = uint64(private=CONTENTS)
    mfr_mode: int = uint16()
    psen_config: list[int] = array(uint32, 12)
    vout_peak: list[int] = array(uint16, 16)
    iout_peak: list[int] = array(uint16, 16)
    temperature_peak: list[int] = array(uint16, 5)
    vout_min: list[int] = array(uint16, 16)
    nv_log_config: int = uint16()
    fault_response: list[int] = array(uint32, 16)
    fault_retry: int = uint16()
    fault_log: int = uint32()
    time_count: int = uint32()
    margin_config: list[int] = array(uint16, 12)
    fw_serial: int = uint16()
    iout_avg: list[int] = array(uint16, 16)
    channel_config: list[int] = array(uint16, 16)
    ton_seq_max: list[int] = array(uint16, 12)
    pwm_config: list[int] = array(uint32, 12)
    seq_config: list[int] = array(uint32, 12)
    temp_sensor_config: list[int] = array(uint16, 5)
    store_single: int = uint16()
    crc: int = uint16()
