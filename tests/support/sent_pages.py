"""Streams of nothing but memory, and what each page of it is in the end."""

from __future__ import annotations

import random
import struct

from hypothesis import strategies as st

PAGE = 4096
PAGES = 1500
NAME = b"\x06pc.ram"

Batch = tuple[str, int, int, int]
"""Kind, first page, pages between two, and how many."""


def records(batches: list[Batch], rng: random.Random) -> tuple[bytes, dict[int, bytes]]:
    """RAM records, and what each page is in the end. The first two show how large a page is."""
    out, model = bytearray(), {}
    named = False
    for kind, first, step, count in [("zero", 0, 1, 2), *batches]:
        for number in range(count):
            page = (first + number * step) % PAGES
            body = rng.randbytes(PAGE) if kind == "page" else b"\0"
            flags = (8 if kind == "page" else 2) | (0x20 if named else 0)
            out += struct.pack(">Q", page * PAGE | flags) + (b"" if named else NAME) + body
            model[page] = body.ljust(PAGE, b"\0")
            named = True
    return bytes(out), model


def stream_of(parts: list[bytes]) -> bytes:
    """A stream with nothing but memory, in so many parts."""
    machine = b"pc-q35-7.2"
    size = PAGES * PAGE
    out = b"QEVM" + struct.pack(">I", 3) + b"\x07" + struct.pack(">I", len(machine)) + machine
    out += b"\1" + struct.pack(">I", 2) + b"\3ram" + struct.pack(">II", 0, 4)
    out += struct.pack(">Q", size | 4) + NAME + struct.pack(">QQ", size, 0x10) + b"\x7e\0\0\0\2"
    for number, part in enumerate(parts):
        mark = b"\2" if number + 1 < len(parts) else b"\3"
        out += mark + struct.pack(">I", 2) + part + struct.pack(">Q", 0x10) + b"\x7e\0\0\0\2"
    return out + b"\0"


batches = st.lists(
    st.tuples(
        st.sampled_from(["page", "zero"]),
        st.integers(0, PAGES - 1),
        st.sampled_from([1, 1, 1, 1, 2, 3, 7, PAGES - 1]),
        st.integers(1, 400),
    ),
    min_size=1,
    max_size=8,
)
