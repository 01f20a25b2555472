"""The features that a driver accepted, as the parts of a virtio device's state say them."""

from __future__ import annotations

from typing import Any


def features_of(body: Any) -> int:
    """The features that the driver accepted: the low word of the body, or all that the subsections say."""
    return accepted(body.virtio, body.guest_features)


def accepted(virtio: Any, guest_features: int) -> int:
    """The same from the two parts of a body that say it: its `VirtIO` and its low word."""
    low = guest_features if virtio.features64 is None else virtio.features64.guest_features
    high = 0 if virtio.features128 is None else virtio.features128.guest_features
    return int(low | high << 64)
