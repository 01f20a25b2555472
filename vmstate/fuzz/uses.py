"""What the expressions of a description read: which field is a count, a size, a selector, part of a condition or rule.

All of it is derived from the declaration. What builds states keeps such fields at values that the expressions can work
with; what spoils streams aims at these fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from vmstate.vmsd import types as t
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import Field, VMStateDescription
from vmstate.vmsd.expr import Const, Expr, Op, Ref
from vmstate.vmsd.rule import Rule

ROLES = ("count", "size", "bits", "select", "exists", "validate", "rule", "link")
"""What a field can be to an expression; "link" is a list inside a buffer, such as that of PCI capabilities."""


class Use(Data):
    """An expression that reads a field: its role, the expression, and for a selector what there is to choose from."""

    role: str
    expr: Expr
    keys: tuple[Any, ...] = ()
    rule: Rule | None = None

    def constants(self) -> Iterator[int]:
        """The numbers that the expression compares with, and the bits that it looks at."""
        for node in self.expr.walk():
            if isinstance(node, Op) and node.symbol == "has":
                bit = node.arguments[1]
                if isinstance(bit, Const) and isinstance(bit.constant, int):
                    yield 1 << min(bit.constant, 63)
            elif isinstance(node, Const) and type(node.constant) is int:
                yield node.constant


class Uses:
    """The uses of every field in a description and in all that is inside it."""

    def __init__(self, vmsd: VMStateDescription) -> None:
        self._found: dict[tuple[int, str], list[Use]] = {}
        self._seen: set[tuple[int, ...]] = set()
        # Descriptions are told apart by identity, so they must live as long as this.
        self._kept: list[VMStateDescription] = []
        self._visit(vmsd, ())

    def of(self, vmsd: VMStateDescription, attribute: str) -> list[Use]:
        """The uses of a field."""
        return self._found.get((id(vmsd), attribute), [])

    def _visit(self, vmsd: VMStateDescription, around: tuple[VMStateDescription, ...]) -> None:
        chain = (vmsd, *around)
        key = tuple(map(id, chain))
        if key in self._seen:
            return
        self._seen.add(key)
        self._kept.append(vmsd)
        for field in vmsd.fields:
            for use in uses_in(field):
                self._note(use, chain)
        for rule in vmsd.rules:
            self._note(Use("rule", rule.holds, rule=rule), chain)
        for child in vmsd.parts():
            self._visit(child, chain)

    def _note(self, use: Use, chain: tuple[VMStateDescription, ...]) -> None:
        for node in use.expr.walk():
            if isinstance(node, Op) and node.symbol == "linked":
                link = Use("link", node)
                for ref in node.arguments[0].refs_:
                    self._mark(ref, link, chain)
            if isinstance(node, Ref):
                self._mark(node, use, chain)

    def _mark(self, ref: Ref, use: Use, chain: tuple[VMStateDescription, ...]) -> None:
        distance = {"this": 0, "root": len(chain) - 1}.get(ref.base_, ref.base_.count("up"))
        if distance >= len(chain) or not ref.names_:
            return
        for place in _places([chain[distance]], ref.names_):
            uses = self._found.setdefault(place, [])
            if use not in uses:
                uses.append(use)


def _places(structs: Iterable[VMStateDescription], names: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """The fields that a row of names leads to."""
    for vmsd in structs:
        fields = [field for field in vmsd.fields if field.attribute == names[0]]
        if not fields and hasattr(vmsd.state_class, names[0]):
            # A property of the class: what it is made of is not known, but it is bytes of this struct.
            fields = [field for field in vmsd.fields if isinstance(field.type, t.Buffer)]
        for field in fields:
            if len(names) == 1 or field.attribute != names[0]:
                yield id(vmsd), field.attribute
            else:
                yield from _places(field.type.structs(), names[1:])
        for sub in vmsd.subsections:
            if sub.attribute == names[0] and len(names) > 1:
                yield from _places([sub.vmsd], names[1:])


def uses_in(field: Field) -> Iterator[Use]:
    """What the layout and the rules of a field read."""
    if field.exists is not None:
        yield Use("exists", field.exists)
    if isinstance(field.count, Expr):
        yield Use("count", field.count)
    yield from _of_type(field.type)
    for rule in field.rules:
        yield Use("rule", rule.holds, rule=rule)


def _of_type(kind: t.WireType) -> Iterator[Use]:
    if isinstance(kind, t.Buffer) and isinstance(kind.size, Expr):
        yield Use("size", kind.size)
    elif isinstance(kind, t.Bitmap) and isinstance(kind.bits, Expr):
        yield Use("bits", kind.bits)
    elif isinstance(kind, t.Validate):
        yield Use("validate", kind.condition)
    elif isinstance(kind, t.Choice):
        yield Use("select", kind.on, tuple(value for value, _ in kind.cases))
        for _, case in kind.cases:
            yield from _of_type(case)
