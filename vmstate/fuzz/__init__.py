"""Fuzzing: states and streams that are right by construction, streams that are wrong in one place, and who reads them.

    states, streams          strategies of hypothesis, for the tests of any project
    Subject, mutate, ...     a stream cut into places, and mutations that have a name and a path
    Campaign                 many mutated streams through a target; findings deduplicated, minimised, kept

Only the strategies, and the database that keeps examples, need hypothesis (`pip install qemu-vmstate[fuzz]`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vmstate.errors import VMStateError

if TYPE_CHECKING:
    from vmstate.fuzz.grow import Grower as Grower
    from vmstate.fuzz.source import BytesSource as BytesSource
    from vmstate.fuzz.source import RandomSource as RandomSource
    from vmstate.fuzz.source import Source as Source
    from vmstate.fuzz.strategies import states as states
    from vmstate.fuzz.strategies import streams as streams

_WHERE = {
    "BytesSource": "source",
    "Grower": "grow",
    "RandomSource": "source",
    "Source": "source",
    "states": "strategies",
    "streams": "strategies",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "hypothesis":
            raise
        raise VMStateError("hypothesis is not installed: pip install 'qemu-vmstate[fuzz]'") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
