"""`vmstate load`: a stream into a real QEMU."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from vmstate.cli.numbers import seconds
from vmstate.cli.trust import derived_to_run, program_to_run, trust_arguments
from vmstate.errors import VMStateError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmstate.query.cmdline import CommandLine
    from vmstate.stream.ram_records import RamBlock
    from vmstate.stream.stream import Stream


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE", help="the stream")
    parser.add_argument(
        "--connect", metavar="URI", help="a QEMU that waits already (-incoming URI): unix:PATH or tcp:HOST:PORT"
    )
    parser.add_argument("--root", metavar="DIR", help="start the QEMU of another system's root, by its own loader")
    parser.add_argument("--until", metavar="TEXT", help="then wait until the guest prints TEXT on its serial console")
    parser.add_argument(
        "--type",
        metavar="LINE",
        action="append",
        default=[],
        help="then type LINE into its shell and print what it answers (repeatable)",
    )
    parser.add_argument(
        "--ask", metavar="COMMAND", action="append", default=[], help="then print QEMU's answer to a query (repeatable)"
    )
    trust_arguments(parser)
    parser.add_argument("--limit", metavar="SECONDS", type=seconds, default=120, help="for each step (default 120)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    parser.usage = "vmstate load FILE [options] [--connect URI | -- QEMU ...]"
    parser.set_defaults(run=run, takes_command=True)


def run(options: argparse.Namespace) -> int:
    """Start, feed, and say what became of it."""
    if options.connect:
        return to_destination(options)
    from vmstate.lab.incoming import QemuDestination
    from vmstate.qemu.machine import find_qemu
    from vmstate.qemu.provenance import read_provenance

    argv = options.program or None
    known = None if argv else read_provenance(options.file)
    program = options.qemu or (argv[0] if argv else "")
    capabilities: tuple[str, ...] = ()
    stack = ExitStack()
    if argv is None and known is not None and known.get("argv"):
        program = program_to_run(known, options.file, options)
    elif argv is None and options.file != "-":
        line = made_from_stream(options, stack)
        argv, program, capabilities = [*line.argv, "-S"], line.program, line.capabilities
    talks = bool(options.until or options.type)
    try:
        with (
            stack,
            QemuDestination(
                options.file,
                argv,
                qemu=find_qemu(program, options.root) if program else None,
                console=talks,
                capabilities=capabilities,
                limit=options.limit,
            ) as destination,
        ):
            outcome = destination.feed()
            machine = destination.machine
            answers = {}
            typed = {}
            if outcome.accepted:
                if options.until:
                    machine.wait_for(options.until)
                for line in options.type:
                    typed[line] = machine.type(line)
                answers = {command: machine.ask(command) for command in options.ask}
    except VMStateError as error:
        raise error.within(file=options.file) from None
    elsewhere = next((place for place in outcome.places if place.another_machine), None)
    if options.format == "json":
        print(json.dumps({"file": options.file, **outcome.as_dict(), "guest": typed, "answers": answers}))
    if elsewhere is not None:
        raise VMStateError(
            f"the command line is of another machine: {elsewhere.message} "
            f"(QEMU {outcome.qemu_version}: {outcome.error})",
            file=options.file,
            section=elsewhere.section,
            offset=elsewhere.offset,
        )
    if options.format == "json":
        return 0 if outcome.accepted else 1
    if not outcome.accepted:
        print(one_line(f"{options.file}: refused by QEMU {outcome.qemu_version}: {outcome.error}"))
        for place in outcome.places:
            where = ": ".join(part for part in (place.section, place.path) if part)
            at = "" if place.offset is None else f" at {place.offset:#x}"
            print(one_line(f"  {where}{at}: {place.message}"))
        if is_thin(options.file):
            print("  this stream is thin: it has no page of memory or ROM, in which QEMU may have looked for something")
        return 1
    print(one_line(f"{options.file}: loaded by QEMU {outcome.qemu_version}: {outcome.status}"))
    for line, answer in typed.items():
        print(f"# {line}\n{answer}")
    for command, answer in answers.items():
        print(f"{command}: {json.dumps(answer)}")
    return 0


def is_thin(file: str) -> bool:
    """Whether a stream tells of blocks of memory and has no page of any, nor keeps them elsewhere."""
    from vmstate.saved.loading import load_what_is_whole

    if file == "-":
        return False
    with suppress(VMStateError), load_what_is_whole(file) as stream:
        known, ram = stream.configuration, stream.ram
        elsewhere = known is not None and known.has_capability("x-ignore-shared")
        return bool(ram.blocks) and not ram.pages and not elsewhere and not any(map(_has_bits(stream), ram.blocks))
    return False


def _has_bits(stream: Stream) -> Callable[[RamBlock], bool]:
    """Whether a block of mapped-ram has pages."""

    def has_bits(block: RamBlock) -> bool:
        if block.mapped is None or stream.input is None:
            return False
        from vmstate.stream.ram_mapped import bitmap_size

        start = block.mapped.bitmap_offset - stream.input.origin
        return any(stream.input.data[start : start + bitmap_size(block.used_length, block.mapped.page_size)])

    return has_bits


def made_from_stream(options: argparse.Namespace, stack: ExitStack) -> CommandLine:
    """The command line that a stream without provenance tells, asked about; its files are there until the stack ends.

    The guest stays paused: what stands behind its devices are stand-ins.
    """
    import tempfile

    from vmstate.cli.cmdline import make_files
    from vmstate.lab.spelling import spelled
    from vmstate.query.cmdline import command_line
    from vmstate.saved.loading import load

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vmstate-"))
    try:
        with load(options.file) as stream:
            line = command_line(stream, folder=folder, program=options.qemu)
        derived_to_run([*line.argv, "-S"], line.missing, options.file, options)
        make_files(line, folder)
        return spelled(line, line.program, root=options.root)
    except VMStateError as error:
        stack.close()
        raise error.within(file=options.file) from None


def to_destination(options: argparse.Namespace) -> int:
    """Send a stream to a QEMU that waits for one."""
    from vmstate.lab.live import send
    from vmstate.saved.loading import load

    if options.program or options.root or options.until or options.type or options.ask:
        raise VMStateError("a QEMU that runs already is neither started nor asked here: leave all but --connect out")
    with load(options.file) as stream:
        try:
            sent = send(stream, options.connect, limit=options.limit)
        except VMStateError as error:
            raise error.within(file=options.file) from None
    if options.format == "json":
        print(json.dumps({"file": options.file, "sent": sent}))
    else:
        print(f"{options.file}: {sent:,} bytes sent to {options.connect}")
    return 0
