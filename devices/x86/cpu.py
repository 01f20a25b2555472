"""An x86 processor.

Facts from QEMU's target/i386/machine.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    OWN,
    TARGET_LONG_SIZE,
    Release,
    VMState,
    array,
    asks,
    choose,
    description,
    device,
    int32,
    int64,
    known_since,
    otherwise,
    part,
    rule,
    struct,
    sub_array,
    subsection,
    this,
    told,
    uint8,
    uint16,
    uint32,
    uint64,
    uinttl,
    up,
    with_tmp,
)

IN_GUEST = 21
"""The bit of `hflags` that says that the processor runs a guest of its own (HF_GUEST)."""
NESTED_GUEST_MODE = 1
"""What `flags` of the nested state say of the same (KVM_STATE_NESTED_GUEST_MODE)."""

GENERAL_REGISTERS = choose(TARGET_LONG_SIZE == 8, 16, 8)
"""General and vector registers: 16, or 8 of a 32-bit processor."""


@description("segment", version_id=1, minimum_version_id=1)
class Segment(VMState):
    """A segment register with its hidden part."""

    selector: int = uint32()
    base: int = uinttl()
    limit: int = uint32()
    flags: int = uint32()


@description("xmm_reg", version_id=1, minimum_version_id=1)
class XMMReg(VMState):
    """Bits 0 to 127 of a vector register."""

    ZMM_Q_0: int = uint64(name="_q_ZMMReg[0]", private=CONTENTS)
    ZMM_Q_1: int = uint64(name="_q_ZMMReg[1]", private=CONTENTS)


@description("ymmh_reg", version_id=1, minimum_version_id=1)
class YMMHReg(VMState):
    """Bits 128 to 255 of a vector register."""

    ZMM_Q_2: int = uint64(name="_q_ZMMReg[2]", private=CONTENTS)
    ZMM_Q_3: int = uint64(name="_q_ZMMReg[3]", private=CONTENTS)


@description("zmmh_reg", version_id=1, minimum_version_id=1)
class ZMMHReg(VMState):
    """Bits 256 to 511 of a vector register."""

    ZMM_Q_4: int = uint64(name="_q_ZMMReg[4]", private=CONTENTS)
    ZMM_Q_5: int = uint64(name="_q_ZMMReg[5]", private=CONTENTS)
    ZMM_Q_6: int = uint64(name="_q_ZMMReg[6]", private=CONTENTS)
    ZMM_Q_7: int = uint64(name="_q_ZMMReg[7]", private=CONTENTS)


@description("hi16_zmm_reg", version_id=1, minimum_version_id=1)
class Hi16ZMMReg(VMState):
    """All bits of one of the vector registers 16 to 31."""

    ZMM_Q_0: int = uint64(name="_q_ZMMReg[0]", private=CONTENTS)
    ZMM_Q_1: int = uint64(name="_q_ZMMReg[1]", private=CONTENTS)
    ZMM_Q_2: int = uint64(name="_q_ZMMReg[2]", private=CONTENTS)
    ZMM_Q_3: int = uint64(name="_q_ZMMReg[3]", private=CONTENTS)
    ZMM_Q_4: int = uint64(name="_q_ZMMReg[4]", private=CONTENTS)
    ZMM_Q_5: int = uint64(name="_q_ZMMReg[5]", private=CONTENTS)
    ZMM_Q_6: int = uint64(name="_q_ZMMReg[6]", private=CONTENTS)
    ZMM_Q_7: int = uint64(name="_q_ZMMReg[7]", private=CONTENTS)


@description("bnd_regs", version_id=1, minimum_version_id=1)
class BNDReg(VMState):
    """A bounds register."""

    lb: int = uint64()
    ub: int = uint64()


@description("mtrr_var", version_id=1, minimum_version_id=1)
class MTRRVar(VMState):
    """A variable memory-type range."""

    base: int = uint64()
    mask: int = uint64()


@description("lbr_records_var", version_id=1, minimum_version_id=1)
class LBREntry(VMState):
    """A branch record."""

    from_: int = uint64(name="from")
    to: int = uint64()
    info_: int = uint64(name="info")


@description("fpreg_tmp")
class FPRegTmp(VMState):
    """Mantissa, sign and exponent."""

    tmp_mant: int = uint64(private=CONTENTS)
    tmp_exp: int = uint16()


@description("fpreg")
class FPReg(VMState):
    """A floating-point register."""

    tmp: FPRegTmp = with_tmp(FPRegTmp)


@part(
    noise={
        "interrupt": (
            "env.exception_pending",
            "env.exception_injected",
            "env.exception_has_payload",
            "env.exception_payload",
        )
    }
)
@description("cpu/exception_info", version_id=1, minimum_version_id=1)
class ExceptionInfo(VMState):
    """An exception that is pending; sent where there is one (KVM)."""

    exception_pending: int = uint8(name="env.exception_pending")
    exception_injected: int = uint8(name="env.exception_injected")
    exception_has_payload: int = uint8(name="env.exception_has_payload")
    exception_payload: int = uint64(name="env.exception_payload")


@part(noise={"interrupt": ("env.error_code",)})
@description(
    "cpu/error_code",
    version_id=1,
    minimum_version_id=1,
    needed=up.has_error_code != 0,
    rules=(known_since(Release(10, 2)),),
)
class ErrorCode(VMState):
    """The error code of an exception; sent where it is not 0."""

    error_code: int = int32(name="env.error_code")


@description("cpu/steal_time_msr", version_id=1, minimum_version_id=1, needed=this.steal_time_msr != 0)
class StealTimeMSR(VMState):
    """Where the guest wants to read its stolen time (KVM)."""

    steal_time_msr: int = uint64(name="env.steal_time_msr")


@description("cpu/async_pf_msr", version_id=1, minimum_version_id=1, needed=this.async_pf_en_msr != 0)
class AsyncPFMSR(VMState):
    """Asynchronous page faults (KVM)."""

    async_pf_en_msr: int = uint64(name="env.async_pf_en_msr")


@description(
    "cpu/async_pf_int_msr",
    version_id=1,
    minimum_version_id=1,
    needed=this.async_pf_int_msr != 0,
    rules=(known_since(Release(5, 2)),),
)
class AsyncPFIntMSR(VMState):
    """The interrupt of asynchronous page faults (KVM)."""

    async_pf_int_msr: int = uint64(name="env.async_pf_int_msr")


@description("cpu/async_pv_eoi_msr", version_id=1, minimum_version_id=1, needed=this.pv_eoi_en_msr != 0)
class PVEOIMSR(VMState):
    """Paravirtual end of interrupt (KVM)."""

    pv_eoi_en_msr: int = uint64(name="env.pv_eoi_en_msr")


@description("cpu/poll_control_msr", version_id=1, minimum_version_id=1, needed=this.poll_control_msr != 1)
class PollControlMSR(VMState):
    """Whether the host may poll before it sleeps (KVM)."""

    poll_control_msr: int = uint64(name="env.poll_control_msr")


@part(noise={"register": ("env.fpop", "env.fpip", "env.fpdp")})
@description(
    "cpu/fpop_ip_dp", version_id=1, minimum_version_id=1, needed=(this.fpop != 0) | (this.fpip != 0) | (this.fpdp != 0)
)
class FPOpIPDP(VMState):
    """The last floating-point instruction and its operand."""

    fpop: int = uint16(name="env.fpop")
    fpip: int = uint64(name="env.fpip")
    fpdp: int = uint64(name="env.fpdp")


@part(noise={"timer": ("env.tsc_adjust",)})
@description("cpu/msr_tsc_adjust", version_id=1, minimum_version_id=1, needed=this.tsc_adjust != 0)
class MSRTSCAdjust(VMState):
    """Adjustment of the time-stamp counter."""

    tsc_adjust: int = uint64(name="env.tsc_adjust")


@part(noise={"counter": ("env.msr_smi_count",)})
@description("cpu/msr_smi_count", version_id=1, minimum_version_id=1, needed=this.msr_smi_count != 0)
class MSRSMICount(VMState):
    """System-management interrupts counted."""

    msr_smi_count: int = uint64(name="env.msr_smi_count")


@part(noise={"timer": ("env.tsc_deadline",)})
@description("cpu/msr_tscdeadline", version_id=1, minimum_version_id=1, needed=this.tsc_deadline != 0)
class MSRTSCDeadline(VMState):
    """The deadline of the local APIC's timer."""

    tsc_deadline: int = uint64(name="env.tsc_deadline")


@description("cpu/msr_ia32_misc_enable", version_id=1, minimum_version_id=1, needed=this.msr_ia32_misc_enable != 1)
class MSRIA32MiscEnable(VMState):
    """IA32_MISC_ENABLE; sent where it is not 1."""

    msr_ia32_misc_enable: int = uint64(name="env.msr_ia32_misc_enable")


@description(
    "cpu/msr_ia32_feature_control", version_id=1, minimum_version_id=1, needed=this.msr_ia32_feature_control != 0
)
class MSRIA32FeatureControl(VMState):
    """IA32_FEATURE_CONTROL."""

    msr_ia32_feature_control: int = uint64(name="env.msr_ia32_feature_control")


@part(noise={"counter": ("env.msr_global_status", "env.msr_fixed_counters", "env.msr_gp_counters")})
@description("cpu/msr_architectural_pmu", version_id=1, minimum_version_id=1)
class MSRArchitecturalPMU(VMState):
    """Performance counters."""

    msr_fixed_ctr_ctrl: int = uint64(name="env.msr_fixed_ctr_ctrl")
    msr_global_ctrl: int = uint64(name="env.msr_global_ctrl")
    msr_global_status: int = uint64(name="env.msr_global_status")
    msr_global_ovf_ctrl: int = uint64(name="env.msr_global_ovf_ctrl")
    msr_fixed_counters: list[int] = array(uint64, 3, name="env.msr_fixed_counters")
    msr_gp_counters: list[int] = array(uint64, 18, name="env.msr_gp_counters")
    msr_gp_evtsel: list[int] = array(uint64, 18, name="env.msr_gp_evtsel")


@description("cpu/mpx", version_id=1, minimum_version_id=1)
class MPX(VMState):
    """Memory protection extensions."""

    bnd_regs: list[BNDReg] = array(BNDReg, 4, name="env.bnd_regs")
    bndcs_regs_cfgu: int = uint64(name="env.bndcs_regs.cfgu")
    bndcs_regs_sts: int = uint64(name="env.bndcs_regs.sts")
    msr_bndcfgs: int = uint64(name="env.msr_bndcfgs")


@description(
    "cpu/msr_hyperv_hypercall",
    version_id=1,
    minimum_version_id=1,
    needed=(this.msr_hv_hypercall != 0) | (this.msr_hv_guest_os_id != 0),
)
class MSRHypervHypercall(VMState):
    """Hyper-V: the guest's identity and its hypercall page."""

    msr_hv_guest_os_id: int = uint64(name="env.msr_hv_guest_os_id")
    msr_hv_hypercall: int = uint64(name="env.msr_hv_hypercall")


@description("cpu/msr_hyperv_vapic", version_id=1, minimum_version_id=1, needed=this.msr_hv_vapic != 0)
class MSRHypervVapic(VMState):
    """Hyper-V: the page that assists the local APIC."""

    msr_hv_vapic: int = uint64(name="env.msr_hv_vapic")


@description("cpu/msr_hyperv_time", version_id=1, minimum_version_id=1, needed=this.msr_hv_tsc != 0)
class MSRHypervTime(VMState):
    """Hyper-V: the reference time page."""

    msr_hv_tsc: int = uint64(name="env.msr_hv_tsc")


@description("cpu/msr_hyperv_crash", version_id=1, minimum_version_id=1)
class MSRHypervCrash(VMState):
    """Hyper-V: what a crash has left."""

    msr_hv_crash_params: list[int] = array(uint64, 5, name="env.msr_hv_crash_params", private=CONTENTS)


@part(noise={"counter": ("env.msr_hv_runtime",)})
@description("cpu/msr_hyperv_runtime", version_id=1, minimum_version_id=1)
class MSRHypervRuntime(VMState):
    """Hyper-V: run time of the processor."""

    msr_hv_runtime: int = uint64(name="env.msr_hv_runtime")


@description("cpu/msr_hyperv_synic", version_id=1, minimum_version_id=1)
class MSRHypervSynic(VMState):
    """Hyper-V: the synthetic interrupt controller."""

    msr_hv_synic_control: int = uint64(name="env.msr_hv_synic_control")
    msr_hv_synic_evt_page: int = uint64(name="env.msr_hv_synic_evt_page")
    msr_hv_synic_msg_page: int = uint64(name="env.msr_hv_synic_msg_page")
    msr_hv_synic_sint: list[int] = array(uint64, 16, name="env.msr_hv_synic_sint")


@part(noise={"timer": ("env.msr_hv_stimer_count",)})
@description("cpu/msr_hyperv_stimer", version_id=1, minimum_version_id=1)
class MSRHypervStimer(VMState):
    """Hyper-V: the synthetic timers."""

    msr_hv_stimer_config: list[int] = array(uint64, 4, name="env.msr_hv_stimer_config")
    msr_hv_stimer_count: list[int] = array(uint64, 4, name="env.msr_hv_stimer_count")


@description(
    "cpu/msr_hyperv_reenlightenment",
    version_id=1,
    minimum_version_id=1,
    needed=(this.msr_hv_reenlightenment_control != 0)
    | (this.msr_hv_tsc_emulation_control != 0)
    | (this.msr_hv_tsc_emulation_status != 0),
)
class MSRHypervReenlightenment(VMState):
    """Hyper-V: notification of a migration."""

    msr_hv_reenlightenment_control: int = uint64(name="env.msr_hv_reenlightenment_control")
    msr_hv_tsc_emulation_control: int = uint64(name="env.msr_hv_tsc_emulation_control")
    msr_hv_tsc_emulation_status: int = uint64(name="env.msr_hv_tsc_emulation_status")


@part(noise={"register": ("env.opmask_regs", "env.xmm_regs")})
@description("cpu/avx512", version_id=1, minimum_version_id=1)
class AVX512(VMState):
    """The registers of AVX-512."""

    opmask_regs: list[int] = array(uint64, 8, name="env.opmask_regs")
    xmm_regs: list[ZMMHReg] = sub_array(ZMMHReg, 0, GENERAL_REGISTERS, name="env.xmm_regs")
    xmm_regs_1: list[Hi16ZMMReg] = sub_array(Hi16ZMMReg, 16, 16, name="env.xmm_regs", exists=TARGET_LONG_SIZE == 8)


@description("cpu/xss", version_id=1, minimum_version_id=1, needed=this.xss != 0)
class XSS(VMState):
    """IA32_XSS."""

    xss: int = uint64(name="env.xss")


@description("cpu/umwait", version_id=1, minimum_version_id=1, needed=this.umwait != 0)
class Umwait(VMState):
    """IA32_UMWAIT_CONTROL."""

    umwait: int = uint32(name="env.umwait")


@description("cpu/pkru", version_id=1, minimum_version_id=1, needed=this.pkru != 0)
class PKRU(VMState):
    """Protection keys of user pages."""

    pkru: int = uint32(name="env.pkru")


@description("cpu/pkrs", version_id=1, minimum_version_id=1, needed=this.pkrs != 0, rules=(known_since(Release(6, 0)),))
class PKRS(VMState):
    """Protection keys of supervisor pages."""

    pkrs: int = uint32(name="env.pkrs")


@description("cpu/tsc_khz", version_id=1, minimum_version_id=1, needed=this.tsc_khz != 0)
class TSCKHz(VMState):
    """Frequency of the time-stamp counter, in kHz."""

    tsc_khz: int = int64(name="env.tsc_khz")


@description("cpu/kvm_nested_state/vmx/vmcs12", version_id=1, minimum_version_id=1)
class VMXVmcs12(VMState):
    """Nested VMX: the guest's current control structure."""

    data_vmx_0_vmcs12: list[int] = array(uint8, 4096, name="data.vmx[0].vmcs12")


@description("cpu/kvm_nested_state/vmx/shadow_vmcs12", version_id=1, minimum_version_id=1)
class VMXShadowVmcs12(VMState):
    """Nested VMX: its shadow."""

    data_vmx_0_shadow_vmcs12: list[int] = array(uint8, 4096, name="data.vmx[0].shadow_vmcs12")


@description("cpu/kvm_nested_state/vmx", version_id=1, minimum_version_id=1)
class VMXNestedState(VMState):
    """Nested VMX."""

    hdr_vmx_vmxon_pa: int = uint64(name="hdr.vmx.vmxon_pa")
    hdr_vmx_vmcs12_pa: int = uint64(name="hdr.vmx.vmcs12_pa")
    hdr_vmx_smm_flags: int = uint16(name="hdr.vmx.smm.flags")
    vmcs12: VMXVmcs12 | None = subsection(VMXVmcs12)
    shadow_vmcs12: VMXShadowVmcs12 | None = subsection(VMXShadowVmcs12)


@description("cpu/kvm_nested_state/svm", version_id=1, minimum_version_id=1)
class SVMNestedState(VMState):
    """Nested SVM."""

    hdr_svm_vmcb_pa: int = uint64(name="hdr.svm.vmcb_pa")
    data_svm_0_vmcb12: list[int] = array(uint8, 4096, name="data.svm[0].vmcb12")


@description("cpu/kvm_nested_state", version_id=1, minimum_version_id=1)
class KVMNestedState(VMState):
    """What KVM keeps of a nested guest."""

    flags: int = uint16()
    format: int = uint16()
    size: int = uint32()
    vmx: VMXNestedState | None = subsection(VMXNestedState)
    svm: SVMNestedState | None = subsection(SVMNestedState)


@description("cpu/nested_state", version_id=1, minimum_version_id=1)
class NestedState(VMState):
    """Nested virtualization; sent while it is in use (KVM)."""

    nested_state: KVMNestedState = struct(KVMNestedState, name="env.nested_state")


@description("cpu/xen_vcpu", version_id=1, minimum_version_id=1, rules=(known_since(Release(8, 0)),))
class XenVcpu(VMState):
    """What a Xen guest has set up."""

    xen_vcpu_info_gpa: int = uint64(name="env.xen_vcpu_info_gpa")
    xen_vcpu_info_default_gpa: int = uint64(name="env.xen_vcpu_info_default_gpa")
    xen_vcpu_time_info_gpa: int = uint64(name="env.xen_vcpu_time_info_gpa")
    xen_vcpu_runstate_gpa: int = uint64(name="env.xen_vcpu_runstate_gpa")
    xen_vcpu_callback_vector: int = uint8(name="env.xen_vcpu_callback_vector")
    xen_virq: list[int] = array(uint16, 24, name="env.xen_virq")
    xen_singleshot_timer_ns: int = uint64(name="env.xen_singleshot_timer_ns")
    xen_periodic_timer_period: int = uint64(name="env.xen_periodic_timer_period")


@description("cpu/mcg_ext_ctl", version_id=1, minimum_version_id=1, needed=this.mcg_ext_ctl != 0)
class MCGExtCtl(VMState):
    """Local machine-check exceptions."""

    mcg_ext_ctl: int = uint64(name="env.mcg_ext_ctl")


@description("cpu/spec_ctrl", version_id=1, minimum_version_id=1, needed=this.spec_ctrl != 0)
class SpecCtrl(VMState):
    """Control of speculation."""

    spec_ctrl: int = uint64(name="env.spec_ctrl")


@description("cpu/amd_tsc_scale_msr", version_id=1, minimum_version_id=1, rules=(known_since(Release(6, 2)),))
class AMDTSCScaleMSR(VMState):
    """Ratio of the time-stamp counter (AMD)."""

    amd_tsc_scale_msr: int = uint64(name="env.amd_tsc_scale_msr")


@description("cpu/intel_pt", version_id=1, minimum_version_id=1)
class MSRIntelPT(VMState):
    """Processor trace."""

    msr_rtit_ctrl: int = uint64(name="env.msr_rtit_ctrl")
    msr_rtit_status: int = uint64(name="env.msr_rtit_status")
    msr_rtit_output_base: int = uint64(name="env.msr_rtit_output_base")
    msr_rtit_output_mask: int = uint64(name="env.msr_rtit_output_mask")
    msr_rtit_cr3_match: int = uint64(name="env.msr_rtit_cr3_match")
    msr_rtit_addrs: list[int] = array(uint64, 8, name="env.msr_rtit_addrs")


@description("cpu/virt_ssbd", version_id=1, minimum_version_id=1, needed=this.virt_ssbd != 0)
class MSRVirtSSBD(VMState):
    """Control of speculative stores (AMD)."""

    virt_ssbd: int = uint64(name="env.virt_ssbd")


@description("cpu/svn_npt", version_id=1, minimum_version_id=1)
class SVMNPT(VMState):
    """Nested SVM: page tables (TCG)."""

    nested_cr3: int = uint64(name="env.nested_cr3")
    nested_pg_mode: int = uint32(name="env.nested_pg_mode")


@description(
    "cpu/svm_guest", version_id=1, minimum_version_id=1, needed=this.int_ctl != 0, rules=(known_since(Release(6, 2)),)
)
class SVMGuest(VMState):
    """Nested SVM: control of interrupts (TCG)."""

    int_ctl: int = uint32(name="env.int_ctl")


@description(
    "cpu/efer32",
    version_id=1,
    minimum_version_id=1,
    needed=this.efer != 0,
    rules=(rule("x86-efer32", TARGET_LONG_SIZE == 4, "a QEMU for 64-bit processors does not know it"),),
)
class EFER32(VMState):
    """EFER in a QEMU for 32-bit processors; sent where it is not 0."""

    efer: int = uint64(name="env.efer")


@description("cpu/msr_tsx_ctrl", version_id=1, minimum_version_id=1)
class MSRTSXCtrl(VMState):
    """Control of transactional memory."""

    tsx_ctrl: int = uint32(name="env.tsx_ctrl")


@description("cpu/intel_sgx", version_id=1, minimum_version_id=1, rules=(known_since(Release(6, 2)),))
class MSRIntelSGX(VMState):
    """The key that enclaves are signed with."""

    msr_ia32_sgxlepubkeyhash: list[int] = array(uint64, 4, name="env.msr_ia32_sgxlepubkeyhash", private=CONTENTS)


@description("cpu/pdptrs", version_id=1, minimum_version_id=1, rules=(known_since(Release(7, 0)),))
class PDPTRs(VMState):
    """Page-directory pointers of PAE paging."""

    pdptrs: list[int] = array(uint64, 4, name="env.pdptrs")


@description("cpu/msr_xfd", version_id=1, minimum_version_id=1, rules=(known_since(Release(7, 0)),))
class MSRXFD(VMState):
    """Extended-feature disable."""

    msr_xfd: int = uint64(name="env.msr_xfd")
    msr_xfd_err: int = uint64(name="env.msr_xfd_err")


@description(
    "cpu/msr_hwcr", version_id=1, minimum_version_id=1, needed=this.msr_hwcr != 0, rules=(known_since(Release(9, 2)),)
)
class MSRHWCR(VMState):
    """Hardware configuration (AMD)."""

    msr_hwcr: int = uint64(name="env.msr_hwcr")


@description("cpu/fred", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 1)),))
class MSRFRED(VMState):
    """Flexible return and event delivery."""

    fred_rsp0: int = uint64(name="env.fred_rsp0")
    fred_rsp1: int = uint64(name="env.fred_rsp1")
    fred_rsp2: int = uint64(name="env.fred_rsp2")
    fred_rsp3: int = uint64(name="env.fred_rsp3")
    fred_stklvls: int = uint64(name="env.fred_stklvls")
    fred_ssp1: int = uint64(name="env.fred_ssp1")
    fred_ssp2: int = uint64(name="env.fred_ssp2")
    fred_ssp3: int = uint64(name="env.fred_ssp3")
    fred_config: int = uint64(name="env.fred_config")


@description("cpu/intel_amx_xtile", version_id=1, minimum_version_id=1, rules=(known_since(Release(7, 0)),))
class AMXXtile(VMState):
    """The tiles of AMX."""

    xtilecfg: list[int] = array(uint8, 64, name="env.xtilecfg")
    xtiledata: list[int] = array(uint8, 8192, name="env.xtiledata")


@description("cpu/arch_lbr", version_id=1, minimum_version_id=1, rules=(known_since(Release(7, 1)),))
class ArchLBR(VMState):
    """Architectural branch records."""

    msr_lbr_ctl: int = uint64(name="env.msr_lbr_ctl")
    msr_lbr_depth: int = uint64(name="env.msr_lbr_depth")
    lbr_records: list[LBREntry] = array(LBREntry, 32, name="env.lbr_records", version=1)


@description(
    "cpu/triple_fault",
    version_id=1,
    minimum_version_id=1,
    needed=this.triple_fault_pending != 0,
    rules=(known_since(Release(7, 2)),),
)
class TripleFault(VMState):
    """A triple fault that is pending."""

    triple_fault_pending: int = uint8(name="env.triple_fault_pending")


@description(
    "cpu/msr_pl0_ssp",
    version_id=1,
    minimum_version_id=1,
    needed=this.pl0_ssp != 0,
    rules=(known_since(Release(11, 0)),),
)
class PL0SSP(VMState):
    """Shadow stack of privilege level 0."""

    pl0_ssp: int = uint64(name="env.pl0_ssp")


@description("cpu/cet_shstk", version_id=1, minimum_version_id=1)
class SHSTK(VMState):
    """Shadow stacks."""

    pl1_ssp: int = uint64(name="env.pl1_ssp")
    pl2_ssp: int = uint64(name="env.pl2_ssp")
    pl3_ssp: int = uint64(name="env.pl3_ssp")
    int_ssp_table: int | None = uint64(name="env.int_ssp_table", exists=TARGET_LONG_SIZE == 8)
    guest_ssp: int = uint64(name="env.guest_ssp")


@description("cpu/cet", version_id=1, minimum_version_id=1, rules=(known_since(Release(11, 0)),))
class CET(VMState):
    """Control-flow enforcement."""

    u_cet: int = uint64(name="env.u_cet")
    s_cet: int = uint64(name="env.s_cet")
    cet_shstk: SHSTK | None = subsection(SHSTK)


@description("cpu/apx", version_id=1, minimum_version_id=1, rules=(known_since(Release(11, 0)),))
class APX(VMState):
    """The registers R16 to R31 of APX."""

    regs: list[int] = sub_array(uinttl, 16, 16, name="env.regs")


USER_TSC_KHZ = told("user_tsc_khz")
"""The frequency, in kHz, of the destination's time-stamp counter by its command line (tsc-frequency=); 0 if none."""

_NOTIFIES = 1 << 16
"""The bit of the re-enlightenment control that asks for an interrupt after a migration."""


def _has_none(sent: TSCKHz | None) -> bool:
    return sent is None or not sent.tsc_khz


def _is_its_own(sent: TSCKHz, local: TSCKHz | None, user_tsc_khz: int | None) -> bool:
    """Whether the destination runs at it, where nobody tells its command line: then that says it, or nothing."""
    return user_tsc_khz is None and local is not None and local.tsc_khz == sent.tsc_khz


def _is_that(sent: TSCKHz, user_tsc_khz: int) -> bool:
    return user_tsc_khz in (0, sent.tsc_khz)


def _needs_no_frequency(sent: MSRHypervReenlightenment | None) -> bool:
    return sent is None or not sent.msr_hv_reenlightenment_control & _NOTIFIES


def _runs_its_guest(hflags: int, nested: NestedState | None) -> bool:
    """Whether KVM's nested state says of a guest within the guest what the processor's flags say."""
    return not hflags >> IN_GUEST & 1 or (nested is not None and bool(nested.nested_state.flags & NESTED_GUEST_MODE))


@device(
    "cpu",
    early_copy="vmstate.devices.early_copies:CLOCK",
    listed=False,
    per_cpu=True,
    noise={
        "register": (
            "env.regs",
            "env.eip",
            "env.eflags",
            "env.hflags",
            "env.fpuc",
            "env.fpus_vmstate",
            "env.fptag_vmstate",
            "env.fpregs_format_vmstate",
            "env.fpregs",
            "env.segs",
            "env.ldt",
            "env.tr",
            "env.cr[0]",
            "env.cr[2]",
            "env.cr[3]",
            "env.dr",
            "env.mxcsr",
            "env.xmm_regs",
            "env.kernelgsbase",
            "env.xstate_bv",
        ),
        "timer": ("env.tsc",),
        "interrupt": (
            "env.interrupt_injected",
            "env.exception_nr",
            "env.soft_interrupt",
            "env.nmi_pending",
            "env.has_error_code",
        ),
    },
)
@description(
    "cpu",
    version_id=12,
    minimum_version_id=11,
    rules=(
        rule(
            "x86-nested-guest",
            asks(_runs_its_guest, this.hflags, otherwise(this.nested_state, None)),
            "a processor that runs a guest of its own (bit 21 of hflags) has the nested state of KVM that says so",
            since=Release(4, 1),
            qemu_error="vCPU set in guest-mode inconsistent with migrated kernel nested state",
            advice="let the guest within the guest end before the migration, or use KVM on both sides",
        ),
        rule(
            "x86-tsc-frequency",
            asks(_has_none, otherwise(this.tsc_khz, None))
            | asks(_is_its_own, this.tsc_khz, otherwise(OWN.tsc_khz, None), otherwise(USER_TSC_KHZ, None))
            | asks(_is_that, this.tsc_khz, USER_TSC_KHZ),
            "the time-stamp counter runs at the frequency that the destination's command line says, if it says one",
            qemu_error="Mismatch between user-specified TSC frequency and migrated TSC frequency",
            advice="give both sides the same -cpu ...,tsc-frequency=, or leave it out at the destination",
        ),
        rule(
            "x86-reenlightenment",
            asks(_needs_no_frequency, otherwise(this.msr_hyperv_reenlightenment, None)) | (USER_TSC_KHZ != 0),
            "a guest that asked for Hyper-V's notification of a migration goes where the command line says a frequency "
            "of the time-stamp counter",
            since=Release(6, 0),
            qemu_error="Guest enabled re-enlightenment notifications, 'tsc-frequency=' has to be specified",
            advice="give the destination the source's -cpu ...,tsc-frequency=",
        ),
    ),
)
class X86CPU(VMState):
    """Registers and state of the processor."""

    regs: list[int] = sub_array(uinttl, 0, GENERAL_REGISTERS, name="env.regs")
    eip: int = uinttl(name="env.eip")
    eflags: int = uinttl(name="env.eflags")
    hflags: int = uint32(name="env.hflags")
    fpuc: int = uint16(name="env.fpuc")
    fpus_vmstate: int = uint16(name="env.fpus_vmstate")
    fptag_vmstate: int = uint16(name="env.fptag_vmstate")
    fpregs_format_vmstate: int = uint16(
        name="env.fpregs_format_vmstate",
        rules=(
            rule(
                "x86-fpregs-format", this.fpregs_format_vmstate == 0, "the x87 registers are in the format of softfloat"
            ),
        ),
    )
    fpregs: list[FPReg] = array(FPReg, 8, name="env.fpregs")
    segs: list[Segment] = array(Segment, 6, name="env.segs")
    ldt: Segment = struct(Segment, name="env.ldt")
    tr: Segment = struct(Segment, name="env.tr")
    gdt: Segment = struct(Segment, name="env.gdt")
    idt: Segment = struct(Segment, name="env.idt")
    sysenter_cs: int = uint32(name="env.sysenter_cs")
    sysenter_esp: int = uinttl(name="env.sysenter_esp")
    sysenter_eip: int = uinttl(name="env.sysenter_eip")
    cr_0: int = uinttl(name="env.cr[0]")
    cr_2: int = uinttl(name="env.cr[2]")
    cr_3: int = uinttl(name="env.cr[3]")
    cr_4: int = uinttl(name="env.cr[4]")
    dr: list[int] = array(uinttl, 8, name="env.dr")
    a20_mask: int = int32(name="env.a20_mask")
    mxcsr: int = uint32(name="env.mxcsr")
    xmm_regs: list[XMMReg] = sub_array(XMMReg, 0, GENERAL_REGISTERS, name="env.xmm_regs")
    efer: int | None = uint64(name="env.efer", exists=TARGET_LONG_SIZE == 8)
    star: int | None = uint64(name="env.star", exists=TARGET_LONG_SIZE == 8)
    lstar: int | None = uint64(name="env.lstar", exists=TARGET_LONG_SIZE == 8)
    cstar: int | None = uint64(name="env.cstar", exists=TARGET_LONG_SIZE == 8)
    fmask: int | None = uint64(name="env.fmask", exists=TARGET_LONG_SIZE == 8)
    kernelgsbase: int | None = uint64(name="env.kernelgsbase", exists=TARGET_LONG_SIZE == 8)
    smbase: int = uint32(name="env.smbase")
    pat: int = uint64(name="env.pat")
    hflags2: int = uint32(name="env.hflags2")
    vm_hsave: int = uint64(name="env.vm_hsave")
    vm_vmcb: int = uint64(name="env.vm_vmcb")
    tsc_offset: int = uint64(name="env.tsc_offset")
    intercept: int = uint64(name="env.intercept")
    intercept_cr_read: int = uint16(name="env.intercept_cr_read")
    intercept_cr_write: int = uint16(name="env.intercept_cr_write")
    intercept_dr_read: int = uint16(name="env.intercept_dr_read")
    intercept_dr_write: int = uint16(name="env.intercept_dr_write")
    intercept_exceptions: int = uint32(name="env.intercept_exceptions")
    v_tpr: int = uint8(name="env.v_tpr")
    mtrr_fixed: list[int] = array(uint64, 11, name="env.mtrr_fixed")
    mtrr_deftype: int = uint64(name="env.mtrr_deftype")
    mtrr_var: list[MTRRVar] = array(MTRRVar, 8, name="env.mtrr_var", version=8)
    interrupt_injected: int = int32(name="env.interrupt_injected")
    mp_state: int = uint32(name="env.mp_state")
    tsc: int = uint64(name="env.tsc")
    exception_nr: int = int32(name="env.exception_nr")
    soft_interrupt: int = uint8(name="env.soft_interrupt")
    nmi_injected: int = uint8(name="env.nmi_injected")
    nmi_pending: int = uint8(name="env.nmi_pending")
    has_error_code: int = uint8(name="env.has_error_code")
    sipi_vector: int = uint32(name="env.sipi_vector")
    mcg_cap: int = uint64(name="env.mcg_cap")
    mcg_status: int = uint64(name="env.mcg_status")
    mcg_ctl: int = uint64(name="env.mcg_ctl")
    mce_banks: list[int] = array(uint64, 40, name="env.mce_banks")
    tsc_aux: int = uint64(name="env.tsc_aux")
    system_time_msr: int = uint64(name="env.system_time_msr")
    wall_clock_msr: int = uint64(name="env.wall_clock_msr")
    xcr0: int = uint64(name="env.xcr0", version=12)
    xstate_bv: int = uint64(name="env.xstate_bv", version=12)
    xmm_regs_1: list[YMMHReg] = sub_array(YMMHReg, 0, GENERAL_REGISTERS, name="env.xmm_regs", version=12)
    exception_info: ExceptionInfo | None = subsection(ExceptionInfo)
    error_code: ErrorCode | None = subsection(ErrorCode)
    async_pf_msr: AsyncPFMSR | None = subsection(AsyncPFMSR)
    async_pf_int_msr: AsyncPFIntMSR | None = subsection(AsyncPFIntMSR)
    async_pv_eoi_msr: PVEOIMSR | None = subsection(PVEOIMSR)
    steal_time_msr: StealTimeMSR | None = subsection(StealTimeMSR)
    poll_control_msr: PollControlMSR | None = subsection(PollControlMSR)
    fpop_ip_dp: FPOpIPDP | None = subsection(FPOpIPDP)
    msr_tsc_adjust: MSRTSCAdjust | None = subsection(MSRTSCAdjust)
    msr_tscdeadline: MSRTSCDeadline | None = subsection(MSRTSCDeadline)
    msr_ia32_misc_enable: MSRIA32MiscEnable | None = subsection(MSRIA32MiscEnable)
    msr_ia32_feature_control: MSRIA32FeatureControl | None = subsection(MSRIA32FeatureControl)
    msr_architectural_pmu: MSRArchitecturalPMU | None = subsection(MSRArchitecturalPMU)
    mpx: MPX | None = subsection(MPX)
    msr_hyperv_hypercall: MSRHypervHypercall | None = subsection(MSRHypervHypercall)
    msr_hyperv_vapic: MSRHypervVapic | None = subsection(MSRHypervVapic)
    msr_hyperv_time: MSRHypervTime | None = subsection(MSRHypervTime)
    msr_hyperv_crash: MSRHypervCrash | None = subsection(MSRHypervCrash)
    msr_hyperv_runtime: MSRHypervRuntime | None = subsection(MSRHypervRuntime)
    msr_hyperv_synic: MSRHypervSynic | None = subsection(MSRHypervSynic)
    msr_hyperv_stimer: MSRHypervStimer | None = subsection(MSRHypervStimer)
    msr_hyperv_reenlightenment: MSRHypervReenlightenment | None = subsection(MSRHypervReenlightenment)
    avx512: AVX512 | None = subsection(AVX512)
    xss: XSS | None = subsection(XSS)
    umwait: Umwait | None = subsection(Umwait)
    tsc_khz: TSCKHz | None = subsection(TSCKHz)
    msr_smi_count: MSRSMICount | None = subsection(MSRSMICount)
    pkru: PKRU | None = subsection(PKRU)
    pkrs: PKRS | None = subsection(PKRS)
    spec_ctrl: SpecCtrl | None = subsection(SpecCtrl)
    amd_tsc_scale_msr: AMDTSCScaleMSR | None = subsection(AMDTSCScaleMSR)
    mcg_ext_ctl: MCGExtCtl | None = subsection(MCGExtCtl)
    intel_pt: MSRIntelPT | None = subsection(MSRIntelPT)
    virt_ssbd: MSRVirtSSBD | None = subsection(MSRVirtSSBD)
    svn_npt: SVMNPT | None = subsection(SVMNPT)
    svm_guest: SVMGuest | None = subsection(SVMGuest)
    efer32: EFER32 | None = subsection(EFER32)
    nested_state: NestedState | None = subsection(NestedState)
    xen_vcpu: XenVcpu | None = subsection(XenVcpu)
    msr_tsx_ctrl: MSRTSXCtrl | None = subsection(MSRTSXCtrl)
    intel_sgx: MSRIntelSGX | None = subsection(MSRIntelSGX)
    pdptrs: PDPTRs | None = subsection(PDPTRs)
    msr_xfd: MSRXFD | None = subsection(MSRXFD)
    msr_hwcr: MSRHWCR | None = subsection(MSRHWCR)
    fred: MSRFRED | None = subsection(MSRFRED)
    intel_amx_xtile: AMXXtile | None = subsection(AMXXtile)
    arch_lbr: ArchLBR | None = subsection(ArchLBR)
    triple_fault: TripleFault | None = subsection(TripleFault)
    msr_pl0_ssp: PL0SSP | None = subsection(PL0SSP)
    cet: CET | None = subsection(CET)
    apx: APX | None = subsection(APX)
