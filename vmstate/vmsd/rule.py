"""What QEMU checks when it loads: one class for all of its rules, and the one place where a rule is judged.

A rule hangs on a field, on a class or on a subsection's class. Some need nothing but the state; some compare it with
what the destination itself has (`OWN`); some need what only the destination knows (its release, guest memory, the
features that its host offers). Where such a thing is not told, a rule is *not judged*: it neither holds nor is broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from vmstate.errors import VMStateError
from vmstate.vmsd import types as t
from vmstate.vmsd.data import Data, NamedTuple
from vmstate.vmsd.expr import (
    DESTINATION,
    OWN,
    OWN_STATE,
    RELEASE,
    UNKNOWN,
    Const,
    Expr,
    Fact,
    Own,
    OwnHas,
    UnknownFact,
    asks,
    not_,
    refuted,
    this,
)
from vmstate.vmsd.release import Release

if TYPE_CHECKING:
    from vmstate.vmsd.expr import Scope
    from vmstate.vmsd.path import Steps

SHOWN = 4
"""Elements that are told of a list."""

KNOWN_SINCE = "known-since"
"""The id of what a release does not know yet."""

ALLOCATED = "allocated"
"""The id of what is read into memory that the destination must have."""

VALUE_EQUAL = "value-equal"
"""The id of what the wire types compare: `*_EQUAL`, and `int32 le`."""


class Rule(Data):
    """What QEMU checks when it loads or saves, over what the layout needs.

    `id` is stable and names the rule in findings; `holds` is the condition; `text` says QEMU's rule in words. QEMU
    refuses a state that breaks it or, where it is `mended`, goes on with another value. QEMU has the rule from the
    release `since` on (None: always). `qemu_error` is the part of the line that QEMU prints which is the same wherever
    it prints it, None where it prints none of its own; `advice` says what to change, and on which side.

    A rule that compares two values has both as `value` (of the stream) and `local` (of the destination); `text` and
    `qemu_error` then have `{value}`, `{local}`, `{index}` (the number of the array element), `{section}`,
    and `{value_bits}` and `{local_bits}` for both in hexadecimal in them.
    """

    id: str
    holds: Expr
    text: str
    mended: bool = False
    since: Release | None = None
    qemu_error: str | None = None
    advice: str | None = None
    value: Expr | None = None
    local: Expr | None = None

    @cached_property
    def needs(self) -> frozenset[str]:
        """The names of what only a destination knows and the rule reads; `own_state` for the destination's state."""
        names = {RELEASE.name} if self.since is not None else set()
        for part in self.holds.walk():
            if isinstance(part, Own):
                names.add(OWN_STATE.name)
            elif isinstance(part, Fact) and not part.candidates:
                names.add(part.name)
        return frozenset(names)

    @cached_property
    def reads_own(self) -> bool:
        """Whether it compares with what the destination has at the same place."""
        return any(isinstance(part, Own) for part in self.holds.walk())


class Broken(NamedTuple):
    """A rule that a state breaks, or that could not be judged, and where.

    `value` and `local` are what was compared, as the rule's texts have it. `missing` names what would have to be told
    to judge it, and `problem` says why what it reads can tell nothing: guest memory that is not at hand, a value that
    is not of its kind. Where there is neither it is judged, and broken.
    """

    rule: Rule
    path: str | None = None
    value: Any = None
    local: Any = None
    missing: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def is_judged(self) -> bool:
        """Whether the rule is broken, and not merely undecided."""
        return not self.missing and self.problem is None

    @property
    def why_not_judged(self) -> str | None:
        """Why nobody can say whether it is broken; None where it is."""
        return f"{', '.join(self.missing)} is not told" if self.missing else self.problem

    @property
    def text(self) -> str:
        """The rule's text, with the values that were compared."""
        return self.filled(self.rule.text)

    def filled(self, text: str, section: str | None = None) -> str:
        """A text of the rule with the values in their places."""
        if self.rule.value is None:
            return text.replace("{section}", section or "")
        return text.format(
            value=self.value,
            local=self.local,
            value_bits=_bits(self.value),
            local_bits=_bits(self.local),
            index=(self.path or "").rpartition("[")[2].partition("]")[0],
            section=section,
        )


def judge(rule: Rule, scope: Scope, told: Mapping[str, Any]) -> Broken | None:
    """What becomes of a rule in a struct: None where it holds, or where a value that it reads was not on the wire.

    `told` is what is known of the destination, by name. A rule that cannot be evaluated is not judged.
    """
    try:
        holds = rule.holds.evaluate(scope)
    except UnknownFact:
        # The codec finds out what it is.
        raise
    except VMStateError as error:
        return Broken(rule, problem=error.message)
    if not refuted(holds):
        if holds is not UNKNOWN and holds is not None:
            return None
        missing = tuple(sorted(name for name in rule.needs if name not in told))
        return Broken(rule, missing=missing) if missing else None
    missing = ()
    if rule.since is not None:
        release = told.get(RELEASE.name)
        if release is None:
            missing = (RELEASE.name,)
        elif release < rule.since:
            return None
    value, local = (None if part is None else part.evaluate(scope) for part in (rule.value, rule.local))
    return Broken(rule, None, value, local, missing)


# What a value is held against.


class Beside:
    """A state and, beside it, that of the destination: finds what the destination has at the same place.

    Where the destination has another number of elements in an array, which is which is not known: the largest stands
    for all.
    """

    def __init__(self, state: Any, own: Any) -> None:
        self.state = state
        self.own = own

    def value(self, steps: Steps, names: tuple[str, ...]) -> Any:
        """The destination's value under names of the struct at steps; UNKNOWN where it has none."""
        from vmstate.vmsd.path import member

        state, own = self.state, [self.own]
        for step in steps:
            if isinstance(step, int):
                siblings = _length(state)
                own = [part for row in own for part in _elements(row, step, siblings)]
            else:
                own = [member(part, step) for part in own]
            state = member(state, step)
        for name in names:
            own = [member(part, name) for part in own]
        values = [value for value in own if value is not None]
        if not values:
            return UNKNOWN
        return values[0] if len(values) == 1 else max(values)


def _elements(row: Any, index: int, siblings: int | None) -> Sequence[Any]:
    count = _length(row)
    if count is None:
        return ()
    return (row[index],) if count == siblings and index < count else row


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else None


# How a value goes with the destination's.


def equal(id: str, attribute: str, text: str, **more: Any) -> Rule:
    """What comes must be what the destination has under the same name."""
    return Rule(id, this[attribute] == OWN[attribute], text, value=this[attribute], local=OWN[attribute], **more)


def not_above(id: str, attribute: str, text: str, **more: Any) -> Rule:
    """What comes must not be more than what the destination has under the same name."""
    return Rule(id, this[attribute] <= OWN[attribute], text, value=this[attribute], local=OWN[attribute], **more)


def if_set(id: str, attribute: str, text: str, **more: Any) -> Rule:
    """What is set where it comes from must be set at the destination too."""
    holds = asks(_if_set, this[attribute], OWN[attribute])
    return Rule(id, holds, text, value=this[attribute], local=OWN[attribute], **more)


def among(id: str, value: Expr, local: Expr, text: str, **more: Any) -> Rule:
    """Each of some names that come must be one that the destination has; the texts have those of one side only."""
    only, beyond = asks(_only, value, local), asks(_only_or_none, local, value)
    return Rule(id, asks(_among, value, local), text, value=only, local=beyond, **more)


def never(id: str, text: str, **more: Any) -> Rule:
    """What no release reads, though some write it."""
    return Rule(id, not_(DESTINATION), text, **more)


def allocated(what: str, advice: str, holds: Expr | None = None) -> Rule:
    """What is read into memory that a destination may not have (through a pointer, VMS_POINTER): QEMU aborts then.

    The rule of the class of a subsection that is sent where the pointer is set, so that a destination has the memory
    where it would send the same; else `holds` says where it has it.
    """
    return Rule(
        ALLOCATED,
        OwnHas() if holds is None else holds,
        f"the destination has no {what}: QEMU reads it into memory that is not there, and ends by an assertion "
        "(a defect of QEMU's)",
        qemu_error="Assertion `first_elem || !n_elems || !size' failed",
        advice=advice,
    )


def known_since(release: Release) -> Rule:
    """What releases before one do not know. Raises `VMStateError` for what is no `Release`."""
    Release.checked(release)
    return Rule(KNOWN_SINCE, release <= RELEASE, f"releases before {release} do not know it", local=Const(release))


def rules_of(attribute: str, kind: t.WireType, rules: tuple[Rule, ...], hint: str | None) -> tuple[Rule, ...]:
    """All rules of a field: that of its wire type, and its own."""
    if isinstance(kind, t.Scalar) and kind.rule is not None:
        return (_of_type(kind.rule, attribute, kind.info or "", hint), *rules)
    return rules


@cache
def _of_type(relation: str, attribute: str, info: str, hint: str | None) -> Rule:
    """The rule of a wire type that is only compared, or that is taken up to what the destination has."""
    more = "" if hint is None else f" ({hint})".replace("{", "{{").replace("}", "}}")
    takes = "only its own" if relation == "equal" else "no more than that and nothing below 0"
    return Rule(
        VALUE_EQUAL,
        asks(_equal if relation == "equal" else _positive_le, this[attribute], OWN[attribute]),
        f"{{value}} in the stream and {{local}} on the destination, which takes {takes}{more}",
        qemu_error="{local_bits} != {value_bits}"
        if relation == "equal"
        else "Invalid value {value} expecting positive value <= {local}",
        advice=f"give the device the same {attribute} on both sides".replace("{", "{{").replace("}", "}}"),
        value=this[attribute],
        local=OWN[attribute],
    )


def _equal(value: Any, local: Any) -> bool:
    return bool(value == local)


def _positive_le(value: Any, local: Any) -> bool:
    if isinstance(value, Sequence):
        return all(_positive_le(part, bound) for part, bound in zip(value, local, strict=False))
    return isinstance(local, int) and bool(0 <= value <= local)


def _if_set(value: Any, local: Any) -> bool:
    return not value or bool(local)


def _among(value: Iterable[str], local: Iterable[str]) -> bool:
    return set(value) <= set(local)


def _only(names: Iterable[str], others: Iterable[str]) -> str:
    """The first names that the others are without."""
    only = sorted(set(names) - set(others))
    return ", ".join(only[:SHOWN]) + (f" and {len(only) - SHOWN} more" if len(only) > SHOWN else "")


def _only_or_none(names: Iterable[str], others: Iterable[str]) -> str:
    return _only(names, others) or "none of them"


def _bits(value: Any) -> Any:
    """A number as QEMU prints it in hexadecimal: a negative one as its 32 bits."""
    return f"{value & 0xFFFFFFFF if value < 0 else value:x}" if isinstance(value, int) else value


def judged(results: Iterable[Broken]) -> Iterator[Broken]:
    """The results that are judged, and broken."""
    return (broken for broken in results if broken.is_judged)
