"""The registry of device libraries: which description an idstr has, and what a device says of itself.

Libraries are found through the entry-point group `vmstate.devices`. Each is a module with `INDEX`, a mapping from the
last part of an idstr to the places of its descriptions ("module:class", the newest layout first); nothing of a device
is imported before a stream holds it. All else hangs on the class (`vmstate.vmsd.record`). A library may also have the
tables that `python -m vmstate.devices.index` makes: `ENTRIES`, what is to be known of an idstr without an import, and
`NOISE`, the noise of all descriptions. Where it has none, its classes are imported and asked.

Asking the entry points is slow, and done only for an idstr that the library shipped with this package does not
describe. A library of others that is broken is left out with one warning, which names the distribution.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from vmstate.errors import DescriptionError, DeviceLibraryError
from vmstate.lazy import imported
from vmstate.vmsd.data import Data
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.record import Record, noise_entries, record_of

if TYPE_CHECKING:
    from vmstate.vmsd.destination import Comparison
    from vmstate.vmsd.question import Questions

T = TypeVar("T")


SHIPPED = "vmstate.devices"
GROUP = "vmstate.devices"
ENTRY_POINTS_LIMIT = 1 << 20
"""So many bytes of a distribution's entry points are looked at."""
OWN = "qemu_vmstate-"

PARTS = ("answers", "compares", "items", "exercise")
"""What of a record can be a place, and of which an index says only in which class it is."""


class Library(Data):
    """A library of devices. `distribution` names who announced it; None for the one that is shipped."""

    distribution: str | None
    index: Mapping[str, Sequence[str]]
    entries: Mapping[str, Mapping[str, Any]] | None
    """What is to be known of each idstr; None where the classes have to be asked."""
    noise_table: Mapping[str, Mapping[str, Any]] | None

    def descriptions(self, name: str) -> tuple[VMStateDescription, ...]:
        """The layouts of an idstr's last part, the newest first."""
        described = (self.ask(None, _description, place) for place in self.places(name))
        return tuple(vmsd for vmsd in described if vmsd is not None)

    @cached_property
    def boards(self) -> Mapping[str, Sequence[str]]:
        """An index of devices that few streams have; only the library that is shipped has one."""
        if self.distribution is not None or not self.index:
            return {}
        table: Mapping[str, Sequence[str]] = import_module(SHIPPED).BOARDS
        return table

    def places(self, name: str) -> Sequence[str]:
        """Where the layouts of an idstr, or its last part, are, the newest first."""
        # No board's device has a slash in its idstr: that of most others is asked for with its path first.
        return self.index.get(name) or (() if "/" in name else self.boards.get(name, ()))

    def describes(self, name: str) -> bool:
        """Whether it has layouts of an idstr's last part."""
        return name in self.index or name in self.boards

    def entry(self, name: str) -> Mapping[str, Any]:
        """What is to be known of an idstr's last part without importing its class; nothing where it is not in it."""
        if self.entries is not None:
            return self.entries.get(name, {})
        return _entry_of_classes(self, name)

    def knows(self, name: str) -> bool:
        """Whether it has an idstr's last part, described or not."""
        return self.describes(name) or (self.entries is not None and name in self.entries)

    def part(self, name: str, what: str) -> Any:
        """A part of the record of an idstr's last part; None where the device has nothing to say."""
        place: str | None = self.entry(name).get(what)
        return None if place is None else self.ask(None, _part, place, what, self.distribution)

    @cached_property
    def noise(self) -> Mapping[str, Mapping[str, Any]]:
        """Name of a description -> wire name -> kind of noise."""
        if self.noise_table is not None:
            return self.noise_table
        if self.distribution is None:
            table: Mapping[str, Mapping[str, Any]] = import_module(SHIPPED).NOISE
            return table
        vmsds = (vmsd for name in self.index for vmsd in self.descriptions(name))
        return noise_of_all(inner for vmsd in vmsds for inner in vmsd.walk())

    def ask(self, default: T, function: Callable[..., T], *arguments: Any) -> T:
        """What a function of the library gives; the default, with a warning, where the library of others is broken."""
        if self.distribution is None:
            return function(*arguments)
        from vmstate.stream.announced import asked_or

        return asked_or(default, self.distribution, function, *arguments)


def _description(place: str) -> VMStateDescription:
    target = imported(place)
    vmsd = getattr(target, "vmsd", target)
    if not isinstance(vmsd, VMStateDescription):
        raise DescriptionError(f"{place} is no description")
    return vmsd


def _part(place: str, what: str, distribution: str | None) -> Any:
    declared = imported(place)
    # Of a section that nobody describes there is the record alone.
    record = declared if isinstance(declared, Record) else record_of(declared)
    part = None if record is None else record.part(what)
    if distribution is None:
        return part
    from vmstate.stream.announced import check_part

    return check_part(what, part)


@lru_cache(maxsize=256)
def _entry_of_classes(library: Library, name: str) -> Mapping[str, Any]:
    """What the classes themselves say, of a library that has no table of it."""
    records = []
    for place in library.places(name):
        record = record_of(library.ask(None, imported, place))
        if record is not None:
            records.append((record, place))
    from vmstate.stream.announced import check_entry

    return library.ask({}, lambda: check_entry(name, entry_of(records)))


def entry_of(records: Iterable[tuple[Record, str]]) -> dict[str, Any]:
    """What is to be known of an idstr, from the records of its classes and the places of these.

    Of answers, comparisons, items and exercise it says in which class they are, and which commands are answered.
    Raises `DescriptionError` where two classes say different things.
    """
    merged: dict[str, Any] = {}
    for record, place in records:
        told = dict(record.traits)
        for name in PARTS:
            part = record.part(name)
            if part is not None and name not in merged:
                told[name] = place
                if name == "answers":
                    told["commands"] = tuple(sorted(part))
        for name, value in told.items():
            if merged.setdefault(name, value) != value:
                text = f"two classes say different things: {name} is {merged[name]!r} and {value!r}"
                raise DescriptionError(text, section=", ".join(record.idstrs))
    return merged


def noise_of_all(vmsds: Iterable[VMStateDescription]) -> dict[str, dict[str, Any]]:
    """Name of a description -> wire name -> kind of noise, from the records of the classes."""
    lists: dict[str, dict[str, Any]] = {}
    for vmsd in vmsds:
        record = record_of(vmsd)
        if record is not None and record.noise:
            lists.setdefault(vmsd.name, {}).update(noise_entries(record.noise))
    return lists


@lru_cache(maxsize=1)
def _shipped() -> Library:
    """The library that comes with this package, where there is one."""
    try:
        module = import_module(SHIPPED)
    except ModuleNotFoundError:
        return Library(None, {}, {}, {})
    return Library(None, module.INDEX, module.ENTRIES, None)


_OTHERS: list[tuple[Library, ...]] = []
"""The libraries of other distributions, once they have been asked for."""


def _libraries_of_others() -> tuple[Library, ...]:
    """The libraries of other distributions, without those that are broken; none for one that asks at its import."""
    if not _OTHERS:
        if not _somebody_announces():
            _OTHERS.append(())
            return ()
        from vmstate.stream.announced import libraries

        tables = libraries(GROUP, SHIPPED)
        if tables is None:
            return ()
        _OTHERS.append(tuple(Library(*told) for told in tables))
        # What was asked for at an import had no answer.
        _descriptions.cache_clear()
    return _OTHERS[0]


def raise_fault(idstr: str, error: BaseException) -> NoReturn:
    """Raise what an exception out of a library's description of a section comes to.

    That is `DeviceLibraryError` where the description is of another distribution, which may run anything, in `value=`
    for one; else, and where the program is to end, it is the exception itself.
    """
    name = last_part(idstr)
    libraries = () if _shipped().describes(name) else _libraries_of_others()
    distribution = next((library.distribution for library in libraries if name in library.index), None)
    if distribution is None:
        raise error
    from vmstate.stream.announced import ends_program, in_words

    if ends_program(error):
        raise error
    raise DeviceLibraryError(f"the device library of {distribution} fails: {in_words(error)}", section=idstr) from error


def _somebody_announces() -> bool:
    """Whether any other installed distribution announces a library.

    importlib.metadata takes longer to import than a stream to read, and hardly ever has an answer; looking for the
    name of the group in the files that it would parse takes a tenth of that.
    """
    group = f"[{GROUP}]".encode()
    for folder in sys.path:
        with suppress(OSError), os.scandir(folder or ".") as entries:
            for entry in entries:
                if not entry.name.endswith((".dist-info", ".egg-info")) or entry.name.startswith(OWN):
                    continue
                with suppress(OSError):
                    descriptor = os.open(entry.path + "/entry_points.txt", os.O_RDONLY)
                    try:
                        if group in os.read(descriptor, ENTRY_POINTS_LIMIT):
                            return True
                    finally:
                        os.close(descriptor)
    return False


def last_part(idstr: str) -> str:
    """The idstr without the path of the bus it sits on: "virtio-net" of "0000:00:02.0/virtio-net"."""
    return idstr.rpartition("/")[2]


def _names(idstr: str) -> Iterable[str]:
    """Under which names an idstr is looked for: the whole of it, its last part, its first.

    The idstrs of some sections that are of no bus have a slash in them: "spapr/htab", "filter-netpass/NETDEV".
    """
    return dict.fromkeys((idstr, last_part(idstr), idstr.partition("/")[0]))


def known_names() -> list[str]:
    """The last parts of the idstrs that any installed library knows, in order."""
    return sorted(known_idstrs())


def known_idstrs() -> tuple[str, ...]:
    """The last parts of idstrs that any installed library knows."""
    return tuple(
        dict.fromkeys(
            name for library in (_shipped(), *_libraries_of_others()) for name in (*library.index, *library.boards)
        )
    )


@lru_cache(maxsize=1024)
def _descriptions(name: str, *, shipped: bool) -> tuple[VMStateDescription, ...]:
    if shipped:
        return _shipped().descriptions(name)
    return next((vmsds for library in _libraries_of_others() if (vmsds := library.descriptions(name))), ())


def shipped_descriptions(idstr: str) -> tuple[VMStateDescription, ...]:
    """The layouts that the shipped library knows for an idstr, the newest first."""
    return next((vmsds for name in _names(idstr) if (vmsds := _descriptions(name, shipped=True))), ())


def all_descriptions(idstr: str) -> tuple[VMStateDescription, ...]:
    """The descriptions of the shipped library or, if it has none, of the first installed library that has some."""
    return shipped_descriptions(idstr) or _descriptions(last_part(idstr), shipped=False)


def _libraries(name: str) -> Iterator[Library]:
    """Who is to be asked about an idstr: others only where the shipped library does not describe it."""
    yield _shipped()
    if not _shipped().describes(name):
        yield from _libraries_of_others()


def _part_of(idstr: str, what: str) -> Any:
    """A part of the record of the first library that has it for an idstr; None where none has."""
    told = (library.part(name, what) for name in _names(idstr) for library in _libraries(name))
    return next((part for part in told if part is not None), None)


def questions_of(idstr: str) -> Questions:
    """What a device with this idstr answers to each of QMP's commands; nothing where nobody knows."""
    questions: Questions | None = _part_of(idstr, "answers")
    return {} if questions is None else questions


def commands_of(idstr: str) -> Collection[str]:
    """The commands of QMP that a device with this idstr answers."""
    name = last_part(idstr)
    return next((told for library in _libraries(name) if (told := library.entry(name).get("commands"))), ())


def exercise_of(idstr: str) -> Any:
    """What a device with this idstr asks of a vhost-user back end to see that it is alive; None where nobody knows."""
    return _part_of(idstr, "exercise")


def comparison_of(idstr: str) -> Comparison:
    """What a device with this idstr holds against its own when it loads; nothing where nobody knows."""
    from vmstate.vmsd.destination import Comparison

    rules: Comparison | None = _part_of(idstr, "compares")
    return Comparison() if rules is None else rules


@lru_cache(maxsize=1)
def noise_lists() -> Mapping[str, Mapping[str, Any]]:
    """What differs between two moments of an idle machine: description -> wire name -> kind of noise; of all libraries.

    A kind of some bytes of a buffer stands with their ranges.
    """
    lists: dict[str, dict[str, Any]] = {}
    for library in (*_libraries_of_others(), _shipped()):
        noise: Mapping[str, Mapping[str, Any]] = library.ask({}, getattr, library, "noise")
        for name, fields in noise.items():
            lists.setdefault(name, {}).update(fields)
    return lists


def _trait(idstr: str, what: str, default: T) -> T:
    """What the first library that says something of an idstr says."""
    for name in _names(idstr):
        libraries = (_shipped(),) if _shipped().knows(name) else _libraries_of_others()
        value: T | None = next((told for each in libraries if (told := each.entry(name).get(what)) is not None), None)
        if value is not None:
            return value
    return default


def is_old_style(idstr: str) -> bool:
    """Whether QEMU registers such a section without a description (register_savevm_live)."""
    return _trait(idstr, "old_style", False)


def is_listed(idstr: str) -> bool:
    """Whether such a section is the vmsd of a device class, so that -dump-vmstate lists it."""
    return _trait(idstr, "listed", True)


def legacy_instances(idstr: str) -> tuple[int, ...]:
    """The instance ids by which old releases called the first such section, the second, and so on."""
    return _trait(idstr, "legacy_instances", ())


def target_endian_of(idstr: str) -> str | None:
    """ "little" or "big" where only targets of that byte order have such a section."""
    return _trait(idstr, "target_endian", "") or None


def is_per_cpu(idstr: str) -> bool:
    """Whether there is such a section for each processor."""
    return _trait(idstr, "per_cpu", False)


def virtio_id_of(idstr: str) -> int | None:
    """The number of the virtio device in the VIRTIO specification; None where it is none, or nobody knows it."""
    return _trait(idstr, "virtio_id", 0) or None


# Whoever has the registry asks it, and of nearly every section first whether the shipped library knows it.
_shipped()
