"""`vmstate info`: what a file is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, TypeVar

from vmstate.cli.files import add_qmp, for_each
from vmstate.cli.words import counted
from vmstate.errors import VMStateError, one_line
from vmstate.files import size_text
from vmstate.saved.loading import load_what_is_whole
from vmstate.stream.events import Trailing
from vmstate.stream.stream import Stream


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("files", metavar="FILE", nargs="*", help="the stream; of several a row each")
    add_qmp(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: a line for each file")
    parser.add_argument("--cost", action="store_true", help="bytes of each device and subsection, times from traces")
    parser.add_argument(
        "--trace", metavar="TRACE", action="append", default=[], help="vmstate_downtime_save or _load, for --cost"
    )
    parser.add_argument("--queue-pairs", metavar="N", type=int, help="for --cost: what if the network cards had N")
    parser.add_argument("--source", metavar="TREE", help="QEMU's source, for sections that nothing else describes")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Say what the file is."""
    files = options.files
    if options.qmp or not files:
        from vmstate.cli.live import files_of

        files = files_of(options, files)
    if options.cost or options.trace or options.queue_pairs is not None:
        from vmstate.cli.cost import run_cost

        return for_each(files, lambda file: run_cost(options, file))
    in_table: list[dict[str, Any]] = []

    def answer(file: str) -> int:
        try:
            return answer_stream(file)
        except VMStateError as error:
            if not hasattr(error, "container"):
                raise
            from vmstate.cli.containers import tell_choices

            return tell_choices(error, options.format)

    def answer_stream(file: str) -> int:
        source: Any = file
        if options.qmp:
            from vmstate.cli.live import source_of

            source = source_of(options, file)
        with load_what_is_whole(source) as stream:
            if options.source is not None:
                from vmstate.cli.by_source import describe

                describe(stream, options)
            facts = summary(stream)
            if (
                (stream.container or stream.cut) is not None
                or stream.channels
                or "multifd flush" in stream.ram.firsts
                or stream.may_lack_pages
                or isinstance(stream.parts[-1], Trailing)
            ):
                from vmstate.cli.containers import add_facts

                add_facts(stream, facts, tells_container=options.format == "text" and len(files) == 1)
            # That there is no page is said anyway.
            caps = facts["capabilities"]
            if "x-ignore-shared" in caps and (stream.ram.pages or "mapped-ram" in caps):
                from vmstate.cli.left_out import add_left_out

                add_left_out(stream, facts)
        if options.format == "json":
            print(json.dumps(facts))
        elif len(files) == 1:
            print_text(facts)
        else:
            in_table.append(facts)
        return 1 if "cut" in facts else 0

    worst = for_each(files, answer)
    if in_table:
        from vmstate.cli.containers import print_table

        print_table(in_table)
    return worst


def summary(stream: Stream) -> dict[str, Any]:
    """The facts about a stream, as JSON values."""
    configuration = stream.configuration
    ram = stream.ram
    vmdesc = stream.vmdesc_text
    return {
        "file": stream.name,
        "version": stream.version,
        "machine": configuration.machine if configuration is not None else None,
        "capabilities": configuration.capability_names if configuration is not None else [],
        "vmdesc": len(vmdesc) if vmdesc is not None else None,
        "ram": {
            "total": ram.total,
            "pages": ram.pages,
            "blocks": [{"idstr": block.idstr, "used_length": block.used_length} for block in ram.blocks],
        },
        "sections": [section.as_dict() for section in stream.sections],
    }


def print_text(facts: dict[str, Any]) -> None:
    """The facts for a reader."""
    vmdesc = f"{facts['vmdesc']:,} bytes" if facts["vmdesc"] is not None else "none"
    print(f"{one_line(facts['file'])}: QEMU migration stream, version {facts['version']}")
    print(f"  machine       {one_line(facts['machine'] or 'not said (no configuration section)')}")
    print(f"  capabilities  {one_line(', '.join(facts['capabilities']) or 'none that change the stream')}")
    print(f"  vmdesc        {vmdesc}")
    ram = facts["ram"]
    pages = ", ".join(f"{count:,} {kind}" for kind, count in ram["pages"].items())
    pages = pages or "none" + ", ram needs --memory" * ("x-ignore-shared" in facts["capabilities"])
    print(f"  RAM           {size_text(ram['total'] or 0)} in {counted(len(ram['blocks']), 'block')}; pages: {pages}")
    for block in ram["blocks"]:
        print(f"    {size_text(block['used_length']):>10}  {one_line(block['idstr'])}")
    sections = facts["sections"]
    print(f"  {counted(len(sections), 'section')}")
    for key, label in (("channels", "memory"), ("left_out", "memory"), ("behind", "behind it")):
        if key in facts:
            print(f"  {label:13} {facts[key]['text']}")
    rows = [("offset", "size", "id", "kind", "version", "described by", "name")]
    rows += [
        (
            f"{run[0]['offset']:#x}",
            f"{sum(section['size'] for section in run):,}",
            str(run[0]["section_id"]),
            run[0]["kind"] if len(run) == 1 else f"{len(run)} parts",
            str(run[0]["version_id"]),
            run[0]["described_by"],
            one_line(run[0]["name"]) + (f"#{run[0]['instance_id']}" if run[0]["instance_id"] else ""),
        )
        for run in runs_of_parts(sections, lambda section: (section["kind"], section["section_id"]))
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        cells = [
            cell.rjust(width) if at < 3 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        print("  " + "  ".join([*cells, row[6]]))


T = TypeVar("T")


def runs_of_parts(sections: Iterable[T], what: Callable[[T], tuple[str, int]]) -> Iterator[list[T]]:
    """The parts of each section between two sections that are none, in one list; any other in a list of its own.

    What is sent in parts takes turns, a thousand times and more. `what` tells the kind and the section_id.
    """
    for is_part, run in groupby(sections, lambda section: what(section)[0] == "part"):
        if not is_part:
            yield from ([section] for section in run)
            continue
        parts: dict[int, list[T]] = {}
        for section in run:
            parts.setdefault(what(section)[1], []).append(section)
        yield from parts.values()
