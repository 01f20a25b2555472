"""`vmstate bench migrate`: local migrations of a guest, in one way or several."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vmstate.cli.numbers import one_or_more, seconds, whole_number
from vmstate.cli.outputs import check_wanted_plot, plot_argument
from vmstate.errors import one_line

if TYPE_CHECKING:
    from vmstate.lab.bench import Measured

DEVICES = 8
"""Devices that the table has; the JSON object has all."""

METRICS = {
    "downtime_ms": "downtime (query-migrate)",
    "gap_ms": "largest gap of the probe",
    "first_packet_ms": "the guest's first packet",
    "loads_ms": "all device loads at the stop",
    "early_loads_ms": "early loads",
}

STOP = {
    "stop_us": "downtime, as the source's trace says",
    "stopped_us": "  the guest's CPUs stop",
    "memory_us": "  the last of memory is sent",
    "saved_us": "  devices are saved",
    "loaded_us": "  what is left of them is loaded",
    "started_us": "  the guest is started",
    "guest_us": "the guest stands still",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the action."""
    parser.add_argument(
        "--mode",
        metavar="NAME='...'",
        action="append",
        default=[],
        help="a way to run QEMU: [PROGRAM] [root:DIR] [machine:OPTIONS] [netdev:OPTIONS] [device:OPTIONS] "
        "[relay:WAY] ['backend:COMMAND {socket}'] [-OPTION ...]; repeatable (one, as it is)",
    )
    parser.add_argument(
        "--runs", type=one_or_more, default=30, metavar="N", help="migrations that count, of each mode (30)"
    )
    parser.add_argument("--warm-up", type=whole_number, default=3, metavar="N", help="migrations before them (3)")
    parser.add_argument(
        "--guest", metavar="FOLDER", default=".guest", help="a guest of `python -m vmstate.lab.guest FOLDER` (.guest)"
    )
    parser.add_argument(
        "--queue-pairs", type=one_or_more, default=4, metavar="N", help="of the card (4; 1: the user network)"
    )
    parser.add_argument(
        "--cards", type=one_or_more, default=1, metavar="N", help="each behind a root port, if several (1)"
    )
    parser.add_argument(
        "--downtime-limit", type=whole_number, metavar="MS", help="QEMU's parameter (what QEMU has: 300 milliseconds)"
    )
    parser.add_argument("--accel", default="tcg", help="QEMU's accelerator (tcg)")
    parser.add_argument("--cpus", type=one_or_more, default=2, metavar="N", help="of the guest (2)")
    parser.add_argument("--memory", type=one_or_more, default=96, metavar="MIB", help="of the guest (96)")
    parser.add_argument(
        "--capability", metavar="NAME", action="append", default=[], help="a migration capability (repeatable)"
    )
    plot_argument(parser)
    parser.add_argument("--limit", metavar="SECONDS", type=seconds, default=60, help="for each step (default 60)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure, and say what came out."""
    from vmstate.lab.bench import Bench, Mode, changes
    from vmstate.lab.guest import guest_in

    check_wanted_plot(options)
    modes = [Mode.parse(text) for text in options.mode] or [Mode("qemu")]
    bench = Bench(
        guest_in(options.guest),
        modes,
        pairs=options.queue_pairs,
        accel=options.accel,
        cpus=options.cpus,
        memory=options.memory,
        capabilities=options.capability,
        cards=options.cards,
        downtime_limit=options.downtime_limit,
        limit=options.limit,
    )
    measured = bench.run(options.runs, options.warm_up)
    if options.plot is not None:
        draw(options.plot, measured)
    difference = changes(measured) if len(measured) == 2 else {}
    if options.format == "json":
        report: dict[str, Any] = {"runs": options.runs, "warm_up": options.warm_up, "queue_pairs": options.queue_pairs}
        report["modes"] = {mode.mode.name: mode.as_dict() for mode in measured}
        json.dump({**report, "changes_percent": difference}, sys.stdout)
        print()
    else:
        show(measured, difference)
    return 0


def draw(path: str, measured: Sequence[Measured]) -> None:
    """Every downtime and every gap of each mode."""
    from vmstate.report.plots import points

    panels = {
        METRICS[name]: {
            mode_measured.mode.name: [float(run.numbers()[name]) for run in mode_measured.runs]
            for mode_measured in measured
        }
        for name in ("downtime_ms", "gap_ms")
    }
    points(path, panels, "milliseconds")


def show(measured: Sequence[Measured], difference: dict[str, dict[str, float]]) -> None:
    """The table of the modes side by side, then the devices that take longest."""
    figures = [mode_figures.as_dict() for mode_figures in measured]
    names = "".join(f"{one_line(mode_figures.mode.name)[:15]:>16}" for mode_figures in measured)
    print(f"{'milliseconds':<36}{names}{'change':>10}" if difference else f"{'milliseconds':<36}{names}")
    for metric, title in METRICS.items():
        if not all(metric in mode_figures for mode_figures in figures):
            continue
        for number in ("median", "p95"):
            cells = "".join(f"{mode_figures[metric][number]:>16.1f}" for mode_figures in figures)
            changed = difference.get(metric, {}).get(number)
            print(f"{f'{title}, {number}':<36}{cells}" + ("" if changed is None else f"{changed:>+9.1f}%"))
        intervals = (mode_figures["intervals"][metric] for mode_figures in figures)
        cells = "".join(f"{f'{least:.1f} to {most:.1f}':>16}" for least, most in intervals)
        print(f"{'  the median lies (95 %)':<36}{cells}")
    if all("guest_us" in mode_figures for mode_figures in figures):
        print(f"\n{'the stop: microseconds, median':<36}{names}")
        for metric, title in STOP.items():
            print(f"{title:<36}" + "".join(f"{mode_figures[metric]['median']:>16.0f}" for mode_figures in figures))
            if not title.startswith(" "):
                intervals = (mode_figures["intervals"][metric] for mode_figures in figures)
                cells = "".join(f"{f'{least:.0f} to {most:.0f}':>16}" for least, most in intervals)
                print(f"{'  the median lies (95 %)':<36}{cells}")
        print()
    interval = "".join(f"{mode_figures['probe_interval_ms']['median']:>16.1f}" for mode_figures in figures)
    print(f"{'between two packets, median':<36}{interval}")
    for mode_figures, numbers in zip(measured, figures, strict=True):
        if numbers["devices"]:
            print()
            print(one_line(f"{mode_figures.mode.name}, QEMU {mode_figures.qemu_version}: microseconds, median"))
            print(f"{'':<40}{'bytes':>10}{'save':>10}{'load':>10}")
        for row in numbers["devices"][:DEVICES]:
            size = "" if row["bytes"] is None else row["bytes"]
            cells = "".join(f"{row[key].get('median', ''):>10}" for key in ("save_us", "load_us"))
            print(one_line(f"{row['idstr'][:38]:<40}{size:>10}{cells}"))
