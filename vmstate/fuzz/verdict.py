"""What became of a case: what a target did with a mutated stream, and where."""

from __future__ import annotations

import re
from typing import Any

from vmstate.vmsd.data import Value

ACCEPTED = "accepted"
REFUSED = "refused"
CRASHED = "crashed"
HUNG = "hung"
MEMORY = "memory"
DIFFERS = "differs"
"""Accepted, and written back as other bytes; or two readings that do not agree."""
MISPREDICTED = "mispredicted"
"""`vmstate.check` said something else than the target did."""
LEFT = "left"
"""Loaded or refused, and something was left behind: the same QEMU does not take the good stream any more."""

BAD = frozenset((CRASHED, HUNG, MEMORY, DIFFERS, MISPREDICTED, LEFT))
"""The verdicts that are findings."""


class Verdict(Value):
    """What a target did: one of the kinds above, the message, and the place that findings are told apart by.

    `expected` is what was predicted, where there is a prediction to compare with; `reason` is the why of that.
    `by_loadvm` is what a QEMU that had taken other streams before did, where that was something else.
    """

    kind: str
    message: str = ""
    place: str = ""
    expected: str | None = None
    reason: str | None = None
    by_loadvm: str | None = None

    @property
    def is_finding(self) -> bool:
        """Whether somebody has to look at it."""
        return self.kind in BAD

    @property
    def key(self) -> str:
        """What all cases that are one finding have alike."""
        return f"{self.kind}: {self.place or generalised(self.message)}"

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {name: value for name, value in self.as_dict().items() if value not in (None, "")}


_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def generalised(message: str) -> str:
    """A message without its numbers and quoted texts: what all of its kind have in common."""
    return _NUMBERS.sub("N", _QUOTED.sub("'...'", message))[:200]
