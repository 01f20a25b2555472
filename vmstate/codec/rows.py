"""`Rows`: the states of a struct that is nothing but numbers, to and from their bytes, a whole table at a time.

A table can have a thousand rows. It is read and written by columns, so that what is done for each row is done by
Python's own loops. What is not so simple, a row with residue or a value that does not fit, is left to the plan of the
struct.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import and_, attrgetter, itemgetter, lshift, or_, rshift
from typing import Any

from vmstate.codec.elements import packer
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, VMStateDescription, state_attributes
from vmstate.vmsd.state import META, UNTOUCHED, State, meta_of

Column = Sequence[Any]


class Rows:
    """A struct of scalars, of padding, and of arrays of scalars whose count is constant."""

    def __init__(self, vmsd: VMStateDescription, order: str) -> None:
        fields = [field for field in vmsd.fields if field.in_state]
        self._packed = packer(order + "".join(map(_code, vmsd.fields)))
        self._names = state_attributes(vmsd)
        self._counts = [field.count if isinstance(field.count, int) else None for field in fields]
        self._words = [field.type.order == "words" for field in fields]  # type: ignore[attr-defined]
        # A list in a state can change unseen; a state of numbers alone cannot.
        self._meta = UNTOUCHED if all(count is None for count in self._counts) else None
        self._class: type | None = vmsd.state_class
        self._bools = [_code(field)[-1] == "?" for field in fields]
        # The places of the bytes of bools, and of those that are padding.
        self._truths: list[int] = []
        self._pads: list[int] = []
        place = 0
        for code in map(_code, vmsd.fields):
            width = struct.calcsize(order + code)
            if code[-1] in "?x":
                (self._pads if code[-1] == "x" else self._truths).extend(range(place, place + width))
            place += width

    def are_plain(self, raw: bytes) -> bool:
        """Whether rows have no residue: their bytes are those that QEMU writes."""
        size = self._packed.size
        return not any(raw[place::size].strip(b"\0\1") for place in self._truths) and not any(
            raw[place::size].strip(b"\0") for place in self._pads
        )

    def read(self, raw: bytes) -> list[Any]:
        """The states of all rows."""
        flat = zip(*self._packed.iter_unpack(raw), strict=True)
        columns: list[Any] = []
        for count, words in zip(self._counts, self._words, strict=True):
            column: Any = next(flat)
            if words and any(upper := next(flat)):
                column = list(map(or_, column, map(lshift, upper, repeat(32))))
            elif count is not None:
                column = list(map(list, zip(column, *(next(flat) for _ in range(count - 1)), strict=True)))
            columns.append(column)
        if self._class is None:
            return [State(zip(self._names, row, strict=True)) for row in zip(*columns, strict=True)]
        new: Any = self._class.__new__
        states = list(map(new, repeat(self._class, len(columns[0]))))
        for name, column in ((META, repeat(self._meta)), *zip(self._names, columns, strict=True)):
            deque(map(getattr(self._class, name).__set__, states, column), maxlen=0)
        return states

    def write(self, states: Sequence[Any]) -> bytes | None:
        """The bytes of all rows; None where that takes the plan of the struct."""
        cls = self._class
        get: Any = itemgetter if cls is None else attrgetter
        try:
            if not set(map(type, states)) <= {cls or State} or any(
                map(meta_of if cls is None else attrgetter(META), states)
            ):
                return None
            rows = map(get(*self._names), states)
            columns = self._flat(zip(*rows, strict=True) if len(self._names) > 1 else [tuple(rows)])
            return None if columns is None else b"".join(map(self._packed.pack, *columns))
        except (struct.error, TypeError, ValueError, AttributeError, KeyError):
            return None

    def _flat(self, columns: Iterable[Column]) -> list[Column] | None:
        """The columns, those of arrays spread; None where one holds what cannot be written."""
        flat: list[Column] = []
        for column, count, words, is_bool in zip(columns, self._counts, self._words, self._bools, strict=True):
            if words:
                flat += [tuple(map(and_, column, repeat(0xFFFFFFFF))), tuple(map(rshift, column, repeat(32)))]
                continue
            if count is not None and not set(map(type, column)) <= {list}:
                return None
            spread = [column] if count is None else list(zip(*column, strict=True))
            if len(spread) != (count or 1):
                return None
            # To struct.pack anything is true or false.
            if is_bool and not all(set(map(type, one)) <= {bool} for one in spread):
                return None
            flat += spread
        return flat


def rows_of(vmsd: VMStateDescription, version_id: int) -> Rows | None:
    """The rows of a struct at a version, or None where it is not as plain as that."""
    names = state_attributes(vmsd)
    if vmsd.subsections or vmsd.rules or not names or len(set(names)) < len(names):
        return None
    if not all(_code(field) and field.version <= version_id for field in vmsd.fields):
        return None
    kinds = [field.type for field in vmsd.fields if isinstance(field.type, t.Scalar)]
    orders = {">" if kind.order == "words" else kind.order for kind in kinds}
    return Rows(vmsd, orders.pop()) if len(orders) == 1 else None


def _code(field: Field) -> str:
    """The letters of a field in a layout of the struct module; "" where it has none."""
    kind = field.type
    if not field.is_plain or field.value is not None or field.rules:
        return ""
    if isinstance(kind, t.Unused):
        return kind.run_code if field.count is None and kind.size else ""
    if not isinstance(kind, t.Scalar) or field.count == 0:
        return ""
    if kind.order == "words":
        return "II" if field.count is None else ""
    return kind.code if field.count is None else f"{field.count}{kind.code}"
