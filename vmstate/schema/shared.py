"""Descriptions of many vmdescs: a device of which two say the same has one description, which is compiled once.

The vmdescs of machines that are not alike have most of their entries in common, and those of one machine at two moments
differ in a few: so what is kept is kept by the entry, not by the text.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from vmstate.errors import SchemaError
from vmstate.schema.pointers import MAX_POINTERS
from vmstate.schema.vmdesc import LARGE, NOTHING_DESCRIBED, Device, Vmdesc, VmdescReader, read_vmdesc
from vmstate.vmsd.data import Data

MOST_KEPT = 8 << 20
"""Bytes of entries that are kept; then all are forgotten. What is made of an entry takes some thirty times as much."""

MOST_TEXTS = 256
"""Texts that are known again; then all are forgotten. What is in their entries is kept once."""

KEY = 16
"""Bytes of a key."""


class KeyedVmdesc(Data):
    """A vmdesc, and for each of its devices, by the id of the object, a key of all that it says of it."""

    vmdesc: Vmdesc
    keys: Mapping[int, bytes]


class _Entry:
    """The description of a device, and what its entry adds to what a whole text tells."""

    __slots__ = ("all_indexed", "any_indexed", "described", "device", "differing", "key", "nulls", "repeats_bare")

    def __init__(self, reader: VmdescReader, entry: Any, key: bytes) -> None:
        self.key = key
        self.device: Device = reader.device(entry)
        self.described = reader.described
        self.differing = reader.differing
        self.any_indexed = bool(reader.indexed)
        self.all_indexed = all(reader.indexed)
        self.nulls = frozenset(reader.nulls)
        self.repeats_bare = reader.repeats_bare


class SharedVmdescs:
    """Reads vmdescs as `read_vmdesc` does, entry by entry, each of which it reads once."""

    def __init__(self) -> None:
        self.kept = 0
        self.entries: dict[tuple[bool, bytes], _Entry] = {}
        self.tables = VmdescReader(spaced=False), VmdescReader(spaced=True)
        self.texts: dict[bytes, KeyedVmdesc] = {}

    def read(self, text: bytes | None) -> KeyedVmdesc:
        """The vmdesc of a text; that of a stream without one for None. Raises `SchemaError`."""
        if text is None:
            return KeyedVmdesc(NOTHING_DESCRIBED, {})
        key = _key(text)
        known = self.texts.get(key)
        if known is None:
            if len(self.texts) >= MOST_TEXTS:
                self.texts.clear()
            known = (None if len(text) > LARGE else self._by_entries(text)) or _by_itself(text)
            self.texts[key] = known
        return known

    def _by_entries(self, text: bytes) -> KeyedVmdesc | None:
        """The same, put together; None where a text must be read by itself."""
        spaced = text.startswith(b"{ ")
        whole = self._reader(spaced)
        with suppress(SchemaError, ValueError, RecursionError, TypeError, KeyError):
            top = json.loads(text)
            outline = whole.top({**top, "devices": []})
            entries = [self._entry(entry, spaced) for entry in top["devices"]]
            for entry in entries:
                whole.described += entry.described
                whole.differing += entry.differing
                whole.nulls |= entry.nulls
                whole.repeats_bare |= entry.repeats_bare
                whole.indexed += [entry.all_indexed] if entry.any_indexed else []
            # Where keys repeat, an entry has more to say than Python's own reader of JSON keeps.
            if whole.described != text.count(b'"vmsd_name"') or whole.differing > MAX_POINTERS:
                return None
            dialect = whole.dialect(outline.configuration is not None)
            devices = tuple(entry.device for entry in entries)
            vmdesc = Vmdesc(outline.page_size, outline.configuration, devices, dialect)
            return KeyedVmdesc(vmdesc, {id(entry.device): _key(entry.key, dialect.name.encode()) for entry in entries})
        return None

    def _entry(self, entry: Any, spaced: bool) -> _Entry:
        # Without references, so that what is equal has the same bytes.
        plain = marshal.dumps(entry, 2)
        place = spaced, _key(plain)
        known = self.entries.get(place)
        if known is None:
            self.kept += len(plain)
            if self.kept > MOST_KEPT:
                self.kept = len(plain)
                self.entries.clear()
                self.texts.clear()
                self.tables = VmdescReader(spaced=False), VmdescReader(spaced=True)
            known = self.entries[place] = _Entry(self._reader(spaced), entry, place[1])
        return known

    def _reader(self, spaced: bool) -> VmdescReader:
        """A reader that begins to count and knows what others have made."""
        reader, tables = VmdescReader(spaced=spaced), self.tables[spaced]
        reader.fields, reader.leaves = tables.fields, tables.leaves
        reader.vmsds, reader.types = tables.vmsds, tables.types
        return reader


def _by_itself(text: bytes) -> KeyedVmdesc:
    vmdesc = read_vmdesc(text)
    whole = _key(text)
    return KeyedVmdesc(
        vmdesc, {id(device): _key(whole, number.to_bytes(4, "big")) for number, device in enumerate(vmdesc.devices)}
    )


def _key(data: bytes, salt: bytes = b"") -> bytes:
    return blake2b(data, digest_size=KEY, key=salt).digest()
