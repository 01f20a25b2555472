"""What decoding and encoding work in: the context of one run, and the frame of one struct in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vmstate.errors import DecodeError, EncodeError, TruncatedError
from vmstate.vmsd.description import Field, TraceEntry
from vmstate.vmsd.expr import UNKNOWN, Fact, UnknownFact
from vmstate.vmsd.rule import Beside, Broken
from vmstate.vmsd.state import SentSubsection

if TYPE_CHECKING:
    from vmstate.codec.asked import TakesDown

EMPTY_LIMIT = 1024
"""The most values of a section that take no bytes, in all its arrays and structs together: nothing on the wire bounds
their number."""

EMPTY_LIMIT_OF_STREAM = 1 << 16
"""The same of all sections of a stream together."""


MOST_NUMBERS = 1 << 21
"""Elements of arrays in one section; what devices have more of they send as buffers."""


class Allowance:
    """How many values that take no bytes may still come in the sections of one stream, and how many elements of arrays
    be read once more to say what is wrong: each section can seem to have as many as there are bytes to its end."""

    __slots__ = ("again", "left")

    def __init__(self) -> None:
        self.left = EMPTY_LIMIT_OF_STREAM
        self.again = 2 * MOST_NUMBERS


class Context:
    """One run over `data[:end]`. `path` and `entries` are there only when the run is to tell where it is."""

    __slots__ = (
        "base",
        "beside",
        "broken",
        "data",
        "empty",
        "empty_limit",
        "end",
        "entries",
        "facts",
        "final",
        "first_broken",
        "force",
        "guessed",
        "longer_opaque",
        "numbers",
        "opaque_seen",
        "path",
        "position",
        "repeats",
        "used",
    )

    def __init__(self, data: Any, *, base: int = 0, final: bool = True, facts: Mapping[str, Any] | None = None):
        self.data = data
        self.end = len(data)
        self.base = base
        # Whether nothing can follow `data`: where more may come, its end decides nothing.
        self.final = final
        self.facts: dict[str, Any] = facts if isinstance(facts, dict) else dict(facts or {})
        # Where a run is to go on with the first candidate of a fact that is not known: the facts it did that with.
        self.guessed: list[Fact] | None = None
        # The facts that were asked for and had to be told or found: they go with the state.
        self.used: dict[str, Any] = {}
        self.path: list[str | int] | None = None
        self.entries: dict[str, TraceEntry] | TakesDown | None = None
        # How often a path of the trace has come again.
        self.repeats: dict[str, int] = {}
        # (number, bytes): the opaque field with that number is so much longer than it was seen.
        self.longer_opaque: tuple[int, int] | None = None
        self.opaque_seen = 0
        self.empty = 0
        self.empty_limit = EMPTY_LIMIT
        self.numbers = 0
        self.force = False
        # Where a check collects what QEMU would refuse, instead of stopping at the first.
        self.broken: list[Broken] | None = None
        # What a state is held against, in such a check.
        self.beside: Beside | None = None
        self.position = 0
        # The first value that breaks a rule of QEMU's, in a run that knows its path: it may be why the rest is wrong.
        self.first_broken: DecodeError | None = None

    def count_empty(self, values: int, pos: int) -> None:
        """Note values that take no bytes; there may not be many."""
        self.empty += values
        if self.empty > self.empty_limit:
            raise self.wrong("too many elements that take no bytes", pos, f"at most {self.empty_limit}")

    def count_numbers(self, numbers: int, pos: int) -> None:
        """Note the elements of arrays, each of which becomes an object."""
        self.numbers += numbers
        if self.numbers > MOST_NUMBERS:
            raise self.wrong("more numbers than any device has", pos, f"at most {MOST_NUMBERS}")

    def short(self, pos: int, size: int) -> TruncatedError:
        """The error for bytes that are not there."""
        return TruncatedError(
            "the data ends too early",
            needed=self.base + pos + size,
            path=self.where(),
            offset=self.base + pos,
            expected=f"{size} bytes",
            found=f"{max(0, self.end - pos)}",
        )

    def wrong(self, message: str, pos: int, expected: str | None = None, found: str | None = None) -> DecodeError:
        """The error for bytes that cannot be."""
        return DecodeError(message, path=self.where(), offset=self.base + pos, expected=expected, found=found)

    def where(self) -> str | None:
        """The path of what is being read or written."""
        return _path_text(self.path) if self.path else None


class Frame:
    """One struct while it is read or written: the scope of its expressions."""

    __slots__ = ("ctx", "derived", "layout", "outer", "residue", "subsections", "values", "version_id")

    def __init__(self, ctx: Context, layout: Mapping[str, int], outer: Frame | None, version_id: int) -> None:
        self.ctx = ctx
        self.layout = layout
        self.outer = outer
        self.version_id = version_id
        self.values: list[Any] = []
        self.residue: dict[str, tuple[bytes, Any]] | None = None
        self.subsections: list[SentSubsection] | None = None
        # Facts by name, as the values that were read told them.
        self.derived: dict[str, Any] | None = None

    def value(self, name: str) -> Any:
        index = self.layout.get(name, -1)
        return self.values[index] if 0 <= index < len(self.values) else UNKNOWN

    def own_value(self, names: tuple[str, ...]) -> Any:
        """What the destination has under names of this struct, where a check is told what that is."""
        ctx = self.ctx
        return UNKNOWN if ctx.beside is None or ctx.path is None else ctx.beside.value(tuple(ctx.path), names)

    def has_own(self) -> Any:
        """Whether the destination has this struct, where a check is told what it has."""
        ctx = self.ctx
        if ctx.beside is None or ctx.path is None:
            return UNKNOWN
        return ctx.beside.value(tuple(ctx.path), ()) is not UNKNOWN

    def fact(self, fact: Fact) -> Any:
        ctx = self.ctx
        if not fact.candidates:
            # Only a destination knows it: no layout depends on it, and it is nothing that goes with the state.
            return ctx.facts.get(fact.name, UNKNOWN)
        if not fact.refs_ and fact.name in ctx.used:
            # It depends on no struct, so it is what it was.
            return ctx.used[fact.name]
        if fact.derived is not None:
            # Bytes that decide come before what anybody was told.
            known = self.derived or {}
            value = known[fact.name] if fact.name in known else fact.derived.evaluate(self)
            if value is not None and value is not UNKNOWN:
                self.derived = known | {fact.name: value}
                ctx.used[fact.name] = value
                return value
        if fact.name in ctx.facts:
            ctx.used[fact.name] = value = ctx.facts[fact.name]
            return value
        if fact.default is not UNKNOWN:
            return fact.default
        if ctx.guessed is None:
            raise UnknownFact(fact)
        ctx.guessed.append(fact)
        ctx.facts[fact.name] = ctx.used[fact.name] = value = fact.candidates[0]
        return value


def _path_text(steps: list[str | int]) -> str:
    # Most streams are read without a word of where anything is.
    from vmstate.vmsd.path import format_path

    return format_path(steps)


def enter(ctx: Context, step: str | int) -> None:
    """Note where the run is. Nothing is undone on failure: the path then says where it failed."""
    if ctx.path is not None:
        ctx.path.append(step)


def leave(ctx: Context) -> None:
    """The innermost step of the path is done."""
    if ctx.path is not None:
        ctx.path.pop()


def open_entry(ctx: Context, pos: int, field: Field | None = None) -> str | None:
    """Begin an entry of the trace under the path of the run; its key, or None where there is no trace."""
    if ctx.entries is None or ctx.path is None:
        return None
    if not isinstance(ctx.entries, dict):
        return ctx.entries.opened(ctx.path, ctx.base + pos, field)
    path = _path_text(ctx.path)
    if path in ctx.entries:
        ctx.repeats[path] = ctx.repeats.get(path, 0) + 1
        path += f" #{ctx.repeats[path]}"
    # Its place in the order of the wire is taken before what is inside it.
    ctx.entries[path] = TraceEntry(0, 0, None)
    return path


def close_entry(ctx: Context, path: str | None, pos: int, end: int, field: Field | None) -> None:
    """End the entry `path`: `pos` and `end` are positions in the data, `field` is None for a subsection."""
    if isinstance(ctx.entries, dict) and path is not None:
        ctx.entries[path] = TraceEntry(ctx.base + pos, end - pos, field)
    elif path is not None and not isinstance(ctx.entries, dict | None):
        ctx.entries.closed(ctx.path or [], pos, end)


def refuse(ctx: Context, value: Any, expected: str) -> EncodeError:
    """The error for a value that does not fit."""
    shown = repr(value)
    return EncodeError(
        "the value cannot be written",
        path=ctx.where(),
        expected=expected,
        found=shown if len(shown) <= 80 else shown[:77] + "...",
    )
