"""The items of virtio-blk. Facts from QEMU's hw/block/virtio-blk.c."""

from __future__ import annotations

from vmstate.devices.virtio.early import ALWAYS, BODY, CONSTANTS, EVENTS, GUEST_FEATURES, host_item, items_of, layout_of
from vmstate.early.items import Item, ItemTable

ITEMS = ItemTable(
    "virtio-blk",
    items_of(
        host_item(source="virtio_blk_set_config_size: by the features that the host offers"),
        GUEST_FEATURES,
        (),
        (
            Item(
                "requests",
                ALWAYS,
                (f"{BODY}.requests",),
                "virtio_blk_save_device: requests that wait to be tried again, known when the guest has stopped",
            ),
        ),
    ),
    layout_of,
    CONSTANTS,
    EVENTS,
)
