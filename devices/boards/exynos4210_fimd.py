"""The display controller of Samsung's Exynos 4210.

Facts from QEMU's hw/display/exynos4210_fimd.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint16, uint32


@description("exynos4210.fimd_window", version_id=1, minimum_version_id=1)
class Exynos4210FimdWindow(VMState):
    """A window: where it lies in memory and on the screen, its palette and colour keys."""

    wincon: int = uint32()
    buf_start: list[int] = array(uint32, 3)
    buf_end: list[int] = array(uint32, 3)
    keycon: list[int] = array(uint32, 2)
    keyalpha: int = uint32()
    winmap: int = uint32()
    blendeq: int = uint32()
    rtqoscon: int = uint32()
    palette: list[int] = array(uint32, 256)
    shadow_buf_start: int = uint32()
    shadow_buf_end: int = uint32()
    shadow_buf_size: int = uint32()
    lefttop_x: int = uint16()
    lefttop_y: int = uint16()
    rightbot_x: int = uint16()
    rightbot_y: int = uint16()
    osdsize: int = uint32()
    alpha_val: list[int] = array(uint32, 2)
    virtpage_width: int = uint16()
    virtpage_offsize: int = uint16()


@device("exynos4210.fimd")
@description("exynos4210.fimd", version_id=1, minimum_version_id=1)
class Exynos4210Fimd(VMState):
    """Registers, and the windows."""

    vidcon: list[int] = array(uint32, 4)
    vidtcon: list[int] = array(uint32, 4)
    shadowcon: int = uint32()
    winchmap: int = uint32()
    vidintcon: list[int] = array(uint32, 2)
    dithmode: int = uint32()
    wpalcon: list[int] = array(uint32, 2)
    trigcon: int = uint32()
    i80ifcon: list[int] = array(uint32, 4)
    colorgaincon: int = uint32()
    ldi_cmdcon: list[int] = array(uint32, 2)
    sifccon: list[int] = array(uint32, 3)
    huecoef_cr: list[int] = array(uint32, 4)
    huecoef_cb: list[int] = array(uint32, 4)
    hueoffset: int = uint32()
    i80ifcmd: list[int] = array(uint32, 12)
    blendcon: int = uint32()
    window: list[Exynos4210FimdWindow] = array(Exynos4210FimdWindow, 5, version=1)
