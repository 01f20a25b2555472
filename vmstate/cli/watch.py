"""`vmstate watch`: what changes in a running machine."""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vmstate.cli.diff import change_document
from vmstate.cli.numbers import one_or_more, seconds
from vmstate.compare.diff import diff
from vmstate.compare.noise import KINDS
from vmstate.compare.text import line
from vmstate.errors import VMStateError, one_line
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.path import format_path

if TYPE_CHECKING:
    from vmstate.qemu.monitor import Monitor


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("--qmp", metavar="SOCKET", required=True, help="the machine's monitor: unix:PATH")
    parser.add_argument(
        "paths",
        metavar="SECTION[.PATH]",
        nargs="*",
        help="only what is there, noise such as counters too (all, no noise)",
    )
    parser.add_argument("--every", metavar="SECONDS", type=seconds, default=1.0, help="between two looks (1)")
    parser.add_argument("--count", metavar="N", type=one_or_more, help="end after so many looks (never)")
    parser.add_argument("--all", action="store_true", help="noise counts as well")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: a line for each change")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look again and again, and print what is not as it was."""
    from vmstate.qemu.live import connected

    if options.count is not None and options.count < 2:
        raise VMStateError("a change is between two looks", expected="--count 2 or more", found=str(options.count))
    with connected(options.qmp) as monitor:
        before, looks = _look(monitor, options.qmp), 1
        only = [_whole_path(before, path) for path in options.paths]
        while options.count is None or looks < options.count:
            time.sleep(options.every)
            after = _look(monitor, options.qmp)
            _print_changes(before, after, only, options)
            before, looks = after, looks + 1
    return 0


def _look(monitor: Monitor, address: str) -> Stream:
    from vmstate.qemu.live import live_state
    from vmstate.saved.loading import load
    from vmstate.saved.opening import Input

    try:
        return load(Input(memoryview(live_state(monitor).stream()), address))
    except VMStateError as error:
        raise error.within(file=address) from None


def _whole_path(stream: Stream, path: str) -> str:
    """What a path means in full: of it everything is told. Raises `PathError`."""
    holder, steps, _ = stream.find(path)
    name = f"{holder.name}#{holder.instance_id}" if isinstance(holder, Section) else "configuration"
    inside = format_path(steps)
    return f"{name}.{inside}" if inside and not inside.startswith("[") else name + inside


def _print_changes(before: Stream, after: Stream, only: list[str], options: argparse.Namespace) -> None:
    noise = () if options.all or only else KINDS
    when = datetime.now(UTC)
    for change in diff(before, after, noise=[*noise], only=only).changes:
        number = f"#{change.instance_id}" if change.instance_id else ""
        if options.format == "json":
            print(json.dumps({"time": when.isoformat(), **change_document(change)}), flush=True)
        else:
            print(one_line(f"{when:%H:%M:%S.%f}"[:12] + f"  {change.section}{number}: {line(change)}"), flush=True)
