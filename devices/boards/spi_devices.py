"""Devices on an SPI bus: converters, displays, flash memory, touch screens.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    Release,
    VMState,
    array,
    boolean,
    buffer,
    description,
    device,
    int8,
    int32,
    int32_equal,
    int64,
    known_since,
    struct,
    subsection,
    this,
    timer,
    uint8,
    uint16,
    uint32,
    variant,
    varray,
)

# What every device on an SPI bus begins with (hw/ssi/ssi.c).


@description("SSISlave", version_id=1, minimum_version_id=1)
class SSIPeripheral(VMState):
    """Whether the device is selected on its bus."""

    cs: bool = boolean()


# A touch screen's converter on an SPI bus: TI's ADS7846 (hw/input/ads7846.c).


@device("ads7846", listed=False)
@description("ads7846", version_id=1, minimum_version_id=1)
class Ads7846(VMState):
    """The inputs, and where a conversion stands."""

    ssidev: SSIPeripheral = struct(SSIPeripheral)
    input: list[int] = array(int32, 8)
    noise: int = int32()
    cycle: int = int32()
    output: int = int32()


# A flash memory on an SPI bus: M25P80 and its many kin (hw/block/m25p80.c).


@description("m25p80/data_read_loop", version_id=1, minimum_version_id=1)
class M25p80DataReadLoop(VMState):
    """Whether reading goes round in what was read; sent where it does."""

    data_read_loop: bool = boolean()


@description("m25p80/aai_enable", version_id=1, minimum_version_id=1, rules=(known_since(Release(6, 0)),))
class M25p80AaiEnable(VMState):
    """Whether words are written one behind the other (AAI); sent where they are."""

    aai_enable: bool = boolean()


@description("m25p80/write_protect", version_id=1, minimum_version_id=1, rules=(known_since(Release(7, 1)),))
class M25p80WriteProtect(VMState):
    """The level of the write-protect pin, and whether the status register is locked."""

    wp_level: bool = boolean()
    status_register_write_disabled: bool = boolean()


@description("m25p80/block_protect", version_id=1, minimum_version_id=1, rules=(known_since(Release(7, 1)),))
class M25p80BlockProtect(VMState):
    """Which blocks are locked; sent by memories that can."""

    block_protect0: bool = boolean()
    block_protect1: bool = boolean()
    block_protect2: bool = boolean()
    block_protect3: bool = boolean()
    top_bottom_bit: bool = boolean()


@device("m25p80")
@description("m25p80")
class M25p80(VMState):
    """The command under way, and the registers."""

    state: int = uint8()
    data: list[int] = array(uint8, 16)
    len: int = uint32()
    pos: int = uint32()
    needed_bytes: int = uint8()
    cmd_in_progress: int = uint8()
    cur_addr: int = uint32()
    write_enable: bool = boolean()
    reset_enable: bool = boolean()
    ear: int = uint8()
    four_bytes_address_mode: bool = boolean()
    nonvolatile_cfg: int = uint32()
    volatile_cfg: int = uint32()
    enh_volatile_cfg: int = uint32()
    quad_enable: bool = boolean()
    spansion_cr1nv: int = uint8()
    spansion_cr2nv: int = uint8()
    spansion_cr3nv: int = uint8()
    spansion_cr4nv: int = uint8()
    data_read_loop: M25p80DataReadLoop | None = subsection(M25p80DataReadLoop)
    aai_enable: M25p80AaiEnable | None = subsection(M25p80AaiEnable)
    write_protect: M25p80WriteProtect | None = subsection(M25p80WriteProtect)
    block_protect: M25p80BlockProtect | None = subsection(M25p80BlockProtect)


# An analogue-to-digital converter on an SPI bus: Maxim's MAX1110 and MAX1111 (hw/adc/max111x.c).


@device("max111x")
@description("max111x", version_id=1, minimum_version_id=1)
class Max111x(VMState):
    """An analogue-to-digital converter."""

    parent_obj: SSIPeripheral = struct(SSIPeripheral)
    tb1: int = uint8()
    rb2: int = uint8()
    rb3: int = uint8()
    inputs: int = int32_equal()
    com: int = int32()
    input: list[int] = varray(uint8, count=this.inputs)


# A display of 128 times 80 points on an SPI bus: Solomon Systech's SSD0323 (hw/display/ssd0323.c).


@device("ssd0323_oled")
@description("ssd0323_oled", version_id=2, minimum_version_id=2)
class Ssd0323Oled(VMState):
    """The command under way, where the next byte goes, settings, and the picture."""

    cmd_len: int = uint32()
    cmd: int = int32()
    cmd_data: list[int] = array(int32, 8, private=CONTENTS)
    row: int = int32()
    row_start: int = int32()
    row_end: int = int32()
    col: int = int32()
    col_start: int = int32()
    col_end: int = int32()
    redraw: int = int32()
    remap: int = int32()
    mode: int = uint32()
    framebuffer: bytes = buffer(5120)
    ssidev: SSIPeripheral = struct(SSIPeripheral)


# A card of SD behind an SPI bus (hw/sd/ssi-sd.c).


@device("ssi_sd")
@description("ssi_sd", version_id=7, minimum_version_id=7)
class SsiSd(VMState):
    """The command under way, and the card's answer."""

    mode: int = uint32()
    cmd: int = int32()
    cmdarg: list[int] = array(uint8, 4)
    response: list[int] = array(uint8, 5)
    crc16: int | None = uint16()
    read_bytes: int | None = int32()
    write_bytes: int | None = int32()
    arglen: int = int32()
    response_pos: int = int32()
    stopping: int = int32()
    ssidev: SSIPeripheral = struct(SSIPeripheral)


SSI_SD_5_2 = variant(SsiSd, None, 2, crc16=None, read_bytes=None, write_bytes=None)
"""Of 5.2."""


# A touch screen's controller on an SPI bus: TI's TSC2005 (hw/input/tsc2005.c).


@device("tsc2005", listed=False, noise={"timer": ("timer",)})
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


# A touch screen's controller with a codec, on an SPI bus: TI's TSC2301 and TSC2102 (hw/input/tsc210x.c).


@device("tsc2301", listed=False, noise={"timer": ("timer",)})
@description("tsc2301", version_id=1, minimum_version_id=1)
class Tsc2301(VMState):
    """Registers, where a measurement stands, and the codec."""

    enabled: bool = boolean()
    host_mode: bool = boolean()
    irq: bool = boolean()
    command: bool = boolean()
    pressure: bool = boolean()
    softstep: bool = boolean()
    state: bool = boolean()
    dav: int = uint16()
    x: int = int32()
    y: int = int32()
    offset: int = uint8()
    page: int = uint8()
    filter: int = uint8()
    pin_func: int = uint8()
    ref: int = uint8()
    timing: int = uint8()
    noise: int = uint8()
    function: int = uint8()
    nextfunction: int = uint8()
    precision: int = uint8()
    nextprecision: int = uint8()
    audio_ctrl1: int = uint16()
    audio_ctrl2: int = uint16()
    audio_ctrl3: int = uint16()
    pll: list[int] = array(uint16, 3)
    volume: int = uint16()
    dac_power: int = uint16()
    volume_change: int = int64()
    powerdown: int = int64()
    now: int = int64()
    filter_data: list[int] = array(uint16, 20)
    timer_: int = timer(name="timer")


@device("tsc2102", listed=False, noise={"timer": ("timer",)})
@description("tsc2102", version_id=1, minimum_version_id=1)
class Tsc2102(Tsc2301):
    """The same on the bus of Palm's boards."""
