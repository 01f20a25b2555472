"""`vmstate verify`: is a stream understood, byte for byte."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from vmstate.cli.by_source import describe, source_argument
from vmstate.cli.files import add_qmp, for_each
from vmstate.cli.live import files_of, source_of
from vmstate.cli.phases import loaded, phases_argument
from vmstate.cli.words import counted, lines_of_not_judged
from vmstate.errors import VMStateError, one_line
from vmstate.rules.check import checked_stream
from vmstate.saved.opening import open_input
from vmstate.stream.finding import Finding
from vmstate.stream.verify import verify


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("files", metavar="FILE", nargs="*", help="the stream, or several")
    add_qmp(parser)
    phases_argument(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: a line for each file")
    parser.add_argument("--check", action="store_true", help="also what QEMU would refuse or change when it loads")
    parser.add_argument("--verbose", action="store_true", help="with --check: list the rules that are not judged")
    source_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Say of each file what is wrong, then whether anything is."""

    def answer(file: str) -> int:
        try:
            return run_file(file, options)
        except VMStateError as error:
            if not hasattr(error, "container"):
                raise
            from vmstate.cli.cpr import verify_cpr_state

            return verify_cpr_state(error, options)

    return for_each(files_of(options, options.files), answer)


def run_file(file: str, options: argparse.Namespace) -> int:
    """The same of one file."""
    source = source_of(options, file)
    with open_input(source) if isinstance(source, str) else source as opened, loaded(opened, options) as stream:
        describe(stream, options)
        checked, not_judged = checked_stream(stream) if options.check else ([], [])
        findings = verify(stream, opened.data) + checked
        if stream.channels:
            from vmstate.saved.channels import findings_of, is_completed

            findings = [each for each in findings if each.rule != "cut" or not is_completed(stream)]
            findings += findings_of(stream)
        elif stream.may_lack_pages:
            from vmstate.saved.channels import lacking

            text = lacking(stream)
            findings += [] if text is None else [Finding("missing", "note", None, None, None, f"memory: {text}")]
        if stream.container is not None and stream.container.facts().get("whole") is False:
            message = "libvirt was still writing the save image"
            findings.append(Finding("unfinished", "error", None, None, None, message))
        sections = stream.sections
        name = stream.name
    errors = [finding for finding in findings if finding.severity == "error"]
    if options.format == "json":
        listed = [finding.as_dict() for finding in findings]
        top: dict[str, Any] = {"file": name, "ok": not errors, "sections": len(sections), "findings": listed}
        if options.check:
            top["not_judged"] = [finding.as_dict() for finding in not_judged]
        json.dump(top, sys.stdout)
        print()
    else:
        for finding in findings:
            print(one_line(line(finding)))
        for text in lines_of_not_judged([line(finding) for finding in not_judged], verbose=options.verbose):
            print(one_line(text))
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
