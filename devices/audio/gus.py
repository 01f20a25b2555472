"""The Gravis Ultrasound GF1.

Facts from QEMU's hw/audio/gus.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, buffer, description, device, int32, int64


@device("gus", models="vmstate.devices.audio.models:GUS")
@description("gus", version_id=2, minimum_version_id=2)
class GUS(VMState):
    """The place in the sound and the memory of the card."""

    pos: int = int32()
    left: int = int32()
    shift: int = int32()
    irqs: int = int32()
    samples: int = int32()
    last_ticks: int = int64()
    himem: bytes = buffer(1052704)
