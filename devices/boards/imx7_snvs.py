"""A controller of NXP's i.MX: imx7.snvs.

Facts from QEMU's hw/misc/imx7_snvs.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint64


@device("imx7.snvs")
@description("imx7.snvs", version_id=1, minimum_version_id=1)
class Imx7Snvs(VMState):
    """A controller of NXP's i.MX."""

    tick_offset: int = uint64()
    lpcr: int = uint64()
