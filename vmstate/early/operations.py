"""`Operation`: one thing a back end is told, under the name that its own protocol has for it.

A plan lists operations, the models in `vmstate.early.backends` accept or refuse them, the cost model counts them. Names
are those of the protocols without their prefix:

* vhost, kernel and vhost-user alike: VHOST_SET_FEATURES and VHOST_USER_SET_FEATURES are both SET_FEATURES, so that the
  table of legal orders is all that tells the back ends apart. VHOST_NET_SET_BACKEND is SET_BACKEND, VHOST_VDPA_SUSPEND
  is SUSPEND; what is written to the IOTLB of vDPA to map guest memory is IOTLB_UPDATE.
* tap: TUNSETQUEUE, TUNSETOFFLOAD, TUNSETSTEERINGEBPF, TUNSETVNETHDRSZ.
* the control queue of virtio-net: MAC_ADDR_SET, PROMISC and so on, without VIRTIO_NET_CTRL_.

Names from linux/vhost.h, linux/if_tun.h, linux/virtio_net.h and QEMU's docs/interop/vhost-user.rst.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from vmstate.vmsd.data import Value

CVQ_COMMANDS = (
    "MAC_ADDR_SET",
    "MAC_TABLE_SET",
    "VQ_PAIRS_SET",
    "RSS_CONFIG",
    "HASH_CONFIG",
    "GUEST_OFFLOADS_SET",
    "PROMISC",
    "ALLMULTI",
    "ALLUNI",
    "NOMULTI",
    "NOUNI",
    "NOBCAST",
    "VLAN_ADD",
    "VLAN_DEL",
)
"""The commands of virtio-net's control queue that change state, in the order in which QEMU replays them into vDPA.

Arguments: MAC_ADDR_SET an address; MAC_TABLE_SET the unicast and the multicast addresses, two tuples; VQ_PAIRS_SET a
number; RSS_CONFIG (hash types, default queue, indirection table, queue pairs, key in hex); HASH_CONFIG (hash types, key
in hex), both without hash types to switch off; GUEST_OFFLOADS_SET a set of bits; the modes 0 or 1; the last two a VLAN.
"""

TUN_IOCTLS = ("TUNSETVNETHDRSZ", "TUNSETQUEUE", "TUNSETOFFLOAD", "TUNSETSTEERINGEBPF")
"""What a tap device is told."""


class Phase(StrEnum):
    """When an operation is done: while the source's guest runs, or while it is stopped."""

    EARLY = "early"
    STOP = "stop"


class Role(StrEnum):
    """What an item is to the engine and to a back end, whatever else a device calls its items.

    A row of a table says which role it has, if any. An operation that a back end does by itself, in its start or stop,
    names the role of what it sets.
    """

    FEATURES = "guest_features"
    """What the driver accepted."""
    STATUS = "device_status"
    """How far the driver has brought the device: what a reset shows in where it leaves everything else as it was."""
    RINGS = "ring_geometry"
    """The sizes and places of the rings."""
    ENABLED = "queue_enabled"
    """Which rings are worked on."""
    INDICES = "queue_indices"
    """How far each ring has got."""
    EXTENT = "queue_pairs"
    """How much of the device is in use."""
    VECTORS = "vectors"
    """Where interrupts go."""
    BACKEND_STATE = "backend_state"
    """What the back end has of its own."""
    REST = "transport"
    """What no other item has: the marks around the rest of a section."""


class Operation(Value):
    """An operation: its name, the queue it is for, its argument, and the item or role that asked for it.

    `queue` is the virtqueue's number, counted over the whole device (receive 0, transmit 1, of pair i 2i and 2i+1, the
    control queue last); None where the operation is the device's. `value` is what JSON can hold: a number, a string
    (addresses as `52:54:00:12:34:56`), or a tuple of these; None where the protocol has no argument or it is a
    descriptor. `item` is None for what belongs to no item, as the start of a back end.
    """

    name: str
    queue: int | None = None
    value: Any = None
    item: str | None = None
    phase: Phase = Phase.STOP

    def __str__(self) -> str:
        queue = "" if self.queue is None else f" queue {self.queue}"
        value = "" if self.value is None else f" = {self.value}"
        return f"{self.name}{queue}{value}"
