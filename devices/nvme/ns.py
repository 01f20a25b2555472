"""An NVM Express namespace, by itself or in its controller.

Facts from QEMU's hw/nvme/ns.c, as 11.1 and its -dump-vmstate text have it.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    VMState,
    array,
    boolean,
    description,
    device,
    struct,
    uint8,
    uint16,
    uint32,
    uint64,
    with_tmp,
)

LBA_FORMATS = 64


@description("nvme_ns_tmp", version_id=0, minimum_version_id=0)
class NamespaceTmp(VMState):
    """What is asked of the drive."""

    enable_write_cache: bool = boolean()


@description("nvme_lbaf", version_id=1, minimum_version_id=1)
class LBAFormat(VMState):
    """A format of blocks: bytes of metadata, the size of the data as a power of two, the relative performance."""

    ms: int = uint16()
    ds: int = uint8()
    rp: int = uint8()


@description("nvme_id_ns", version_id=1, minimum_version_id=1)
class IdNs(VMState):
    """What the namespace says of itself (Identify Namespace), as it lies in memory."""

    nsze: int = uint64()
    ncap: int = uint64()
    nuse: int = uint64()
    nsfeat: int = uint8()
    nlbaf: int = uint8()
    flbas: int = uint8()
    mc: int = uint8()
    dpc: int = uint8()
    dps: int = uint8()
    nmic: int = uint8()
    rescap: int = uint8()
    fpi: int = uint8()
    dlfeat: int = uint8()
    nawun: int = uint16()
    nawupf: int = uint16()
    nacwu: int = uint16()
    nabsn: int = uint16()
    nabo: int = uint16()
    nabspf: int = uint16()
    noiob: int = uint16()
    nvmcap: list[int] = array(uint8, 16, private=REGISTERS)
    npwg: int = uint16()
    npwa: int = uint16()
    npdg: int = uint16()
    npda: int = uint16()
    nows: int = uint16()
    mssrl: int = uint16()
    mcl: int = uint32()
    msrc: int = uint8()
    rsvd81: list[int] = array(uint8, 18, private=REGISTERS)
    nsattr: int = uint8()
    nvmsetid: int = uint16()
    endgid: int = uint16()
    nguid: list[int] = array(uint8, 16)
    eui64: int = uint64()
    lbaf: list[LBAFormat] = array(LBAFormat, LBA_FORMATS, version=1)
    vs: list[int] = array(uint8, 3712)


@description("nvme_id_ns_nvm", version_id=1, minimum_version_id=1)
class IdNsNvm(VMState):
    """The same for the NVM command set."""

    lbstm: int = uint64()
    pic: int = uint8()
    rsvd9: list[int] = array(uint8, 3, private=REGISTERS)
    elbaf: list[int] = array(uint32, LBA_FORMATS)
    npdgl: int = uint32()
    nprg: int = uint32()
    npra: int = uint32()
    nors: int = uint32()
    npdal: int = uint32()
    rsvd288: list[int] = array(uint8, 3808, private=REGISTERS)


@description("nvme_id_ns_ind", version_id=1, minimum_version_id=1)
class IdNsInd(VMState):
    """The same, whatever the command set."""

    nsfeat: int = uint8()
    nmic: int = uint8()
    rescap: int = uint8()
    fpi: int = uint8()
    anagrpid: int = uint32()
    nsattr: int = uint8()
    rsvd9: int = uint8()
    nvmsetid: int = uint16()
    endgrpid: int = uint16()
    nstat: int = uint8()
    rsvd15: list[int] = array(uint8, 4081, private=REGISTERS)


@description("nvme-atomic", version_id=1, minimum_version_id=1)
class Atomic(VMState):
    """What is written as one."""

    atomic_max_write_size: int = uint32()
    atomic_boundary: int = uint64()
    atomic_nabo: int = uint64()
    atomic_writes: bool = boolean()


@device("nvme_ns")
@description("nvme_ns", version_id=1, minimum_version_id=1)
class Namespace(VMState):
    """What the namespace says of itself, and its settings."""

    tmp: NamespaceTmp = with_tmp(NamespaceTmp)
    id_ns: IdNs = struct(IdNs)
    id_ns_nvm: IdNsNvm = struct(IdNsNvm)
    id_ns_ind: IdNsInd = struct(IdNsInd)
    lbaf: LBAFormat = struct(LBAFormat)
    nlbaf: int = uint32()
    csi: int = uint8()
    status: int = uint16()
    pif: int = uint8()
    zns_zrwas: int = uint16(name="zns.zrwas")
    zns_zrwafg: int = uint16(name="zns.zrwafg")
    zns_numzrwa: int = uint32(name="zns.numzrwa")
    features_err_rec: int = uint32(name="features.err_rec")
    atomic: Atomic = struct(Atomic)
