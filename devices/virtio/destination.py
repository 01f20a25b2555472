"""Which features of a virtio device a destination is asked for when it loads.

Facts from QEMU's hw/virtio/virtio.c (virtio_load), and from what QEMU 5.2, 7.2, 10.0 and 11.1 answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmstate.declare import Feature
from vmstate.devices.virtio.transport import TRANSPORT
from vmstate.vmsd.destination import Comparison, FeatureSet
from vmstate.vmsd.record import VirtIORecord

WORDS = (
    ("virtio.guest_features", 0, 32),
    ("virtio.virtio.features64.guest_features", 0, 64),
    ("virtio.virtio.features128.guest_features", 64, 64),
)

SHOWN_BY = {32: "virtio.virtio.virtqueues", 34: "virtio.virtio.packed_virtqueues"}


def features(table: Sequence[Feature]) -> FeatureSet:
    """The features of a device, those of the transport among them."""
    known: dict[int, Feature] = {}
    for feature in (*TRANSPORT, *table):
        if feature.since is not None:
            known.setdefault(feature.bit, feature)
    names = {bit: feature.symbol for bit, feature in known.items()}
    properties = {bit: name for bit, feature in known.items() if (name := feature.offered_by) is not None}
    return FeatureSet(WORDS, names, properties, SHOWN_BY)


def of_device(record: VirtIORecord, _: None) -> Comparison:
    """What a host offers to a device, and what it has so at one time and so at another."""
    return Comparison(features(record.features), record.accidents)
