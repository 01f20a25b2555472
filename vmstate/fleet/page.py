"""The page of many: the cells of a matrix, or the rows of a scan, as one HTML file that needs nothing else.

    write_rows_page("matrix.html", "cells.jsonl")       what `vmstate matrix --format json` printed
    write_rows_page("fleet.html", "rows.jsonl")         what `vmstate fleet scan --format json` printed

The page obeys the policy of a stream's page (`report.page`): nothing is loaded, one script may run, and without it all
facts are there.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from vmstate.errors import VMStateError
from vmstate.files import write_atomic
from vmstate.fleet.scan import outcome_of
from vmstate.report.page import environment_of_pages, policy_of, style_of_pages
from vmstate.vmsd.data import Data

MOST_ROWS = 5_000
"""Files of a scan that are listed; those that do not load come first."""

MOST_COLUMNS = 400
"""Destinations of a matrix that are shown, and as many sources."""

MOST_CAUSES = 500

LONGEST_LINE = 16 << 20
"""Bytes of a line of JSON: a row of a stream with very many findings is far below."""

KINDS = {"matrix": {"source", "destination", "verdict"}, "scan": {"file", "devices", "findings", "error"}}
"""What a page is of -> the names that its lines have."""


class Cause(Data):
    """Why something does not load: the rule and the words, and who is hit by it."""

    number: int
    verdict: str
    rule: str | None
    text: str
    hit: list[str]


class Share(Data):
    """How many files have something (a machine type, a device), and what becomes of them."""

    name: str
    files: int
    outcomes: list[tuple[str, int]]


def kind_of_rows(path: str | os.PathLike[str]) -> str | None:
    """ "matrix" or "scan" where a file holds lines of these, as their --format json prints them; else None."""
    if not os.path.isfile(path):
        # What is read of a pipe is gone.
        return None
    try:
        with open(path, "rb") as file:
            head = file.read(1)
            if head != b"{":
                return None
            first = json.loads(head + file.readline(LONGEST_LINE))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(first, dict):
        return None
    return next((kind for kind, names in KINDS.items() if names <= first.keys()), None)


def rows_in(path: str | os.PathLike[str], kind: str) -> list[dict[str, Any]]:
    """The lines of a matrix or a scan. Raises `VMStateError` for a line that is none."""
    rows = []
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                row = json.loads(line) if line.strip() else None
                if row is None:
                    continue
                if not isinstance(row, dict) or not KINDS[kind] <= row.keys():
                    raise VMStateError(
                        f"line {number} is not of a {kind}", file=os.fspath(path), expected="lines of --format json"
                    )
                rows.append(row)
    except (OSError, ValueError, RecursionError) as error:
        raise VMStateError(f"the rows cannot be read: {error}", file=os.fspath(path)) from None
    return rows


def write_rows_page(path: str | os.PathLike[str], source: str | os.PathLike[str]) -> None:
    """Write the page of a matrix or a scan to `path`, whole or not at all. Raises `VMStateError`."""
    write_atomic(path, [rows_page_of(source).encode()])


def rows_page_of(source: str | os.PathLike[str]) -> str:
    """The page of a matrix or a scan, from a file of its lines, as HTML. Raises `VMStateError`."""
    kind = kind_of_rows(source)
    if kind is None:
        raise VMStateError(
            "this is no matrix and no scan", file=os.fspath(source), expected="lines of their --format json"
        )
    rows = rows_in(source, kind)
    environment = environment_of_pages("vmstate.fleet")
    style, script = style_of_pages(), resources.files("vmstate.fleet").joinpath("page.js").read_text(encoding="utf-8")
    facts = matrix_facts(rows) if kind == "matrix" else scan_facts(rows)
    return environment.get_template(f"{kind}.html.j2").render(
        name=os.path.basename(os.fspath(source)), style=style, script=script, policy=policy_of(style, script), **facts
    )


def matrix_facts(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page of a matrix shows."""
    sources = list(dict.fromkeys(str(cell["source"]) for cell in cells))
    destinations = list(dict.fromkeys(str(cell["destination"]) for cell in cells))
    causes = causes_of(
        (str(cell["verdict"]), cell.get("rule"), cell.get("cause"), f"{cell['source']} → {cell['destination']}")
        for cell in cells
        if cell["verdict"] != "loads"
    )
    numbers = {(cause.verdict, cause.rule, cause.text): cause.number for cause in causes}
    by_place = {(str(cell["source"]), str(cell["destination"])): cell for cell in cells}
    table = []
    for source in sources[:MOST_COLUMNS]:
        entries = []
        for destination in destinations[:MOST_COLUMNS]:
            cell = by_place.get((source, destination))
            verdict = None if cell is None else str(cell["verdict"])
            key = (
                verdict,
                None if cell is None else cell.get("rule"),
                None if cell is None else cell.get("cause") or "",
            )
            entries.append((verdict, None if cell is None else cell.get("rule"), numbers.get(key)))  # type: ignore[arg-type]
        table.append((source, entries))
    return {
        "outcomes": Counter(str(cell["verdict"]) for cell in cells).most_common(),
        "total": len(cells),
        "destinations": destinations[:MOST_COLUMNS],
        "table": table,
        "not_shown": max(0, len(sources) - MOST_COLUMNS) + max(0, len(destinations) - MOST_COLUMNS),
        "causes": causes[:MOST_CAUSES],
        "further_causes": max(0, len(causes) - MOST_CAUSES),
    }


def scan_facts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page of a scan shows."""
    outcomes = [outcome_of(row) for row in rows]
    causes = causes_of(
        (outcome, row.get("rule"), row.get("error") or row.get("cause") or row.get("verify"), str(row["file"]))
        for row, outcome in zip(rows, outcomes, strict=True)
        if outcome not in ("loads", "ok")
    )
    order = sorted(range(len(rows)), key=lambda number: outcomes[number] in ("loads", "ok"))
    return {
        "outcomes": Counter(outcomes).most_common(),
        "total": len(rows),
        "machines": shares(
            ((row.get("machine") or "not told",), outcome) for row, outcome in zip(rows, outcomes, strict=True)
        ),
        "releases": shares(
            ((row.get("release") or "not told",), outcome) for row, outcome in zip(rows, outcomes, strict=True)
        ),
        "devices": shares((row["devices"], outcome) for row, outcome in zip(rows, outcomes, strict=True)),
        "causes": causes[:MOST_CAUSES],
        "further_causes": max(0, len(causes) - MOST_CAUSES),
        "files": [(rows[number], outcomes[number]) for number in order[:MOST_ROWS]],
        "not_shown": max(0, len(rows) - MOST_ROWS),
    }


def causes_of(failures: Iterable[tuple[str, str | None, str | None, str]]) -> list[Cause]:
    """The causes of (verdict, rule, cause, who), the most frequent first."""
    hit: dict[tuple[str, str | None, str], list[str]] = {}
    for verdict, rule, text, who in failures:
        hit.setdefault((verdict, rule, text or ""), []).append(who)
    frequent = sorted(hit.items(), key=lambda entry: -len(entry[1]))
    return [Cause(number, *key, who) for number, (key, who) in enumerate(frequent)]


def shares(entries: Iterable[tuple[Iterable[str], str]]) -> list[Share]:
    """Each name of (names, outcome) with the outcomes of the files that have it, the most frequent first."""
    counts: dict[str, Counter[str]] = {}
    for names, outcome in entries:
        for name in names:
            counts.setdefault(str(name), Counter())[outcome] += 1
    made = [Share(name, counter.total(), counter.most_common()) for name, counter in counts.items()]
    return sorted(made, key=lambda share: (-share.files, share.name))[:MOST_CAUSES]
