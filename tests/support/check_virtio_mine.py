"""Run in a Python that has a library with virtio-mine: what comes with one file. The argument is a recorded stream."""

from __future__ import annotations

import sys
from copy import deepcopy
from typing import Any

from hypothesis import given, settings

import vmstate
import vmstate.fuzz
from vmstate import Stream
from vmstate.compare.target import Target
from vmstate.declare import Release, set_facts
from vmstate.devices.virtio.core import set_features
from vmstate.early import PerItem, Snapshot
from vmstate.early.items import table_of
from vmstate.fuzz.compose import compose, minimal, section_bytes
from vmstate.fuzz.source import RandomSource
from vmstate.stream.events import SectionHeader
from vmstate.stream.registry import all_descriptions

IDSTR = "0000:00:02.0/virtio-mine"
(VMSD,) = all_descriptions(IDSTR)
Mine: Any = VMSD.state_class
VERSION_1 = 1 << 32


def stream_of(state: Any) -> Stream:
    header = SectionHeader("full", 1, IDSTR, 0, VMSD.version_id, 0)
    return vmstate.load(minimal(section_bytes(header, VMSD, state)))


def made_of(recorded: Any) -> Any:
    """A state with what every virtio device has from a recorded one, and the ids of this device."""
    state = Mine()
    body = state.virtio
    for field in type(recorded).vmsd.fields:
        if field.in_state:
            setattr(body, field.attribute, deepcopy(getattr(recorded, field.attribute)))
    config = bytearray(body.transport.pci_dev.conventional_config)
    config[2:4] = (0x1040 + 44).to_bytes(2, "little")
    body.transport.pci_dev.conventional_config = bytes(config)
    body.config, body.config_len = b"\7\0", 2
    body.mine.pitch, body.mine.beeps = 440, 3
    set_features(body, VERSION_1 | 0b11)
    set_facts(state, idstr=IDSTR)
    return state


def changed(state: Any, **values: int) -> Any:
    copied = deepcopy(state)
    for name, value in values.items():
        setattr(copied.virtio.mine, name, value)
    return copied


def is_read_and_written(state: Any) -> None:
    section = stream_of(state).sections[0]
    assert section.described_by == "library", section.problem
    assert section.state == state
    assert section.state.config_space.volume == 7


def answers_qmp(state: Any) -> None:
    stream = stream_of(state)
    assert stream.query("x-query-virtio") == [{"path": IDSTR, "name": "virtio-mine"}]
    status = stream.query("x-query-virtio-status", {"path": IDSTR})
    assert status["device-id"] == 44
    assert status["guest-features"]["dev-features"] == ["VIRTIO_MINE_F_STEREO", "VIRTIO_MINE_F_LOUD"]
    old = vmstate.ask(stream, "x-query-virtio-status", {"path": IDSTR}, release=Release(7, 2)).value["guest-features"]
    assert (old["dev-features"], old["unknown-dev-features"]) == (["VIRTIO_MINE_F_LOUD"], 2)


def is_held_against_its_number(state: Any, ids_of_another: bytes) -> None:
    copied = deepcopy(state)
    copied.virtio.transport.pci_dev.conventional_config = ids_of_another
    assert "virtio-pci-device-id" in {finding.rule for finding in vmstate.check(stream_of(copied))}
    assert "virtio-pci-device-id" not in {finding.rule for finding in vmstate.check(stream_of(state))}


def has_items(state: Any) -> None:
    table = table_of(VMSD)
    assert table is not None
    assert {"host", "guest_features", "queue_indices", "pitch", "beeps"} <= set(table.names)
    snapshot = Snapshot.take(state)
    assert snapshot.layout.features == VERSION_1 | 0b11
    final = changed(state, pitch=880, beeps=4)
    delta = snapshot.compare(final)
    assert set(delta.changed) == {"pitch", "beeps"}, delta.changed
    plan = PerItem().plan(delta, "vhost-net")
    assert snapshot.apply(plan.record) == final


def is_compared_by_a_destination(state: Any) -> None:
    stream = stream_of(state)
    lacking = Target("destination", stream=stream_of(state), host_features={(IDSTR, 0): VERSION_1})
    messages = [(finding.message, finding.advice) for finding in vmstate.explain(stream, lacking).findings]
    assert any("VIRTIO_MINE_F_LOUD" in message and "volume" in str(advice) for message, advice in messages), messages
    large = deepcopy(state)
    large.virtio.vq[0].num *= 2
    target = Target("destination", stream=stream_of(state), release=Release(11, 1))
    findings = vmstate.explain(stream_of(large), target).findings
    assert any(finding.id.startswith("virtio-queue-size:") for finding in findings), findings


def has_noise(state: Any) -> None:
    difference = vmstate.diff(stream_of(state), stream_of(changed(state, beeps=9)))
    assert difference.equal
    assert not difference.identical
    assert not vmstate.diff(stream_of(state), stream_of(changed(state, pitch=880))).equal


def can_be_fuzzed() -> None:
    sections = [
        section
        for seed in range(20)
        for section in compose(RandomSource(seed), "virtio-mine", vmdesc=False, ram=False).sections
    ]
    assert {(section.name, section.described_by) for section in sections} == {(IDSTR, "library")}

    @settings(max_examples=10, database=None, deadline=None)
    @given(vmstate.fuzz.states(Mine))
    def draws(state: Any) -> None:
        assert isinstance(state, Mine)

    draws()


if __name__ == "__main__":
    source = vmstate.load(sys.argv[1])["virtio-rng"].state.virtio
    mine = made_of(source)
    is_read_and_written(mine)
    answers_qmp(mine)
    is_held_against_its_number(mine, bytes(source.transport.pci_dev.conventional_config))
    has_items(mine)
    is_compared_by_a_destination(mine)
    has_noise(mine)
    can_be_fuzzed()
    print("all there")
