"""Writes the index of a library of devices: what is to be known of its devices without importing them.

    python -m vmstate.devices.index [PACKAGE]

imports every module of the package (by default the library that comes with vmstate), takes the classes, layouts and
sections on which a record hangs (`vmstate.vmsd.record`), and writes beside them `_index.py`,

INDEX     last part of an idstr -> the places of its layouts, the newest first
ENTRIES   last part of an idstr -> what else is to be known: `answers`, `compares`, `items` and `exercise` are the place
          of the class that has them, `commands` those of QMP that it answers, and the rest is as in the record

and what only few streams and commands ask for: `_boards.py`, of the library that comes with vmstate alone,

BOARDS    the same as INDEX, of the devices in its folders `boards` and `rare`

and `_noise.py`:

NOISE     name of a description -> wire name of a field -> the kind of noise, for some bytes with their ranges
"""

from __future__ import annotations

import pkgutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from os.path import commonprefix
from pathlib import Path
from types import ModuleType
from typing import Any

from vmstate.declare import Record, VMStateDescription
from vmstate.errors import DescriptionError, VMStateError
from vmstate.stream.registry import SHIPPED, entry_of, noise_of_all
from vmstate.vmsd.data import Data
from vmstate.vmsd.record import noise_entries, record_of

NAME = "_index"
NOISE_NAME = "_noise"
BOARDS_NAME = "_boards"
BOARDS = (f"{SHIPPED}.boards.", f"{SHIPPED}.rare.")
"""Where the shipped library has devices that few streams hold."""
MUCH = 200
"""Characters of the index from which on what is the same in many entries stands there once."""


class Announced(Data):
    """What has a record in a module of a library: a class or a layout of one, or a section that nobody describes."""

    place: str
    record: Record
    vmsd: VMStateDescription | None


def modules_of(package: ModuleType) -> Iterator[ModuleType]:
    """A package and all in it, but for its index and this module."""
    yield package
    for found in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}."):
        if found.name.rpartition(".")[2] not in (NAME, NOISE_NAME, BOARDS_NAME) and found.name != f"{SHIPPED}.index":
            yield import_module(found.name)


def announced_in(module: ModuleType) -> Iterator[Announced]:
    """What stands in a module under a name of its own, in the order in which it does."""
    for name, value in vars(module).items():
        place = f"{module.__name__}:{name}"
        if isinstance(value, Record):
            yield Announced(place, value, None)
            continue
        vmsd = vars(value).get("vmsd") if isinstance(value, type) else value
        if isinstance(vmsd, VMStateDescription) and vmsd.state_class is not None:
            record = record_of(vmsd)
            if record is not None and vmsd.state_class.__module__ == module.__name__:
                # What is wrong with it is told now, not when a stream has it.
                vmsd.complete()
                yield Announced(place, record, vmsd)


class Tables(Data):
    """What an index says."""

    layouts: Mapping[str, tuple[str, ...]]
    entries: Mapping[str, Mapping[str, Any]]
    noise: Mapping[str, Mapping[str, Any]]

    @property
    def source(self) -> str:
        """The module `_index` as Python source."""
        layouts = self._layouts(of_boards=False)
        every = [place for places in layouts.values() for place in places]
        begin = commonprefix(every)  # noqa: RUF071 (these are no paths)
        begin = begin[: begin.rfind(".") + 1]
        rest = {idstr: " ".join(place[len(begin) :] for place in places) for idstr, places in layouts.items()}
        # Every command reads this module: what all places begin with stands in it once.
        places = f"tuple(map({_quoted(begin)}.__add__, places.split()))"
        repeated = self._repeated()
        entries = _written(self.entries)
        for name, value in repeated.items():
            entries = entries.replace(value, name)
        return _module(
            "What is to be known of these devices without importing them.",
            *(
                f"{name}: {'dict[str, object]' if value.startswith('{') else 'tuple[str, ...]'} = {value}"
                for name, value in repeated.items()
            ),
            f"_PLACES: dict[str, str] = {_written(rest)}",
            f"INDEX: dict[str, tuple[str, ...]] = {{idstr: {places} for idstr, places in _PLACES.items()}}",
            f"ENTRIES: dict[str, dict[str, object]] = {entries}",
        )

    def _repeated(self) -> dict[str, str]:
        """The entries, and the tuples in them, of which many devices have the same, as Python source by a name each."""
        tuples = [value for entry in self.entries.values() for value in entry.values() if isinstance(value, tuple)]
        counts = Counter(map(_quoted, (*self.entries.values(), *tuples)))
        often = sorted(value for value, count in counts.items() if (count - 1) * len(value) > MUCH)
        return {f"_SAME_{number}": value for number, value in enumerate(often)}

    @property
    def boards_source(self) -> str:
        """The module `_boards` as Python source."""
        return _module(
            "Devices of boards and others, which few streams have.",
            f"BOARDS: dict[str, tuple[str, ...]] = {_written(self._layouts(of_boards=True))}",
        )

    def _layouts(self, *, of_boards: bool) -> dict[str, tuple[str, ...]]:
        return {
            name: places
            for name, places in self.layouts.items()
            if all(place.startswith(BOARDS) for place in places) is of_boards
        }

    @property
    def noise_source(self) -> str:
        """The module `_noise` as Python source."""
        return _module(
            "What differs between two moments of an idle machine.",
            f"NOISE: dict[str, dict[str, object]] = {_written(self.noise)}",
        )


def _module(what: str, *tables: str) -> str:
    head = f'"""{what} Written by vmstate.devices.index."""\n\n# fmt: off\n# ruff: noqa: E501'
    return "\n\n".join((head, *tables)) + "\n"


def _written(table: Mapping[str, Any]) -> str:
    return "\n".join(("{", *(f" {_quoted(key)}: {_quoted(table[key])}," for key in sorted(table)), "}"))


def _quoted(value: Any) -> str:
    """As `repr`, but with double quotes."""
    if isinstance(value, str):
        return '"' + repr(f"'{value}")[2:-1].replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(key)}: {_quoted(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_quoted, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)


def tables_of(package: ModuleType) -> Tables:
    """What the modules of a package say. Raises `DescriptionError` where two of them contradict each other."""
    announced: dict[str, list[Announced]] = {}
    noise: dict[str, dict[str, Any]] = {}
    for module in modules_of(package):
        for each in announced_in(module):
            for idstr in each.record.idstrs:
                announced.setdefault(idstr, []).append(each)
            if each.vmsd is None:
                for idstr in each.record.idstrs:
                    noise.setdefault(idstr, {}).update(noise_entries(each.record.noise))
            else:
                for name, fields in noise_of_all((each.vmsd,)).items():
                    noise.setdefault(name, {}).update(fields)
    layouts: dict[str, tuple[str, ...]] = {}
    entries: dict[str, dict[str, Any]] = {}
    for idstr, of_idstr in announced.items():
        of_idstr.sort(key=lambda each: each.record.order)
        places = {id(each.record): each.place for each in reversed(of_idstr) if each.vmsd is not None}
        entry = entry_of((each.record, places.get(id(each.record), each.place)) for each in _each_record(of_idstr))
        described = tuple(each.place for each in of_idstr if _is_layout(each, idstr))
        if described:
            layouts[idstr] = described
        if entry:
            entries[idstr] = entry
    return Tables(layouts, entries, {name: fields for name, fields in noise.items() if fields})


def _each_record(of_idstr: Sequence[Announced]) -> list[Announced]:
    """The first of each record: layouts of other releases share that of their class."""
    return list({id(each.record): each for each in reversed(of_idstr)}.values())[::-1]


def _is_layout(each: Announced, idstr: str) -> bool:
    return each.vmsd is not None and (len(each.record.idstrs) == 1 or each.vmsd.name == idstr)


def main(arguments: Sequence[str]) -> int:
    """Write the index of the package that is named, or of the library shipped."""
    name = arguments[0] if arguments else SHIPPED
    try:
        package = import_module(name)
        if not hasattr(package, "__path__"):
            raise DescriptionError(f"{name} is no package: an INDEX written by hand will do for a single module")
        tables = tables_of(package)
    except (VMStateError, ImportError) as error:
        print(f"vmstate.devices.index: {error}", file=sys.stderr)
        return 1
    written = [(NAME, tables.source), (NOISE_NAME, tables.noise_source)]
    if tables.boards_source != Tables({}, {}, {}).boards_source:
        written.append((BOARDS_NAME, tables.boards_source))
    for module, source in written:
        path = Path(next(iter(package.__path__))) / f"{module}.py"
        path.write_text(source, encoding="utf-8")
        print(f"{path}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
