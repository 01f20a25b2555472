"""The items of virtio-rng, which has no state beyond what every virtio device has."""

from __future__ import annotations

from vmstate.devices.virtio.early import CONSTANTS, EVENTS, GUEST_FEATURES, host_item, items_of, layout_of
from vmstate.early.items import ItemTable

ITEMS = ItemTable(
    "virtio-rng",
    items_of(host_item(source="virtio_rng_device_realize: no configuration space"), GUEST_FEATURES, (), ()),
    layout_of,
    CONSTANTS,
    EVENTS,
)
