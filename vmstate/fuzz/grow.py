"""States built from descriptions: valid by construction, of any version, with any subsections.

A field is drawn when all that comes before it on the wire is known. A field that an expression reads gets a value that
the expression can work with: a count is small or at a bound that a rule names, a selector is one of its cases, and a
buffer that is searched for a list now and then holds one. The rules that QEMU applies at load are judged as soon as the
last field that they read is there; a value that breaks one is drawn again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vmstate.codec.asked import judge
from vmstate.codec.plan import FAST
from vmstate.codec.records import Records, fixed_struct
from vmstate.errors import VMStateError
from vmstate.fuzz.source import ChoiceSource
from vmstate.fuzz.uses import Use, Uses
from vmstate.vmsd import types as t
from vmstate.vmsd.declare import nested
from vmstate.vmsd.description import Field, VMStateDescription
from vmstate.vmsd.expr import IDSTR, UNKNOWN, Const, Expr, Fact, Op, UnknownFact, refuted
from vmstate.vmsd.rule import judged
from vmstate.vmsd.state import State, ensure_meta

TRIES = 12
"""How often a value, and then the struct it is in, is drawn again before the next larger part is."""

FEW = 3
"""Elements of a list that are drawn by themselves; the rest of a long one is alike."""

LONG = 8
"""From so many elements on a list is long."""

MOST = 1 << 14
"""The most elements, or bytes, that a count or size is let have."""


class DeadEnd(Exception):
    """No value fits what was drawn before: something earlier must be drawn again."""


class _Scope:
    """What expressions read while a state is built."""

    __slots__ = ("grower", "outer", "values", "version_id")

    def __init__(self, grower: Grower, outer: _Scope | None, version_id: int) -> None:
        self.grower = grower
        self.outer = outer
        self.version_id = version_id
        self.values: dict[str, Any] = {}

    def value(self, name: str) -> Any:
        return self.values.get(name, UNKNOWN)

    def fact(self, asked: Fact) -> Any:
        return self.grower.fact(asked, self)


class Grower:
    """Builds states of one description; `facts` are those that are told, the others are drawn."""

    def __init__(self, vmsd: VMStateDescription, source: ChoiceSource, facts: Mapping[str, Any] | None = None) -> None:
        self.vmsd = vmsd
        self.source = source
        self.told = dict(facts or {})
        self.facts: dict[str, Any] = {}
        self.uses = uses_of(vmsd)
        # Whether a rule is being asked: it must not settle what nobody knows.
        self._asking = False
        self._calm = False

    def grow(self, version_id: int | None = None) -> Any:
        """A state, at a version of the description's or at the one given.

        Raises `VMStateError` where the rules let nothing be found.
        """
        lowest, highest = self.vmsd.minimum_version_id, self.vmsd.version_id
        for attempt in range(2 * TRIES):
            # Where nothing wild will do, plain zeros may.
            self._calm = attempt >= TRIES
            self.facts = {}
            version = version_id
            if version is None:
                version = self.source.integer(lowest, highest) if self.source.chance(2) else highest
            try:
                state = self.struct(self.vmsd, version, None)
            except DeadEnd:
                continue
            meta = ensure_meta(state)
            meta.facts = {**self.told, **self.facts}
            meta.facts.pop(IDSTR.name, None)
            if IDSTR.name in self.told:
                meta.facts[IDSTR.name] = self.told[IDSTR.name]
            if version != highest:
                meta.version_id = version
            if not any(judged(judge(self.vmsd, state, version_id=version, facts=None, own=None))):
                return state
        raise VMStateError(f"no state of {self.vmsd.name!r} was found that breaks no rule")

    # Facts.

    def fact(self, asked: Fact, scope: _Scope) -> Any:
        """The value of a fact, as the codec settles it; where nothing does, it is drawn."""
        if not asked.candidates:
            return self.told.get(asked.name, UNKNOWN)
        if asked.derived is not None:
            value = asked.derived.evaluate(scope)
            if value is not None and value is not UNKNOWN:
                return value
        if asked.name in self.told:
            return self.told[asked.name]
        if asked.name in self.facts:
            return self.facts[asked.name]
        if asked.default is not UNKNOWN:
            return asked.default
        if self._asking:
            raise UnknownFact(asked)
        value = self.facts[asked.name] = self.source.choice(asked.candidates)
        return value

    # Structs.

    def struct(
        self, vmsd: VMStateDescription, version: int, outer: _Scope | None, key: t.KeyedList | None = None
    ) -> Any:
        """A state of a struct; with `key` it is one of that list, which its first field does not end."""
        for _ in range(TRIES):
            scope = _Scope(self, outer, version)
            try:
                return self._struct(vmsd, scope, key)
            except DeadEnd:
                continue
        raise DeadEnd

    def _struct(self, vmsd: VMStateDescription, scope: _Scope, key: t.KeyedList | None) -> Any:
        parts: list[tuple[Field, Any]] = []
        deciding = deciders_of(vmsd)
        for number, field in enumerate(vmsd.fields):
            conditions = deciding.get(number, ())
            value = self._field(vmsd, field, scope, conditions, key if number == 0 else None)
            if field.in_state:
                parts.append((field, value))
        sent: list[str] = []
        for sub, is_hidden in zip(vmsd.subsections, hidden_subsections(vmsd), strict=True):
            # QEMU takes a subsection whose name begins with that of the one in front of it for a part of that.
            is_swallowed = bool(sent) and sub.vmsd.name.startswith(sent[-1])
            state = None
            if not is_hidden and not is_swallowed and self.source.chance(2):
                state = self._subsection(sub.vmsd, scope)
                sent.append(sub.vmsd.name)
            scope.values[sub.attribute] = state
        self._require(deciding.get(len(vmsd.fields), ()), scope)
        if vmsd.state_class is not None:
            return vmsd.state_class(**scope.values)
        return State({**scope.values, **gathered(vmsd, parts)})

    def _subsection(self, vmsd: VMStateDescription, scope: _Scope) -> Any:
        version = vmsd.version_id
        if self.source.chance(2):
            version = self.source.integer(vmsd.minimum_version_id, vmsd.version_id)
        state = self.struct(vmsd, version, scope)
        if version != vmsd.version_id:
            ensure_meta(state).version_id = version
        return state

    def _field(
        self,
        vmsd: VMStateDescription,
        field: Field,
        scope: _Scope,
        conditions: tuple[Expr, ...],
        key: t.KeyedList | None,
    ) -> Any:
        for _ in range(TRIES):
            value = self._value(vmsd, field, scope, key)
            if field.in_state:
                scope.values[field.attribute] = value
            if self._holds(conditions, scope):
                return value
            if isinstance(field.type, t.Scalar) and field.count is None and value is not None:
                return self._fitting(vmsd, field, field.type, scope, conditions)
        raise DeadEnd

    def _fitting(
        self, vmsd: VMStateDescription, field: Field, kind: t.Scalar, scope: _Scope, conditions: tuple[Expr, ...]
    ) -> Any:
        """A number under which the conditions hold, of those that the expressions know and the smallest."""
        fitting = []
        for candidate in dict.fromkeys(
            (*range(FEW + 1), *_numbers_near(self.uses.of(vmsd, field.attribute)), kind.maximum)
        ):
            scope.values[field.attribute] = candidate
            if kind.minimum <= candidate <= kind.maximum and self._holds(conditions, scope):
                fitting.append(candidate)
        if not fitting:
            raise DeadEnd
        value = scope.values[field.attribute] = _named(field, self.source.choice(fitting))
        return value

    def _require(self, conditions: tuple[Expr, ...], scope: _Scope) -> None:
        if not self._holds(conditions, scope):
            raise DeadEnd

    def _holds(self, conditions: tuple[Expr, ...], scope: _Scope) -> bool:
        self._asking = True
        try:
            return not any(refuted(_known(condition, scope)) for condition in conditions)
        finally:
            self._asking = False

    def _evaluate(self, expr: Expr, scope: _Scope) -> Any:
        try:
            return expr.evaluate(scope)
        except UnknownFact:
            raise
        except VMStateError:
            raise DeadEnd from None

    def _number(self, value: int | Expr, scope: _Scope) -> int:
        number = self._evaluate(value, scope) if isinstance(value, Expr) else value
        if not isinstance(number, int) or not 0 <= number <= (MOST if isinstance(value, Expr) else number):
            raise DeadEnd
        return int(number)

    # Values.

    def _value(self, vmsd: VMStateDescription, field: Field, scope: _Scope, key: t.KeyedList | None) -> Any:
        if isinstance(field.type, t.Host):
            return field.default
        is_there = field.version <= scope.version_id
        if field.exists is not None:
            is_there = self._evaluate(field.exists, scope)
            if is_there is UNKNOWN:
                raise DeadEnd
        if not is_there or not field.in_state:
            return None
        if field.count is None:
            return _named(field, self._element(vmsd, field, field.type, scope, key))
        return _named(field, self._elements(vmsd, field, self._number(field.count, scope), scope))

    def _elements(self, vmsd: VMStateDescription, field: Field, count: int, scope: _Scope) -> Any:
        nulls: Any = t.NULLS_MARKED
        if field.nulls is not None:
            nulls = self._nulls(field, scope)
        drawn = set(range(count)) if count < LONG else self._few_indices(count)
        if count >= LONG and field.dims is None and field.pointers is None and type(field.type) is t.Struct:
            records = self._records(field.type, count, drawn, scope)
            if records is not None:
                return records
        calm = self._calm
        elements: list[Any] = []
        alike: list[Any] | None = None
        for index in range(count):
            if isinstance(nulls, (tuple, frozenset)):
                is_null = index in nulls
            else:
                can_be_null = field.pointers is not None and nulls == t.NULLS_MARKED
                is_null = can_be_null and (index not in drawn or self.source.chance(3))
            if is_null:
                elements.append(None)
            elif index in drawn:
                elements.append(self._element_of(vmsd, field, nulls, scope))
            else:
                # The many are zero where nothing says otherwise: a device that has nothing there sends them so.
                if isinstance(field.type, t.Scalar) and alike is not None:
                    elements.append(alike[0])
                    continue
                self._calm = True
                alike = [self._element_of(vmsd, field, nulls, scope)]
                self._calm = calm
                elements += alike
        return nested(elements, field.dims)

    def _records(self, kind: t.Struct, count: int, drawn: set[int], scope: _Scope) -> Any:
        """A long array of structs of one size, as the codec reads it: most elements zero, and made when looked at."""
        version = kind.vmsd.version_id if kind.version is None else kind.version
        fixed = fixed_struct(kind.vmsd, version)
        if not FAST.plan(kind.vmsd, version).size:
            return None
        calm, self._calm = self._calm, True
        zero = kind.vmsd.encode(self.struct(kind.vmsd, version, scope), version_id=version, facts=self._known)
        self._calm = calm
        raw = bytearray(zero * count)
        for index in sorted(drawn):
            encoded = kind.vmsd.encode(self.struct(kind.vmsd, version, scope), version_id=version, facts=self._known)
            raw[index * len(zero) : (index + 1) * len(zero)] = encoded
        return Records(fixed, bytes(raw))

    @property
    def _known(self) -> dict[str, Any]:
        return {**self.told, **self.facts}

    def _few_indices(self, count: int) -> set[int]:
        return {0, count - 1, *(self.source.integer(0, count - 1) for _ in range(FEW - 2))}

    def _nulls(self, field: Field, scope: _Scope) -> Any:
        asked = field.nulls
        assert asked is not None
        if not isinstance(asked, Fact):
            return asked.evaluate(scope)
        if asked.name not in self.told and asked.name not in self.facts and asked.default is UNKNOWN:
            # The first byte of an element must not look like the marker of a NULL: only of numbers is that known.
            sure = isinstance(field.type, t.Scalar) and field.type.order == ">"
            options = (
                asked.candidates
                if sure
                else tuple(candidate for candidate in asked.candidates if candidate != t.NULLS_MARKED)
            )
            self.facts[asked.name] = self.source.choice(options or asked.candidates)
        return asked.evaluate(scope)

    def _element_of(self, vmsd: VMStateDescription, field: Field, nulls: Any, scope: _Scope) -> Any:
        value = self._element(vmsd, field, field.type, scope, None)
        if field.nulls is not None and nulls == t.NULLS_MARKED and isinstance(field.type, t.Scalar):
            top = field.type.size * 8 - 8
            return value if int(value) >> top & 0xFF != 0x30 else type(value)(0)
        return value

    def _element(
        self, vmsd: VMStateDescription, field: Field, kind: t.WireType, scope: _Scope, key: t.KeyedList | None
    ) -> Any:
        match kind:
            case t.Scalar():
                value = self._scalar(kind, self.uses.of(vmsd, field.attribute))
                return key.end + 1 if key is not None and key.is_end(value) else value
            case t.Text():
                return self._bytes(self._number(kind.size, scope)).decode("utf-8", "surrogateescape")
            case t.Buffer():
                return self._buffer(field, self._number(kind.size, scope), self.uses.of(vmsd, field.attribute))
            case t.Bitmap():
                words = -(-self._number(kind.bits, scope) // 64)
                return int.from_bytes(self._bytes(words * 8), "little")
            case t.CountedString():
                return self._bytes(self.source.integer(0, 4)).decode("utf-8", "surrogateescape")
            case t.Chunks():
                most = min(kind.limit, 4)
                return [self._bytes(self.source.integer(1, most)) for _ in range(self._list_length())]
            case t.QList(vmsd=inner, version=version):
                assert version is not None
                return [self.struct(inner, version, scope) for _ in range(self._list_length())]
            case t.Struct(vmsd=inner, version=version):
                return self.struct(inner, inner.version_id if version is None else version, scope)
            case t.GTree():
                return [self._pair(kind, scope) for _ in range(self._list_length())]
            case t.KeyedList(vmsd=inner):
                return [self.struct(inner, inner.version_id, scope, kind) for _ in range(self._list_length())]
            case t.Choice():
                chosen = dict(kind.cases).get(self._evaluate(kind.on, scope))
                if chosen is None:
                    raise DeadEnd
                return self._element(vmsd, field, chosen, scope, None)
            case t.Later():
                return self._element(vmsd, field, kind.resolve(), scope, None)
        return None

    def _list_length(self) -> int:
        """How many elements a list has of which nothing says how many."""
        return 0 if self._calm else self.source.integer(0, FEW)

    def _pair(self, kind: t.GTree, scope: _Scope) -> tuple[Any, Any]:
        if kind.key is None:
            key: Any = self._scalar(t.UINT64, [])
        else:
            key = self.struct(kind.key, kind.version, scope)
        return key, self.struct(kind.value, kind.version, scope)

    def _scalar(self, kind: t.Scalar, uses: list[Use]) -> Any:
        if kind.code == "?":
            return not self._calm and self.source.chance(2)
        low, high = kind.minimum, kind.maximum
        roles = {use.role for use in uses}
        keys = sorted({key for use in uses for key in use.keys if type(key) is int and low <= key <= high})
        if keys:
            return self.source.choice(keys)
        if roles & {"count", "size", "bits"}:
            return self._count_or_size(kind, uses)
        if self._calm:
            # A rule may well want something else than zero.
            wanted = (
                sorted({0, *(near for near in _numbers_near(uses) if low <= near <= high)}) if "rule" in roles else [0]
            )
            return self.source.choice(wanted)
        near = [near for near in _numbers_near(uses) if low <= near <= high]
        if near and self.source.chance(3):
            return self.source.choice(near)
        if self.source.chance(4):
            return self.source.choice((0, 1, high, low, high - 1, high // 2 + 1))
        return self.source.integer(low, high)

    def _count_or_size(self, kind: t.Scalar, uses: list[Use]) -> int:
        """A count or size: few, now and then as many as a rule or the layout knows."""
        few = self.source.integer(0, FEW)
        if self._calm or not self.source.chance(8):
            return few
        known = [near for near in _numbers_near(uses) if 0 <= near <= min(kind.maximum, MOST)]
        return self.source.choice(known) if known else self.source.integer(0, 16)

    def _buffer(self, field: Field, size: int, uses: list[Use]) -> bytes:
        if field.default is not None and len(field.default) == size:
            return bytes(field.default)
        raw = bytearray(self._bytes(size))
        for use in uses:
            if use.role == "link":
                if self.source.integer(0, 2):
                    self._plant(raw, use.expr)
                else:
                    # Noise could hold an entry by chance.
                    raw[:] = bytes(size)
        return bytes(raw)

    def _plant(self, raw: bytearray, expr: Expr) -> None:
        """Put the entry into a buffer that an expression looks for there: its id, no next one, and a small number."""
        assert isinstance(expr, Op)
        head, wanted = (argument.constant if isinstance(argument, Const) else 0 for argument in expr.arguments[1:])
        if head + 5 > len(raw):
            return
        first = head + 1
        place = self.source.integer(first, min(255, len(raw) - 4))
        raw[head] = place
        raw[place : place + 4] = bytes((wanted, 0, self.source.integer(0, FEW), 0))

    def _bytes(self, size: int) -> bytes:
        """Bytes: drawn one by one where they are few, else zeros or a pattern with some drawn bytes in it."""
        if self._calm:
            return bytes(size)
        if size <= LONG:
            return self.source.data(size)
        raw = bytearray(self.source.choice((b"\0", b"\xff", b"\x05", b"\x30")) * size)
        for _ in range(FEW):
            drawn = self.source.data(4)
            place = self.source.integer(0, size - len(drawn))
            raw[place : place + 4] = drawn
        return bytes(raw)


def _numbers_near(uses: list[Use]) -> list[int]:
    """The numbers at and beside those that the expressions know."""
    return sorted(
        {near for use in uses for constant in use.constants() for near in (constant - 1, constant, constant + 1)}
    )


def _known(condition: Expr, scope: _Scope) -> Any:
    try:
        return condition.evaluate(scope)
    except UnknownFact:
        return UNKNOWN
    except VMStateError:
        return False


def _named(field: Field, value: Any) -> Any:
    """A value as the class that names what is in it, where it has names for it."""
    if field.value is None or value is None:
        return value
    if isinstance(value, list):
        return [_named(field, element) for element in value]
    try:
        return field.value(value)
    except ValueError:
        return value


def uses_of(vmsd: VMStateDescription) -> Uses:
    """What the expressions of a description read; found once."""
    uses: Uses | None = vmsd.compiled.get("uses")
    if uses is None:
        uses = vmsd.compiled["uses"] = Uses(vmsd)
    return uses


def deciders_of(vmsd: VMStateDescription) -> dict[int, tuple[Expr, ...]]:
    """Number of a field -> the conditions that must hold once it is there, as it is the last of them that they read.

    What reads a subsection, or nothing of this struct, stands under the number behind the last field.
    """
    deciders: dict[int, tuple[Expr, ...]] | None = vmsd.compiled.get("deciders")
    if deciders is None:
        gathering: dict[int, tuple[Expr, ...]] = {}
        for condition in _conditions(vmsd):
            last = _index_of_last_read(vmsd, condition)
            gathering[last] = (*gathering.get(last, ()), condition)
        deciders = vmsd.compiled["deciders"] = gathering
    return deciders


def hidden_subsections(vmsd: VMStateDescription) -> list[bool]:
    """Of each subsection whether an earlier one has the same name: QEMU finds that one."""
    names = [sub.vmsd.name for sub in vmsd.subsections]
    return [name in names[:number] for number, name in enumerate(names)]


def _conditions(vmsd: VMStateDescription) -> Iterator[Expr]:
    for field in vmsd.fields:
        if isinstance(field.type, t.Validate):
            yield field.type.condition
        for rule in field.rules:
            yield rule.holds
    for rule in vmsd.rules:
        yield rule.holds


def _index_of_last_read(vmsd: VMStateDescription, condition: Expr) -> int:
    names = [field.attribute if field.in_state else None for field in vmsd.fields]
    fields_read = {ref.names_[0] for ref in condition.refs_ if ref.base_ == "this" and ref.names_}
    if not fields_read or not fields_read <= set(names):
        return len(names)
    return max(names.index(name) for name in fields_read)


def gathered(vmsd: VMStateDescription, parts: list[tuple[Field, Any]]) -> dict[str, Any]:
    """The lists of the names that repeat, as a state without a class has them."""
    names = [field.attribute for field, _ in parts]
    lists: dict[str, Any] = {}
    for field, value in parts:
        if names.count(field.attribute) == 1:
            continue
        always = field.exists is None and field.version <= vmsd.minimum_version_id
        spread = isinstance(field.count, int) and always
        lists.setdefault(field.attribute, []).extend(value if spread else [value])
    return lists
