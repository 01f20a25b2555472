"""What was read from a QEMU tree as a small table, and what QEMU's own -dump-vmstate says in the same form.

`python tests/support/source_table.py REPOSITORY` records the tables of 7.2 and 10.0 again, and that of Rust.
"""

from __future__ import annotations

import json
import lzma
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from recorded import FIXTURES

from vmstate.source.linking import Linked
from vmstate.source.model import UnitResult
from vmstate.source.reading import SourceTree, read_tree

REVISIONS = {"7.2": "b67b00e6b4", "10.0": "7c949c53e9"}


def recorded_file(release: str) -> Path:
    """{"revision", "target", "units"}: what the source of a release says of bytes on the wire. Facts alone."""
    return FIXTURES / "source" / f"qemu-{release}.json.xz"


TREES = [name for name in os.environ.get("VMSTATE_QEMU_SOURCE", "").split(":") if name]
"""Source trees of QEMU, as `vmstate source` takes them: DIR or REPOSITORY@REVISION."""

UNIT = ("path", "target", "descriptions", "infos", "functions", "types", "registrations", "counts", "visible")
ROWS = {
    "descriptions": (
        "symbol", "path", "line", "name", "version", "minimum", "static", "needed", "fields", "has_fields", "ended",
        "subsections",
    ),
    "infos": ("symbol", "path", "line", "name", "static", "puts"),
    "functions": ("name", "path", "line", "returns"),
    "types": ("name", "path", "line", "parent", "abstract", "vmsd", "inner", "save"),
    "registrations": ("function", "path", "line", "idstr", "vmsd", "version"),
    "visible": ("kind", "owner", "name", "value", "path", "line", "member"),
}  # fmt: skip
"""What is kept of the rows of a unit; of its properties those that say how many elements there are."""
FIELD = (
    "name", "version", "size", "count", "count_from", "size_from", "info", "flags", "vmsd", "struct_version", "exists",
    "struct", "member",
)  # fmt: skip


def table(tree: SourceTree) -> list[dict[str, Any]]:
    """The units of a tree that have something, with what decides their bytes."""
    counts = {
        str(name).rpartition(".")[2]
        for vmsd in tree.descriptions()
        for field in vmsd.fields
        for name in (field.count_from, field.size_from)
        if name
    }
    units = []
    for unit in tree.units:
        made = _kept(unit.as_json(), UNIT)
        made["visible"] = [
            row for row in made.get("visible", ()) if str(row.get("member")).rpartition(".")[2] in counts
        ]
        for name, members in ROWS.items():
            made[name] = [_kept(row, members) for row in made.get(name, ())]
        for vmsd in made["descriptions"]:
            vmsd["fields"] = [_kept(field, FIELD) for field in vmsd.get("fields", ())]
        made = {name: value for name, value in made.items() if value}
        if len(made) > 2:
            units.append(made)
    return units


RUST = {"10.0": "7c949c53e9", "10.1": "f8b2f64e23", "10.2": "698104725e", "10.2.50": "75fdca413d"}
RUST_FILE = FIXTURES / "source" / "rust.json.xz"
TWINS = ("hw/char/pl011.c", "hw/timer/hpet.c", "hw/core/clock-vmstate.c", "migration/vmstate-types.c",
         "migration/savevm.c")  # fmt: skip
"""What is written in Rust too, and what both refer to."""


def rust_table(tree: SourceTree) -> dict[str, list[dict[str, Any]]]:
    """The units of a tree in Rust, and those in C that have the same devices."""
    kept = ("path", "target", "files", "descriptions", "infos", "types", "option")
    rows = {}
    for name, units in (("units", tree.units), ("twins", tree.twins)):
        made = [_kept(unit.as_json(), kept) for unit in units if unit.path in TWINS or unit.option]
        rows[name] = [unit | {"files": unit["files"][:1]} for unit in made]
    return rows


def _kept(raw: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: raw[name] for name in names if name in raw}


def recorded(release: str = "10.0") -> Linked:
    """The descriptions of a recorded table, linked as those of a tree."""
    known = json.loads(lzma.decompress(recorded_file(release).read_bytes()))
    units = tuple(UnitResult.of_json(unit) for unit in known["units"])
    return Linked(SourceTree(known["revision"], None, known["target"], units, (), {}, 0))


Shape = tuple[Any, ...]


def shape(dump: Mapping[str, Any] | None, is_counted: bool = True) -> Shape | None:
    """A description of -dump-vmstate: names, versions, counts, nesting, subsections, and sizes of what is no struct.

    A size of 0 is one that is only known at run time. QEMU 7.2 did not yet write how often a field is there.
    """
    if dump is None:
        return None
    fields = []
    for field in dump.get("Fields", ()):
        inner = field.get("Description")
        size = (field["size"] or 0) if "Description" not in field else 0
        how = (field["version_id"], field["field_exists"], field.get("num") if is_counted else None, size)
        fields.append((field["field"], *how, shape(inner, is_counted)))
    subsections = tuple(shape(inner, is_counted) for inner in dump.get("Subsections", ()))
    return dump["name"], dump["version_id"], dump["minimum_version_id"], "Fields" in dump, tuple(fields), subsections


def described(dump: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A description and all that are in it."""
    yield dump
    for field in dump.get("Fields", ()):
        if field.get("Description") is not None:
            yield from described(field["Description"])
    for inner in dump.get("Subsections", ()):
        yield from described(inner)


def dumped(text: str) -> dict[Shape | None, str]:
    """The distinct descriptions of an output of -dump-vmstate, each with its name."""
    top = json.loads(text)
    classes = [entry["Description"] for name, entry in top.items() if name != "vmschkmachine"]
    is_counted = '"num":' in text
    return {shape(inner, is_counted): inner["name"] for dump in classes for inner in described(dump)}


def told(linked: Linked, is_counted: bool = True) -> set[Shape | None]:
    """The same of all descriptions of a tree."""
    return {shape(linked.dump(unit, vmsd), is_counted) for unit in linked.tree.units for vmsd in unit.descriptions}


if __name__ == "__main__":
    for release, revision in REVISIONS.items():
        read = read_tree(f"{sys.argv[1]}@{revision}")
        content = {"revision": revision, "target": read.target, "units": table(read)}
        plain = json.dumps(content, separators=(",", ":")).encode()
        recorded_file(release).write_bytes(lzma.compress(plain, preset=9 | lzma.PRESET_EXTREME))
    crates = {name: rust_table(read_tree(f"{sys.argv[1]}@{revision}", cached=True)) for name, revision in RUST.items()}
    plain = json.dumps(crates, separators=(",", ":")).encode()
    RUST_FILE.write_bytes(lzma.compress(plain, preset=9 | lzma.PRESET_EXTREME))
