"""A device's section that came early, against one that came at the end alone: the same machine.

It comes never again where it may be left out, and at the end as well where it may not.

The states are those of `fuzz.states` and of recorded streams, one device at a time, in one real QEMU that takes them by
loadvm. `VMSTATE_LONG=1` takes ten times as many, and all the recorded streams.
"""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from grafts import LONG, graft, recorded_states, state_in
from machines import PROGRAM, needs_qemu

import vmstate
from vmstate.codec.asked import judge
from vmstate.early.copies import Choice, choose
from vmstate.early.provisional import by_library
from vmstate.errors import VMStateError
from vmstate.fuzz.grow import Grower
from vmstate.fuzz.source import RandomSource
from vmstate.fuzz.targets.loadvm import LongLived
from vmstate.fuzz.targets.qemu import read_seed, record
from vmstate.fuzz.verdict import ACCEPTED
from vmstate.qemu.process import Keeper
from vmstate.stream.registry import last_part
from vmstate.stream.stream import Section
from vmstate.vmsd.rule import judged

TIMES = 60 if LONG else 6
MACHINES = {
    "q35": ["-device", "pcie-root-port,id=rp,chassis=1", "-device", "VGA"],
    "pc": ["-device", "VGA"],
}


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@pytest.mark.parametrize("machine", MACHINES)
def test_early_is_the_same_as_at_the_end(machine: str, tmp_path: Path) -> None:
    path = tmp_path / "seed.mig"
    record([PROGRAM, "-M", machine, "-accel", "tcg", "-m", "16", "-S", "-nodefaults", *MACHINES[machine]], path)
    generator = random.Random(f"skipping {machine}")
    with vmstate.load(path) as stream, Keeper() as keeper:
        data, head = stream.to_bytes(), stream.sections[0].offset
        tried = {choice.key for choice in choose(stream.sections) if choice.copy is not None}
        sections = [section for section in stream.sections if (section.name, section.instance_id) in tried]
        assert len(sections) > 15
        names = {last_part(section.name) for section in sections}
        recorded = recorded_states(lambda name: last_part(name) in names)
        qemu = LongLived(read_seed(path), keeper, 20.0)
        same = {section.offset: 0 for section in sections}
        try:
            for section in sections:
                known = by_library(section.name, section.payload(), section.version_id)
                vmsd = type(known).vmsd  # type: ignore[attr-defined]
                pool = [state for state in recorded.get(last_part(section.name), ()) if type(state) is type(known)]
                for _ in range(10 if LONG else 3):
                    source = RandomSource(generator.randrange(1 << 60))
                    with suppress(VMStateError):
                        pool.append(Grower(vmsd, source, {"idstr": section.name}).grow(section.version_id))
                for _ in range(TIMES):
                    choice = grafted(section, pool[generator.randrange(len(pool))], generator)
                    if choice is None:
                        continue
                    assert choice.copy is not None
                    whole = choice.header + choice.payload + choice.footer
                    again = b"" if choice.may_skip else whole
                    before, after = data[head : section.offset], data[section.offset + section.size :]
                    if qemu.load(data[:head] + before + whole + after).kind != ACCEPTED:
                        # Nothing that any machine could have had: QEMU takes it at the end as little.
                        continue
                    at_the_end = state_in(qemu)
                    verdict = qemu.load(data[:head] + choice.copy + before + again + after)
                    assert verdict.kind == ACCEPTED, (section.name, verdict.message, whole.hex())
                    early = state_in(qemu)
                    differing = {key for key in at_the_end if at_the_end[key] != early.get(key)}
                    assert not differing, (section.name, differing, whole.hex())
                    same[section.offset] += 1
        finally:
            qemu.close()
    # Of each device there were some.
    assert all(same.values()), {section.name: same[section.offset] for section in sections}


def grafted(section: Section, values: object, generator: random.Random) -> Choice | None:
    """What is chosen for the section with other values; None where they break a rule of QEMU, or no copy is sent."""
    state = by_library(section.name, section.payload(), section.version_id)
    assert state is not None
    vmsd = type(state).vmsd
    graft(state, values, generator, generator.choice((0.05, 0.3, 1.0)))
    try:
        if any(judged(judge(vmsd, state, version_id=section.version_id, facts=None, own=None))):
            return None
        payload = vmsd.encode(state, version_id=section.version_id, force=True)
    except VMStateError:
        return None
    whole = section.header.to_bytes() + payload + section.footer.to_bytes()
    # Some states of a device are not sent early: a controller that runs.
    with vmstate.load(b"QEVM\0\0\0\3" + whole + b"\0") as stream:
        (choice,) = choose(stream.sections)
    return None if choice.copy is None else choice
