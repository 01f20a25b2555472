"""The items of virtio-scsi, which has no state beyond what every virtio device has: the disks are other sections."""

from __future__ import annotations

from vmstate.devices.virtio.early import CONSTANTS, EVENTS, GUEST_FEATURES, host_item, items_of, layout_of
from vmstate.early.items import ItemTable

ITEMS = ItemTable(
    "virtio-scsi",
    items_of(host_item(source="virtio_scsi_common_realize"), GUEST_FEATURES, (), ()),
    layout_of,
    CONSTANTS,
    EVENTS,
)
