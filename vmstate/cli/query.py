"""`vmstate query`: a QMP command, answered from the file."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from vmstate.cli.files import add_qmp, for_each
from vmstate.cli.live import files_of, source_of
from vmstate.errors import QueryError, VMStateError, one_line
from vmstate.query.ask import Answer, QueryOrigin, ask
from vmstate.query.commands import COMMANDS
from vmstate.saved.loading import load
from vmstate.vmsd.release import Release


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("files", metavar="FILE", nargs="*", help="the stream, or several")
    parser.add_argument("command", metavar="COMMAND", help=f"one of {', '.join(COMMANDS)}")
    add_qmp(parser)
    parser.add_argument("--arguments", metavar="JSON", help="the arguments of the command, as QMP has them")
    parser.add_argument("--release", metavar="X.Y", help="the release of QEMU that saved, where it is known")
    parser.add_argument("--explain", action="store_true", help="also the bytes that each value came from")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: a line for each file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer the command."""
    given = {} if options.arguments is None else parsed(options.arguments)
    release = None if options.release is None else Release.read(options.release)
    refuse_no_command(options)
    files = files_of(options, options.files)
    several = len(files) > 1

    def query(file: str) -> int:
        with load(source_of(options, file)) as stream:
            try:
                answer = ask(stream, options.command, given, release=release)
                sources = answer.sources if options.explain else {}
            except VMStateError as error:
                raise error.within(file=stream.name) from None
        if options.format == "json":
            write_json(answer, sources if options.explain else None, file if several else None)
            return 0
        if several:
            print(f"{one_line(file)}:")
        for line in lines(answer.value, "", sources):
            print(("  " if several else "") + one_line(line))
        return 0

    return for_each(files, query)


def refuse_no_command(options: argparse.Namespace) -> None:
    """Raise `QueryError` where the last word is no command."""
    word: str = options.command
    if word in COMMANDS:
        return
    expected = f"one of {', '.join(COMMANDS)}"
    if any(file in COMMANDS for file in options.files):
        raise QueryError("the command stands behind the files", expected="vmstate query FILE COMMAND")
    if not options.files and (options.qmp is None or os.path.exists(word)):
        raise QueryError("which command is to be answered?", file=word, expected=expected)
    from difflib import get_close_matches

    close = get_close_matches(word, COMMANDS, n=1)
    meant = f": did you mean {close[0]}?" if close else ""
    raise QueryError(f"there is no command {word!r}{meant}", expected=expected)


def parsed(text: str) -> Any:
    """The arguments. Raises `QueryError`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise QueryError(f"--arguments is not JSON: {error}", expected='an object such as {"queue": 0}') from None


def write_json(answer: Answer, sources: dict[str, list[QueryOrigin]] | None, file: str | None) -> None:
    """The answer alone; with the sources or a file it is `return`, and they are `explain` and `file`."""
    document = answer.value
    if sources is not None or file is not None:
        document = {} if file is None else {"file": file}
        document["return"] = answer.value
    if sources is not None:
        document["explain"] = {key: [source.as_dict() for source in origins] for key, origins in sources.items()}
    json.dump(document, sys.stdout)
    print()


def lines(value: Any, at: str, sources: dict[str, list[QueryOrigin]]) -> Iterator[str]:
    """A line for each value, with its path in the answer, and behind it one for each source."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from lines(inner, f"{at}.{key}" if at else key, sources)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for place, inner in enumerate(value):
            yield from lines(inner, f"{at}[{place}]", sources)
    else:
        yield f"{at}: {json.dumps(value)}" if at else json.dumps(value)
    yield from (source_line(source) for source in sources.get(at, ()))


def source_line(source: QueryOrigin) -> str:
    """A source in one line."""
    number = f"#{source.instance_id}" if source.instance_id else ""
    where = ".".join(part for part in (source.section + number, source.path) if part)
    if source.offset is None:
        return f"    nothing in the stream: {where}"
    return f"    {source.offset:#x} {source.size:>5}  {where}"
