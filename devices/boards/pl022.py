"""Arm's SPI controller PL022.

Facts from QEMU's hw/ssi/pl022.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, description, device, int32, uint16, uint32


@device("pl022_ssp")
@description("pl022_ssp", version_id=1, minimum_version_id=1)
class Pl022Ssp(VMState):
    """Registers, and words to be sent and received."""

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
    tx_fifo_0: int = uint16(name="tx_fifo[0]", private=CONTENTS)
    rx_fifo_0: int = uint16(name="rx_fifo[0]", private=CONTENTS)
    tx_fifo_1: int = uint16(name="tx_fifo[1]", private=CONTENTS)
    rx_fifo_1: int = uint16(name="rx_fifo[1]", private=CONTENTS)
    tx_fifo_2: int = uint16(name="tx_fifo[2]", private=CONTENTS)
    rx_fifo_2: int = uint16(name="rx_fifo[2]", private=CONTENTS)
    tx_fifo_3: int = uint16(name="tx_fifo[3]", private=CONTENTS)
    rx_fifo_3: int = uint16(name="rx_fifo[3]", private=CONTENTS)
    tx_fifo_4: int = uint16(name="tx_fifo[4]", private=CONTENTS)
    rx_fifo_4: int = uint16(name="rx_fifo[4]", private=CONTENTS)
    tx_fifo_5: int = uint16(name="tx_fifo[5]", private=CONTENTS)
    rx_fifo_5: int = uint16(name="rx_fifo[5]", private=CONTENTS)
    tx_fifo_6: int = uint16(name="tx_fifo[6]", private=CONTENTS)
    rx_fifo_6: int = uint16(name="rx_fifo[6]", private=CONTENTS)
    tx_fifo_7: int = uint16(name="tx_fifo[7]", private=CONTENTS)
    rx_fifo_7: int = uint16(name="rx_fifo[7]", private=CONTENTS)
