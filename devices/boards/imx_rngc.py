"""The random numbers of NXP's i.MX (RNGC).

Facts from QEMU's hw/misc/imx_rngc.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, boolean, description, device, uint8


@device("i.MX RNGC")
@description("i.MX RNGC", version_id=1, minimum_version_id=1)
class IMXRNGC(VMState):
    """What is under way, and registers."""

    op_self_test: int = uint8()
    op_seed: int = uint8()
    mask: int = uint8()
    auto_seed: bool = boolean()
