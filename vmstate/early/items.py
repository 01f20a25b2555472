"""Items: what a device's section is made of, for whoever must decide what changed and what to do about it.

A device declares a table of items as data, beside its description: which fields an item has, how it is resynchronised,
in which order, and what each back end is told. The engine knows no device; it reads tables. The record of a
device (`vmstate.vmsd.record`) names its table ("module:NAME"), which is imported when somebody asks.

The classes of items:

always   changes all the time and is small: sent at every stop, never a reason for a full reload
value    a new value is sent and set
reset    nothing can be patched: the early back end is stopped, the early state cleared, everything loaded again
host     the host's, and the same on both sides: compared, never sent

A row whose class depends on how it changed has a `rule` beside its class (`vmstate.early.policy`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from enum import StrEnum
from functools import cached_property
from typing import Any

from vmstate.early.layout import RingLayout
from vmstate.early.operations import Operation, Role
from vmstate.errors import DescriptionError
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.record import record_of


class ItemClass(StrEnum):
    """How an item that changed is resynchronised."""

    ALWAYS = "always"
    VALUE = "value"
    RESET = "reset"
    HOST = "host"


class MixedRule(StrEnum):
    """The rows whose class depends on how they changed: the rule that decides."""

    ADDED_FLAG = "needs-reset"
    """`value` if the item's `flag` was added and nothing else."""
    RESTARTED_QUEUE = "ring-reset"
    """`value` where the driver may restart one queue, and the back end can."""
    EXPLAINED_BY_EXTENT = "explained-by-queue-pairs"
    """`value` where how much of the device is in use changed too (`Role.EXTENT`)."""
    FOLLOWS_RINGS = "follows-rings"
    """What a reset brings back is the host's; whether it is sent at all follows what is in use (`Role.RINGS`)."""


class BackendName(StrEnum):
    """The back ends that a table says something of."""

    TAP = "tap"
    VHOST_NET = "vhost-net"
    VHOST_USER = "vhost-user"
    VHOST_VDPA = "vhost-vdpa"


Action = Callable[[Any, Any], Iterable[Operation]]
"""What a back end is told of an item that changed: from the state it was set to, and the one it must have."""

Replay = Callable[[Any], Iterable[Operation]]
"""What brings a back end that was just opened, or reset, to a state."""


class Item(Data):
    """One row of a table.

    `paths` are paths into the device's state, of fields, structs or subsections; the longest that fits decides, so
    that one item can have a struct and another a field inside it. A subsection's header is the subsection's.
    `tracked` is the number of the RFC v2 patch that compares the item. `shown` is the path of a value that says the
    item in few words. `forbids_early_start` says why a back end cannot be started early while the item is there. `role`
    is what the engine knows the item as. `flag` is the bit that `MixedRule.ADDED_FLAG` means.
    """

    name: str
    cls: ItemClass
    paths: tuple[str, ...]
    source: str
    rule: MixedRule | None = None
    tracked: int | None = None
    shown: str | None = None
    operations: Mapping[BackendName, Action] = {}
    forbids_early_start: str | None = None
    role: Role | None = None
    flag: int = 0


class Constant(Data):
    """Something the host decides that is no item of its own: its name, and how it is read from a device's state.

    Tuples are compared as far as both go; None says nothing, and is compared with nothing.
    """

    name: str
    read: Callable[[Any], Any]


class ItemTable(Data):
    """The items of a device, in the order in which they are applied; the `always` ones are applied last.

    `layout` makes of a device's state what its back end has to know of it; its `control` is a queue that no driver
    resets alone. `events` says which items an event can change that a hook in the device model reports. `replay` is
    the items' part of a back end's start. `notices` are what the world is told, once, when a guest goes on with it.
    `set_by_load` names the attributes that a load sets itself where the stream has no value for them; `allocated` the
    arrays for which a load allocates memory without freeing what was there (VMSTATE_VARRAY_UINT16_ALLOC).
    """

    name: str
    items: tuple[Item, ...]
    layout: Callable[[Any], RingLayout]
    constants: tuple[Constant, ...] = ()
    events: Mapping[str, tuple[str, ...]] = {}
    replay: Mapping[BackendName, Replay] = {}
    notices: Callable[[Any], tuple[str, ...]] | None = None
    set_by_load: tuple[str, ...] = ()
    allocated: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the items, in their order."""
        return tuple(item.name for item in self.items)

    def __getitem__(self, name: str) -> Item:
        """The item of that name."""
        for item in self.items:
            if item.name == name:
                return item
        raise DescriptionError(f"{self.name!r} has no item {name!r}", expected=", ".join(self.names))

    def holder(self, role: Role) -> Item | None:
        """The item that has a role; None where none has."""
        return next((item for item in self.items if item.role is role), None)

    def of_role(self, role: Role) -> Item:
        """The item that has a role, which there must be."""
        item = self.holder(role)
        if item is None:
            raise DescriptionError(f"{self.name!r} has no item that is its {role.name.lower()}")
        return item

    @cached_property
    def _item_by_path(self) -> dict[str, Item]:
        return {path: item for item in reversed(self.items) for path in item.paths}

    @cached_property
    def _items_inside(self) -> dict[str, set[str]]:
        inside: dict[str, set[str]] = {}
        for path, item in self._item_by_path.items():
            while path := path.rpartition(".")[0]:
                inside.setdefault(path, set()).add(item.name)
        return inside

    def owner(self, path: str) -> Item | None:
        """The item that has the part of a state at `path` (names and dots, without places in arrays)."""
        while path and path not in self._item_by_path:
            path = path.rpartition(".")[0]
        return self._item_by_path.get(path)

    def inside(self, path: str) -> Set[str]:
        """The names of the items that have a part of what is at `path`, and not all of it."""
        return self._items_inside.get(path, frozenset())


def check_table(table: ItemTable) -> None:
    """Refuse a table that names an item twice or gives one path to two items."""
    seen: dict[str, str] = {}
    for item in table.items:
        for path in item.paths:
            if path in seen:
                raise DescriptionError(f"{table.name!r}: {path!r} belongs to {seen[path]!r} and to {item.name!r}")
            seen[path] = item.name
    roles = [item.role for item in table.items if item.role is not None]
    if len(set(roles)) != len(roles):
        raise DescriptionError(f"{table.name!r} has two items of one role")
    if len(set(table.names)) != len(table.items):
        raise DescriptionError(f"{table.name!r} has two items of one name")


def table_of(vmsd: VMStateDescription) -> ItemTable | None:
    """The table of a device's description; None where it has none."""
    record = record_of(vmsd)
    table = None if record is None else record.part("items")
    if table is not None and not isinstance(table, ItemTable):
        raise DescriptionError(f"the items of {vmsd.name!r} are no table of items")
    return table
