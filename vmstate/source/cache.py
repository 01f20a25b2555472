"""What was read from a tree, kept for the next time: in $XDG_CACHE_HOME/vmstate/source, by all that decides the result.

Each file of the tree counts with its blob id, so a second tree is read only as far as it differs. What cannot be
written or read is as if it were not there: a cache is no reason to fail.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress

from vmstate.errors import VMStateError
from vmstate.files import write_atomic
from vmstate.source.model import UnitResult
from vmstate.source.tree import Tree

FORMAT = 22
"""Raised with whatever changes what is read from the same tree."""

MAX_KEPT = 12
"""Trees that are kept: each has about a megabyte."""

MAX_BYTES = 256 << 20
"""Bytes of a result at most, once it is decompressed."""

Units = dict[str, tuple[UnitResult, Mapping[str, str]]]
"""Path -> what was read from it, and the blob ids of the files that this took."""


def folder() -> str:
    """Where the results are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "vmstate", "source")


def _configuration(target: str, options: Mapping[str, bool]) -> str:
    text = json.dumps([FORMAT, target, sorted(options.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _place(tree: Tree, target: str, options: Mapping[str, bool]) -> str:
    return os.path.join(folder(), f"{_configuration(target, options)}-{tree.id[:24]}.json.z")


def load(tree: Tree, target: str, options: Mapping[str, bool]) -> Units:
    """What is kept of this tree or, where there is nothing, of the last one that was read in the same way."""
    place = _place(tree, target, options)
    with suppress(OSError):
        if not os.path.exists(place):
            alike = [
                os.path.join(folder(), name)
                for name in os.listdir(folder())
                if name.startswith(_configuration(target, options)) and name.endswith(".json.z")
            ]
            place = max(alike, key=os.path.getmtime, default=place)
        return _read(place)
    return {}


def _read(place: str) -> Units:
    try:
        with open(place, "rb") as file:
            inflate = zlib.decompressobj()
            text = inflate.decompress(file.read(), MAX_BYTES)
        if inflate.unconsumed_tail:
            return {}
        raw = json.loads(text)
        blobs = raw["blobs"]
        units: Units = {}
        for each in raw["units"]:
            unit = UnitResult.of_json(each)
            units[unit.path] = (unit, {path: blobs[path] for path in unit.files})
    except (ValueError, KeyError, TypeError, zlib.error, RecursionError):
        return {}
    os.utime(place)
    return units


def save(tree: Tree, target: str, options: Mapping[str, bool], units: tuple[UnitResult, ...]) -> None:
    """Keep what was read from a tree, in place of the oldest."""
    used = sorted({path for unit in units for path in unit.files})
    content = {"blobs": {path: tree.blobs[path] for path in used}, "units": [unit.as_json() for unit in units]}
    data = zlib.compress(json.dumps(content, separators=(",", ":")).encode("utf-8", "surrogatepass"), 1)
    with suppress(OSError, VMStateError, UnicodeError):
        os.makedirs(folder(), exist_ok=True)
        write_atomic(_place(tree, target, options), [data])
        kept = sorted((os.path.join(folder(), name) for name in os.listdir(folder())), key=os.path.getmtime)
        for place in kept[:-MAX_KEPT]:
            os.unlink(place)
