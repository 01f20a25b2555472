"""`--channel F`: what else was recorded of a migration, beside its main stream."""

from __future__ import annotations

import argparse
import os

from vmstate.errors import VMStateError
from vmstate.saved.channels import MainChannel


def bind(options: argparse.Namespace) -> None:
    """Have the one file that a verb reads know of the further channels. Raises `VMStateError` where there are more."""
    attribute = next((name for name in ("files", "streams") if getattr(options, name, None)), "file")
    value = getattr(options, attribute, None)
    words = value if isinstance(value, list) else [str(value)]
    # A path into a stream may stand among the files.
    files = [word for word in words if len(words) == 1 or os.path.exists(word)]
    if len(files) != 1 or not isinstance(files[0], str) or files[0] == "-":
        raise VMStateError(
            "further channels belong to one FILE",
            expected="one file, or a folder in the place of each",
            found=str(len(files)),
        )
    main = MainChannel(files[0])
    main.further = tuple(options.channel)
    setattr(options, attribute, [main if word is files[0] else word for word in words] if value is words else main)
