"""The channel subsystem: I/O instructions, subchannels and their devices.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import (
    VMState,
    array,
    array_of_pointer,
    boolean,
    description,
    device,
    int32,
    qtailq,
    struct,
    subsection,
    uint8,
    uint8_equal,
    uint16,
    uint16_equal,
    uint32,
    uint64,
    with_tmp,
)

# The channel subsystem of s390 machines: pending channel reports and channel paths (hw/s390x/css.c).


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


# A subchannel of the s390 channel subsystem, as a virtio-ccw device carries it (hw/s390x/css.c).


@description("s390_scsw", version_id=1, minimum_version_id=1)
class SCSW(VMState):
    """Subchannel-status word."""

    flags: int = uint16()
    ctrl: int = uint16()
    cpa: int = uint32()
    dstat: int = uint8()
    cstat: int = uint8()
    count: int = uint16()


@description("s390_pmcw", version_id=1, minimum_version_id=1)
class PMCW(VMState):
    """Path-management-control word."""

    intparm: int = uint32()
    flags: int = uint16()
    devno: int = uint16()
    lpm: int = uint8()
    pnom: int = uint8()
    lpum: int = uint8()
    pim: int = uint8()
    mbi: int = uint16()
    pom: int = uint8()
    pam: int = uint8()
    chpid: list[int] = array(uint8, 8)
    chars: int = uint32()


@description("s390_schib", version_id=1, minimum_version_id=1)
class SCHIB(VMState):
    """Subchannel-information block."""

    pmcw: PMCW = struct(PMCW)
    scsw: SCSW = struct(SCSW)
    mba: int = uint64()
    mda: list[int] = array(uint8, 4)


@description("s390_ccw1", version_id=1, minimum_version_id=1)
class CCW1(VMState):
    """A channel-command word of format 1."""

    cmd_code: int = uint8()
    flags: int = uint8()
    count: int = uint16()
    cda: int = uint32()


@description("s390_ciw", version_id=1, minimum_version_id=1)
class CIW(VMState):
    """Command-information word of an extended sense-id answer."""

    type: int = uint8()
    command: int = uint8()
    count: int = uint16()


@description("s390_sense_id", version_id=1, minimum_version_id=1)
class SenseId(VMState):
    """What the device answers to a sense-id command."""

    reserved: int = uint8()
    cu_type: int = uint16()
    cu_model: int = uint8()
    dev_type: int = uint16()
    dev_model: int = uint8()
    unused_: int = uint8(name="unused")
    ciw: list[CIW] = array(CIW, 62)


@description("s390_orb", version_id=1, minimum_version_id=1)
class ORB(VMState):
    """Operation-request block."""

    intparm: int = uint32()
    ctrl0: int = uint16()
    lpm: int = uint8()
    ctrl1: int = uint8()
    cpa: int = uint32()


@description("s390_subch_dev/orb", version_id=1, minimum_version_id=1)
class SubchDevORB(VMState):
    """The last operation request; sent by machines from 2.12 on."""

    orb: ORB = struct(ORB, version=1)


@description("s390_subch_dev", version_id=1, minimum_version_id=1)
class SubchDev(VMState):
    """A subchannel and the channel program that runs on it."""

    cssid: int = uint8_equal()
    ssid: int = uint8_equal()
    migrated_schid: int = uint16()
    devno: int = uint16_equal()
    thinint_active: bool = boolean()
    curr_status: SCHIB = struct(SCHIB)
    sense_data: list[int] = array(uint8, 32)
    channel_prog: int = uint64()
    last_cmd: CCW1 = struct(CCW1)
    last_cmd_valid: bool = boolean()
    id: SenseId = struct(SenseId)
    ccw_fmt_1: bool = boolean()
    ccw_no_data_cnt: int = uint8()
    orb: SubchDevORB | None = subsection(SubchDevORB)


@description("s390_ind_addr_tmp")
class IndAddrTmp(VMState):
    """An indicator: its length (0: there is none) and its address in the guest."""

    len: int = int32()
    addr: int = uint64()


@description("s390_ind_addr_tmp")
class IndAddr(VMState):
    """An indicator that an adapter sets in guest memory."""

    tmp: IndAddrTmp = with_tmp(IndAddrTmp)
