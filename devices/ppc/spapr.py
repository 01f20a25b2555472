"""The `pseries` machine, and the levels of its capabilities, which a destination takes up to its own.

Facts from QEMU's hw/ppc/spapr.c (default_caps and the descriptions), hw/ppc/spapr_caps.c (spapr_caps_post_migration),
hw/ppc/spapr_ovec.c, hw/ppc/spapr_irq.c and hw/ppc/ppc.c.
"""

from __future__ import annotations

import re

from vmstate.declare import (
    CONTENTS,
    REGISTERS,
    Release,
    VMState,
    bitmap,
    description,
    device,
    fact,
    int32,
    int64,
    known_since,
    qtailq,
    struct,
    subsection,
    this,
    uint8,
    uint32,
    uint64,
    unused,
    vbuffer,
    version_id,
)
from vmstate.vmsd.destination import Comparison, Level

PAGES = 16
"""The bits of the largest page of the hash table that a machine type from 3.0 on allows."""

OLDER_PAGES = 34
"""Those of pseries-2.12 and older."""

_VERSION = re.compile(r"pseries-(\d+\.\d+)")


def _of_switch(value: int, _: str | None) -> int:
    """A switch is sent where it is not as usual."""
    return 0 if value else 1


def _is_from(machine: str | None, release: Release) -> bool:
    version = _VERSION.match(machine or "")
    return version is None or Release.read(version[1]) >= release


def _of_mitigation(_: int, machine: str | None) -> int:
    """Mitigations (cfpc, sbbc, ibs) are "workaround" from pseries-4.0 on, before that "broken"; but for -sxxm."""
    return 1 if _is_from(machine, Release(4, 0)) or (machine or "").endswith("-sxxm") else 0


def _of_branches(value: int, machine: str | None) -> int:
    """The same for ibs, of which -sxxm has "fixed-ccd"."""
    return 3 if (machine or "").endswith("-sxxm") else _of_mitigation(value, machine)


def _of_pages(_: int, machine: str | None) -> int:
    return PAGES if _is_from(machine, Release(3, 0)) else OLDER_PAGES


LEVELS = {
    f"spapr/cap/{sent}": Level(f"cap-{name}", usual)
    for sent, name, usual in (
        ("htm", "htm", _of_switch),
        ("vsx", "vsx", _of_switch),
        ("dfp", "dfp", _of_switch),
        ("cfpc", "cfpc", _of_mitigation),
        ("sbbc", "sbbc", _of_mitigation),
        ("ibs", "ibs", _of_branches),
        ("hpt_maxpagesize", "hpt-max-page-size", _of_pages),
        ("nested_kvm_hv", "nested-hv", _of_switch),
        ("large_decr", "large-decr", _of_switch),
        ("ccf_assist", "ccf-assist", _of_switch),
        ("fwnmi", "fwnmi", _of_switch),
        ("rpt_invalidate", "rpt-invalidate", _of_switch),
        ("ail_mode_3", "ail-mode-3", _of_switch),
        ("nested_papr", "nested-papr", _of_switch),
        ("dawr1", "dawr1", _of_switch),
    )
}
"""In the order in which QEMU looks at them: the name in the subsection, that of the property behind `cap-`."""

MSIS = fact("spapr_msis", (0xD00, 0x400))
"""Interrupts that PCI devices of the machine can be given: fewer in pseries-3.0 and older."""

OPTION_BITS = 2048
"""Bits of an option vector."""


@description("timebase", version_id=1, minimum_version_id=1)
class Timebase(VMState):
    """The guest's time base, and the host's clock at that moment in nanoseconds."""

    guest_timebase: int = uint64()
    time_of_the_day_ns: int = int64()


@description("spapr_option_vector", version_id=1, minimum_version_id=1)
class OptionVector(VMState):
    """Options that the guest and the firmware agreed on, numbered as in the architecture."""

    bitmap: int = bitmap(OPTION_BITS, version=1)


@description("spapr_option_vector_ov5_cas", version_id=1, minimum_version_id=1)
class AgreedOptions(VMState):
    """The platform options that were agreed on; sent where there are any that older machines have not."""

    ov5_cas: OptionVector = struct(OptionVector, version=1)


@description("spapr_patb_entry", version_id=1, minimum_version_id=1, needed=this.patb_entry != 0)
class PartitionTableEntry(VMState):
    """Where the guest has its page tables; sent where it has said so."""

    patb_entry: int = uint64()


@description("spapr_event_log_entry", version_id=1, minimum_version_id=1)
class EventLogEntry(VMState):
    """An event that waits for the guest."""

    summary: int = uint32()
    extended_length: int = uint32()
    extended_log: bytes = vbuffer(this.extended_length, private=REGISTERS)


@description("spapr_pending_events", version_id=1, minimum_version_id=1)
class PendingEvents(VMState):
    """Events that wait; sent where there are any."""

    pending_events: list[EventLogEntry] = qtailq(EventLogEntry, version=1)


@description("spapr_irq_map", version_id=1, minimum_version_id=1, needed=this.irq_map != 0)
class InterruptMap(VMState):
    """Which interrupts PCI devices were given; sent where there are any."""

    irq_map: int = bitmap(MSIS)


@description("spapr_dtb", version_id=1, minimum_version_id=1)
class DeviceTree(VMState):
    """The device tree that the guest has; sent by pseries-3.1 and later."""

    fdt_initial_size: int = uint32()
    fdt_size: int = uint32()
    fdt_blob: bytes = vbuffer(this.fdt_size, private=CONTENTS)


@description("spapr_fwnmi", version_id=1, minimum_version_id=1)
class MachineCheckHandlers(VMState):
    """Where the guest has its handlers of machine checks, and which processor is in one; sent where it has said so."""

    fwnmi_system_reset_addr: int = uint64()
    fwnmi_machine_check_addr: int = uint64()
    fwnmi_machine_check_interlock: int = int32()


@description("spapr/cap/htm", version_id=1, minimum_version_id=1)
class CapHtm(VMState):
    """Transactional memory (TM): its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x00]")


@description("spapr/cap/vsx", version_id=1, minimum_version_id=1)
class CapVsx(VMState):
    """The vector-scalar extension: its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x01]")


@description("spapr/cap/dfp", version_id=1, minimum_version_id=1)
class CapDfp(VMState):
    """Decimal floating point: its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x02]")


@description("spapr/cap/cfpc", version_id=1, minimum_version_id=1)
class CapCfpc(VMState):
    """The mitigation of Meltdown (flushing the cache): its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x03]")


@description("spapr/cap/sbbc", version_id=1, minimum_version_id=1)
class CapSbbc(VMState):
    """The mitigation of Spectre v1 (bounds checks as barriers): its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x04]")


@description("spapr/cap/ibs", version_id=1, minimum_version_id=1)
class CapIbs(VMState):
    """The mitigation of Spectre v2 (indirect branches): its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x05]")


@description("spapr/cap/hpt_maxpagesize", version_id=1, minimum_version_id=1)
class CapHptMaxpagesize(VMState):
    """The largest page of the hash page table, as a binary logarithm: its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x06]")


@description("spapr/cap/nested_kvm_hv", version_id=1, minimum_version_id=1)
class CapNestedKvmHv(VMState):
    """Guests of the guest by KVM: its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x07]")


@description("spapr/cap/large_decr", version_id=1, minimum_version_id=1)
class CapLargeDecr(VMState):
    """The large decrementer: its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x08]")


@description("spapr/cap/ccf_assist", version_id=1, minimum_version_id=1)
class CapCcfAssist(VMState):
    """The assist for flushing the count cache: its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x09]")


@description("spapr/cap/fwnmi", version_id=1, minimum_version_id=1)
class CapFwnmi(VMState):
    """Machine checks that the firmware passes on (FWNMI): its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x0A]")


@description("spapr/cap/rpt_invalidate", version_id=1, minimum_version_id=1, rules=(known_since(Release(6, 1)),))
class CapRptInvalidate(VMState):
    """The hypercall H_RPT_INVALIDATE: its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x0B]")


@description("spapr/cap/ail_mode_3", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 1)),))
class CapAilMode3(VMState):
    """Interrupts at the alternate location 3: its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x0C]")


@description("spapr/cap/nested_papr", version_id=1, minimum_version_id=1, rules=(known_since(Release(9, 0)),))
class CapNestedPapr(VMState):
    """Guests of the guest by the PAPR interface: its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x0D]")


@description("spapr/cap/dawr1", version_id=1, minimum_version_id=1, rules=(known_since(Release(10, 0)),))
class CapDawr1(VMState):
    """The second watchpoint register: its level; sent where it is not as usual."""

    level: int = uint8(name="mig.caps[0x0E]")


@device("spapr", listed=False, compares=Comparison(levels=LEVELS))
@description("spapr", version_id=3, minimum_version_id=1)
class Spapr(VMState):
    """The machine: its time base, what was agreed with the guest, and capabilities that are not as usual."""

    next_irq: None = unused(4, exists=version_id < 3)
    rtc_offset: int | None = uint64(exists=version_id < 3)
    tb: Timebase = struct(Timebase, version=2)
    ov5_cas: AgreedOptions | None = subsection(AgreedOptions)
    patb_entry: PartitionTableEntry | None = subsection(PartitionTableEntry)
    pending_events: PendingEvents | None = subsection(PendingEvents)
    cap_htm: CapHtm | None = subsection(CapHtm)
    cap_vsx: CapVsx | None = subsection(CapVsx)
    cap_dfp: CapDfp | None = subsection(CapDfp)
    cap_cfpc: CapCfpc | None = subsection(CapCfpc)
    cap_sbbc: CapSbbc | None = subsection(CapSbbc)
    cap_ibs: CapIbs | None = subsection(CapIbs)
    cap_hpt_maxpagesize: CapHptMaxpagesize | None = subsection(CapHptMaxpagesize)
    irq_map: InterruptMap | None = subsection(InterruptMap)
    cap_nested_kvm_hv: CapNestedKvmHv | None = subsection(CapNestedKvmHv)
    dtb: DeviceTree | None = subsection(DeviceTree)
    cap_large_decr: CapLargeDecr | None = subsection(CapLargeDecr)
    cap_ccf_assist: CapCcfAssist | None = subsection(CapCcfAssist)
    cap_fwnmi: CapFwnmi | None = subsection(CapFwnmi)
    fwnmi_handlers: MachineCheckHandlers | None = subsection(MachineCheckHandlers)
    cap_rpt_invalidate: CapRptInvalidate | None = subsection(CapRptInvalidate)
    cap_ail_mode_3: CapAilMode3 | None = subsection(CapAilMode3)
    cap_nested_papr: CapNestedPapr | None = subsection(CapNestedPapr)
    cap_dawr1: CapDawr1 | None = subsection(CapDawr1)
