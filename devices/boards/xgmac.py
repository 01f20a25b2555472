"""A network card: xgmac.

Facts from QEMU's hw/net/xgmac.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32, uint64


@description("xgmac_stats", version_id=1, minimum_version_id=1)
class XgmacStats(VMState):
    """The `stats`."""

    rx_bytes: int = uint64()
    tx_bytes: int = uint64()
    rx: int = uint64()
    rx_bcast: int = uint64()
    rx_mcast: int = uint64()


@device("xgmac")
@description("xgmac", version_id=1, minimum_version_id=1)
class Xgmac(VMState):
    """A network card."""

    stats: XgmacStats = struct(XgmacStats)
    regs: list[int] = array(uint32, 1024)
