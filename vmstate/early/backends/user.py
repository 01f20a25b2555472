"""vhost-user: a back end in another process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from vmstate.early.backends.base import Backend, Step, addresses_of, early, taken_away
from vmstate.early.layout import RingLayout
from vmstate.early.operations import Operation, Phase, Role

_STARTED = "a started ring keeps its size, its base and its addresses"
_OWNED = "SET_OWNER comes first"

_QUERIES = (
    "GET_FEATURES",
    "GET_PROTOCOL_FEATURES",
    "GET_QUEUE_NUM",
    "GET_MAX_MEM_SLOTS",
    "GET_CONFIG",
    "GET_STATUS",
    "GET_SHARED_OBJECT",
    "GET_SHMEM_CONFIG",
    "GET_INFLIGHT_FD",
)

_USER_STEPS = (
    *(Step(query) for query in _QUERIES),
    Step(
        "SET_PROTOCOL_FEATURES", "they are agreed on before anything runs", without=("any.started",), makes=("agreed",)
    ),
    Step("SET_BACKEND_REQ_FD", "its protocol feature is agreed on first", needs=("agreed",)),
    Step("SET_OWNER", makes=("owner",)),
    Step("RESET_OWNER", ends=("owner", "features", "memory", "queues.*")),
    Step("RESET_DEVICE", _OWNED, needs=("owner",), ends=("features", "queues.*")),
    Step("SET_STATUS", "its protocol feature is agreed on first", needs=("agreed", "owner")),
    Step("SET_CONFIG", _OWNED, needs=("owner",)),
    Step("NET_SET_MTU", _OWNED, needs=("owner",)),
    Step("SEND_RARP", _OWNED, needs=("owner",)),
    Step("IOTLB_MSG", _OWNED, needs=("owner",)),
    Step("SET_INFLIGHT_FD", "a started ring has its account already", ("owner",), ("any.started",)),
    Step("SET_FEATURES", _OWNED, needs=("owner",), without=("any.started",), makes=("features",)),
    Step("SET_FEATURES", "while a ring is started only LOG_ALL may change", ("any.started",), ("changes",)),
    *(
        Step(name, _OWNED, needs=("owner",), makes=("memory",))
        for name in ("SET_MEM_TABLE", "ADD_MEM_REG", "REM_MEM_REG")
    ),
    Step("SET_LOG_BASE", _OWNED, needs=("owner",)),
    Step("SET_LOG_FD", _OWNED, needs=("owner",)),
    *(Step(name, _OWNED, needs=("owner",)) for name in ("POSTCOPY_ADVISE", "POSTCOPY_LISTEN", "POSTCOPY_END")),
    Step("SET_VRING_ENDIAN", _STARTED, needs=("owner",), without=("queue.started",)),
    Step(
        "SET_VRING_NUM",
        _STARTED,
        needs=("owner", "features"),
        without=("queue.started",),
        makes=("queue.num", "queue.given"),
    ),
    Step(
        "SET_VRING_BASE early",
        _STARTED,
        needs=("owner", "features"),
        without=("queue.started",),
        makes=("queue.provisional",),
        ends=("queue.base",),
    ),
    Step(
        "SET_VRING_BASE",
        _STARTED,
        needs=("owner", "features"),
        without=("queue.started",),
        makes=("queue.base",),
        ends=("queue.provisional",),
    ),
    Step(
        "SET_VRING_ADDR",
        "the addresses are of the memory table, their extent follows from the size",
        needs=("owner", "memory", "queue.num"),
        without=("queue.started",),
        makes=("queue.addr", "queue.position"),
    ),
    Step(
        "SET_VRING_ADDR early",
        "the addresses are of the memory table, their extent follows from the size",
        needs=("owner", "memory", "queue.num"),
        without=("queue.started",),
        makes=("queue.addr",),
        ends=("queue.position",),
    ),
    Step("SET_VRING_ADDR", "of a started ring only logging may change", ("queue.started",), ("changes",)),
    Step("SET_VRING_CALL", _OWNED, needs=("owner",), makes=("queue.call",)),
    Step("SET_VRING_ERR", _OWNED, needs=("owner",)),
    Step(
        "SET_VRING_KICK",
        "the kick starts the ring, and the back end reads it: it comes with the final base, behind addresses that were "
        "told once memory was there (used->idx is read with them), and not while the state of the back end is loading",
        needs=("features", "memory", "queue.num", "queue.base", "queue.addr", "queue.position"),
        without=("early", "queue.started", "transfer"),
        makes=("queue.started",),
    ),
    Step(
        "SET_VRING_ENABLE 1",
        "an enabled ring works as soon as it is started: not in the early phase, and only where it was agreed on",
        needs=("agreed", "owner"),
        without=("early",),
        makes=("queue.enabled",),
    ),
    Step("SET_VRING_ENABLE 0", "it was agreed on first", needs=("agreed", "owner"), ends=("queue.enabled",)),
    Step(
        "GET_VRING_BASE",
        _OWNED,
        needs=("owner",),
        ends=("queue.started", "queue.base", "queue.provisional", "queue.position", "queue.given"),
    ),
    Step(
        "SET_DEVICE_STATE_FD",
        "the back end's state is moved while all rings are stopped, at stop-and-copy",
        needs=("agreed", "owner"),
        without=("early", "any.started", "transfer"),
        makes=("transfer",),
    ),
    Step(
        "CHECK_DEVICE_STATE",
        "it asks how the transfer ended",
        needs=("transfer",),
        ends=("transfer",),
    ),
)


class VhostUser(Backend):
    """A back end in another process.

    Early it can have the features, the memory, and of each ring size, addresses, a provisional base and the call
    descriptor. The kick starts a ring, so it waits for the stop, as the enabling does.

    The addresses are sent again behind the final base. libvhost-user (qemu-storage-daemon) and passt read `used->idx`
    when they get them, which early is 0, for the guest's memory is not there; a back end that was told them early alone
    would write its used ring from there, and the guest's queue would stand still.
    """

    prepared: ClassVar[tuple[str, ...]] = ("given", "num", "addr", "call")
    descriptors = (("SET_VRING_CALL", Role.VECTORS),)
    name = "vhost-user"
    fallback = "none"
    can_reset_queue = True
    steps = _USER_STEPS

    def opening(self) -> tuple[Operation, ...]:
        """What is agreed on when the socket is opened."""
        return tuple(
            Operation(name)
            for name in (
                "GET_FEATURES",
                "GET_PROTOCOL_FEATURES",
                "SET_PROTOCOL_FEATURES",
                "SET_OWNER",
            )
        )

    def event(self, operation: Operation) -> str:
        """SET_VRING_ENABLE by its argument, SET_VRING_BASE and _ADDR by their phase: early they are provisional."""
        if operation.name == "SET_VRING_ENABLE":
            return f"{operation.name} {operation.value}"
        if operation.name in ("SET_VRING_BASE", "SET_VRING_ADDR") and operation.phase is Phase.EARLY:
            return f"{operation.name} early"
        return operation.name

    def early_start(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """Everything but the kick and the enabling, with provisional bases."""
        return (
            *early(requests),
            *self._features_and_memory(layout, Phase.EARLY),
            *self._unprepared_rings(layout, Phase.EARLY),
        )

    def finish(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """The back end's state, what was not prepared, the final bases, the kicks, and then the enabling."""
        orders = list(taken_away(self._configured_queues, layout))
        if layout.backend_state:
            orders.append(Operation("SET_DEVICE_STATE_FD", None, "load", Role.BACKEND_STATE))
            orders.append(Operation("CHECK_DEVICE_STATE", None, None, Role.BACKEND_STATE))
        orders += requests
        if not layout.is_running:
            return tuple(orders)
        orders += self._features_and_memory(layout, Phase.STOP)
        orders += self._unprepared_rings(layout, Phase.STOP)
        for queue in layout.queues:
            if self._is_prepared(queue, layout.rings[queue]):
                ring = layout.rings[queue]
                orders.append(Operation("SET_VRING_BASE", queue, ring.base, Role.INDICES))
                orders.append(Operation("SET_VRING_ADDR", queue, addresses_of(ring), Role.INDICES))
            orders.append(Operation("SET_VRING_KICK", queue, None, Role.ENABLED))
        orders += [Operation("SET_VRING_ENABLE", queue, 1, Role.EXTENT) for queue in layout.queues]
        return tuple(orders)

    def stop(self) -> tuple[Operation, ...]:
        """Disable and stop every ring that was given anything."""
        disable = [
            Operation("SET_VRING_ENABLE", queue, 0) for queue in self._configured_queues if self.has("enabled", queue)
        ]
        return (*disable, *(Operation("GET_VRING_BASE", queue) for queue in self._configured_queues))

    @property
    def _configured_queues(self) -> list[int]:
        """The rings that were given anything."""
        return [queue for queue, facts in sorted(self.queues.items()) if "given" in facts]

    @property
    def running(self) -> frozenset[int]:
        """The rings that are started and enabled."""
        return frozenset(queue for queue in self.queues if self.has("started", queue) and self.has("enabled", queue))
