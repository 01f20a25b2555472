"""Boards with Intel's PXA2xx: Mainstone, and Zaurus and Spitz of Sharp, and Z2 of Zipit.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    asks,
    buffer,
    description,
    device,
    int32,
    struct,
    this,
    uint8,
    uint16,
    uint32,
    unused,
    validate,
    version_id,
)
from vmstate.devices.boards.spi_devices import SSIPeripheral
from vmstate.devices.ide.core import IDEBus, IDEDrive

# A disk in a CompactFlash slot of Intel's PXA2xx boards (Microdrive) (hw/ide/microdrive.c as it was up to 9.1).


@device("microdrive")
@description("microdrive", version_id=3)
class MicroDrive(VMState):
    """Registers of the slot, and the bus with its two drives."""

    opt: int = uint8()
    stat: int = uint8()
    pins: int = uint8()
    ctrl: int = uint8()
    io: int = uint16()
    cycle: int = uint8()
    bus: IDEBus = struct(IDEBus, version=1)
    bus_ifs: list[IDEDrive] = array(IDEDrive, 2, name="bus.ifs", version=3)


# The board registers of Intel's Mainstone (hw/misc/mst_fpga.c).


@device("mainstone_fpga")
@description("mainstone_fpga")
class MainstoneFpga(VMState):
    """Lights, cards and interrupts."""

    prev_level: int = uint32()
    leddat1: int = uint32()
    leddat2: int = uint32()
    ledctrl: int = uint32()
    gpswr: int = uint32()
    mscwr1: int = uint32()
    mscwr2: int = uint32()
    mscwr3: int = uint32()
    mscrd: int = uint32()
    intmskena: int = uint32()
    intsetclr: int = uint32()
    pcmcia0: int = uint32()
    pcmcia1: int = uint32()


# The keyboard, display light, flash memory and SPI of Sharp's Spitz and kin (hw/arm/spitz.c).


@device("corgi-ssp")
@description("corgi-ssp", version_id=2, minimum_version_id=2)
class CorgiSsp(VMState):
    """Which device on the SPI bus is chosen."""

    ssidev: SSIPeripheral = struct(SSIPeripheral)
    enable: list[int] = array(uint32, 3)


@description("ecc-state")
class EccState(VMState):
    """The error correction of the flash memory."""

    cp: int = uint8()
    lp: list[int] = array(uint16, 2)
    count: int = uint16()


@device("sl-nand")
@description("sl-nand")
class SlNand(VMState):
    """The flash memory's controller."""

    ctl: int = uint8()
    ecc: EccState = struct(EccState)


@device("spitz-keyboard")
@description("spitz-keyboard", version_id=1)
class SpitzKeyboard(VMState):
    """Lines of the keyboard."""

    sense_state: int = uint16()
    strobe_state: int = uint16()
    unused_0: None | None = unused(5, exists=(version_id == 0))


@device("spitz-lcdtg")
@description("spitz-lcdtg", version_id=1, minimum_version_id=1)
class SpitzLcdtg(VMState):
    """The display's timing chip: how bright the light is."""

    ssidev: SSIPeripheral = struct(SSIPeripheral)
    bl_intensity: int = uint32()
    bl_power: int = uint32()


# The power management and the display of Zipit's Z2 (hw/arm/z2.c).


@device("aer915")
@description("aer915", version_id=1, minimum_version_id=1)
class Aer915(VMState):
    """What is written to the power management."""

    len: int = int32()
    buf: bytes = buffer(3)


@device("zipit-lcd")
@description("zipit-lcd", version_id=2, minimum_version_id=2)
class ZipitLcd(VMState):
    """The display: which register comes next."""

    ssidev: SSIPeripheral = struct(SSIPeripheral)
    selected: int = int32()
    enabled: int = int32()
    buf: bytes = buffer(3)
    cur_reg: int = uint32()
    pos: int = int32()


# The lines of Sharp's Zaurus (SCOOP) (hw/gpio/zaurus.c).


def _are_lines(gpio_level: int, gpio_dir: int, prev_level: int) -> bool:
    """Whether there are 16 lines at most in each."""
    return not (gpio_level | gpio_dir | prev_level) >> 16


@device("scoop")
@description("scoop", version_id=1)
class Scoop(VMState):
    """General-purpose lines of Sharp's Zaurus."""

    status: int = uint16()
    power: int = uint16()
    gpio_level: int = uint32()
    gpio_dir: int = uint32()
    prev_level: int = uint32()
    valid_lines: None = validate(
        asks(_are_lines, this.gpio_level, this.gpio_dir, this.prev_level), name="irq levels are 16 bit"
    )
    mcr: int = uint16()
    cdr: int = uint16()
    ccr: int = uint16()
    irr: int = uint16()
    imr: int = uint16()
    isr: int = uint16()
    unused_0: None | None = unused(2, exists=(version_id == 0))
