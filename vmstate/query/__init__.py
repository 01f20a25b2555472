"""QMP's questions, asked of a saved machine."""

from __future__ import annotations

from vmstate.query.ask import ask
from vmstate.stream.stream import bind_ask

bind_ask(ask)
