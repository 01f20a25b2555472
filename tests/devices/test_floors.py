"""How much of a stream the library describes by itself, by machine: all recorded streams with their vmdesc cut off."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from recorded import STREAMS, opened, plain

from vmstate import load
from vmstate.stream.ends import find_vmdesc

FLOORS = {
    "pc-q35": 0.003,
    "pc-i440fx": 0.003,
    "isapc": 0.003,
    "microvm": 0.0,
    "virt": 0.02,
}
"""Machine, and the share of its devices' sections that may be opaque."""


def machine_of(file: str) -> str:
    """The machine without its version, as the stream names it."""
    configuration = opened(file).configuration
    return "" if configuration is None else re.sub(r"-\d.*", "", configuration.machine)


@pytest.mark.slow
def test_what_is_opaque_without_a_vmdesc() -> None:
    sections: Counter[str] = Counter()
    opaque: dict[str, Counter[str]] = {machine: Counter() for machine in FLOORS}
    for file in STREAMS:
        machine = machine_of(file)
        if machine not in FLOORS:
            continue
        data = plain(file)
        text = find_vmdesc(memoryview(data))
        for section in load(data if text is None else data[: data.rindex(text) - 5]).sections:
            # What is sent in many pieces, as memory is, is no device's state.
            if section.is_ram or section.name in ("block", "dirty-bitmap"):
                continue
            sections[machine] += 1
            if section.described_by == "none":
                opaque[machine][section.name] += 1
    assert set(sections) == set(FLOORS)
    above = {
        machine: dict(names) for machine, names in opaque.items() if names.total() > FLOORS[machine] * sections[machine]
    }
    assert not above
