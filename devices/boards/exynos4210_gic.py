"""A gate that makes one interrupt of several, of Samsung's Exynos 4210.

Facts from QEMU's hw/intc/exynos4210_gic.c as it was up to 7.0.
"""

from __future__ import annotations

from vmstate.declare import REGISTERS, VMState, description, device, fact, vbuffer

INPUTS = fact("exynos4210_irq_gate_inputs", (2, 1, 3, 4, 8, 16))
"""Interrupts that the gate has."""


@device("exynos4210.irq_gate", noise={"interrupt": ("level",)})
@description("exynos4210.irq_gate", version_id=2, minimum_version_id=2)
class Exynos4210IRQGate(VMState):
    """Which of the interrupts are up."""

    level: bytes = vbuffer(INPUTS, version=1, private=REGISTERS)
