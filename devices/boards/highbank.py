"""Devices of Calxeda's Highbank and Midway.

Above each part stands the file of QEMU's that its facts are from.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, part, secret, struct, uint32, uint64

# The system registers of Calxeda's Highbank and Midway (hw/arm/highbank.c).


@device("highbank-regs")
@description("highbank-regs")
class HighbankRegs(VMState):
    """Registers."""

    regs: list[int] = array(uint32, 512)


# Calxeda's 10-gigabit network card (hw/net/xgmac.c).

ADDRESSES = secret("contents", 16, 32)
"""The registers ADDR0_HIGH to ADDR15_LOW."""


@part(
    noise={
        "counter": (
            "rx_bytes",
            "tx_bytes",
            "rx",
            "rx_bcast",
            "rx_mcast",
        )
    }
)
@description("xgmac_stats", version_id=1, minimum_version_id=1)
class XgmacStats(VMState):
    """What was sent and received."""

    rx_bytes: int = uint64()
    tx_bytes: int = uint64()
    rx: int = uint64()
    rx_bcast: int = uint64()
    rx_mcast: int = uint64()


@device("xgmac")
@description("xgmac", version_id=1, minimum_version_id=1)
class Xgmac(VMState):
    """Counters, and registers."""

    stats: XgmacStats = struct(XgmacStats)
    regs: list[int] = array(uint32, 1024, private=ADDRESSES)
