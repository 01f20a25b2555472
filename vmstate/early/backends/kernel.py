"""A tap device, alone and with the kernel's vhost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from vmstate.early.backends.base import Backend, Step, early, taken_away
from vmstate.early.layout import RingLayout
from vmstate.early.operations import Operation, Phase, Role

UNBIND = -1
"""The descriptor that takes a back end away from a queue."""

_TAP_STEPS = (
    Step("TUNSETVNETHDRSZ", "packets in flight would have the other header", without=("any.bound",)),
    Step("TUNSETOFFLOAD"),
    Step("TUNSETSTEERINGEBPF"),
    Step(
        "TUNSETQUEUE attach",
        "an attached queue that nobody reads takes packets away from the others",
        without=("early",),
        makes=("queue.attached",),
    ),
    Step("TUNSETQUEUE detach", "its back end goes first", without=("queue.bound",), ends=("queue.attached",)),
)


class Tap(Backend):
    """A tap device whose packets QEMU moves itself (vhost=off).

    Its queues are named by the receive queue of their pair. The first is attached from the beginning.
    """

    name: ClassVar[str] = "tap"
    fallback: ClassVar[str | None] = None
    can_reset_queue: ClassVar[bool] = True
    steps: ClassVar[tuple[Step, ...]] = _TAP_STEPS

    def opening(self) -> tuple[Operation, ...]:
        """Attach the first queue: there is always one."""
        return (Operation("TUNSETQUEUE", 0, "attach"),)

    def event(self, operation: Operation) -> str:
        """TUNSETQUEUE by its flag."""
        return f"{operation.name} {operation.value}" if operation.name == "TUNSETQUEUE" else operation.name

    def early_start(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """Nothing that the kernel keeps per queue; the offloads and the steering can be set already."""
        return early(requests)

    def finish(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """The queues of the pairs in use, then what the items ask."""
        return (*self.pairs(layout), *requests)

    def pairs(self, layout: RingLayout) -> tuple[Operation, ...]:
        """Attach the queues of the pairs that came into use, detach those that fell out of it."""
        wanted = {queue for queue in layout.data if queue % 2 == 0} | {0}
        attached = {queue for queue, facts in self.queues.items() if "attached" in facts}
        return tuple(
            Operation("TUNSETQUEUE", queue, "attach" if queue in wanted else "detach", Role.EXTENT)
            for queue in sorted(wanted ^ attached)
        )

    def userspace(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """What a tap device without vhost needs: its queues attached, and what the items ask."""
        return (*self.pairs(layout), *requests)

    def drop(self) -> None:
        """The tap device stays as it is: only vhost is let go of."""
        attached = self.attached
        super().drop()
        for queue in attached:
            self.queues.setdefault(queue, set()).add("attached")

    def stop(self) -> tuple[Operation, ...]:
        """Nothing: a tap device has nothing that a reload would be in the way of."""
        return ()

    @property
    def running(self) -> frozenset[int]:
        """None: QEMU works on the rings itself, for the pairs that are attached."""
        return frozenset()

    @property
    def attached(self) -> frozenset[int]:
        """The pairs whose tap queue is attached, by their receive queues."""
        return frozenset(queue for queue, facts in self.queues.items() if "attached" in facts)


_BUSY = "Linux answers EBUSY while a back end is bound"
_OWNER = "Linux answers EPERM before VHOST_SET_OWNER"

_VHOST_STEPS = (
    Step("SET_OWNER", "Linux answers EBUSY to a second one", without=("owner",), makes=("owner",)),
    Step("SET_FEATURES", _OWNER, needs=("owner",), without=("any.bound",), makes=("features",)),
    Step("SET_FEATURES", "while a back end is bound only LOG_ALL may change", ("any.bound",), ("changes",)),
    Step("SET_MEM_TABLE", _OWNER, needs=("owner",), makes=("memory",)),
    Step("SET_LOG_BASE", _OWNER, needs=("owner",)),
    Step("SET_VRING_NUM", _BUSY, ("owner",), ("queue.bound",), makes=("queue.num",)),
    Step(
        "SET_VRING_BASE early", _BUSY, ("owner",), ("queue.bound",), makes=("queue.provisional",), ends=("queue.base",)
    ),
    Step("SET_VRING_BASE", _BUSY, ("owner",), ("queue.bound",), makes=("queue.base",), ends=("queue.provisional",)),
    Step("SET_VRING_ENDIAN", _BUSY, ("owner",), ("queue.bound",)),
    Step(
        "SET_VRING_ADDR",
        "the addresses are of the memory table, their extent follows from the size",
        needs=("owner", "memory", "queue.num"),
        without=("queue.bound",),
        makes=("queue.addr",),
    ),
    Step("SET_VRING_ADDR", "while a back end is bound only logging may change", ("queue.bound",), ("changes",)),
    Step("SET_VRING_KICK", _OWNER, needs=("owner",), makes=("queue.kick",)),
    Step("SET_VRING_CALL", _OWNER, needs=("owner",), makes=("queue.call",)),
    Step("SET_VRING_ERR", _OWNER, needs=("owner",)),
    Step(
        "SET_BACKEND",
        "binding reads used->idx from guest memory and begins at the base: it comes last, with the final base",
        needs=("features", "memory", "queue.num", "queue.base", "queue.addr", "queue.kick", "queue.call"),
        without=("early", "queue.bound"),
        makes=("queue.bound",),
    ),
    Step(f"SET_BACKEND {UNBIND}", _OWNER, needs=("owner",), ends=("queue.bound",)),
    Step(
        "GET_VRING_BASE",
        "the index moves on while a back end is bound",
        needs=("owner",),
        without=("queue.bound",),
        ends=("queue.num", "queue.base", "queue.provisional", "queue.addr", "queue.kick", "queue.call"),
    ),
)


class VhostNet(Tap):
    """A tap device whose packets the kernel moves (vhost=on).

    The memory table, the rings and the notifiers can be given early; the kernel does not look at a ring before a back
    end is bound to it.
    """

    prepared: ClassVar[tuple[str, ...]] = ("num", "addr", "kick", "call")
    name = "vhost-net"
    fallback = "userspace"
    steps = _TAP_STEPS + _VHOST_STEPS

    def opening(self) -> tuple[Operation, ...]:
        """Attach the first queue and take the vhost device."""
        return (*super().opening(), Operation("SET_OWNER"))

    def event(self, operation: Operation) -> str:
        """SET_BACKEND by its descriptor, SET_VRING_BASE by its phase: an early base is provisional."""
        if operation.name == "SET_BACKEND" and operation.value == UNBIND:
            return f"SET_BACKEND {UNBIND}"
        if operation.name == "SET_VRING_BASE" and operation.phase is Phase.EARLY:
            return "SET_VRING_BASE early"
        return super().event(operation)

    def early_start(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """Everything but the binding, with provisional bases."""
        return (
            *early(requests),
            *self._features_and_memory(layout, Phase.EARLY),
            *self._unprepared_rings(layout, Phase.EARLY),
        )

    def finish(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """Queues of pairs, what was not prepared, the final bases, and then the binding, queue by queue."""
        bound = taken_away(self._configured_queues, layout)
        orders = [*bound, *self.pairs(layout), *requests]
        if not layout.is_running:
            return tuple(orders)
        orders += self._features_and_memory(layout, Phase.STOP)
        orders += self._unprepared_rings(layout, Phase.STOP)
        for queue in layout.queues:
            if self._is_prepared(queue, layout.rings[queue]):
                orders.append(Operation("SET_VRING_BASE", queue, layout.rings[queue].base, Role.INDICES))
            orders.append(Operation("SET_BACKEND", queue))
        return tuple(orders)

    def stop(self) -> tuple[Operation, ...]:
        """Unbind every queue, then take the rings away."""
        unbind = [Operation("SET_BACKEND", queue, UNBIND) for queue in self._configured_queues]
        return (*unbind, *(Operation("GET_VRING_BASE", queue) for queue in self._configured_queues))

    @property
    def _configured_queues(self) -> list[int]:
        """The queues that were told more than that they are attached."""
        return [queue for queue, facts in sorted(self.queues.items()) if facts - {"attached"}]

    @property
    def running(self) -> frozenset[int]:
        """The queues that have a back end."""
        return frozenset(queue for queue in self.queues if self.has("bound", queue))
