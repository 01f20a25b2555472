"""What a device says of itself when a QMP command asks for it.

Answers are data, beside the device: for every command a table from QMP's keys to functions. Each function is given an
`Ask`, reads what it needs of the state through that, and returns the value for the key, as JSON has it. Every read is
noted, so that an answer can be traced to the bytes it came from.

The table hangs on the class of the device (`@device(answers=...)`), and is imported when a command that it answers is
asked of a section.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from vmstate.vmsd.release import Release


class Ask(Protocol):
    """The state of one section, being asked; every read is noted."""

    def __call__(self, path: str) -> Any:
        """The value at a path from the state on; None where the stream has nothing there."""

    def part(self, path: str, start: int, size: int) -> bytes:
        """Some of the bytes of the value at a path."""

    def memory(self, address: int, size: int) -> bytes | None:
        """Guest memory from a guest physical address on; None where the stream does not have it."""

    @property
    def idstr(self) -> str:
        """The idstr of the section."""

    @property
    def argument(self) -> Mapping[str, Any]:
        """The arguments of the command."""

    @property
    def target_endian(self) -> str | None:
        """The byte order of the target, "little" or "big", where the stream tells it."""

    @property
    def release(self) -> Release | None:
        """The release of QEMU that saved, as far as it is known."""


class LeftOut(enum.Enum):
    """What a function returns for a key that is not in this answer."""

    LEFT_OUT = "left out"


LEFT_OUT: Final = LeftOut.LEFT_OUT

Keys = Mapping[str, Callable[[Ask], Any]]
"""QMP key -> its value. What the stream cannot know has no key."""

Questions = Mapping[str, Keys]
"""QMP command -> what the device has to say."""
