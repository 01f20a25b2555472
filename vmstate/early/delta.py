"""The descriptions of early migration: what is sent early, and the record at the stop.

Both are derived from the device's own description. `early-NAME` has `early_setup`; it is the device's section behind
the early generation. `delta-NAME` is the record: the early generation, whether the whole section follows, the items
that are sent always, and one subsection for each item that changed. QEMU reads subsections by their prefix, and inside
a record stands the struct `virtio`; so no name here may begin with that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vmstate.early.groups import Group, choices_of, derive
from vmstate.early.items import ItemClass, ItemTable
from vmstate.errors import DecodeError, EarlyError, VMStateError
from vmstate.vmsd import types as t
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import Field, Subsection, VMStateDescription
from vmstate.vmsd.expr import not_, this
from vmstate.vmsd.state import State, facts_of

EARLY_PREFIX = "early-"
DELTA_PREFIX = "delta-"
VERSION = 1

EARLY_GENERATION, FULL, CHANGED, ALWAYS = "early_generation", "full", "changed", "always"


def early_of(vmsd: VMStateDescription, table: ItemTable) -> VMStateDescription:
    """The description of what is sent early: the generation, then the section as it is."""
    key = ("early", table)
    early: VMStateDescription | None = vmsd.compiled.get(key)
    if early is None:
        early = vmsd.compiled[key] = VMStateDescription(
            f"{EARLY_PREFIX}{table.name}",
            (Field(EARLY_GENERATION, t.UINT64), *vmsd.fields),
            VERSION,
            VERSION,
            vmsd.subsections,
            early_setup=True,
            doc="Provisional state, sent while the guest runs.",
        )
    return early


class DeltaVMSD(Data):
    """The description of a device's records, and the groups in it by item."""

    vmsd: VMStateDescription
    table: ItemTable
    always: Group
    groups: Mapping[str, Group]

    def encode(self, generation: int, state: Any, base: Any, items: Iterable[str], facts: Mapping[str, Any]) -> bytes:
        """A record against the early state `base`: the items that are sent always, and these."""
        wanted = set(items)
        values = State({EARLY_GENERATION: generation, FULL: False, CHANGED: 0})
        values[ALWAYS] = self.always.take(state, base)
        for name, group in self.groups.items():
            values[name] = group.take(state, base) if name in wanted else None
        values[CHANGED] = len(wanted)
        return self.vmsd.encode(values, facts=facts)

    def encode_full(self, generation: int, facts: Mapping[str, Any]) -> bytes:
        """The record that says that the whole section follows."""
        values = State({EARLY_GENERATION: generation, FULL: True, CHANGED: 0, ALWAYS: None})
        values.update(dict.fromkeys(self.groups))
        return self.vmsd.encode(values, facts=facts)

    def decode(self, data: bytes, generation: int, facts: Mapping[str, Any], name: str) -> State:
        """The values of a record. Nothing is applied. Raises `EarlyError` for one that is of another early state."""
        try:
            values: State = self.vmsd.decode(data, facts=facts)
        except VMStateError as error:
            raise error.within(section=name) from None
        if values[EARLY_GENERATION] != generation:
            raise EarlyError(
                "the record is of another early state",
                section=name,
                expected=f"early generation {generation:#x} (early state)",
                found=f"{values[EARLY_GENERATION]:#x} (record)",
            )
        sent = [item for item in self.groups if values[item] is not None]
        if len(sent) != values[CHANGED]:
            raise DecodeError(
                "the record has not the items that it says",
                section=name,
                expected=str(values[CHANGED]),
                found=str(sent),
            )
        return values

    def put(self, values: State, state: Any) -> Any:
        """Set what a record says in a state, item after item in the order of the table, what is sent always last."""
        for name, group in self.groups.items():
            if values[name] is not None:
                group.put(values[name], state)
        self.always.put(values[ALWAYS], state)
        return state


def delta_of(
    vmsd: VMStateDescription, table: ItemTable, state: Any, always: tuple[str, ...] | None = None
) -> DeltaVMSD:
    """The description of records for devices like the one that `state` is of.

    `always` are the items that every record has; those of the class `always`, where it is not given.
    """
    if always is None:
        always = tuple(item.name for item in table.items if item.cls is ItemClass.ALWAYS)
    key = ("delta", table, always, choices_of(facts_of(state)))
    delta: DeltaVMSD | None = vmsd.compiled.get(key)
    if delta is None:
        name = f"{DELTA_PREFIX}{table.name}"
        small = derive(vmsd, table, always, f"{name}/{ALWAYS}", state, dense=True)
        groups = {
            item.name: derive(vmsd, table, (item.name,), f"{name}/{item.name}/", state)
            for item in table.items
            if item.name not in always
        }
        fields = (
            Field(EARLY_GENERATION, t.UINT64),
            Field(FULL, t.BOOL),
            Field(CHANGED, t.UINT8),
            Field(ALWAYS, t.Struct("struct", small.vmsd), exists=not_(this.full)),
        )
        subsections = tuple(Subsection(group.vmsd, item) for item, group in groups.items())
        described = VMStateDescription(name, fields, VERSION, VERSION, subsections, doc="The record at the stop.")
        delta = vmsd.compiled[key] = DeltaVMSD(described, table, small, groups)
    return delta
