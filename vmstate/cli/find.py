"""`vmstate find`: where something is in a stream."""

from __future__ import annotations

import argparse
import json
import os

from vmstate.cli.by_source import describe, source_argument
from vmstate.cli.files import add_qmp, for_each
from vmstate.cli.live import files_of, source_of
from vmstate.cli.show import json_value
from vmstate.errors import VMStateError, one_line
from vmstate.query.find import Match, find
from vmstate.report.text import text_of
from vmstate.saved.loading import load
from vmstate.vmsd.state import is_state


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("files", metavar="FILE", nargs="*", help="the stream, or several")
    parser.add_argument(
        "word",
        metavar="WORD",
        help="part of a name or of text, a number, an address, a MAC address, a UUID, a feature, VENDOR:DEVICE "
        "of PCI, or bytes (hex:525400, 52:54:00)",
    )
    add_qmp(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: a line for each place")
    source_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Say where it is, of several files in each; 1 where it is nowhere."""
    if not options.files and options.qmp is None and os.path.exists(options.word):
        raise VMStateError("what is looked for?", expected="vmstate find FILE WORD")
    files = files_of(options, options.files)
    return for_each(files, lambda file: _find(file, options, several=len(files) > 1))


def _find(file: str, options: argparse.Namespace, *, several: bool) -> int:
    places = 0
    with load(source_of(options, file)) as stream:
        describe(stream, options)
        name = one_line(str(stream.name))
        try:
            for match in find(stream, options.word):
                places += 1
                if options.format == "json":
                    print(json_line(match, file if several else None))
                else:
                    print(f"{name}: {one_line(line(match)).lstrip()}" if several else one_line(line(match)))
        except VMStateError as error:
            raise error.within(file=stream.name) from None
    if not places and options.format == "text":
        print(f"{name}: nothing is named {options.word!r}, has it as a value, or has it among its bytes")
    return 0 if places else 1


def json_line(match: Match, file: str | None) -> str:
    """A place as JSON, with the file that it is in where there are several."""
    named = {} if file is None else {"file": file}
    return json.dumps({**named, **match.as_dict(), "path": match.whole_path}, default=json_value)


def line(match: Match) -> str:
    """A place in one line: its offset and size, its path, its value, and by what it fits."""
    shown = "" if match.value is None or is_state(match.value) else f" = {_shown(match.value)}"
    return f"{match.offset:#10x} {match.size:>8,}  {match.whole_path}{shown}  [{match.by}]"


def _shown(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and type(value).__str__ is int.__str__:
        return f"{value} ({value:#x})"
    text = text_of(value)
    return text if len(text) <= 80 else text[:77] + "..."
