"""What is asked of a state: which rules of QEMU's it breaks, and where in its bytes a value stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vmstate.codec.codec import with_place
from vmstate.codec.plan import CAREFUL
from vmstate.codec.records import FixedStruct, Records
from vmstate.codec.runtime import Context
from vmstate.codec.spans import Spans
from vmstate.codec.structs import check_version, check_version_to_write, read_struct, version_to_write, write_struct
from vmstate.codec.watch import Watch
from vmstate.errors import VMStateError
from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.description import Field, VMStateDescription
from vmstate.vmsd.expr import DESTINATION, OWN_STATE, Const, Fact
from vmstate.vmsd.path import Steps
from vmstate.vmsd.rule import Beside, Broken, Rule
from vmstate.vmsd.state import meta_of
from vmstate.vmsd.types import Validate


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
    return _judged(vmsd, state, version_id, facts, own, None)


def judge_and_watch(
    vmsd: VMStateDescription, state: Any, *, version_id: int, facts: Mapping[str, Any] | None = None, own: Any = None
) -> tuple[list[Broken], Watch]:
    """What `judge` gives, and what the rules read for it."""
    watch = Watch()
    return _judged(vmsd, state, version_id, facts, own, watch), watch


def _judged(
    vmsd: VMStateDescription,
    state: Any,
    version_id: int | None,
    facts: Mapping[str, Any] | None,
    own: Any,
    watch: Watch | None,
) -> list[Broken]:
    meta = meta_of(state)
    version = version_to_write(vmsd, meta, version_id)
    ctx = Context(b"", facts={**(meta.facts if meta is not None else {}), **(facts or {})})
    if own is not None:
        ctx.facts |= {OWN_STATE.name: own, DESTINATION.name: True}
        ctx.beside = Beside(state, own)
    ctx.path = []
    ctx.broken = []
    ctx.entries = watch
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


TakesDown = Sought | Spans | Watch
"""What a run can have in place of the entries of a trace."""


def place_in(vmsd: VMStateDescription, state: Any, sought: Sought, *, version_id: int | None = None) -> Place | None:
    """Where what is sought stands in the bytes of a state; None where there is nothing of the kind.

    Raises `VMStateError` for a state that cannot be written.
    """
    try:
        _run_over(vmsd, state, version_id, sought)
    except _Found as found:
        return found.place
    return None


def _run_over(vmsd: VMStateDescription, state: Any, version_id: int | None, takes_down: Sought | Spans) -> int:
    out = bytearray()
    meta = meta_of(state)
    version = version_to_write(vmsd, meta, version_id)
    ctx = Context(b"", facts=meta.facts if meta is not None else None)
    ctx.force = True
    ctx.path = []
    ctx.entries = takes_down
    check_version_to_write(ctx, vmsd, version)
    write_struct(CAREFUL.plan(vmsd, version), ctx, None, state, out)
    return len(out)


def spans_of(vmsd: VMStateDescription, state: Any, *, version_id: int | None = None) -> tuple[Spans, int]:
    """Where the values of a state stand in its bytes, and how many these are.

    Raises `VMStateError` for a state that cannot be written.
    """
    spans = Spans()
    return spans, _run_over(vmsd, state, version_id, spans)


def spans_read(
    vmsd: VMStateDescription, data: bytes, version_id: int, facts: Mapping[str, Any]
) -> tuple[Spans, int] | None:
    """Where the values stand that are read of `data` under facts, up to where it fits no more, and where that is.

    None where the facts do not decide it. What was begun and not ended is left out.
    """
    ctx = Context(memoryview(data), facts=dict(facts))
    ctx.guessed = []
    ctx.path = []
    spans = ctx.entries = Spans()
    end = 0
    try:
        check_version(ctx, vmsd, version_id, 0)
        end = read_struct(CAREFUL.plan(vmsd, version_id), ctx, None, 0, [])
    except VMStateError as error:
        end = len(data) if error.offset is None else error.offset
    return None if ctx.guessed else (spans, end)


def asked_of(
    ctx: Context, vmsd: VMStateDescription, kind: FixedStruct, array: Records
) -> Iterator[tuple[int, Any]] | None:
    """The elements of an array of which anything is asked, by their numbers; None where it may be asked of each.

    Those that nobody has changed can be written as they were read. What a rule says of one it says of all that have the
    same bytes, unless it holds them against the destination's.
    """
    kept = array.patches(kind)
    if kept is None or isinstance(ctx.entries, dict):
        return None
    raw, made = kept
    if isinstance(ctx.entries, Spans):
        if not raw:
            return iter(())
        ctx.entries.gone_through_once(ctx.path or (), len(raw) // kind.size, kind.size)
        return iter([(0, kind.make(raw[: kind.size]))])
    if isinstance(ctx.entries, Sought):
        return None if ctx.entries.may_be_in(ctx.path, vmsd) else iter(())
    about = _rules_about(vmsd)
    if not about:
        return iter(made)
    if ctx.beside is not None and any(rule.reads_own for rule in about):
        return None
    return _unlike(ctx, kind, raw, dict(made))


def _unlike(ctx: Context, kind: FixedStruct, raw: bytes, made: Mapping[int, Any]) -> Iterator[tuple[int, Any]]:
    """The first element of each kind, all of which a rule is broken, and those that may have been changed."""
    assert ctx.broken is not None
    watch = ctx.entries if isinstance(ctx.entries, Watch) else None
    array = tuple(ctx.path or ())
    sound: dict[bytes, int] = {}
    size = kind.size
    for number in range(len(raw) // size):
        if number in made:
            yield number, made[number]
            continue
        data = raw[number * size : (number + 1) * size]
        if data not in sound:
            before = len(ctx.broken)
            yield number, kind.make(data)
            if len(ctx.broken) == before:
                sound[data] = number
        elif watch is not None:
            watch.stands_for(array, sound[data], number)


def _rules_about(vmsd: VMStateDescription) -> list[Rule]:
    """All rules about a struct, and about anything in it; a description keeps them."""
    known: list[Rule] | None = vmsd.compiled.get("rules about")
    if known is None:
        parts = list(vmsd.walk())
        fields = [field for part in parts for field in part.fields]
        known = [rule for part in parts for rule in part.rules]
        known += [rule for field in fields for rule in field.checks]
        known += [Rule("validate", f.type.condition, "") for f in fields if isinstance(f.type, Validate)]
        vmsd.compiled["rules about"] = known
    return known
