"""`Records`: an array of structs of fixed size, whose elements are made when they are looked at.

The bytes of the array are kept as they came; elements that nobody touched are written back by copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from vmstate.codec.plan import FAST, Plan
from vmstate.codec.runtime import Context
from vmstate.codec.structs import read_struct
from vmstate.vmsd.collector import collector_paused
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.state import META, UNTOUCHED

if TYPE_CHECKING:
    from vmstate.codec.rows import Rows

FEW = 16
"""Elements that are made one by one; when one more is looked at, all are made."""


class FixedStruct:
    """A struct that always has the same size, read from exactly that many bytes."""

    def __init__(self, plan: Plan, size: int) -> None:
        self.size = size
        self._plan = plan

    @cached_property
    def rows(self) -> Rows | None:
        """The quick way to its bytes and back, where there is one."""
        # Imported when more than a few elements are looked at, which most commands do not do.
        from vmstate.codec.rows import rows_of

        return rows_of(self._plan.vmsd, self._plan.version_id)

    def make(self, raw: bytes) -> Any:
        """The state that stands in the bytes."""
        made: list[Any] = []
        read_struct(self._plan, Context(raw), None, 0, made)
        return made[0]

    def __deepcopy__(self, memo: dict[int, Any]) -> FixedStruct:
        # What cannot change can be shared.
        return self


def fixed_struct(vmsd: VMStateDescription, version_id: int) -> FixedStruct:
    """A struct of fixed size as `Records` needs it; one for each description and version."""
    struct: FixedStruct | None = vmsd.compiled.get((version_id, "fixed"))
    if struct is None:
        plan = FAST.plan(vmsd, version_id)
        struct = vmsd.compiled[version_id, "fixed"] = FixedStruct(plan, plan.size or 0)
    return struct


class Records(MutableSequence[Any]):
    """A list of states of one struct, lazily made. Equal to any list with equal elements."""

    __slots__ = ("_all", "_given", "_kind", "_made", "_raw")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind: FixedStruct, raw: bytes) -> None:
        self._kind = kind
        self._raw = raw
        # Elements that were looked at and may have been changed; or, once there are more than a few, all of them.
        self._made: dict[int, Any] = {}
        # All elements as they were read, where one that was changed shows it.
        self._given: list[Any] | None = None
        self._all: list[Any] | None = None

    def __len__(self) -> int:
        return len(self._raw) // self._kind.size if self._all is None else len(self._all)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if self._all is not None:
            return self._all[index]
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = self._number(index)
        if number not in self._made and len(self._made) >= FEW:
            return self._every()[number]
        return self._element(number)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._every())

    def _number(self, index: int) -> int:
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(index)
        return number

    def _element(self, number: int) -> Any:
        if number not in self._made:
            size = self._kind.size
            self._made[number] = self._kind.make(self._raw[number * size : (number + 1) * size])
        return self._made[number]

    def _every(self) -> list[Any]:
        if self._all is None:
            rows = self._kind.rows
            if self._raw and rows is not None and rows.are_plain(self._raw):
                with collector_paused():
                    self._all = rows.read(self._raw)
                for number, state in self._made.items():
                    self._all[number] = state
                self._given = list(self._all)
            else:
                self._all = [self._element(number) for number in range(len(self))]
            self._made = {}
        return self._all

    def __setitem__(self, index: Any, value: Any) -> None:
        if self._all is None and isinstance(index, int):
            self._made[self._number(index)] = value
        else:
            self._every()[index] = value

    def __delitem__(self, index: Any) -> None:
        del self._every()[index]

    def insert(self, index: int, value: Any) -> None:
        """Insert an element."""
        self._every().insert(index, value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Records) and self.untouched(other._kind) == other.untouched(self._kind) is not None:
            return True
        if not isinstance(other, (Records, list, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return repr(list(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Records:
        # Few copy a state: whoever does has imported it.
        from copy import deepcopy

        copied = Records(self._kind, self._raw)
        copied._made, copied._given, copied._all = deepcopy((self._made, self._given, self._all), memo)
        return copied

    def __reduce__(self) -> tuple[type[list[Any]], tuple[list[Any]]]:
        """As a plain list: what made it are functions, which cannot be pickled."""
        return list, (list(self),)

    def differing(self, records: Records) -> list[int]:
        """The numbers of the elements that differ, as far as both go. Bytes are compared; elements only if touched."""
        common = min(len(self), len(records))
        if self._all is not None or records._all is not None or self._kind is not records._kind:
            return [number for number in range(common) if self[number] != records[number]]
        touched = {number for number in (*self._made, *records._made) if number < common}
        size = self._kind.size
        numbers = {number for number in touched if self[number] != records[number]}
        numbers.update(number for number in _unequal(self._raw, records._raw, size, 0, common) if number not in touched)
        return sorted(numbers)

    @property
    def raw(self) -> bytes | None:
        """The bytes of the array, if nobody has looked at an element."""
        return self._raw if self._all is None and not self._made else None

    def untouched(self, kind: FixedStruct) -> bytes | None:
        """The bytes of the array, if nobody has looked at an element and `kind` is how they were read."""
        return self._raw if self._all is None and not self._made and kind is self._kind else None

    def patches(self, kind: FixedStruct) -> tuple[bytes, Iterable[tuple[int, Any]]] | None:
        """The bytes as they came and the elements that may differ, if `kind` is how they were read."""
        if kind is not self._kind:
            return None
        if self._all is None:
            return self._raw, self._made.items()
        if self._given is None or self._all != self._given:
            return None
        changed = [
            (number, state) for number, state in enumerate(self._all) if getattr(state, META, None) is not UNTOUCHED
        ]
        return (self._raw, changed) if len(changed) <= FEW else None


def _unequal(left: bytes, right: bytes, size: int, start: int, stop: int) -> Iterator[int]:
    """The numbers of the records of `size` bytes that differ, from `start` up to `stop`."""
    if left[start * size : stop * size] == right[start * size : stop * size]:
        return
    if stop - start == 1:
        yield start
        return
    middle = (start + stop) // 2
    yield from _unequal(left, right, size, start, middle)
    yield from _unequal(left, right, size, middle, stop)
