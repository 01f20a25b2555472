"""`vmstate info --cost`: what each device costs in a migration."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from vmstate.cli.by_source import describe
from vmstate.cli.live import source_of
from vmstate.compare.cost import SectionCost, StreamCost, WhatIf, cost_of, what_if
from vmstate.errors import one_line
from vmstate.saved.loading import load


def run_cost(options: argparse.Namespace, file: str) -> int:
    """Say what the devices of a stream cost."""
    with load(source_of(options, file)) as stream:
        describe(stream, options)
        costs = cost_of(stream, traces=options.trace)
        guesses = [] if options.queue_pairs is None else what_if(stream, options.queue_pairs, costs.sections)
    if options.format == "json":
        json.dump(document(costs, guesses), sys.stdout)
        print()
    else:
        print_text(costs, guesses, options.queue_pairs)
    return 0


def document(costs: StreamCost, guesses: list[WhatIf]) -> dict[str, Any]:
    """The cost as JSON values."""
    return {
        "file": costs.name,
        "bytes": costs.bytes,
        "framing": costs.framing,
        "save_us": costs.total_us("save"),
        "load_us": costs.total_us("load"),
        "sections": [
            {
                "name": section.name,
                "instance_id": section.instance_id,
                "bytes": section.bytes,
                "subsections": [part.as_dict() for part in section.parts],
                "save_us": section.save_us,
                "load_us": section.load_us,
            }
            for section in costs.sections
        ],
        "unmatched": [
            {"direction": direction, "name": name, "instance_id": instance_id, "us": took}
            for direction, name, instance_id, took in costs.unmatched
        ],
        "what_if": [guess.as_dict() for guess in guesses],
    }


def print_text(costs: StreamCost, guesses: list[WhatIf], pairs: int | None) -> None:
    """The cost for a reader, the dearest first."""

    def weight(section: SectionCost) -> tuple[int, int]:
        return (section.load_us or 0) + (section.save_us or 0), section.bytes

    rows = [("bytes", "save us", "load us", "section")]
    for section in sorted(costs.sections, key=weight, reverse=True):
        name = section.name + (f"#{section.instance_id}" if section.instance_id else "")
        rows.append((f"{section.bytes:,}", number(section.save_us), number(section.load_us), one_line(name)))
        rows += [(f"{part.bytes:,}", "", "", f"  {one_line(part.path)}") for part in section.parts]
    rows.append((f"{costs.framing:,}", "", "", "everything else, the vmdesc included"))
    total = number(costs.total_us("save")), number(costs.total_us("load"))
    rows.append((f"{costs.bytes:,}", *total, "the whole stream"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[3]]).rstrip())
    for direction, name, instance_id, took in costs.unmatched:
        if took:
            print(f"a trace has {direction} {one_line(name)}#{instance_id} ({took} us), the stream has not")
    for guess in guesses:
        print(one_line(told(guess)))
    if pairs is not None and not guesses:
        print("the stream has no network card whose queue pairs could be changed")


def number(value: int | None) -> str:
    """A number, or nothing."""
    return "" if value is None else f"{value:,}"


def told(guess: WhatIf) -> str:
    """What a card would cost, in one line."""
    text = f"{guess.name} with {guess.pairs} queue pairs in place of {guess.pairs_before}: "
    text += f"{guess.bytes:,} bytes ({guess.bytes - guess.before:+,})"
    for direction, times in (("save", guess.save_us), ("load", guess.load_us)):
        if times is not None:
            text += f", {direction} {times[0]:,} us" + (f" to {times[1]:,} us" if times[0] != times[1] else "")
    return text
