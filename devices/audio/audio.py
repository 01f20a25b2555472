"""The audio subsystem. Nothing is in it, and only old releases send it.

Facts from QEMU's audio/audio.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device


@device("audio", listed=False)
@description("audio", version_id=1, minimum_version_id=1)
class Audio(VMState):
    """An empty section."""
