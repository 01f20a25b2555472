"""The display of Broadcom's BCM2835, which the firmware sets up.

Facts from QEMU's hw/display/bcm2835_fb.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, uint32, unused


@device("bcm2835-fb")
@description("bcm2835-fb", version_id=1, minimum_version_id=1)
class Bcm2835Fb(VMState):
    """Size, depth, place in memory, and what is asked of it."""

    lock: bool = boolean()
    invalidate: bool = boolean()
    pending: bool = boolean()
    config_xres: int = uint32(name="config.xres")
    config_yres: int = uint32(name="config.yres")
    config_xres_virtual: int = uint32(name="config.xres_virtual")
    config_yres_virtual: int = uint32(name="config.yres_virtual")
    config_xoffset: int = uint32(name="config.xoffset")
    config_yoffset: int = uint32(name="config.yoffset")
    config_bpp: int = uint32(name="config.bpp")
    config_base: int = uint32(name="config.base")
    unused_0: None = unused(8)
    config_pixo: int = uint32(name="config.pixo")
    config_alpha: int = uint32(name="config.alpha")
