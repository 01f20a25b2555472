"""`vmstate explain`: will a stream load in a destination, and if not, what stands in the way."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from typing import TYPE_CHECKING

from vmstate.cli.files import add_qmp, for_each
from vmstate.cli.live import files_of, stream_of
from vmstate.cli.numbers import checked_time
from vmstate.cli.words import counted, lines_of_not_judged
from vmstate.compare.explain import explain
from vmstate.compare.explained import Explained, Explanation, LogLine
from vmstate.compare.findings import BREAKS, COSMETIC, MAY_BREAK
from vmstate.errors import VMStateError, one_line

if TYPE_CHECKING:
    from vmstate.compare.target import Target
    from vmstate.qemu.domain import Domain

MOST_OF_XML = (4 << 20) + 1
"""Bytes of a file that are read to see whether it is a domain XML: one more than such a file may have."""

SHOWN_NOTES = 5
"""Cosmetic findings that are shown."""

SHOWN_LINES = 200
"""Lines of a log that are shown; how many more there are is told."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("streams", metavar="STREAM", nargs="*", help="the stream, or several")
    add_qmp(parser)
    parser.add_argument(
        "--against",
        metavar="TARGET",
        nargs="?",
        const="--",
        help="the destination: a stream of it, a -dump-vmstate file, BINARY:MACHINE, a recorded destination, "
        "'library', a domain XML of libvirt, a command line in quotes, or nothing where it stands behind --",
    )
    parser.add_argument(
        "--source",
        metavar="SIDE",
        help="no stream, but what this machine would save: its command line as one word in quotes, a recorded "
        "destination, a domain XML of libvirt, or a stream",
    )
    parser.add_argument("--machine", metavar="TYPE", help="the machine type, where TARGET is a QEMU binary")
    parser.add_argument("--root", metavar="DIR", help="start the QEMU of another system's root, by its own loader")
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="what QEMU printed, or libvirt's log of the domain: each line is explained; alone, in words; without "
        "--against the QEMU that the log says was started is the destination",
    )
    parser.add_argument(
        "--record", metavar="FILE", help="write down the destination that is started, to be a TARGET elsewhere"
    )
    parser.add_argument("--verbose", action="store_true", help="list the rules that are not judged")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: a line for each stream")
    parser.usage = (
        "vmstate explain {STREAM... | --source SIDE} --against {TARGET | -- QEMU ...} [options], "
        "or vmstate explain --log FILE"
    )
    parser.set_defaults(run=run, takes_command=True)


def run(options: argparse.Namespace) -> int:
    """Explain, and say what was found."""
    if options.log and not options.streams and not options.program and options.against is None:
        return run_log(options)
    if options.source is not None:
        return run_sides(options)
    target = target_of(options)
    if options.record:
        from vmstate.compare.target import write_target

        write_target(options.record, target)
    if not options.streams and options.qmp is None and options.record:
        return 0
    streams = files_of(options, options.streams)
    if options.log and len(streams) > 1:
        raise VMStateError("a log is of one stream", found=f"{len(streams)} streams")

    def explain_one(stream: str) -> int:
        try:
            explanation = explain(stream_of(options, stream), target, log=options.log)
        except VMStateError as error:
            raise error.within(file=stream) from None
        return print_explanation(explanation, options)

    return for_each(streams, explain_one)


def print_explanation(explanation: Explanation, options: argparse.Namespace) -> int:
    """What was found, in the form that is asked for; the exit code."""
    if options.format == "json":
        print(json.dumps(explanation.as_dict()))
    else:
        print_text(explanation, verbose=options.verbose)
    return 0 if explanation.verdict == "loads" else 1


def run_sides(options: argparse.Namespace) -> int:
    """Explain what one machine would save against another one: no stream is given."""
    if options.streams or options.log or options.record or options.qmp is not None:
        raise VMStateError("--source stands for the stream: neither STREAM, --qmp, --log nor --record goes with it")
    from vmstate.compare.explain import explain_sides

    if options.source == "-":
        raise VMStateError("a source is a file or a command line in quotes", found="-")
    explanation = explain_sides(side_of(options.source, options), target_of(options))
    return print_explanation(explanation, options)


def target_of(options: argparse.Namespace) -> Target:
    """The destination that the arguments name. Raises `VMStateError`."""
    if options.program:
        if options.against not in (None, "--"):
            raise VMStateError("one destination: a TARGET or a command line behind --", found=options.against)
        return started(options.program, options)
    if options.against is None and options.log:
        return target_of_log(options)
    if options.against in (None, "--"):
        raise VMStateError("against what?", expected="--against TARGET, or --against -- and QEMU's command line")
    if options.against == "-" and "-" in options.streams:
        raise VMStateError("standard input is the stream or the destination, not both")
    return side_of(options.against, options)


def target_of_log(options: argparse.Namespace) -> Target:
    """The destination of a log that says how QEMU was started: the same devices, and nothing of that host."""
    from vmstate.compare.log import read_log
    from vmstate.qemu.stand_in import stand_in

    start = read_log(options.log).start
    if start is None:
        expected = "--against, or libvirt's log of a domain"
        raise VMStateError("the log does not say how QEMU was started", file=options.log, expected=expected)
    domain = stand_in(start.command, kvm=has_kvm())
    return started_as(domain, f"the QEMU of {options.log} ({domain.name})", options)


def has_kvm() -> bool:
    """Whether this user can start a QEMU with KVM."""
    return os.access("/dev/kvm", os.R_OK | os.W_OK)


def started_as(domain: Domain, name: str, options: argparse.Namespace) -> Target:
    """The destination that a domain makes; its command line is shown."""
    print(one_line(f"{name}: starting {shlex.join(domain.command)}"), file=sys.stderr)
    return started([*domain.command], options).replaced(name=name, left_out=domain.left_out)


def side_of(text: str, options: argparse.Namespace) -> Target:
    """A side by a text: a file of any kind, a command line in one word, or what `open_target` takes besides."""
    is_file = os.path.exists(text)
    if not is_file and " " in text.strip():
        from vmstate.qemu.machine import command_in

        return started(command_in(text), options)
    if is_file and os.path.isfile(text):
        with open(text, "rb") as file:
            data = file.read(MOST_OF_XML)
        from vmstate.qemu.domain import domain_of, is_domain

        if is_domain(data[:4096]):
            domain = domain_of(data, kvm=has_kvm())
            return started_as(domain, f"{text} ({domain.name})", options)
    if options.root:
        raise VMStateError("a root is for a QEMU that is started: give its command line behind --")
    from vmstate.compare.target import open_target

    return open_target(text, machine=options.machine)


def started(command: list[str], options: argparse.Namespace) -> Target:
    """The destination that a command line makes."""
    from vmstate.lab.target import target_of as target_of_command
    from vmstate.qemu.machine import find_qemu
    from vmstate.qemu.monitor import LIMIT

    qemu = find_qemu(command[0], options.root)
    limit = LIMIT if options.limit is None else checked_time(options.limit)
    return target_of_command(command, qemu=qemu, like=next(iter(options.streams), None), limit=limit)


def print_text(explanation: Explanation, *, verbose: bool) -> None:
    """What was found, for a reader."""
    words = {"loads": "loads in", "fails": "fails in", "unknown": "may or may not load in"}
    print(one_line(f"{explanation.stream}: {words[explanation.verdict]} {explanation.target}"))
    for finding in explanation.findings:
        if finding.severity != COSMETIC:
            print_finding(finding)
    cosmetic = [finding for finding in explanation.findings if finding.severity == COSMETIC]
    for finding in cosmetic[:SHOWN_NOTES]:
        print(one_line(f"  note: {where(finding)}{finding.message}"))
    if len(cosmetic) > SHOWN_NOTES:
        print(f"  and {len(cosmetic) - SHOWN_NOTES} more notes (--format json has all)")
    for text in explanation.assumed:
        print(one_line(f"  taken for granted: {text}"))
    for text in lines_of_not_judged(explanation.not_judged, verbose=verbose):
        print(one_line(f"  {text}"))
    if explanation.log:
        print("the log")
    for line in explanation.log[:SHOWN_LINES]:
        print(one_line(f"  {line.line.text}"))
        if line.explained_by is not None:
            print(one_line(f"    explained by {line.explained_by}"))
        else:
            print_meaning(line.line)
        if line.contradicts:
            print("    which contradicts the verdict: another stream, another destination, or a fault of this program")
    print_more(len(explanation.log))


def run_log(options: argparse.Namespace) -> int:
    """What a log says by itself: 1 where a stream was refused, else 0."""
    from vmstate.compare.log import read_log

    log = read_log(options.log)
    if options.format == "json":
        print(json.dumps(log.as_dict()))
        return int(log.refuses)
    refused = "a stream was refused" if log.refuses else "no line that is known says that a stream was refused"
    print(one_line(f"{log.name}: {refused}"))
    if log.start is not None:
        waits = "it waits for a stream" if log.start.is_destination else "it waits for no stream"
        release = "" if log.start.release is None else f"QEMU {log.start.release}, "
        machine = log.start.machine_type or "no machine type"
        print(one_line(f"  started {log.start.when}: {release}{machine}; {waits}"))
        print(one_line(f"  with {shlex.join(log.start.command)}"))
    if log.earlier:
        print(f"  {counted(log.earlier, 'earlier start')} in it, not told here")
    for line in log.lines[:SHOWN_LINES]:
        print(one_line(f"  {line.text}"))
        print_meaning(line)
    print_more(len(log.lines))
    return int(log.refuses)


def print_meaning(line: LogLine) -> None:
    """A line of a log in words, and what to do."""
    print(one_line(f"    {'not known to us' if line.says is None else line.says}"))
    if line.advice is not None:
        print(one_line(f"    to do: {line.advice}"))


def print_more(lines: int) -> None:
    """How many lines of a log are not shown."""
    if lines > SHOWN_LINES:
        print(f"  and {lines - SHOWN_LINES} more lines (--format json has all)")


def print_finding(finding: Explained) -> None:
    """A finding, with QEMU's line and what to do."""
    severity = {BREAKS: "breaks", MAY_BREAK: "may break"}[finding.severity]
    at = "" if finding.offset is None else f" (at {finding.offset:#x})"
    when = f"; when {finding.when}" if finding.when else ""
    print(one_line(f"  {severity}: {where(finding)}{finding.message}{when}{at}"))
    if finding.qemu_error is not None:
        print(one_line(f"    QEMU prints: {finding.qemu_error}"))
    if finding.advice is not None:
        print(one_line(f"    to do: {finding.advice}"))


def where(finding: Explained) -> str:
    """Section and path, in front of a message."""
    parts = [part for part in (finding.section, finding.path) if part]
    return "".join(f"{part}: " for part in parts)
