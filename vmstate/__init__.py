"""vmstate: the bytes in which QEMU saves a machine.

A device's state is declared once, as a `VMStateDescription`; from that declaration this library reads, writes and
checks real QEMU migration streams, byte-exact.

    import vmstate

    stream = vmstate.load("guest.mig")
    stream["serial"].state["state"]["divider"]
    stream.save("copy.mig")

What everybody needs is here. All else that is public is in one of these modules, and in no other:

    vmstate.declare   the words and expressions in which a device is declared
    vmstate.events    what a `StreamReader` gives and a `StreamWriter` takes
    vmstate.stream    what a stream says of its memory
    vmstate.rules     the evaluator of QEMU's rules, destinations, one value set from Python
    vmstate.saved     files that hold a stream, opened to plain bytes
    vmstate.schema    descriptions from, and to, QEMU's own JSON
    vmstate.compare   schemas, targets and costs by themselves, and the single results of a comparison
    vmstate.query     what an answer says of its origin
    vmstate.early     early migration
    vmstate.lab       real QEMU
    vmstate.report    the page of a stream (extra `report`)
    vmstate.fuzz      streams that are wrong in one place (strategies: extra `fuzz`)
    vmstate.errors    every exception

The public names of a room are its `__all__`; what is inside may change.
"""

from __future__ import annotations

from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.codec import Records
    from vmstate.compare.compat import Compatibility, compat
    from vmstate.compare.diff import Difference, diff
    from vmstate.compare.explain import explain
    from vmstate.compare.explained import Explanation
    from vmstate.errors import (
        DecodeError,
        DescriptionError,
        EncodeError,
        PathError,
        QueryError,
        SchemaError,
        StreamError,
        TruncatedError,
        VMStateError,
    )
    from vmstate.query.ask import Answer, ask
    from vmstate.rules.check import check
    from vmstate.rules.edit import Edit, RefusedError, assign
    from vmstate.saved.loading import load
    from vmstate.saved.thin import thin
    from vmstate.schema.write import describe
    from vmstate.stream.events import DONE, NEED_DATA
    from vmstate.stream.finding import Finding
    from vmstate.stream.memory import GuestMemory
    from vmstate.stream.reader import StreamReader
    from vmstate.stream.stream import Section, Stream
    from vmstate.stream.verify import verify
    from vmstate.stream.writer import StreamWriter
    from vmstate.vmsd.description import TraceEntry, VMStateDescription
    from vmstate.vmsd.path import resolve
    from vmstate.vmsd.state import State

__version__ = "0.1.0"

__all__ = [
    "DONE",
    "NEED_DATA",
    "Answer",
    "Compatibility",
    "DecodeError",
    "DescriptionError",
    "Difference",
    "Edit",
    "EncodeError",
    "Explanation",
    "Finding",
    "GuestMemory",
    "PathError",
    "QueryError",
    "Records",
    "RefusedError",
    "SchemaError",
    "Section",
    "State",
    "Stream",
    "StreamError",
    "StreamReader",
    "StreamWriter",
    "TraceEntry",
    "TruncatedError",
    "VMStateDescription",
    "VMStateError",
    "ask",
    "assign",
    "check",
    "compat",
    "describe",
    "diff",
    "explain",
    "load",
    "resolve",
    "thin",
    "verify",
]

if not TYPE_CHECKING:
    # A checker would take every name for one that is here.
    __getattr__, __dir__ = names_on_demand(
        globals(),
        {
            "vmstate.codec": ("Records",),
            "vmstate.compare.compat": ("Compatibility", "compat"),
            "vmstate.compare.diff": ("Difference", "diff"),
            "vmstate.compare.explain": ("explain",),
            "vmstate.compare.explained": ("Explanation",),
            "vmstate.errors": (
                "VMStateError",
                "DecodeError",
                "DescriptionError",
                "EncodeError",
                "PathError",
                "QueryError",
                "SchemaError",
                "StreamError",
                "TruncatedError",
            ),
            "vmstate.query.ask": ("Answer", "ask"),
            "vmstate.saved.loading": ("load",),
            "vmstate.saved.thin": ("thin",),
            "vmstate.schema.write": ("describe",),
            "vmstate.rules.check": ("check",),
            "vmstate.rules.edit": ("Edit", "RefusedError", "assign"),
            "vmstate.stream.events": ("DONE", "NEED_DATA"),
            "vmstate.stream.memory": ("GuestMemory",),
            "vmstate.stream.reader": ("StreamReader",),
            "vmstate.stream.stream": ("Section", "Stream"),
            "vmstate.stream.finding": ("Finding",),
            "vmstate.stream.verify": ("verify",),
            "vmstate.stream.writer": ("StreamWriter",),
            "vmstate.vmsd.description": ("TraceEntry", "VMStateDescription"),
            "vmstate.vmsd.path": ("resolve",),
            "vmstate.vmsd.state": ("State",),
        },
    )
