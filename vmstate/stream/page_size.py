"""The target page size of a stream that does not say it: taken from the first records of memory."""

from __future__ import annotations

from vmstate.stream.ram import DEFAULT_PAGE_SIZE, Arrived, RamScanner
from vmstate.stream.ram_records import BODY_OF_KIND, CONTINUE, KIND_OF_FLAG, MARKS

# The smallest first: what is looked at under one size is there if the pages are larger.
_LIKELY_PAGES = tuple(1 << bits for bits in range(8, 17))
_LOOKED_AT = 64  # records at most


def likely_page_size(scanner: RamScanner, source: Arrived, at: int) -> int | None:
    """The page size under which the records from `at` on are a page apart; None where more bytes are needed."""
    for size in _LIKELY_PAGES:
        # Zero pages that are sent with gaps look like larger ones, for a while.
        apart = _are_apart(scanner, source, at, size, 1 if size <= DEFAULT_PAGE_SIZE else 4)
        if apart is None:
            return None
        if apart:
            return size
    return DEFAULT_PAGE_SIZE


def _are_apart(scanner: RamScanner, source: Arrived, at: int, size: int, steps: int) -> bool | None:
    """Whether pages of `size` follow each other for so many steps; None where bytes are missing.

    From block to block is no step: of a block of one page that is zero any size can be.
    """
    previous: int | None = None
    for _ in range(_LOOKED_AT):
        if not steps:
            return True
        header = scanner.be64(source, at, "the header of a RAM record")
        if header is None:
            return None
        flags, address = header & (size - 1), header & ~(size - 1)
        if header in MARKS:
            return size == DEFAULT_PAGE_SIZE
        kind = KIND_OF_FLAG.get(flags & ~CONTINUE)
        if kind not in ("page", "zero"):
            return False
        at += 8
        if flags & CONTINUE:
            if previous is None or address != previous + size:
                return False
            steps -= 1
        else:
            name = scanner.block_name(source, at)
            if name is None:
                return None
            if not scanner.is_listed(name):
                return False
            at += 1 + len(name)
        previous = address
        body = size if kind == "page" else 1
        if not scanner.has(source, at, body, BODY_OF_KIND[kind]):
            return None
        at += body
    return False
