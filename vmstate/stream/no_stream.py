"""What is told of bytes that do not begin as a stream does."""

from __future__ import annotations

from vmstate.errors import StreamError
from vmstate.stream.events import MAGIC


def not_a_stream(head: bytes, *, file: str | None = None) -> StreamError:
    """The error about what begins with `head`, of which as many bytes count as a stream's magic has."""
    start = head[: len(MAGIC)]
    text = _text_in(start)
    what, found = "", start.hex() or "nothing"
    expected = f'"{MAGIC.decode()}", {MAGIC.hex()}'
    if text:
        found = f"{text!r}, {found}"
        what = ", but JSON" if text[0] in "{[" else ", but text"
        if text[0] in "{[":
            expected += "; `vmstate encode` takes JSON that `vmstate decode` wrote"
    return StreamError(f"not a migration stream{what}", file=file, offset=0, expected=expected, found=found)


def _text_in(start: bytes) -> str:
    """The text that some bytes are, without the white space around it; nothing where they are none."""
    try:
        text = start.decode().strip()
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() or text[:1] in ("{", "[") else ""
