"""The generic watchdog of Arm's SBSA.

Facts from QEMU's hw/watchdog/sbsa_gwdt.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, timer, uint32


@device("sbsa-gwdt", noise={"timer": ("timer",)})
@description("sbsa-gwdt", version_id=1, minimum_version_id=1)
class SbsaGwdt(VMState):
    """The timer, offset, compare value and status."""

    timer_: int = timer(name="timer")
    wcs: int = uint32()
    worl: int = uint32()
    woru: int = uint32()
    wcvl: int = uint32()
    wcvu: int = uint32()
