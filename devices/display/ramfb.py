"""A frame buffer in the guest's memory.

Facts from QEMU's hw/display/ramfb.c, hw/display/ramfb-standalone.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, buffer, description, device, struct


@description("ramfb", version_id=1, minimum_version_id=1)
class RAMFB(VMState):
    """What the guest wrote into fw_cfg: address, format, flags, width, height, stride; big-endian."""

    cfg: bytes = buffer(28)


@device("ramfb-dev", models="vmstate.devices.display.models:RAMFB")
@description("ramfb-dev", version_id=1, minimum_version_id=1)
class RAMFBStandalone(VMState):
    """The device; sent by machines from 8.2 on."""

    state: RAMFB = struct(RAMFB)
