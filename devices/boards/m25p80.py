"""A flash memory on an SPI bus: M25P80 and its many kin.

Facts from QEMU's hw/block/m25p80.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    array,
    boolean,
    description,
    device,
    known_since,
    subsection,
    uint8,
    uint32,
)


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
