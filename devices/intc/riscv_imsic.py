"""RISC-V's controller of incoming messages (IMSIC).

Facts from QEMU's hw/intc/riscv_imsic.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, fact, uint32, variant, varray

IDENTITIES = 256
"""Interrupts of a page: 255 and one more, on all machines."""

PAGES = fact("imsic_pages", range(1, 65), advice="start the destination with -machine aia-guests= of one less")
"""Pages of a hart: one, and one for each guest that the machine foresees (`aia-guests`)."""


@device("riscv_imsic", noise={"interrupt": ("eistate",)})
@description("riscv_imsic", version_id=2, minimum_version_id=2)
class RISCVIMSIC(VMState):
    """The interrupt files of a hart."""

    eidelivery: list[int] = varray(uint32, count=PAGES)
    eithreshold: list[int] = varray(uint32, count=PAGES)
    eistate: list[int] = varray(uint32, count=PAGES * IDENTITIES)


RISCV_IMSIC_10_2 = variant(RISCVIMSIC, None, 1)
"""Up to 10.2, of as many bytes."""
