"""--source TREE: what nothing else describes is described by QEMU's source."""

from __future__ import annotations

import argparse

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
    from vmstate.compare.source_sections import SourceDescriptions

    return SourceDescriptions.of_tree(options.source)


def describe(stream: Stream, options: argparse.Namespace) -> SourceDescriptions | None:
    """Decode what the option is for; what it was described by. Raises `VMStateError` where there is no such tree."""
    source = source_of(options)
    if source is not None:
        from vmstate.compare.source_sections import describe_by_source

        describe_by_source(stream, source)
    return source
