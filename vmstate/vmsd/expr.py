"""Conditions, counts and sizes as data.

An expression is written with `this` (the struct it stands in), `up` (the struct around it), `root` (the outermost
struct), `fact(...)` and `version_id`, and read by the codec, the checker, the construct export and the docs alike.
Evaluation is three-valued: an operand that is `UNKNOWN` makes the result `UNKNOWN` unless the others decide it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Flag
from typing import TYPE_CHECKING, Any, Final

from vmstate.errors import DescriptionError, VMStateError


class _Unknown:
    """The third truth value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()

SHIFT_LIMIT = 4096
"""The most bits an expression shifts to the left."""


if TYPE_CHECKING:
    from typing import Protocol

    from vmstate.vmsd.release import Release

    class Scope(Protocol):
        """What an expression is evaluated in."""

        version_id: int

        @property
        def outer(self) -> Scope | None:
            """The scope of the struct around this one."""

        def value(self, name: str) -> Any:
            """The value of attribute `name` of this struct; LookupError where there is none yet."""

        def fact(self, fact: Fact) -> Any:
            """The value of a fact; raises `UnknownFact` where it is not known."""


class Expr:
    """An expression. Operators build larger ones; `&`, `|` and `not_()` stand for and, or, not."""

    __slots__ = ()
    __hash__ = object.__hash__

    def evaluate(self, scope: Scope) -> Any:
        """The value in `scope`."""
        raise NotImplementedError

    def operands(self) -> tuple[Expr, ...]:
        """The expressions directly inside this one."""
        return ()

    @property
    def refs_(self) -> tuple[Ref, ...]:
        """The values of structs that it reads."""
        return ()

    def walk(self) -> Iterator[Expr]:
        """This expression and all inside it."""
        yield self
        for operand in self.operands():
            yield from operand.walk()

    def __bool__(self) -> bool:
        raise DescriptionError(f"{self} is a condition, not a truth value: write & | not_() instead of and or not")

    def __eq__(self, other: object) -> Expr:  # type: ignore[override]
        return Op("==", self, other)

    def __ne__(self, other: object) -> Expr:  # type: ignore[override]
        return Op("!=", self, other)

    def __lt__(self, other: object) -> Expr:
        return Op("<", self, other)

    def __le__(self, other: object) -> Expr:
        return Op("<=", self, other)

    def __gt__(self, other: object) -> Expr:
        return Op(">", self, other)

    def __ge__(self, other: object) -> Expr:
        return Op(">=", self, other)

    def __add__(self, other: object) -> Expr:
        return Op("+", self, other)

    def __radd__(self, other: object) -> Expr:
        return Op("+", other, self)

    def __sub__(self, other: object) -> Expr:
        return Op("-", self, other)

    def __rsub__(self, other: object) -> Expr:
        return Op("-", other, self)

    def __mul__(self, other: object) -> Expr:
        return Op("*", self, other)

    def __rmul__(self, other: object) -> Expr:
        return Op("*", other, self)

    def __floordiv__(self, other: object) -> Expr:
        return Op("//", self, other)

    def __mod__(self, other: object) -> Expr:
        return Op("%", self, other)

    def __and__(self, other: object) -> Expr:
        return Op("&", self, other)

    def __rand__(self, other: object) -> Expr:
        return Op("&", other, self)

    def __or__(self, other: object) -> Expr:
        return Op("|", self, other)

    def __ror__(self, other: object) -> Expr:
        return Op("|", other, self)

    def __xor__(self, other: object) -> Expr:
        return Op("^", self, other)

    def __lshift__(self, other: object) -> Expr:
        return Op("<<", self, other)

    def __rlshift__(self, other: object) -> Expr:
        return Op("<<", other, self)

    def __rshift__(self, other: object) -> Expr:
        return Op(">>", self, other)


class Const(Expr):
    """A constant."""

    __slots__ = ("constant",)

    def __init__(self, constant: Any) -> None:
        self.constant = constant

    def evaluate(self, scope: Scope) -> Any:
        return self.constant

    def __repr__(self) -> str:
        return repr(self.constant)


class Ref(Expr):
    """A value of this struct (`this`), of one around it (`up`, `up.up`) or of the outermost (`root`)."""

    __slots__ = ("_base", "_names")

    def __init__(self, base: str, names: tuple[str, ...] = ()) -> None:
        self._base = base
        self._names = names

    @property
    def refs_(self) -> tuple[Ref, ...]:
        return (self,)

    @property
    def base_(self) -> str:
        """`this`, `up`, `up.up`, ... or `root`."""
        return self._base

    @property
    def names_(self) -> tuple[str, ...]:
        """The attribute names that lead from the base to the value."""
        return self._names

    def __getattr__(self, name: str) -> Ref:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "up" and self._base.startswith("up") and not self._names:
            return Ref(self._base + ".up")
        return Ref(self._base, (*self._names, name))

    def __getitem__(self, name: str) -> Ref:
        """The field of a name that is no Python identifier."""
        return Ref(self._base, (*self._names, name))

    def has(self, bit: int | str) -> Expr:
        """Whether a bit is set, by its number or by its name in the value's flag type."""
        return Op("has", self, bit)

    def evaluate(self, scope: Scope) -> Any:
        here: Scope = scope
        if self._base == "root":
            while here.outer is not None:
                here = here.outer
        elif self._base != "this":
            for _ in self._base.split("."):
                if here.outer is None:
                    return UNKNOWN
                here = here.outer
        value = here.value(self._names[0])
        for name in self._names[1:]:
            if value is UNKNOWN or value is None:
                return UNKNOWN
            try:
                value = member(value, name)
            except (AttributeError, KeyError):
                # One of several structs, and not the one that has it.
                return UNKNOWN
        # What was not on the wire says nothing.
        return UNKNOWN if value is None else value

    def __repr__(self) -> str:
        return ".".join((self._base, *self._names))


class Own(Expr):
    """What the destination itself has: `OWN.name` beside `this.name`, in the struct at the same place.

    Not known where no state of the destination is told, or where it has nothing there.
    """

    __slots__ = ("_names",)

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self._names = names

    def __getattr__(self, name: str) -> Own:
        if name.startswith("__"):
            raise AttributeError(name)
        return Own((*self._names, name))

    def __getitem__(self, name: str) -> Own:
        """The field of a name that is no Python identifier."""
        return Own((*self._names, name))

    @property
    def names_(self) -> tuple[str, ...]:
        """The attribute names that lead from the struct to the value."""
        return self._names

    def evaluate(self, scope: Scope) -> Any:
        read = getattr(scope, "own_value", None)
        return UNKNOWN if read is None else read(self._names)

    def __repr__(self) -> str:
        return ".".join(("OWN", *self._names))


class OwnHas(Own):
    """Whether the destination itself has the struct in which the rule hangs; not known where nobody told its state."""

    __slots__ = ()

    def evaluate(self, scope: Scope) -> Any:
        has_own = getattr(scope, "has_own", None)
        return UNKNOWN if has_own is None else has_own()

    def __repr__(self) -> str:
        return "OWN is there"


class Version(Expr):
    """The version_id at which the struct is read or written."""

    __slots__ = ()

    def evaluate(self, scope: Scope) -> Any:
        return scope.version_id

    def __repr__(self) -> str:
        return "version_id"


class Fact(Expr):
    """Something the host knows and the wire does not say directly.

    `candidates` are the values it can have, the likeliest first. `derived`, where given, is an expression that
    yields it from bytes already read, or None where they do not decide. `default`, where given, holds unless told
    otherwise: no other candidate is tried. `advice` is the option of QEMU that makes it {value}, or one for each value.
    `since` is the first release with that option, `unsent` the value where a destination has not got what it decides.
    `proven`: with another value a reading ends elsewhere, so that one which ends at a footer needs no other beside it.
    """

    __slots__ = ("advice", "candidates", "default", "derived", "name", "proven", "since", "unsent")

    @property
    def refs_(self) -> tuple[Ref, ...]:
        return () if self.derived is None else self.derived.refs_

    def __init__(
        self,
        name: str,
        candidates: Sequence[Any],
        derived: Expr | None,
        default: Any,
        advice: str | Mapping[Any, str] | None = None,
        unsent: Any = UNKNOWN,
        since: Release | None = None,
        proven: bool = False,
    ) -> None:
        self.name = name
        self.advice = advice
        self.since = since
        self.unsent = unsent
        self.proven = proven
        self.candidates = candidates
        self.derived = derived
        self.default = default

    def evaluate(self, scope: Scope) -> Any:
        return scope.fact(self)

    def operands(self) -> tuple[Expr, ...]:
        return () if self.derived is None else (self.derived,)

    def __repr__(self) -> str:
        return f"fact({self.name!r})"


class UnknownFact(VMStateError):
    """An expression asked for a fact that nothing has told yet. Answered inside the codec."""

    def __init__(self, fact: Fact) -> None:
        super().__init__(f"the fact {fact.name!r} is not known", expected=f"one of {list(fact.candidates)}")
        self.unknown = fact


def member(value: Any, name: str) -> Any:
    """A named part of a state, whether it is an attrs object or a mapping by wire name."""
    return value[name] if isinstance(value, dict) else getattr(value, name)


_HEX = frozenset("0123456789abcdef")


def _begins(value: str, shape: str) -> bool:
    return len(value) >= len(shape) and all(
        letter in _HEX if wanted == "h" else letter == wanted for letter, wanted in zip(value, shape, strict=False)
    )


def _has(value: Any, bit: int | str) -> bool:
    if isinstance(bit, str):
        if not isinstance(value, Flag):
            raise DescriptionError(f"has({bit!r}) needs a flag type, not {type(value).__name__}")
        return bool(value & type(value)[bit])
    return bool(value >> bit & 1)


def _ceil_div(value: int, by: int) -> int:
    return -(-value // by)


def _product(value: int, by: int) -> int:
    # Bytes and texts can be multiplied too, by a number out of a stream.
    if not isinstance(value, int) or not isinstance(by, int):
        raise TypeError("only numbers are multiplied")
    return value * by


def _remainder(value: int, by: int) -> int:
    # For a text, % is formatting.
    if not isinstance(value, int):
        raise TypeError("only numbers have a remainder")
    return value % by


def _shift_left(value: int, by: int) -> int:
    # The result is as long as `by` says, which may come out of a stream.
    if by > SHIFT_LIMIT:
        raise ValueError(f"a shift by more than {SHIFT_LIMIT} bits")
    return value << by


def refuted(value: Any) -> bool:
    """Whether the value of a condition says no; what is not known says nothing."""
    return value is not UNKNOWN and value is not None and not value


def _le16(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "little")


def _linked(data: bytes, head: int, wanted: int) -> int:
    place = data[head] if head < len(data) else 0
    for _ in range(len(data)):
        if place == 0 or place + 1 >= len(data):
            return 0
        if data[place] == wanted:
            return place
        place = data[place + 1]
    return 0


OPERATORS: Final[dict[str, Callable[..., Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": _product,
    "//": operator.floordiv,
    "%": _remainder,
    "^": operator.xor,
    "<<": _shift_left,
    ">>": operator.rshift,
    "not": operator.not_,
    "has": _has,
    "ceil_div": _ceil_div,
    "len": len,
    "min": min,
    "max": max,
    "begins": _begins,
    "le16": _le16,
    "linked": _linked,
}


class Applied(Expr):
    """Something applied to operands."""

    __slots__ = ("_refs", "arguments")

    def __init__(self, *arguments: object) -> None:
        self.arguments = tuple(as_expr(argument) for argument in arguments)
        # Asked for again and again where descriptions nest; so it is kept.
        self._refs = tuple(ref for argument in self.arguments for ref in argument.refs_)

    @property
    def refs_(self) -> tuple[Ref, ...]:
        return self._refs

    def operands(self) -> tuple[Expr, ...]:
        return self.arguments


class Op(Applied):
    """An operator applied to operands. `&` and `|` stop early where the left side is False or True."""

    __slots__ = ("_function", "symbol")

    def __init__(self, symbol: str, *arguments: object) -> None:
        self.symbol = symbol
        self._function = OPERATORS.get(symbol)
        super().__init__(*arguments)

    def evaluate(self, scope: Scope) -> Any:
        arguments, function = self.arguments, self._function
        first = arguments[0].evaluate(scope)
        if function is None:
            return self._decide(first, scope)
        if first is UNKNOWN:
            return UNKNOWN
        try:
            if len(arguments) == 2:
                second = arguments[1].evaluate(scope)
                return UNKNOWN if second is UNKNOWN else function(first, second)
            rest = [argument.evaluate(scope) for argument in arguments[1:]]
            return UNKNOWN if UNKNOWN in rest else function(first, *rest)
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise VMStateError(f"{self} cannot be evaluated: {error}") from None

    def _decide(self, first: Any, scope: Scope) -> Any:
        """The value of an operator that need not look at all of its operands, or that takes one that is unknown."""
        symbol = self.symbol
        if symbol == "otherwise":
            if first is not UNKNOWN:
                return first
            # Without a state, that a value is unknown does not say that there is none.
            return UNKNOWN if getattr(scope, "has_no_state", False) else self.arguments[1].evaluate(scope)
        if symbol == "choose":
            return UNKNOWN if first is UNKNOWN else self.arguments[1 if first else 2].evaluate(scope)
        decisive = symbol == "|"
        if first is decisive:
            return first
        second = self.arguments[1].evaluate(scope)
        if first is UNKNOWN or second is UNKNOWN:
            return second if second is decisive else UNKNOWN
        try:
            return first | second if decisive else first & second
        except TypeError as error:
            raise VMStateError(f"{self} cannot be evaluated: {error}") from None

    def __repr__(self) -> str:
        texts = [repr(argument) for argument in self.arguments]
        if self.symbol[0].isalpha():
            return f"{self.symbol}({', '.join(texts)})"
        return f"({f' {self.symbol} '.join(texts)})"


class Asked(Applied):
    """A condition that operators do not say: what a function of some operands answers."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.function = function
        super().__init__(*arguments)

    def evaluate(self, scope: Scope) -> Any:
        values = [argument.evaluate(scope) for argument in self.arguments]
        if any(value is UNKNOWN for value in values):
            return UNKNOWN
        try:
            return self.function(*values)
        except VMStateError:
            raise
        except Exception as error:
            # It is anybody's function, and may raise anything.
            raise VMStateError(f"{self} cannot be evaluated: {error or type(error).__name__}") from None

    def __repr__(self) -> str:
        return f"{self.function.__name__}({', '.join(map(repr, self.arguments))})"


def as_expr(value: object) -> Expr:
    """An expression as it is; anything else as a constant."""
    return value if isinstance(value, Expr) else Const(value)


this: Final = Ref("this")
up: Final = Ref("up")
root: Final = Ref("root")
version_id: Final = Version()


IDSTR: Final = Fact("idstr", ("",), None, "")
"""The idstr of the section: it tells the bus a device sits on. A reader of streams knows it, nobody else does."""


def fact(
    name: str,
    candidates: Sequence[Any] = (False, True),
    derived: Expr | None = None,
    default: Any = UNKNOWN,
    advice: str | Mapping[Any, str] | None = None,
    unsent: Any = UNKNOWN,
    since: Release | None = None,
    proven: bool = False,
) -> Fact:
    """A fact by name, with the values it can have and, where bytes decide it, the expression that does."""
    if not candidates:
        raise DescriptionError(f"the fact {name!r} has no candidates")
    return Fact(name, candidates, derived, default, advice, unsent, since, proven)


def not_(value: object) -> Expr:
    """Logical not."""
    return Op("not", value)


def ceil_div(value: object, by: object) -> Expr:
    """The quotient, rounded up."""
    return Op("ceil_div", value, by)


def len_(value: object) -> Expr:
    """The number of elements or bytes of a value."""
    return Op("len", value)


def min_(*values: object) -> Expr:
    """The smallest of the values."""
    return Op("min", *values)


def max_(*values: object) -> Expr:
    """The largest of the values."""
    return Op("max", *values)


def choose(condition: object, yes: object, no: object) -> Expr:
    """One of two values, by a condition; only the one chosen is evaluated."""
    return Op("choose", condition, yes, no)


def begins(value: object, shape: str) -> Expr:
    """Whether a text begins so; an `h` in the shape stands for any hexadecimal digit (0 to 9, a to f)."""
    return Op("begins", value, shape)


def otherwise(value: object, default: object) -> Expr:
    """A value, or a default where it is not known or was not on the wire."""
    return Op("otherwise", value, default)


def le16(data: object, place: object) -> Expr:
    """The two bytes at a place of a buffer, as a little-endian number."""
    return Op("le16", data, place)


def linked(data: object, head: object, wanted: object) -> Expr:
    """The place in a buffer of an entry in a list linked by bytes, or 0.

    The byte at `head` is the place of the first entry. An entry begins with its id and the place of the next.
    """
    return Op("linked", data, head, wanted)


def asks(function: Callable[..., Any], *arguments: object) -> Expr:
    """What a function answers to the values of some expressions; for rules over whole tables, and over memory."""
    return Asked(function, *arguments)


def told(name: str) -> Fact:
    """A fact that only the destination of a load knows. Where nobody tells it, what depends on it is not known."""
    return Fact(name, (), None, UNKNOWN)


RELEASE: Final = told("qemu_release")
"""The release of the destination, a `Release`."""

MEMORY: Final = told("guest_memory")
"""The guest's memory at the time of the load: what `Stream.memory` gives."""

OWN_STATE: Final = told("own_state")
"""The state that the destination itself would save of the whole section; `OWN` reads it beside `this`."""

OWN: Final = Own()

DESTINATION: Final = told("destination")
"""True where a state is held against a destination; told by whoever has a state of one."""
