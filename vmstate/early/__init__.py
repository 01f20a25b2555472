"""Early migration: device state that is sent while the guest runs, and what is to be done about it at stop-and-copy.

Its parts: the engine (`Snapshot`, `Delta`, the policies), the two state machines (`Source`, `Destination`), the models
of the back ends (`Tap`, `VhostNet`, `VhostUser`, `VhostVdpa`), the cost (`what_if`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmstate.early.backends.base import Backend, BackendFailure, IllegalOperation
    from vmstate.early.backends.kernel import Tap, VhostNet
    from vmstate.early.backends.user import VhostUser
    from vmstate.early.backends.vdpa import VhostVdpa
    from vmstate.early.cost import Cost, Question, what_if
    from vmstate.early.destination import Destination
    from vmstate.early.items import Item, ItemClass, ItemTable, table_of
    from vmstate.early.operations import Operation
    from vmstate.early.policy import PerItem, Plan, Policy, Reason, RfcV2
    from vmstate.early.snapshot import Delta, DirtyBits, Snapshot
    from vmstate.early.source import Source
    from vmstate.early.streams import DevicePlan, apply_record, plan_streams, record_streams

__all__ = [
    "Backend",
    "BackendFailure",
    "Cost",
    "Delta",
    "Destination",
    "DevicePlan",
    "DirtyBits",
    "IllegalOperation",
    "Item",
    "ItemClass",
    "ItemTable",
    "Operation",
    "PerItem",
    "Plan",
    "Policy",
    "Question",
    "Reason",
    "RfcV2",
    "Snapshot",
    "Source",
    "Tap",
    "VhostNet",
    "VhostUser",
    "VhostVdpa",
    "apply_record",
    "plan_streams",
    "record_streams",
    "table_of",
    "what_if",
]

_MODULES = (
    *("snapshot", "policy", "items", "streams", "source", "destination"),
    *("backends.base", "backends.kernel", "backends.user", "backends.vdpa", "operations", "cost"),
)


def __getattr__(name: str) -> Any:
    # A plan needs neither the state machines nor the figures: a module is imported when something of it is asked for.
    for module in _MODULES if name in __all__ else ():
        found = import_module(f"{__name__}.{module}")
        # Where it is defined, not where it is used.
        if getattr(getattr(found, name, None), "__module__", None) == found.__name__:
            globals()[name] = getattr(found, name)
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
