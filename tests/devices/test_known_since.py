"""The release from which on QEMU knows a subsection, held against the names in the sources of all releases from 4.2 on.

`fixtures/source/subsections.json` (make source-facts) has of each subsection that came after 4.2 the last of these
releases whose source does not name it, and the first that does.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from vmstate.stream.registry import all_descriptions, known_names
from vmstate.vmsd.release import Release
from vmstate.vmsd.rule import KNOWN_SINCE

FIRST_NAMED = Path(__file__).resolve().parents[2] / "fixtures/source/subsections.json"

IN_STABLE = {"cpu/timer": Release(10, 0), "pflash_cfi01_blk_write": Release(7, 2)}
"""Subsections that a stable branch took over from a later release: from which one on is the library's to say."""


RELEASES = [f"{major}.{minor}" for major in range(4, 12) for minor in range(3) if (4, 2) <= (major, minor) <= (11, 0)]
OLDEST_TOLD = Release(5, 2)
AFTER_THE_SOURCE = {
    "cpu/fpmr": Release(11, 1),
    "cpu/mseccfg": Release(10, 0),
    "tpm-crb/chunk": Release(11, 0),
}
"""What QEMUs have that are later than the newest source (of February 2026); the second in stable branches, too."""

WITHIN = {"cpu/cet_shstk": "cpu/cet", "vhost-inflight-region/buffer": "vhost-user-blk/inflight"}
"""Subsections within one that came with the same release, of which it is said."""


def known_since_of_the_library() -> dict[str, set[Release | None]]:
    """Of each subsection of the library the releases that its descriptions say, None where one says nothing."""
    known: dict[str, set[Release | None]] = {}
    for idstr in known_names():
        for vmsd in all_descriptions(idstr):
            for part in vmsd.walk():
                for sub in part.subsections:
                    told = {rule.local.evaluate(None) for rule in sub.vmsd.rules if rule.id == KNOWN_SINCE}
                    known.setdefault(sub.vmsd.name, set()).update(told or {None})
    return known


def test_each_subsection_is_known_since_the_release_that_names_it_first() -> None:
    """Exactly: the releases of the table follow one another. What came up to 5.2 need not be said."""
    known = known_since_of_the_library()
    wrong = {}
    for name, (last_without, first_with) in json.loads(FIRST_NAMED.read_text()).items():
        assert (last_without, first_with) in pairwise(RELEASES)
        first = Release.read(first_with)
        unsaid = {None} if first <= OLDEST_TOLD else set()
        if not known[WITHIN.get(name, name)] <= {IN_STABLE.get(name, first)} | unsaid:
            wrong[name] = (first_with, known[name])
    assert not wrong


def test_whatever_is_said_of_a_subsection_is_in_the_table() -> None:
    """But for what came after the newest source."""
    known = known_since_of_the_library()
    named = json.loads(FIRST_NAMED.read_text())
    later = {name: releases for name, releases in known.items() if releases != {None} and name not in named}
    assert later == {name: {release} for name, release in AFTER_THE_SOURCE.items()}


def test_a_release_that_is_wrong_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(IN_STABLE, "clock/muldiv", Release(6, 1))
    with pytest.raises(AssertionError, match="clock/muldiv"):
        test_each_subsection_is_known_since_the_release_that_names_it_first()
