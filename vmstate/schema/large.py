"""A large vmdesc, read entry by entry: what Python makes of JSON takes some thirty times as much memory as the text."""

from __future__ import annotations

import codecs
import json
import marshal
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from vmstate.errors import SchemaError
from vmstate.schema.repeated import keep_repeated
from vmstate.schema.vmdesc import Device, Vmdesc, VmdescReader

LONGEST = 2 << 20
"""Characters of the entry of one device at most; those of real ones are some ten thousand."""

_PIECE = LONGEST >> 4
"""Bytes that are taken at a time: no more than an entry can have is ever looked at."""

_SPACE = re.compile(r"[ \t\n\r]*")

Hook = Callable[[list[tuple[str, Any]]], Any]


class _Window:
    """The part of a text that is read next, as long as an entry can be."""

    def __init__(self, text: bytes, hook: Hook | None) -> None:
        self._text = text
        self._taken = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._scan = json.JSONDecoder(object_pairs_hook=hook).raw_decode
        self._window = ""
        self._pos = 0

    def mark(self) -> str:
        """The next character that is no space; empty at the end. It stays."""
        self._fill()
        match = _SPACE.match(self._window, self._pos)
        assert match is not None
        self._pos = match.end()
        return self._window[self._pos : self._pos + 1]

    def take(self, expected: str) -> str:
        """Take the next mark, which must be one of those expected. Raises `SchemaError`."""
        mark = self.mark()
        if not mark or mark not in expected:
            raise SchemaError("vmdesc is not JSON", expected=" or ".join(expected), found=repr(mark))
        self._pos += 1
        return mark

    def value(self) -> Any:
        """Take the next value. Raises `SchemaError`."""
        self.mark()
        start = self._pos
        try:
            value, self._pos = self._scan(self._window, start)
        except ValueError as error:
            if len(self._window) - start > LONGEST:
                raise self._too_long() from None
            raise SchemaError(f"vmdesc is not JSON: {error}") from None
        except RecursionError:
            raise SchemaError("vmdesc nests too deeply") from None
        if self._pos - start > LONGEST:
            raise self._too_long()
        return value

    def _too_long(self) -> SchemaError:
        return SchemaError("vmdesc has too long an entry", expected=f"at most {LONGEST:,} characters")

    def _fill(self) -> None:
        pieces = [self._window]
        ahead = len(self._window) - self._pos
        while ahead <= LONGEST and self._taken < len(self._text):
            more = self._text[self._taken : self._taken + _PIECE]
            self._taken += len(more)
            try:
                pieces.append(self._decoder.decode(more, self._taken >= len(self._text)))
            except UnicodeDecodeError:
                raise SchemaError("vmdesc is not JSON, which is text in UTF-8") from None
            ahead += len(pieces[-1])
        if len(pieces) > 1:
            pieces[0] = self._window[self._pos :]
            self._window, self._pos = "".join(pieces), 0


def _members(text: bytes, hook: Hook | None) -> Iterator[tuple[str, Any]]:
    """The members of the object at the top; of a list of devices an iterator, which is to be gone through."""
    window = _Window(text, hook)
    window.take("{")
    following = window.take("}") if window.mark() == "}" else ","
    while following == ",":
        name = window.value()
        window.take(":")
        if name == "devices" and window.mark() == "[":
            yield name, _elements(window)
        else:
            yield name, window.value()
        following = window.take(",}")
    if window.mark():
        raise SchemaError("vmdesc is not JSON: something stands behind it")


def _elements(window: _Window) -> Iterator[Any]:
    window.take("[")
    if window.mark() == "]":
        window.take("]")
        return
    yield window.value()
    while window.take(",]") == ",":
        yield window.value()


class Entries(Sequence[Any]):
    """What a vmdesc says of each device, by `hook`; all but the one that is looked at are packed."""

    def __init__(self, text: bytes, hook: Hook | None) -> None:
        self._packed: list[bytes] = []
        for name, value in _members(text, hook):
            if name == "devices" and isinstance(value, Iterator):
                self._packed = [marshal.dumps(entry) for entry in value]

    def __getitem__(self, number: Any) -> Any:
        return marshal.loads(self._packed[number])

    def __len__(self) -> int:
        return len(self._packed)


def read_entries(text: bytes, hook: Hook | None, *, spaced: bool) -> tuple[Vmdesc, int]:
    """A vmdesc, and how many descriptions it has of which a name was read. Raises `SchemaError`."""
    reader = VmdescReader(spaced=spaced)
    top: dict[str, Any] = {}
    devices: list[Device] | None = None
    for name, value in _members(text, hook):
        if name == "devices" and isinstance(value, Iterator):
            devices = []
            for entry in value:
                devices.append(reader.device(entry))
                reader.known.clear()
            top[name] = []
        elif name in ("configuration", "page_size", "devices"):
            top[name] = value
    outline = reader.top(top)
    vmdesc = Vmdesc(outline.page_size, outline.configuration, tuple(devices or ()), outline.dialect)
    return vmdesc, reader.described


def read_by_entries(text: bytes, *, spaced: bool) -> Vmdesc:
    """A vmdesc; read again with the keys that come again where a description is missing. Raises `SchemaError`."""
    vmdesc, described = read_entries(text, None, spaced=spaced)
    if described != text.count(b'"vmsd_name"'):
        vmdesc, _ = read_entries(text, keep_repeated, spaced=spaced)
    return vmdesc
