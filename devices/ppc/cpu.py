"""Processors that nothing describes: PowerPC's version, and the timers of RISC-V's Sstc.

Facts from QEMU's target/ppc/machine.c (pvr_match), target/ppc/cpu_init.c (ppc_pvr_match_power*) and
target/riscv/machine.c (vmstate_sstc).
"""

from __future__ import annotations

from vmstate.declare import undescribed
from vmstate.vmsd.destination import Comparison, Identity

PVR = 287
"""The number of the register among the special purpose registers."""

POWER9 = 0x004E
"""The upper half of its register."""


def _takes(sent: int, local: int) -> bool:
    """Whether a processor goes on as another: of the same family, and of the same version where that counts."""
    if sent == local:
        return True
    if sent >> 16 != local >> 16 or sent & 0xF00 != local & 0xF00:
        return False
    if local >> 16 == POWER9:
        # DD2.0 and DD2.1 are power9_v2.0, DD2.2 and DD2.3 power9_v2.2.
        return sent & 0xF00 == 0x200 and local & 0xF == (0 if sent & 0xF < 2 else 2)
    return True


CPU = undescribed(
    "cpu",
    listed=False,
    compares=Comparison(
        identities=(
            Identity(
                "env.spr",
                PVR,
                "the processor version (PVR)",
                _takes,
                "give both sides the same CPU model with its version (-cpu power9_v2.0, power9_v2.2): that without a "
                "version is another from release to release",
            ),
        ),
        pointers={"cpu/timer": "the timers of the extension Sstc (-cpu ...,sstc=on)"},
    ),
)
