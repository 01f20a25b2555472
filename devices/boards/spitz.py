"""A part of the board.

Facts from QEMU's hw/arm/spitz.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    boolean,
    description,
    device,
    struct,
    uint8,
    uint16,
    uint32,
    unused,
    version_id,
)


@description("SSISlave", version_id=1, minimum_version_id=1)
class SSISlave(VMState):
    """The `SSISlave`."""

    cs: bool = boolean()


@device("corgi-ssp")
@description("corgi-ssp", version_id=2, minimum_version_id=2)
class CorgiSsp(VMState):
    """A part of the board."""

    ssidev: SSISlave = struct(SSISlave)
    enable: list[int] = array(uint32, 3)


@description("ecc-state")
class EccState(VMState):
    """The `ecc-state`."""

    cp: int = uint8()
    lp: list[int] = array(uint16, 2)
    count: int = uint16()


@device("sl-nand")
@description("sl-nand")
class SlNand(VMState):
    """A part of the board."""

    ctl: int = uint8()
    ecc: EccState = struct(EccState)


@device("spitz-keyboard")
@description("spitz-keyboard", version_id=1)
class SpitzKeyboard(VMState):
    """A part of the board."""

    sense_state: int = uint16()
    strobe_state: int = uint16()
    unused_0: None | None = unused(5, exists=(version_id == 0))


@device("spitz-lcdtg")
@description("spitz-lcdtg", version_id=1, minimum_version_id=1)
class SpitzLcdtg(VMState):
    """A part of the board."""

    ssidev: SSISlave = struct(SSISlave)
    bl_intensity: int = uint32()
    bl_power: int = uint32()
