"""QMP's questions, asked of a saved machine."""

from __future__ import annotations

from vmstate.query.ask import QueryOrigin

__all__ = ["QueryOrigin"]
