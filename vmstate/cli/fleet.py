"""`vmstate fleet scan`: many streams, each held against a destination."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from vmstate.cli.numbers import checked_time, one_or_more
from vmstate.errors import VMStateError, one_line
from vmstate.fleet.changes import read_changes
from vmstate.fleet.engine import CHUNK, Engine, Poison, as_they_come, cluster_of, pool_of
from vmstate.fleet.outputs import Case, ParquetRows, case_of, junit, tap
from vmstate.fleet.scan import DOMAIN, MACHINE, Scan, empty_row, kind_of, outcome_of, places
from vmstate.qemu.monitor import LIMIT

T = TypeVar("T")

SHOWN = 20
"""Causes that are shown."""


def engine_arguments(parser: argparse.ArgumentParser) -> None:
    """What a verb takes that works on many items."""
    parser.add_argument(
        "--workers", metavar="N", type=one_or_more, default=os.cpu_count() or 1, help="processes (default: all)"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="a Dask scheduler, tcp://HOST:PORT, in place of processes"
    )
    parser.add_argument(
        "--chunk", metavar="N", type=one_or_more, default=CHUNK, help=f"items that go out together ({CHUNK})"
    )


def engine_of(options: argparse.Namespace) -> Engine:
    """The engine that the arguments name. Raises `VMStateError`."""
    return cluster_of(options.scheduler) if options.scheduler else pool_of(options.workers)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    scan = actions.add_parser("scan", help="what each stream is, whether it is whole, and whether it loads")
    scan.add_argument(
        "places", metavar="PLACE", nargs="*", help="a folder, a pattern, a file, @LIST with a name in a line, or a URL"
    )
    scan.add_argument(
        "--qmp",
        metavar="SOCKET",
        nargs="+",
        default=[],
        help="machines that run, by their monitors (unix:PATH): they are only asked what they are",
    )
    scan.add_argument(
        "--live-state",
        action="store_true",
        help="take the device state of each of them: its guest is paused for some milliseconds",
    )
    scan.add_argument(
        "--limit", metavar="SECONDS", type=float, default=LIMIT, help=f"for each answer of a machine ({LIMIT:g})"
    )
    scan.add_argument(
        "--libvirt", metavar="URI", nargs="+", default=[], help="the domains of a libvirt: what their XML says"
    )
    scan.add_argument("--against", metavar="TARGET", help="the destination: a stream of it, or one that was recorded")
    scan.add_argument(
        "--changes",
        metavar="FILE",
        help="what vmstate source lint REPOSITORY A..B --format json wrote: who meets these changes",
    )
    scan.add_argument("--whole", action="store_true", help="read the guest memory of files at a URL, too")
    scan.add_argument("--no-verify", action="store_true", help="do not write each stream again and compare")
    scan.add_argument("--resume", metavar="FILE", help="rows go to this file; those that it has are not made again")
    scan.add_argument("--parquet", metavar="FILE", help="a row for each (file, device, finding); needs pyarrow")
    scan.add_argument(
        "--format", choices=("text", "json", "junit", "tap"), default="text", help="json: a line for each file"
    )
    engine_arguments(scan)
    scan.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Scan; 1 where a stream does not load or verify, 2 where one cannot be used."""
    target = None if options.against is None else os.path.abspath(options.against)
    if target is not None:
        from vmstate.compare.target import open_target

        # A destination that cannot be read is one line here, not one for each file.
        open_target(target)
    changes = None if options.changes is None else os.path.abspath(options.changes)
    if changes is not None:
        read_changes(changes)
    files = [*places(options.places), *(MACHINE + address for address in dict.fromkeys(options.qmp))]
    for uri in dict.fromkeys(options.libvirt):
        from vmstate.fleet.domains import domains_at

        files += [DOMAIN + place for place in domains_at(uri)]
    if not files:
        if options.libvirt:
            raise VMStateError("the libvirt has no domains", file=options.libvirt[0])
        raise VMStateError("what is to be scanned?", expected="a PLACE, or machines (--qmp SOCKET, --libvirt URI)")
    limit = checked_time(options.limit)
    scan = Scan(target, not options.no_verify, options.live_state, changes, options.whole, limit)
    kept = kept_rows(options.resume)
    left = [file for file in files if file not in kept]
    counts: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    # A place that cannot be written is told before anything is read.
    parquet = None if options.parquet is None else ParquetRows(options.parquet)
    cases: list[Case] = []
    hit = 0
    for row in with_progress(all_rows(options, files, left, kept, scan), len(files)):
        counts[outcome_of(row)] += 1
        if row.get("rule"):
            causes[f"{row['rule']}: {row['cause']}"] += 1
        if parquet is not None:
            parquet.write(row)
        if options.format in ("junit", "tap"):
            cases.append(case_of(row))
        elif options.format == "json":
            print(json.dumps(row))
        elif outcome_of(row) not in ("loads", "ok"):
            print(one_line(f"{row['file']}: {outcome_of(row)}: {row['error'] or row['cause'] or row['verify']}"))
        hit += bool(row.get("changes"))
    if parquet is not None:
        parquet.close()
    if options.format in ("junit", "tap"):
        for line in junit(cases, "vmstate fleet scan") if options.format == "junit" else tap(cases):
            print(line)
    if options.format == "text":
        print(f"{len(files)} files: " + ", ".join(f"{count} {word}" for word, count in counts.most_common()))
        for cause, count in causes.most_common(SHOWN):
            print(one_line(f"  {count} {cause}"))
        if changes is not None:
            print(f"{hit} of them meet changes of QEMU's source")
    return 2 if counts["error"] or counts["set aside"] else 0 if counts.keys() <= {"loads", "ok"} else 1


def with_progress(rows: Iterator[T], total: int) -> Iterator[T]:
    """The same, with how far it is where somebody looks at a terminal."""
    if not sys.stderr.isatty():
        yield from rows
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(rows, total=total)


def kept_rows(path: str | None) -> dict[str, dict[str, Any]]:
    """The rows that an earlier run has written, by file; a line that was cut short is left out."""
    if path is None or not os.path.exists(path):
        return {}
    kept = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    row = json.loads(line)
                    kept[str(row["file"])] = {**empty_row(str(row["file"])), **row}
                except (ValueError, KeyError, TypeError, RecursionError):
                    continue
    except OSError as error:
        raise VMStateError(f"the rows cannot be read: {error.strerror}", file=path) from None
    return kept


def all_rows(
    options: argparse.Namespace, files: list[str], left: list[str], kept: Mapping[str, Any], scan: Scan
) -> Iterator[Mapping[str, Any]]:
    """The rows of all files in their order; those that are made are written down as they come."""
    made = as_they_come(scan, left, engine_of(options), chunk=options.chunk, kind_of=kind_of) if left else iter(())
    ahead: dict[str, Mapping[str, Any]] = {}
    try:
        file = None if options.resume is None else open(options.resume, "a", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise VMStateError(f"the rows cannot be kept: {error.strerror}", file=options.resume) from None
    try:
        if file is not None and file.tell() and not _ends_with_newline(options.resume):
            file.write("\n")
        for name in files:
            if name in kept:
                yield kept[name]
                continue
            while name not in ahead:
                number, result = next(made)
                row = poisoned(left[number]) if isinstance(result, Poison) else result
                ahead[left[number]] = row
                if file is not None:
                    file.write(json.dumps(row) + "\n")
                    file.flush()
            yield ahead.pop(name)
    except VMStateError as error:
        if options.resume is None:
            raise VMStateError(f"{error.message}; with --resume FILE what is done is kept", file=error.file) from None
        raise VMStateError(
            f"{error.message}; what is done is kept: run it again to go on", file=options.resume
        ) from None
    finally:
        if file is not None:
            file.close()


def _ends_with_newline(path: str) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def poisoned(file: str) -> dict[str, Any]:
    """The row of a file that ended its worker each time."""
    text = f"{file}: it ended the process that read it, twice: set aside"
    return {**empty_row(file), "error": text, "poison": True}
