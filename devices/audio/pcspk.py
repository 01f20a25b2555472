"""The PC speaker.

Facts from QEMU's hw/audio/pcspk.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, uint8


@device("pcspk", early_copy="vmstate.devices.early_copies:STANDS")
@description("pcspk", version_id=1, minimum_version_id=1)
class PCSpk(VMState):
    """Whether it sounds, and the refresh clock."""

    data_on: int = uint8()
    dummy_refresh_clock: int = uint8()
