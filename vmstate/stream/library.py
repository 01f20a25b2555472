"""The device library: which description an idstr has.

Libraries are found through the entry-point group `vmstate.devices`. Each is a module with `INDEX`, a mapping from the
last part of an idstr to the places of its descriptions ("module:class", the newest layout first); nothing of a device
is imported before a stream holds it. It may have `NOISE` too, the place of its noise lists. Asking the entry points is
slow, and done only for an idstr that the library shipped beside this package does not know.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from typing import Any

from vmstate.errors import DescriptionError
from vmstate.vmsd.description import VMStateDescription

SHIPPED = "devices"
GROUP = "vmstate.devices"
OWN = "qemu_vmstate-"


@lru_cache(maxsize=1)
def _shipped() -> Mapping[str, Sequence[str]]:
    try:
        return import_module(SHIPPED).INDEX  # type: ignore[no-any-return]
    except ModuleNotFoundError:
        return {}


@lru_cache(maxsize=1)
def _others() -> Mapping[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    for library in _announced():
        found.update(library.INDEX)
    return found


@lru_cache(maxsize=1)
def _announced() -> tuple[Any, ...]:
    """The libraries of other distributions."""
    if not _somebody_announces():
        return ()
    from importlib.metadata import entry_points

    return tuple(entry.load() for entry in entry_points(group=GROUP) if entry.value != SHIPPED)


@lru_cache(maxsize=1)
def noise_lists() -> Mapping[str, Mapping[str, Any]]:
    """What differs between two moments of an idle machine: name of a description -> wire name -> kind of noise.

    The lists of all libraries together; `devices.noise` says what is in them.
    """
    found: dict[str, dict[str, Any]] = {}
    with suppress(ModuleNotFoundError):
        for library in (*_announced(), import_module(SHIPPED)):
            place = getattr(library, "NOISE", None)
            if place is not None:
                module, _, attribute = place.partition(":")
                for name, fields in getattr(import_module(module), attribute).items():
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


@lru_cache(maxsize=1024)
def _descriptions(name: str, *, shipped: bool) -> tuple[VMStateDescription, ...]:
    index = _shipped() if shipped else _others()
    return tuple(_load(place) for place in index.get(name, ()))


def _load(place: str) -> VMStateDescription:
    module, _, attribute = place.partition(":")
    target: Any = getattr(import_module(module), attribute)
    vmsd = getattr(target, "vmsd", target)
    if not isinstance(vmsd, VMStateDescription):
        raise DescriptionError(f"{place} of the device library is no description")
    return vmsd
