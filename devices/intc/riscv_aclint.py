"""The machine timer of RISC-V's ACLINT and CLINT.

Facts from QEMU's hw/intc/riscv_aclint.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, fact, timer, uint64, variant, varray

HARTS = fact("riscv_harts", (*range(1, 257),), advice="start the destination with -smp {value} in each socket")
"""Harts of a socket; each socket has a timer of its own."""


@device("riscv_mtimer", noise={"timer": ("time_delta", "timecmp", "timers")})
@description("riscv_mtimer", version_id=3, minimum_version_id=3)
class RISCVMTimer(VMState):
    """When each hart is interrupted."""

    time_delta: int | None = uint64()
    timecmp: list[int] = varray(uint64, count=HARTS)
    timers: list[int] | None = varray(timer, count=HARTS)


RISCV_MTIMER_10_0 = variant(RISCVMTimer, None, 1, time_delta=None, timers=None)
"""Up to 10.0 only the times are sent."""
