"""Wire layouts from a `VMStateDescription`: of a stream's vmdesc, or of the device library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmstate.compare.layout import (
    NULLPTR,
    Condition,
    LayoutSource,
    Leaf,
    LeafLayout,
    Path,
    StructVersion,
    SubsectionLayout,
)
from vmstate.schema.vmdesc import PLAIN_INFOS
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, VMStateDescription
from vmstate.vmsd.expr import UNKNOWN, Const, Expr, Fact, refuted


class DescriptionSource(LayoutSource):
    """A `VMStateDescription`: of a stream, where all of it is certainly there (`concrete`), or of the library."""

    __slots__ = ("concrete", "facts", "minimum", "name", "version", "vmsd")

    def __init__(self, vmsd: VMStateDescription, facts: Mapping[str, Any], concrete: bool) -> None:
        self.vmsd = vmsd
        self.facts = facts
        self.concrete = concrete
        self.name = vmsd.name
        self.version = vmsd.version_id
        self.minimum = vmsd.minimum_version_id

    def same_as(self, source: LayoutSource) -> bool:
        return isinstance(source, DescriptionSource) and self.vmsd is source.vmsd

    def layout(self, version: int) -> LeafLayout:
        made = LeafLayout()
        self._put(made, self.vmsd, version, (), (), None)
        return made

    def _put(
        self,
        made: LeafLayout,
        vmsd: VMStateDescription,
        version: int,
        path: Path,
        repeats: tuple[int | None, ...],
        around: Condition | None,
    ) -> None:
        made.structs.setdefault(path, []).append(StructVersion(vmsd.name, version, vmsd.minimum_version_id))
        scope = _Scope(version, self.facts)
        for field in _one_for_each_array(vmsd.fields) if self.concrete else vmsd.fields:
            here = (*path, field.name)
            condition = around
            if field.exists is not None:
                holds = field.exists.evaluate(scope)
                if refuted(holds):
                    continue
                if holds is UNKNOWN and around is None:
                    condition = Condition(here, str(field.exists))
            elif field.version > version:
                continue
            count = 1 if field.count is None else self._number_if_known(field.count, scope)
            if isinstance(field.count, Expr) and not field.count.refs_:
                made.host_counts.add(here)
            self._put_field(made, field, here, count, repeats, condition, scope)
        for sub in vmsd.subsections:
            needed = sub.needed if sub.needed is not None else sub.vmsd.needed
            if not self.concrete and needed is not None and refuted(needed.evaluate(scope)):
                continue
            when = None if self.concrete else f"{sub.vmsd.name!r} is sent"
            if when is not None and needed is not None:
                when += f": {needed}"
            source = DescriptionSource(sub.vmsd, self.facts, self.concrete)
            made.subsections.append(SubsectionLayout(path, sub.vmsd.name, source.version, source.minimum, source, when))

    def _put_field(
        self,
        made: LeafLayout,
        field: Field,
        path: Path,
        count: int | None,
        repeats: tuple[int | None, ...],
        condition: Condition | None,
        scope: _Scope,
    ) -> None:
        kind = field.type
        match kind:
            case t.Validate() | t.Host():
                return
            case t.GTree():
                for part in kind.children():
                    self._put(made, part, kind.version, path, (*repeats, None), condition)
                return
            case t.QList():
                version = kind.vmsd.version_id if kind.version is None else kind.version
                self._put(made, kind.vmsd, version, path, (*repeats, None), condition)
                return
            case t.Struct() if not isinstance(kind, t.Info):
                version = kind.vmsd.version_id if kind.version is None else kind.version
                counts = repeats if field.count is None else (*repeats, count)
                self._put(made, kind.vmsd, version, path, counts, condition)
                return
        size = self._size(kind, scope)
        info = NULLPTR if isinstance(kind, t.Nullptr) else kind.info
        made.leaves.append(Leaf(path, size, count, repeats, info, condition, field.version, size is not None))

    def _size(self, kind: t.WireType, scope: _Scope) -> int | None:
        match kind:
            case t.Scalar(size=size):
                return size
            case t.Nullptr():
                return 1
            case t.Opaque(info=info) if info not in PLAIN_INFOS:
                # As long as the state made it, in this one stream.
                return None
            case t.Buffer(size=size):
                return self._number_if_known(size, scope)
            case t.Bitmap(bits=bits):
                number = self._number_if_known(bits, scope)
                return None if number is None else (number + 63) // 64 * 8
        return None

    def _number_if_known(self, value: int | Expr, scope: _Scope) -> int | None:
        if not isinstance(value, Expr):
            return value
        known = value.evaluate(scope)
        return known if isinstance(known, int) else None


class _Scope:
    """What a condition is evaluated in where there is no state: facts that were told, and nothing else."""

    outer = None
    has_no_state = True

    def __init__(self, version_id: int, facts: Mapping[str, Any]) -> None:
        self.version_id = version_id
        self._facts = facts

    def value(self, name: str) -> Any:
        """Not known."""
        return UNKNOWN

    def fact(self, fact: Fact) -> Any:
        """The value told, if any. A default does not count: it holds for most machines, not for all."""
        return self._facts.get(fact.name, UNKNOWN)


def _one_for_each_array(fields: tuple[Field, ...]) -> list[Field]:
    """Fields of a vmdesc, where elements of one array that are not alike are fields of their own: one stands for all.

    The one is that with the most inside it.
    """
    kept: list[Field] = []
    for field in fields:
        before = kept[-1] if kept else None
        if (
            before is not None
            and before.name == field.name
            and isinstance(before.type, t.Struct)
            and isinstance(field.type, t.Struct)
            and before.type.vmsd.name == field.type.vmsd.name
        ):
            larger = max(before, field, key=_fields_inside)
            kept[-1] = Field(field.name, larger.type, count=Const(UNKNOWN), as_written=True)
            continue
        kept.append(field)
    return kept


def _fields_inside(field: Field) -> int:
    return sum(len(part.fields) for child in field.type.children() for part in child.walk())
