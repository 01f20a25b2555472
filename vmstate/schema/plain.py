"""JSON files that somebody else may have written: what can be read of them, and what a number in them can be."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from vmstate.errors import SchemaError

MOST_VALUES = 1 << 18
"""Values of a text at most: Python takes up to some two hundred bytes for each, QEMU's longest texts have a tenth."""


def refuse_many_values(text: bytes, what: str) -> None:
    """Refuse a JSON text, before it is read, of which Python would make many times its bytes. Raises `SchemaError`."""
    if text.count(b",") + text.count(b"[") + text.count(b"{") > MOST_VALUES:
        raise SchemaError(f"{what} is out of proportion", expected=f"at most {MOST_VALUES:,} values")


def parse_plain(text: str | bytes, what: str) -> Any:
    """The value of a JSON text, in which all numbers are finite. Raises `SchemaError`, which calls the text `what`."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise SchemaError(f"{what} nests too deeply") from None
    except ValueError as error:
        raise SchemaError(f"{what} is not JSON: {error}") from None


def plain_number(value: Any, stop: int) -> int:
    """A whole number from 0 on, below `stop`. Raises ValueError for anything else."""
    if type(value) is not int or not 0 <= value < stop:
        raise ValueError(f"{str(value)[:40]} is no number below {stop}")
    return value


def plain_text(value: Any) -> str:
    """A text. Raises ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"{ascii(value)[:40]} is no text")
    return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is too large a number")
    return value
