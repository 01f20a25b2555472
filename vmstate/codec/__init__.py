"""From descriptions to bytes and back."""

from __future__ import annotations

from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.codec.codec import Codec
    from vmstate.codec.records import Records
    from vmstate.codec.simulate import load_state, save_state

__all__ = ["Codec", "Records", "load_state", "save_state"]

if not TYPE_CHECKING:
    # A checker would take every name for one that is here.
    __getattr__, __dir__ = names_on_demand(
        globals(),
        {
            "vmstate.codec.codec": ("Codec",),
            "vmstate.codec.records": ("Records",),
            "vmstate.codec.simulate": ("load_state", "save_state"),
        },
    )
