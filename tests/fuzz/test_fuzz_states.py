"""States and streams built from descriptions: right by construction, for every device there is."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import vmstate
import vmstate.fuzz
from vmstate.codec.asked import judge
from vmstate.declare import MEMORY, facts_of, version_of
from vmstate.devices import INDEX
from vmstate.devices.virtio.balloon import VirtIOBalloon
from vmstate.devices.virtio.blk import VirtIOBlk
from vmstate.devices.virtio.gpu import VirtIOGPU
from vmstate.devices.virtio.net import VirtIONet
from vmstate.devices.virtio.scsi import VirtIOSCSI
from vmstate.fuzz.compose import compose, device_names
from vmstate.fuzz.grow import Grower
from vmstate.fuzz.source import RandomSource
from vmstate.rules.check import all_rules
from vmstate.stream.registry import shipped_descriptions
from vmstate.vmsd.rule import judged

PROFILE = settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    # A state is large, and shrinking one takes minutes.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
BUSES = ("0000:00:02.0/", "virtio-mmio@000000000a000000/", "/fe.0.0001/")


def assert_right(vmsd: vmstate.VMStateDescription, state: Any) -> None:
    data = vmsd.encode(state)
    again = vmsd.decode(data, version_id=version_of(state), facts=facts_of(state))
    assert again == state
    assert vmsd.encode(again) == data
    assert list(judged(judge(vmsd, state, version_id=None, facts=None, own=None))) == []


@pytest.mark.slow
@pytest.mark.parametrize("device", [VirtIONet, VirtIOBlk, VirtIOSCSI, VirtIOBalloon, VirtIOGPU])
@PROFILE
@given(data=st.data())
def test_states_of_virtio_devices_on_each_transport(device: Any, data: st.DataObject) -> None:
    bus = data.draw(st.sampled_from(BUSES))
    state = data.draw(vmstate.fuzz.states(device, facts={"idstr": f"{bus}{device.vmsd.name}"}))
    assert_right(device.vmsd, state)
    assert vmstate.check(state) == []
    assert type(state) is device


@pytest.mark.slow
@PROFILE
@given(vmstate.fuzz.states(VirtIONet, residue=True))
def test_states_with_residue_are_written_as_they_came(state: VirtIONet) -> None:
    assert_right(VirtIONet.vmsd, state)


@pytest.mark.slow
def test_residue_is_there() -> None:
    residue = []

    # Among few there may be none that has any.
    @settings(PROFILE, max_examples=150)
    @given(vmstate.fuzz.states(VirtIONet, residue=True))
    def look(state: VirtIONet) -> None:
        residue.append(any(True for _ in residues(state)))

    look()
    assert any(residue)


def residues(state: Any) -> Any:
    from vmstate.stream.verify import residues

    return residues(state)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(INDEX))
def test_states_of_every_layout_of_every_device(name: str) -> None:
    for number, vmsd in enumerate(shipped_descriptions(name)):
        if not vmsd.unmigratable:
            for seed in range(2):
                assert_right(vmsd, Grower(vmsd, RandomSource(f"{name}/{number}/{seed}")).grow())


@pytest.mark.slow
def test_every_version_and_subsection_comes() -> None:
    vmsd = shipped_descriptions("cpu")[0]
    states = [Grower(vmsd, RandomSource(seed)).grow() for seed in range(60)]
    versions = {version_of(state) or vmsd.version_id for state in states}
    assert versions == set(range(vmsd.minimum_version_id, vmsd.version_id + 1))
    sent = {sub.attribute for state in states for sub in vmsd.subsections if getattr(state, sub.attribute) is not None}
    assert sent == {sub.attribute for sub in vmsd.subsections}


@pytest.mark.slow
def test_counts_reach_their_bounds() -> None:
    counts = {Grower(VirtIONet.vmsd, RandomSource(seed)).grow().net.in_use for seed in range(150)}
    assert {0, 1, 2, 3, 64} <= counts and max(counts) == 64


def test_the_same_seed_gives_the_same_state() -> None:
    first, second = (Grower(VirtIONet.vmsd, RandomSource(7)).grow() for _ in range(2))
    assert VirtIONet.vmsd.encode(first) == VirtIONet.vmsd.encode(second)


@pytest.mark.slow
@PROFILE
@given(vmstate.fuzz.streams("virtio-*"))
def test_streams_of_virtio_devices_are_read_back(stream: vmstate.Stream) -> None:
    data = stream.to_bytes()
    with vmstate.load(data) as again:
        assert again.to_bytes() == data
        assert [section.described_by for section in again.sections if section.name != "ram"].count("none") == 0
        # What a device has in guest memory is random, and so is whether that is there.
        of_memory = {
            rule.id
            for section in again.sections
            if section.vmsd is not None
            for rule in all_rules(section.vmsd)
            if MEMORY.name in rule.needs
        }
        errors = [finding for finding in vmstate.check(again) if finding.severity == "error"]
        assert [finding for finding in errors if finding.rule not in of_memory] == []


@pytest.mark.slow
@PROFILE
@given(vmstate.fuzz.streams(residue=True, vmdesc=True))
def test_streams_of_any_device_agree_with_their_vmdesc(stream: vmstate.Stream) -> None:
    data = stream.to_bytes()
    with vmstate.load(data) as again:
        assert again.to_bytes() == data
        errors = [finding for finding in vmstate.verify(again, memoryview(data)) if finding.severity == "error"]
        assert errors == []


def test_of_a_section_without_a_description_the_vmdesc_has_the_size() -> None:
    """QEMU registers slirp by register_savevm_live, however much the library knows of it."""
    stream = compose(RandomSource(1), ["slirp"], vmdesc=True)
    data = stream.to_bytes()
    with vmstate.load(data) as again:
        assert [section.name for section in again.sections if not section.is_ram] != []
        assert [finding for finding in vmstate.verify(again, memoryview(data)) if finding.severity == "error"] == []


@pytest.mark.slow
def test_streams_come_with_and_without_ram_and_vmdesc() -> None:
    seen = set()

    # So many that none of the four can be missing by chance.
    @settings(PROFILE, max_examples=80)
    @given(vmstate.fuzz.streams("serial"))
    def look(stream: vmstate.Stream) -> None:
        seen.add((stream.ram.total is not None, stream.vmdesc_text is not None))

    look()
    assert seen == {(ram, vmdesc) for ram in (False, True) for vmdesc in (False, True)}


def test_what_has_no_states_is_refused() -> None:
    with pytest.raises(vmstate.VMStateError, match="neither a description nor a class"):
        vmstate.fuzz.states(int)
    with pytest.raises(vmstate.VMStateError, match="cannot be migrated"):
        vmstate.fuzz.states(shipped_descriptions("virtio-crypto")[0])
    with pytest.raises(vmstate.VMStateError, match="nothing of the name 'no-such'"):
        device_names("no-such")


def test_a_description_whose_rules_nothing_satisfies_is_said_to_have_no_states() -> None:
    from vmstate.declare import description, rule, this, uint8

    @description("never", rules=(rule("never", (this.a < 1) & (this.a > 1), "it cannot be"),))
    class Never:
        a: int = uint8()

    with pytest.raises(vmstate.VMStateError, match="no state of 'never'"):
        Grower(Never.vmsd, RandomSource(1)).grow()  # type: ignore[attr-defined]


def test_without_hypothesis_the_package_is_named() -> None:
    code = """
import sys
sys.modules["hypothesis"] = None
import vmstate, vmstate.fuzz
vmstate.fuzz.RandomSource(1)
try:
    vmstate.fuzz.states
except vmstate.VMStateError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "hypothesis is not installed: pip install hypothesis\n"
