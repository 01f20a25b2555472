"""Whether what a stream says of itself contradicts a description that would fit."""

from __future__ import annotations

from collections.abc import Iterator

from vmstate.vmsd import types as t
from vmstate.vmsd.description import VMStateDescription


def contradicts(described: VMStateDescription, vmsd: VMStateDescription) -> bool:
    """Whether a vmdesc names a field that a description of the library has not, or a struct inside in another version.

    An element that a vmdesc lists by itself has its index behind the name.
    """
    names = {field.name for field in vmsd.fields}
    if any(field.name not in names and field.name.rpartition("[")[0] not in names for field in described.fields):
        return True
    known = dict(_versions_inside(vmsd))
    return any(known.get(name, version) != version for name, version in _versions_inside(described))


def _versions_inside(vmsd: VMStateDescription) -> Iterator[tuple[str, int]]:
    for field in vmsd.branches():
        kind = field.type
        if type(kind) is t.Struct:
            yield kind.vmsd.name, kind.vmsd.version_id if kind.version is None else kind.version
            yield from _versions_inside(kind.vmsd)
