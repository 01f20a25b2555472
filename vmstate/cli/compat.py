"""`vmstate compat`: can what one QEMU saves be loaded by another."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from vmstate.cli.words import counted
from vmstate.compare.compat import Compatibility, Direction, compat
from vmstate.compare.findings import (
    BREAKS,
    COSMETIC,
    MAY_BREAK,
    SEVERITIES,
    CompatFinding,
    read_baseline,
    write_baseline,
)
from vmstate.compare.schemas import Schema, dumps_in, open_schema
from vmstate.errors import SchemaError, VMStateError, one_line


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.epilog = (
        "A and B: a -dump-vmstate file, a stream, a vmdesc, 'library', a QEMU binary with a machine type "
        "(BINARY:MACHINE), or a source tree of QEMU (DIR, GIT@REVISION). "
        "A alone is a folder of -dump-vmstate files: each is compared with each of its machine type."
    )
    parser.add_argument("a", metavar="A", help="what saves: a -dump-vmstate file, a stream, BINARY:MACHINE, or library")
    parser.add_argument("b", metavar="B", nargs="?", help="what loads, in the same forms")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--reverse", action="store_true", help="B saves, A loads")
    ways.add_argument("--both", action="store_true", help="both directions")
    parser.add_argument("--machine", metavar="TYPE", help="the machine type of QEMU binaries and source trees")
    parser.add_argument(
        "--fact", metavar="NAME=VALUE", action="append", default=[], help="what is known of the host; can be repeated"
    )
    parser.add_argument("--baseline", metavar="FILE", help="findings that were accepted, which do not count")
    parser.add_argument("--write-baseline", metavar="FILE", help="accept all that breaks or may break")
    parser.add_argument("--reason", metavar="TEXT", default="accepted", help="why, for --write-baseline")
    parser.add_argument(
        "--format", choices=("text", "json", "sarif"), default="text", help="for a reader, a program, or a code scan"
    )
    parser.add_argument("--all", action="store_true", help="show what is cosmetic as well")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare, and say what was found."""
    accepted = dict(read_baseline(options.baseline).reasons) if options.baseline else {}
    facts = facts_of(options.fact)
    if options.b is None:
        return matrix(options, accepted, facts)
    direction: Direction = "both" if options.both else "backward" if options.reverse else "forward"
    compatibility = compat(options.a, options.b, direction=direction, machine=options.machine, facts=facts)
    if options.write_baseline:
        chosen = [finding for finding in compatibility.findings if finding.severity != COSMETIC]
        write_baseline(options.write_baseline, chosen, options.reason, accepted)
        accepted |= {finding.id: options.reason for finding in chosen if finding.id not in accepted}
    counting = [finding for finding in compatibility.findings if finding.id not in accepted]
    if options.format == "json":
        write(document(compatibility, counting, accepted))
    elif options.format == "sarif":
        from vmstate import __version__
        from vmstate.compare.findings import sarif

        write(sarif(compatibility.findings, accepted, compatibility.a.name, compatibility.b.name, __version__))
    else:
        print_text(compatibility, counting, accepted, everything=options.all)
    return 1 if any(finding.severity == BREAKS for finding in counting) else 0


def facts_of(texts: list[str]) -> dict[str, Any]:
    """Facts from NAME=VALUE; a value is JSON or, where it is none, text."""
    facts: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise VMStateError("a fact is told as NAME=VALUE", found=repr(text))
        try:
            facts[name] = json.loads(value)
        except (ValueError, RecursionError):
            facts[name] = value
    return facts


def write(value: Any) -> None:
    """JSON on standard output, in one line."""
    json.dump(value, sys.stdout)
    print()


def document(
    compatibility: Compatibility, counting: list[CompatFinding], accepted: Mapping[str, str]
) -> dict[str, Any]:
    """What was found, as JSON values."""
    return {
        "a": compatibility.a.name,
        "b": compatibility.b.name,
        "findings": [finding.as_dict() for finding in counting],
        "accepted": [
            finding.as_dict() | {"reason": accepted[finding.id]}
            for finding in compatibility.findings
            if finding.id in accepted
        ],
        "stale": stale(compatibility, accepted),
    }


def stale(compatibility: Compatibility, accepted: Mapping[str, str]) -> list[str]:
    """The ids of a baseline that no finding has any more."""
    ids = {finding.id for finding in compatibility.findings}
    return [name for name in accepted if name not in ids]


def print_text(
    compatibility: Compatibility, counting: list[CompatFinding], accepted: Mapping[str, str], *, everything: bool
) -> None:
    """What was found, for a reader."""
    shown = [finding for finding in counting if everything or finding.severity != COSMETIC]
    for (direction, section), group in groupby(shown, lambda finding: (finding.direction, finding.section)):
        way = "" if direction == "forward" else " (backward)"
        print(one_line(f"{section or 'all sections'}{way}"))
        for finding in group:
            print(one_line(f"  {line(finding)}"))
    counts = [sum(finding.severity == severity for finding in counting) for severity in SEVERITIES]
    verdict = "incompatible" if counts[0] else "compatible"
    text = f"{one_line(compatibility.a.name)} and {one_line(compatibility.b.name)}: {verdict}: {told(counts)}"
    known = len(compatibility.findings) - len(counting)
    if known:
        text += f"; {known} accepted by the baseline"
    if counts[2] and not everything:
        text += "; --all shows what is cosmetic"
    print(text)
    gone = stale(compatibility, accepted)
    if gone:
        print(f"the baseline accepts {counted(len(gone), 'finding')} that are no more: {one_line(', '.join(gone[:5]))}")


def told(counts: list[int]) -> str:
    """Numbers of findings by severity."""
    words = f"{counts[0]} {'breaks' if counts[0] == 1 else 'break'}", f"{counts[1]} may break", f"{counts[2]} cosmetic"
    return ", ".join(words)


def line(finding: CompatFinding) -> str:
    """A finding in one line."""
    severity = {BREAKS: "breaks", MAY_BREAK: "may break"}.get(finding.severity, "cosmetic")
    at = f" at {finding.offset:#x}" if finding.offset is not None else ""
    when = f"; when {finding.when}" if finding.when else ""
    return f"{severity}: {finding.path + ': ' if finding.path else ''}{finding.message}{at}{when}"


# Many dumps.


def matrix(options: argparse.Namespace, accepted: Mapping[str, str], facts: Mapping[str, Any]) -> int:
    """Each dump of a folder against each other of its machine type, in both directions."""
    if not os.path.isdir(options.a):
        raise SchemaError("one side alone must be a folder of -dump-vmstate files", file=options.a)
    if options.format == "sarif" or options.write_baseline:
        raise SchemaError("a folder has neither SARIF nor a baseline to write: compare two files", file=options.a)
    schemas = sorted((open_schema(path) for path in dumps_in(options.a)), key=lambda schema: natural(label(schema)))
    pairs = [
        (source, destination)
        for source in schemas
        for destination in schemas
        if source is not destination and source.machine == destination.machine
    ]
    if not pairs:
        raise SchemaError(
            "the folder has no two -dump-vmstate files (*.json, compressed or not) of one machine type",
            file=options.a,
            found=", ".join(f"{os.path.basename(source.name)}: {source.machine}" for source in schemas)
            or "none at all",
        )
    results = []
    for source, destination in pairs:
        compatibility = compat(source, destination, facts=facts)
        results.append((compatibility, [finding for finding in compatibility.findings if finding.id not in accepted]))
    if options.format == "json":
        write(
            {
                "folder": options.a,
                "pairs": [
                    document(compatibility, counting, accepted) | {"machine": compatibility.a.machine}
                    for compatibility, counting in results
                ],
            }
        )
    else:
        print_matrix(
            schemas, {(compatibility.a.name, compatibility.b.name): counting for compatibility, counting in results}
        )
    broken = any(finding.severity == BREAKS for _, counting in results for finding in counting)
    return 1 if broken else 0


def print_matrix(schemas: list[Schema], results: Mapping[tuple[str, str], list[CompatFinding]]) -> None:
    """A table for each machine type: who saves, who loads, and how many findings there are."""
    from rich.console import Console
    from rich.table import Table

    machines = dict.fromkeys(schema.machine for schema in schemas)
    for machine in machines:
        alike = [schema for schema in schemas if schema.machine == machine]
        if len(alike) < 2:
            print(f"{label(alike[0])}: nothing else is of machine type {one_line(str(machine))}")
            continue
        print(f"{one_line(str(machine))}: breaks / may break")
        table = Table()
        table.add_column("saves \\ loads", no_wrap=True)
        for schema in alike:
            table.add_column(label(schema), justify="right", no_wrap=True)
        for source in alike:
            cells = []
            for destination in alike:
                findings = results.get((source.name, destination.name))
                counts = [sum(each.severity == severity for each in findings or ()) for severity in SEVERITIES]
                cell = "" if findings is None else f"{counts[0]} / {counts[1]}"
                cells.append(f"[red]{cell}[/red]" if counts[0] else cell)
            table.add_row(label(source), *cells)
        width = sum(len(label(schema)) + 3 for schema in alike) + max(len(label(schema)) for schema in alike) + 20
        Console(highlight=False, width=width).print(table)


def natural(text: str) -> list[tuple[int, str]]:
    """What sorts 7.2 before 10.0."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", text)]


def label(schema: Schema) -> str:
    """A short name of a file."""
    name = os.path.basename(schema.name)
    return one_line(name.partition(".json")[0])
