"""Policies: what to do about a delta at the stop, and why.

`RfcV2` is the rule of the RFC v2 series: ten things are compared by value (its patches 4 to 13); any one that differs
means that the whole section is loaded again, otherwise the indices of the queues are all that is sent. `PerItem` sends
each item that changed, and falls back to the whole section only where nothing can be patched: after a reset.

    plan = PerItem().plan(delta, "vhost-vdpa")
    plan.mode, [reason.item for reason in plan.reasons], plan.operations
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Flag
from functools import cached_property
from typing import Any, ClassVar

from vmstate.codec.records import Records
from vmstate.early.backends import BACKENDS
from vmstate.early.backends.base import Backend
from vmstate.early.cost import SETS, Cost, cost_of
from vmstate.early.delta import DeltaVMSD
from vmstate.early.groups import BY_ELEMENT, Difference
from vmstate.early.items import BackendName, Item, ItemClass, ItemTable, MixedRule
from vmstate.early.layout import RingLayout
from vmstate.early.operations import CVQ_COMMANDS, Operation, Phase, Role
from vmstate.early.reset import KNOWN, restarts_explain
from vmstate.early.snapshot import Delta, Snapshot
from vmstate.errors import EarlyError
from vmstate.schema.values import to_plain
from vmstate.vmsd.data import Data
from vmstate.vmsd.path import format_path, value_at
from vmstate.vmsd.state import is_state, items_of

MINIMAL, FULL = "minimal", "full"


class Reason(Data):
    """An item that changed and counts: its class as it changed, and its value before and after, as JSON values."""

    item: str
    cls: ItemClass
    before: Any
    after: Any

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of a plan."""
        return {"item": self.item, "class": str(self.cls), "before": self.before, "after": self.after}


class Plan:
    """What a policy decided.

    `mode` is minimal or full; `reasons` are the items that count; `record` is the delta section that is sent, without
    header and footer, with the items `sent` besides those that are sent always, or those of `only`.
    """

    def __init__(
        self,
        policy: str,
        delta: Delta,
        backend: str,
        mode: str,
        reasons: Iterable[Reason] = (),
        sent: Iterable[str] = (),
        only: tuple[str, ...] | None = None,
    ) -> None:
        self.policy = policy
        self.delta = delta
        self.backend = backend
        self.mode = mode
        self.reasons = tuple(reasons)
        self.vmsd = delta.snapshot.delta_vmsd if only is None else delta.snapshot.delta_vmsd_of(only)
        self.record = delta.full_record() if mode == FULL else delta.record(sent, only=only)

    @property
    def section(self) -> bytes | None:
        """The whole section, where it is sent."""
        return self.delta.data if self.mode == FULL else None

    @property
    def bytes(self) -> int:
        """The bytes of what is sent at the stop, without headers and footers of sections."""
        return len(self.record) if self.section is None else len(self.record) + len(self.section)

    @property
    def full_bytes(self) -> int:
        """The bytes of the whole section, which a migration without early state sends at the stop."""
        return len(self.delta.data)

    @cached_property
    def result(self) -> Any:
        """The destination's state once the plan is carried out."""
        snapshot = self.delta.snapshot
        if self.mode == FULL:
            return self.delta.state
        values = self.vmsd.decode(self.record, snapshot.generation, snapshot.facts, snapshot.name)
        return self.vmsd.put(values, snapshot.decode())

    @cached_property
    def lost(self) -> tuple[str, ...]:
        """The items that differ from the source's when the plan has been carried out, by carrying it out."""
        snapshot = self.delta.snapshot
        if self.mode == FULL:
            return ()
        looked_at = snapshot.table.items
        return tuple(
            item.name for item in looked_at if not snapshot.group(item.name).is_same(self.result, self.delta.state)
        )

    @property
    def is_exact(self) -> bool:
        """Whether the destination's section would be the source's, byte for byte, if it were saved again."""
        return self.mode == FULL or self.delta.snapshot.encode(self.result) == self.delta.data

    @cached_property
    def _orders(self) -> tuple[str | None, tuple[Operation, ...]]:
        snapshot, delta = self.delta.snapshot, self.delta
        backend: Backend = BACKENDS[self.backend]().open()
        reason = backend.can_start_early(snapshot.layout)
        table, name = snapshot.table, BackendName(self.backend)
        replay = table.replay.get(name, lambda _: ())
        begun = len(backend.done)
        if reason is None or self.backend == BackendName.VHOST_VDPA:
            # A vDPA device that cannot be started early has its memory pinned early all the same.
            backend.run(
                backend.early_start(
                    snapshot.layout, _without_unreachable_commands(replay(snapshot.state), snapshot.layout)
                )
            )
        if self.mode == FULL:
            backend.run(backend.stop())
        was_set = reason is None and self.mode != FULL
        requests = self._requests(name) if was_set else replay(delta.state)
        # What the plan loses, the back end is not told either: it goes by the destination's state.
        layout = table.layout(self.result)
        backend.run(backend.finish(layout, _without_unreachable_commands(requests, layout)))
        return reason, tuple(backend.done[begun:])

    def _requests(self, backend: BackendName) -> Iterable[Operation]:
        """What the items that are sent ask of the back end, in the order of application."""
        asked: set[Operation] = set()
        for reason in self.reasons:
            action = self.delta.table[reason.item].operations.get(backend)
            if action is None or reason.cls is not ItemClass.VALUE:
                continue
            for operation in action(self.delta.snapshot.state, self.delta.state):
                named = operation.replace(item=operation.item or reason.item)
                if named.replace(item=None) not in asked:
                    asked.add(named.replace(item=None))
                    yield named

    @property
    def refused_early(self) -> str | None:
        """Why the back end is not started early, or None."""
        return self._orders[0]

    @property
    def early_operations(self) -> tuple[Operation, ...]:
        """What the back end was told while the guest ran."""
        return tuple(operation for operation in self._orders[1] if operation.phase is Phase.EARLY)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What the back end is told at the stop, in order. Each is legal where it stands: a model has accepted it."""
        return tuple(operation for operation in self._orders[1] if operation.phase is Phase.STOP)

    @property
    def costs(self) -> Mapping[str, Cost]:
        """What the plan costs in the downtime, by the name of the set of figures; the sets are never mixed."""
        pairs = max(1, len(self.delta.layout.data) // 2)
        share = self.bytes / max(1, self.full_bytes)
        return {
            name.name: cost_of(
                name, self.backend, self.operations, full=self.mode == FULL, queue_pairs=pairs, share=share
            )
            for name in SETS
        }

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "mode": self.mode,
            "reasons": [reason.as_dict() for reason in self.reasons],
            "bytes": self.bytes,
            "full_bytes": self.full_bytes,
            "lost": list(self.lost),
            "operations": [_operation_values(operation) for operation in self.operations],
            "cost_ms": {figures: cost.as_ms() for figures, cost in self.costs.items()},
        }


def _without_unreachable_commands(operations: Iterable[Operation], layout: RingLayout) -> tuple[Operation, ...]:
    """The operations without commands where there is no control queue that could carry them."""
    return tuple(
        operation for operation in operations if layout.control is not None or operation.name not in CVQ_COMMANDS
    )


def _operation_values(operation: Operation) -> dict[str, Any]:
    return {**operation.as_dict(), "phase": str(operation.phase)}


class Policy:
    """A rule that makes a plan of a delta."""

    name: ClassVar[str]

    def record_vmsd(self, snapshot: Snapshot) -> DeltaVMSD:
        """The description of the records that the policy's plans send."""
        return snapshot.delta_vmsd

    def plan(self, delta: Delta, backend: str = BackendName.TAP) -> Plan:
        """What to do about a delta for a back end (`tap`, `vhost-net`, `vhost-user` or `vhost-vdpa`)."""
        if backend not in BACKENDS:
            raise EarlyError(f"there is no back end {backend!r}", expected=", ".join(BACKENDS))
        return self.decide(delta, backend)

    def decide(self, delta: Delta, backend: str) -> Plan:
        """The plan of a delta for a back end that there is."""
        raise NotImplementedError


class RfcV2(Policy):
    """The rule of RFC v2: any of the ten tracked things differs by value: the whole section; else the indices.

    It knows no resets: a device that was reset and came back with the same values is taken for one that was not.
    """

    name = "rfc-v2"

    def record_vmsd(self, snapshot: Snapshot) -> DeltaVMSD:
        return snapshot.delta_vmsd_of(_indices(snapshot.table))

    def decide(self, delta: Delta, backend: str) -> Plan:
        changed = [delta.table[name] for name in delta.changed]
        tracked = [
            item for item in changed if item.tracked is not None and any(map(_is_value, delta.change(item.name)))
        ]
        reasons = [_reason(delta, item, item.cls) for item in tracked]
        if reasons:
            return Plan(self.name, delta, backend, FULL, reasons)
        return Plan(self.name, delta, backend, MINIMAL, only=_indices(delta.table))


def _indices(table: ItemTable) -> tuple[str, ...]:
    return (table.of_role(Role.INDICES).name,)


def _is_value(difference: Difference) -> bool:
    """Whether a value differs, and not only how many there are: a flag of a queue that is out of use is not sent."""
    steps, before, after = difference
    return not (isinstance(steps[-1], int) and (before is None or after is None))


class PerItem(Policy):
    """Each item by itself: what changed is sent, and everything only after a reset.

    1. A reset, known or inferred, or an item of the class `reset` that changed: the whole section.
    2. Otherwise the items that are sent always, and each other item that changed.
    """

    name = "per-item"

    def decide(self, delta: Delta, backend: str) -> Plan:
        reasons: list[Reason] = []
        sent: list[str] = []
        for name in delta.changed:
            item = delta.table[name]
            cls = class_of_change(delta, item, backend)
            if cls is not ItemClass.ALWAYS:
                reasons.append(_reason(delta, item, cls))
                sent.append(name)
        # What is the host's and differs all the same is for the destination to refuse: it gets the whole section.
        is_reset = any(reason.cls in (ItemClass.RESET, ItemClass.HOST) for reason in reasons)
        if delta.evidence.is_reset and not is_reset:
            reasons.append(_reset_alone(delta))
            is_reset = True
        if is_reset:
            return Plan(self.name, delta, backend, FULL, reasons)
        plan = Plan(self.name, delta, backend, MINIMAL, reasons, sent)
        if plan.is_exact:
            return plan
        # Bytes that QEMU reads and would never write, as a bool of 2: no value says them.
        return Plan(self.name, delta, backend, FULL, (*reasons, _reason_of_odd_bytes(delta, plan)))


POLICIES: Mapping[str, type[Policy]] = {policy.name: policy for policy in (PerItem, RfcV2)}
"""The policies by the names that the command line has for them."""


def class_of_change(delta: Delta, item: Item, backend: str) -> ItemClass:
    """The class of an item that changed, by how it changed, for a back end."""
    early, final = delta.snapshot.layout, delta.layout
    match item.rule:
        case None:
            return item.cls
        case MixedRule.ADDED_FLAG:
            (_, before, after), *_ = delta.change(item.name)
            return ItemClass.VALUE if before | item.flag == after else item.cls
        case MixedRule.RESTARTED_QUEUE:
            one_by_one = restarts_explain(early, final) or delta.is_counted
            possible = BACKENDS[backend].can_reset_queue and early.can_reset_queues and final.can_reset_queues
            restarted = possible and one_by_one and not delta.evidence.is_reset
            return ItemClass.VALUE if restarted else item.cls
        case MixedRule.EXPLAINED_BY_EXTENT:
            extent = delta.table.holder(Role.EXTENT)
            return ItemClass.VALUE if extent is not None and extent.name in delta.changed else item.cls
        case MixedRule.FOLLOWS_RINGS:
            rings = delta.table.of_role(Role.RINGS)
            return class_of_change(delta, rings, backend) if rings.name in delta.changed else item.cls


def _reason(delta: Delta, item: Item, cls: ItemClass) -> Reason:
    early, final = delta.snapshot.state, delta.state
    if item.shown is not None:
        return Reason(item.name, cls, shown(value_at(early, item.shown)), shown(value_at(final, item.shown)))
    differences = delta.change(item.name)
    if len(differences) == 1 and not any(isinstance(step, int) for step in differences[0][0]):
        return Reason(item.name, cls, shown(differences[0][1]), shown(differences[0][2]))
    before = {format_path(steps): shown(value) for steps, value, _ in differences}
    after = {format_path(steps): shown(value) for steps, _, value in differences}
    return Reason(item.name, cls, before, after)


def _reset_alone(delta: Delta) -> Reason:
    """A reset that has left every other item as it was."""
    if delta.evidence.reset == KNOWN:
        status = delta.table.of_role(Role.STATUS)
        value = value_at(delta.state, status.shown or "")
        before, after = (f"{value} (reset generation {count})" for count in delta.counted_resets)
        return Reason(status.name, ItemClass.RESET, before, after)
    return _reason(delta, delta.table.of_role(Role.INDICES), ItemClass.RESET)


def _reason_of_odd_bytes(delta: Delta, plan: Plan) -> Reason:
    """The first bytes that differ though no value does."""
    made = delta.snapshot.encode(plan.result)
    ends = (
        place
        for place, (made_byte, final_byte) in enumerate(zip(made, delta.data, strict=False))
        if made_byte != final_byte
    )
    place = next(ends, min(len(made), len(delta.data)))
    path, item = "", delta.table.of_role(Role.REST).name
    for name, entry in delta.snapshot.vmsd.trace(delta.data, facts=delta.facts).items():
        if entry.offset <= place < entry.offset + entry.size:
            owner = delta.table.owner(_without_places(name))
            path, item = name, item if owner is None else owner.name
    raw = f"{path}: bytes that no value stands for, at offset {place:#x} of the section"
    return Reason(item, ItemClass.RESET, None, raw)


def _without_places(path: str) -> str:
    return "".join(part.partition("]")[2] if index else part for index, part in enumerate(path.split("[")))


def shown(value: Any) -> Any:
    """A value as a JSON value for reading: addresses and flags as text, sets in order.

    Of a long array of structs only the elements that are not zero stand there, by their number.
    """
    if isinstance(value, Flag) or (isinstance(value, bytes) and type(value) is not bytes):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if is_state(value):
        return {name: shown(inner) for name, inner in items_of(value)}
    if isinstance(value, (list, tuple, Records)):
        if len(value) >= BY_ELEMENT and is_state(value[0]):
            return {str(number): shown(element) for number, element in enumerate(value) if _is_something(element)}
        return [shown(element) for element in value]
    return to_plain(value)


def _is_something(state: Any) -> bool:
    return any(value not in (0, None, [0, 0]) for _, value in items_of(state))
