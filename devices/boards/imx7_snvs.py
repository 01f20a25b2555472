"""The secure non-volatile storage of NXP's i.MX 7: its real-time clock.

Facts from QEMU's hw/misc/imx7_snvs.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint64


@device("imx7.snvs")
@description("imx7.snvs", version_id=1, minimum_version_id=1)
class Imx7Snvs(VMState):
    """The time as an offset from the host's, and control."""

    tick_offset: int = uint64()
    lpcr: int = uint64()
