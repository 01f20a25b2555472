"""Wire layouts from QEMU's own source (vmstate.source): names, types, sizes and counts; conditions by their names."""

from __future__ import annotations

from vmstate.compare.layout import (
    UNUSED,
    Condition,
    LayoutSource,
    Leaf,
    LeafLayout,
    Path,
    StructVersion,
    SubsectionLayout,
)
from vmstate.source.compat_lists import MachineProperties, holds_at
from vmstate.source.linking import MAX_DEPTH, Linked
from vmstate.source.model import SourceDescription, SourceField, UnitResult

SIZES = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
    "int32 equal": 4, "uint8 equal": 1, "uint16 equal": 2, "uint32 equal": 4, "int64 equal": 8, "uint64 equal": 8,
    "int32 le": 4, "timer": 8, "float64": 8, "CPU_Double_U": 8,
}  # fmt: skip
"""Bytes on the wire by the name of an info. Facts from migration/vmstate-types.c."""

AS_IN_MEMORY = frozenset(("buffer", UNUSED))
"""Infos that send as many bytes as a field has in memory."""

ANY_NUMBER = frozenset(("qtailq", "qlist", "gtree"))
COUNTED = frozenset(("VMS_VARRAY_INT32", "VMS_VARRAY_UINT8", "VMS_VARRAY_UINT16", "VMS_VARRAY_UINT32"))


class SourceLayout(LayoutSource):
    """A description of a tree. With `properties` it is as a device class (`device`) of one machine type has it."""

    __slots__ = ("device", "linked", "minimum", "name", "properties", "unit", "version", "vmsd")

    def __init__(
        self,
        linked: Linked,
        unit: UnitResult,
        vmsd: SourceDescription,
        properties: MachineProperties | None = None,
        device: str = "",
    ) -> None:
        self.properties = properties
        self.device = device
        self.linked = linked
        self.unit = unit
        self.vmsd = vmsd
        self.name = vmsd.name
        self.version = vmsd.version
        self.minimum = vmsd.minimum

    @property
    def is_empty(self) -> bool:
        return not self.vmsd.fields and not self.vmsd.subsections

    def same_as(self, source: LayoutSource) -> bool:
        if not isinstance(source, SourceLayout) or self.properties is not None or source.properties is not None:
            return False
        return self.linked.wire(self.unit, self.vmsd) == source.linked.wire(source.unit, source.vmsd)

    def layout(self, version: int) -> LeafLayout:
        made = LeafLayout()
        self._put(made, self.unit, self.vmsd, version, (), (), None, 0)
        return made

    def _is_sent(self, unit: UnitResult, condition: str | None, version: int) -> bool | None:
        """Whether what a condition stands at is sent at a version of its struct; None where that is not known."""
        if condition is None:
            return True
        function = self.linked.function(condition, unit)
        holds = holds_at(version, function)
        if holds is not None or self.properties is None:
            return holds
        return self.properties.is_sent(self.device, function)

    def _put(
        self,
        made: LeafLayout,
        unit: UnitResult,
        vmsd: SourceDescription,
        version: int,
        path: Path,
        repeats: tuple[int | None, ...],
        around: Condition | None,
        depth: int,
    ) -> None:
        made.structs.setdefault(path, []).append(StructVersion(vmsd.name, version, vmsd.minimum))
        for field in vmsd.fields:
            if "VMS_MUST_EXIST" in field.flags or (field.exists is None and field.version > version):
                continue
            here = (*path, field.name)
            condition = around
            is_sent = self._is_sent(unit, field.exists, version)
            if field.exists is not None and is_sent is not None:
                made.decided[here] = is_sent if made.decided.get(here, is_sent) == is_sent else None
            if is_sent is False:
                continue
            if is_sent is None and around is None:
                condition = Condition(here, f"{field.exists}() of {'/'.join(here)!r}")
            self._put_field(made, unit, field, here, repeats, condition, depth)
        for symbol in vmsd.subsections:
            inner = self.linked.description(symbol, unit)
            if inner is not None:
                source = SourceLayout(self.linked, *inner, self.properties, self.device)
                is_sent = self._is_sent(inner[0], source.vmsd.needed, source.version)
                if is_sent is False:
                    # The other side may know it: that it is not sent is no reason to miss it there.
                    made.unsent.add((path, source.name))
                when: str | None = f"{source.name!r} is sent"
                if source.vmsd.needed:
                    when = None if is_sent else f"{when}: {source.vmsd.needed}()"
                layout = SubsectionLayout(path, source.name, source.version, source.minimum, source, when)
                made.subsections.append(layout)

    def _put_field(
        self,
        made: LeafLayout,
        unit: UnitResult,
        field: SourceField,
        path: Path,
        repeats: tuple[int | None, ...],
        condition: Condition | None,
        depth: int,
    ) -> None:
        info = None if field.info is None else self.linked.info(field.info, unit)
        kind = field.info if info is None else info.name
        count: int | None = field.count if "VMS_ARRAY" in field.flags else 1
        if COUNTED.intersection(field.flags):
            count = None
        if field.vmsd is not None:
            inner = self.linked.description(field.vmsd, unit)
            if inner is not None and depth < MAX_DEPTH:
                is_array = "VMS_ARRAY" in field.flags or count is None
                counts = (*repeats, None) if kind in ANY_NUMBER else (*repeats, count) if is_array else repeats
                nested = inner[1]
                version = field.struct_version if "VMS_VSTRUCT" in field.flags else nested.version
                self._put(made, *inner, version, path, counts, condition, depth + 1)
                return
        size = SIZES.get(kind or "")
        if kind in AS_IN_MEMORY and field.size_from is None:
            size = field.size
        made.leaves.append(Leaf(path, size, count, repeats, kind, condition, field.version, size is not None))
