"""The status bits of virtio, by the names of the VIRTIO specification; bits without a name are kept."""

from __future__ import annotations

from enum import KEEP, IntFlag


def names_of(flags: IntFlag) -> str:
    """The names of the bits that are set, the lowest first; those without a name as one number."""
    named = [flag for flag in type(flags) if flag in flags]
    rest = int(flags) & ~sum(int(flag) for flag in named)
    names = [str(flag.name) for flag in named]
    if rest or not names:
        names.append(hex(rest) if rest else "0")
    return "|".join(names)


class DeviceStatus(IntFlag, boundary=KEEP):
    """How far the driver has come with the device."""

    ACKNOWLEDGE = 1
    DRIVER = 2
    DRIVER_OK = 4
    FEATURES_OK = 8
    NEEDS_RESET = 64
    FAILED = 128

    def __str__(self) -> str:
        return names_of(self)


class NetStatus(IntFlag, boundary=KEEP):
    """The status field of a virtio-net device's configuration space."""

    LINK_UP = 1
    ANNOUNCE = 2

    def __str__(self) -> str:
        return names_of(self)
