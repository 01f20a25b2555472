"""QEMU's -dump-vmstate text: the descriptions of every device class of a machine.

It names fields, host sizes, versions and subsections. It does not say types, counts that are not constant, or
conditions: those are marked unknown (`FromDump`, `UNKNOWN`), never guessed, and asking for a codec names the first.
Facts from QEMU's migration/savevm.c (dump_vmstate_json_to_file).
"""

from __future__ import annotations

from typing import Any

from vmstate.errors import DescriptionError, SchemaError
from vmstate.schema.repeated import parse_json
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import MAX_DEPTH, Field, Subsection, VMStateDescription
from vmstate.vmsd.expr import UNKNOWN, Const
from vmstate.vmsd.types import WireType


class FromDump(WireType):
    """A field of which only the host's `sizeof` one element (bytes in memory, not on the wire) is known."""

    size: int
    vmsd: VMStateDescription | None = None

    def children(self) -> tuple[VMStateDescription, ...]:
        return () if self.vmsd is None else (self.vmsd,)


class Dump(Data):
    """A -dump-vmstate text: the machine type, and the description of each device class by its name."""

    machine: str | None
    devices: dict[str, VMStateDescription]


def read_dump(text: bytes) -> Dump:
    """The descriptions of a -dump-vmstate text. Raises `SchemaError`."""
    top = parse_json(text, "the -dump-vmstate text")
    if not isinstance(top, dict):
        raise SchemaError("this is no -dump-vmstate text", expected="a JSON object")
    machine = _get(top["vmschkmachine"], "Name", str, "vmschkmachine") if "vmschkmachine" in top else None
    devices = {}
    for name, entry in top.items():
        if name == "vmschkmachine":
            continue
        if not isinstance(entry, dict) or not isinstance(entry.get("Description"), dict):
            raise SchemaError(f"{name!r} has no Description", expected="a -dump-vmstate text")
        devices[name] = _vmsd(entry["Description"], name, 0)
    return Dump(machine, devices)


def _get(obj: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(obj, dict) or type(obj.get(key)) is not kind:
        raise SchemaError(f"{where!r} lacks {key!r}", expected=kind.__name__)
    return obj[key]


def _vmsd(obj: Any, where: str, depth: int) -> VMStateDescription:
    if depth == MAX_DEPTH:
        raise SchemaError("the -dump-vmstate text nests too deeply", expected=f"at most {MAX_DEPTH} structs")
    name = _get(obj, "name", str, where)
    fields = [_field(entry, name, depth) for entry in _list(obj, "Fields", name)]
    subsections = [_vmsd(entry, name, depth + 1) for entry in _list(obj, "Subsections", name)]
    unknown = next((sub.unknown for sub in subsections if sub.unknown is not None), None)
    if fields:
        unknown = f"a -dump-vmstate text does not say the type of {fields[0].name!r}"
    try:
        return VMStateDescription(
            name=name,
            fields=fields,
            version_id=_get(obj, "version_id", int, name),
            minimum_version_id=_get(obj, "minimum_version_id", int, name),
            subsections=[Subsection(sub, sub.name, Const(UNKNOWN)) for sub in subsections],
            unknown=unknown,
        )
    except DescriptionError as error:
        raise SchemaError(str(error)) from None


def _list(obj: Any, key: str, where: str) -> list[Any]:
    return _get(obj, key, list, where) if key in obj else []


def _field(entry: Any, where: str, depth: int) -> Field:
    name = _get(entry, "field", str, where)
    nested = _vmsd(entry["Description"], name, depth + 1) if "Description" in entry else None
    return Field(
        name=name,
        type=FromDump("", _get(entry, "size", int, name), nested),
        count=_get(entry, "num", int, name) if "num" in entry else None,
        version=_get(entry, "version_id", int, name),
        exists=Const(UNKNOWN) if _get(entry, "field_exists", bool, name) else None,
    )
