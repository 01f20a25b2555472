"""`vmstate verify`: is a stream understood, byte for byte."""

from __future__ import annotations

import argparse
import json
import sys

from vmstate.cli.files import for_each
from vmstate.cli.words import counted
from vmstate.errors import one_line
from vmstate.rules.check import check
from vmstate.saved.loading import load
from vmstate.saved.opening import open_input
from vmstate.stream.finding import Finding
from vmstate.stream.verify import verify


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="the stream, or several")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: a line for each file")
    parser.add_argument("--check", action="store_true", help="also what QEMU would refuse or change when it loads")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Say of each file what is wrong, then whether anything is."""
    return for_each(options.files, lambda file: run_file(file, options))


def run_file(file: str, options: argparse.Namespace) -> int:
    """The same of one file."""
    with open_input(file) as opened, load(opened) as stream:
        findings = verify(stream, opened.data) + (check(stream) if options.check else [])
        sections = stream.sections
        name = stream.name
    errors = [finding for finding in findings if finding.severity == "error"]
    if options.format == "json":
        listed = [finding.as_dict() for finding in findings]
        json.dump({"file": name, "ok": not errors, "sections": len(sections), "findings": listed}, sys.stdout)
        print()
    else:
        for finding in findings:
            print(one_line(line(finding)))
        described = sum(section.described_by != "none" for section in sections)
        verdict = "does not verify" if errors else "verifies"
        print(
            f"{one_line(str(name))}: {verdict}: {counted(len(sections), 'section')}, {described} described, "
            f"{counted(len(errors), 'error')}, {counted(len(findings) - len(errors), 'note')}"
        )
    return 1 if errors else 0


def line(finding: Finding) -> str:
    """A finding in one line."""
    where = ": ".join(part for part in (finding.section, finding.path) if part)
    at = f" at {finding.offset:#x}" if finding.offset is not None else ""
    return f"{finding.severity}: {where + ': ' if where else ''}{finding.message}{at} [{finding.rule}]"
