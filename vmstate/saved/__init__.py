"""What a machine is kept in, opened to the plain bytes of its migration stream.

A form in which bytes are kept is known by its first bytes, never by a file's name. What opens it gives plain bytes,
either piece by piece (`vmstate.saved.compressed`) or as a view of what is mapped already. `open_input` makes an `Input`
of them, bytes that are all at hand; `vmstate.load` reads the stream in it. Nothing below this room knows of files that
are read: the reader and `Stream` take bytes.
"""

from __future__ import annotations

from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.saved.memory import open_memory
    from vmstate.saved.opening import Input, StreamLike, open_input

__all__ = ["Input", "StreamLike", "open_input", "open_memory"]

if not TYPE_CHECKING:
    # A checker would take every name for one that is here.
    __getattr__, __dir__ = names_on_demand(
        globals(),
        {
            "vmstate.saved.memory": ("open_memory",),
            "vmstate.saved.opening": ("Input", "StreamLike", "open_input"),
        },
    )
