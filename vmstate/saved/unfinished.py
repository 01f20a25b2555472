"""What was still being written when it was kept: told by a warning, and read as far as it goes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from vmstate.errors import UnfinishedWarning, VMStateError, one_line
from vmstate.stream.cut import whole_parts

if TYPE_CHECKING:
    from vmstate.saved.opening import Input
    from vmstate.stream.stream import Stream


def tell_unfinished(name: str, what: str) -> None:
    """Warn of a file."""
    # Each time anew: the file may have been written on, and whoever asks once more is told once more.
    warnings.warn_explicit(one_line(f"{name}: {what}"), UnfinishedWarning, filename="vmstate", lineno=0)


def what_is_there(opened: Input, failure: VMStateError) -> Stream:
    """The stream in a file that breaks off: its parts up to there, with the reason in its `cut`, and with a warning.

    `failure` is why it was refused; it is raised again where it does not break off, or where nothing of it is whole.
    """
    stream = whole_parts(opened, failure)
    assert stream.cut is not None
    tell_unfinished(str(opened.name), f"it breaks off, and what is there is read: {stream.cut.named('')}")
    return stream
