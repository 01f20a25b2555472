"""The rules of QEMU's and what answers by them: the evaluator, tables of the stream, `check`, `set`, destinations."""

from __future__ import annotations

from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.rules.check import unjudged
    from vmstate.rules.edit import set_value
    from vmstate.rules.evaluate import broken
    from vmstate.rules.known import KnownDestination
    from vmstate.vmsd.rule import Broken

__all__ = [
    "Broken",
    "KnownDestination",
    "broken",
    "set_value",
    "unjudged",
]

if not TYPE_CHECKING:
    # A checker would take every name for one that is here.
    __getattr__, __dir__ = names_on_demand(
        globals(),
        {
            "vmstate.rules.check": ("unjudged",),
            "vmstate.rules.edit": ("set_value",),
            "vmstate.rules.evaluate": ("broken",),
            "vmstate.rules.known": ("KnownDestination",),
            "vmstate.vmsd.rule": ("Broken",),
        },
    )
