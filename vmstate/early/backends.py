"""Back ends of a virtio device, as machines that accept only legal orders of operations.

`Tap`, `VhostNet`, `VhostUser` and `VhostVdpa` are the destination's back ends, each after QEMU has opened it. A back
end knows the orders in which it is brought up (`early_start`, `finish`, `stop`), and checks every operation that it is
given, whoever made the list, against its one table of steps. The state of a machine is a set of facts about the device
and one about each queue; a step says which facts it needs, which it must not find, which it makes and which it ends.

The rules are those of who answers in the end.

* Linux's drivers/vhost: EBUSY for SET_VRING_NUM and SET_VRING_BASE while a back end is bound; `used->idx` is read when
  it is bound.
* Linux's drivers/vhost/vdpa.c: features once; in newer kernels no SET_VRING_ADDR and SET_VRING_BASE after DRIVER_OK
  unless the device is suspended; enabling after DRIVER_OK only if the parent says so.
* QEMU's docs/interop/vhost-user.rst: a ring is started by its kick and stopped by GET_VRING_BASE.
* In the early phase no guest memory is there: nothing is done that reads a ring, and nothing that would let a back end
  read one by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

from vmstate.early.layout import Layout, Ring
from vmstate.early.operations import CVQ_COMMANDS, Operation, Phase
from vmstate.errors import VMStateError
from vmstate.vmsd.data import Data

LOG_ALL = 1 << 26
"""VHOST_F_LOG_ALL: what the back end writes to guest memory is logged."""
VRING_F_LOG = 1
"""VHOST_VRING_F_LOG: the flag of a ring's addresses that says the same of its used ring."""

UNBIND = -1
"""The descriptor that takes a back end away from a queue."""

ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK = 1, 2, 4, 8
"""Bits of the device status."""


class IllegalOperation(VMStateError):
    """An operation that the back end may not be given in the state it is in.

    `operation` is the operation, `state` the facts there were, `rule` what they break.
    """

    def __init__(self, backend: str, operation: Operation, state: str, rule: str) -> None:
        super().__init__(f"{backend}: {operation} ({operation.phase}) is out of order: {rule}", found=state)
        self.operation = operation
        self.state = state
        self.rule = rule


class BackendFailure(VMStateError):
    """An operation that the back end did not do though it was legal. `operation` is the operation."""

    def __init__(self, backend: str, operation: Operation) -> None:
        super().__init__(f"{backend}: {operation} ({operation.phase}) failed")
        self.operation = operation


class Step(Data):
    """A row of a table of steps: an event, the facts around it, and the rule in words.

    A fact is a plain word for the device, `queue.WORD` for the queue of the operation, `any.WORD` for some queue and
    `data.WORD` for some data queue. Facts of the operation itself are `early` (it is done in the early phase) and
    `changes` (its argument is not what it was the last time, logging aside). In `ends`, `queues.*` is all that is known
    of all queues. Where an event has several rows, it is legal if one of them allows it.
    """

    event: str
    says: str = ""
    needs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()


class Fault(Data):
    """The operation that fails: the first from now on with this name, and with the queue, phase and value if given."""

    name: str
    queue: int | None = None
    phase: Phase | None = None
    value: Any = None

    def hits(self, operation: Operation) -> bool:
        """Whether it is this operation."""
        return (
            operation.name == self.name
            and self.queue in (None, operation.queue)
            and self.phase in (None, operation.phase)
            and self.value in (None, operation.value)
        )


class Backend:
    """What all back ends share: the machine, and what happens around it.

    `name` is what the command line calls it. `fallback` is what is left of the datapath when the back end fails for
    good: `userspace` (QEMU moves the packets itself), `none` (the guest runs, its packets go nowhere until the back end
    comes back) or None: the migration fails. `can_reset_queue`: one queue can get another size and other addresses
    without a reset of the device.
    """

    name: ClassVar[str]
    fallback: ClassVar[str | None]
    can_reset_queue: ClassVar[bool]
    steps: ClassVar[tuple[Step, ...]]
    prepared: ClassVar[tuple[str, ...]] = ()
    """What a queue has been told once it only lacks its final base."""
    _by_event: ClassVar[dict[str, tuple[Step, ...]]]

    def __init_subclass__(cls) -> None:
        """Index the table."""
        rows: dict[str, tuple[Step, ...]] = {}
        for step in cls.steps:
            rows[step.event] = (*rows.get(step.event, ()), step)
        cls._by_event = rows

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults = list(faults)
        self.done: list[Operation] = []
        """Every operation that took effect, in order."""
        self.facts: set[str] = set()
        """The facts about the device."""
        self.queues: dict[int, set[str]] = {}
        """The facts about each queue that has any."""
        self.values: dict[tuple[str, int | None], Any] = {}
        """The last argument of each operation, by its name and queue."""
        self.control: int | None = None
        """The number of the control queue, where the back end has it; set by the first orders for a layout."""

    def open(self) -> Self:
        """Do what QEMU does when it opens the back end."""
        self.run(self.opening())
        return self

    # The machine.

    def do(self, operation: Operation) -> None:
        """Take one operation. Raises `IllegalOperation`, or `BackendFailure` where a fault was injected."""
        step = self._step(operation)
        for fault in self.faults:
            if fault.hits(operation):
                self.faults.remove(fault)
                raise BackendFailure(self.name, operation)
        self.carry_out(operation)
        self._change(step, operation.queue)
        self.values[operation.name, operation.queue] = operation.value
        self.took(operation)
        self.done.append(operation)

    def run(self, operations: Iterable[Operation]) -> None:
        """Take operations until one is refused or fails."""
        for operation in operations:
            self.do(operation)

    def carry_out(self, operation: Operation) -> None:
        """Do a legal operation. A model has nothing to do; what speaks to a real back end raises `BackendFailure`."""

    def took(self, operation: Operation) -> None:
        """What an operation does beyond facts."""

    def event(self, operation: Operation) -> str:
        """The event of the table that an operation is: its name, or its name and what its argument makes of it."""
        return operation.name

    def _step(self, operation: Operation) -> Step:
        event = self.event(operation)
        rows = self._by_event.get(event)
        if rows is None:
            raise IllegalOperation(self.name, operation, self.state, f"{event} is nothing that {self.name} knows")
        broken: list[tuple[int, str]] = []
        for step in rows:
            missing = [fact for fact in step.needs if not self._holds(fact, operation)]
            present = [fact for fact in step.without if self._holds(fact, operation)]
            if not missing and not present:
                return step
            broken.append((len(missing) + len(present), _rule(step, missing, present)))
        # Of several rows those that come nearest say most.
        nearest = [rule for count, rule in broken if count == min(broken)[0]]
        raise IllegalOperation(self.name, operation, self.state, " or: ".join(nearest))

    def _holds(self, fact: str, operation: Operation) -> bool:
        whose, _, word = fact.rpartition(".")
        match whose:
            case "queue":
                return operation.queue is not None and word in self.queues.get(operation.queue, ())
            case "any":
                return any(word in facts for facts in self.queues.values())
            case "data":
                return any(word in facts for queue, facts in self.queues.items() if queue != self.control)
        if word == "early":
            return operation.phase is Phase.EARLY
        if word == "changes":
            key = operation.name, operation.queue
            return key not in self.values or _unlogged(operation.name, self.values[key]) != _unlogged(
                operation.name, operation.value
            )
        return word in self.facts

    def _change(self, step: Step, queue: int | None) -> None:
        for fact in step.ends:
            whose, _, word = fact.rpartition(".")
            if whose == "queues":
                self.queues.clear()
            elif whose == "queue":
                self.queues.setdefault(_number(queue), set()).discard(word)
            else:
                self.facts.discard(word)
        for fact in step.makes:
            whose, _, word = fact.rpartition(".")
            if whose == "queue":
                self.queues.setdefault(_number(queue), set()).add(word)
            else:
                self.facts.add(word)

    @property
    def state(self) -> str:
        """The facts in words."""
        parts = [", ".join(sorted(self.facts)) or "nothing"]
        parts += [f"queue {queue}: {', '.join(sorted(facts))}" for queue, facts in sorted(self.queues.items()) if facts]
        return "; ".join(parts)

    def has(self, fact: str, queue: int) -> bool:
        """Whether a fact holds of a queue."""
        return fact in self.queues.get(queue, ())

    # The orders.

    def opening(self) -> tuple[Operation, ...]:
        """What QEMU does when it opens the back end, long before any migration."""
        return ()

    def can_start_early(self, layout: Layout) -> str | None:
        """None, or why the early start is left out for this device."""
        if not layout.is_running:
            return "the driver is not up, the link is down or the device is broken"
        if layout.behind_iommu:
            return "the device is behind a vIOMMU, whose translations are not on the destination"
        if layout.backend_state:
            return "the back end has state of its own, which cannot be loaded into a started one"
        return None

    def early_start(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """What can be done before guest memory is there. `requests` are what the device's items ask of the back end."""
        raise NotImplementedError

    def finish(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """What is left at stop-and-copy until the device runs, however much was done early."""
        raise NotImplementedError

    def stop(self) -> tuple[Operation, ...]:
        """What ends whatever has been started."""
        raise NotImplementedError

    def userspace(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """What QEMU needs done to move the packets itself, after the back end was stopped."""
        return ()

    def drop(self) -> None:
        """Let go of a back end that does not even stop: close its descriptor, and open it again."""
        self.facts = {fact for fact in self.facts if fact.startswith("can ")}
        self.queues.clear()
        self.run(self.opening())

    @property
    def is_started(self) -> bool:
        """Whether there is anything that `stop` would have to end."""
        return bool(self.stop())

    @property
    def running(self) -> frozenset[int]:
        """The data queues whose rings the back end works on."""
        raise NotImplementedError

    def _is_prepared(self, queue: int, ring: Ring) -> bool:
        """Whether a queue has been given all but its final base, and for this ring."""
        return (
            all(self.has(fact, queue) for fact in self.prepared)
            and self.values["SET_VRING_NUM", queue] == ring.num
            and self.values["SET_VRING_ADDR", queue][1:] == (ring.desc, ring.used, ring.avail)
        )

    def _device(self, layout: Layout, phase: Phase) -> tuple[Operation, ...]:
        """Features and memory of a vhost device, as far as it has not been told them."""
        orders = []
        if "features" not in self.facts or self.values["SET_FEATURES", None] != layout.features:
            orders.append(Operation("SET_FEATURES", None, layout.features, "guest_features", phase))
        if "memory" not in self.facts:
            orders.append(Operation("SET_MEM_TABLE", phase=phase))
        return tuple(orders)

    def base_of(self, queue: int) -> int:
        """Where the back end begins on a queue: the last SET_VRING_BASE."""
        return int(self.values["SET_VRING_BASE", queue])


def _rule(step: Step, missing: Sequence[str], present: Sequence[str]) -> str:
    parts = [f"{_words(fact)} is missing" for fact in missing]
    parts += [f"{_words(fact)} stands against it" for fact in present]
    return "; ".join([*([step.says] if step.says else []), *parts])


def _words(fact: str) -> str:
    whose, _, word = fact.rpartition(".")
    match whose:
        case "queue":
            return f"'{word}' of the queue"
        case "any":
            return f"'{word}' of a queue"
        case "data":
            return f"'{word}' of a data queue"
    return f"'{word}'"


def _number(queue: int | None) -> int:
    if queue is None:
        raise ValueError("an operation on a queue that names none")
    return queue


def _unlogged(name: str, value: Any) -> Any:
    """An argument without what says that writes are logged."""
    if name == "SET_FEATURES" and isinstance(value, int):
        return value & ~LOG_ALL
    if name == "SET_VRING_ADDR" and isinstance(value, tuple) and value:
        return (value[0] & ~VRING_F_LOG, *value[1:])
    return value


def _ring_operations(queue: int, ring: Ring, phase: Phase, *, base: int | None = None) -> tuple[Operation, ...]:
    """NUM, BASE and ADDR of a queue, in QEMU's order (vhost_virtqueue_start)."""
    at = ring.base if base is None else base
    return (
        Operation("SET_VRING_NUM", queue, ring.num, "ring_geometry", phase),
        Operation("SET_VRING_BASE", queue, at, "queue_indices", phase),
        Operation("SET_VRING_ADDR", queue, _place_of(ring), "ring_geometry", phase),
    )


def _place_of(ring: Ring) -> tuple[int, int, int, int]:
    """The argument of SET_VRING_ADDR: flags, and where the descriptors, the used and the available ring are."""
    return 0, ring.desc, ring.used, ring.avail


# -------------------------------------------------------------------------------------------------------------------
# tap

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

    def early_start(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """Nothing that the kernel keeps per queue; the offloads and the steering can be set already."""
        return early(requests)

    def finish(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """The queues of the pairs in use, then what the items ask."""
        return (*self.pairs(layout), *requests)

    def pairs(self, layout: Layout) -> tuple[Operation, ...]:
        """Attach the queues of the pairs that came into use, detach those that fell out of it."""
        wanted = {queue for queue in layout.data if queue % 2 == 0} | {0}
        there = {queue for queue, facts in self.queues.items() if "attached" in facts}
        return tuple(
            Operation("TUNSETQUEUE", queue, "attach" if queue in wanted else "detach", "queue_pairs")
            for queue in sorted(wanted ^ there)
        )

    def userspace(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """The same as for a tap device without vhost."""
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


def early(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """The same operations in the early phase."""
    return tuple(operation.replace(phase=Phase.EARLY) for operation in operations)


# -------------------------------------------------------------------------------------------------------------------
# Kernel vhost

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

    def early_start(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """Everything but the binding, with provisional bases."""
        return (*early(requests), *self._device(layout, Phase.EARLY), *self._rings(layout, Phase.EARLY))

    def finish(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """Queues of pairs, what was not prepared, the final bases, and then the binding, queue by queue."""
        bound = self._leaving(layout)
        orders = [*bound, *self.pairs(layout), *requests]
        if not layout.is_running:
            return tuple(orders)
        orders += self._device(layout, Phase.STOP)
        orders += self._rings(layout, Phase.STOP)
        for queue in layout.queues:
            if self._is_prepared(queue, layout.rings[queue]):
                orders.append(Operation("SET_VRING_BASE", queue, layout.rings[queue].base, "queue_indices"))
            orders.append(Operation("SET_BACKEND", queue))
        return tuple(orders)

    def stop(self) -> tuple[Operation, ...]:
        """Unbind every queue, then take the rings away."""
        started = [queue for queue, facts in sorted(self.queues.items()) if facts - {"attached"}]
        unbind = [Operation("SET_BACKEND", queue, UNBIND) for queue in started]
        return (*unbind, *(Operation("GET_VRING_BASE", queue) for queue in started))

    @property
    def running(self) -> frozenset[int]:
        """The queues that have a back end."""
        return frozenset(queue for queue in self.queues if self.has("bound", queue))

    def _rings(self, layout: Layout, phase: Phase) -> tuple[Operation, ...]:
        orders: list[Operation] = []
        for queue in layout.queues:
            ring = layout.rings[queue]
            if not self._is_prepared(queue, ring):
                orders += _ring_operations(queue, ring, phase)
                orders.append(Operation("SET_VRING_KICK", queue, None, "queue_enabled", phase))
                orders.append(Operation("SET_VRING_CALL", queue, None, "vectors", phase))
        return tuple(orders)

    def _leaving(self, layout: Layout) -> tuple[Operation, ...]:
        """Take away the queues that were prepared and are not in use any more."""
        wanted = set(layout.queues) if layout.is_running else set()
        return tuple(
            Operation("GET_VRING_BASE", queue, None, "queue_pairs")
            for queue, facts in sorted(self.queues.items())
            if facts - {"attached"} and queue not in wanted
        )


# -------------------------------------------------------------------------------------------------------------------
# vhost-user

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

    def early_start(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """Everything but the kick and the enabling, with provisional bases."""
        return (*early(requests), *self._device(layout, Phase.EARLY), *self._rings(layout, Phase.EARLY))

    def finish(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """The back end's state, what was not prepared, the final bases, the kicks, and then the enabling."""
        orders = list(self._leaving(layout))
        if layout.backend_state:
            orders.append(Operation("SET_DEVICE_STATE_FD", None, "load", "backend_state"))
            orders.append(Operation("CHECK_DEVICE_STATE", None, None, "backend_state"))
        orders += requests
        if not layout.is_running:
            return tuple(orders)
        orders += self._device(layout, Phase.STOP)
        orders += self._rings(layout, Phase.STOP)
        for queue in layout.queues:
            if self._is_prepared(queue, layout.rings[queue]):
                ring = layout.rings[queue]
                orders.append(Operation("SET_VRING_BASE", queue, ring.base, "queue_indices"))
                orders.append(Operation("SET_VRING_ADDR", queue, _place_of(ring), "queue_indices"))
            orders.append(Operation("SET_VRING_KICK", queue, None, "queue_enabled"))
        orders += [Operation("SET_VRING_ENABLE", queue, 1, "queue_pairs") for queue in layout.queues]
        return tuple(orders)

    def stop(self) -> tuple[Operation, ...]:
        """Disable and stop every ring that was given anything."""
        given = [queue for queue, facts in sorted(self.queues.items()) if "given" in facts]
        disable = [Operation("SET_VRING_ENABLE", queue, 0) for queue in given if self.has("enabled", queue)]
        return (*disable, *(Operation("GET_VRING_BASE", queue) for queue in given))

    @property
    def running(self) -> frozenset[int]:
        """The rings that are started and enabled."""
        return frozenset(queue for queue in self.queues if self.has("started", queue) and self.has("enabled", queue))

    def _rings(self, layout: Layout, phase: Phase) -> tuple[Operation, ...]:
        orders: list[Operation] = []
        for queue in layout.queues:
            ring = layout.rings[queue]
            if not self._is_prepared(queue, ring):
                orders += _ring_operations(queue, ring, phase)
                orders.append(Operation("SET_VRING_CALL", queue, None, "vectors", phase))
        return tuple(orders)

    def _leaving(self, layout: Layout) -> tuple[Operation, ...]:
        wanted = set(layout.queues) if layout.is_running else set()
        return tuple(
            Operation("GET_VRING_BASE", queue, None, "queue_pairs")
            for queue, facts in sorted(self.queues.items())
            if "given" in facts and queue not in wanted
        )


# -------------------------------------------------------------------------------------------------------------------
# vhost-vDPA

_NEGOTIATED = "features are settled once: a reset comes before others"
_DRIVER_OK = "after DRIVER_OK Linux takes no size, base or address unless the device is suspended"

_VDPA_STEPS = (
    Step("SET_OWNER", "Linux answers EBUSY to a second one", without=("owner",), makes=("owner",)),
    Step("IOTLB_UPDATE", "memory belongs to the owner", needs=("owner",), makes=("memory",)),
    Step(
        "SET_STATUS 0",
        "a reset is the owner's",
        needs=("owner",),
        ends=("acknowledged", "features", "features_ok", "driver_ok", "suspended", "isolated", "control", "queues.*"),
    ),
    Step("SET_STATUS acknowledge", "a reset comes first", ("owner",), ("driver_ok",), makes=("acknowledged",)),
    Step("SET_FEATURES", _NEGOTIATED, ("acknowledged",), ("features_ok",), makes=("features",)),
    Step("SET_STATUS features_ok", "features come first", needs=("features",), makes=("features_ok",)),
    Step(
        "SET_STATUS driver_ok",
        "memory is mapped and the rings are known before the device is told to begin",
        needs=("features_ok", "memory"),
        without=("any.ready",),
        makes=("driver_ok",),
    ),
    Step(
        "SET_STATUS driver_ok",
        "without ENABLE_AFTER_DRIVER_OK all queues are enabled before it, so not early",
        needs=("features_ok", "memory"),
        without=("can ENABLE_AFTER_DRIVER_OK", "early"),
        makes=("driver_ok",),
    ),
    Step(
        "SET_GROUP_ASID",
        "the control queue gets its address space before DRIVER_OK",
        needs=("owner",),
        without=("driver_ok",),
        makes=("isolated",),
    ),
    *(
        Step(name, _DRIVER_OK, needs=(needed,), without=("driver_ok",), makes=(makes,))
        for name, needed, makes in (
            ("SET_VRING_NUM", "features_ok", "queue.num"),
            ("SET_VRING_ADDR", "queue.num", "queue.addr"),
        )
    ),
    Step(
        "SET_VRING_BASE early",
        _DRIVER_OK,
        needs=("features_ok",),
        without=("driver_ok",),
        makes=("queue.provisional",),
        ends=("queue.base",),
    ),
    Step(
        "SET_VRING_BASE",
        _DRIVER_OK,
        needs=("features_ok",),
        without=("driver_ok",),
        makes=("queue.base",),
        ends=("queue.provisional",),
    ),
    *(
        Step(name, _DRIVER_OK, needs=("suspended",), makes=(makes,))
        for name, makes in (
            ("SET_VRING_NUM", "queue.num"),
            ("SET_VRING_BASE", "queue.base"),
            ("SET_VRING_ADDR", "queue.addr"),
        )
    ),
    Step("SET_VRING_KICK", "the owner's", needs=("owner",), makes=("queue.kick",)),
    Step("SET_VRING_CALL", "the owner's", needs=("owner",), makes=("queue.call",)),
    Step(
        "GET_VRING_BASE", "the index moves on unless the device is suspended", needs=("owner",), without=("data.ready",)
    ),
    Step("GET_VRING_BASE", "the index moves on unless the device is suspended", needs=("suspended",)),
    Step(
        "SUSPEND", "only a device that runs can be suspended", needs=("driver_ok", "can SUSPEND"), makes=("suspended",)
    ),
    Step("RESUME", "it was suspended before", needs=("suspended", "can RESUME"), ends=("suspended",)),
    Step("SET_CONFIG", "the device is there", needs=("features_ok",)),
    Step(
        "SET_VRING_ENABLE control",
        "the control queue is enabled before all others, after DRIVER_OK, and early only where it is shadowed in an "
        "address space of its own: its ring is then QEMU's and needs no guest memory",
        needs=("driver_ok", "can ENABLE_AFTER_DRIVER_OK", "queue.num", "queue.base", "queue.addr", "isolated"),
        without=("data.ready", "suspended"),
        makes=("queue.ready", "control"),
    ),
    Step(
        "SET_VRING_ENABLE control",
        "the control queue is enabled before all others, and after DRIVER_OK",
        needs=("driver_ok", "can ENABLE_AFTER_DRIVER_OK", "queue.num", "queue.base", "queue.addr"),
        without=("data.ready", "suspended", "early"),
        makes=("queue.ready", "control"),
    ),
    Step(
        "SET_VRING_ENABLE 1",
        "data queues come last, after the commands of the control queue, and touch rings in guest memory: never early",
        needs=("driver_ok", "can ENABLE_AFTER_DRIVER_OK", "queue.num", "queue.base", "queue.addr", "queue.kick"),
        without=("early", "suspended", "waits for control"),
        makes=("queue.ready",),
    ),
    Step(
        "SET_VRING_ENABLE control",
        "without ENABLE_AFTER_DRIVER_OK a queue is enabled before DRIVER_OK, at the stop",
        needs=("features_ok", "queue.num", "queue.base", "queue.addr"),
        without=("can ENABLE_AFTER_DRIVER_OK", "driver_ok", "early"),
        makes=("queue.ready", "control"),
    ),
    Step(
        "SET_VRING_ENABLE 1",
        "without ENABLE_AFTER_DRIVER_OK a queue is enabled before DRIVER_OK, at the stop",
        needs=("features_ok", "queue.num", "queue.base", "queue.addr", "queue.kick"),
        without=("can ENABLE_AFTER_DRIVER_OK", "driver_ok", "early", "waits for control"),
        makes=("queue.ready",),
    ),
    *(
        Step(
            name,
            "without ENABLE_AFTER_DRIVER_OK the data queues are enabled by the time a command can be sent",
            needs=("driver_ok", "control"),
            without=("can ENABLE_AFTER_DRIVER_OK", "suspended"),
        )
        for name in CVQ_COMMANDS
    ),
    *(
        Step(
            name,
            "commands go through the control queue once it is enabled, and before data queues are",
            needs=("driver_ok", "control"),
            without=("data.ready", "suspended"),
        )
        for name in CVQ_COMMANDS
    ),
)

VDPA_CAPABILITIES = ("ENABLE_AFTER_DRIVER_OK", "SUSPEND", "RESUME")
"""What a parent device can be able to do, by the names of VHOST_BACKEND_F_."""


class VhostVdpa(Backend):
    """A vDPA device: a card, or its simulation, that implements virtio itself.

    What the device is set to goes through its control queue, which QEMU shadows for that. `capabilities` are of
    `VDPA_CAPABILITIES`; `svq` says whether the data queues are shadowed too, as they are while a migration is on: their
    rings are then QEMU's as well, and the guest's indices are no matter of the device.

    The early start goes up to the commands of the control queue where enabling after DRIVER_OK is possible, the control
    queue is isolated, and the bases can still be told afterwards: they are none of the device's business with shadowed
    queues, and without them the device has to be suspended and resumed, for Linux refuses them after DRIVER_OK.
    Otherwise the memory is pinned, and the device has its features and rings, and DRIVER_OK waits for the stop.
    """

    name = "vhost-vdpa"
    fallback = None
    can_reset_queue = False
    steps = _VDPA_STEPS

    def __init__(
        self,
        faults: Iterable[Fault] = (),
        *,
        capabilities: Iterable[str] = VDPA_CAPABILITIES,
        isolated: bool = True,
        svq: bool = True,
    ) -> None:
        self.capabilities = frozenset(capabilities)
        self.can_isolate = isolated
        self.svq = svq
        self.settings: dict[str, Any] = {}
        """What the control queue has set since the last reset, by command; VLAN_ADD has the set of VLANs."""
        super().__init__(faults)
        self.facts |= {f"can {capability}" for capability in self.capabilities}

    def opening(self) -> tuple[Operation, ...]:
        """Take the device and reset it. Guest memory is pinned early, or when the device is started."""
        return (Operation("SET_OWNER"), Operation("SET_STATUS", None, 0))

    def event(self, operation: Operation) -> str:
        """SET_STATUS by the bit that is new, SET_VRING_ENABLE by whose queue it is, SET_VRING_BASE by its phase.

        Where a queue is shadowed its base is QEMU's own, and is final whenever it is set.
        """
        match operation.name:
            case "SET_STATUS":
                return f"SET_STATUS {_status_event(int(operation.value))}"
            case "SET_VRING_ENABLE" if operation.queue is not None and operation.queue == self.control:
                return "SET_VRING_ENABLE control"
            case "SET_VRING_ENABLE":
                return f"SET_VRING_ENABLE {operation.value}"
            case "SET_VRING_BASE" if operation.phase is Phase.EARLY and not self._is_shadowed(operation.queue):
                return "SET_VRING_BASE early"
        return operation.name

    def took(self, operation: Operation) -> None:
        """Keep what the device is set to."""
        match operation.name:
            case "SET_STATUS" if operation.value == 0:
                self.settings = {}
            case "VLAN_ADD":
                self.settings["VLAN_ADD"] = self.settings.get("VLAN_ADD", frozenset()) | {operation.value}
            case "VLAN_DEL":
                self.settings["VLAN_ADD"] = self.settings.get("VLAN_ADD", frozenset()) - {operation.value}
            case "VQ_PAIRS_SET" | "RSS_CONFIG" | "HASH_CONFIG":
                self._set_queues(operation)
            case name if name in CVQ_COMMANDS:
                self.settings[name] = operation.value

    def _set_queues(self, operation: Operation) -> None:
        """Every command of the class MQ switches scaling off first; without hash types that is all."""
        self.settings.pop("RSS_CONFIG", None)
        self.settings.pop("HASH_CONFIG", None)
        if operation.name == "VQ_PAIRS_SET":
            self.settings[operation.name] = operation.value
            return
        if operation.value[0]:
            self.settings[operation.name] = operation.value
        if operation.name == "RSS_CONFIG":
            self.settings["VQ_PAIRS_SET"] = operation.value[3]

    def can_start_early(self, layout: Layout) -> str | None:
        """None, or why DRIVER_OK and the commands of the control queue wait for the stop."""
        reason = super().can_start_early(layout)
        if reason is not None:
            return reason
        if not self.enables_late:
            return "the parent does not take ENABLE_AFTER_DRIVER_OK"
        if layout.control is not None and not self.can_isolate:
            return "the control queue has no group and address space of its own"
        if not self.svq and not {"SUSPEND", "RESUME"} <= self.capabilities:
            return "after DRIVER_OK bases can be set only in a suspended device, and this one cannot suspend and resume"
        return None

    def check(self, layout: Layout) -> None:
        """What QEMU refuses before it starts the device at all. Raises `VMStateError`."""
        if layout.behind_iommu and self.svq:
            raise VMStateError("vhost-vdpa: shadow virtqueues do not work behind a vIOMMU")
        if layout.control is not None and not self.can_shadow_control:
            raise VMStateError(
                "vhost-vdpa: the control queue cannot be shadowed, so what it has set cannot be restored",
                expected="shadow virtqueues, or a group and address space of its own",
            )

    def early_start(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """Pin memory, start the device as far as it goes, and send the commands; no data queue is enabled."""
        self.control = layout.control
        orders: list[Operation] = []
        if "memory" not in self.facts:
            orders.append(Operation("IOTLB_UPDATE", phase=Phase.EARLY))
        if super().can_start_early(layout) is None:
            orders += self._configure(layout, Phase.EARLY)
        if self.can_start_early(layout) is None:
            orders += self._begin(layout, Phase.EARLY)
            orders += early(requests)
        return tuple(orders)

    def finish(self, layout: Layout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """The commands of the control queue, the bases where they are the device's, and then the data queues."""
        self.control = layout.control
        orders: list[Operation] = []
        if "memory" not in self.facts:
            orders.append(Operation("IOTLB_UPDATE"))
        if not layout.is_running:
            return self.stop()
        enable = [Operation("SET_VRING_ENABLE", queue, 1, "queue_enabled") for queue in layout.queues]
        if self.is_configured:
            orders += requests
            if not self.svq:
                orders += [Operation("SUSPEND"), *self._bases(layout), Operation("RESUME")]
            return (*orders, *enable)
        orders += self._bases(layout) if "features_ok" in self.facts else self._configure(layout, Phase.STOP)
        begin = self._begin(layout, Phase.STOP)
        if self.enables_late:
            return (*orders, *begin, *requests, *enable)
        ok, *control = begin
        return (*orders, *control, *enable, ok, *requests)

    def stop(self) -> tuple[Operation, ...]:
        """Reset the device; what is pinned stays so."""
        return (Operation("SET_STATUS", None, 0),) if "acknowledged" in self.facts else ()

    @property
    def running(self) -> frozenset[int]:
        """The data queues that are enabled in a device that runs."""
        if "driver_ok" not in self.facts or "suspended" in self.facts:
            return frozenset()
        return frozenset(queue for queue in self.queues if queue != self.control and self.has("ready", queue))

    def _configure(self, layout: Layout, phase: Phase) -> tuple[Operation, ...]:
        """Features, the address space of the control queue, the rings."""
        status = ACKNOWLEDGE | DRIVER
        orders = [
            Operation("SET_STATUS", None, status, None, phase),
            Operation("SET_FEATURES", None, layout.features, "guest_features", phase),
            Operation("SET_STATUS", None, status | FEATURES_OK, None, phase),
        ]
        control = layout.control
        if control is not None and self.can_isolate:
            orders.append(Operation("SET_GROUP_ASID", control, 1, None, phase))
        for queue in (*self._prepared(layout), *(() if control is None else (control,))):
            base = 0 if self._is_shadowed(queue) else None
            orders += _ring_operations(queue, layout.rings[queue], phase, base=base)
            orders.append(Operation("SET_VRING_KICK", queue, None, "queue_enabled", phase))
            orders.append(Operation("SET_VRING_CALL", queue, None, "vectors", phase))
        return tuple(orders)

    def _begin(self, layout: Layout, phase: Phase) -> tuple[Operation, ...]:
        """DRIVER_OK, and the control queue."""
        status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK
        ok = Operation("SET_STATUS", None, status, "device_status", phase)
        if layout.control is None:
            return (ok,)
        return ok, Operation("SET_VRING_ENABLE", layout.control, 1, None, phase)

    def _bases(self, layout: Layout) -> tuple[Operation, ...]:
        """The final bases of the queues whose bases are the device's."""
        return tuple(
            Operation("SET_VRING_BASE", queue, layout.rings[queue].base, "queue_indices")
            for queue in layout.queues
            if not self._is_shadowed(queue)
        )

    def _prepared(self, layout: Layout) -> tuple[int, ...]:
        """All queues with a ring: which pairs are in use can still change, by a command, without another start."""
        return tuple(queue for queue, ring in enumerate(layout.rings) if ring.is_usable and queue != layout.control)

    @property
    def enables_late(self) -> bool:
        """Whether queues can be enabled after DRIVER_OK."""
        return "ENABLE_AFTER_DRIVER_OK" in self.capabilities

    @property
    def can_shadow_control(self) -> bool:
        """Whether QEMU can put itself between the guest and the control queue: with all queues, or with it alone."""
        return self.svq or self.can_isolate

    @property
    def is_configured(self) -> bool:
        """Whether the device has been started, so that its settings can be changed one by one."""
        return "driver_ok" in self.facts

    def _is_shadowed(self, queue: int | None) -> bool:
        return self.svq or queue == self.control

    def _holds(self, fact: str, operation: Operation) -> bool:
        if fact == "waits for control":
            return self.control is not None and "control" not in self.facts
        return super()._holds(fact, operation)


def _status_event(status: int) -> str:
    for bit, name in ((DRIVER_OK, "driver_ok"), (FEATURES_OK, "features_ok"), (DRIVER, "acknowledge")):
        if status & bit:
            return name
    return str(status)


BACKENDS: dict[str, type[Backend]] = {kind.name: kind for kind in (Tap, VhostNet, VhostUser, VhostVdpa)}
"""The back ends by name."""
