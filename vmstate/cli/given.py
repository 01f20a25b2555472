"""`--channel`, `--snapshot` and `--offset`: what belongs to the one FILE of a verb, and where in it the stream is."""

from __future__ import annotations

import argparse
import os

from vmstate.errors import VMStateError
from vmstate.saved.parts import GivenFile


def bind(options: argparse.Namespace) -> None:
    """Have the one file that a verb reads know what was told of it. Raises `VMStateError` where there are more."""
    snapshot, offset = options.snapshot, options.offset
    channels = tuple(getattr(options, "channel", None) or ())
    if snapshot is not None and offset is not None:
        raise VMStateError("a stream is in a snapshot or at an offset", expected="--snapshot or --offset")
    attribute = next((name for name in ("files", "streams") if getattr(options, name, None)), "file")
    value = getattr(options, attribute, None)
    words = value if isinstance(value, list) else [] if value is None else [str(value)]
    # A path into a stream may stand among the files.
    files = [word for word in words if len(words) == 1 or os.path.exists(word)]
    if len(files) != 1 or not isinstance(files[0], str) or (channels and files[0] == "-"):
        raise VMStateError(
            "further channels belong to one FILE" if channels else "a snapshot and an offset are those of one FILE",
            expected="one file, or a folder in the place of each" if channels else "one file, or FILE@PART of each",
            found=str(len(files)),
        )
    given = GivenFile.of(files[0], snapshot, None if offset is None else bytes_of(offset), channels)
    setattr(options, attribute, [given if word is files[0] else word for word in words] if value is words else given)


def bytes_of(text: str) -> int:
    """An offset in any base that Python writes. Raises `VMStateError`."""
    try:
        offset = int(text, 0)
    except ValueError:
        offset = -1
    if offset < 0:
        raise VMStateError("an offset is needed", expected="a number of bytes, as 4096 or 0x1000", found=text)
    return offset
