"""Descriptions from, and to, QEMU's own JSON: vmdesc and -dump-vmstate."""

from __future__ import annotations

from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.schema.dump import Dump, read_dump
    from vmstate.schema.vmdesc import DIALECTS, Dialect, Vmdesc, read_vmdesc
    from vmstate.schema.write import describe_device, json_text

__all__ = [
    "DIALECTS",
    "Dialect",
    "Dump",
    "Vmdesc",
    "describe_device",
    "json_text",
    "read_dump",
    "read_vmdesc",
]

if not TYPE_CHECKING:
    # A checker would take every name for one that is here.
    __getattr__, __dir__ = names_on_demand(
        globals(),
        {
            "vmstate.schema.dump": ("Dump", "read_dump"),
            "vmstate.schema.vmdesc": ("DIALECTS", "Dialect", "Vmdesc", "read_vmdesc"),
            "vmstate.schema.write": ("describe_device", "json_text"),
        },
    )
