"""Before any test: Ctrl-C works, and what is run for every recorded stream is marked slow for most of them.

So `-m "not slow and not qemu"`, which is `make quick`, reads a thin stream of each release.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from recorded import FIXTURES, QUICK, STREAMS

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the tests in the background has them ignore it, and what they start too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW_STREAMS = frozenset(STREAMS) - frozenset(QUICK)


def is_slow_stream(parameter: Any) -> bool:
    """Whether a test's parameter is a recorded stream, by its path, that is not of the few."""
    if isinstance(parameter, Path) and parameter.is_relative_to(FIXTURES):
        parameter = str(parameter.relative_to(FIXTURES))
    return isinstance(parameter, str) and parameter in SLOW_STREAMS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and any(map(is_slow_stream, callspec.params.values())):
            item.add_marker(pytest.mark.slow)
