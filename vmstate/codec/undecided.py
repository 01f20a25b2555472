"""Why bytes could not be read, where facts were tried of which the wire does not say what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vmstate.errors import DecodeError, TruncatedError, VMStateError

if TYPE_CHECKING:
    from vmstate.codec.codec import Attempt

Known = dict[str, Any]
"""Facts by name."""


def why_undecided(
    explain: Attempt,
    facts: Known,
    fits: Sequence[Known],
    failed: Sequence[Known],
    ended: Sequence[tuple[int, Known]],
    untried: Known | None,
) -> VMStateError:
    """The error to raise. `facts` were told; under the others a reading fitted, failed, or ended elsewhere."""
    if len(fits) > 1:
        first, second = fits
        differ = [name for name in {**first, **second} if first.get(name) != second.get(name)]
        names = " and ".join(", ".join(f"{name}={known.get(name)!r}" for name in differ) for known in fits)
        return DecodeError("the bytes fit two ways of reading them: say which by the facts", found=names)
    if untried is not None:
        return DecodeError("the facts that are not known leave too many ways of reading: tell some of them")
    failures = [failure for known in failed if (failure := _failure_under(explain, known)) is not None]
    # More data could still make one of them fit.
    waiting = [error for error in failures if isinstance(error, TruncatedError)]
    if waiting:
        return min(waiting, key=lambda error: error.needed)
    if failures:
        return max(failures, key=lambda error: error.offset or 0)
    end, known = max(ended, key=lambda attempt: attempt[0])
    ctx = explain(known, None)[2]
    if ctx.first_broken is not None:
        return ctx.first_broken
    known_facts = ", ".join(f"{name}={value!r}" for name, value in known.items() if name not in facts)
    following = bytes(ctx.data[end : end + 8]).hex(" ") or "the end of the data"
    message = f"the state does not end where it should, whatever the facts are ({known_facts})"
    return ctx.wrong(message, end, "the end of the section", following)


def _failure_under(explain: Attempt, known: Known) -> VMStateError | None:
    try:
        explain(known, None)
    except VMStateError as error:
        # Its frames hold all that was read.
        return error.with_traceback(None)
    return None
