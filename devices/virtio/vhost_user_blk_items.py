"""The items of vhost-user-blk. Facts from QEMU's hw/block/vhost-user-blk.c."""

from __future__ import annotations

from typing import Any

from vmstate.devices.virtio.early import (
    CONSTANTS,
    EVENTS,
    GUEST_FEATURES,
    RESET,
    SET_BY_LOAD,
    host_item,
    items_of,
    layout_of,
)
from vmstate.early.items import Item, ItemTable
from vmstate.early.layout import RingLayout


def layout(state: Any) -> RingLayout:
    """All queues; what the back end has in flight is state of its own."""
    return layout_of(state, backend_state=state.inflight is not None)


ITEMS = ItemTable(
    "vhost-user-blk",
    items_of(
        host_item(source="vhost_user_blk_device_realize: by the configuration space of the back end"),
        GUEST_FEATURES,
        (
            Item(
                "inflight",
                RESET,
                ("inflight",),
                "vmstate_vhost_inflight_region: a region that the back end is given before its rings are started",
                forbids_early_start="the back end has requests in flight, which it is given before it starts",
            ),
        ),
        (),
    ),
    layout,
    CONSTANTS,
    EVENTS,
    set_by_load=SET_BY_LOAD,
)
