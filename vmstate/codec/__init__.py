"""From descriptions to bytes and back."""

from __future__ import annotations

from vmstate.codec.codec import Codec
from vmstate.codec.records import Records
from vmstate.codec.runtime import TraceEntry
from vmstate.description.description import bind_codec

__all__ = ["Codec", "Records", "TraceEntry"]

bind_codec(Codec)
