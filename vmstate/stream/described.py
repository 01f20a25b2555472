"""The vmdesc that QEMU would have sent behind a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmstate.schema.vmdesc import DIALECTS, Dialect
from vmstate.schema.write import describe, json_text
from vmstate.stream.reader import page_size_of
from vmstate.vmsd.description import VMStateDescription

if TYPE_CHECKING:
    from vmstate.schema.write import Pairs
    from vmstate.stream.stream import Stream


def vmdesc_text(stream: Stream, dialect: Dialect | None) -> bytes:
    """The JSON text, in a dialect; without one in that of the stream's own vmdesc. Raises `VMStateError`."""
    vmdesc = stream.vmdesc
    dialect = dialect or (vmdesc.dialect if vmdesc is not None else DIALECTS["11.1"])
    top: Pairs = []
    if dialect.configuration and stream.configuration is not None:
        vmsd: VMStateDescription = stream.configuration.vmsd  # type: ignore[attr-defined]
        top.append(("configuration", describe(vmsd, stream.configuration, dialect)[0]))
    page_size = vmdesc.page_size if vmdesc is not None else None
    top.append(("page_size", page_size or page_size_of(stream.configuration)))
    devices = [section for section in stream.sections if section.kind == "full" and not section.is_ram]
    top.append(("devices", [section.describe(dialect) for section in devices]))
    return json_text(top, spaced=dialect.spaced).encode("utf-8", "surrogateescape")
