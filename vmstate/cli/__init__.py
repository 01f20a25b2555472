"""The command `vmstate`: one file per verb; each parses its arguments, calls the library and renders.

Exit codes: 0 yes, 1 no (differs, falls short), 2 unusable input or usage, 70 a fault of this program. Every failure is
one line on standard error.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, NoReturn

from vmstate.cli.unfinished import unfinished_told
from vmstate.errors import DeviceLibraryWarning, VMStateError, one_line

# fmt: off
VERBS = (
    "info", "show", "decode", "encode", "diff", "watch", "set", "capture", "cmdline", "load", "thin", "compat",
    "explain", "repair", "verify", "query", "ram", "unpack", "pack", "find", "report", "browse", "early", "bench",
    "fuzz", "source",
    "matrix", "fleet", "examples",
)
# fmt: on


ONLY_READ = frozenset(("info", "show", "verify", "query", "find", "diff"))
"""The verbs that leave nothing to tidy up, and need not know of signals."""

WITH_CHANNELS = frozenset(("info", "show", "verify", "query", "find", "cmdline", "browse", "report", "explain", "ram"))
"""The verbs that take further channels of a migration."""

WITH_PART = WITH_CHANNELS | {"decode", "set", "thin", "unpack", "repair", "load"}
"""The verbs that are told where the stream is."""

WHOLE = frozenset(("decode", "encode", "set", "thin"))
"""The verbs whose output is of no use in part."""

COLLECT_EVERY = 50_000
"""Objects that are made before the collector of cycles looks at them."""

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C has ended, as shells have it."""

CUT_SHORT = 141
"""The exit code where nobody reads the rest of a stream or document: what shells give for SIGPIPE."""

INTERNAL = 70
"""The exit code where the program itself is at fault: EX_SOFTWARE of sysexits.h. Never 1, which is an answer."""

DEBUG = "--debug"
COMPLETION = "--print-completion"


def _formatter(prog: str) -> argparse.HelpFormatter:
    """A formatter as wide as the terminal; argparse makes one for each argument, and finds the width by far imports."""
    try:
        columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size().columns
    except (OSError, ValueError):
        columns = 80
    return argparse.HelpFormatter(prog, width=columns - 2)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, as all others are, and say what may have been meant."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _formatter} | options)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and end."""
        from vmstate.cli.complaints import complaint

        self.exit(2, f"vmstate: {one_line(complaint(message))} (see {self.prog} --help)\n")

    def unrecognized(self, words: Sequence[str]) -> NoReturn:
        """Say which words of a command line mean nothing, and end."""
        from vmstate.cli.complaints import unrecognized

        self.error(unrecognized(words, self._option_string_actions))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    # A command makes much at once, hardly anything of it in cycles, and ends: the collector looks through it less
    # often, and not once more at the end.
    gc.set_threshold(COLLECT_EVERY)
    atexit.register(gc.freeze)
    words = list(sys.argv[1:] if arguments is None else arguments)
    # It may stand anywhere in our part of the command line, for it is added to one that has failed.
    ours = words.index("--") if "--" in words else len(words)
    debug = DEBUG in words[:ours]
    try:
        return _main([word for word in words[:ours] if word != DEBUG] + words[ours:])
    except KeyboardInterrupt:
        print("vmstate: interrupted", file=sys.stderr)
        return INTERRUPTED
    except DeviceLibraryWarning as warning:
        # Whoever has warnings be errors gets an error.
        print(f"vmstate: {one_line(str(warning))}", file=sys.stderr)
        return 2
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        if isinstance(error, MemoryError) and not debug:
            print("vmstate: there is not enough memory for this here", file=sys.stderr)
            return 2
        if debug:
            import traceback

            traceback.print_exception(error)
        told = one_line(f"{type(error).__name__}: {error}")
        more = "" if debug else f" (run with {DEBUG} for the traceback)"
        print(f"vmstate: internal error: {told}{more}", file=sys.stderr)
        return INTERNAL


def _main(words: list[str]) -> int:
    parser = Parser(
        prog="vmstate",
        description="Read, write and check the bytes in which QEMU saves a machine.",
        epilog="FILE may be -, a stream, a save image of libvirt, a qcow2 image (FILE@SNAPSHOT); plain or compressed.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    parser.add_argument(DEBUG, action="store_true", help="show the traceback of an internal error (exit code 70)")
    parser.add_argument(COMPLETION, metavar="SHELL", help="print a completion for bash, zsh or tcsh, and stop")
    # Told, since argparse would render the help to find it out.
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", prog="vmstate")
    wanted = next((word for word in words if not word.startswith("-")), None)
    command: list[str] = []
    asked = parser
    complete = any(word.startswith(COMPLETION) for word in words[:1])
    # A parser takes as long to make as a small file to read: the others are for the help and for complaints.
    alone = words[:1] == [wanted] and wanted in VERBS and not any(word.startswith(("-h", "--h")) for word in words)
    if not alone:
        from vmstate.cli.purposes import PURPOSES
    for verb in words[:1] if alone else VERBS:
        purpose = "" if alone else PURPOSES[verb]
        verb_parser = verbs.add_parser(verb, help=purpose, description=f"{purpose[:1].upper()}{purpose[1:]}.")
        if complete:
            import_module(f"vmstate.cli.{verb}").arguments(verb_parser)
            add_given(verb, verb_parser)
        elif verb == wanted:
            asked = verb_parser
            # Only the verb that is asked for is imported.
            import_module(f"vmstate.cli.{verb}").arguments(verb_parser)
            add_given(verb, verb_parser)
            if "--" in words and _takes_command(verb_parser, words):
                # What stands behind is another program's command line, and nothing in it is ours.
                cut = words.index("--")
                words, command = words[:cut], words[cut + 1 :]
    options, extra = parser.parse_known_args(words)
    if len(extra) == 1 and not extra[0].startswith("-") and getattr(options, "path", "") is None:
        # argparse takes a positional that may be left out only where it stands before the options.
        options.path = extra.pop()
    if extra and getattr(options, "what", None) == [] and not any(word.startswith("-") for word in extra):
        # The same of several.
        options.what, extra = extra, []
    options.program = command
    if extra:
        asked.unrecognized(extra)
    if options.version:
        from vmstate import __version__

        print(f"vmstate {__version__}")
        return 0
    if options.print_completion is not None:
        from vmstate.cli.completion import print_completion

        options.run = lambda _: print_completion(parser, options.print_completion)
    elif options.verb is None:
        parser.error(f"one of {', '.join(VERBS)} is needed")
    return _run(options)


def _signals(verb: str) -> AbstractContextManager[None]:
    if verb in ONLY_READ:
        return nullcontext()
    from vmstate.cli.signals import ended_by_signals

    return ended_by_signals()


def add_given(verb: str, parser: argparse.ArgumentParser) -> None:
    """The options of what belongs to FILE, and of where the stream is."""
    if verb in WITH_CHANNELS:
        parser.add_argument(
            "--channel", metavar="F", action="append", help="a further channel of the migration, or a folder of them"
        )
    if verb in WITH_PART:
        parser.add_argument("--snapshot", metavar="NAME", help="the snapshot of a disk image, FILE@NAME")
        parser.add_argument("--offset", metavar="N", help="where the stream begins, FILE@N")


def _takes_command(parser: argparse.ArgumentParser, words: Sequence[str]) -> bool:
    """Whether a verb takes another program's command line behind --: always, or in the actions that it names."""
    takes: bool | Sequence[str] | None = parser.get_default("takes_command")
    return takes is True or (bool(takes) and any(word in (takes or ()) for word in words[: words.index("--")]))


def _run(options: argparse.Namespace) -> int:
    if sys.stdout is None:
        print("vmstate: standard output is closed", file=sys.stderr)
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout is sys.__stdout__ and isinstance(sys.stdout.buffer, io.FileIO):
            # Without a buffer (PYTHONUNBUFFERED) Python writes what fits into a pipe, and takes no notice of the rest.
            buffered = io.BufferedWriter(sys.stdout.buffer)
            sys.stdout = io.TextIOWrapper(buffered, sys.stdout.encoding, line_buffering=True)
        # Names in a stream can be text that the terminal has no bytes for.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if options.verb in WITH_PART and {options.snapshot, options.offset, *(vars(options).get("channel") or ())} != {
            None
        }:
            from vmstate.cli.given import bind

            bind(options)
        with _signals(options.verb), unfinished_told() as unfinished:
            code: int = options.run(options)
        sys.stdout.flush()
        return max(code, bool(unfinished))
    except VMStateError as error:
        print(f"vmstate: {error}", file=sys.stderr)
    except BrokenPipeError:
        # Whoever read the output has gone; Python must not complain about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CUT_SHORT if options.verb in WHOLE else 0
    except OSError as error:
        print(f"vmstate: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        if error.filename is None:
            # What could not be written is not tried once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 2
