"""RISC-V's advanced platform-level interrupt controller (APLIC).

Facts from QEMU's hw/intc/riscv_aplic.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, choose, description, device, fact, uint32, variant, varray

IRQS = fact("aplic_irqs", (97, 129))
"""Interrupt sources and one more: the 96 of `virt`, or the 128 of tt-atlantis."""

HARTS = choose(
    IRQS == 97,
    fact("aplic_harts", (0, *range(1, 129)), advice="start the destination with -smp {value} in each socket"),
    0,
)
"""Harts of a socket; none where interrupts become messages, as on tt-atlantis. Its bytes are as many as those of `virt`
with 32 harts that get no messages: which it is must be told."""


@device("riscv_aplic", noise={"interrupt": ("state",)})
@description("riscv_aplic", version_id=3, minimum_version_id=3)
class RISCVAPLIC(VMState):
    """The registers of a domain."""

    domaincfg: int = uint32()
    mmsicfgaddr: int = uint32()
    mmsicfgaddrH: int = uint32()
    smsicfgaddr: int = uint32()
    smsicfgaddrH: int = uint32()
    genmsi: int = uint32()
    kvm_msicfgaddr: int | None = uint32()
    kvm_msicfgaddrH: int | None = uint32()
    sourcecfg: list[int] = varray(uint32, count=IRQS)
    state: list[int] = varray(uint32, count=IRQS)
    target: list[int] = varray(uint32, count=IRQS)
    idelivery: list[int] = varray(uint32, count=HARTS)
    iforce: list[int] = varray(uint32, count=HARTS)
    ithreshold: list[int] = varray(uint32, count=HARTS)


RISCV_APLIC_10_2 = variant(RISCVAPLIC, None, 2)
"""Up to 10.2, of as many bytes."""

RISCV_APLIC_7_2 = variant(RISCVAPLIC, None, 1, kvm_msicfgaddr=None, kvm_msicfgaddrH=None)
"""Up to 8.2 without the address of KVM's controller."""
