"""An SPI controller of Arm's PrimeCell: pl022_ssp.

Facts from QEMU's hw/ssi/pl022.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, int32, uint16, uint32


@device("pl022_ssp")
@description("pl022_ssp", version_id=1, minimum_version_id=1)
class Pl022Ssp(VMState):
    """An SPI controller of Arm's PrimeCell."""

    cr0: int = uint32()
    cr1: int = uint32()
    bitmask: int = uint32()
    sr: int = uint32()
    cpsr: int = uint32()
    is_: int = uint32(name="is")
    im: int = uint32()
    tx_fifo_head: int = int32()
    rx_fifo_head: int = int32()
    tx_fifo_len: int = int32()
    rx_fifo_len: int = int32()
    tx_fifo_0: int = uint16(name="tx_fifo[0]")
    rx_fifo_0: int = uint16(name="rx_fifo[0]")
    tx_fifo_1: int = uint16(name="tx_fifo[1]")
    rx_fifo_1: int = uint16(name="rx_fifo[1]")
    tx_fifo_2: int = uint16(name="tx_fifo[2]")
    rx_fifo_2: int = uint16(name="rx_fifo[2]")
    tx_fifo_3: int = uint16(name="tx_fifo[3]")
    rx_fifo_3: int = uint16(name="rx_fifo[3]")
    tx_fifo_4: int = uint16(name="tx_fifo[4]")
    rx_fifo_4: int = uint16(name="rx_fifo[4]")
    tx_fifo_5: int = uint16(name="tx_fifo[5]")
    rx_fifo_5: int = uint16(name="rx_fifo[5]")
    tx_fifo_6: int = uint16(name="tx_fifo[6]")
    rx_fifo_6: int = uint16(name="rx_fifo[6]")
    tx_fifo_7: int = uint16(name="tx_fifo[7]")
    rx_fifo_7: int = uint16(name="rx_fifo[7]")
