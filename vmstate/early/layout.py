"""`RingLayout`: what a back end has to know of a device, whatever device it is.

Made from a device's state by the device library; the models in `vmstate.early.backends` turn it into operations.
"""

from __future__ import annotations

from vmstate.vmsd.data import Value


class Ring(Value):
    """A virtqueue: `num` entries, and where its parts lie in guest memory (guest-physical addresses).

    `base` is where the device goes on: of a split ring the index of the next available entry, 16 bits, free-running; of
    a packed ring both indices with their wrap counters, avail in the low 16 bits, used in the high ones. `desc` 0: the
    driver has not set the queue up. `enabled` is what the driver said through the transport.
    """

    num: int
    desc: int
    avail: int = 0
    used: int = 0
    base: int = 0
    enabled: bool = True

    @property
    def is_usable(self) -> bool:
        """Whether there is a ring at all: QEMU starts no queue without descriptors or that is not enabled."""
        return self.desc != 0 and self.enabled

    @property
    def place(self) -> tuple[int, int, int, int]:
        """Size and addresses: what cannot change under a queue that runs."""
        return self.num, self.desc, self.avail, self.used


class RingLayout(Value):
    """A device as its back end sees it.

    `rings` are all virtqueues by number, `data` the numbers of those that carry data and are in use (of virtio-net: of
    the queue pairs in use), `control` that of the control queue. `features` are those that the driver accepted.
    `backend_state`: the back end has state of its own, which can only be loaded into one that stands still.
    `can_reset_queues`: the driver may restart one queue by itself. `packed`: the rings are packed ones.
    """

    features: int = 0
    rings: tuple[Ring, ...] = ()
    data: tuple[int, ...] = ()
    control: int | None = None
    driver_ok: bool = True
    link_up: bool = True
    broken: bool = False
    behind_iommu: bool = False
    backend_state: bool = False
    can_reset_queues: bool = False
    packed: bool = False

    @property
    def is_running(self) -> bool:
        """Whether a back end may run at all: the driver is up, the link too, and nothing is broken."""
        return self.driver_ok and self.link_up and not self.broken

    @property
    def queues(self) -> tuple[int, ...]:
        """The numbers of the data queues that a back end is started for."""
        return tuple(queue for queue in self.data if queue < len(self.rings) and self.rings[queue].is_usable)
