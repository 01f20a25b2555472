"""The codec of a description: decode, encode, trace, and the search for the facts the wire does not say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

# It makes plans when they are asked for: the first section need not wait for its import.
import vmstate.codec.compile  # noqa: F401
from vmstate.codec.plan import CAREFUL, FAST, STUMBLES, Codecs
from vmstate.codec.runtime import EMPTY_LIMIT, Allowance, Context
from vmstate.codec.structs import check_version, check_version_to_write, read_struct, version_to_write, write_struct
from vmstate.errors import DecodeError, DescriptionError, EncodeError, TruncatedError, VMStateError
from vmstate.vmsd.description import TraceEntry, VMStateDescription
from vmstate.vmsd.expr import Fact, UnknownFact
from vmstate.vmsd.state import ensure_meta, meta_of

FACT_LIMIT = 256
"""The most combinations of candidates that are tried."""

EXPLAINED = 8
"""Of so many combinations that do not fit it is found out why, to say the best of the reasons."""

Accept = Callable[[int], bool]
Run = tuple[Any, int, Context]
"""What a run gives: the state (or the trace), the position behind it, the context."""
Attempt = Callable[[dict[str, Any], list[Fact] | None], Run]
"""A run under facts that are known. Where there is a list, facts that are not are guessed, and noted in both."""


class Codec:
    """The codec of one description."""

    def __init__(self, vmsd: VMStateDescription) -> None:
        if vmsd.unknown is not None:
            raise DescriptionError(f"{vmsd.name!r} has no codec: {vmsd.unknown}")
        self.vmsd = vmsd

    def decode(self, data: Any, *, version_id: int | None = None, facts: Mapping[str, Any] | None = None) -> Any:
        """The state in `data`, which must end where the state ends."""
        view = memoryview(data).cast("B")
        state, end = self.decode_at(view, 0, version_id=version_id, facts=facts, accept=len(view).__eq__, is_proof=True)
        if end != len(view):
            raise DecodeError(
                "the data goes on behind the state",
                section=self.vmsd.name,
                offset=end,
                found=f"{len(view) - end} bytes",
            )
        return state

    def decode_at(
        self,
        data: memoryview,
        pos: int,
        *,
        version_id: int | None = None,
        facts: Mapping[str, Any] | None = None,
        accept: Accept | None = None,
        is_proof: bool = False,
        final: bool = True,
        base: int = 0,
        longer_opaque: tuple[int, int] | None = None,
        allowance: Allowance | None = None,
    ) -> tuple[Any, int]:
        """The state that begins at `pos`, and the position behind it.

        `accept` says whether a state may end at a position: facts that no byte decides are tried until one fits.
        With `is_proof` none can end there by chance: what is `proven` by that is not tried otherwise.
        With `final` False more data may follow, and what is missing is a `TruncatedError` that says how far to read.
        `base` is the offset of `data[0]` for messages. `longer_opaque` is for an opaque field that is not as long as it
        was seen: (its number, the bytes it is longer). `allowance` is of the stream, where it is a section of one.
        """
        version = self.vmsd.version_id if version_id is None else version_id

        def run(codecs: Codecs, known: dict[str, Any], guessed: list[Fact] | None) -> Run:
            ctx = Context(data, base=base, final=final, facts=known)
            ctx.guessed = guessed
            ctx.longer_opaque = longer_opaque
            if allowance is not None and allowance.left < EMPTY_LIMIT:
                ctx.empty_limit = allowance.left
            ctx.path = [] if codecs.careful else None
            out: list[Any] = []
            try:
                check_version(ctx, self.vmsd, version, pos)
                end = read_struct(codecs.plan(self.vmsd, version), ctx, None, pos, out)
            except UnknownFact:
                raise
            except VMStateError as error:
                raise _cause_of_failure(error, ctx) from None
            finally:
                if allowance is not None and codecs.careful and final:
                    allowance.again -= ctx.numbers
            return out[0], end, ctx

        state, end, ctx = _settle(partial(run, FAST), partial(run, CAREFUL), dict(facts or {}), accept, final, is_proof)
        if version != self.vmsd.version_id:
            ensure_meta(state).version_id = version
        if ctx.used:
            ensure_meta(state).facts = ctx.used
        if allowance is not None:
            allowance.left -= ctx.empty
        return state, end

    def trace(
        self, data: Any, *, version_id: int | None = None, facts: Mapping[str, Any] | None = None, base: int = 0
    ) -> dict[str, TraceEntry]:
        """Path -> (offset, size, field) of everything in `data`, in the order of the wire."""
        view = memoryview(data).cast("B")
        version = self.vmsd.version_id if version_id is None else version_id

        def run(known: dict[str, Any], guessed: list[Fact] | None) -> Run:
            ctx = Context(view, facts=known, base=base)
            ctx.guessed = guessed
            ctx.path = []
            ctx.entries = {}
            try:
                check_version(ctx, self.vmsd, version, 0)
                end = read_struct(CAREFUL.plan(self.vmsd, version), ctx, None, 0, [])
                if end != ctx.end:
                    raise ctx.wrong("the data goes on behind the state", end, found=f"{ctx.end - end} bytes")
            except UnknownFact:
                raise
            except VMStateError as error:
                raise with_place(error, ctx) from None
            return ctx.entries, end, ctx

        return _settle(run, run, dict(facts or {}), len(view).__eq__, True, True)[0]  # type: ignore[no-any-return]

    def trace_state(self, state: Any, *, version_id: int | None = None) -> dict[str, TraceEntry]:
        """Path -> (offset, size, field) of everything in a state, as it would stand in its bytes."""
        from vmstate.codec.pieces import Pieces

        meta = meta_of(state)
        version = version_to_write(self.vmsd, meta, version_id)
        ctx = Context(b"", facts=meta.facts if meta is not None else None)
        ctx.force = True
        ctx.path = []
        ctx.entries = {}
        check_version_to_write(ctx, self.vmsd, version)
        try:
            write_struct(CAREFUL.plan(self.vmsd, version), ctx, None, state, Pieces())
        except VMStateError as error:
            raise _as_encode_error(with_place(error, ctx), self.vmsd.name) from None
        return ctx.entries

    def encode(
        self,
        state: Any,
        *,
        version_id: int | None = None,
        facts: Mapping[str, Any] | None = None,
        force: bool = False,
        out: bytearray | None = None,
    ) -> bytes:
        """The bytes of a state; what is written into `out` is there, and not returned."""
        meta = meta_of(state)
        version = version_to_write(self.vmsd, meta, version_id)
        known = {**(meta.facts if meta is not None else {}), **(facts or {})}
        into = bytearray() if out is None else out
        ctx = Context(b"", facts=known)
        ctx.force = force
        check_version_to_write(ctx, self.vmsd, version)
        try:
            write_struct(FAST.plan(self.vmsd, version), ctx, None, state, into)
        except STUMBLES:
            ctx = Context(b"", facts=known)
            ctx.force = force
            ctx.path = []
            into[:] = b""
            try:
                write_struct(CAREFUL.plan(self.vmsd, version), ctx, None, state, into)
            except VMStateError as error:
                raise _as_encode_error(with_place(error, ctx), self.vmsd.name) from None
        return b"" if out is into else bytes(into)

    def as_construct(self, *, version_id: int | None = None, facts: Mapping[str, Any] | None = None) -> Any:
        """A construct declaration of the same layout."""
        # construct is slow to import, and few ask for it.
        from vmstate.codec.construct_export import as_construct

        version = self.vmsd.version_id if version_id is None else version_id
        return as_construct(self.vmsd, version, dict(facts or {}))


def _next_guess(untried: list[tuple[dict[str, Any], Fact, Iterator[Any]]]) -> dict[str, Any] | None:
    """The facts of the next run: the latest guess that has a candidate left takes that."""
    while untried:
        before, fact, candidates = untried[-1]
        for candidate in candidates:
            return {**before, fact.name: candidate}
        untried.pop()
    return None


def _as_encode_error(error: VMStateError, section: str) -> VMStateError:
    if isinstance(error, EncodeError):
        return error
    return EncodeError(error.message, section=section, path=error.path, expected=error.expected, found=error.found)


def _cause_of_failure(error: VMStateError, ctx: Context) -> VMStateError:
    """Why a run failed: a value before that QEMU would refuse, where there is one and no more bytes may come."""
    if ctx.first_broken is not None and (ctx.final or not isinstance(error, TruncatedError)):
        return ctx.first_broken
    return with_place(error, ctx)


def with_place(error: VMStateError, ctx: Context) -> VMStateError:
    """An error with the path of the run, where it has none."""
    if error.path is None:
        error.path = ctx.where()
    return error


def _settle(
    run: Attempt, explain: Attempt, facts: dict[str, Any], accept: Accept | None, final: bool, is_proof: bool
) -> Run:
    """Run under the facts that are known; try the candidates of those that are asked for and are not.

    `run` is quick, and may stumble over bytes that do not fit; `explain` then says what is wrong with them. A run that
    asks for a fact goes on with its first candidate; the others are tried after it.
    """
    fits: list[tuple[dict[str, Any], Run]] = []
    failed: list[dict[str, Any]] = []
    ended: list[tuple[int, dict[str, Any]]] = []
    untried: list[tuple[dict[str, Any], Fact, Iterator[Any]]] = []
    known: dict[str, Any] | None = dict(facts)
    tried = 0
    while known is not None and tried < FACT_LIMIT and len(fits) < 2:
        before = dict(known)
        guessed: list[Fact] = []
        proves = False
        tried += 1
        try:
            outcome = run(known, guessed)
        except STUMBLES:
            outcome = None
        # Behind the handler: what a run that stumbled had read is let go before it is run again.
        if outcome is None:
            if not guessed and not untried:
                return explain(facts, None)
            failed.append(known)
        else:
            if not guessed and not untried:
                return outcome
            fitting = accept is None or accept(outcome[1])
            # A fact that makes no difference, as whether there can be NULLs where there are none, is no choice.
            if not fitting:
                ended.append((outcome[1], known))
            elif not any(outcome[:2] == fit[:2] for _, fit in fits):
                fits.append((known, outcome))
            proves = is_proof and fitting
        for fact in guessed:
            untried.append((dict(before), fact, iter(fact.candidates[1:])))
            before[fact.name] = known[fact.name]
        if proves:
            untried = [choice for choice in untried if not choice[1].proven]
        known = _next_guess(untried)
    if len(fits) == 1 and known is None:
        return fits[0][1]
    from vmstate.codec.undecided import why_undecided

    raise why_undecided(explain, facts, [fit for fit, _ in fits], failed[:EXPLAINED] if final else failed, ended, known)
