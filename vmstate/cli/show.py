"""`vmstate show`: the state, or a part of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from vmstate.cli.by_source import describe, source_argument
from vmstate.cli.files import add_qmp, for_each
from vmstate.cli.live import files_of, source_of
from vmstate.cli.phases import loaded, phases_argument
from vmstate.errors import VMStateError
from vmstate.schema.values import plain_value, to_plain
from vmstate.stream.events import ConfigurationSection
from vmstate.stream.stream import RamSummary, Section, Stream
from vmstate.vmsd.path import Steps


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("files", metavar="FILE", nargs="*", help="the stream, or several")
    parser.add_argument("path", metavar="SECTION[.PATH]", nargs="?", help="one section, or what is at a path in it")
    add_qmp(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: a line for each file")
    parser.add_argument("--raw", action="store_true", help="also the bytes that QEMU accepts and would write otherwise")
    phases_argument(parser)
    source_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show a stream, a section or a value."""
    files, path = options.files, options.path
    # argparse gives every word to the files: the last is a path where it is no file, and one stands before it.
    if path is None and len(files) > (options.qmp is None) and not _is_file(files[-1]):
        *files, path = files
    files = files_of(options, files)
    several = len(files) > 1

    def answer(file: str) -> int:
        try:
            return show(file, path, options, several=several)
        except VMStateError as error:
            if not hasattr(error, "container"):
                raise
            from vmstate.cli.cpr import show_cpr_state

            return show_cpr_state(error, path, options, several=several)

    return for_each(files, answer)


def _is_file(word: str) -> bool:
    return word == "-" or (os.path.exists(word) and not os.path.isdir(word))


def show(file: str, path: str | None, options: argparse.Namespace, *, several: bool) -> int:
    """Show one of the files; of several the values at a path are told with the file that has them."""
    with loaded(source_of(options, file), options) as stream:
        describe(stream, options)
        if options.format == "json":
            show_json(stream, file if several else None, path, options)
        else:
            from vmstate.cli.show_text import show_text

            show_text(stream, file if several else None, path, raw=options.raw)
        if stream.cut is None:
            return 0
        from vmstate.cli.words import tell_where_cut

        sys.stdout.flush()
        tell_where_cut(stream)
        return 1


def document(stream: Stream, *, raw: bool, phases: bool = False) -> dict[str, Any]:
    """The whole stream as JSON values; with `phases` each section has the one in which it was saved."""
    facts: dict[str, Any] = {
        "file": stream.name,
        "version": stream.version,
        "configuration": stream.configuration,
        "vmdesc": stream.vmdesc_text is not None,
        "sections": [
            {
                **section.as_dict(),
                "state": to_plain(section.state) if raw else section.state,
            }
            for section in stream.sections
        ],
    }
    if phases:
        from vmstate.stream.phases import phase_of

        for section, described in zip(stream.sections, facts["sections"], strict=True):
            described["phase"] = str(phase_of(stream, section))
    if stream.cut is not None:
        from vmstate.cli.words import where_cut

        facts["cut"] = where_cut(stream)
    return facts


def show_json(stream: Stream, file: str | None, path: str | None, options: argparse.Namespace) -> None:
    """A stream as a line of JSON, or what is at a path in it; of several files with the name of the file."""
    if path is None:
        write_json(document(stream, raw=options.raw, phases=options.phases is not None))
        return
    value = at_path(stream, path)[2]
    plain = to_plain(value) if options.raw else value
    write_json(plain if file is None else {"file": file, "path": path, "value": plain})


def at_path(stream: Stream, path: str) -> tuple[Section | ConfigurationSection, Steps, Any]:
    """What is at a path: what holds it, the steps in that, the value. Raises `VMStateError` with the stream's name."""
    try:
        place = stream.find(path)
    except VMStateError as error:
        card = card_at(stream, path)
        if card is None:
            raise error.within(file=stream.name) from None
        return card
    # e1000e and igb call their registers so.
    return (card_at(stream, path) if isinstance(place[2], Sequence) else None) or place


def card_at(stream: Stream, path: str) -> tuple[Section, Steps, str] | None:
    """The network card that a path names the address of, CARD.mac, and the address; None where it does not."""
    name, _, last = path.rpartition(".")
    if last != "mac":
        return None
    from vmstate.rules.station import address_of

    with suppress(VMStateError):
        holder = stream.find(name)[0]
        if isinstance(holder, Section) and (address := address_of(stream, holder)) is not None:
            return holder, ("mac",), address
    return None


def write_json(value: Any) -> None:
    """JSON on standard output, in one line."""
    sys.stdout.write(json.dumps(value, default=json_value))
    sys.stdout.write("\n")


def json_value(value: Any) -> Any:
    """What the json module does not know."""
    return ram_value(value) if isinstance(value, RamSummary) else plain_value(value)


def ram_value(summary: RamSummary) -> dict[str, Any]:
    """A RAM section without the RAM."""
    blocks = [
        {"idstr": block.idstr, "used_length": block.used_length, "page_size": block.page_size, "gpa": block.gpa}
        for block in summary.blocks
    ]
    return {"total": summary.total, "blocks": blocks, "pages": summary.pages}
