"""`vmstate matrix`: who loads where."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence

from vmstate.cli.fleet import engine_arguments, engine_of, with_progress
from vmstate.cli.numbers import seconds
from vmstate.cli.outputs import check_wanted_plot, plot_argument
from vmstate.errors import VMStateError, one_line
from vmstate.fleet.engine import Poison, in_order
from vmstate.fleet.matrix import Cell, Judge, Side, differences, side_of
from vmstate.fleet.outputs import Case, junit, tap

SIGNS = {"loads": "loads", "fails": "FAILS", "unknown": "?", "error": "error"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument(
        "sources", metavar="SOURCE", nargs="+", help="a stream, a recorded destination, or QEMU:MACHINE[+DEVICES]"
    )
    parser.add_argument(
        "--to", metavar="DESTINATION", nargs="+", help="the same; the sources themselves where it is not given"
    )
    parser.add_argument("--really", action="store_true", help="load each into a real QEMU, in place of explaining it")
    parser.add_argument("--baseline", metavar="FILE", help="cells of an earlier run (--format json): tell what differs")
    parser.add_argument("--limit", metavar="SECONDS", type=seconds, default=60, help="for each start (default 60)")
    parser.add_argument(
        "--format", choices=("text", "json", "junit", "tap"), default="text", help="json: a line for each cell"
    )
    plot_argument(parser)
    engine_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the matrix; 1 where a cell fails, or differs from the baseline where there is one."""
    check_wanted_plot(options)
    baseline = None if options.baseline is None else read_baseline(options.baseline)
    with tempfile.TemporaryDirectory(prefix="vmstate-") as folder:
        texts = list(dict.fromkeys([*options.sources, *(options.to or ())]))
        sides = {text: side_of(text, folder, number, limit=options.limit) for number, text in enumerate(texts)}
        sources = [sides[text] for text in options.sources]
        destinations = [sides[text] for text in options.to or options.sources]
        pairs = [(source, destination) for source in sources for destination in destinations]
        judge = Judge(options.really, float(options.limit))
        cells = []
        engine = engine_of(options)
        results = with_progress(in_order(judge, pairs, engine, chunk=min(options.chunk, 8)), len(pairs))
        for pair, result in zip(pairs, results, strict=True):
            if isinstance(result, Poison):
                result = Cell(pair[0].name, pair[1].name, "error", None, "it ended the process that judged it, twice")
            cells.append(result)
    show(options.format, cells, sources, destinations)
    if options.plot is not None:
        draw(options.plot, cells, sources, destinations)
    if baseline is not None:
        changed = differences(cells, baseline)
        for cell, before in changed if options.format == "text" else ():
            was = before or "not there"
            print(one_line(f"was {was}, is {cell.verdict}: {cell.source} -> {cell.destination}: {cell.cause or ''}"))
        return 1 if changed else 0
    return 2 if any(cell.verdict == "error" for cell in cells) else int(any(cell.verdict != "loads" for cell in cells))


def draw(path: str, cells: Sequence[Cell], sources: Sequence[Side], destinations: Sequence[Side]) -> None:
    """The matrix as a picture."""
    from vmstate.report.plots import grid

    width = len(destinations)
    words = [[cell.verdict for cell in cells[row * width : (row + 1) * width]] for row in range(len(sources))]
    grid(path, [side.name for side in sources], [side.name for side in destinations], words)


def show(form: str, cells: Sequence[Cell], sources: Sequence[Side], destinations: Sequence[Side]) -> None:
    """Print the cells."""
    if form == "json":
        for cell in cells:
            print(json.dumps(cell.as_dict()))
    elif form in ("junit", "tap"):
        passed = {"loads": True, "fails": False, "error": False}
        cases = [Case(cell.source, f"-> {cell.destination}", passed.get(cell.verdict), cell.cause) for cell in cells]
        for line in junit(cases, "vmstate matrix") if form == "junit" else tap(cases):
            print(line)
    else:
        print_table(cells, sources, destinations)


def print_table(cells: Sequence[Cell], sources: Sequence[Side], destinations: Sequence[Side]) -> None:
    """A row for each source, a column for each destination, and below it why what fails does."""
    from rich.table import Table

    from vmstate.cli.console import print_rendered

    table = Table(box=None, pad_edge=False)
    table.add_column("from \\ to")
    for number, destination in enumerate(destinations, 1):
        table.add_column(f"({number}) {destination.name}")
    width = len(destinations)
    for row, source in enumerate(sources):
        signs = [cell_sign(cell) for cell in cells[row * width : (row + 1) * width]]
        table.add_row(source.name, *signs)
    print_rendered(table)
    for cell in cells:
        if cell.verdict != "loads" and cell.cause:
            print(one_line(f"{cell.source} -> {cell.destination}: {cell.cause}"))


def cell_sign(cell: Cell) -> str:
    """A cell in a word, with the rule that it breaks."""
    return SIGNS[cell.verdict] + (f" ({cell.rule})" if cell.rule else "")


def read_baseline(path: str) -> list[dict[str, str]]:
    """The cells of an earlier run. Raises `VMStateError`."""
    try:
        with open(path, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file if line.strip()]
        if all(isinstance(row, dict) and {"source", "destination", "verdict"} <= row.keys() for row in rows):
            return rows
    except (OSError, ValueError) as error:
        raise VMStateError(f"the baseline cannot be read: {error}", file=path) from None
    raise VMStateError("this is no matrix of an earlier run", file=path, expected="lines of --format json")
