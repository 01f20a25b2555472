"""What of a file differs from what it was, by the names of what stands at its top.

A header that most of a tree includes changes often, and mostly by a declaration that few of its files use: so a file is
read again only where something changed that was taken, by name, when it was read before.
"""

from __future__ import annotations

import re

from vmstate.source.lexer import Item, SourceFile

Use = tuple[str, str]
"""A file, and the key of what was taken from it; a key alone counts for all files, as a macro that is not defined."""

WHOLE = ""
"""The key of all that a file holds."""


def key_of(item: Item) -> str:
    """What an item is known by. Enums without a tag are one in each file."""
    return f"{item.kind}:{item.name or item.path}"


def differences(old: SourceFile, new: SourceFile) -> frozenset[str] | None:
    """The keys of the macros and items that are not the same in two states of a file; None where that does not tell
    who is concerned: it includes other files, calls other macros at its top, or a name of it becomes a macro.
    """
    if _around(old) != _around(new):
        return None
    before, after = _definitions(old), _definitions(new)
    keys = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    for name in keys - before.keys():
        if ":" not in name and re.search(rf"\b{re.escape(name)}\b", old.text):
            return None
    return frozenset(keys)


def _around(file: SourceFile) -> tuple[object, ...]:
    """What has no name, without its lines."""
    return (
        [(each.name, each.quoted, each.clauses) for each in file.includes],
        [(each.text, each.clauses) for each in file.invocations],
        [(each.name, each.clauses) for each in file.undefined],
    )


def _definitions(file: SourceFile) -> dict[str, list[object]]:
    """All that a name is in a file; what is told with its line, only where it stands in that line."""
    made: dict[str, list[object]] = {}
    for macro in file.macros:
        made.setdefault(macro.name, []).append((macro.parameters, macro.body, macro.clauses))
    for item in file.items:
        line = item.line if item.kind in ("function", "variable") else 0
        text = " ".join(file.text[item.start : item.end].split())
        made.setdefault(key_of(item), []).append((item.head, text, item.clauses, line))
    return made
