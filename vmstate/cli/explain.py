"""`vmstate explain`: will a stream load in a given QEMU, and if not, why."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from typing import Any

from vmstate.cli.compat import facts_of
from vmstate.cli.words import counted
from vmstate.compare.explain import LOADS, Explained, Explanation, explain
from vmstate.compare.findings import BREAKS
from vmstate.compare.schemas import dump_of, dump_schema
from vmstate.errors import SchemaError, VMStateError, one_line
from vmstate.stream.stream import load


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.usage = "vmstate explain STREAM --against TARGET [options], or STREAM --against -- QEMU ..."
    parser.epilog = (
        "TARGET: a -dump-vmstate file, a stream of the destination, 'library', or BINARY:MACHINE. Behind -- stands a "
        "whole command line: it is started paused, and what it sends is compared."
    )
    parser.add_argument("file", metavar="STREAM")
    parser.add_argument("--against", metavar="TARGET", nargs="?", const="", help="what it is to be loaded in")
    parser.add_argument("--machine", metavar="TYPE", help="the machine type of a QEMU binary")
    parser.add_argument("--fact", metavar="NAME=VALUE", action="append", default=[], help="what is known of the host")
    parser.add_argument("--log", metavar="FILE", help="what QEMU printed when it was tried")
    parser.add_argument("--root", metavar="DIR", help="start the QEMU of another system's root, by its own loader")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run, takes_command=True)


def run(options: argparse.Namespace) -> int:
    """Explain."""
    with ExitStack() as stack:
        target, values = options.against, None
        if options.program:
            target, values = _started(options.program, options.root, stack)
        if not target:
            raise SchemaError("against what?", expected="--against TARGET, or --against -- QEMU ...")
        found = explain(
            options.file,
            target,
            values=values,
            machine=options.machine,
            facts=facts_of(options.fact),
            log=options.log,
        )
    if options.format == "json":
        json.dump(
            {
                "stream": found.stream,
                "target": " ".join(options.program) or found.target,
                "verdict": found.verdict,
                "findings": [finding.as_dict() for finding in found.findings],
            },
            sys.stdout,
        )
        print()
    else:
        print_text(found)
    return 0 if found.verdict == LOADS else 1


def _started(argv: list[str], root: str | None, stack: ExitStack) -> tuple[Any, str]:
    """The schema of a QEMU, and a file with what it sends that was started and never run."""
    from vmstate.lab.capture import capture_started
    from vmstate.lab.machine import find_qemu

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vmstate-"))
    path = os.path.join(folder, "destination.mig")
    qemu = find_qemu(argv[0], root)
    paused = argv if any(word.lstrip("-") == "S" for word in argv) else [*argv, "-S"]
    capture_started(path, paused, qemu=qemu)
    with load(path) as stream:
        machine = stream.configuration.machine if stream.configuration is not None else "none"
    try:
        text = dump_of(qemu.command, machine, environment=qemu.environment)
    except VMStateError:
        # Behind a wrapper it cannot be asked; what it sends is still known.
        return path, path
    return dump_schema(text, argv[0]), path


def print_text(found: Explanation) -> None:
    """The explanation for a reader."""
    verdicts = {"loads": "loads", "fails": "does not load", "unknown": "may not load"}
    print(one_line(f"{found.stream}: {verdicts[found.verdict]}: {counted(len(found.findings), 'finding')}"))
    for finding in found.findings:
        for text in lines(finding):
            print(one_line(text))


def lines(finding: Explained) -> list[str]:
    """A finding in a few lines."""
    where = ": ".join(part for part in (finding.section, finding.path) if part)
    at = f" at {finding.offset:#x}" if finding.offset is not None else ""
    severity = "fails" if finding.severity == BREAKS else "may fail"
    text = [f"  {severity}: {where + ': ' if where else ''}{finding.message}{at}"]
    if finding.when:
        text.append(f"    when   {finding.when}")
    if finding.qemu_error:
        text.append(f"    QEMU   {finding.qemu_error}")
    if finding.advice:
        text.append(f"    advice {finding.advice}")
    return text
