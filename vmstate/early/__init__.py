"""Early migration: device state that is sent while the guest runs, and what is to be done about it at stop-and-copy.

Its parts: the engine (`Snapshot`, `Delta`, the policies), the two state machines (`Source`, `Destination`), the models
of the back ends (`Tap`, `VhostNet`, `VhostUser`, `VhostVdpa`), the cost (`what_if`). A plan needs neither the state
machines nor the figures, and does not import them.
"""

from __future__ import annotations

from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.early.backends.base import Backend, BackendFailure, IllegalOperation
    from vmstate.early.backends.kernel import Tap, VhostNet
    from vmstate.early.backends.user import VhostUser
    from vmstate.early.backends.vdpa import VhostVdpa
    from vmstate.early.cost import Cost, Question, example, what_if
    from vmstate.early.destination import Destination
    from vmstate.early.items import Item, ItemClass, ItemTable, table_of
    from vmstate.early.migration import set_up, switch_over
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
    "example",
    "plan_streams",
    "record_streams",
    "set_up",
    "switch_over",
    "table_of",
    "what_if",
]

if not TYPE_CHECKING:
    # A checker would take every name for one that is here.
    __getattr__, __dir__ = names_on_demand(
        globals(),
        {
            "vmstate.early.backends.base": ("Backend", "BackendFailure", "IllegalOperation"),
            "vmstate.early.backends.kernel": ("Tap", "VhostNet"),
            "vmstate.early.backends.user": ("VhostUser",),
            "vmstate.early.backends.vdpa": ("VhostVdpa",),
            "vmstate.early.cost": ("Cost", "Question", "example", "what_if"),
            "vmstate.early.destination": ("Destination",),
            "vmstate.early.items": ("Item", "ItemClass", "ItemTable", "table_of"),
            "vmstate.early.migration": ("set_up", "switch_over"),
            "vmstate.early.operations": ("Operation",),
            "vmstate.early.policy": ("PerItem", "Plan", "Policy", "Reason", "RfcV2"),
            "vmstate.early.snapshot": ("Delta", "DirtyBits", "Snapshot"),
            "vmstate.early.source": ("Source",),
            "vmstate.early.streams": ("DevicePlan", "apply_record", "plan_streams", "record_streams"),
        },
    )
