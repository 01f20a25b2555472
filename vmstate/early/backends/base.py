"""What all back ends share: the machine that holds operations against a table of steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

from vmstate.early.layout import Ring, RingLayout
from vmstate.early.operations import Operation, Phase, Role
from vmstate.errors import VMStateError
from vmstate.vmsd.data import Data

LOG_ALL = 1 << 26
"""VHOST_F_LOG_ALL: what the back end writes to guest memory is logged."""
VRING_F_LOG = 1
"""VHOST_VRING_F_LOG: the flag of a ring's addresses that says the same of its used ring."""


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
    descriptors: ClassVar[tuple[tuple[str, Role], ...]] = (
        ("SET_VRING_KICK", Role.ENABLED),
        ("SET_VRING_CALL", Role.VECTORS),
    )
    """The operations that hand over a queue's descriptors before it starts, each with its role."""
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
            broken.append((len(missing) + len(present), _rule_in_words(step, missing, present)))
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
            return key not in self.values or _without_log_flag(operation.name, self.values[key]) != _without_log_flag(
                operation.name, operation.value
            )
        return word in self.facts

    def _change(self, step: Step, queue: int | None) -> None:
        for fact in step.ends:
            whose, _, word = fact.rpartition(".")
            if whose == "queues":
                self.queues.clear()
            elif whose == "queue":
                self.queues.setdefault(_queue_number(queue), set()).discard(word)
            else:
                self.facts.discard(word)
        for fact in step.makes:
            whose, _, word = fact.rpartition(".")
            if whose == "queue":
                self.queues.setdefault(_queue_number(queue), set()).add(word)
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

    def can_start_early(self, layout: RingLayout) -> str | None:
        """None, or why the early start is left out for this device."""
        if not layout.is_running:
            return "the driver is not up, the link is down or the device is broken"
        if layout.behind_iommu:
            return "the device is behind a vIOMMU, whose translations are not on the destination"
        if layout.backend_state:
            return "the back end has state of its own, which cannot be loaded into a started one"
        return None

    def early_start(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """What can be done before guest memory is there. `requests` are what the device's items ask of the back end."""
        raise NotImplementedError

    def finish(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
        """What is left at stop-and-copy until the device runs, however much was done early."""
        raise NotImplementedError

    def stop(self) -> tuple[Operation, ...]:
        """What ends whatever has been started."""
        raise NotImplementedError

    def userspace(self, layout: RingLayout, requests: Sequence[Operation] = ()) -> tuple[Operation, ...]:
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

    def _features_and_memory(self, layout: RingLayout, phase: Phase) -> tuple[Operation, ...]:
        """Features and memory of a vhost device, as far as it has not been told them."""
        orders = []
        if "features" not in self.facts or self.values["SET_FEATURES", None] != layout.features:
            orders.append(Operation("SET_FEATURES", None, layout.features, Role.FEATURES, phase))
        if "memory" not in self.facts:
            orders.append(Operation("SET_MEM_TABLE", phase=phase))
        return tuple(orders)

    def _unprepared_rings(self, layout: RingLayout, phase: Phase) -> tuple[Operation, ...]:
        """The rings and descriptors of the queues that have not been given them."""
        orders: list[Operation] = []
        for queue in layout.queues:
            ring = layout.rings[queue]
            if not self._is_prepared(queue, ring):
                orders += ring_operations(queue, ring, phase)
                orders += [Operation(name, queue, None, role, phase) for name, role in self.descriptors]
        return tuple(orders)

    def base_of(self, queue: int) -> int:
        """Where the back end begins on a queue: the last SET_VRING_BASE."""
        return int(self.values["SET_VRING_BASE", queue])


def _rule_in_words(step: Step, missing: Sequence[str], present: Sequence[str]) -> str:
    parts = [f"{_fact_in_words(fact)} is missing" for fact in missing]
    parts += [f"{_fact_in_words(fact)} stands against it" for fact in present]
    return "; ".join([*([step.says] if step.says else []), *parts])


def _fact_in_words(fact: str) -> str:
    whose, _, word = fact.rpartition(".")
    match whose:
        case "queue":
            return f"'{word}' of the queue"
        case "any":
            return f"'{word}' of a queue"
        case "data":
            return f"'{word}' of a data queue"
    return f"'{word}'"


def _queue_number(queue: int | None) -> int:
    if queue is None:
        raise ValueError("an operation on a queue that names none")
    return queue


def _without_log_flag(name: str, value: Any) -> Any:
    """An argument without what says that writes are logged."""
    if name == "SET_FEATURES" and isinstance(value, int):
        return value & ~LOG_ALL
    if name == "SET_VRING_ADDR" and isinstance(value, tuple) and value:
        return (value[0] & ~VRING_F_LOG, *value[1:])
    return value


def ring_operations(queue: int, ring: Ring, phase: Phase, *, base: int | None = None) -> tuple[Operation, ...]:
    """NUM, BASE and ADDR of a queue, in QEMU's order (vhost_virtqueue_start)."""
    at = ring.base if base is None else base
    return (
        Operation("SET_VRING_NUM", queue, ring.num, Role.RINGS, phase),
        Operation("SET_VRING_BASE", queue, at, Role.INDICES, phase),
        Operation("SET_VRING_ADDR", queue, addresses_of(ring), Role.RINGS, phase),
    )


def taken_away(prepared: Iterable[int], layout: RingLayout) -> tuple[Operation, ...]:
    """Take away the queues that were prepared and are not in use any more."""
    wanted = set(layout.queues) if layout.is_running else set()
    return tuple(Operation("GET_VRING_BASE", queue, None, Role.EXTENT) for queue in prepared if queue not in wanted)


def addresses_of(ring: Ring) -> tuple[int, int, int, int]:
    """The argument of SET_VRING_ADDR: flags, and where the descriptors, the used and the available ring are."""
    return 0, ring.desc, ring.used, ring.avail


def early(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Some operations, moved to the early phase."""
    return tuple(operation.replace(phase=Phase.EARLY) for operation in operations)
