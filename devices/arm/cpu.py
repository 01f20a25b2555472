"""An Arm processor.

Facts from QEMU's target/arm/machine.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmstate.declare import (
    CONTENTS,
    OWN,
    RELEASE,
    Expr,
    Release,
    Rule,
    VMState,
    allocated,
    among,
    array,
    asks,
    boolean,
    description,
    device,
    fact,
    host,
    int32,
    known_since,
    max_,
    otherwise,
    part,
    rule,
    sub_array,
    subsection,
    this,
    timer,
    uint8,
    uint32,
    uint64,
    unused,
    validate,
    variant,
    varray,
)
from vmstate.devices.arm.registers import is_constant, is_of_32_bits, meaning_of, register_name

DREGIONS = fact("pmsav7_regions", (16, 8, 0, 4, 12, 20, 24, 32), unsent=0)
"""Regions of memory protection (`pmsav7-dregion`): as many as a processor of the M or the R profile can have.

None where it sends nothing of them: then it has no memory protection (arm_cpu_realizefn).
"""

HDREGIONS = fact("pmsav8r_hypervisor_regions", (16, 0), unsent=0)
"""Regions of the hypervisor's memory protection: 16 of the Cortex-R52, and none where it has no memory protection."""

SREGIONS = fact("sau_regions", (8, 0), unsent=0)
"""Regions of the security attribution unit: 8 of the Cortex-M33 and M55."""


@description("cpu/vfp/fpcr_fpsr", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 1)),))
class FpcrFpsr(VMState):
    """Control and status of floating point, where one word cannot hold both."""

    fpcr: int = uint64(info="fpcr")
    fpsr: int = uint64(info="fpsr")


@part(noise={"register": ("env.vfp.zregs.d", "env.vfp.xregs", "fpscr")})
@description("cpu/vfp", version_id=3, minimum_version_id=3)
class Vfp(VMState):
    """Floating-point and vector registers."""

    vfp_zregs_0_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[0].d", private=CONTENTS)
    vfp_zregs_1_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[1].d", private=CONTENTS)
    vfp_zregs_2_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[2].d", private=CONTENTS)
    vfp_zregs_3_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[3].d", private=CONTENTS)
    vfp_zregs_4_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[4].d", private=CONTENTS)
    vfp_zregs_5_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[5].d", private=CONTENTS)
    vfp_zregs_6_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[6].d", private=CONTENTS)
    vfp_zregs_7_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[7].d", private=CONTENTS)
    vfp_zregs_8_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[8].d", private=CONTENTS)
    vfp_zregs_9_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[9].d", private=CONTENTS)
    vfp_zregs_10_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[10].d", private=CONTENTS)
    vfp_zregs_11_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[11].d", private=CONTENTS)
    vfp_zregs_12_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[12].d", private=CONTENTS)
    vfp_zregs_13_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[13].d", private=CONTENTS)
    vfp_zregs_14_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[14].d", private=CONTENTS)
    vfp_zregs_15_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[15].d", private=CONTENTS)
    vfp_zregs_16_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[16].d", private=CONTENTS)
    vfp_zregs_17_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[17].d", private=CONTENTS)
    vfp_zregs_18_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[18].d", private=CONTENTS)
    vfp_zregs_19_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[19].d", private=CONTENTS)
    vfp_zregs_20_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[20].d", private=CONTENTS)
    vfp_zregs_21_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[21].d", private=CONTENTS)
    vfp_zregs_22_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[22].d", private=CONTENTS)
    vfp_zregs_23_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[23].d", private=CONTENTS)
    vfp_zregs_24_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[24].d", private=CONTENTS)
    vfp_zregs_25_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[25].d", private=CONTENTS)
    vfp_zregs_26_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[26].d", private=CONTENTS)
    vfp_zregs_27_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[27].d", private=CONTENTS)
    vfp_zregs_28_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[28].d", private=CONTENTS)
    vfp_zregs_29_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[29].d", private=CONTENTS)
    vfp_zregs_30_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[30].d", private=CONTENTS)
    vfp_zregs_31_d: list[int] = sub_array(uint64, 0, 2, name="env.vfp.zregs[31].d", private=CONTENTS)
    vfp_xregs_0: int = uint32(name="env.vfp.xregs[0]")
    vfp_xregs: list[int] = sub_array(uint32, 2, 14, name="env.vfp.xregs")
    fpscr: int = uint32(info="fpscr")
    fpcr_fpsr: FpcrFpsr | None = subsection(FpcrFpsr)


@description("cpu/sve/zreg_hi", version_id=1, minimum_version_id=1)
class ZregHi(VMState):
    """The bits of a vector register above 128."""

    d: list[int] = sub_array(uint64, 2, 14, private=CONTENTS)


@description("cpu/sve/preg", version_id=1, minimum_version_id=1)
class Preg(VMState):
    """A predicate register."""

    p: list[int] = array(uint64, 4, private=CONTENTS)


@description("cpu/sve", version_id=1, minimum_version_id=1)
class Sve(VMState):
    """The scalable vector extension."""

    vfp_zregs: list[ZregHi] = array(ZregHi, 32, name="env.vfp.zregs")
    vfp_pregs: list[Preg] = array(Preg, 17, name="env.vfp.pregs")


@description("vreg", version_id=1, minimum_version_id=1)
class Vreg(VMState):
    """A row of the matrix."""

    d: list[int] = array(uint64, 32, private=CONTENTS)


@description("cpu/sme", version_id=1, minimum_version_id=1, rules=(known_since(Release(7, 1)),))
class Za(VMState):
    """The matrix of the scalable matrix extension; sent while it is in use."""

    za_state_za: list[Vreg] = array(Vreg, 256, name="env.za_state.za")


@description("cpu/zt0", version_id=1, minimum_version_id=1, rules=(known_since(Release(10, 1)),))
class Zt0(VMState):
    """The table register of the scalable matrix extension."""

    za_state_zt0: list[int] = array(uint64, 8, name="env.za_state.zt0", private=CONTENTS)


@description("cpu/serror", version_id=1, minimum_version_id=1, needed=this.serror_pending != 0)
class Serror(VMState):
    """A system error that is pending."""

    serror_pending: int = uint8(name="env.serror.pending")
    serror_has_esr: int = uint8(name="env.serror.has_esr")
    serror_esr: int = uint64(name="env.serror.esr")


@part(noise={"interrupt": ("env.irq_line_state",)})
@description("cpu/irq-line-state", version_id=1, minimum_version_id=1)
class IrqLineState(VMState):
    """The levels of the interrupt lines."""

    irq_line_state: int = uint32(name="env.irq_line_state")


WFXT = allocated("timer of WFET and WFIT", "give both sides the same -cpu: the timer comes with FEAT_WFxT")


@description("cpu/wfxt-timer", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 1)), WFXT))
class WfxtTimer(VMState):
    """The time-out of a wait; sent while there is one."""

    wfxt_timer: int = timer()


@part(noise={"register": ("env.iwmmxt.regs",)})
@description("cpu/iwmmxt", version_id=1, minimum_version_id=1)
class Iwmmxt(VMState):
    """Registers of Intel's wireless MMX; sent by a processor that has them, of a PXA27x."""

    iwmmxt_regs: list[int] = array(uint64, 16, name="env.iwmmxt.regs", private=CONTENTS)
    iwmmxt_cregs: list[int] = array(uint32, 16, name="env.iwmmxt.cregs")


@description("cpu/m/faultmask-primask", version_id=1, minimum_version_id=1)
class MFaultmaskPrimask(VMState):
    """M profile: interrupt masks."""

    v7m_faultmask_M_REG_NS: int = uint32(name="env.v7m.faultmask[M_REG_NS]")
    v7m_primask_M_REG_NS: int = uint32(name="env.v7m.primask[M_REG_NS]")


@description("cpu/m/csselr", version_id=1, minimum_version_id=1)
class MCsselr(VMState):
    """M profile: cache selection."""

    v7m_csselr: list[int] = array(uint32, 2, name="env.v7m.csselr")
    valid_csselr: None = validate(max_(this.v7m_csselr) <= 15, name="CSSELR is valid")


@description("cpu/m/scr", version_id=1, minimum_version_id=1)
class MScr(VMState):
    """M profile: system control."""

    v7m_scr_M_REG_NS: int = uint32(name="env.v7m.scr[M_REG_NS]")


@description("cpu/m/other-sp", version_id=1, minimum_version_id=1)
class MOtherSp(VMState):
    """M profile: the stack pointer that is not in use."""

    v7m_other_sp: int = uint32(name="env.v7m.other_sp")


@description("cpu/m/v8m", version_id=1, minimum_version_id=1)
class MV8m(VMState):
    """M profile: stack limits of version 8."""

    v7m_msplim: list[int] = array(uint32, 2, name="env.v7m.msplim")
    v7m_psplim: list[int] = array(uint32, 2, name="env.v7m.psplim")


@description("cpu/m/fp", version_id=1, minimum_version_id=1)
class MFp(VMState):
    """M profile: floating point."""

    v7m_fpcar: list[int] = array(uint32, 2, name="env.v7m.fpcar")
    v7m_fpccr: list[int] = array(uint32, 2, name="env.v7m.fpccr")
    v7m_fpdscr: list[int] = array(uint32, 2, name="env.v7m.fpdscr")
    v7m_cpacr: list[int] = array(uint32, 2, name="env.v7m.cpacr")
    v7m_nsacr: int = uint32(name="env.v7m.nsacr")


@description("cpu/m/mve", version_id=1, minimum_version_id=1, rules=(known_since(Release(6, 1)),))
class MMve(VMState):
    """M profile: vector extension."""

    v7m_vpr: int = uint32(name="env.v7m.vpr")
    v7m_ltpsize: int = uint32(name="env.v7m.ltpsize")


@description(
    "cpu/event", version_id=1, minimum_version_id=1, needed=this.event_register, rules=(known_since(Release(11, 0)),)
)
class Event(VMState):
    """Whether an event waits for a processor that waits for one."""

    event_register: bool = boolean(name="env.event_register")


@description("cpu/m", version_id=4, minimum_version_id=4)
class M(VMState):
    """M profile."""

    v7m_vecbase_M_REG_NS: int = uint32(name="env.v7m.vecbase[M_REG_NS]")
    v7m_basepri_M_REG_NS: int = uint32(name="env.v7m.basepri[M_REG_NS]")
    v7m_control_M_REG_NS: int = uint32(name="env.v7m.control[M_REG_NS]")
    v7m_ccr_M_REG_NS: int = uint32(name="env.v7m.ccr[M_REG_NS]")
    v7m_cfsr_M_REG_NS: int = uint32(name="env.v7m.cfsr[M_REG_NS]")
    v7m_hfsr: int = uint32(name="env.v7m.hfsr")
    v7m_dfsr: int = uint32(name="env.v7m.dfsr")
    v7m_mmfar_M_REG_NS: int = uint32(name="env.v7m.mmfar[M_REG_NS]")
    v7m_bfar: int = uint32(name="env.v7m.bfar")
    v7m_mpu_ctrl_M_REG_NS: int = uint32(name="env.v7m.mpu_ctrl[M_REG_NS]")
    v7m_exception: int = int32(name="env.v7m.exception")
    faultmask_primask: MFaultmaskPrimask | None = subsection(MFaultmaskPrimask)
    csselr: MCsselr | None = subsection(MCsselr)
    scr: MScr | None = subsection(MScr)
    other_sp: MOtherSp | None = subsection(MOtherSp)
    v8m: MV8m | None = subsection(MV8m)
    fp: MFp | None = subsection(MFp)
    mve: MMve | None = subsection(MMve)


@description("cpu/thumb2ee", version_id=1, minimum_version_id=1)
class Thumb2ee(VMState):
    """ThumbEE."""

    teecr: int = uint32(name="env.teecr")
    teehbr: int = uint32(name="env.teehbr")


@description("cpu/pmsav7", version_id=1, minimum_version_id=1)
class Pmsav7(VMState):
    """Memory protection of version 7."""

    pmsav7_drbar: list[int] = varray(uint32, count=DREGIONS, name="env.pmsav7.drbar")
    pmsav7_drsr: list[int] = varray(uint32, count=DREGIONS, name="env.pmsav7.drsr")
    pmsav7_dracr: list[int] = varray(uint32, count=DREGIONS, name="env.pmsav7.dracr")


@description("cpu/pmsav7-rnr", version_id=1, minimum_version_id=1)
class Pmsav7Rnr(VMState):
    """The region of memory protection that is selected."""

    pmsav7_rnr_M_REG_NS: int = uint32(name="env.pmsav7.rnr[M_REG_NS]")


@description("cpu/pmsav8/pmsav8r", version_id=1, minimum_version_id=1, rules=(known_since(Release(8, 0)),))
class Pmsav8r(VMState):
    """Memory protection of version 8: the regions of the hypervisor."""

    pmsav8_hprbar: list[int] = varray(uint32, count=HDREGIONS, name="env.pmsav8.hprbar")
    pmsav8_hprlar: list[int] = varray(uint32, count=HDREGIONS, name="env.pmsav8.hprlar")


@description("cpu/pmsav8", version_id=1, minimum_version_id=1)
class Pmsav8(VMState):
    """Memory protection of version 8."""

    pmsav8_rbar_M_REG_NS: list[int] = varray(uint32, count=DREGIONS, name="env.pmsav8.rbar[M_REG_NS]")
    pmsav8_rlar_M_REG_NS: list[int] = varray(uint32, count=DREGIONS, name="env.pmsav8.rlar[M_REG_NS]")
    pmsav8_mair0_M_REG_NS: int = uint32(name="env.pmsav8.mair0[M_REG_NS]")
    pmsav8_mair1_M_REG_NS: int = uint32(name="env.pmsav8.mair1[M_REG_NS]")
    pmsav8r: Pmsav8r | None = subsection(Pmsav8r)


@description("cpu/m-security", version_id=1, minimum_version_id=1)
class MSecurity(VMState):
    """M profile: the secure state's registers."""

    v7m_secure: int = uint32(name="env.v7m.secure")
    v7m_other_ss_msp: int = uint32(name="env.v7m.other_ss_msp")
    v7m_other_ss_psp: int = uint32(name="env.v7m.other_ss_psp")
    v7m_basepri_M_REG_S: int = uint32(name="env.v7m.basepri[M_REG_S]")
    v7m_primask_M_REG_S: int = uint32(name="env.v7m.primask[M_REG_S]")
    v7m_faultmask_M_REG_S: int = uint32(name="env.v7m.faultmask[M_REG_S]")
    v7m_control_M_REG_S: int = uint32(name="env.v7m.control[M_REG_S]")
    v7m_vecbase_M_REG_S: int = uint32(name="env.v7m.vecbase[M_REG_S]")
    pmsav8_mair0_M_REG_S: int = uint32(name="env.pmsav8.mair0[M_REG_S]")
    pmsav8_mair1_M_REG_S: int = uint32(name="env.pmsav8.mair1[M_REG_S]")
    pmsav8_rbar_M_REG_S: list[int] = varray(uint32, count=DREGIONS, name="env.pmsav8.rbar[M_REG_S]")
    pmsav8_rlar_M_REG_S: list[int] = varray(uint32, count=DREGIONS, name="env.pmsav8.rlar[M_REG_S]")
    pmsav7_rnr_M_REG_S: int = uint32(name="env.pmsav7.rnr[M_REG_S]")
    valid_secure_rnr: None = validate(this.pmsav7_rnr_M_REG_S < DREGIONS, name="secure MPU_RNR is valid")
    v7m_mpu_ctrl_M_REG_S: int = uint32(name="env.v7m.mpu_ctrl[M_REG_S]")
    v7m_ccr_M_REG_S: int = uint32(name="env.v7m.ccr[M_REG_S]")
    v7m_mmfar_M_REG_S: int = uint32(name="env.v7m.mmfar[M_REG_S]")
    v7m_cfsr_M_REG_S: int = uint32(name="env.v7m.cfsr[M_REG_S]")
    v7m_sfsr: int = uint32(name="env.v7m.sfsr")
    v7m_sfar: int = uint32(name="env.v7m.sfar")
    sau_rbar: list[int] = varray(uint32, count=SREGIONS, name="env.sau.rbar")
    sau_rlar: list[int] = varray(uint32, count=SREGIONS, name="env.sau.rlar")
    sau_rnr: int = uint32(name="env.sau.rnr")
    valid_sau_rnr: None = validate(this.sau_rnr < SREGIONS, name="SAU_RNR is valid")
    sau_ctrl: int = uint32(name="env.sau.ctrl")
    v7m_scr_M_REG_S: int = uint32(name="env.v7m.scr[M_REG_S]")
    v7m_aircr: int = uint32(name="env.v7m.aircr")


@description("cpu/pstate64", version_id=1, minimum_version_id=1, rules=(known_since(Release(10, 2)),))
class Pstate64(VMState):
    """The processor state where 32 bits cannot hold it."""

    pstate64: int = uint64(info="pstate64")


@description("cpu/syndrome64", version_id=1, minimum_version_id=1, rules=(known_since(Release(10, 2)),))
class Syndrome64(VMState):
    """The exception syndrome where 32 bits cannot hold it."""

    exception_syndrome: int = uint64(name="env.exception.syndrome")


@description("cpu/fpmr", version_id=1, minimum_version_id=1, rules=(known_since(Release(11, 1)),))
class Fpmr(VMState):
    """The mode of 8-bit floating point; sent where the processor has it."""

    fpmr: int = uint64(name="env.vfp.fpmr")


def _told(name: str, value: int | None = None) -> str:
    meaning = meaning_of(name)
    return name + ("" if value is None else f"={value:#x}") + (f" ({meaning})" if meaning else "")


def _once(registers: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Registers without those of AArch32 that are there in AArch64 too."""
    twins = ("_EL1", "_EL0")
    return (
        (name, value) for name, value in registers.items() if all(registers.get(name + twin) != value for twin in twins)
    )


def _register_names(indexes: list[int]) -> list[str]:
    return [_told(name) for name, _ in _once({register_name(index): 0 for index in indexes})]


def _unknown_registers(indexes: list[int], own_indexes: list[int], release: Release | None) -> list[str]:
    """The registers that come and that cpu_post_load does not find among its own; both are in the order of the indexes.

    What comes behind its last one only 11.1 looks at.
    """
    unknown, place = [], 0
    for own_index in own_indexes:
        while place < len(indexes) and indexes[place] < own_index:
            unknown.append(indexes[place])
            place += 1
        if place < len(indexes) and indexes[place] == own_index:
            place += 1
    if release is None or release >= Release(11, 1):
        behind, known = indexes[place:], set(own_indexes)
        unknown += [index for index in behind if index not in known] or behind
    names, once = _register_names(unknown), set(_register_names(indexes))
    # Those of AArch32 that come for AArch64, too, say nothing more.
    return [name for name in names if name in once] or names


_UNKNOWN = asks(_unknown_registers, this.cpreg_vmstate_indexes, OWN.cpreg_vmstate_indexes, otherwise(RELEASE, None))


def _constant_registers(indexes: list[int], values: list[int]) -> list[str]:
    pairs = zip(indexes, values, strict=False)
    return [
        _told(name, value)
        for name, value in _once({register_name(index): value for index, value in pairs if is_constant(index)})
    ]


def _where_registers_are(told: list[str], indexes: list[int], own_indexes: list[int], alike: bool) -> list[str]:
    """What is told of the registers, where both sides have the same ones or, unless `alike`, where they have not."""
    return told if (set(indexes) == set(own_indexes)) is alike else []


def _constants(alike: bool) -> Expr:
    told = asks(_constant_registers, this.cpreg_vmstate_indexes, this.cpreg_vmstate_values)
    return asks(_where_registers_are, told, this.cpreg_vmstate_indexes, OWN.cpreg_vmstate_indexes, alike)


_OWN_CONSTANTS = asks(_constant_registers, OWN.cpreg_vmstate_indexes, OWN.cpreg_vmstate_values)


def _no_more(count: int, own_count: int, release: Release) -> bool:
    return count <= own_count or release >= Release(11, 1)


_NOT_KEPT = {0x603000000013DA20: ~0x07FF2007, 0x603000000013DA21: ~0xF800009F}
"""Index -> bits that read as zeros whatever is written: those that no processor has in FPCR, and in FPSR."""


def _fit(indexes: list[int], values: list[int]) -> bool:
    """Whether each value has no more bits than its register: what is written is read again, and compared.

    What a constant reads as is the 64 bits that QEMU has for it, more than 32 in CTR and CLIDR of neoverse-n2.
    """
    return not any(
        (value >> 32 and is_of_32_bits(index) and not is_constant(index)) or value & _NOT_KEPT.get(index, 0)
        for index, value in zip(indexes, values, strict=False)
    )


REGISTER_WIDTHS = rule(
    "arm-cpu-register-width",
    asks(_fit, this.cpreg_vmstate_indexes, this.cpreg_vmstate_values),
    "a register has no bits but those that QEMU keeps",
)

_SCR_EL3 = 0x603000000013F088
_SCR_FW_AW = 0x30


def _reads_back(indexes: list[int], values: list[int], release: Release) -> bool:
    """Whether SCR_EL3 reads as it is written: up to 5.2 (10d0ef3e6c) two bits are set that its reset leaves zero."""
    sent = dict(zip(indexes, values, strict=False)).get(_SCR_EL3, _SCR_FW_AW)
    return release >= Release(6, 0) or sent & _SCR_FW_AW == _SCR_FW_AW


READ_BACK = Rule(
    "arm-cpu-el3",
    asks(_reads_back, this.cpreg_vmstate_indexes, this.cpreg_vmstate_values, RELEASE),
    "QEMU up to 5.2 takes no processor with EL3 that has not set FW and AW in SCR_EL3, not even from itself",
    advice="start both sides without EL3 (secure=off, has_el3=off), or load it with QEMU 6.0 or later",
)

_SAME_CPU = (
    "give both sides the same CPU model with the same features (-cpu MODEL,...), and the same number of CPUs (-smp); "
    "the stream holds no name of the model"
)
_SAME_RELEASE = (
    "which registers there are comes from the release of QEMU, whatever the machine type: use the same release on both "
    "sides; within one release they come with the model and its features (-cpu MODEL,sve=,sme=,pmu=)"
)

# Up to 11.0; 11.1 says itself which registers it does not know.
NO_MORE_REGISTERS = Rule(
    "arm-cpu-register-count",
    asks(_no_more, this.cpreg_vmstate_array_len, OWN.cpreg_vmstate_array_len, RELEASE),
    "{value} registers come, and the destination takes no more than the {local} that it has",
    qemu_error="Invalid value {value} expecting positive value <= {local}",
    advice=_SAME_RELEASE,
    value=this.cpreg_vmstate_array_len,
    local=OWN.cpreg_vmstate_array_len,
)


@device(
    "cpu",
    models="vmstate.devices.arm.models:CPU",
    order=2,
    listed=False,
    per_cpu=True,
    noise={
        "register": (
            "env.regs",
            "env.xregs",
            "env.pc",
            "cpsr",
            "env.spsr",
            "env.banked_spsr",
            "env.banked_r13",
            "env.banked_r14",
            "env.usr_regs",
            "env.fiq_regs",
            "env.elr_el",
            "env.sp_el",
            "env.exclusive_addr",
            "env.exclusive_val",
            "env.exclusive_high",
            "env.exception.syndrome",
            "env.exception.fsr",
            "env.exception.vaddress",
            # Identity registers are among them, but they do not change.
            "cpreg_vmstate_values",
        )
    },
)
@description("cpu", version_id=22, minimum_version_id=22)
class ARMCPU(VMState):
    """Registers and state of the processor."""

    regs: list[int] = array(uint32, 16, name="env.regs")
    xregs: list[int] = array(uint64, 32, name="env.xregs")
    pc: int = uint64(name="env.pc")
    cpsr: int = uint32(info="cpsr")
    spsr: int = uint32(name="env.spsr")
    banked_spsr: list[int] = array(uint64, 8, name="env.banked_spsr")
    banked_r13: list[int] = array(uint32, 8, name="env.banked_r13")
    banked_r14: list[int] = array(uint32, 8, name="env.banked_r14")
    usr_regs: list[int] = array(uint32, 5, name="env.usr_regs")
    fiq_regs: list[int] = array(uint32, 5, name="env.fiq_regs")
    elr_el: list[int] = array(uint64, 4, name="env.elr_el")
    sp_el: list[int] = array(uint64, 4, name="env.sp_el")
    cpreg_vmstate_array_len: int = int32(rules=(NO_MORE_REGISTERS,))
    # Each register that comes must be one that the processor has, and is read again after it was written: a constant
    # one has not changed. From write_list_to_cpustate in target/arm/helper.c.
    cpreg_vmstate_indexes: list[int] = varray(
        uint64,
        count=this.cpreg_vmstate_array_len,
        rules=(
            among(
                "arm-cpu-register-unknown",
                _UNKNOWN,
                asks(list),
                "the destination's CPU has not the registers {value}",
                advice=_SAME_RELEASE,
            ),
        ),
    )
    cpreg_vmstate_values: list[int] = varray(
        uint64,
        count=this.cpreg_vmstate_array_len,
        rules=(
            among(
                "arm-cpu-register-constant",
                _constants(alike=True),
                _OWN_CONSTANTS,
                "the CPU of the stream is of another model, or has other features: it has {value}, the destination's "
                "{local}",
                advice=_SAME_CPU,
            ),
            among(
                "arm-cpu-register-release",
                _constants(alike=False),
                _OWN_CONSTANTS,
                "the CPU of the stream is that of another release of QEMU, or has other features: it has {value}, the "
                "destination's {local}",
                advice=_SAME_RELEASE,
            ),
            REGISTER_WIDTHS,
            READ_BACK,
        ),
    )
    exclusive_addr: int = uint64(name="env.exclusive_addr")
    exclusive_val: int = uint64(name="env.exclusive_val")
    exclusive_high: int = uint64(name="env.exclusive_high")
    features: int | None = host()
    unused_0: None = unused(8)
    exception_syndrome: int = uint32(name="env.exception.syndrome")
    exception_fsr: int = uint32(name="env.exception.fsr")
    exception_vaddress: int = uint64(name="env.exception.vaddress")
    gt_timer_GTIMER_PHYS: int = timer(name="gt_timer[GTIMER_PHYS]")
    gt_timer_GTIMER_VIRT: int = timer(name="gt_timer[GTIMER_VIRT]")
    power_state: int = uint8(info="powered_off")
    vfp: Vfp | None = subsection(Vfp)
    iwmmxt: Iwmmxt | None = subsection(Iwmmxt)
    m: M | None = subsection(M)
    thumb2ee: Thumb2ee | None = subsection(Thumb2ee)
    pmsav7_rnr: Pmsav7Rnr | None = subsection(Pmsav7Rnr)
    pmsav7: Pmsav7 | None = subsection(Pmsav7)
    pmsav8: Pmsav8 | None = subsection(Pmsav8)
    m_security: MSecurity | None = subsection(MSecurity)
    sve: Sve | None = subsection(Sve)
    sme: Za | None = subsection(Za)
    zt0: Zt0 | None = subsection(Zt0)
    serror: Serror | None = subsection(Serror)
    irq_line_state: IrqLineState | None = subsection(IrqLineState)
    wfxt_timer: WfxtTimer | None = subsection(WfxtTimer)
    syndrome64: Syndrome64 | None = subsection(Syndrome64)
    pstate64: Pstate64 | None = subsection(Pstate64)
    event: Event | None = subsection(Event)
    fpmr: Fpmr | None = subsection(Fpmr)

    @property
    def register_names(self) -> list[str]:
        """The coprocessor registers that are sent."""
        return _register_names(self.cpreg_vmstate_indexes)

    @property
    def constant_registers(self) -> list[str]:
        """Registers that say what the processor is, as NAME=VALUE: a destination takes no other value than its own."""
        return _constant_registers(self.cpreg_vmstate_indexes, self.cpreg_vmstate_values)

    def adopt_registers(self, local: ARMCPU) -> list[str]:
        """Keep of the coprocessor registers those that another processor has, with its constants; the names of the
        others that were not 0.
        """
        sent = dict(zip(self.cpreg_vmstate_indexes, self.cpreg_vmstate_values, strict=True))
        known = dict(zip(local.cpreg_vmstate_indexes, local.cpreg_vmstate_values, strict=True))
        kept = {index: known[index] if is_constant(index) else sent[index] for index in known if index in sent}
        self.cpreg_vmstate_indexes, self.cpreg_vmstate_values = list(kept), list(kept.values())
        self.cpreg_vmstate_array_len = len(kept)
        lost = {index: value for index, value in sent.items() if value and index not in kept}
        return [register_name(index) for index in lost if not is_constant(index)]


ARM_CPU_10_0 = variant(ARMCPU, cpreg_vmstate_array_len=int32(info="int32 le", rules=(NO_MORE_REGISTERS,)))
"""The type of a field up to 10.2."""

ARM_CPU_7_2 = variant(
    ARM_CPU_10_0,
    gt_timer_GTIMER_PHYS=timer(name="gt_timer[0]"),
    gt_timer_GTIMER_VIRT=timer(name="gt_timer[1]"),
)
"""The names of two fields up to 7.2."""

ARM_CPU_5_2 = variant(ARM_CPU_7_2, features=uint64(name="env.features"), unused_0=None)
"""Of 5.2, which sends what the processor can do."""
