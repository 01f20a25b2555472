"""Rows and cells as others read them: Parquet, JUnit XML, TAP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def write_parquet(path: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows of files; how many lines that makes. Raises `VMStateError`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise VMStateError("Parquet needs pyarrow: pip install pyarrow") from None
    schema = pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in COLUMNS])
    count = 0
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch += flat(row)
            if len(batch) >= BATCH:
                writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
                count += len(batch)
                batch = []
        if batch:
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
    return count + len(batch)


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
