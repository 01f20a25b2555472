"""From descriptions to bytes and back."""

from __future__ import annotations

from vmstate.codec.codec import Codec
from vmstate.codec.records import Records
from vmstate.codec.simulate import load_state, save_state

__all__ = ["Codec", "Records", "load_state", "save_state"]
