"""A driver of 8 times 3 lights in rows, of ST's B-L475E-IOT01A: SiTI's DM163.

Facts from QEMU's hw/display/dm163.c.
"""

from __future__ import annotations

from vmstate.declare import CONTENTS, VMState, array, description, device, uint8, uint16, uint32, uint64


@device("dm163")
@description("dm163", version_id=1, minimum_version_id=1)
class Dm163(VMState):
    """What is shifted in, latched and shown."""

    bank0_shift_register: list[int] = array(uint64, 3, private=CONTENTS)
    bank1_shift_register: list[int] = array(uint64, 3, private=CONTENTS)
    latched_outputs: list[int] = array(uint16, 24, private=CONTENTS)
    outputs: list[int] = array(uint16, 24, private=CONTENTS)
    dck: int = uint8()
    en_b: int = uint8()
    lat_b: int = uint8()
    rst_b: int = uint8()
    selbk: int = uint8()
    sin: int = uint8()
    activated_rows: int = uint8()
    buffer_: list[int] = array(uint32, 72, name="buffer", private=CONTENTS)
    last_buffer_idx: int = uint8()
    buffer_idx_of_row: list[int] = array(uint8, 8)
    row_persistence_delay: list[int] = array(uint8, 8)
