"""The registry of device libraries: which description an idstr has.

Libraries are found through the entry-point group `vmstate.devices`. Each is a module with `INDEX`, a mapping from the
last part of an idstr to the places of its descriptions ("module:class", the newest layout first); nothing of a device
is imported before a stream holds it. It may have `NOISE` too, the place of its noise lists, and in the same way as the
index `QUESTIONS`, the places of what a device answers when it is asked (vmstate.vmsd.question), `EXERCISES`, those of
what it asks of a vhost-user back end (vmstate.lab.vhost_user), and `DESTINATIONS`, those of what it compares with its
own when it loads (vmstate.vmsd.destination). Asking the entry points is slow, and done only for an idstr that the
library shipped beside this package does not know.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from typing import Any

from vmstate.errors import DescriptionError
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.destination import DestinationRules
from vmstate.vmsd.question import Questions

SHIPPED = "vmstate.devices"
GROUP = "vmstate.devices"
OWN = "qemu_vmstate-"


@lru_cache(maxsize=1)
def _own() -> tuple[Any, ...]:
    """The library beside this package, where there is one."""
    try:
        return (import_module(SHIPPED),)
    except ModuleNotFoundError:
        return ()


@lru_cache(maxsize=1)
def _announced() -> tuple[Any, ...]:
    """The libraries of other distributions."""
    if not _somebody_announces():
        return ()
    from importlib.metadata import entry_points

    return tuple(entry.load() for entry in entry_points(group=GROUP) if entry.value != SHIPPED)


@lru_cache(maxsize=1)
def _shipped() -> Mapping[str, Sequence[str]]:
    return _index(_own())


@lru_cache(maxsize=1)
def _others() -> Mapping[str, Sequence[str]]:
    return _index(_announced())


def _index(libraries: Iterable[Any]) -> Mapping[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    for library in libraries:
        found.update(library.INDEX)
    return found


@lru_cache(maxsize=1)
def noise_lists() -> Mapping[str, Mapping[str, Any]]:
    """What differs between two moments of an idle machine: name of a description -> wire name -> kind of noise.

    The lists of all libraries together; `vmstate.devices.noise` says what is in them.
    """
    found: dict[str, dict[str, Any]] = {}
    for library in (*_announced(), *_own()):
        place = getattr(library, "NOISE", None)
        if place is not None:
            for name, fields in _load(place).items():
                found.setdefault(name, {}).update(fields)
    return found


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
                with suppress(OSError), open(os.path.join(entry.path, "entry_points.txt"), "rb") as file:
                    if group in file.read():
                        return True
    return False


def last_part(idstr: str) -> str:
    """The idstr without the path of the bus it sits on: "virtio-net" of "0000:00:02.0/virtio-net"."""
    return idstr.rpartition("/")[2]


def known_names() -> list[str]:
    """The last parts of the idstrs that any installed library knows, in order."""
    return sorted({**_others(), **_shipped()})


def shipped_descriptions(idstr: str) -> tuple[VMStateDescription, ...]:
    """The layouts that the shipped library knows for an idstr, the newest first."""
    return _descriptions(last_part(idstr), shipped=True)


def all_descriptions(idstr: str) -> tuple[VMStateDescription, ...]:
    """The same, and if there are none those of every installed library."""
    return shipped_descriptions(idstr) or _descriptions(last_part(idstr), shipped=False)


def known_idstrs() -> tuple[str, ...]:
    """The last parts of idstrs that any installed library knows."""
    return tuple(dict.fromkeys([*_shipped(), *_others()]))


@lru_cache(maxsize=1024)
def _descriptions(name: str, *, shipped: bool) -> tuple[VMStateDescription, ...]:
    index = _shipped() if shipped else _others()
    return tuple(_description(place) for place in index.get(name, ()))


def _description(place: str) -> VMStateDescription:
    target = _load(place)
    vmsd = getattr(target, "vmsd", target)
    if not isinstance(vmsd, VMStateDescription):
        raise DescriptionError(f"{place} of the device library is no description")
    return vmsd


def questions_of(idstr: str) -> Questions:
    """What a device with this idstr answers, by the first library that says something; nothing where none does."""
    questions: Questions | None = _of_table("QUESTIONS", idstr)
    return {} if questions is None else questions


def exercise_of(idstr: str) -> Any:
    """What a device with this idstr asks of a vhost-user back end to see that it is alive; None where nobody knows."""
    return _of_table("EXERCISES", idstr)


def _of_table(table: str, idstr: str) -> Any:
    """What the first library that has something in this table for an idstr has there; None where none has."""
    name = last_part(idstr)
    for library in (*_own(), *_announced()):
        place: str | None = getattr(library, table, {}).get(name)
        if place is not None:
            return _load(place)
    return None


def destination_rules(idstr: str) -> DestinationRules:
    """What a device with this idstr holds against its own when it loads; nothing where nobody knows."""
    rules: DestinationRules | None = _of_table("DESTINATIONS", idstr)
    return DestinationRules() if rules is None else rules


def old_style_description(idstr: str) -> VMStateDescription | None:
    """How a destination reads a section that QEMU registers without a description; None where nobody knows."""
    found = _of_table("OLD_STYLE", idstr)
    return None if found is None else found.vmsd


def _load(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)
