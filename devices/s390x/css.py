"""The channel subsystem of s390 machines: pending channel reports and channel paths.

Facts from QEMU's hw/s390x/css.c.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    array_of_pointer,
    boolean,
    description,
    device,
    qtailq,
    struct,
    uint8,
    uint16,
    uint64,
)


@description("s390_crw", version_id=1, minimum_version_id=1)
class CRW(VMState):
    """A channel-report word."""

    flags: int = uint16()
    rsid: int = uint16()


@description("s390_crw_container", version_id=1, minimum_version_id=1)
class CrwContainer(VMState):
    """A channel-report word that waits for the guest."""

    crw: CRW = struct(CRW)


@description("s390_chp_info", version_id=1, minimum_version_id=1)
class ChpInfo(VMState):
    """A channel path."""

    in_use: int = uint8()
    type: int = uint8()
    is_virtual: int = uint8()


@description("s390_css_img", version_id=1, minimum_version_id=1)
class CssImage(VMState):
    """The channel paths of one channel-subsystem image."""

    chpids: list[ChpInfo] = array(ChpInfo, 256)


@device("s390_css", listed=False, target_endian="big")
@description("s390_css", version_id=1, minimum_version_id=1)
class ChannelSubSys(VMState):
    """The channel subsystem."""

    pending_crws: list[CrwContainer] = qtailq(CrwContainer, version=1)
    sei_pending: bool = boolean()
    do_crw_mchk: bool = boolean()
    crws_lost: bool = boolean()
    max_cssid: int = uint8()
    max_ssid: int = uint8()
    chnmon_active: bool = boolean()
    chnmon_area: int = uint64()
    css: list[CssImage | None] = array_of_pointer(CssImage, 256)
    default_cssid: int = uint8()
