"""The release from which on QEMU knows a subsection, held against the names in the sources of 13 releases.

`fixtures/source/subsections.json` (make source-facts) has of each subsection that came after 5.2 the last of these
releases whose source does not name it, and the first that does.
"""

from __future__ import annotations

import json
from pathlib import Path

from vmstate.stream.registry import all_descriptions, known_names
from vmstate.vmsd.release import Release
from vmstate.vmsd.rule import KNOWN_SINCE

FIRST_NAMED = Path(__file__).resolve().parents[2] / "fixtures/source/subsections.json"

IN_STABLE = {"cpu/timer": Release(10, 0), "pflash_cfi01_blk_write": Release(7, 2)}
"""Subsections that a stable branch took over from a later release: from which one on is the library's to say."""


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
    known = known_since_of_the_library()
    wrong = {}
    for name, (last_without, first_with) in json.loads(FIRST_NAMED.read_text()).items():
        low, high = Release.read(last_without), Release.read(first_with)
        if name in IN_STABLE:
            assert known[name] == {IN_STABLE[name]}
            continue
        if not all(release is not None and low < release <= high for release in known[name]):
            wrong[name] = (last_without, first_with, known[name])
    assert not wrong
