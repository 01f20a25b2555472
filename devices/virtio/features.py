"""The feature bits of virtio, by the names of the VIRTIO specification, without the prefixes VIRTIO_F_ and the like.

A set of features is an int whose bits have names; bits without a name are kept. Facts from the VIRTIO specification
(version 1.3) and from QEMU's include/standard-headers/linux/virtio_*.h.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import KEEP, EnumType, IntFlag
from typing import TYPE_CHECKING, TypeVar

from vmstate.declare import Feature
from vmstate.devices.virtio.net import FEATURES as NET
from vmstate.devices.virtio.status import names_of
from vmstate.devices.virtio.transport import TRANSPORT

T = TypeVar("T")


class FeatureMeta(EnumType):
    """Gives the names of a table of features their type."""

    if TYPE_CHECKING:

        def __getattr__(cls: type[T], name: str) -> T: ...


class FeatureFlag(IntFlag, boundary=KEEP, metaclass=FeatureMeta):
    """A set of features; bits without a name are kept."""

    def __str__(self) -> str:
        return names_of(self)


def bits(table: Iterable[Feature]) -> dict[str, int]:
    """The bits of a table that a driver can accept, by name, the lowest first."""
    return {feature.short: 1 << feature.bit for feature in sorted(table) if feature.driver}


class Features(FeatureFlag):
    """The features that any device can have. `str` lists those that are set: `EVENT_IDX|VERSION_1`."""

    vars().update(bits(TRANSPORT))


class NetFeatures(FeatureFlag):
    """The features of a virtio-net device."""

    vars().update(bits((*TRANSPORT, *NET)))


class GuestOffloads(IntFlag, boundary=KEEP):
    """What a virtio-net device does to packets for its driver: the bits of `curr_guest_offloads`."""

    GUEST_CSUM = 1 << 1
    GUEST_TSO4 = 1 << 7
    GUEST_TSO6 = 1 << 8
    GUEST_ECN = 1 << 9
    GUEST_UFO = 1 << 10
    GUEST_UDP_TUNNEL_GSO = 1 << 46
    GUEST_UDP_TUNNEL_GSO_CSUM = 1 << 47
    GUEST_USO4 = 1 << 54
    GUEST_USO6 = 1 << 55

    def __str__(self) -> str:
        return names_of(self)


class HashTypes(IntFlag, boundary=KEEP):
    """The kinds of packets that a virtio-net device hashes (VIRTIO_NET_RSS_HASH_TYPE_*)."""

    IPv4 = 1 << 0
    TCPv4 = 1 << 1
    UDPv4 = 1 << 2
    IPv6 = 1 << 3
    TCPv6 = 1 << 4
    UDPv6 = 1 << 5
    IP_EX = 1 << 6
    TCP_EX = 1 << 7
    UDP_EX = 1 << 8

    def __str__(self) -> str:
        return names_of(self)
