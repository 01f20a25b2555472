"""Broken files of every container: an error of ours in one line, or a stream; in bounded memory and time."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from broken_containers import KINDS, Kind, broken, opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmstate import verify
from vmstate.errors import VMStateError

MOST_MEMORY = 64 << 20
"""Bytes at most, of Python's own, for files of which none is larger than some megabytes."""

MOST_SECONDS = 10


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_whole_file_opens_and_its_tables_stand_inside(kind: Kind) -> None:
    data = kind.whole()
    assert all(0 <= at < len(data) and size > 0 for at, size in kind.stretches(data))
    with opened(kind, data) as stream:
        assert len(stream.sections) > 15 and any(stream.memory().read(0x101000, 0x2000))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(drawn=st.data())
def test_what_is_broken_is_said(kind: Kind, drawn: st.DataObject) -> None:
    data = drawn.draw(broken(kind))
    # What the recordings are stored in takes memory of its own.
    kind.main()
    begin = time.monotonic()
    tracemalloc.start()
    try:
        with opened(kind, data) as stream:
            assert stream.source is not None
            verify(stream, stream.source)
            stream.memory().read(0x100000, 9)
            list(stream.memory().missing())
    except VMStateError as error:
        assert str(error) and "\n" not in str(error)
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < MOST_MEMORY + 8 * len(data) and time.monotonic() - begin < MOST_SECONDS
