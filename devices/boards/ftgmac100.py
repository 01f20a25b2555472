"""A network card of Aspeed's SoCs: aspeed-mmi.

Facts from QEMU's hw/net/ftgmac100.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("aspeed-mmi")
@description("aspeed-mmi", version_id=1, minimum_version_id=1)
class AspeedMmi(VMState):
    """A network card of Aspeed's SoCs."""

    phycr: int = uint32()
    phydata: int = uint32()
