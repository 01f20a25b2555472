"""Provisional states of virtio devices in a real QEMU: each loads in front of empty memory and leaves nothing behind.

The states are those of `fuzz.states` and of the recorded streams, with what the host decides (how many queues, what a
bus says of itself, which ports there are) as the machine has it: with anything else the last section is refused, too.
`VMSTATE_LONG=1` takes 2,000 of them in place of 200, and all the recorded streams.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from grafts import LONG, graft, recorded_states, state_in
from machines import BARE, NIC, needs_qemu

import vmstate
from vmstate.codec.asked import judge
from vmstate.early.copies import PROVISIONAL, choose
from vmstate.early.provisional import by_library, provisional
from vmstate.errors import VMStateError
from vmstate.fuzz.grow import Grower
from vmstate.fuzz.source import RandomSource
from vmstate.fuzz.targets.loadvm import LongLived
from vmstate.fuzz.targets.qemu import read_seed, record
from vmstate.fuzz.verdict import ACCEPTED
from vmstate.qemu.process import Keeper
from vmstate.stream.registry import last_part, virtio_id_of
from vmstate.stream.stream import Section
from vmstate.vmsd.rule import judged


def cards(bus: str) -> list[str]:
    """Virtio devices on a transport."""
    devices = [f"virtio-{name}-{bus}" for name in ("rng", "balloon", "serial", "scsi")]
    nic = ["-netdev", "user,id=n9", "-device", f"virtio-net-{bus},netdev=n9,mac=52:54:00:12:34:59"]
    return nic + [word for device in devices for word in ("-device", device)]


def machine_of(program: str, machine: str, bus: str) -> list[str]:
    return [program, "-M", machine, "-accel", "tcg", "-nodefaults", "-m", "16", "-S", *cards(bus)]


_PACKED = "virtio-net-pci,netdev=n1,packed=on,disable-legacy=on,romfile="
_LEGACY = "virtio-net-pci,netdev=n2,disable-modern=on,disable-legacy=off,romfile="
PCI = [
    *(*BARE, "-m", "16", "-S", *NIC),
    *("-netdev", "user,id=n1", "-device", _PACKED, "-netdev", "user,id=n2", "-device", _LEGACY),
    *("-blockdev", "null-co,node-name=b0,size=65536,read-only=on", "-device", "virtio-blk-pci,drive=b0"),
    *("-device", "virtio-scsi-pci", "-device", "virtio-balloon-pci", "-device", "virtio-rng-pci"),
    *("-device", "virtio-serial-pci", "-chardev", "null,id=c0", "-device", "virtserialport,chardev=c0,name=p0"),
    *("-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci", "-device", "virtio-gpu-pci"),
]
MACHINES = {
    # Legacy, transitional and modern PCI, packed rings.
    "pci": (PCI, 1300 if LONG else 130),
    "microvm": (machine_of("qemu-system-x86_64", "microvm", "device"), 400 if LONG else 40),
    "mmio": (machine_of("qemu-system-aarch64", "virt", "device"), 200 if LONG else 20),
    "ccw": (machine_of("qemu-system-s390x", "s390-ccw-virtio", "ccw"), 100 if LONG else 10),
}


def states_of(card: Section, pool: Sequence[Any], generator: random.Random) -> Iterator[Any]:
    """States of a card that break none of QEMU's rules, without end."""
    while True:
        state = by_library(card.name, card.payload(), card.version_id)
        assert state is not None, card.name
        for values in generator.choices(pool, k=2):
            graft(state, values, generator, generator.choice((0.1, 0.5, 1.0)))
        with suppress(VMStateError):
            if not any(judged(judge(type(state).vmsd, state, version_id=card.version_id, facts=None, own=None))):
                yield state


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@pytest.mark.parametrize("name", MACHINES)
def test_every_provisional_state_loads_and_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    argv, wanted = MACHINES[name]
    if shutil.which(argv[0]) is None:
        pytest.skip(f"needs {argv[0]}: install the package of QEMU that has it")
    path = tmp_path / "seed.mig"
    record(argv, path)
    generator = random.Random(f"provisional {name}")
    recorded = recorded_states(lambda name: virtio_id_of(name) is not None)
    with vmstate.load(path) as stream, Keeper() as keeper:
        head, data = stream.sections[0].offset, stream.to_bytes()
        sections = [section for section in stream.sections if virtio_id_of(section.name) is not None]
        assert len(sections) >= 5
        chosen = {choice.key: choice.reason for choice in choose(sections)}
        assert set(chosen.values()) == {PROVISIONAL}
        sources = []
        for section in sections:
            state = by_library(section.name, section.payload(), section.version_id)
            vmsd = type(state).vmsd  # type: ignore[attr-defined]
            pool = list(recorded.get(last_part(section.name), ()))
            for _ in range(30 if LONG else 2):
                seed = generator.randrange(1 << 60)
                pool.append(Grower(vmsd, RandomSource(seed), {"idstr": section.name}).grow(section.version_id))
            sources.append((section, states_of(section, pool, generator)))
        qemu = LongLived(read_seed(path), keeper, 20.0)
        try:
            assert qemu.load(data).kind == ACCEPTED
            plain = state_in(qemu)
            was_there = 0
            for number in range(wanted):
                section, states = sources[number % len(sources)]
                (state,) = islice(states, 1)
                payload = type(state).vmsd.encode(provisional(state), version_id=section.version_id, force=True)
                early = section.header.to_bytes() + payload + section.footer.to_bytes()
                # It has come in front of everything, and the machine that comes behind it is what counts.
                verdict = qemu.load(data[:head] + early + b"\0")
                assert verdict.kind == ACCEPTED, (section.name, verdict.message, payload.hex())
                was_there += (
                    state_in(qemu)[section.name, section.instance_id] != plain[section.name, section.instance_id]
                )
                verdict = qemu.load(data[:head] + early + data[head:])
                assert verdict.kind == ACCEPTED, (section.name, verdict.message, payload.hex())
                after = state_in(qemu)
                differing = {key for key in plain if plain[key] != after.get(key)}
                assert not differing, (section.name, differing, payload.hex())
            # The copies did something, so that something could have been left behind.
            assert was_there > wanted // 2
        finally:
            qemu.close()
