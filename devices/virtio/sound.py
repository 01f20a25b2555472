"""virtio-sound: it cannot be migrated, and is never in a stream.

Facts from QEMU's hw/audio/virtio-snd.c and hw/virtio/vhost-user-snd.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, info, uint32_little
from vmstate.devices.virtio.config import ConfigSpace, reaches
from vmstate.devices.virtio.core import VirtIOBody


@description("virtio-sound config")
class VirtIOSoundConfig(VMState):
    """The configuration space."""

    jacks: int = uint32_little()
    streams: int = uint32_little()
    chmaps: int = uint32_little()
    controls: int | None = uint32_little(exists=reaches(16))


@device("virtio-sound-device")
@description("virtio-sound-device", version_id=1, minimum_version_id=1, unmigratable=True)
class VirtIOSound(VMState):
    """A sound card of QEMU's own."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
    config_space = ConfigSpace(VirtIOSoundConfig)


@device("vhost-user-snd")
@description("vhost-user-snd", unmigratable=True)
class VHostUserSound(VMState):
    """A sound card served by a process beside QEMU."""
