"""The PrimeCell UART PL011.

Facts from QEMU's hw/char/pl011.c.
"""

from __future__ import annotations

from vmstate.declare import (
    CONTENTS,
    Release,
    VMState,
    array,
    description,
    device,
    host,
    int32,
    rule,
    struct,
    subsection,
    this,
    uint32,
    unused,
    variant,
)
from vmstate.devices.core.clock import Clock

FIFO_DEPTH = 16
"""Bytes that can have come and not been read."""


@description("pl011/clock", version_id=1, minimum_version_id=1)
class PL011Clock(VMState):
    """The clock; sent by machines from 5.2 on."""

    clk: Clock = struct(Clock)


@device("pl011")
@description(
    "pl011",
    version_id=2,
    minimum_version_id=2,
    rules=(
        rule(
            "pl011-received",
            (this.read_pos >= 0)
            & (this.read_pos < FIFO_DEPTH)
            & (this.read_count >= 0)
            & (this.read_count <= FIFO_DEPTH),
            f"the place that is read lies in the FIFO of {FIFO_DEPTH}, and no more is in it",
            since=Release(8, 0),
        ),
    ),
)
class PL011(VMState):
    """Registers and the received bytes."""

    readbuff: int = host(0)
    unused_0: None = unused(4)
    flags: int = uint32()
    lcr: int = uint32()
    rsr: int = uint32()
    cr: int = uint32()
    dmacr: int = uint32()
    int_enabled: int = uint32()
    int_level: int = uint32()
    read_fifo: list[int] = array(uint32, FIFO_DEPTH, private=CONTENTS)
    ilpr: int = uint32()
    ibrd: int = uint32()
    fbrd: int = uint32()
    ifl: int = uint32()
    read_pos: int = int32()
    read_count: int = int32()
    read_trigger: int = int32()
    clock: PL011Clock | None = subsection(PL011Clock)


PL011_8_0 = variant(PL011, readbuff=uint32(), unused_0=None)
"""Up to 8.0 the last byte received is sent apart."""
