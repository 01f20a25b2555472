"""What is asked of a state: which rules of QEMU's it breaks, and where in its bytes a value stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmstate.codec.codec import with_place
from vmstate.codec.plan import CAREFUL
from vmstate.codec.runtime import Context
from vmstate.codec.structs import check_version_to_write, version_to_write, write_struct
from vmstate.errors import VMStateError
from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.description import Field, VMStateDescription
from vmstate.vmsd.expr import DESTINATION, OWN_STATE, Const, Fact
from vmstate.vmsd.path import Steps
from vmstate.vmsd.rule import Beside, Broken, Rule
from vmstate.vmsd.state import meta_of


def judge(
    vmsd: VMStateDescription,
    state: Any,
    *,
    version_id: int | None = None,
    facts: Mapping[str, Any] | None = None,
    own: Any = None,
) -> list[Broken]:
    """Every rule of QEMU's that a state breaks, or that cannot be judged by what is told.

    `own` is the state that the destination has. A value that cannot be written at all is the last of them.
    """
    meta = meta_of(state)
    version = version_to_write(vmsd, meta, version_id)
    ctx = Context(b"", facts={**(meta.facts if meta is not None else {}), **(facts or {})})
    if own is not None:
        ctx.facts |= {OWN_STATE.name: own, DESTINATION.name: True}
        ctx.beside = Beside(state, own)
    ctx.path = []
    ctx.broken = []
    try:
        check_version_to_write(ctx, vmsd, version)
        write_struct(CAREFUL.plan(vmsd, version), ctx, None, state, bytearray())
    except VMStateError as error:
        detail = "" if error.found is None else f" (expected {error.expected}, found {error.found})"
        rule = Rule("encode", Const(False), error.message + detail)
        ctx.broken.append(Broken(rule, with_place(error, ctx).path))
    return ctx.broken


class Place(NamedTuple):
    """Where something stands: the steps to it, and where it begins and ends in the bytes."""

    steps: Steps
    offset: int
    end: int


class _Found(Exception):
    """The run is over: this was sought."""

    def __init__(self, place: Place) -> None:
        self.place = place


class Sought:
    """The first value at the steps of a path, or the first field whose presence, number or size a fact decides.

    Of such a field it is told where it begins.
    """

    def __init__(self, steps: Steps | None = None, *, fact: str | None = None) -> None:
        self.steps = None if steps is None else list(steps)
        self.fact = fact
        self.decided: dict[int, bool] = {}

    def opened(self, path: list[str | int], offset: int, field: Field | None) -> str | None:
        """Something begins; a text where it is this."""
        if path == self.steps:
            return "sought"
        if self.fact is not None and field is not None and self._decides(field):
            raise _Found(Place(tuple(path), offset, offset))
        return None

    def closed(self, path: list[str | int], offset: int, end: int) -> None:
        """What is sought is over, and so is the run."""
        raise _Found(Place(tuple(path), offset, end))

    def may_be_in(self, path: list[str | int] | None, vmsd: VMStateDescription) -> bool:
        """Whether it can be in an array at a path whose elements are of a description."""
        if self.steps is not None:
            return path is None or self.steps[: len(path)] == path
        return any(self._decides(field) for part in vmsd.walk() for field in part.fields)

    def _decides(self, field: Field) -> bool:
        known = self.decided.get(id(field))
        if known is None:
            parts = (part for expr in field.expressions() for part in expr.walk())
            known = any(isinstance(part, Fact) and part.name == self.fact for part in parts)
            self.decided[id(field)] = known
        return known


def place_in(vmsd: VMStateDescription, state: Any, sought: Sought, *, version_id: int | None = None) -> Place | None:
    """Where what is sought stands in the bytes of a state; None where there is nothing of the kind.

    Raises `VMStateError` for a state that cannot be written.
    """
    meta = meta_of(state)
    version = version_to_write(vmsd, meta, version_id)
    ctx = Context(b"", facts=meta.facts if meta is not None else None)
    ctx.force = True
    ctx.path = []
    ctx.entries = sought
    check_version_to_write(ctx, vmsd, version)
    try:
        write_struct(CAREFUL.plan(vmsd, version), ctx, None, state, bytearray())
    except _Found as found:
        return found.place
    return None
