"""The Ensoniq AudioPCI ES1370.

Facts from QEMU's hw/audio/es1370.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, description, device, struct, uint32
from vmstate.devices.pci.device import PCIDevice


@description("es1370_channel", version_id=2, minimum_version_id=2)
class Channel(VMState):
    """A channel."""

    shift: int = uint32()
    leftover: int = uint32()
    scount: int = uint32()
    frame_addr: int = uint32()
    frame_cnt: int = uint32()


@device("es1370", models="vmstate.devices.audio.models:ES1370")
@description("es1370", version_id=2, minimum_version_id=2)
class ES1370(VMState):
    """Registers and channels."""

    dev: PCIDevice = struct(PCIDevice)
    chan: list[Channel] = array(Channel, 3, version=2)
    ctl: int = uint32()
    status: int = uint32()
    mempage: int = uint32()
    codec: int = uint32()
    sctl: int = uint32()
