"""Values in words: as `show`, `find`, `set` and the page of a stream print them."""

from __future__ import annotations

from typing import Any

from vmstate.codec.records import Records
from vmstate.errors import one_line


def text_of(value: Any) -> str:
    """A plain value for a reader."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, bytes)) and type(value) not in (int, bytes):
        # A value that has names for what is in it.
        return f"{value} ({value:#x})" if isinstance(value, int) else str(value)
    if isinstance(value, int):
        return str(value) if -10 < value < 10 else f"{value} ({value:#x})"
    if isinstance(value, (bytes, bytearray)):
        if not any(value) and len(value) > 4:
            return f"{len(value)} bytes, all zero"
        text = value.rstrip(b"\0")
        if len(value) >= 8 and len(text) >= 4 and text.isascii() and text.decode().isprintable():
            return f'"{text.decode()}" ({len(value)} bytes)'
        shown = value[:32].hex(" ", -4)
        return f"{shown} ... ({len(value)} bytes)" if len(value) > 32 else shown or "no bytes"
    if isinstance(value, (list, tuple, Records)):
        # Numbers that are no counts are easier to read in hex.
        wide = any(isinstance(element, int) and element >= 1 << 16 for element in value)
        return "[" + ", ".join(short_text(element, wide=wide) for element in value) + "]"
    if isinstance(value, (set, frozenset)):
        return set_text(sorted(value))
    return "NULL" if value is None else one_line(str(value))


def set_text(value: list[Any]) -> str:
    """The members of a set, runs of numbers as one."""
    runs: list[list[Any]] = []
    for element in value:
        if runs and isinstance(element, int) and element == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], element]
        else:
            runs.append([element])
    return ", ".join("..".join(map(str, run)) for run in runs) or "nothing"


def short_text(value: Any, *, wide: bool) -> str:
    """A plain value among others on a line."""
    if type(value) is int:
        return f"{value:#x}" if wide and not -10 < value < 10 else str(value)
    return text_of(value)
