"""The keyboard, display light, flash memory and SPI of Sharp's Spitz and kin.

Facts from QEMU's hw/arm/spitz.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    description,
    device,
    struct,
    uint8,
    uint16,
    uint32,
    unused,
    version_id,
)
from vmstate.devices.boards.ssi import SSIPeripheral


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
