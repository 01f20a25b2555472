"""Which section a name means, and what a path means in a stream."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from vmstate.errors import PathError
from vmstate.stream.events import ConfigurationSection
from vmstate.vmsd.path import Steps, close_paths, endings_of, first_name, format_path, places_of, resolve

if TYPE_CHECKING:
    from vmstate.stream.stream import Section, Stream

T = TypeVar("T")


def find(stream: Stream, path: str) -> tuple[Section | ConfigurationSection, Steps, Any]:
    """What SECTION[.PATH] means, as `Stream.find` tells it."""
    holder, name, rest = _split(stream, path)
    try:
        return holder, *resolve(holder.state, rest)
    except PathError as failure:
        error = failure
        places = places_of(holder.state, first_name(rest))
        if () in places:
            # It begins where the section does, so that what is wrong stands further on.
            raise _with_the_place(error, name, holder.state, rest).within(section=name) from None
        if len(places) == 2 and places[1] == (*places[0], rest):
            # A struct with a value of its own name: the value is meant.
            del places[0]
        first = first_name(rest)
        endings = endings_of(holder.state, first) if not places and rest.startswith(first) else []
        if len(endings) == 1:
            return holder, *resolve(holder.state, format_path(endings[0]) + rest[len(first) :])
        close = endings or (close_paths(holder.state, first) if not places else [])
        if close and error.message.startswith("there is no "):
            error.expected = " or ".join(map(format_path, close))
        if len(places) > 1:
            choices = " or ".join(format_path((*steps, first_name(rest))) for steps in places[:4])
            error = PathError(f"more than one struct has {first_name(rest)!r}", path=rest, expected=choices)
        if len(places) != 1 or not places[0]:
            raise error.within(section=name) from None
    try:
        return holder, *resolve(holder.state, f"{format_path(places[0])}.{rest}")
    except PathError as error:
        raise error.within(section=name) from None


def _with_the_place(error: PathError, section: str, state: Any, path: str) -> PathError:
    """The error with the places of the last name of a path, where only other structs have it."""
    last = first_name(path.rpartition(".")[2])
    places = places_of(state, last)
    if places and error.message == f"there is no {last!r}":
        error.expected = " or ".join(f"{section}.{format_path((*steps, last))}" for steps in places[:4])
    return error


def _split(stream: Stream, path: str) -> tuple[Section | ConfigurationSection, str, str]:
    """The section that a path begins with, the name it has there, and the rest of the path."""
    failure: PathError | None = None
    cut = len(path)
    while cut > 0:
        try:
            return _holder(stream, path[:cut]), path[:cut], path[cut + 1 :]
        except AmbiguousError:
            raise
        except PathError as error:
            failure = failure if failure is not None and failure.expected else error
            cut = path.rfind(".", 0, cut)
    raise failure or PathError("no section is named")


def _holder(stream: Stream, name: str) -> Section | ConfigurationSection:
    if name == "configuration":
        for part in stream.parts:
            if isinstance(part, ConfigurationSection):
                return part
    return stream[name]


def of_class(section: Section, state_class: type[T]) -> Section[T]:
    """A section whose state is of a class. Raises `PathError` where it is of another."""
    if not isinstance(section.state, state_class):
        raise PathError(
            "the state is of another class",
            section=section.name,
            expected=state_class.__name__,
            found=f"{type(section.state).__name__} (described by: {section.described_by})",
        )
    return section


class AmbiguousError(PathError):
    """A name that more than one section has."""


def last_of_each(sections: Iterable[Section]) -> list[Section]:
    """The sections without those that come again later, by idstr and instance_id, which QEMU loads over them."""
    listed = list(sections)
    last = {(section.name, section.instance_id): section for section in listed}
    return [section for section in listed if last[section.name, section.instance_id] is section]


def find_section(sections: list[Section], name: str) -> Section:
    """The section that a name means. Parts of an iterable section count as one: the first."""
    text, _, number = name.rpartition("#")
    instance = int(number) if text and re.fullmatch("[0-9]{1,10}", number) else None
    wanted = text if instance is not None else name
    named = last_of_each(section for section in sections if section.kind in ("start", "full"))
    sections_named = [section for section in named if section.name == wanted] or [
        section for section in named if section.name.rpartition("/")[2] == wanted
    ]
    if instance is not None:
        sections_named = [section for section in sections_named if section.instance_id == instance]
    if len(sections_named) == 1:
        return sections_named[0]
    if not sections_named:
        raise PathError(f"the stream has no section {name!r}", expected=_names(named, wanted))
    choices = ", ".join(f"{section.name}#{section.instance_id}" for section in sections_named)
    raise AmbiguousError(f"{name!r} means more than one section", expected=f"one of {choices}")


def _names(sections: list[Section], wanted: str) -> str | None:
    from difflib import get_close_matches

    names = [section.name for section in sections]
    close = get_close_matches(wanted, [*names, *(name.rpartition("/")[2] for name in names)], n=3, cutoff=0.5)
    return " or ".join(dict.fromkeys(close)) or None
