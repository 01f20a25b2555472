"""`vmstate matrix`: who loads where."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from vmstate.cli.fleet import engine_arguments, engine_of, with_progress
from vmstate.cli.numbers import seconds
from vmstate.cli.outputs import check_wanted_plot, plot_argument
from vmstate.cli.trust import asked
from vmstate.errors import MachineError, VMStateError, one_line
from vmstate.fleet.engine import Engine, Poison, in_order
from vmstate.fleet.matrix import (
    ALL,
    BY,
    DEVICE_LIMIT,
    EXPLAIN,
    PROGRAM,
    Cell,
    Column,
    Judge,
    Lab,
    Side,
    differences,
    each_device,
    sides_of,
    started,
)
from vmstate.fleet.outputs import Case, junit, tap
from vmstate.qemu.trust import program_of, touched

SIGNS = {"loads": "loads", "fails": "FAILS", "unknown": "?", "error": "error"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.epilog = (
        "Each is a stream, a recorded destination, a -dump-vmstate file; QEMU:MACHINE[+FILE], where QEMU is "
        "a release, a program or a root, and FILE has lines of options; QEMU:MACHINE+all, each of its devices by "
        "itself; a source tree (DIR, GIT@REVISION, with :MACHINE); random:COUNT[:SEED], or a folder of such pairs."
    )
    parser.add_argument("sources", metavar="SOURCE", nargs="+", help="what saves")
    parser.add_argument("--to", metavar="DESTINATION", nargs="+", help="what loads; the sources where it is not given")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--by", choices=BY, default=EXPLAIN, help="what judges (explain); source trees are compat's")
    ways.add_argument("--really", action="store_true", help="load each into a real QEMU")
    parser.add_argument("--trust", action="store_true", help="with --really, run command lines that came with files")
    parser.add_argument(
        "--qemu", metavar="PROGRAM", default=PROGRAM, help="the QEMU of releases and roots (%(default)s)"
    )
    parser.add_argument(
        "--roots", metavar="ROOT:ROOT", default=os.environ.get("VMSTATE_QEMU_ROOTS", ""), help="where releases are, too"
    )
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
        roots = tuple(filter(None, options.roots.split(":")))
        lab = Lab(folder, options.limit, options.qemu, roots, options.by)
        columns = columns_of([*options.sources, *(options.to or ())], lab, partial(engine_of, options))
        sources = [
            side
            for text in dict.fromkeys(options.sources)
            for side in columns[text].sides
            if side.member is None or side.stream is not None
        ]
        destinations = [columns[text] for text in dict.fromkeys(options.to or options.sources)]
        if options.really:
            ask_to_run([side for destination in destinations for side in destination.sides], options)
        pairs = [(source, destination.meeting(source)) for source in sources for destination in destinations]
        judge = Judge(options.really, float(options.limit), options.by)
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


def ask_to_run(sides: Sequence[Side], options: argparse.Namespace) -> None:
    """Show the command lines that came with files, and ask. Raises `VMStateError` where one is not to be run."""
    for side in sides:
        if side.origin is None or side.argv is None:
            continue
        # What is no QEMU by its name does not start: its cells say so.
        with suppress(MachineError):
            words = [program_of(side.argv), *side.argv[1:]]
            asked(side.origin, words, touched(words, {}), options)


def columns_of(texts: Sequence[str], lab: Lab, make_engine: Callable[[], Engine]) -> dict[str, Column]:
    """What each text means; workers are asked for only where devices are to be started. Raises `VMStateError`."""
    columns = {}
    for text in dict.fromkeys(texts):
        sides = tuple(sides_of(text, lab))
        is_one = sides[0].member in (None, ALL)
        columns[text] = Column(sides[0].name if is_one else os.path.basename(os.path.normpath(text)), sides)
    bases = [column.sides[0] for column in columns.values() if column.sides[0].member == ALL]
    if bases:
        wanted = list(each_device(bases))
        work = partial(started, lab=lab.replace(limit=min(lab.limit, DEVICE_LIMIT)))
        results = in_order(work, [side for _, side in wanted], make_engine(), chunk=8)
        made = list(zip((base for base, _ in wanted), with_progress(results, len(wanted)), strict=True))
        for text, column in columns.items():
            if column.sides[0].member == ALL:
                sides = tuple(side for base, side in made if base == column.sides[0] and isinstance(side, Side))
                columns[text] = column.replace(sides=sides)
                if failing := [side.member or "" for side in sides if side.stream is None]:
                    told = f"{column.name}: {len(failing)} of {len(sides)} devices do not start alone, or are not saved"
                    print(one_line(f"{told}: {', '.join(failing)}"), file=sys.stderr)
    return columns


def draw(path: str, cells: Sequence[Cell], sources: Sequence[Side], destinations: Sequence[Column]) -> None:
    """The matrix as a picture."""
    from vmstate.report.plots import grid

    width = len(destinations)
    words = [[cell.verdict for cell in cells[row * width : (row + 1) * width]] for row in range(len(sources))]
    grid(path, [side.name for side in sources], [side.name for side in destinations], words)


def show(form: str, cells: Sequence[Cell], sources: Sequence[Side], destinations: Sequence[Column]) -> None:
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


def print_table(cells: Sequence[Cell], sources: Sequence[Side], destinations: Sequence[Column]) -> None:
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
