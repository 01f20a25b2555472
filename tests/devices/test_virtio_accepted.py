"""What a driver has accepted: a word in the body, and subsections for the rest."""

from __future__ import annotations

import copy

import pytest
from recorded import opened

from vmstate.devices.virtio.config import features_of
from vmstate.devices.virtio.core import Features64, Features128
from vmstate.devices.virtio.net import VirtIONet

MODERN = "qemu-7.2-q35-virtio-net.mig.xz"
LOW, MIDDLE, HIGH = 1 << 5 | 1 << 15, 1 << 32 | 1 << 33, 1 << 65


@pytest.mark.parametrize(
    ("body", "low", "high", "all_of_them"),
    [
        (LOW, None, None, LOW),
        # The subsection has the low word once more, and it is its word that counts.
        (0, LOW | MIDDLE, None, LOW | MIDDLE),
        (LOW, MIDDLE, None, MIDDLE),
        (LOW, 0, None, 0),
        (LOW, None, HIGH, LOW | HIGH),
        (LOW, LOW | MIDDLE, HIGH, LOW | MIDDLE | HIGH),
        (0, 0, HIGH, HIGH),
    ],
)
def test_a_subsection_says_it_where_there_is_one(
    body: int, low: int | None, high: int | None, all_of_them: int
) -> None:
    state: VirtIONet = copy.deepcopy(opened(MODERN)["virtio-net"].state)
    state.virtio.guest_features = body
    state.virtio.virtio.features64 = None if low is None else Features64(guest_features=low)
    state.virtio.virtio.features128 = None if high is None else Features128(guest_features=high >> 64)
    assert features_of(state.virtio) == all_of_them
