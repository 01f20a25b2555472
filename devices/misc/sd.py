"""An SD card or eMMC.

Facts from QEMU's hw/sd/sd.c.
"""

from __future__ import annotations

from vmstate.declare import (
    Release,
    VMState,
    array,
    bitmap,
    boolean,
    buffer,
    description,
    device,
    fact,
    host,
    int32,
    known_since,
    subsection,
    timer,
    uint8,
    uint16,
    uint32,
    uint64,
    unused,
    variant,
)
from vmstate.vmsd.destination import Comparison

WP_WORDS = fact("sd_wp_words", (1, 2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 1025, 2049, 4097, 8193, 16385))
"""Words of the write-protection bitmap: a bit for each 2 MB of the card, which holds a power of two, and one more."""


@description("sd-card/ocr-state", version_id=1, minimum_version_id=1)
class OCR(VMState):
    """The operating conditions; sent until the card is powered up."""

    ocr: int = uint32()
    ocr_power_timer: int = timer()


@description("sd-card/ext_csd_modes-state", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 1)),))
class EmmcRpmb(VMState):
    """The replay-protected partition of an eMMC."""

    result_key_mac: list[int] = array(uint8, 32, name="rpmb.result.key_mac")
    result_data: list[int] = array(uint8, 256, name="rpmb.result.data")
    result_nonce: list[int] = array(uint8, 16, name="rpmb.result.nonce")
    result_write_counter: int = uint32(name="rpmb.result.write_counter")
    result_address: int = uint16(name="rpmb.result.address")
    result_block_count: int = uint16(name="rpmb.result.block_count")
    result_result: int = uint16(name="rpmb.result.result")
    result_req_resp: int = uint16(name="rpmb.result.req_resp")
    write_counter: int = uint32(name="rpmb.write_counter")
    key: list[int] = array(uint8, 32, name="rpmb.key")
    key_set: int = uint8(name="rpmb.key_set")


@description("sd-card/ext_csd_modes-state", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 1)),))
class EmmcExtCsd(VMState):
    """The part of an eMMC's extended registers that can be written."""

    ext_csd_rw: list[int] = array(uint8, 192)


@device(
    "sd-card",
    models="vmstate.devices.misc.models:SD_CARD",
    # In front of what is sent the card is powered up, which one behind SPI is from its reset on.
    compares=Comparison(
        ends={"sd-card/ocr-state": "Assertion `!FIELD_EX32(sd->ocr, OCR, CARD_POWER_UP)' failed"},
        ends_beside=frozenset(("ssi_sd",)),
    ),
)
@description("sd-card", version_id=2, minimum_version_id=2)
class SD(VMState):
    """Registers of the card and the transfer that is under way."""

    mode: int = host(0)
    unused_0: None = unused(4)
    state: int = int32()
    cid: list[int] = array(uint8, 16)
    csd: list[int] = array(uint8, 16)
    rca: int = uint16()
    card_status: int = uint32()
    sd_status: bytes = buffer(1)
    vhs: int = uint32()
    wp_group_bmap: int = bitmap(WP_WORDS * 64)
    blk_len: int = uint32()
    multi_blk_cnt: int = uint32()
    erase_start: int = uint32()
    erase_end: int = uint32()
    pwd: list[int] = array(uint8, 16)
    pwd_len: int = uint32()
    function_group: list[int] = array(uint8, 6)
    current_cmd: int = uint8()
    expecting_acmd: bool = boolean()
    blk_written: int = uint32()
    data_start: int = uint64()
    data_offset: int = uint32()
    data: list[int] = array(uint8, 512)
    unused_1: None = unused(512, version=1)
    enable: bool = host(True)
    unused_2: None = unused(1)
    ocr_state: OCR | None = subsection(OCR)
    ext_csd_modes_state: EmmcExtCsd | None = subsection(EmmcExtCsd)
    ext_csd_modes_state_state: EmmcRpmb | None = subsection(EmmcRpmb)


SD_10_0 = variant(SD, unused_0=None, mode=uint32())
"""Up to 10.0 the mode is sent, which nothing changes."""

SD_7_2 = variant(SD, unused_0=None, mode=uint32(), unused_2=None, enable=boolean())
"""Up to 7.2 whether there is a medium as well."""

SD_5_2 = variant(
    SD,
    unused_0=None,
    mode=uint32(),
    wp_group_bmap=bitmap(WP_WORDS * 64, name="wp_groups"),
    unused_2=None,
    enable=boolean(),
)
"""And another name of the bitmap."""
