"""--source TREE: what nothing else describes is described by QEMU's source."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from vmstate.stream.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.compare.source_sections import SourceDescriptions


def source_argument(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument(
        "--source",
        metavar="TREE",
        help="QEMU's source (a folder, or REPOSITORY@REVISION), for sections that nothing else describes",
    )


def source_of(options: argparse.Namespace) -> SourceDescriptions | None:
    """The descriptions of the tree that is told, if any. Raises `VMStateError` where there is no such tree."""
    if options.source is None:
        return None
    known: SourceDescriptions | None = getattr(options, "source_read", None)
    if known is None:
        from vmstate.compare.source_sections import SourceDescriptions

        # A tree is read once for all the files of a command line.
        known = options.source_read = SourceDescriptions.of_tree(options.source)
    return known


def describe(stream: Stream, options: argparse.Namespace) -> SourceDescriptions | None:
    """Decode what the option is for; what it was described by. Raises `VMStateError` where there is no such tree."""
    source = source_of(options)
    if source is not None:
        from vmstate.compare.source_sections import describe_by_source

        describe_by_source(stream, source)
    return source


def described(side: str | Stream, options: argparse.Namespace, opened: ExitStack) -> str | Stream:
    """A stream that a verb is given, read and described where the option is told; else as it is.

    `opened` closes what was read. Raises `VMStateError`.
    """
    if options.source is None or side == "-":
        return side
    if not isinstance(side, Stream):
        from vmstate.saved.loading import load

        side = opened.enter_context(load(side))
    describe(side, options)
    return side
