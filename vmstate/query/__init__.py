"""QMP's questions, asked of a saved machine."""

from __future__ import annotations

from vmstate.query.ask import Source, ask
from vmstate.stream.stream import bind_ask

__all__ = ["Source"]

bind_ask(ask)
