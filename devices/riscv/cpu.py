"""A RISC-V processor.

Facts from QEMU's target/riscv/machine.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    Release,
    VMState,
    array,
    boolean,
    description,
    device,
    host,
    known_since,
    part,
    subsection,
    timer,
    uint8,
    uint16,
    uint32,
    uint64,
    uinttl,
    unused,
    variant,
)


@part(noise={"counter": ("mhpmcounter_val", "mhpmcounter_prev")})
@description("cpu/pmu", version_id=3, minimum_version_id=3)
class Pmu(VMState):
    """A performance counter: its value, and what it was when it was last looked at."""

    mhpmcounter_val: int = uint64()
    mhpmcounterh_val: int | None = host()
    mhpmcounter_prev: int = uint64()
    mhpmcounterh_prev: int | None = host()
    started: bool | None = host()


@description("cpu/pmp/entry", version_id=2, minimum_version_id=2)
class PmpEntry(VMState):
    """An entry of physical memory protection."""

    addr_reg: int = uint64()
    cfg_reg: int = uint8()


@description("cpu/pmp", version_id=2, minimum_version_id=2)
class Pmp(VMState):
    """Physical memory protection."""

    pmp_state_pmp: list[PmpEntry] = array(PmpEntry, 64, name="env.pmp_state.pmp")


@description("cpu/hyper", version_id=5, minimum_version_id=5)
class Hyper(VMState):
    """The hypervisor extension: its registers and those of the virtual supervisor."""

    hstatus: int = uint64(name="env.hstatus")
    hedeleg: int = uint64(name="env.hedeleg")
    hideleg: int = uint64(name="env.hideleg")
    hcounteren: int = uint32(name="env.hcounteren")
    htval: int = uint64(name="env.htval")
    htinst: int = uint64(name="env.htinst")
    hgatp: int = uint64(name="env.hgatp")
    hgeie: int = uint64(name="env.hgeie")
    hgeip: int = uint64(name="env.hgeip")
    hvien: int = uint64(name="env.hvien")
    hvip: int = uint64(name="env.hvip")
    htimedelta: int = uint64(name="env.htimedelta")
    vstimecmp: int = uint64(name="env.vstimecmp")
    hvictl: int = uint32(name="env.hvictl")
    hviprio: list[int] = array(uint8, 64, name="env.hviprio")
    vsstatus: int = uint64(name="env.vsstatus")
    vstvec: int = uint64(name="env.vstvec")
    vsscratch: int = uint64(name="env.vsscratch")
    vsepc: int = uint64(name="env.vsepc")
    vscause: int = uint64(name="env.vscause")
    vstval: int = uint64(name="env.vstval")
    vsatp: int = uint64(name="env.vsatp")
    vsiselect: int = uint16(name="env.vsiselect")
    vsie: int = uint64(name="env.vsie")
    mtval2: int = uint64(name="env.mtval2")
    mtinst: int = uint64(name="env.mtinst")
    stvec_hs: int = uint64(name="env.stvec_hs")
    sscratch_hs: int = uint64(name="env.sscratch_hs")
    sepc_hs: int = uint64(name="env.sepc_hs")
    scause_hs: int = uint64(name="env.scause_hs")
    stval_hs: int = uint64(name="env.stval_hs")
    satp_hs: int = uint64(name="env.satp_hs")
    mstatus_hs: int = uint64(name="env.mstatus_hs")


@description("cpu/vector", version_id=3, minimum_version_id=3)
class Vector(VMState):
    """The vector extension."""

    vreg: list[int] = array(uint64, 512, name="env.vreg", private=CONTENTS)
    vtype: int = uint64(name="env.vtype")
    vl: int = uint32(name="env.vl")
    vstart: int = uint32(name="env.vstart")
    vxrm: int = uint8(name="env.vxrm")
    vxsat: int = uint8(name="env.vxsat")
    vill: bool = boolean(name="env.vill")


@description("cpu/vector", version_id=2, minimum_version_id=2)
class VectorUpTo10_2(VMState):
    """The vector extension up to 10.2, which has another order."""

    vreg: list[int] = array(uint64, 512, name="env.vreg", private=CONTENTS)
    vxrm: int = uinttl(name="env.vxrm")
    vxsat: int = uinttl(name="env.vxsat")
    vl: int = uinttl(name="env.vl")
    vstart: int = uinttl(name="env.vstart")
    vtype: int = uinttl(name="env.vtype")
    vill: bool = boolean(name="env.vill")


@description("cpu/pointer_masking", version_id=1, minimum_version_id=1, rules=(known_since(Release(6, 2)),))
class PointerMasking(VMState):
    """Pointer masking as its draft had it; sent up to 9.2."""

    mmte: int = uinttl(name="env.mmte")
    mpmmask: int = uinttl(name="env.mpmmask")
    mpmbase: int = uinttl(name="env.mpmbase")
    spmmask: int = uinttl(name="env.spmmask")
    spmbase: int = uinttl(name="env.spmbase")
    upmmask: int = uinttl(name="env.upmmask")
    upmbase: int = uinttl(name="env.upmbase")


@description("cpu/rv128", version_id=2, minimum_version_id=2, rules=(known_since(Release(7, 0)),))
class Rv128(VMState):
    """The upper halves of the registers of 128 bits."""

    gprh: list[int] = array(uint64, 32, name="env.gprh", private=CONTENTS)
    mscratchh: int = uint64(name="env.mscratchh")
    sscratchh: int = uint64(name="env.sscratchh")


@description("cpu/kvmtimer", version_id=1, minimum_version_id=1, rules=(known_since(Release(7, 0)),))
class KvmTimer(VMState):
    """KVM's timer; sent where KVM runs the processor."""

    kvm_timer_time: int = uint64(name="env.kvm_timer_time")
    kvm_timer_compare: int = uint64(name="env.kvm_timer_compare")
    kvm_timer_state: int = uint64(name="env.kvm_timer_state")


@description("cpu/envcfg", version_id=2, minimum_version_id=2, rules=(known_since(Release(7, 1)),))
class Envcfg(VMState):
    """The environment that a mode gives the ones below it."""

    menvcfg: int = uint64(name="env.menvcfg")
    senvcfg: int = uint64(name="env.senvcfg")
    henvcfg: int = uint64(name="env.henvcfg")


@description("cpu/debug", version_id=4, minimum_version_id=4, rules=(known_since(Release(7, 1)),))
class Debug(VMState):
    """The triggers of the debug extension."""

    mcontext: int = uint16(name="env.mcontext")
    trigger_cur: int = uint8(name="env.trigger_cur")
    tdata1: list[int] = array(uint64, 2, name="env.tdata1")
    tdata2: list[int] = array(uint64, 2, name="env.tdata2")
    tdata3: list[int] = array(uint64, 2, name="env.tdata3")


@description("cpu/smtateen", version_id=1, minimum_version_id=1, rules=(known_since(Release(8, 0)),))
class Smtateen(VMState):
    """What of the state of other extensions lower modes may use (Smstateen)."""

    mstateen: list[int] = array(uint64, 4, name="env.mstateen")
    hstateen: list[int] = array(uint64, 4, name="env.hstateen")
    sstateen: list[int] = array(uint64, 4, name="env.sstateen")


@description("cpu/jvt", version_id=1, minimum_version_id=1, rules=(known_since(Release(8, 1)),))
class Jvt(VMState):
    """The table of jumps of Zcmt."""

    jvt: int = uinttl(name="env.jvt")


@description("cpu/elp", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 2)),))
class Elp(VMState):
    """Whether a landing pad is expected (Zicfilp)."""

    elp: bool = boolean(name="env.elp")


@description("cpu/ssp", version_id=2, minimum_version_id=2, rules=(known_since(Release(9, 2)),))
class Ssp(VMState):
    """The shadow stack (Zicfiss)."""

    ssp: int = uint64(name="env.ssp")


@description("cpu/ctr", version_id=1, minimum_version_id=1, rules=(known_since(Release(10, 0)),))
class Ctr(VMState):
    """Records of control transfers (Smctr, Ssctr)."""

    mctrctl: int = uint64(name="env.mctrctl")
    sctrdepth: int = uint32(name="env.sctrdepth")
    sctrstatus: int = uint32(name="env.sctrstatus")
    vsctrctl: int = uint64(name="env.vsctrctl")
    ctr_src: list[int] = array(uint64, 256, name="env.ctr_src")
    ctr_dst: list[int] = array(uint64, 256, name="env.ctr_dst")
    ctr_data: list[int] = array(uint64, 256, name="env.ctr_data")


@part(noise={"timer": ("env.stimer", "env.vstimer")})
@description("cpu/timer", version_id=1, minimum_version_id=1, rules=(known_since(Release(10, 0)),))
class Timer(VMState):
    """The timers of the supervisor and of the virtual one (Sstc). New in 10.2, and in stable releases from 10.0 on."""

    stimer: int = timer(name="env.stimer")
    vstimer: int = timer(name="env.vstimer")


@description("cpu/mseccfg", version_id=1, minimum_version_id=1, rules=(known_since(Release(10, 0)),))
class Mseccfg(VMState):
    """The machine's security configuration. New in 11.0, and in stable releases from 10.0 on."""

    mseccfg: int = uint64(name="env.mseccfg")


@device(
    "cpu",
    order=3,
    listed=False,
    per_cpu=True,
    noise={
        "register": (
            "env.gpr",
            "env.fpr",
            "env.pc",
            "env.load_res",
            "env.load_val",
            "env.badaddr",
            "env.priv",
            "env.mstatus",
            "env.mip",
            "env.sepc",
            "env.scause",
            "env.stval",
            "env.mepc",
            "env.mcause",
            "env.mtval",
            "env.sscratch",
            "env.mscratch",
        ),
        "timer": ("env.stimecmp",),
    },
)
@description("cpu", version_id=12, minimum_version_id=12)
class RISCVCPU(VMState):
    """Registers and state of the processor."""

    gpr: list[int] = array(uint64, 32, name="env.gpr")
    fpr: list[int] = array(uint64, 32, name="env.fpr", private=CONTENTS)
    miprio: list[int] = array(uint8, 64, name="env.miprio")
    siprio: list[int] = array(uint8, 64, name="env.siprio")
    pc: int = uint64(name="env.pc")
    load_res: int = uint64(name="env.load_res")
    load_val: int = uint64(name="env.load_val")
    frm: int = uint8(name="env.frm")
    badaddr: int = uint64(name="env.badaddr")
    guest_phys_fault_addr: int = uint64(name="env.guest_phys_fault_addr")
    priv_ver: int = uint32(name="env.priv_ver")
    vext_ver: int = uint32(name="env.vext_ver")
    misa: int | None = host()
    misa_mask: int | None = host()
    misa_mxl: int = uint32(name="env.misa_mxl")
    misa_ext: int = uint32(name="env.misa_ext")
    misa_mxl_max: int | None = host()
    unused_0: None = unused(4)
    misa_ext_mask: int = uint32(name="env.misa_ext_mask")
    features: int | None = host()
    priv: int = uint8(name="env.priv")
    virt: int | None = host()
    virt_enabled: bool = boolean(name="env.virt_enabled")
    resetvec: int = uint64(name="env.resetvec")
    mhartid: int = uint64(name="env.mhartid")
    mstatus: int = uint64(name="env.mstatus")
    mip: int = uint64(name="env.mip")
    miclaim: int = uint64(name="env.miclaim")
    mie: int = uint64(name="env.mie")
    mvien: int = uint64(name="env.mvien")
    mvip: int = uint64(name="env.mvip")
    sie: int = uint64(name="env.sie")
    mideleg: int = uint64(name="env.mideleg")
    sptbr: int | None = host()
    satp: int = uint64(name="env.satp")
    sbadaddr: int | None = host()
    mbadaddr: int | None = host()
    stval: int = uint64(name="env.stval")
    medeleg: int = uint64(name="env.medeleg")
    stvec: int = uint64(name="env.stvec")
    sepc: int = uint64(name="env.sepc")
    scause: int = uint64(name="env.scause")
    mtvec: int = uint64(name="env.mtvec")
    mepc: int = uint64(name="env.mepc")
    mcause: int = uint64(name="env.mcause")
    mtval: int = uint64(name="env.mtval")
    miselect: int = uint16(name="env.miselect")
    siselect: int = uint16(name="env.siselect")
    scounteren: int = uint32(name="env.scounteren")
    mcounteren: int = uint32(name="env.mcounteren")
    scountinhibit: int = uint32(name="env.scountinhibit")
    mcountinhibit: int = uint32(name="env.mcountinhibit")
    pmu_ctrs: list[Pmu] = array(Pmu, 32, name="env.pmu_ctrs")
    mhpmevent_val: list[int] = array(uint64, 32, name="env.mhpmevent_val")
    mhpmeventh_val: list[int] | None = host()
    sscratch: int = uint64(name="env.sscratch")
    mscratch: int = uint64(name="env.mscratch")
    mfromhost: int | None = host()
    mtohost: int | None = host()
    timecmp: int | None = host()
    stimecmp: int = uint64(name="env.stimecmp")
    pmp: Pmp | None = subsection(Pmp)
    hyper: Hyper | None = subsection(Hyper)
    vector: Vector | VectorUpTo10_2 | None = subsection(Vector)
    pointer_masking: PointerMasking | None = subsection(PointerMasking)
    rv128: Rv128 | None = subsection(Rv128)
    kvmtimer: KvmTimer | None = subsection(KvmTimer)
    envcfg: Envcfg | None = subsection(Envcfg)
    debug: Debug | None = subsection(Debug)
    smtateen: Smtateen | None = subsection(Smtateen)
    jvt: Jvt | None = subsection(Jvt)
    elp: Elp | None = subsection(Elp)
    ssp: Ssp | None = subsection(Ssp)
    ctr: Ctr | None = subsection(Ctr)
    timers: Timer | None = subsection(Timer)
    mseccfg: Mseccfg | None = subsection(Mseccfg)


PMU_10_2 = variant(
    Pmu,
    None,
    2,
    mhpmcounter_val=uinttl(),
    mhpmcounterh_val=uinttl(),
    mhpmcounter_prev=uinttl(),
    mhpmcounterh_prev=uinttl(),
)

PMP_ENTRY_10_2 = variant(PmpEntry, None, 1, addr_reg=uinttl())

PMP_10_2 = variant(Pmp, None, 1, pmp_state_pmp=array(PMP_ENTRY_10_2, 64, name="env.pmp_state.pmp"))
PMP_10_0 = variant(PMP_10_2, pmp_state_pmp=array(PMP_ENTRY_10_2, 16, name="env.pmp_state.pmp"))

HYPER_10_2 = variant(
    Hyper,
    None,
    4,
    hstatus=uinttl(name="env.hstatus"),
    hedeleg=uinttl(name="env.hedeleg"),
    htval=uinttl(name="env.htval"),
    htinst=uinttl(name="env.htinst"),
    hgatp=uinttl(name="env.hgatp"),
    hgeie=uinttl(name="env.hgeie"),
    hgeip=uinttl(name="env.hgeip"),
    hvictl=uinttl(name="env.hvictl"),
    vstvec=uinttl(name="env.vstvec"),
    vsscratch=uinttl(name="env.vsscratch"),
    vsepc=uinttl(name="env.vsepc"),
    vscause=uinttl(name="env.vscause"),
    vstval=uinttl(name="env.vstval"),
    vsatp=uinttl(name="env.vsatp"),
    vsiselect=uinttl(name="env.vsiselect"),
    mtval2=uinttl(name="env.mtval2"),
    mtinst=uinttl(name="env.mtinst"),
    stvec_hs=uinttl(name="env.stvec_hs"),
    sscratch_hs=uinttl(name="env.sscratch_hs"),
    sepc_hs=uinttl(name="env.sepc_hs"),
    scause_hs=uinttl(name="env.scause_hs"),
    stval_hs=uinttl(name="env.stval_hs"),
    satp_hs=uinttl(name="env.satp_hs"),
)

RV128_10_2 = variant(Rv128, None, 1)

ENVCFG_10_2 = variant(Envcfg, None, 1, senvcfg=uinttl(name="env.senvcfg"))

DEBUG_10_2 = variant(
    Debug,
    None,
    2,
    mcontext=None,
    trigger_cur=uinttl(name="env.trigger_cur"),
    tdata1=array(uinttl, 2, name="env.tdata1"),
    tdata2=array(uinttl, 2, name="env.tdata2"),
    tdata3=array(uinttl, 2, name="env.tdata3"),
)

SSP_10_2 = variant(Ssp, None, 1, ssp=uinttl(name="env.ssp"))

MSECCFG_10_2 = variant(Mseccfg, None, 1, mseccfg=uinttl(name="env.mseccfg"))

RISCV_CPU_10_2 = variant(
    RISCVCPU,
    None,
    10,
    gpr=array(uinttl, 32, name="env.gpr"),
    pc=uinttl(name="env.pc"),
    load_res=uinttl(name="env.load_res"),
    load_val=uinttl(name="env.load_val"),
    frm=uinttl(name="env.frm"),
    badaddr=uinttl(name="env.badaddr"),
    guest_phys_fault_addr=uinttl(name="env.guest_phys_fault_addr"),
    priv_ver=uinttl(name="env.priv_ver"),
    vext_ver=uinttl(name="env.vext_ver"),
    priv=uinttl(name="env.priv"),
    mhartid=uinttl(name="env.mhartid"),
    satp=uinttl(name="env.satp"),
    stval=uinttl(name="env.stval"),
    medeleg=uinttl(name="env.medeleg"),
    stvec=uinttl(name="env.stvec"),
    sepc=uinttl(name="env.sepc"),
    scause=uinttl(name="env.scause"),
    mtvec=uinttl(name="env.mtvec"),
    mepc=uinttl(name="env.mepc"),
    mcause=uinttl(name="env.mcause"),
    mtval=uinttl(name="env.mtval"),
    miselect=uinttl(name="env.miselect"),
    siselect=uinttl(name="env.siselect"),
    pmu_ctrs=array(PMU_10_2, 32, name="env.pmu_ctrs"),
    mhpmevent_val=array(uinttl, 32, name="env.mhpmevent_val"),
    mhpmeventh_val=array(uinttl, 32, name="env.mhpmeventh_val"),
    sscratch=uinttl(name="env.sscratch"),
    mscratch=uinttl(name="env.mscratch"),
    pmp=PMP_10_2,
    hyper=HYPER_10_2,
    rv128=RV128_10_2,
    envcfg=ENVCFG_10_2,
    debug=DEBUG_10_2,
    ssp=SSP_10_2,
    mseccfg=MSECCFG_10_2,
    vector=VectorUpTo10_2,
)
"""From 10.1 to 10.2: 64 entries of memory protection under an unchanged version, and many registers as long as the
target's."""

RISCV_CPU_10_0 = variant(RISCV_CPU_10_2, pmp=PMP_10_0)
"""Up to 10.0."""

PMU_7_2 = variant(PMU_10_2, None, 1, started=boolean())

HYPER_7_2 = variant(HYPER_10_2, None, 2, hvien=None, hvip=None, vsie=None, hcounteren=uinttl(name="env.hcounteren"))

RISCV_CPU_7_2 = variant(
    RISCV_CPU_10_0,
    None,
    5,
    unused_0=None,
    virt_enabled=None,
    mvien=None,
    mvip=None,
    sie=None,
    scountinhibit=None,
    misa_mxl_max=uint32(name="env.misa_mxl_max"),
    features=uint32(name="env.features"),
    virt=uinttl(name="env.virt"),
    scounteren=uinttl(name="env.scounteren"),
    mcounteren=uinttl(name="env.mcounteren"),
    mcountinhibit=uinttl(name="env.mcountinhibit"),
    pmu_ctrs=array(PMU_7_2, 32, name="env.pmu_ctrs"),
    mfromhost=uint64(name="env.mfromhost"),
    mtohost=uint64(name="env.mtohost"),
    hyper=HYPER_7_2,
)
"""Up to 7.2."""

HYPER_5_2 = variant(
    HYPER_7_2, None, 1, hgeie=None, hgeip=None, vstimecmp=None, hvictl=None, hviprio=None, vsiselect=None
)

VECTOR_5_2 = variant(VectorUpTo10_2, None, 1, vreg=array(uint64, 128, name="env.vreg", private=CONTENTS), vill=None)

RISCV_CPU_5_2 = variant(
    RISCV_CPU_7_2,
    None,
    1,
    miprio=None,
    siprio=None,
    misa_mxl=None,
    misa_ext=None,
    misa_mxl_max=None,
    misa_ext_mask=None,
    misa=uinttl(name="env.misa"),
    misa_mask=uinttl(name="env.misa_mask"),
    resetvec=uinttl(name="env.resetvec"),
    mip=uinttl(name="env.mip"),
    miclaim=uint32(name="env.miclaim"),
    mie=uinttl(name="env.mie"),
    mideleg=uinttl(name="env.mideleg"),
    sptbr=uinttl(name="env.sptbr"),
    sbadaddr=uinttl(name="env.sbadaddr"),
    mbadaddr=uinttl(name="env.mbadaddr"),
    stval=None,
    miselect=None,
    siselect=None,
    mcountinhibit=None,
    pmu_ctrs=None,
    mhpmevent_val=None,
    mhpmeventh_val=None,
    stimecmp=None,
    timecmp=uint64(name="env.timecmp"),
    hyper=HYPER_5_2,
    vector=VECTOR_5_2,
)
"""Of 5.2."""
