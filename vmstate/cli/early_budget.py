"""`vmstate early budget`: what each device takes to be loaded, and what early copies take of it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from vmstate.cli.numbers import one_or_more, seconds
from vmstate.cli.outputs import check_wanted_plot, plot_argument
from vmstate.errors import VMStateError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmstate.lab.budget import Measured

DEVICES = 8
"""Devices that a table has; the JSON object has all."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the action."""
    parser.add_argument(
        "--guest", metavar="FOLDER", default=".guest", help="a guest of `python -m vmstate.lab.guest FOLDER` (.guest)"
    )
    parser.add_argument("--root", metavar="DIR", help="the QEMU of another system's root, by its own loader")
    parser.add_argument("--machine", metavar="TYPE", default="q35", help="the value of QEMU's -M (q35)")
    parser.add_argument("--accel", default="tcg", help="QEMU's accelerator (tcg)")
    parser.add_argument(
        "--load-accel", metavar="ACCEL", help="of the QEMU that loads, whose guest does not run (that of --accel)"
    )
    parser.add_argument("--memory", type=one_or_more, default=96, metavar="MIB", help="of the guest (96)")
    parser.add_argument("--queue-pairs", metavar="N,N", default="1,4,16,64", help="of one card (1,4,16,64)")
    parser.add_argument("--cards", metavar="N,N", default="1,4,8", help="each with 4 pairs (1,4,8)")
    parser.add_argument(
        "--only", metavar="SET-UP", action="append", default=[], help="only this set-up, by its name (repeatable)"
    )
    parser.add_argument("--runs", type=one_or_more, default=20, metavar="N", help="loads of each way (20)")
    parser.add_argument("--limit", metavar="SECONDS", type=seconds, default=60, help="for each step (default 60)")
    plot_argument(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure, and say what came out, set-up by set-up."""
    from vmstate.lab.budget import BASE, SKIP, WAYS, Budget, marginal, one_transaction, set_ups
    from vmstate.lab.guest import guest_in

    check_wanted_plot(options)
    chosen = set_ups(_numbers(options.queue_pairs), _numbers(options.cards))
    names = [set_up.name for set_up in chosen]
    unknown = [name for name in options.only if name not in names]
    if unknown:
        raise VMStateError("no such set-up", expected=", ".join(names), found=", ".join(unknown))
    budget = Budget(
        guest_in(options.guest),
        root=options.root,
        machine=options.machine,
        accel=options.accel,
        load_accel=options.load_accel,
        memory=options.memory,
        limit=options.limit,
    )
    rows: list[dict[str, Any]] = []
    firsts: dict[str, Measured] = {}
    lines = []
    for number, measured in enumerate(
        budget.run([set_up for set_up in chosen if not options.only or set_up.name in options.only], options.runs)
    ):
        if options.format == "text":
            if number == 0:
                show_head(measured[0], options)
                for way, what in WAYS.items():
                    print(f"  {way:<12}{what}")
                print()
                columns = f"{'at the stop':>12}{'it lies in (95 %)':>20}{'least':>8}{'of the cards':>14}{'updates':>9}"
                print(f"{'set-up':<16}{'way':<12}{columns}{'early':>10}{'updates':>9}")
            show(measured)
        for way_measured in measured:
            transaction = one_transaction(way_measured) if way_measured.way == BASE else None
            more = marginal(firsts.setdefault(way_measured.way, way_measured), way_measured)
            row = way_measured.as_dict() | {"marginal": {**more.as_dict(), "each": more.each}}
            rows.append(row if transaction is None else {**row, "one_transaction": transaction.as_dict()})
            if number and way_measured.way in (BASE, SKIP):
                each = f", {more.each:+.0f} for each more" if more.more else ""
                lines.append(f"  {more.set_up:<16}{more.way:<8}{more.whole:+8.0f}{each}")
        if options.format == "text":
            show_devices(measured)
    if options.plot is not None:
        draw(options.plot, rows)
    if options.format == "json":
        json.dump(
            {"kind": "early budget", "machine": options.machine, "accel": accel_of(options), "loads": rows}, sys.stdout
        )
        print()
    elif lines:
        print(f"what each adds at the stop, by the least times, to {firsts[BASE].set_up.name}:")
        print("\n".join(map(one_line, lines)))
    return 0


def accel_of(options: argparse.Namespace) -> str:
    """The accelerator under which the loads are."""
    return str(options.load_accel or options.accel)


def draw(path: str, rows: Sequence[dict[str, Any]]) -> None:
    """A bar for each way of each set-up: the loads for which the guest waits, those of the cards apart."""
    from vmstate.report.plots import bars

    groups = {}
    for row in rows:
        whole, of_cards = (row[name]["median"] for name in ("stop_us", "cards_at_stop_us"))
        groups[f"{row['set_up']['name']}, {row['way']}"] = {
            "the cards": of_cards,
            "all else": max(0.0, whole - of_cards),
        }
    bars(path, groups, "microseconds at the stop, median")


def show_head(measured: Measured, options: argparse.Namespace) -> None:
    """What was measured, on what."""
    print(
        one_line(
            f"QEMU {measured.qemu_version}, {options.machine}, {accel_of(options)}: microseconds of the loads of "
            f"devices, median and least of {len(measured.runs)}"
        )
    )


def show(measured: Sequence[Measured]) -> None:
    """A line for each way of a set-up."""
    for way_measured in measured:
        figures = way_measured.as_dict()
        at_stop = figures["stop_us"]
        between = "{:.0f} to {:.0f}".format(*figures["stop_interval_us"])
        cells = f"{at_stop['median']:>12.0f}{between:>20}{at_stop['least']:>8.0f}"
        cells += f"{figures['cards_at_stop_us']['median']:>14.0f}"
        early = f"{figures['early_us']['median']:>10.0f}{figures['early_updates']:>9}"
        print(
            one_line(f"{way_measured.set_up.name:<16}{way_measured.way:<12}{cells}{figures['stop_updates']:>9}{early}"),
            flush=True,
        )


def show_devices(measured: Sequence[Measured]) -> None:
    """The dearest devices of a set-up, each way beside the next; and what one transaction would leave."""
    from vmstate.lab.budget import BASE, one_transaction

    tables = {way_measured.way: way_measured.devices() for way_measured in measured}
    first = next(iter(tables.values()))[:DEVICES]
    print(f"    {'at the stop, least, and updates':<42}" + "".join(f"{way:>15}" for way in tables))
    for row in first:
        cells = ""
        for table in tables.values():
            same = next(
                entry for entry in table if (entry["idstr"], entry["instance_id"]) == (row["idstr"], row["instance_id"])
            )
            time = same["stop_us"].get("least")
            text = "left out" if time is None else f"{time:.0f}, {same['stop_updates']}"
            cells += f"{text:>15}"
        name = row["idstr"] if not row["instance_id"] else f"{row['idstr']}#{row['instance_id']}"
        print(one_line(f"    {name[:40]:<42}{cells}"))
    for way_measured in measured:
        transaction = one_transaction(way_measured) if way_measured.way == BASE else None
        if transaction is not None:
            print(
                f"    one transaction around all loads, worked out: {transaction.updates} updates of "
                f"{transaction.update:.0f} each, so {transaction.expected:.0f} of {transaction.now:.0f} would be left"
            )
    print()


def _numbers(text: str) -> list[int]:
    """The numbers of a list with commas. Raises `VMStateError`."""
    words = text.split(",")
    if not all(word.strip().isdecimal() and len(word) < 6 for word in words):
        raise VMStateError("no list of numbers", expected="N,N", found=repr(text))
    return [int(word) for word in words]
