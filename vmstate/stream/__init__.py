"""The migration stream: reader, writer, sections, RAM."""

from __future__ import annotations

from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.stream.memory_map import MemoryRange
    from vmstate.stream.stream import RamSummary

__all__ = [
    "MemoryRange",
    "RamSummary",
]

if not TYPE_CHECKING:
    # A checker would take every name for one that is here.
    __getattr__, __dir__ = names_on_demand(
        globals(),
        {
            "vmstate.stream.memory_map": ("MemoryRange",),
            "vmstate.stream.stream": ("RamSummary",),
        },
    )
