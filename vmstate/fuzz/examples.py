"""Examples that campaigns share: kept in a database of hypothesis, a directory or a Redis server.

Each value is a case as JSON: the checksum of the seed, and the mutations. A campaign begins with the examples of its
target that are of its seeds, so that what one machine found the others try first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from vmstate.errors import SchemaError, VMStateError
from vmstate.fuzz.mutate import Mutation
from vmstate.fuzz.subject import Subject
from vmstate.schema.plain import parse_plain


class Examples:
    """The examples of one target in a database: `place` is a directory, or "redis://HOST[:PORT]"."""

    def __init__(self, place: str, target: str) -> None:
        self._database = _open(place)
        self._key = f"vmstate.fuzz/{target}".encode()

    def save(self, subject: Subject, mutations: list[Mutation]) -> None:
        """Keep a case. Raises `VMStateError`."""
        case = {"seed": _digest_of(subject), "mutations": [mutation.as_json() for mutation in mutations]}
        with _failures():
            self._database.save(self._key, json.dumps(case, sort_keys=True).encode())

    def cases(self, subjects: Iterable[Subject]) -> Iterator[tuple[Subject, list[Mutation]]]:
        """The cases that are of these seeds. Raises `VMStateError`."""
        known = {_digest_of(subject): subject for subject in subjects}
        with _failures():
            kept = sorted(self._database.fetch(self._key))
        for raw in kept:
            try:
                case = parse_plain(raw, "an example")
                mutations = [Mutation.from_json(stored) for stored in case["mutations"]]
                subject = known.get(case["seed"])
            except (SchemaError, ValueError, KeyError, TypeError):
                # Somebody else's, or of another release.
                continue
            if subject is not None and mutations:
                yield subject, mutations


def _digest_of(subject: Subject) -> str:
    return hashlib.sha256(subject.data).hexdigest()


def _open(place: str) -> Any:
    try:
        from hypothesis import database
    except ImportError:
        raise VMStateError("hypothesis is not installed: pip install hypothesis") from None
    if not place.startswith("redis://"):
        return database.DirectoryBasedExampleDatabase(place)
    try:
        from hypothesis.extra.redis import RedisExampleDatabase
        from redis import Redis
    except ImportError:
        raise VMStateError("the client of Redis is not installed: pip install redis") from None
    return RedisExampleDatabase(Redis.from_url(place))


@contextmanager
def _failures() -> Iterator[None]:
    """What a database raises, as a `VMStateError`."""
    try:
        yield
    except VMStateError:
        raise
    except Exception as error:
        raise VMStateError(f"the database of examples fails: {error}") from None
