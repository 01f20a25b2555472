"""`vmstate bench vhost-user`: a real vhost-user back end, started early and all at the stop."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from vmstate.cli.numbers import one_or_more, seconds, whole_number
from vmstate.cli.outputs import check_wanted_plot, plot_argument
from vmstate.errors import VMStateError, one_line

if TYPE_CHECKING:
    from vmstate.lab.vhost_user import Report, ScenarioResult

COLUMNS = {"at_stop": "all at the stop", "early_part": "early", "stop_part": "and at the stop"}
"""The columns of the table of operations, by their keys in the JSON object."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the action."""
    parser.add_argument("early", metavar="EARLY", help="a stream with the device as it was in the early phase")
    parser.add_argument("final", metavar="FINAL", help="the same machine at the stop")
    parser.add_argument("--device", metavar="IDSTR", help="which device, where the streams have more than one")
    parser.add_argument("--runs", type=one_or_more, default=30, metavar="N", help="timed runs of each way (30)")
    parser.add_argument("--warm-up", type=whole_number, default=3, metavar="N", help="runs of each way before them (3)")
    parser.add_argument(
        "--without-own-state",
        action="store_true",
        help="leave out the back end's own state, which forbids early starts",
    )
    parser.add_argument("--root", metavar="DIR", help="the back end of another system's root, by its own loader")
    parser.add_argument("--transcript", metavar="FILE", help="write every message to FILE, one JSON object a line")
    parser.add_argument("--limit", metavar="SECONDS", type=seconds, default=10, help="for each answer (default 10)")
    plot_argument(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    parser.usage = "vmstate bench vhost-user EARLY FINAL [options] -- BACKEND ... {socket} ..."
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Migrate again and again, and say how it went. Exit code 1 where the guest ends without a back end."""
    from vmstate.lab.vhost_user import Trial
    from vmstate.qemu.machine import find_program

    if not options.program:
        raise VMStateError("behind -- stands the command of a vhost-user back end, with {socket} where it is to listen")
    check_wanted_plot(options)
    command = options.program
    if options.root is not None:
        command = [*find_program(command[0], options.root), *command[1:]]
    trial = Trial(
        options.early,
        options.final,
        command,
        device=options.device,
        own_state=not options.without_own_state,
        limit=options.limit,
    )
    try:
        report = trial.run(options.runs, warm_up=options.warm_up)
    finally:
        if options.transcript is not None:
            trial.write_transcript(options.transcript)
    if options.plot is not None:
        draw(options.plot, report)
    if options.format == "json":
        json.dump(report.as_dict(), sys.stdout)
        print()
    else:
        show(report)
    return 0 if report.is_good else 1


def draw(path: str, report: Report) -> None:
    """A bar for each way, made of what each operation took in the median run."""
    from vmstate.report.plots import bars

    steps = report.as_dict()["steps"]
    bars(
        path,
        {
            name: {row["operation"]: row[key]["count"] * row[key]["median_ms"] for row in steps if row.get(key)}
            for key, name in COLUMNS.items()
        },
        "milliseconds",
    )


def show(report: Report) -> None:
    """The tables: what happened, and what each operation took."""
    report_values = report.as_dict()
    print(one_line(f"{report.device}: {report_values['runs']} timed runs of each way"))
    print()
    print(f"{'milliseconds, median of the runs':<34}" + "".join(f"{name:>18}" for name in COLUMNS.values()))
    for row in report_values["steps"]:
        print(f"{row['operation']:<34}" + "".join(_figure_cell(row.get(key)) for key in COLUMNS))
    for number in ("median", "p95"):
        print(
            f"{f'total, {number}':<34}"
            + "".join(_total_cell(report_values["totals_ms"][key], number) for key in COLUMNS)
        )
    print()
    for result in report.results:
        show_result(result)


def show_result(result: ScenarioResult) -> None:
    """What became of a scenario."""
    datapath = result.datapath if result.again is None else f"{result.datapath}, then {result.again}"
    first = ", stopped before the reload" if result.stopped_first else ""
    print(f"{result.name:<28} record {result.mode:<8} packets: {datapath:<20} {one_line(result.alive)}{first}")
    for failure in result.failures:
        print(one_line(f"    {failure}"))


def _figure_cell(figure: dict[str, Any] | None) -> str:
    text = "" if figure is None else f"{figure['count']} x   {figure['median_ms']:.3f}"
    return f"{text:>18}"


def _total_cell(figure: dict[str, float], number: str) -> str:
    return f"{figure[number]:>18.3f}"
