"""What a description is compiled to: the plan of one version, a list of steps and a list of puts.

There are two kinds of plans: the fast ones know no paths; the careful ones read field by field. Where the fast plan
fails, the careful one is run over the same bytes to say where, and it is the one that traces and that writes residue
back. A description keeps its plans.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from vmstate.codec.runtime import Context, Frame
from vmstate.errors import VMStateError
from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.description import Field, Subsection, VMStateDescription

Step = Callable[[Context, Frame, int, list[Any]], int]
"""Reads one field, or a run of them: `step(ctx, frame, pos, values) -> pos`; values are appended."""
Put = Callable[[Context, Frame, bytearray], None]
"""Writes the same from `frame.values`."""
Make = Callable[[list[Any]], Any]
"""The state of a struct from the values of its fields."""
Reader = Callable[[Context, Frame, int, list[Any]], int]
"""Reads one element: `read(ctx, frame, pos, out) -> pos`; the value is appended to `out`."""
Writer = Callable[[Context, Frame, Any, bytearray], None]
"""Writes one element: `write(ctx, frame, value, out)`."""


class Element(NamedTuple):
    """One element: reader, writer, the size where it is always the same, and the least it takes."""

    read: Reader
    write: Writer
    size: int | None
    least: int


class Plan(NamedTuple):
    """A description compiled for one version."""

    vmsd: VMStateDescription
    version_id: int
    careful: bool
    layout: Mapping[str, int]
    steps: tuple[Step, ...]
    puts: tuple[Put, ...]
    subsections: tuple[tuple[int, Subsection], ...]
    make: Make
    split: Callable[[Any], list[Any]]
    width: int
    size: int | None
    least: int


class Place(NamedTuple):
    """A field, the slot of its value in a frame, and the key of its residue.

    Where the name repeats the state has one list for all: `element` is the index that the value has in it, `first`
    the one that the first element of an array has in it.
    """

    field: Field
    slot: int
    key: str
    element: int | None = None
    first: int = 0


class Codecs:
    """All plans of one kind: fast or careful."""

    def __init__(self, careful: bool) -> None:
        self.careful = careful

    def plan(self, vmsd: VMStateDescription, version_id: int) -> Plan:
        """The plan of a description at a version; a description keeps its plans."""
        plan: Plan | None = vmsd.compiled.get((version_id, self.careful))
        if plan is None:
            # Compiling stands above all that is compiled to, and asks here for the plans of the structs inside.
            from vmstate.codec.compile import compile_plan

            plan = vmsd.compiled[version_id, self.careful] = compile_plan(vmsd, version_id, self)
        return plan


FAST = Codecs(careful=False)
CAREFUL = Codecs(careful=True)

# What a wrong byte or value can raise inside the fast plan; the careful plan then says what it was.
STUMBLES = (
    struct.error,
    IndexError,
    OverflowError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    VMStateError,
)
