"""How much of a stream the library describes by itself, by machine: all recorded streams with their vmdesc cut off."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from recorded import BOARDS, STREAMS, board, plain, without_vmdesc

from vmstate import load

FLOORS = {
    "pc-q35": 0.003,
    "pc-i440fx": 0.003,
    "isapc": 0.003,
    "microvm": 0.0,
    "virt": 0.02,
    "s390-ccw-virtio": 0.02,
    "pseries": 0.02,
    "mac99": 0.0,
    "g3beige": 0.0,
    "ppce500": 0.0,
    "sam460ex": 0.0,
    "bamboo": 0.0,
    "40p": 0.0,
    "amigaone": 0.0,
    "virtex-ml507": 0.0,
}
"""Machine, and the share of its devices' sections that may be opaque."""


def machine_of(data: bytes) -> str:
    """The machine without its version, as the stream names it."""
    configuration = load(data).configuration
    return "" if configuration is None else re.sub(r"-\d.*", "", configuration.machine)


@pytest.mark.slow
def test_what_is_opaque_without_a_vmdesc() -> None:
    sections: Counter[str] = Counter()
    opaque: dict[str, Counter[str]] = {machine: Counter() for machine in FLOORS}
    for data in (*map(plain, STREAMS), *map(board, BOARDS)):
        machine = machine_of(data)
        if machine not in FLOORS:
            continue
        for section in load(without_vmdesc(data)).sections:
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
