"""The interrupt controller of Aspeed's AST2400 and AST2500.

Facts from QEMU's hw/intc/aspeed_vic.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint64


@device("aspeed.new-vic")
@description("aspeed.new-vic", version_id=1, minimum_version_id=1)
class AspeedNewVic(VMState):
    """Lines, and how each is sensed, chosen and enabled."""

    level: int = uint64()
    raw: int = uint64()
    select: int = uint64()
    enable: int = uint64()
    trigger: int = uint64()
    sense: int = uint64()
    dual_edge: int = uint64()
    event: int = uint64()
