"""Sources of a stream that are no path: bytes, a binary file object, standard input."""

from __future__ import annotations

import sys

from vmstate.errors import StreamError
from vmstate.files import PIECE
from vmstate.saved.opening import LONGEST_MAGIC, BinaryFile, Input, collected, form_of, open_file, plain_pieces

STDIN_NAME = "<stdin>"


def open_without_path(source: object, limit: int) -> Input:
    """Open "-" (standard input), bytes, or a binary file object. Raises `StreamError`; TypeError for anything else."""
    if source == "-":
        return _open_stdin(limit)
    view = _view_of(source)
    if view is not None:
        return _open_bytes(view, limit)
    if not isinstance(source, BinaryFile):
        raise TypeError("a path, bytes or a binary file object is needed")
    name = getattr(source, "name", None)
    return open_file(source, name if isinstance(name, str) else "<stream>", limit)


def _open_stdin(limit: int) -> Input:
    file = getattr(sys.stdin, "buffer", None)
    if file is None:
        raise StreamError("there is no standard input to read bytes from", file=STDIN_NAME)
    return open_file(file, STDIN_NAME, limit)


def _view_of(source: object) -> memoryview | None:
    """The bytes of an object that has the buffer protocol, as one row of bytes."""
    try:
        view = memoryview(source)  # type: ignore[arg-type]
    except TypeError:
        return None
    try:
        return view.cast("B")
    except (TypeError, ValueError):  # strided, or of a format that has no cast
        return memoryview(view.tobytes())


def _open_bytes(view: memoryview, limit: int) -> Input:
    name = "<bytes>"
    form = form_of(view[:LONGEST_MAGIC])
    if form is None:
        return Input(view.toreadonly(), name)
    slices = (bytes(view[at : at + PIECE]) for at in range(0, len(view), PIECE))
    return collected(plain_pieces(slices, form, name), name, limit)
