"""What `vmstate info` says of blocks of memory that a stream leaves out (x-ignore-shared)."""

from __future__ import annotations

from typing import Any

from vmstate.errors import one_line
from vmstate.files import size_text
from vmstate.stream.reader import StreamReader
from vmstate.stream.stream import Stream


def add_left_out(stream: Stream, facts: dict[str, Any]) -> None:
    """The blocks of which there is no record, or no place in a mapped-ram file, as `left_out`; a stream that breaks
    off, or whose further channels were not given, does not tell.
    """
    ram, source = stream.ram, stream.input
    if stream.cut or source is None or ("multifd flush" in ram.firsts and not stream.channels):
        return
    blocks = {
        each.idstr: size_text(each.used_length) for each in ram.blocks if not (each.mapped and each.mapped.pages_offset)
    }
    end = max(part.state.offset + part.state.size for part in stream.sections if part.is_ram)
    for event in StreamReader.over(source.data, origin=source.origin).events():
        if event.offset >= end or not blocks:
            break
        blocks.pop(getattr(event, "block", ""), None)
    if blocks:
        listed = ", ".join(f"{one_line(name)} ({size})" for name, size in blocks.items())
        wanted = " ".join(f"--memory {one_line(name)}=FILE" for name in blocks)
        text = f"not in it, but in a file of its own: {listed}; ram needs {wanted}"
        facts["left_out"] = {"blocks": [*blocks], "text": text}
