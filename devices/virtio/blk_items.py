"""The items of virtio-blk beside those of every virtio device. Facts from QEMU's hw/block/virtio-blk.c."""

from __future__ import annotations

from vmstate.devices.virtio.early import ALWAYS, BODY
from vmstate.early.items import Item

ITEMS = (
    Item(
        "requests",
        ALWAYS,
        (f"{BODY}.requests",),
        "virtio_blk_save_device: requests that wait to be tried again, known when the guest has stopped",
    ),
)
