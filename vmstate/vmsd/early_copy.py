"""`EarlyCopy`: what real QEMUs did with a copy of a device's section that came in front of guest memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.release import Release


class EarlyCopy(NamedTuple):
    """What real QEMUs did with a copy of a device's section that came in front of guest memory, its bytes as they were.

    `twice`: the same section may come again at the end. `alone`: it may be left out there where its bytes are equal,
    since the early load has done all that the last would have. `tried` are the releases, `why` says what is against
    it. `subsections` are those that a copy may have, by their vmsd names: the machine decides them, not its guest, so
    that the last section has them too. `unless` says of a state why no copy of it is sent; None where nothing is
    against it.
    """

    twice: bool
    alone: bool
    tried: tuple[Release, ...]
    why: str = ""
    subsections: tuple[str, ...] = ()
    unless: Callable[[Any], str | None] | None = None
