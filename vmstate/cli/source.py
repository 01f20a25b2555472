"""`vmstate source`: what QEMU's own source says of its devices' states."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from vmstate.errors import one_line
from vmstate.source.linking import Linked
from vmstate.source.model import sorted_problems
from vmstate.source.reading import DEFAULT_TARGET, SourceTree, read_tree
from vmstate.source.target import read_options
from vmstate.vmsd.release import Release

TREE = "a folder with QEMU's source, or REPOSITORY@REVISION, which is read without being checked out"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    what = "every VMStateDescription of a tree, with what could not be told and why"
    read = actions.add_parser("read", help=what, description=f"{what[0].upper()}{what[1:]}.")
    read.add_argument("tree", metavar="TREE", help=TREE)
    read.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    read.add_argument("--problems", action="store_true", help="only what could not be told, a line each")
    configuration(read)
    read.set_defaults(run=run_read)


def configuration(parser: argparse.ArgumentParser) -> None:
    """What a tree is read for."""
    parser.add_argument("--target", metavar="NAME", default=DEFAULT_TARGET, help=f"qemu-system-NAME ({DEFAULT_TARGET})")
    parser.add_argument(
        "-D", dest="options", metavar="CONFIG_X=n", action="append", default=[], help="an option of the build: =y or =n"
    )
    parser.add_argument("--release", metavar="N.M", help="the release, where the tree's VERSION is not to be believed")


def tree_of(options: argparse.Namespace, name: str) -> SourceTree:
    """The tree that a command line means."""
    release = None if options.release is None else Release.read(options.release)
    return read_tree(name, target=options.target, options=read_options(options.options), release=release)


def run_read(options: argparse.Namespace) -> int:
    """Show what is in a tree."""
    tree = tree_of(options, options.tree)
    if options.problems:
        for problem in sorted_problems(tree.problems):
            print(one_line(str(problem)))
    elif options.format == "json":
        json.dump(document(tree), sys.stdout)
        print()
    else:
        print_text(tree)
    return 0


def document(tree: SourceTree) -> dict[str, Any]:
    """A tree as JSON values."""
    parts = ("descriptions", "infos", "functions", "types", "registrations", "compat")
    return {
        "tree": tree.name,
        "release": None if tree.release is None else str(tree.release),
        "target": tree.target,
        **{part: [fact.as_json() for unit in tree.units for fact in getattr(unit, part)] for part in parts},
        "devices": {name: vmsd.symbol for name, _, vmsd in Linked(tree).devices()},
        "problems": [problem.as_json() for problem in sorted_problems(tree.problems)],
    }


def print_text(tree: SourceTree) -> None:
    """A line for each description, and what could not be told."""
    rows = [["version", "from", "fields", "subsections", "name"]]
    for vmsd in tree.descriptions():
        numbers = (vmsd.version, vmsd.minimum, len(vmsd.fields), len(vmsd.subsections))
        rows.append([*map(str, numbers), f"{vmsd.name or '?'}  {vmsd.path}:{vmsd.line}"])
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print(one_line("  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[4]])))
    fields = sum(len(vmsd.fields) for vmsd in tree.descriptions())
    problems = sorted_problems(tree.problems)
    print(f"{len(rows) - 1} descriptions, {fields} fields; could not be told: {len(problems) or 'nothing'}")
    for problem in problems:
        print(f"  {one_line(str(problem))}")
