"""The device libraries of other distributions: loading them, and holding them to what a library is.

A module of somebody else may do anything when it is imported. What it raises, or says in another form than it should,
costs one warning; what it prints goes to standard error, since standard output holds the document of a command.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout, suppress
from importlib.metadata import distributions
from typing import Any, TypeVar
from warnings import catch_warnings

from vmstate.errors import DescriptionError, DeviceLibraryWarning

T = TypeVar("T")

FORMS = (
    dict.fromkeys(("old_style", "listed", "per_cpu"), bool)
    | dict.fromkeys(("answers", "compares", "items", "exercise", "target_endian"), str)
    | dict.fromkeys(("commands", "legacy_instances"), tuple)
    | {"virtio_id": int}
)
"""What an entry can have, and of which type it is."""

LONG = 2.0
"""Seconds after which a library that has not answered yet is named."""

LONGEST = 500
"""Characters of what a library says of its fault at most."""

_ASKING: set[int] = set()
"""Threads in which the libraries are being imported."""

_OPEN: dict[object, tuple[float, str]] = {}
"""Questions that are not answered yet: when the distribution that is asked is to be named, and its name."""

_WATCHES: set[threading.Thread] = set()
"""The thread that looks after them, where there is one."""

_WARNED: set[str] = set()
"""What has been warned of: distributions that are broken, and words."""


def libraries(group: str, shipped: str) -> list[tuple[str, Any, Any, Any]] | None:
    """(distribution, INDEX, ENTRIES, NOISE) of each library of a group but the shipped one, without the broken.

    None where a library asks that is being imported for this very question.
    """
    thread = threading.get_ident()
    if thread in _ASKING:
        return None
    _ASKING.add(thread)
    try:
        return list(_libraries(group, shipped))
    finally:
        _ASKING.remove(thread)


def _libraries(group: str, shipped: str) -> Iterator[tuple[str, Any, Any, Any]]:
    seen: set[str] = set()
    for distribution in distributions():
        name = "a distribution without a name"
        tables: list[tuple[str, Any, Any, Any]] = []
        try:
            if group not in (distribution.read_text("entry_points.txt") or ""):
                continue
            if distribution.name:
                name = f"{distribution.name} {distribution.version}"
            # The first on sys.path hides others of its name, as it does from import.
            if distribution.name not in seen:
                seen.add(distribution.name)
                entries = distribution.entry_points.select(group=group)
                modules = [asked(name, entry.load) for entry in entries if entry.value != shipped]
                tables = [(name, *_tables(module)) for module in modules]
        except BaseException as error:
            if ends_program(error):
                raise
            warn(name, error)
        yield from tables


def asked_or(default: T, distribution: str, function: Callable[..., T], *arguments: Any) -> T:
    """What a function of a library gives; the default, with a warning, where the library is broken."""
    try:
        return asked(distribution, function, *arguments)
    except BaseException as error:
        if ends_program(error):
            raise
        # Some frameworks end a program by exceptions of their own, which an import must not do to this one.
        warn(distribution, error)
        return default


def asked(distribution: str, function: Callable[..., T], *arguments: Any) -> T:
    """What a function of a library gives, with what it prints on standard error; one that takes long is named."""
    question = object()
    try:
        _OPEN[question] = (time.monotonic() + LONG, distribution)
        _keep_watch()
        # What it wants of warnings is no matter of this program's: an error of the next would end a command.
        with redirect_stdout(sys.stderr), catch_warnings():
            return function(*arguments)
    finally:
        _OPEN.pop(question, None)


def _keep_watch() -> None:
    """Start the thread that names libraries which take long, where there is none."""
    # Behind a fork it is there no more.
    if not any(thread.is_alive() for thread in list(_WATCHES)):
        thread = threading.Thread(target=_watch, daemon=True)
        # Where no thread can be had, nobody is named.
        with suppress(RuntimeError):
            thread.start()
            _WATCHES.add(thread)


def _watch() -> None:
    """Name libraries that take long, until no question is open. A question that is asked meanwhile is due later."""
    while True:
        if not _OPEN:
            _WATCHES.clear()
            # Who asked just before that has seen a watch, and started none.
            if not _OPEN:
                return
        time.sleep(max(0.0, min((due for due, _ in list(_OPEN.values())), default=0.0) - time.monotonic()))
        now = time.monotonic()
        for question, (due, distribution) in list(_OPEN.items()):
            if due <= now:
                _OPEN.pop(question, None)
                _tell(f"the device library of {distribution} takes long, and is waited for")


def warn(distribution: str, error: BaseException) -> None:
    """One line for a library of others that is broken, the first time that it shows."""
    if distribution not in _WARNED:
        _WARNED.add(distribution)
        _warn(f"the device library of {distribution} is broken: {in_words(error)}")


def ends_program(error: BaseException) -> bool:
    """Whether somebody else asks for the end: Ctrl-C, or a signal, whose exit code is its number and 128."""
    code = error.code if isinstance(error, SystemExit) else None
    return isinstance(error, KeyboardInterrupt) or (isinstance(code, int) and code > 128)


def in_words(error: BaseException) -> str:
    """An exception of a library, which may have words of any length, or fail when it is asked for them."""
    try:
        reason = str(error) if isinstance(error, DescriptionError) else f"{type(error).__name__}: {error}"
    except BaseException as failure:
        if ends_program(failure):
            raise
        reason = type(error).__name__
    text = " ".join(reason.split()).removesuffix(":") or "it ends the program"
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _tell(text: str) -> None:
    """Warn once of what is no fault, from a thread of its own, which has nobody to raise a warning to."""
    if text not in _WARNED:
        _WARNED.add(text)
        with suppress(DeviceLibraryWarning):
            _warn(text)


def _warn(text: str) -> None:
    import warnings

    # The line of source that warnings show would be one of this module, and tell nobody anything.
    warnings.warn_explicit(text, DeviceLibraryWarning, filename="vmstate", lineno=0)


def _tables(module: Any) -> tuple[Any, Any, Any]:
    """The tables of a library, copied, so that they stay what they were found to be."""
    index = getattr(module, "INDEX", None)
    if not isinstance(index, Mapping):
        raise DescriptionError(f"{getattr(module, '__name__', module)} has no INDEX")
    index = dict(index)
    for name, places in index.items():
        whole = isinstance(places, (tuple, list)) and all(isinstance(place, str) for place in places)
        if not isinstance(name, str) or not whole:
            raise DescriptionError(f"INDEX has no places for {name!r}", expected='a tuple of "module:class"')
    entries, noise = (_table_of(module, what) for what in ("ENTRIES", "NOISE"))
    for name in entries or ():
        check_entry(name, entries[name])
    for name in noise or ():
        for kind in noise[name].values():
            if not isinstance(kind, str) and not (isinstance(kind, tuple) and len(kind) == 2):
                raise DescriptionError(f"NOISE cannot have {kind!r} for {name!r}")
    return index, entries, noise


def _table_of(module: Any, what: str) -> Any:
    """A table of tables; None where a library has none."""
    table = getattr(module, what, None)
    if table is None:
        return None
    if not isinstance(table, Mapping) or not all(isinstance(entry, Mapping) for entry in table.values()):
        raise DescriptionError(f"{what} is no table of tables", expected="what vmstate.devices.index writes")
    return {name: dict(entry) for name, entry in table.items()}


def check_entry(idstr: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry of an idstr, where what it has is of the types that are asked for."""
    for name, value in entry.items():
        if not isinstance(value, FORMS.get(name, object)):
            raise DescriptionError(f"{idstr} cannot have {name} of {value!r}")
    return entry


def check_part(what: str, part: Any) -> Any:
    """A part of a record, where it is of the type that is asked for."""
    from vmstate.vmsd.destination import Comparison

    form = {"answers": Mapping, "compares": Comparison}.get(what, object)
    if part is not None and not isinstance(part, form):
        raise DescriptionError(f"{what} cannot be {part!r}")
    return part
