"""`EarlyCopy`: what real QEMUs did with a copy of a device's section that came in front of guest memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vmstate.vmsd.data import NamedTuple
from vmstate.vmsd.release import Release


class BehindMemory(NamedTuple):
    """What real QEMUs did with a section that came behind those pages of guest memory that its load reads.

    The same section may come again at the end, or be left out there where its bytes are equal and what its load read is
    as it was. `reads` takes the state and guest memory (`read`, `read_all`, `has`), reads there what the load does, and
    says what is against the load; None where nothing is. `spans` are (address, size in bytes) of all that it may read.
    `writes`: the load writes into what it reads, so that a page that comes again undoes it, whatever is in it. `tried`
    are the releases.
    """

    reads: Callable[[Any, Any], str | None]
    spans: Callable[[Any], Iterable[tuple[int, int]]]
    writes: bool
    tried: tuple[Release, ...]


class EarlyCopy(NamedTuple):
    """What real QEMUs did with a copy of a device's section that came in front of guest memory.

    `twice`: the same section may come again at the end. `alone`: it may be left out there where its bytes are equal,
    since the early load has done all that the last would have. `tried` are the releases, `why` says what is against
    it. `subsections` are those that a copy may have, by their vmsd names: the machine decides them, not its guest, so
    that the last section has them too. `unless` says of a state why no copy of it is sent; None where nothing is
    against it. `behind` is what was done with a copy behind guest memory; None where that was not tried. `provisional`
    makes the state that the copy has of one of the device, which it changes; None where a copy is as the state was.
    """

    twice: bool
    alone: bool
    tried: tuple[Release, ...]
    why: str = ""
    subsections: tuple[str, ...] = ()
    unless: Callable[[Any], str | None] | None = None
    behind: BehindMemory | None = None
    provisional: Callable[[Any], None] | None = None
