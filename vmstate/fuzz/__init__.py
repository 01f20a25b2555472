"""Fuzzing: states and streams that are right by construction, streams that are wrong in one place, and who reads them.

    states, streams          strategies of hypothesis, for the tests of any project
    Subject, mutate, ...     a stream cut into places, and mutations that have a name and a path
    Campaign                 many mutated streams through a target; findings deduplicated, minimised, kept

Only the strategies, and the database that keeps examples, need hypothesis (extra `fuzz`).
"""

from __future__ import annotations

from vmstate.errors import VMStateError
from vmstate.lazy import names_on_demand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmstate.fuzz.campaign import Campaign, Settings
    from vmstate.fuzz.grow import Grower
    from vmstate.fuzz.mutate import MUTATORS, Mutation, attempt
    from vmstate.fuzz.source import BytesSource, ChoiceSource, RandomSource
    from vmstate.fuzz.strategies import states, streams
    from vmstate.fuzz.subject import Subject, read_subject

__all__ = [
    "MUTATORS",
    "BytesSource",
    "Campaign",
    "ChoiceSource",
    "Grower",
    "Mutation",
    "RandomSource",
    "Settings",
    "Subject",
    "attempt",
    "read_subject",
    "states",
    "streams",
]

if not TYPE_CHECKING:
    _get, __dir__ = names_on_demand(
        globals(),
        {
            "vmstate.fuzz.campaign": ("Campaign", "Settings"),
            "vmstate.fuzz.grow": ("Grower",),
            "vmstate.fuzz.mutate": ("MUTATORS", "Mutation", "attempt"),
            "vmstate.fuzz.source": ("BytesSource", "RandomSource", "ChoiceSource"),
            "vmstate.fuzz.strategies": ("states", "streams"),
            "vmstate.fuzz.subject": ("Subject", "read_subject"),
        },
    )

    def __getattr__(name):
        try:
            return _get(name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "hypothesis":
                raise
            raise VMStateError("hypothesis is not installed: pip install hypothesis") from None
