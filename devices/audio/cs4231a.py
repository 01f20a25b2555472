"""The Crystal CS4231A.

Facts from QEMU's hw/audio/cs4231a.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, buffer, description, device, int32, uint32


@device("cs4231a", models="vmstate.devices.audio.models:CS4231A")
@description("cs4231a", version_id=1, minimum_version_id=1)
class CS4231A(VMState):
    """Registers and the transfer that is under way."""

    regs: list[int] = array(uint32, 16)
    dregs: bytes = buffer(32)
    dma_running: int = int32()
    audio_free: int = int32()
    transferred: int = int32()
    aci_counter: int = int32()
