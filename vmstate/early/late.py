"""Copies that wait for guest memory: which pages of a migration they wait for, and when they may be sent.

    late = LateCopies(page_size=4096)
    late.wait_for_pages_of(choice)
    late.begin_block("pc.ram")
    if offset in late.awaited:
        late.has_come(offset, content)
    for choice in late.due(): ...
    late.may_skip(choice)

What is read of memory, and held against what comes later, is `vmstate.early.arrivals`'; this is all copies of one
migration together, as `vmstate.early.forward` asks for them while it passes RAM on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from vmstate.early.arrivals import NO_PAGES, Arrivals, LateCopy
from vmstate.early.copies import Choice, Key
from vmstate.errors import StreamError


class LateCopies:
    """The copies of a migration that wait for pages, of `page_size` bytes each.

    `awaited` are the pages of the block whose records come now that a copy waits for, by their offset, and what is in
    them. `sent` are the copies that were sent behind their pages, in their order. `has_other_channels` says whether
    pages may come where they are not seen.
    """

    def __init__(self, page_size: int, has_other_channels: Callable[[], bool] = lambda: False) -> None:
        self.awaited: dict[int, bytes | None] = NO_PAGES
        self.sent: list[Choice] = []
        self._has_other_channels = has_other_channels
        self._arrivals = Arrivals(page_size)
        self._waiting: dict[Key, tuple[Choice, LateCopy]] = {}
        self._block = ""

    def __bool__(self) -> bool:
        """Whether there is any, sent or not."""
        return bool(self._waiting)

    def wait_for_pages_of(self, choice: Choice) -> None:
        """Send this copy, and no earlier one of the section, once its pages are there; nothing where it needs none."""
        if choice.behind is None:
            return
        if not self._is_sent(choice.key):
            self.drop(choice.key)
        # Where the machine has no memory where the section says, the last one comes as it is.
        with suppress(StreamError):
            self._waiting[choice.key] = choice, LateCopy(choice.behind, choice.payload, self._arrivals)
        self.begin_block(self._block)

    def drop(self, key: Key) -> None:
        """Send no copy of a section any more."""
        self._waiting.pop(key, None)

    def forget_pages(self) -> None:
        """Pages come where they are not seen: nothing may wait for them, or be held against them."""
        self._waiting.clear()
        self.awaited = NO_PAGES

    def begin_block(self, name: str) -> None:
        """The records that follow are of this block of RAM."""
        self._block = name
        self.awaited = self._arrivals.by_block.get(name, NO_PAGES) if self._waiting else NO_PAGES

    def has_come(self, offset: int, content: bytes | None) -> None:
        """Take an awaited page of the block; None for content that is not told by what has come alone."""
        self.awaited[offset] = content
        page = self._block, offset
        for _, late in self._waiting.values():
            if late.is_sent:
                late.came_again(page)

    def due(self) -> list[Choice]:
        """The copies whose pages are there, and whose load would do now what the last one will."""
        there = [
            (choice, late)
            for choice, late in self._waiting.values()
            if not late.is_sent and late.refused is None and late.is_there
        ]
        if there and self._has_other_channels():
            self.forget_pages()
            return []
        return [choice for choice, late in there if late.may_be_sent()]

    def mark_sent(self, choice: Choice) -> None:
        """A copy that was due is sent now."""
        _, late = self._waiting[choice.key]
        late.is_sent = True
        self.sent.append(choice)

    def may_skip(self, choice: Choice) -> bool | None:
        """Whether a section may be left out where it is equal to its copy; None where none was sent behind pages."""
        if not self._is_sent(choice.key):
            return None
        _, late = self._waiting[choice.key]
        return not late.is_undone and late.payload == choice.payload

    def _is_sent(self, key: Key) -> bool:
        waiting = self._waiting.get(key)
        return waiting is not None and waiting[1].is_sent
