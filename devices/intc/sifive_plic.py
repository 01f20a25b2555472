"""The platform-level interrupt controller of RISC-V machines (PLIC).

Facts from QEMU's hw/intc/sifive_plic.c and the boards in hw/riscv.
"""

from __future__ import annotations

from vmstate.declare import VMState, ceil_div, choose, description, device, fact, uint32, varray

SOURCES = fact("plic_sources", (96, 54, 53, 28, 127, 187, 208))
"""Interrupt sources: of `virt`, sifive_u, sifive_e, shakti_c, `virt` and sifive_e up to 7.2, microchip-icicle-kit and
k230. Those of the last two are as many bytes as `virt` with 20 and with 17 harts: which it is must be told."""

CONTEXTS = choose(
    SOURCES == 96,
    fact("plic_contexts", (2, 4, 1, 3, *range(5, 129)), advice="start the destination with as many harts (-smp)"),
    choose(
        SOURCES < 64,
        fact("plic_board_contexts", range(1, 10)),
        choose(SOURCES == 127, fact("plic_old_contexts", (2, 1, *range(4, 34, 2))), choose(SOURCES == 208, 2, 9)),
    ),
)
"""Modes of harts that can be interrupted: two of each hart on `virt`, one under KVM."""

WORDS = ceil_div(SOURCES, 32)


@device("riscv_sifive_plic", noise={"interrupt": ("pending", "claimed")})
@description("riscv_sifive_plic", version_id=1, minimum_version_id=1)
class SiFivePLIC(VMState):
    """Priorities, and what is pending and enabled."""

    source_priority: list[int] = varray(uint32, count=SOURCES)
    target_priority: list[int] = varray(uint32, count=CONTEXTS)
    pending: list[int] = varray(uint32, count=WORDS)
    claimed: list[int] = varray(uint32, count=WORDS)
    enable: list[int] = varray(uint32, count=WORDS * CONTEXTS)
