"""The parallel host interface of Broadcom's BCM2835, as much as its USB driver asks for.

Facts from QEMU's hw/misc/bcm2835_mphi.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("mphi")
@description("mphi", version_id=1, minimum_version_id=1)
class Mphi(VMState):
    """Registers."""

    outdda: int = uint32()
    outddb: int = uint32()
    ctrl: int = uint32()
    intstat: int = uint32()
    swirq: int = uint32()
