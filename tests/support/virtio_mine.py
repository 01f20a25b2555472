"""virtio-mine: a virtio device that nobody has, in one file; tests put it into a library.

Made up: it beeps.
"""

from __future__ import annotations

from vmstate.declare import Feature, Release, description, info, part, struct, uint16_device, uint32, virtio_device
from vmstate.devices.virtio.config import ConfigSpace
from vmstate.devices.virtio.core import VirtIO, VirtIODevice, virtio_state
from vmstate.early import Item, ItemClass

FEATURES = (
    Feature(0, "VIRTIO_MINE_F_LOUD", property="volume"),
    Feature(1, "VIRTIO_MINE_F_STEREO", Release(10, 0)),
)


@description("virtio-mine config")
class VirtIOMineConfig:
    """The configuration space."""

    volume: int = uint16_device()


@part(noise={"counter": ("beeps",)})
@description("virtio-mine-device", version_id=1)
class VirtIOMineDevice:
    """What the device has of its own."""

    pitch: int = uint32()
    beeps: int = uint32()


@description("virtio-mine body")
class VirtIOMineBody(VirtIODevice):
    """Everything that it saves."""

    mine: VirtIOMineDevice = struct(VirtIOMineDevice)
    virtio: VirtIO = virtio_state()


@virtio_device(
    "virtio-mine",
    id=44,
    features=FEATURES,
    host="virtio_mine_realize",
    items=(
        Item("pitch", ItemClass.VALUE, ("virtio.mine.pitch",), "virtio_mine_set_pitch"),
        Item("beeps", ItemClass.ALWAYS, ("virtio.mine.beeps",), "virtio_mine_beep"),
    ),
)
@description("virtio-mine", version_id=1)
class VirtIOMine:
    """A device that beeps."""

    virtio: VirtIOMineBody = info("virtio", VirtIOMineBody)
    config_space = ConfigSpace(VirtIOMineConfig)
