"""The local APIC.

Facts from QEMU's hw/intc/apic_common.c.
"""

from __future__ import annotations

from vmstate.declare import (
    MigrationPriority,
    VMState,
    array,
    description,
    device,
    int32,
    int64,
    subsection,
    this,
    uint8,
    uint32,
)


@description("apic_sipi", version_id=1, minimum_version_id=1, needed=this.wait_for_sipi != 0)
class ApicSipi(VMState):
    """A start-up interrupt that the processor waits for; sent where it does."""

    sipi_vector: int = int32()
    wait_for_sipi: int = int32()


@device(
    "apic",
    early_copy="vmstate.devices.early_copies:CLOCK",
    listed=False,
    target_endian="little",
    per_cpu=True,
    noise={
        "timer": ("initial_count", "initial_count_load_time", "next_time", "timer_expiry"),
        "interrupt": ("icr", "isr", "tmr", "irr", "arb_id"),
    },
)
@description("apic", version_id=3, minimum_version_id=3, priority=MigrationPriority.APIC)
class APIC(VMState):
    """Registers and timer of a local APIC."""

    apicbase: int = uint32()
    id: int = uint8()
    arb_id: int = uint8()
    tpr: int = uint8()
    spurious_vec: int = uint32()
    log_dest: int = uint8()
    dest_mode: int = uint8()
    isr: list[int] = array(uint32, 8)
    tmr: list[int] = array(uint32, 8)
    irr: list[int] = array(uint32, 8)
    lvt: list[int] = array(uint32, 6)
    esr: int = uint32()
    icr: list[int] = array(uint32, 2)
    divide_conf: int = uint32()
    count_shift: int = int32()
    initial_count: int = uint32()
    initial_count_load_time: int = int64()
    next_time: int = int64()
    timer_expiry: int = int64()
    sipi: ApicSipi | None = subsection(ApicSipi)
