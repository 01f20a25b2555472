"""The sound of Marvell's 88W8618, of the MusicPal.

Facts from QEMU's hw/audio/marvell_88w8618.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint32


@device("mv88w8618_audio")
@description("mv88w8618_audio", version_id=1, minimum_version_id=1)
class Mv88w8618Audio(VMState):
    """Registers, and where playing stands."""

    playback_mode: int = uint32()
    status: int = uint32()
    irq_enable: int = uint32()
    phys_buf: int = uint32()
    target_buffer: int = uint32()
    threshold: int = uint32()
    play_pos: int = uint32()
    last_free: int = uint32()
    clock_div: int = uint32()
