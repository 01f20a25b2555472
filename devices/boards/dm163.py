"""A display controller: dm163.

Facts from QEMU's hw/display/dm163.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, uint8, uint16, uint32, uint64


@device("dm163")
@description("dm163", version_id=1, minimum_version_id=1)
class Dm163(VMState):
    """A display controller."""

    bank0_shift_register: list[int] = array(uint64, 3)
    bank1_shift_register: list[int] = array(uint64, 3)
    latched_outputs: list[int] = array(uint16, 24)
    outputs: list[int] = array(uint16, 24)
    dck: int = uint8()
    en_b: int = uint8()
    lat_b: int = uint8()
    rst_b: int = uint8()
    selbk: int = uint8()
    sin: int = uint8()
    activated_rows: int = uint8()
    buffer_: list[int] = array(uint32, 72, name="buffer")
    last_buffer_idx: int = uint8()
    buffer_idx_of_row: list[int] = array(uint8, 8)
    row_persistence_delay: list[int] = array(uint8, 8)
