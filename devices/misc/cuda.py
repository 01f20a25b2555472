"""The microcontroller of old Macintoshes for the desktop bus, the clock and power.

Facts from QEMU's hw/misc/macio/cuda.c.
"""

from __future__ import annotations

from vmstate.declare import (
    REGISTERS,
    VMState,
    buffer,
    description,
    device,
    int32,
    struct,
    timer,
    uint8,
    uint32,
    variant,
)
from vmstate.devices.misc.mos6522 import MOS6522_5_2, Mos6522


@device("cuda", noise={"timer": ("tick_offset",)})
@description("cuda", version_id=6, minimum_version_id=6)
class CUDA(VMState):
    """The command and the answer that are under way."""

    parent_obj: Mos6522 = struct(Mos6522, name="mos6522_cuda.parent_obj")
    last_b: int = uint8()
    last_acr: int = uint8()
    data_in_size: int = int32()
    data_in_index: int = int32()
    data_out_index: int = int32()
    data_in: bytes = buffer(128, private=REGISTERS)
    data_out: bytes = buffer(16, private=REGISTERS)
    tick_offset: int = uint32()
    sr_delay_timer: int = timer()


CUDA_5_2 = variant(CUDA, parent_obj=struct(MOS6522_5_2, name="mos6522_cuda.parent_obj"))
"""Up to 5.2 the adapter did not send its levels."""
