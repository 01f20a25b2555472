"""Wire layouts from a -dump-vmstate text.

The text says names, versions, whether there is a condition, and the host's sizeof; not types, not the lengths of arrays
that a field gives, not conditions. Facts from QEMU's migration/savevm.c (dump_vmstate_json_to_file).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmstate.compare.layout import Condition, LayoutSource, Leaf, LeafLayout, Path, StructVersion, SubsectionLayout


class DumpSource(LayoutSource):
    """A Description of a -dump-vmstate text.

    Before QEMU 8.1 the text has no number of elements: `counted` says whether it has.
    """

    __slots__ = ("counted", "minimum", "name", "raw", "version")

    def __init__(self, raw: Mapping[str, Any], counted: bool) -> None:
        self.raw = raw
        self.counted = counted
        self.name = raw["name"]
        self.version = raw["version_id"]
        self.minimum = raw["minimum_version_id"]

    def same_as(self, source: LayoutSource) -> bool:
        if not isinstance(source, DumpSource):
            return False
        return _same_wire(self.raw, source.raw, UNLIKE if self.counted == source.counted else UNLIKE | {"num": None})

    @property
    def is_empty(self) -> bool:
        return not self.raw.get("Fields") and not self.raw.get("Subsections")

    def layout(self, version: int) -> LeafLayout:
        made = LeafLayout()
        self._put(made, self.raw, version, (), (), None)
        return made

    def _put(
        self,
        made: LeafLayout,
        raw: Mapping[str, Any],
        version: int,
        path: Path,
        repeats: tuple[int | None, ...],
        around: Condition | None,
    ) -> None:
        made.structs.setdefault(path, []).append(StructVersion(raw["name"], version, raw["minimum_version_id"]))
        for field in raw.get("Fields", ()):
            conditional = field["field_exists"]
            if not conditional and field["version_id"] > version:
                continue
            here = (*path, field["field"])
            condition = around
            if conditional and around is None:
                condition = Condition(here, f"field_exists of {'/'.join(here)!r}", is_named=False)
            count = field.get("num")
            nested = field.get("Description")
            if nested is not None:
                # Without a number it may be one struct, or an array whose length the text does not say.
                self._put(made, nested, nested["version_id"], here, (*repeats, count), condition)
                continue
            size = field["size"]
            made.leaves.append(
                Leaf(
                    here,
                    size or None,
                    count,
                    repeats,
                    None,
                    condition,
                    field["version_id"],
                    size in (1, 2, 4, 8) or field["field"] == "unused",
                    self.counted or field["field"] == "unused",
                )
            )
        for sub in raw.get("Subsections", ()):
            made.subsections.append(
                SubsectionLayout(
                    path,
                    sub["name"],
                    sub["version_id"],
                    sub["minimum_version_id"],
                    DumpSource(sub, self.counted),
                    f"{sub['name']!r} is sent",
                )
            )


def _same_wire(left: Mapping[str, Any], right: Mapping[str, Any], unlike: dict[str, Any]) -> bool:
    """Whether two Descriptions are the same but for the host's sizeof of structs, which every release changes.

    `unlike` are the keys that may differ of two fields.
    """
    if left == right:
        return True
    if left["name"] != right["name"] or left["version_id"] != right["version_id"]:
        return False
    if left["minimum_version_id"] != right["minimum_version_id"]:
        return False
    fields = left.get("Fields", ()), right.get("Fields", ())
    subs = left.get("Subsections", ()), right.get("Subsections", ())
    if len(fields[0]) != len(fields[1]) or len(subs[0]) != len(subs[1]):
        return False
    for mine, theirs in zip(*fields, strict=True):
        if mine == theirs:
            continue
        nested = mine.get("Description"), theirs.get("Description")
        if nested[0] is None or nested[1] is None:
            if nested[0] is not nested[1] or mine["size"] != theirs["size"]:
                return False
        elif not _same_wire(nested[0], nested[1], unlike):
            return False
        if mine | unlike != theirs | unlike:
            return False
    return all(_same_wire(mine, theirs, unlike) for mine, theirs in zip(*subs, strict=True))


UNLIKE: dict[str, Any] = {"size": 0, "Description": None}
"""The keys of two fields that are compared by themselves."""
