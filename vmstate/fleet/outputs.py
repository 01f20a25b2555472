"""Rows and cells as others read them: Parquet, JUnit XML, TAP."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from vmstate.errors import VMStateError
from vmstate.fleet.scan import COLUMNS, flat, outcome_of
from vmstate.vmsd.data import Value

BATCH = 10_000
"""Rows of a Parquet file that are held at a time."""


class Case(Value):
    """A cell of a matrix, or a file: `passed` is None where that is not known."""

    group: str
    name: str
    passed: bool | None
    reason: str | None = None


def case_of(row: Mapping[str, Any]) -> Case:
    """A file as a test: passed where it loads, or is whole where no destination was told; None where nobody can say."""
    outcome = outcome_of(row)
    passed = None if outcome == "unknown" else outcome in ("loads", "ok")
    reason = row["error"] or row["cause"] or (row["verify"] if outcome == "not whole" else None)
    return Case("fleet", str(row["file"]), passed, None if passed else f"{outcome}: {reason or 'nothing tells'}")


class ParquetRows:
    """A Parquet file that grows with each row that is written. Raises `VMStateError` where it cannot be."""

    def __init__(self, path: str) -> None:
        try:
            self._pyarrow: Any = import_module("pyarrow")
            parquet: Any = import_module("pyarrow.parquet")
        except ImportError:
            raise VMStateError("Parquet needs pyarrow: pip install pyarrow") from None
        self._path = path
        self._schema = self._pyarrow.schema([(name, getattr(self._pyarrow, kind)()) for name, kind in COLUMNS])
        self._batch: list[dict[str, Any]] = []
        with self._told():
            self._writer: Any = parquet.ParquetWriter(path, self._schema)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
            raise VMStateError(f"the Parquet file cannot be written: {reason.lower()}", file=self._path) from None

    def write(self, row: Mapping[str, Any]) -> None:
        """Write what one file makes: a row for each (file, device, finding)."""
        self._batch += flat(row)
        if len(self._batch) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        with self._told():
            self._writer.write_table(self._pyarrow.Table.from_pylist(self._batch, schema=self._schema))
        self._batch = []

    def close(self) -> None:
        """Write what is left: only then can the file be read."""
        if self._batch:
            self._flush()
        with self._told():
            self._writer.close()


def junit(cases: Sequence[Case], suite: str) -> Iterator[str]:
    """The lines of a JUnit XML document."""
    failures = sum(case.passed is False for case in cases)
    skipped = sum(case.passed is None for case in cases)
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield (f'<testsuite name={quoteattr(suite)} tests="{len(cases)}" failures="{failures}" skipped="{skipped}">')
    for case in cases:
        head = f"  <testcase classname={quoteattr(_plain(case.group))} name={quoteattr(_plain(case.name))}"
        reason = _plain(case.reason or "")
        if case.passed:
            yield f"{head}/>"
        elif case.passed is None:
            yield f"{head}><skipped message={quoteattr(reason)}/></testcase>"
        else:
            yield f"{head}><failure message={quoteattr(reason)}>{escape(reason)}</failure></testcase>"
    yield "</testsuite>"


def tap(cases: Sequence[Case]) -> Iterator[str]:
    """The lines of a TAP document (version 13)."""
    yield "TAP version 13"
    yield f"1..{len(cases)}"
    for number, case in enumerate(cases, 1):
        name = f"{case.group} {case.name}".replace("#", "\\#")
        if case.passed is None:
            yield f"ok {number} - {_plain(name)} # SKIP {_plain(case.reason or 'not known')}"
            continue
        yield f"{'ok' if case.passed else 'not ok'} {number} - {_plain(name)}"
        if case.reason and not case.passed:
            yield f"# {_plain(case.reason)}"


def _plain(text: str) -> str:
    """Text without what XML cannot hold and lines cannot."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
