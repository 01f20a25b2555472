"""`vmstate source`: what QEMU's own source says of its devices' states."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from vmstate.cli.outputs import output
from vmstate.compare.findings import read_baseline, write_baseline
from vmstate.compare.source_lint import (
    BREAKS,
    DEFECT,
    RULES,
    SEVERITIES,
    UNPROMISED,
    LintFinding,
    changes,
    defects,
    sarif,
    with_promises,
)
from vmstate.compare.source_rust import rust_changes, rust_defects
from vmstate.compare.source_visible import list_changes, list_defects, visible_changes
from vmstate.errors import VMStateError, one_line
from vmstate.files import write_atomic
from vmstate.source.declare import Declaration
from vmstate.source.linking import Linked
from vmstate.source.model import sorted_problems
from vmstate.source.promises import promised_files
from vmstate.source.reading import DEFAULT_TARGET, SourceTree, read_tree
from vmstate.source.target import HAVE_RUST, read_options
from vmstate.source.tree import open_tree
from vmstate.vmsd.release import Release

if TYPE_CHECKING:
    from vmstate.fleet.outputs import Case

TREE = "a folder with QEMU's source, or REPOSITORY@REVISION, which is read without being checked out"


FORMATS = ("text", "json", "sarif", "tap", "junit")
ERRORS = (BREAKS, DEFECT)
"""The severities that count for the exit code."""


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

    what = "what is wrong with the descriptions of a tree, or what a range of commits breaks"
    lint = actions.add_parser("lint", help=what, description=f"{what[0].upper()}{what[1:]}.")
    lint.add_argument("tree", metavar="TREE", help=f"{TREE}; with RANGE: a repository")
    lint.add_argument("range", metavar="A..B", nargs="?", help="two revisions: what was sent at A, read at B")
    which = lint.add_mutually_exclusive_group()
    which.add_argument("--reverse", action="store_true", help="what is sent at B, read at A")
    which.add_argument("--both", action="store_true", help="both ways")
    lint.add_argument("--baseline", metavar="FILE", help="findings that were accepted, which do not count")
    lint.add_argument("--write-baseline", metavar="FILE", help="accept all that breaks or is a defect")
    lint.add_argument("--reason", metavar="TEXT", default="accepted", help="why, for --write-baseline")
    lint.add_argument("--format", choices=FORMATS, default="text", help="(text)")
    lint.add_argument("--series", metavar="FILE", help="patches that are applied to TREE in memory (-: standard input)")
    configuration(lint)
    lint.set_defaults(run=run_lint)

    what = "a device as a declaration in this library's words, with a TODO for each fact that is missing"
    declare = actions.add_parser("declare", help=what, description=f"{what[0].upper()}{what[1:]}.")
    declare.add_argument("tree", metavar="TREE", help=TREE)
    declare.add_argument("device", metavar="DEVICE", help="the device class, or the name of its description")
    declare.add_argument("-o", "--output", metavar="FILE", type=output, default="-", help="(-: standard output)")
    configuration(declare)
    declare.set_defaults(run=run_declare)


def configuration(parser: argparse.ArgumentParser) -> None:
    """What a tree is read for."""
    parser.add_argument("--target", metavar="NAME", default=DEFAULT_TARGET, help=f"qemu-system-NAME ({DEFAULT_TARGET})")
    parser.add_argument(
        "-D", dest="options", metavar="CONFIG_X=n", action="append", default=[], help="an option of the build: =y or =n"
    )
    parser.add_argument("--no-cache", action="store_true", help="read all anew, and keep nothing for the next time")
    parser.add_argument("--release", metavar="N.M", help="the release, where the tree's VERSION is not to be believed")


def tree_of(options: argparse.Namespace, name: str, known: SourceTree | None = None) -> SourceTree:
    """The tree that a command line means."""
    release = None if options.release is None else Release.read(options.release)
    configured = read_options(options.options)
    cached = not options.no_cache
    return read_tree(name, target=options.target, options=configured, release=release, known=known, cached=cached)


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
    parts = ("descriptions", "infos", "functions", "types", "registrations", "compat", "visible")
    return {
        "tree": tree.name,
        "release": None if tree.release is None else str(tree.release),
        "target": tree.target,
        **{part: [fact.as_json() for unit in tree.units for fact in getattr(unit, part)] for part in parts},
        "not_built": [unit.as_json() for unit in tree.twins],
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
    if tree.twins:
        paths = ", ".join(unit.path for unit in tree.twins)
        print(one_line(f"not built, since another has the same devices ({HAVE_RUST}): {paths}"))
    fields = sum(len(vmsd.fields) for vmsd in tree.descriptions())
    problems = sorted_problems(tree.problems)
    print(f"{len(rows) - 1} descriptions, {fields} fields; could not be told: {len(problems) or 'nothing'}")
    for problem in problems:
        print(f"  {one_line(str(problem))}")


def run_lint(options: argparse.Namespace) -> int:
    """Say what is wrong with a tree, or with a range; 1 where something breaks or is defective."""
    findings = lint_of(options)
    accepted = {} if options.baseline is None else dict(read_baseline(options.baseline).reasons)
    if options.write_baseline is not None:
        errors = [finding for finding in findings if finding.severity in ERRORS]
        write_baseline(options.write_baseline, errors, options.reason, accepted)
        accepted |= {finding.id: options.reason for finding in errors if finding.id not in accepted}
    counted = [finding for finding in findings if finding.id not in accepted]
    if options.format == "json":
        shown = [finding.as_dict() | {"id": finding.id, "accepted": finding.id in accepted} for finding in findings]
        json.dump({"findings": shown}, sys.stdout)
        print()
    elif options.format == "sarif":
        from vmstate import __version__

        json.dump(sarif(findings, accepted, __version__), sys.stdout)
        print()
    elif options.format in ("tap", "junit"):
        from vmstate.fleet.outputs import junit, tap

        cases = cases_of(counted)
        for line in tap(cases) if options.format == "tap" else junit(cases, "vmstate source lint"):
            print(line)
    else:
        for finding in counted:
            print(one_line(line_of(finding)))
        numbers = {word: sum(each.severity == word for each in counted) for word in SEVERITIES}
        counts = ", ".join(f"{number} {word}" for word, number in numbers.items() if number or word != UNPROMISED)
        print(counts + (f"; accepted: {len(findings) - len(counted)}" if accepted else ""))
    return int(any(finding.severity in ERRORS for finding in counted))


def line_of(finding: LintFinding) -> str:
    """A finding in a line."""
    way = " (reverse)" if finding.direction == "reverse" else ""
    what = f"{finding.severity}{way}: {finding.name or finding.symbol}: {finding.message} [{finding.rule}]"
    return f"{finding.path}:{finding.line}: {what}"


def cases_of(findings: list[LintFinding]) -> list[Case]:
    """A test for each rule: it fails where something breaks by it, and is skipped where it only asks."""
    from vmstate.fleet.outputs import Case

    cases = []
    for rule, (_, what) in RULES.items():
        found = [finding for finding in findings if finding.rule == rule]
        errors = [finding for finding in found if finding.severity in ERRORS]
        reason = "; ".join(line_of(finding) for finding in errors or found)
        cases.append(Case(rule, what, False if errors else None if found else True, reason or None))
    return cases


def lint_of(options: argparse.Namespace) -> list[LintFinding]:
    """The findings that a command line asks for."""
    if options.series is not None:
        return of_series(options)
    if options.range is None:
        tree = tree_of(options, options.tree)
        return all_defects(Linked(tree))
    first, dots, second = options.range.partition("..")
    if not dots or not first or not second or second.startswith("."):
        raise VMStateError("no range of revisions", expected="A..B", found=options.range)
    before = tree_of(options, f"{options.tree}@{first}")
    after = tree_of(options, f"{options.tree}@{second}", before)
    return between(before, after, ways(options))


def all_defects(linked: Linked) -> list[LintFinding]:
    """What is wrong with one tree."""
    return [*defects(linked), *rust_defects(linked.tree), *list_defects(linked)]


def of_series(options: argparse.Namespace) -> list[LintFinding]:
    """What a series of patches does to a tree."""
    from vmstate.source.series import MAX_SERIES, PatchedTree

    if options.range is not None:
        raise VMStateError("a series and a range of commits: which of them?")
    before = tree_of(options, options.tree)
    if options.series == "-":
        series = sys.stdin.buffer.read(MAX_SERIES + 1)
    else:
        try:
            with open(options.series, "rb") as file:
                series = file.read(MAX_SERIES + 1)
        except OSError as error:
            raise VMStateError(f"cannot be read: {error.strerror}", file=options.series) from None
    name = "standard input" if options.series == "-" else options.series
    with PatchedTree(open_tree(options.tree, before.release), series, name) as patched:
        after = read_tree(patched, target=options.target, options=read_options(options.options), known=before)
        return between(before, after, ways(options))


def ways(options: argparse.Namespace) -> tuple[str, ...]:
    """Which ways are asked for: what the older one sends to the newer one, or the other way round."""
    return ("forward", "reverse") if options.both else ("reverse",) if options.reverse else ("forward",)


def between(before: SourceTree, after: SourceTree, directions: tuple[str, ...]) -> list[LintFinding]:
    """What two trees are to each other, and the defects that only the newer one has."""
    old, new = Linked(before), Linked(after)
    findings: list[LintFinding] = []
    if "forward" in directions:
        known = {finding.id for finding in all_defects(old)}
        findings += [*changes(old, new), *rust_changes(before, after), *visible_changes(old, new)]
        findings += list_changes(old, new)
        findings += [finding for finding in all_defects(new) if finding.id not in known]
    if "reverse" in directions:
        reverse = (*changes(new, old), *rust_changes(after, before))
        findings += [finding.replace(direction="reverse") for finding in reverse]
    if any(finding.severity == BREAKS for finding in findings):
        with open_tree(after.name) as tree:
            findings = with_promises(findings, promised_files(tree))
    return findings


def run_declare(options: argparse.Namespace) -> int:
    """Write a declaration."""
    text = Declaration(Linked(tree_of(options, options.tree)), options.device).text
    if options.output == "-":
        print(text, end="")
    else:
        write_atomic(options.output, [text.encode("utf-8", "replace")])
    return 0
