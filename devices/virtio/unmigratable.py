"""Devices that block every migration, so that no stream holds them.

Facts from QEMU's hw/virtio/vhost-user-*.c and hw/virtio/vdpa-dev.c. What they would save is the body of any virtio
device, or nothing.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, info
from vmstate.devices.virtio.core import VirtIOBody


@device("vhost-vdpa-device")
@description("vhost-vdpa-device", version_id=1, minimum_version_id=1, unmigratable=True)
class VhostVDPADevice(VMState):
    """A device of the host, whatever it is."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)


@device("vhost-user-gpio")
@description("vhost-user-gpio", unmigratable=True)
class VHostUserGPIO(VMState):
    """General-purpose pins, served by a process beside QEMU."""


@device("vhost-user-i2c")
@description("vhost-user-i2c", unmigratable=True)
class VHostUserI2C(VMState):
    """An I2C bus, served by a process beside QEMU."""


@device("vhost-user-input")
@description("vhost-user-input", unmigratable=True)
class VHostUserInput(VMState):
    """An input device, served by a process beside QEMU."""


@device("vhost-user-rng")
@description("vhost-user-rng", unmigratable=True)
class VHostUserRNG(VMState):
    """A source of entropy, served by a process beside QEMU."""


@device("vhost-user-scmi")
@description("vhost-user-scmi", unmigratable=True)
class VHostUserSCMI(VMState):
    """System control and management, served by a process beside QEMU."""


@device("vhost-user-spi")
@description("vhost-user-spi", unmigratable=True)
class VHostUserSPI(VMState):
    """An SPI bus, served by a process beside QEMU."""


@device("vhost-user-test-device")
@description("vhost-user-test-device", unmigratable=True)
class VHostUserTestDevice(VMState):
    """Any device, served by a process beside QEMU."""
