"""--source TREE: what nothing else describes is described by QEMU's source."""

from __future__ import annotations

import argparse

from vmstate.stream.stream import Stream


def source_argument(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument(
        "--source",
        metavar="TREE",
        help="QEMU's source (a folder, or REPOSITORY@REVISION), for sections that nothing else describes",
    )


def describe(stream: Stream, options: argparse.Namespace) -> None:
    """Decode what the option is for. Raises `VMStateError` where there is no such tree."""
    if options.source is not None:
        from vmstate.compare.source_sections import describe_by_source

        describe_by_source(stream, options.source)
