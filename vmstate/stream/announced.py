"""The device libraries that other distributions announce: loading them, and holding them to what a library is.

A module of somebody else may do anything when it is imported. What it raises, or says in another form than it should,
costs one warning; what it prints goes to standard error, since standard output holds the document of a command.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from importlib.metadata import distributions
from typing import Any, TypeVar

from vmstate.errors import DescriptionError, DeviceLibraryWarning
from vmstate.vmsd.record import KINDS_OF_NOISE

T = TypeVar("T")

NAMELESS = "a distribution without a name"

FLAGS = ("old_style", "listed", "per_cpu")
PLACES = ("answers", "compares", "items", "exercise", "models")

_WARNED: set[str] = set()


def libraries(group: str, shipped: str) -> Iterator[tuple[str, Any, Any, Any]]:
    """(distribution, INDEX, ENTRIES, NOISE) of each library of a group but the shipped one; the broken are left out."""
    seen: set[str] = set()
    for distribution in distributions():
        name = NAMELESS
        try:
            if group not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name = f"{distribution.name} {distribution.version}" if distribution.name else NAMELESS
            # The first on sys.path hides others of its name, as it does from import.
            if distribution.name in seen:
                continue
            seen.add(distribution.name)
            loaded = [
                (name, *_tables(quietly(entry.load)))
                for entry in distribution.entry_points.select(group=group)
                if entry.value != shipped
            ]
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            warn(name, error)
        else:
            yield from loaded


def quietly(function: Callable[..., T], *arguments: Any) -> T:
    """What a function gives, with what it prints on standard error."""
    with redirect_stdout(sys.stderr):
        return function(*arguments)


def warn(distribution: str, error: BaseException) -> None:
    """One line for a library of others that is broken, the first time that it shows."""
    if distribution in _WARNED:
        return
    _WARNED.add(distribution)
    import warnings

    reason = str(error) if isinstance(error, DescriptionError) else f"{type(error).__name__}: {error}"
    text = f"the device library of {distribution} is broken: {' '.join(reason.split()) or 'it ends the program'}"
    # The line of source that warnings show would be one of this module, and tell nobody anything.
    warnings.warn_explicit(text, DeviceLibraryWarning, filename="vmstate", lineno=0)


def _tables(module: Any) -> tuple[Any, Any, Any]:
    """The tables of a library, copied, so that they stay what they were found to be."""
    index = getattr(module, "INDEX", None)
    if not isinstance(index, Mapping):
        raise DescriptionError(f"{getattr(module, '__name__', module)} has no INDEX")
    index = dict(index)
    for name, places in index.items():
        if not isinstance(name, str) or not _is_row_of(str, places):
            raise DescriptionError(f"INDEX has no places for {name!r}", expected='a tuple of "module:class"')
    entries = _table_of(module, "ENTRIES")
    for name in entries or ():
        check_entry(name, entries[name])
    noise = _table_of(module, "NOISE")
    for name in noise or ():
        for field, kind in noise[name].items():
            if not _is_noise(kind):
                raise DescriptionError(f"NOISE cannot have {kind!r} for {field!r} of {name!r}")
    return index, entries, noise


def _table_of(module: Any, what: str) -> Any:
    """A table of tables by name; None where a library has none."""
    table = getattr(module, what, None)
    if table is None:
        return None
    if not isinstance(table, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Mapping) for name, value in table.items()
    ):
        raise DescriptionError(f"{what} is no table of tables by name", expected="what vmstate.devices.index writes")
    return {name: dict(value) for name, value in table.items()}


def check_entry(idstr: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry of an idstr, where it says everything in the form in which it is asked for."""
    for name, value in entry.items():
        if not _can_be(name, value):
            raise DescriptionError(f"{idstr} cannot have {name} of {value!r}")
    return entry


def check_part(what: str, part: Any) -> Any:
    """A part of a record, where it is of the kind that is asked for."""
    if part is None:
        return None
    if what == "answers" and not isinstance(part, Mapping):
        raise DescriptionError(f"answers of {type(part).__name__}", expected="a table by the commands of QMP")
    if what == "compares":
        from vmstate.vmsd.destination import Comparison

        if not isinstance(part, Comparison):
            raise DescriptionError(f"compares of {type(part).__name__}", expected="a Comparison")
    return part


def _can_be(name: str, value: Any) -> bool:
    if name in FLAGS:
        return isinstance(value, bool)
    if name in PLACES:
        return isinstance(value, str)
    match name:
        case "commands":
            return _is_row_of(str, value)
        case "legacy_instances":
            return _is_row_of(int, value)
        case "virtio_id":
            return isinstance(value, int)
        case "target_endian":
            return value in (None, "little", "big")
    return True


def _is_noise(value: Any) -> bool:
    """Whether it is a kind of noise, or one and ranges of bytes."""
    if not _is_row_of(object, value):
        return isinstance(value, str) and value in KINDS_OF_NOISE
    return (
        len(value) == 2
        and value[0] in KINDS_OF_NOISE
        and _is_row_of(Sequence, value[1])
        and all(len(part) == 2 and _is_row_of(int, part) for part in value[1])
    )


def _is_row_of(kind: type, value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(part, kind) for part in value)
