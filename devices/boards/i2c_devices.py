"""Devices on an I2C bus: sensors, regulators, clocks, lines, displays.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    REGISTERS,
    VMState,
    array,
    array_of_pointer,
    boolean,
    buffer,
    description,
    device,
    int16,
    int32,
    int64,
    struct,
    subsection,
    timer,
    uint8,
    uint16,
    uint32,
    uint64,
    variant,
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


# X-Powers' power management AXP209 and AXP221, on an I2C bus (hw/misc/axp2xx.c).


@device("axp2xx_pmu")
@description("axp2xx_pmu", version_id=1)
class Axp2xxPmu(VMState):
    """Registers, and which of them comes next."""

    regs: list[int] = array(uint8, 255)
    ptr: int = uint8()
    count: int = uint8()


# A keyboard controller on an I2C bus, of Nokia's N800 and N810: National Semiconductor's LM8323 (hw/input/lm832x.c
# as it was up to 9.1).


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


# Eight lines on an I2C bus: Maxim's MAX7310 (hw/gpio/max7310.c).


@device("max7310")
@description("max7310")
class Max7310(VMState):
    """General-purpose lines."""

    i2c_command_byte: int = int32()
    len: int = int32()
    level: int = uint8()
    direction: int = uint8()
    polarity: int = uint8()
    status: int = uint8()
    command: int = uint8()
    parent_obj: I2CSlave = struct(I2CSlave)


# A driver of 16 lights on an I2C bus: NXP's PCA9552 (hw/gpio/pca9552.c).


@device("PCA9552")
@description("PCA9552")
class PCA9552(VMState):
    """General-purpose lines."""

    len: int = uint8()
    pointer: int = uint8()
    regs: list[int] = array(uint8, 10)
    ext_state: list[int] = array(uint8, 16)
    i2c: I2CSlave = struct(I2CSlave)


PCA9552_7_2 = variant(PCA9552, ext_state=None)
"""Up to 7.2 at least."""


# Eight lines on an I2C bus: NXP's PCA9554 (hw/gpio/pca9554.c).


@device("PCA9554")
@description("PCA9554")
class PCA9554(VMState):
    """General-purpose lines."""

    len: int = uint8()
    pointer: int = uint8()
    regs: list[int] = array(uint8, 4)
    ext_state: list[int] = array(uint8, 8)
    i2c: I2CSlave = struct(I2CSlave)


# Ricoh's real-time clock RS5C372, on an I2C bus (hw/rtc/rs5c372.c).


@device("rs5c372")
@description("rs5c372", version_id=1, minimum_version_id=1)
class RS5C372(VMState):
    """Its time as an offset from the host's, and its registers.

    QEMU declares a field `wday_offset` of version 2, which the description's version 1 never sends.
    """

    parent_obj: I2CSlave = struct(I2CSlave)
    offset: int = int64()
    nvram: list[int] = array(uint8, 16)
    ptr: int = uint8()
    tx_format: int = uint8()
    addr_byte: bool = boolean()


# A bridge from RGB to HDMI on an I2C bus: Silicon Image's SiI9022 (hw/display/sii9022.c).


@device("sii9022")
@description("sii9022", version_id=1, minimum_version_id=1)
class Sii9022(VMState):
    """Which register comes next, and the display data channel."""

    parent_obj: I2CSlave = struct(I2CSlave)
    ptr: int = uint8()
    addr_byte: bool = boolean()
    ddc_req: bool = boolean()
    ddc_skip_finish: bool = boolean()
    ddc: bool = boolean()


# A display of 96 times 16 points on an I2C bus: Solomon Systech's SSD0303 (hw/display/ssd0303.c).


@device("ssd0303_oled")
@description("ssd0303_oled", version_id=1, minimum_version_id=1)
class Ssd0303Oled(VMState):
    """Where the next byte goes, settings, and the picture."""

    row: int = int32()
    col: int = int32()
    start_line: int = int32()
    mirror: int = int32()
    flash: int = int32()
    enabled: int = int32()
    inverse: int = int32()
    redraw: int = int32()
    mode: int = uint32()
    cmd_state: int = uint32()
    framebuffer: bytes = buffer(1056)
    parent_obj: I2CSlave = struct(I2CSlave)


# The power management of Nokia's N800 and N810, with a real-time clock: TI's TWL92230 (Menelaus) (hw/rtc/twl92230.c
# as it was up to 9.1).


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


# An audio codec on an I2C bus: Wolfson's WM8750 (hw/audio/wm8750.c).


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
