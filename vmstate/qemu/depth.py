"""How deep JSON of others may nest."""

from __future__ import annotations

from typing import Any

DEEPEST = 64
"""Far over what QEMU says, and under what Python can write again."""


def is_shallow(value: Any) -> bool:
    """Whether JSON values nest no deeper than that."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return True
    return False
