"""`Snapshot`: what a device's section said when it was sent early; `Delta`: how it is different at the stop.

    snapshot = Snapshot.take(section.state)
    ...
    delta = snapshot.compare(section.state)
    delta.changed                             # the items that differ, in the order of application

A snapshot keeps the bytes of the section. At the stop the few single values are compared, and each array as the slice
of the section that it was read from, with no look at its elements: where all are equal, nothing else is done. Otherwise
the section is encoded, and where the bytes differ the groups are compared one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from vmstate.early.delta import EARLY_GENERATION, FULL, DeltaVMSD, delta_of, early_of
from vmstate.early.groups import Difference, Group, choices_of, derive, item_groups
from vmstate.early.items import ItemClass, ItemTable, table_of
from vmstate.early.layout import RingLayout
from vmstate.early.reset import Evidence, evidence_of
from vmstate.errors import EarlyError
from vmstate.vmsd.description import VMStateDescription, state_keys
from vmstate.vmsd.state import State, facts_of

GENERATION_BYTES = 8


class DirtyBits:
    """What the hooks of a device model have reported since the snapshot: the items that may have changed.

    The other source of a delta. `notify` takes an event of the table (a command of the control queue by its name,
    `config_write`, `status_write`, ...), `reset` a reset of the device. Items that no event names are compared anyway.
    """

    def __init__(self, table: ItemTable) -> None:
        self.table = table
        self.items: set[str] = set()
        self.resets = 0

    def notify(self, event: str) -> None:
        """An event that a hook has reported. Raises `EarlyError` for one that the table does not know."""
        if event not in self.table.events:
            raise EarlyError(f"{self.table.name} reports no {event!r}", expected=", ".join(self.table.events))
        self.items.update(self.table.events[event])

    def reset(self) -> None:
        """The driver, or the machine, has reset the device: everything may be different, and comparing cannot tell."""
        self.resets += 1
        self.items.update(self.table.names)

    def may_have_changed(self, item: str) -> bool:
        """Whether an item has to be looked at."""
        return item in self.items or not any(item in items for items in self.table.events.values())


class Snapshot:
    """What was sent early: the bytes of a device's section, its description, and the generation.

    `generation` is the id that both sides quote; without one it is made of the device's name and the bytes, so that it
    says which early state is meant. `reset_generation` counts the device's resets, where somebody counts them.
    """

    def __init__(
        self,
        vmsd: VMStateDescription,
        data: bytes,
        facts: dict[str, Any],
        generation: int | None = None,
        reset_generation: int | None = None,
    ) -> None:
        table = table_of(vmsd)
        if table is None:
            raise EarlyError("the device has no table of items", section=vmsd.name)
        self.vmsd = vmsd
        self.data = data
        self.facts = facts
        self.table: ItemTable = table
        self.reset_generation = reset_generation
        self._generation = generation

    @classmethod
    def take(cls, state: Any, *, generation: int | None = None, reset_generation: int | None = None) -> Snapshot:
        """A snapshot of a device's state (an object of a class that names a table). Raises `VMStateError`."""
        vmsd = getattr(type(state), "vmsd", None)
        if not isinstance(vmsd, VMStateDescription):
            raise EarlyError(f"a {type(state).__name__} is not the state of a device with a table of items")
        facts = dict(facts_of(state))
        return cls(vmsd, vmsd.encode(state, force=True), facts, generation, reset_generation)

    @property
    def name(self) -> str:
        """The idstr, where the state came from a section."""
        return str(self.facts.get("idstr") or self.vmsd.name)

    @cached_property
    def generation(self) -> int:
        """The id of this early state, 64 bits."""
        if self._generation is not None:
            return self._generation
        digest = hashlib.sha256(self.name.encode() + b"\0" + self.data).digest()
        return int.from_bytes(digest[:GENERATION_BYTES], "big")

    @cached_property
    def state(self) -> Any:
        """The state, of our own: not the object that the snapshot was taken of."""
        return self.decode()

    def decode(self) -> Any:
        """The state once more, as an object that is the caller's."""
        return self.vmsd.decode(self.data, facts=self.facts)

    def encode(self, state: Any) -> bytes:
        """The section of a state of this device."""
        return self.vmsd.encode(state, facts=self.facts, force=True)

    @cached_property
    def layout(self) -> RingLayout:
        """The device as its back end sees it."""
        return self.table.layout(self.state)

    @cached_property
    def delta_vmsd(self) -> DeltaVMSD:
        """The description of the records against this snapshot."""
        return delta_of(self.vmsd, self.table, self.state)

    def delta_vmsd_of(self, always: tuple[str, ...]) -> DeltaVMSD:
        """The description of records in which other items are those that every record has."""
        return delta_of(self.vmsd, self.table, self.state, always)

    @cached_property
    def early_vmsd(self) -> VMStateDescription:
        """The description with `early_setup` that is sent while the guest runs."""
        return early_of(self.vmsd, self.table)

    def to_early_bytes(self) -> bytes:
        """The early section, without header and footer."""
        values = State({EARLY_GENERATION: self.generation})
        values.update((name, getattr(self.state, name)) for name in state_keys(self.vmsd))
        return self.early_vmsd.encode(values, facts=self.facts, force=True)

    @cached_property
    def groups(self) -> Mapping[str, Group]:
        """The group of each item, by its name."""
        return item_groups(self.vmsd, self.table, self.state)

    def group(self, item: str) -> Group:
        """The group of one item."""
        return self.groups[item]

    @cached_property
    def whole(self) -> Group:
        """The group of all items."""
        return derive(self.vmsd, self.table, self.table.names, self.table.name, self.state)

    @cached_property
    def signature(self) -> Any:
        """The values of the state, as `Group.sign` makes them."""
        return self.whole.sign(self.state)

    def compare(self, state: Any, *, reset_generation: int | None = None, dirty: DirtyBits | None = None) -> Delta:
        """How a later state of the same device differs.

        `reset_generation` is the device's count of resets now, counted from the snapshot on where that has none; it
        decides. With `dirty` only the items that it names, and those that nothing reports, are looked at. Raises
        `EarlyError` where it is not a later state of the same device: another device, transport or host constant.
        """
        if type(state) is not self.vmsd.state_class:
            raise EarlyError(
                "not the same kind of device", section=self.name, expected=self.vmsd.name, found=type(state).__name__
            )
        facts = dict(facts_of(state))
        self._refuse_other_facts(facts)
        same = facts == self.facts and self.whole.sign(state) == self.signature
        data = self.data if same else self.vmsd.encode(state, force=True)
        return Delta(self, data, facts, reset_generation, dirty)

    def apply(self, record: bytes, onto: Any = None) -> Any:
        """The state that a record leads to: a delta section against this snapshot, without header and footer.

        `onto` is the destination's own early state, which is changed; a new one where it is not given. Nothing is
        changed where the record is refused. Raises `EarlyError` for the record of another early state, and for one
        that says that the whole section follows; `DecodeError` for what is no record.
        """
        values = self.delta_vmsd.decode(record, self.generation, self.facts, self.name)
        if values[FULL]:
            raise EarlyError("the record says that the whole section follows", section=self.name)
        return self.delta_vmsd.put(values, self.decode() if onto is None else onto)

    def _refuse_other_facts(self, facts: dict[str, Any]) -> None:
        if facts == self.facts:
            return
        if facts.get("idstr", "") != self.facts.get("idstr", ""):
            raise EarlyError("not the same device", expected=self.name, found=str(facts.get("idstr")))
        for name, value in choices_of(self.facts):
            if name in facts and facts[name] != value:
                raise EarlyError(
                    f"a constant of the host differs: {name}",
                    section=self.name,
                    expected=f"{value!r} (early)",
                    found=f"{facts[name]!r} (final)",
                )


class Delta:
    """How a device's state at the stop differs from the snapshot.

    `changed` are the names of the items that differ, of every class, in the order of application.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        data: bytes,
        facts: dict[str, Any],
        reset_generation: int | None = None,
        dirty: DirtyBits | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.data = data
        self.facts = facts
        self.reset_generation = reset_generation
        self.dirty = dirty
        self.is_same = data == snapshot.data
        if not self.is_same:
            self._refuse_other_host()

    @property
    def table(self) -> ItemTable:
        """The device's items."""
        return self.snapshot.table

    @cached_property
    def state(self) -> Any:
        """The state at the stop, of our own."""
        return self.snapshot.state if self.is_same else self.snapshot.vmsd.decode(self.data, facts=self.facts)

    @cached_property
    def layout(self) -> RingLayout:
        """The device as its back end sees it at the stop."""
        return self.snapshot.layout if self.is_same else self.table.layout(self.state)

    @cached_property
    def changed(self) -> tuple[str, ...]:
        """The names of the items that differ."""
        if self.is_same:
            return ()
        looked_at = [
            item.name for item in self.table.items if self.dirty is None or self.dirty.may_have_changed(item.name)
        ]
        early, final = self.snapshot.state, self.state
        return tuple(name for name in looked_at if not self.snapshot.group(name).is_same(early, final))

    def change(self, item: str) -> tuple[Difference, ...]:
        """Where an item differs."""
        return tuple(self.snapshot.group(item).differences(self.snapshot.state, self.state))

    @property
    def counted_resets(self) -> tuple[int | None, int | None]:
        """The counts of the device's resets at both moments, where somebody counts them."""
        if self.dirty is not None:
            return 0, self.dirty.resets
        if self.reset_generation is None:
            return self.snapshot.reset_generation, None
        return self.snapshot.reset_generation or 0, self.reset_generation

    @property
    def is_counted(self) -> bool:
        """Whether resets are counted, so that there is nothing to infer."""
        return None not in self.counted_resets

    @cached_property
    def evidence(self) -> Evidence:
        """Whether the device was reset between: `reset` is none-seen, inferred or known, and why."""
        return evidence_of(self.snapshot.layout, self.layout, *self.counted_resets)

    def record(self, items: Iterable[str], *, only: Sequence[str] | None = None) -> bytes:
        """The delta section that sends these items, besides those that are sent always; without header and footer.

        `only` names the items that are sent always in place of the table's.
        """
        vmsd = self.snapshot.delta_vmsd if only is None else self.snapshot.delta_vmsd_of(tuple(only))
        return vmsd.encode(self.snapshot.generation, self.state, self.snapshot.state, items, self.facts)

    def full_record(self) -> bytes:
        """The delta section that says that the whole section follows."""
        return self.snapshot.delta_vmsd.encode_full(self.snapshot.generation, self.facts)

    def _refuse_other_host(self) -> None:
        early, final = self.snapshot.state, self.state
        for constant in self.table.constants:
            before, after = constant.read(early), constant.read(final)
            if isinstance(before, tuple) and isinstance(after, tuple):
                common = min(len(before), len(after))
                before, after = before[:common], after[:common]
            if before != after and None not in (before, after):
                self._refuse_constant(constant.name, before, after)
        for item in self.table.items:
            if item.cls is ItemClass.HOST and item.rule is None:
                for steps, before, after in self.snapshot.group(item.name).differences(early, final):
                    self._refuse_constant(str(steps[-1]), before, after)

    def _refuse_constant(self, name: str, before: Any, after: Any) -> None:
        raise EarlyError(
            f"a constant of the host differs: {name}",
            section=self.snapshot.name,
            expected=f"{before} (early)",
            found=f"{after} (final)",
        )
