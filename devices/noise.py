"""What differs between two moments of a machine that does nothing: noise, for whoever compares streams.

Name of a description -> wire name of a field -> what kind of noise it is. Names are QEMU's, so that the lists hold for
a state that a stream's own vmdesc describes as well; a name without `[n]` stands for all its numbers. A field that is a
timer (`timer`, of whatever device) needs no entry. Of a buffer, only the bytes of the ranges given are noise. An empty
name stands for the bytes of a section of that idstr that nothing describes. Facts are those of the devices' own
modules, and what recorded pairs of streams of one idle guest show.

Kinds: "timer" (times, deadlines, clocks), "counter" (what only counts), "index" (how far a ring has got), "register"
(what the code that happens to run has in a processor), "interrupt" (interrupts on their way).
"""

from __future__ import annotations

TIMER = "timer"
COUNTER = "counter"
INDEX = "index"
REGISTER = "register"
INTERRUPT = "interrupt"

Noise = str | tuple[str, tuple[tuple[int, int], ...]]
"""A kind, or a kind and the ranges of bytes (start, stop) of a buffer that it holds for."""


def _all(kind: str, *names: str) -> dict[str, Noise]:
    return dict.fromkeys(names, kind)


_PERFORMANCE_COUNTERS = ("env.msr_global_status", "env.msr_fixed_counters", "env.msr_gp_counters")

_X86_REGISTERS = (
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
)

_ARM_REGISTERS = (
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

_S390_REGISTERS = (
    "env.psw.mask",
    "env.psw.addr",
    "env.aregs",
    "env.cregs",
    "env.gbea",
    "env.pp",
)

NOISE: dict[str, dict[str, Noise]] = {
    # Clocks of the machine and of its processors.
    "timer": _all(TIMER, "cpu_ticks_offset", "cpu_clock_offset"),
    "timer/icount": {"qemu_icount_bias": TIMER, "qemu_icount": COUNTER},
    "timer/icount/warp_timer": _all(TIMER, "vm_clock_warp_start"),
    "timer/icount/shift": _all(TIMER, "last_delta"),
    "ptimer": _all(TIMER, "delta", "last_event", "next_event"),
    "kvmclock": _all(TIMER, "clock"),
    # Behind a byte that says whether there is a value.
    "todclock": {"": (TIMER, ((1, 10),))},
    "apic": _all(TIMER, "initial_count", "initial_count_load_time", "next_time", "timer_expiry")
    | _all(INTERRUPT, "icr", "isr", "tmr", "irr", "arb_id"),
    "hpet": _all(TIMER, "hpet_counter") | _all(INTERRUPT, "isr"),
    "hpet_timer": _all(TIMER, "cmp", "wrap_flag"),
    "hpet/offset": _all(TIMER, "hpet_offset"),
    "i8254": _all(TIMER, "channels[0].next_transition_time"),
    "pit channel": _all(TIMER, "count_load_time", "next_transition_time", "latched_count"),
    # The registers of the date and the time, and the century.
    "mc146818rtc": {"cmos_data": (TIMER, ((0, 10), (0x32, 0x33)))}
    | _all(TIMER, "next_periodic_time", "base_rtc", "last_update", "offset", "next_alarm_time")
    | _all(COUNTER, "irq_coalesced"),
    "pl031": _all(TIMER, "tick_offset_vmstate"),
    "pl031/tick-offset": _all(TIMER, "tick_offset"),
    "ich9_pm": _all(TIMER, "acpi_regs.tmr.overflow_time"),
    "piix4_pm": _all(TIMER, "ar.tmr.overflow_time"),
    "tco io device status": _all(TIMER, "expire_time"),
    "ipmi-bmc-sim": _all(TIMER, "watchdog_expiry"),
    # Interrupts.
    "i8259": _all(INTERRUPT, "last_irr", "irr", "isr"),
    "ioapic": _all(INTERRUPT, "irr"),
    "arm_gic": _all(INTERRUPT, "sgi_pending", "running_priority", "current_pending", "apr", "nsapr"),
    "arm_gic_irq_state": _all(INTERRUPT, "pending", "active", "level"),
    # Processors.
    "cpu_common": _all(REGISTER, "halted") | _all(INTERRUPT, "interrupt_request"),
    "cpu_common/exception_index": _all(REGISTER, "exception_index"),
    "cpu": _all(REGISTER, *dict.fromkeys(_X86_REGISTERS + _ARM_REGISTERS + _S390_REGISTERS))
    | _all(TIMER, "env.tsc", "env.todpr", "env.cputm", "env.ckc")
    | _all(INTERRUPT, "env.interrupt_injected", "env.exception_nr", "env.soft_interrupt", "env.nmi_pending")
    | _all(INTERRUPT, "env.has_error_code", "irqstate"),
    "cpu/exception_info": _all(
        INTERRUPT, "env.exception_pending", "env.exception_injected", "env.exception_has_payload"
    )
    | _all(INTERRUPT, "env.exception_payload"),
    "cpu/error_code": _all(INTERRUPT, "env.error_code"),
    "cpu/fpop_ip_dp": _all(REGISTER, "env.fpop", "env.fpip", "env.fpdp"),
    "cpu/msr_tsc_adjust": _all(TIMER, "env.tsc_adjust"),
    "cpu/msr_tscdeadline": _all(TIMER, "env.tsc_deadline"),
    "cpu/msr_smi_count": _all(COUNTER, "env.msr_smi_count"),
    "cpu/msr_architectural_pmu": _all(COUNTER, *_PERFORMANCE_COUNTERS),
    "cpu/msr_hyperv_runtime": _all(COUNTER, "env.msr_hv_runtime"),
    "cpu/msr_hyperv_stimer": _all(TIMER, "env.msr_hv_stimer_count"),
    "cpu/avx512": _all(REGISTER, "env.opmask_regs", "env.xmm_regs"),
    "cpu/vfp": _all(REGISTER, "env.vfp.zregs.d", "env.vfp.xregs", "fpscr"),
    "cpu/irq-line-state": _all(INTERRUPT, "env.irq_line_state"),
    "cpu/fpu": _all(REGISTER, "env.fpc", "env.vregs"),
    "cpu/vregs": _all(REGISTER, "env.vregs"),
    # Rings and transfers.
    "virtio queue": _all(INDEX, "last_avail_idx"),
    "packed_virtqueue_state": _all(
        INDEX, "last_avail_idx", "last_avail_wrap_counter", "used_idx", "used_wrap_counter", "inuse"
    ),
    # ip_id, where no connection to a guestfwd stands in front of it.
    "slirp": {"": (COUNTER, ((1, 3),))},
    "rtl8139": _all(
        COUNTER,
        "tally_counters.TxOk",
        "tally_counters.RxOk",
        "tally_counters.RxOkPhy",
        "tally_counters.RxOkBrd",
        "tally_counters.RxOkMul",
    )
    | _all(TIMER, "TCTR_base"),
    "intel-hda": _all(TIMER, "wall_base_ns"),
    # Frames of USB, a thousand a second.
    "uhci": _all(COUNTER, "frnum") | _all(TIMER, "expire_time"),
    "ohci-core": _all(COUNTER, "frame_number", "frt") | _all(TIMER, "sof_time"),
    "ehci-core": _all(COUNTER, "frindex", "usbsts_frindex") | _all(TIMER, "last_run_ns"),
    "xhci-core": _all(TIMER, "mfindex_start"),
}
