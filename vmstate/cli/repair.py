"""`vmstate repair`: what stands in the way of a stream in a destination, taken away where that is possible."""

from __future__ import annotations

import argparse
import json
import shlex
import sys

from vmstate.cli.explain import target_of
from vmstate.cli.numbers import seconds
from vmstate.cli.outputs import output, told_beside
from vmstate.compare.repair import CLASSES, INVISIBLE, Repair, repair
from vmstate.errors import VMStateError, one_line
from vmstate.files import write_atomic
from vmstate.qemu.provenance import carry_provenance, provenance_to_carry, refuse_itself


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE", help="the stream")
    parser.add_argument(
        "--against",
        metavar="TARGET",
        nargs="?",
        const="--",
        help="the destination, as for vmstate explain: a stream of it, a recorded destination, or nothing where its "
        "command line stands behind --",
    )
    parser.add_argument("-o", "--output", metavar="OUT", type=output, help="the stream that loads (-: standard output)")
    parser.add_argument("--plan", action="store_true", help="say what would be done, and write nothing")
    parser.add_argument(
        "--accept",
        choices=[name for name in CLASSES if name != INVISIBLE],
        action="append",
        default=[],
        help="also do steps that the guest sees at its next look, or that may break it (repeatable)",
    )
    parser.add_argument(
        "--keep-destination",
        action="store_true",
        help="change the stream, even where another command line of the destination would do",
    )
    parser.add_argument(
        "--drop", metavar="SECTION", action="append", default=[], help="leave a device out (repeatable)"
    )
    parser.add_argument(
        "--rename", metavar="BLOCK=NAME", action="append", default=[], help="call a RAM block otherwise (repeatable)"
    )
    parser.add_argument(
        "--move",
        metavar="SECTION=PLACE",
        action="append",
        default=[],
        help="put a device on PCI elsewhere (repeatable)",
    )
    parser.add_argument("--machine", metavar="TYPE", help="the machine type, where TARGET is a QEMU binary")
    parser.add_argument("--root", metavar="DIR", help="start the QEMU of another system's root, by its own loader")
    parser.add_argument("--limit", metavar="SECONDS", type=seconds, default=60, help="for each start (default 60)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    parser.usage = "vmstate repair FILE --against {TARGET | -- QEMU ...} {-o OUT | --plan} [options]"
    parser.set_defaults(run=run, takes_command=True)


def run(options: argparse.Namespace) -> int:
    """Repair; 0 where the stream loads then, 1 where something is left, or the destination is to be changed."""
    if bool(options.output) == options.plan:
        raise VMStateError("where to?", expected="-o OUT, or --plan")
    options.streams = [options.file]
    if options.output:
        for place in (options.file, options.against):
            refuse_itself(place or "-", options.output)
    if options.against is None and not options.program:
        raise VMStateError("against what?", expected="--against TARGET, or --against -- and QEMU's command line")
    target = target_of(options)
    by_hand: list[tuple[str, ...]] = [("drop", name) for name in options.drop]
    by_hand += [("rename", *two_sides(text, "BLOCK=NAME")) for text in options.rename]
    by_hand += [("move", *two_sides(text, "SECTION=PLACE")) for text in options.move]
    known = None
    if options.output:
        known = provenance_to_carry(options.file, options.output)
    try:
        result = repair(
            options.file,
            target,
            accept=(INVISIBLE, *options.accept),
            by_hand=by_hand,
            keep_destination=options.keep_destination,
        )
    except VMStateError as error:
        raise error.within(file=options.file) from None
    if result.data is not None and options.output:
        from vmstate.saved.packing import as_kept

        pieces = as_kept(options.file, result.data)
        if options.output == "-":
            for piece in list(pieces):
                sys.stdout.buffer.write(piece)
        else:
            write_atomic(options.output, pieces)
        if known is not None:
            carry_provenance(known, options.file, options.output, repaired=[step.text for step in result.steps])
    with told_beside(options.output):
        if options.format == "json":
            print(json.dumps({"file": options.file, **result.as_dict()}))
        else:
            print_text(result, options)
    return 0 if result.data is not None else 1


def two_sides(text: str, expected: str) -> tuple[str, str]:
    """Both sides of an equals sign. Raises `VMStateError`."""
    before, equals, after = text.rpartition("=")
    if not (equals and before and after):
        raise VMStateError("both sides are needed", expected=expected, found=text)
    return before, after


def print_text(result: Repair, options: argparse.Namespace) -> None:
    """What was done, what was not, and why."""
    if result.by_option:
        print(one_line(f"{options.file}: a changed command line of the destination is enough"))
        for finding in result.by_option:
            print(one_line(f"  {finding.section or finding.path or finding.rule}: {finding.advice or finding.message}"))
        for line in wanted_line(options):
            print(one_line(f"  {line}"))
        print("  (--keep-destination changes the stream instead)")
        return
    done = "would be " if options.plan else ""
    loads = f"{done}repaired" if result.steps else "loads as it is"
    words = "not repaired" if result.data is None else loads
    print(one_line(f"{options.file}: {words}"))
    for step in result.steps:
        print(one_line(f"  {step.severity}: {step.text} ({step.cost})"))
    for refused in result.refused:
        print(one_line(f"  left: {refused.finding.section or refused.finding.rule}: {refused.finding.message}"))
        print(one_line(f"    {refused.why}"))


def wanted_line(options: argparse.Namespace) -> list[str]:
    """The command line that the stream itself tells, for the user to hold beside the destination's."""
    from vmstate.query.cmdline import command_line
    from vmstate.saved.loading import load

    try:
        with load(options.file) as stream:
            return [f"the stream loads with: {shlex.join(command_line(stream).argv)}"]
    except VMStateError:
        return []
