"""Sensors and regulators on I2C.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    VMState,
    array,
    boolean,
    description,
    device,
    int16,
    struct,
    subsection,
    uint8,
    uint16,
    uint32,
    uint64,
)
from vmstate.devices.i2c.core import I2CSlave
from vmstate.devices.i2c.pmbus import PmbusDevice

# A super sequencer that watches 17 supplies of a board, on its PMBus: Analog Devices' ADM1266
# (hw/sensor/adm1266.c).


@device("ADM1266")
@description("ADM1266")
class ADM1266(VMState):
    """The sequencer: nothing but what every device of a PMBus has."""

    parent: PmbusDevice = struct(PmbusDevice)


# A hot-swap controller that measures power, on its PMBus: Analog Devices' ADM1272 (hw/sensor/adm1272.c).


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


# A sensor of pressure and temperature on an I2C bus: Infineon's DPS310 (hw/sensor/dps310.c).


@device("DPS310")
@description("DPS310")
class DPS310(VMState):
    """Registers, and which of them comes next."""

    len: int = uint8()
    regs: list[int] = array(uint8, 51)
    pointer: int = uint8()
    i2c: I2CSlave = struct(I2CSlave)


# A sensor of temperatures on an I2C bus: Microchip's EMC1412 to EMC1414 (hw/sensor/emc141x.c).


@device("EMC141X")
@description("EMC141X")
class EMC141X(VMState):
    """Which register comes next, and the byte written."""

    len: int = uint8()
    data: int = uint8()
    pointer: int = uint8()
    parent_obj: I2CSlave = struct(I2CSlave)


# The magnetometer of ST's LSM303DLHC, on an I2C bus (hw/sensor/lsm303dlhc_mag.c).


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


# A controller of six fans on a PMBus: Maxim's MAX31785 (hw/sensor/max31785.c).


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


# A power-supply manager of 16 channels on a PMBus: Maxim's MAX34451 (hw/sensor/max34451.c).


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


# A temperature sensor on an I2C bus: TI's TMP105 (hw/sensor/tmp105.c).


@description("TMP105/detect-falling", version_id=1, minimum_version_id=1)
class TMP105DetectFalling(VMState):
    """Whether the alarm waits for the temperature to fall; sent where it does."""

    detect_falling: bool = boolean()


@device("TMP105")
@description("TMP105")
class TMP105(VMState):
    """Registers, the temperature and its limits."""

    len: int = uint8()
    buf: list[int] = array(uint8, 2)
    pointer: int = uint8()
    config: int = uint8()
    temperature: int = int16()
    limit: list[int] = array(int16, 2)
    alarm: int = uint8()
    i2c: I2CSlave = struct(I2CSlave)
    detect_falling: TMP105DetectFalling | None = subsection(TMP105DetectFalling)


# A sensor of several temperatures on an I2C bus: TI's TMP421 to TMP423 (hw/sensor/tmp421.c).


@device("TMP421")
@description("TMP421")
class TMP421(VMState):
    """Registers and temperatures."""

    len: int = uint8()
    buf: list[int] = array(uint8, 2)
    pointer: int = uint8()
    config: list[int] = array(uint8, 2)
    status: int = uint8()
    rate: int = uint8()
    temperature: list[int] = array(int16, 4)
    i2c: I2CSlave = struct(I2CSlave)
