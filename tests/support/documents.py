"""The documents and the blocks of code in them; the rooms of the public face."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

ROOMS = [
    "vmstate",
    "vmstate.compare",
    "vmstate.declare",
    "vmstate.early",
    "vmstate.errors",
    "vmstate.events",
    "vmstate.fuzz",
    "vmstate.lab",
    "vmstate.query",
    "vmstate.rules",
    "vmstate.saved",
    "vmstate.schema",
    "vmstate.stream",
]
"""The modules whose `__all__` is public."""

FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: the line it stands on, its language, its marks, its text, and where it ends."""

    line: int
    language: str
    marks: tuple[str, ...]
    body: str
    start: int
    end: int


def blocks_of(text: str) -> list[Block]:
    """The fenced blocks of a document."""
    blocks = []
    for match in FENCE.finditer(text):
        language, *marks = match["info"].split() or [""]
        line = text.count("\n", 0, match.start()) + 1
        blocks.append(Block(line, language, tuple(marks), match["body"], match.start(), match.end()))
    return blocks
