"""Paths: one grammar for show, set, diff, errors and ignore lists.

`net.rss.indirections_table[3]`: names joined by dots, `[n]` for the n-th element or byte, in hexadecimal too
(`[0x9a]`). A name that holds a bracket, a quote or a blank stands in double quotes (`"env.cr[0]"`), which may be left
out where nothing else can be meant; a dot inside a name needs none, since the longest name that is there wins. A name
that is no attribute can be one of those that the class of a state derives (`vlan_ids` from `vlans`).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from typing import Any

from vmstate.errors import PathError
from vmstate.vmsd.state import derived_of, is_state, items_of

# Compiled when first used: most commands are given no path, and compiling takes as long as reading a small stream.
_INDEX = r"\[(\d{1,12}|0x[0-9a-fA-F]{1,8})\]"
_QUOTED = r'"((?:[^"\\]|\\.)*)"'

Steps = tuple[str | int, ...]


def _is_plain(name: str) -> bool:
    """Whether a name needs no quotes in a path: it has no white space, quotes or brackets."""
    return name.isidentifier() or (name.split() == [name] and not any(mark in name for mark in '"[]'))


def format_path(steps: Iterable[str | int | range]) -> str:
    """The text of a path; a range stands for all its elements: `[0..7]`."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
            continue
        if isinstance(step, range):
            text += f"[{step.start}..{step.stop - 1}]"
            continue
        if not _is_plain(step):
            escaped = step.replace("\\", "\\\\").replace('"', '\\"')
            step = f'"{escaped}"'
        text += f".{step}" if text else step
    return text


def resolve(value: Any, text: str) -> tuple[Steps, Any]:
    """The steps that a path text means in a state, and the value there. Raises `PathError`."""
    steps: list[str | int] = []
    rest = text
    while rest:
        index = re.match(_INDEX, rest)
        if index and isinstance(value, Sequence) and not isinstance(value, str):
            digits = index.group(1)
            number = int(digits, 16 if digits.startswith("0x") else 10)
            if number >= len(value):
                raise PathError(
                    "no such element", path=format_path([*steps, number]), expected=f"an index below {len(value)}"
                )
            value, rest = value[number], rest[index.end() :]
            steps.append(number)
        else:
            name, value, rest = _step_into(value, rest, steps, text)
            steps.append(name)
        if rest.startswith(".") and len(rest) > 1:
            rest = rest[1:]
        elif rest and not rest.startswith("["):
            raise PathError("cannot read the path", path=text, found=repr(rest))
    return tuple(steps), value


def _step_into(value: Any, rest: str, steps: list[str | int], text: str) -> tuple[str, Any, str]:
    if not is_state(value):
        where = format_path(steps) or "this"
        raise PathError(f"{where} has nothing inside it by name", path=text, found=repr(rest))
    names: Container[str] = value if isinstance(value, dict) else type(value).__vmstate_defaults__
    quoted = re.match(_QUOTED, rest)
    if quoted:
        name = re.sub(r"\\(.)", r"\1", quoted.group(1))
        if name in names:
            return name, member(value, name), rest[quoted.end() :]
        raise PathError(f"there is no {name!r}", path=text, expected=_choices(name, dict(items_of(value))))
    # Of what the path begins with, whatever ends before a dot or bracket: a struct can have very many names.
    ends = [*(at for at, char in enumerate(rest) if char in ".["), len(rest)]
    fits = [rest[:end] for end in ends if rest[:end] in names]
    if not fits:
        derived = [name for name in derived_of(value) if re.match(re.escape(name) + r"($|[.\[])", rest)]
        if derived:
            return derived[0], getattr(value, derived[0]), rest[len(derived[0]) :]
        raise PathError(f"there is no {rest!r}", path=text, expected=_choices(first_name(rest), dict(items_of(value))))
    # `channels[0].mode` is an element before it is a wire name, which is one only where it stands in quotes.
    name = max(fits, key=lambda name: (_is_plain(name), len(name)))
    return name, member(value, name), rest[len(name) :]


def member(value: Any, step: str | int) -> Any:
    """What a state, a mapping or a row of elements has at one step; None where it has nothing there."""
    if isinstance(step, str) and not isinstance(value, dict):
        return getattr(value, step, None) if is_state(value) else None
    try:
        return value[step]
    except (TypeError, LookupError):
        return None


def at_steps(value: Any, steps: Iterable[str | int]) -> Any:
    """What stands at steps from a value on; None where nothing does."""
    for step in steps:
        value = member(value, step)
    return value


def value_at(state: Any, path: str) -> Any:
    """The value at a path; None where a struct on the way is not there. Raises `PathError` where the path is wrong."""
    try:
        return resolve(state, path)[1]
    except PathError:
        cut = len(path)
        while (cut := max(path.rfind(".", 0, cut), path.rfind("[", 0, cut))) > 0:
            try:
                if resolve(state, path[:cut])[1] is None:
                    return None
            except PathError:
                continue
            break
        raise


def value_or_none(state: Any, path: str) -> Any:
    """The value at a path; None where nothing is there, whatever the reason."""
    try:
        return resolve(state, path)[1]
    except PathError:
        return None


def places_of(value: Any, name: str) -> list[Steps]:
    """The steps to every struct inside a state, itself included, that has a name; the elements of lists left out."""
    places: list[Steps] = []

    def look(state: Any, steps: Steps) -> None:
        members = dict(items_of(state))
        if name in members or name in derived_of(state):
            places.append(steps)
        for inner, below in members.items():
            if is_state(below):
                look(below, (*steps, inner))

    if is_state(value):
        look(value, ())
    return places


def first_name(text: str) -> str:
    """The name that a path begins with."""
    quoted = re.match(_QUOTED, text)
    if quoted:
        return re.sub(r"\\(.)", r"\1", quoted.group(1))
    return re.split(r"[.\[]", text, maxsplit=1)[0]


def endings_of(value: Any, name: str) -> list[Steps]:
    """The steps to every value inside a state whose wire name ends so behind a dot; the elements of lists left out.

    QEMU names a member of a struct that it opens `core.permanent_mac`.
    """
    endings: list[Steps] = []

    def look(state: Any, steps: Steps) -> None:
        for inner, below in items_of(state):
            if inner.endswith(f".{name}"):
                endings.append((*steps, inner))
            if is_state(below):
                look(below, (*steps, inner))

    if is_state(value):
        look(value, ())
    return endings


def close_paths(value: Any, name: str) -> list[Steps]:
    """The steps to what is called much like a name, in the structs inside a state, the likeliest first.

    Of a list the first element is looked into.
    """
    paths: dict[str, Steps] = {}

    def look(state: Any, steps: Steps) -> None:
        members = dict(items_of(state))
        for inner in (*members, *derived_of(state)):
            paths.setdefault(inner, (*steps, inner))
        for inner, below in members.items():
            if is_state(below):
                look(below, (*steps, inner))
            elif isinstance(below, Sequence) and below and is_state(below[0]):
                look(below[0], (*steps, inner, 0))

    if is_state(value):
        look(value, ())
    return [paths[close] for close in _close(name, paths)]


def _close(name: str, names: Iterable[str]) -> list[str]:
    from difflib import get_close_matches

    listed = [*names]
    # "negotiated_features" is likelier `features` than another word of the same length.
    inside = [known for known in listed if known and name.endswith(f"_{known}")]
    return list(dict.fromkeys([*inside, *get_close_matches(name, listed, n=3, cutoff=0.6)]))[:3]


def _choices(name: str, members: Iterable[str]) -> str:
    names = list(members)
    close = _close(name, names)
    if close:
        return " or ".join(close) + (f" or another of {len(names)}" if len(names) > len(close) else "")
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "nothing: it is empty"
