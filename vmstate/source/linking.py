"""Names of C variables brought together over the files of a tree: which description a field or a device class means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from vmstate.source.model import (
    SourceDescription,
    SourceField,
    SourceFunction,
    SourceInfo,
    SourceType,
    UnitResult,
)
from vmstate.source.reading import SourceTree

MAX_DEPTH = 40
"""How deep descriptions may nest: QEMU has hardly ten."""

MAX_OPENED = 20_000
"""Fields that a description may have with all that is in it opened: QEMU's largest has some hundred."""


class Linked:
    """The descriptions of a tree, each found by the name that another file has for it."""

    def __init__(self, tree: SourceTree) -> None:
        self.tree = tree
        self.units = {unit.path: unit for unit in tree.units}
        self._descriptions: dict[str, list[tuple[UnitResult, SourceDescription]]] = {}
        self._infos: dict[str, list[tuple[UnitResult, SourceInfo]]] = {}
        self.types: dict[str, tuple[UnitResult, SourceType]] = {}
        self.functions: dict[str, SourceFunction] = {}
        self._wires: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._opened: dict[tuple[str, str], int] = {}
        for unit in tree.units:
            for vmsd in unit.descriptions:
                self._descriptions.setdefault(vmsd.symbol, []).append((unit, vmsd))
            for info in unit.infos:
                self._infos.setdefault(info.symbol, []).append((unit, info))
            for function in unit.functions:
                self.functions.setdefault(function.name, function)
            for kind in unit.types:
                self.types.setdefault(kind.name, (unit, kind))

    def description(self, symbol: str, unit: UnitResult) -> tuple[UnitResult, SourceDescription] | None:
        """The description that a name means in a file: its own, else the one that all files can see.

        None too where it is in itself, or becomes too much when all that is in it is opened: nobody could send it.
        """
        chosen = _chosen(self._descriptions.get(symbol, ()), unit)
        return None if chosen is None or self._fields_of(*chosen, 0) > MAX_OPENED else chosen

    def _fields_of(self, unit: UnitResult, vmsd: SourceDescription, depth: int) -> int:
        """How many fields a description has with all that is in it opened, as far as that matters."""
        key = (vmsd.path, vmsd.symbol)
        known = self._opened.get(key)
        if known is not None or depth > MAX_DEPTH:
            return MAX_OPENED + 1 if known is None else known
        # What comes back to it while it is looked at is in itself.
        self._opened[key] = MAX_OPENED + 1
        count = len(vmsd.fields)
        for symbol in (*vmsd.subsections, *(field.vmsd for field in vmsd.fields if field.vmsd is not None)):
            chosen = _chosen(self._descriptions.get(symbol, ()), unit)
            if chosen is not None and count <= MAX_OPENED:
                count += self._fields_of(*chosen, depth + 1)
        self._opened[key] = count = min(count, MAX_OPENED + 1)
        return count

    def is_in_itself(self, unit: UnitResult, vmsd: SourceDescription) -> bool:
        """Whether a description is reached again from what is in it."""
        if self._fields_of(unit, vmsd, 0) <= MAX_OPENED:
            return False
        seen: set[tuple[str, str]] = set()
        waiting = [(unit, vmsd)]
        while waiting:
            around, inner = waiting.pop()
            for symbol in (*inner.subsections, *(field.vmsd for field in inner.fields if field.vmsd is not None)):
                chosen = _chosen(self._descriptions.get(symbol, ()), around)
                if chosen is not None and chosen[1] is vmsd:
                    return True
                if chosen is not None and (chosen[1].path, chosen[1].symbol) not in seen:
                    seen.add((chosen[1].path, chosen[1].symbol))
                    waiting.append(chosen)
        return False

    def anywhere(self, symbol: str) -> tuple[UnitResult, SourceDescription] | None:
        """The first description under a name, whoever can see it."""
        return next(iter(self._descriptions.get(symbol, ())), None)

    def info(self, symbol: str, unit: UnitResult) -> SourceInfo | None:
        """The `VMStateInfo` that a name means in a file."""
        chosen = _chosen(self._infos.get(symbol, ()), unit)
        return None if chosen is None else chosen[1]

    def function(self, name: str, unit: UnitResult) -> SourceFunction | None:
        """The predicate that a name means in a file: that which is seen there, else one of its name."""
        seen = next((function for function in unit.functions if function.name == name), None)
        return seen or self.functions.get(name)

    def instance_of_type(self, name: str) -> tuple[str, ...]:
        """The struct of a class's instances, its own or that of the nearest class above it, as `UnitResult.heads`."""
        for _ in range(MAX_DEPTH):
            known = self.types.get(name)
            if known is None:
                return ()
            if known[1].instance:
                return known[1].instance
            name = known[1].parent or ""
        return ()

    def vmsd_of_type(self, name: str) -> tuple[UnitResult, SourceDescription] | None:
        """The description of a device class: its own, or that of the nearest class above it."""
        for _ in range(MAX_DEPTH):
            known = self.types.get(name)
            if known is None:
                return None
            unit, kind = known
            if kind.vmsd is not None:
                return None if kind.vmsd == "NULL" else self.description(kind.vmsd, unit)
            if kind.parent is None:
                return None
            name = kind.parent
        return None

    def devices(self) -> Iterator[tuple[str, UnitResult, SourceDescription]]:
        """All device classes that have a description, also abstract ones, as -dump-vmstate lists them."""
        for name in self.types:
            vmsd = self.vmsd_of_type(name)
            if vmsd is not None:
                yield name, *vmsd

    def registered(self) -> Iterator[tuple[UnitResult, SourceDescription]]:
        """The descriptions that functions register as sections of their own, each once."""
        seen: set[str] = set()
        for unit in self.tree.units:
            for registration in unit.registrations:
                chosen = None if registration.vmsd is None else self.description(registration.vmsd, unit)
                if chosen is not None and chosen[1].name and chosen[1].name not in seen:
                    seen.add(chosen[1].name)
                    yield chosen

    def registered_by_hand(self) -> Iterator[tuple[UnitResult, SourceDescription]]:
        """The sections that functions alone write, as descriptions without fields under their idstrs."""
        for unit in self.tree.units:
            for call in unit.registrations:
                if call.function.startswith("register_savevm") and call.idstr:
                    version = call.version or 0
                    yield unit, SourceDescription(call.idstr, call.path, call.line, call.idstr, version, version)

    def dump(self, unit: UnitResult, vmsd: SourceDescription, depth: int = 0) -> dict[str, Any]:
        """A description as -dump-vmstate has it; a size that is not known is None, and so is a description."""
        made: dict[str, Any] = {
            "name": vmsd.name,
            "version_id": vmsd.version,
            "minimum_version_id": vmsd.minimum,
        }
        if depth > MAX_DEPTH:
            return made
        if vmsd.has_fields:
            made["Fields"] = [
                self._dump_field(unit, field, depth) for field in vmsd.fields if "VMS_MUST_EXIST" not in field.flags
            ]
        subsections = []
        for symbol in vmsd.subsections:
            inner = self.description(symbol, unit)
            subsections.append(None if inner is None else self.dump(*inner, depth + 1))
        if subsections:
            made["Subsections"] = subsections
        return made

    def wire(self, unit: UnitResult, vmsd: SourceDescription, depth: int = 0) -> tuple[Any, ...]:
        """All that decides what a description puts on the wire: equal for two that send the same.

        The bodies of predicates are in it, sizes of structs in memory are not.
        """
        key = (vmsd.path, vmsd.symbol)
        known = self._wires.get(key)
        if known is not None:
            return known
        fields = []
        for field in vmsd.fields:
            inner = None if field.vmsd is None else self.description(field.vmsd, unit)
            info = None if field.info is None else self.info(field.info, unit)
            nested = () if inner is None or depth > MAX_DEPTH else self.wire(*inner, depth + 1)
            size = field.size if field.vmsd is None else None
            how = (field.count, field.start, field.count_from, field.size_from, field.flags, field.struct_version)
            kind = field.info if info is None else info.name
            fields.append((field.name, field.version, size, *how, kind, self.predicate(field.exists), nested))
        subsections = []
        for symbol in vmsd.subsections:
            inner = self.description(symbol, unit)
            subsections.append(() if inner is None or depth > MAX_DEPTH else self.wire(*inner, depth + 1))
        needed = self.predicate(vmsd.needed)
        result = (vmsd.name, vmsd.version, vmsd.minimum, needed, tuple(fields), tuple(subsections))
        self._wires[key] = result
        return result

    def predicate(self, name: str | None) -> tuple[str, str] | None:
        """The name of a predicate, with what tells whether its body was changed."""
        if name is None:
            return None
        function = self.functions.get(name)
        return name, function.digest if function is not None else ""

    def _dump_field(self, unit: UnitResult, field: SourceField, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {
            "field": field.name,
            "version_id": field.version,
            "field_exists": field.exists is not None,
        }
        if "VMS_ARRAY" in field.flags:
            made["num"] = field.count
        made["size"] = field.size
        if field.vmsd is not None:
            inner = self.description(field.vmsd, unit)
            made["Description"] = None if inner is None else self.dump(*inner, depth + 1)
        return made


F = TypeVar("F", SourceDescription, SourceInfo)


def _chosen(candidates: Sequence[tuple[UnitResult, F]], unit: UnitResult) -> tuple[UnitResult, F] | None:
    visible = []
    for candidate in candidates:
        if candidate[0].path == unit.path:
            return candidate
        # A stub has a description without a name.
        if not candidate[1].static and candidate[1].name:
            visible.append(candidate)
    for candidate in visible:
        if candidate[0].target == unit.target:
            return candidate
    return visible[0] if visible else None
