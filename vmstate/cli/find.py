"""`vmstate find`: where something is in a stream."""

from __future__ import annotations

import argparse
import json

from vmstate.cli.by_source import describe, source_argument
from vmstate.cli.files import add_qmp
from vmstate.cli.live import only_source
from vmstate.cli.show import json_value
from vmstate.errors import VMStateError, one_line
from vmstate.query.find import Match, find
from vmstate.report.text import text_of
from vmstate.saved.loading import load
from vmstate.vmsd.state import is_state


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="the stream")
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
    """Say where it is; 1 where it is nowhere."""
    places = 0
    with load(only_source(options)) as stream:
        describe(stream, options)
        try:
            for match in find(stream, options.word):
                places += 1
                print(json_line(match) if options.format == "json" else one_line(line(match)))
        except VMStateError as error:
            raise error.within(file=stream.name) from None
        name = one_line(str(stream.name))
    if not places and options.format == "text":
        print(f"{name}: nothing is named {options.word!r}, has it as a value, or has it among its bytes")
    return 0 if places else 1


def json_line(match: Match) -> str:
    """A place as JSON."""
    return json.dumps({**match.as_dict(), "path": match.whole_path}, default=json_value)


def line(match: Match) -> str:
    """A place in one line: its offset and size, its path, its value, and by what it fits."""
    shown = "" if match.value is None or is_state(match.value) else f" = {_shown(match.value)}"
    return f"{match.offset:#10x} {match.size:>8,}  {match.whole_path}{shown}  [{match.by}]"


def _shown(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and type(value).__str__ is int.__str__:
        return f"{value} ({value:#x})"
    text = text_of(value)
    return text if len(text) <= 80 else text[:77] + "..."
