"""The random numbers of Broadcom's BCM2835.

Facts from QEMU's hw/misc/bcm2835_rng.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("bcm2835-rng")
@description("bcm2835-rng", version_id=1, minimum_version_id=1)
class Bcm2835Rng(VMState):
    """Control and status."""

    rng_ctrl: int = uint32()
    rng_status: int = uint32()
