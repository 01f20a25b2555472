"""Faraday's gigabit network card FTGMAC100, of Aspeed's SoCs, and their bus to its PHY.

Facts from QEMU's hw/net/ftgmac100.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, host, uint32, uint64, variant


@device("aspeed-mmi")
@description("aspeed-mmi", version_id=1, minimum_version_id=1)
class AspeedMmi(VMState):
    """The bus to the PHY (MII): what is asked of it, and its answer."""

    phycr: int = uint32()
    phydata: int = uint32()


@device("ftgmac100")
@description("ftgmac100", version_id=2, minimum_version_id=2)
class FTGMAC100(VMState):
    """The card: its registers, those of its PHY, and where its rings of descriptors are in memory."""

    irq_state: int = uint32()
    isr: int = uint32()
    ier: int = uint32()
    rx_enabled: int = uint32()
    old_rx_ring: int | None = host()
    rbsr: int = uint32()
    old_tx_ring: int | None = host()
    old_rx_descriptor: int | None = host()
    old_tx_descriptor: int | None = host()
    math: list[int] = array(uint32, 2)
    itc: int = uint32()
    aptcr: int = uint32()
    dblac: int = uint32()
    revr: int = uint32()
    fear1: int = uint32()
    tpafcr: int = uint32()
    maccr: int = uint32()
    phycr: int = uint32()
    phydata: int = uint32()
    fcr: int = uint32()
    phy_status: int = uint32()
    phy_control: int = uint32()
    phy_advertise: int = uint32()
    phy_int: int = uint32()
    phy_int_mask: int = uint32()
    txdes0_edotr: int = uint32()
    rxdes0_edorr: int = uint32()
    rx_ring: int | None = uint64()
    tx_ring: int | None = uint64()
    rx_descriptor: int | None = uint64()
    tx_descriptor: int | None = uint64()


FTGMAC100_9_0 = variant(
    FTGMAC100,
    None,
    1,
    old_rx_ring=uint32(name="rx_ring"),
    old_tx_ring=uint32(name="tx_ring"),
    old_rx_descriptor=uint32(name="rx_descriptor"),
    old_tx_descriptor=uint32(name="tx_descriptor"),
    rx_ring=None,
    tx_ring=None,
    rx_descriptor=None,
    tx_descriptor=None,
)
"""Up to 9.0: addresses of 32 bits, at another place."""
