"""Comparing: two streams (diff), two schemas (compat), a stream and a destination (explain); what each device costs."""

from __future__ import annotations

from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.compare.cost import StreamCost, cost_of
    from vmstate.compare.diff import Change
    from vmstate.compare.explained import Explained
    from vmstate.compare.findings import CompatFinding
    from vmstate.compare.schemas import Schema, open_schema
    from vmstate.compare.target import Target, open_target, write_target

__all__ = [
    "Change",
    "CompatFinding",
    "Explained",
    "Schema",
    "StreamCost",
    "Target",
    "cost_of",
    "open_schema",
    "open_target",
    "write_target",
]

if not TYPE_CHECKING:
    # A checker would take every name for one that is here.
    __getattr__, __dir__ = names_on_demand(
        globals(),
        {
            "vmstate.compare.cost": ("StreamCost", "cost_of"),
            "vmstate.compare.diff": ("Change",),
            "vmstate.compare.explained": ("Explained",),
            "vmstate.compare.findings": ("CompatFinding",),
            "vmstate.compare.schemas": ("Schema", "open_schema"),
            "vmstate.compare.target": ("Target", "open_target", "write_target"),
        },
    )
