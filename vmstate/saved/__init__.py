"""What a machine is kept in, opened to the plain bytes of its migration stream.

A form in which bytes are kept is known by its first bytes, never by a file's name. What opens it gives plain bytes,
either piece by piece (`vmstate.saved.compressed`) or as a view of what is mapped already. `open_input` makes an `Input`
of them, bytes that are all at hand; `load` reads the stream in it. Nothing below this room knows of files that are
read: the reader and `Stream` take bytes.
"""

from __future__ import annotations

from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.saved.loading import load
    from vmstate.saved.opening import Input, open_input
    from vmstate.saved.thin import thin

__all__ = ["Input", "load", "open_input", "thin"]

if not TYPE_CHECKING:
    # A checker would take every name for one that is here.
    __getattr__, __dir__ = names_on_demand(
        globals(),
        {
            "vmstate.saved.loading": ("load",),
            "vmstate.saved.opening": ("Input", "open_input"),
            "vmstate.saved.thin": ("thin",),
        },
    )
