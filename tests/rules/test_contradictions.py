"""What one part of the library used to refuse and another to take: one answer each, that of a real QEMU."""

from __future__ import annotations

from pathlib import Path

import pytest

import vmstate
from vmstate.compare import Target
from vmstate.rules import KnownDestination
from vmstate.rules.edit import assign
from vmstate.rules.stream import possible_releases
from vmstate.vmsd.release import Release

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "recorded"
FOLDER = FIXTURES.parent / "rules"
COLD = FOLDER / "cold-7.2.stream.xz"
LTIM = FOLDER / "cold-7.2-ltim.stream.xz"


def test_a_negative_version_of_a_pci_device_is_refused() -> None:
    """7.2: "Invalid value -1 expecting positive value <= 2"."""
    with vmstate.load(COLD) as stream:
        with pytest.raises(vmstate.RefusedError):
            assign(stream, "ICH9LPC.d.version_id=-1")
        (change,) = assign(stream, "ICH9LPC.d.version_id=-1", force=True)
        assert change.after == -1
        verdict = vmstate.explain(stream, vmstate.load(COLD))
        assert verdict.verdict == "fails" and "Invalid value -1 expecting positive value <= 2" in str(
            verdict.qemu_error
        )


def test_a_subsection_that_came_later_is_unknown() -> None:
    """7.2: "load of migration failed: No such file or directory"."""
    explanation = vmstate.explain(LTIM, COLD)
    assert explanation.verdict == "fails"
    (breaking,) = [finding for finding in explanation.findings if finding.severity == "breaks"]
    assert breaking.id == "subsection-unknown:i8259#0:ltim" and "8.0" in breaking.message
    assert vmstate.explain(COLD, COLD).verdict == "loads"


SWITCHOVER_START = bytes((8, 0, 11, 0, 0))


@pytest.mark.parametrize("release", ["7.2", "9.1", "9.2", "10.0", "11.1"])
def test_one_release_has_the_command_for_all(release: str) -> None:
    """SWITCHOVER_START came with 10.0: 9.2 says "MIG_CMD 0xb unknown (len 0x0)"."""
    major, minor = map(int, release.split("."))
    with vmstate.load(COLD) as reference:
        plain = reference.to_bytes()
        first = min(section.offset for section in reference.sections)
        stream = plain[:first] + SWITCHOVER_START + plain[first:]
        known = KnownDestination(reference, {"qemu_release": Release(major, minor)})
        target = Target("there", stream=reference, release=Release(major, minor))
        taken = known.check(stream) == [], vmstate.explain(stream, target).verdict == "loads"
    assert taken == ((major, minor) >= (10, 0),) * 2


@pytest.mark.parametrize(
    ("name", "assignment"),
    [
        ("boards/7.2-ppc64-pseries-2-7.stream.xz", "nvram@71000001/spapr_nvram.size=1"),
        pytest.param("explain/31.stream.xz", "hpet.num_timers=0", marks=pytest.mark.slow),
    ],
)
def test_a_size_that_is_sent_decides_though_a_vmdesc_has_it_as_a_constant(name: str, assignment: str) -> None:
    with vmstate.load(FOLDER.parent / name) as stream, vmstate.load(FOLDER.parent / name) as reference:
        with pytest.raises(vmstate.RefusedError, match="would not read what is written so"):
            assign(stream, assignment)
        assign(stream, assignment, force=True)
        changed = stream.to_bytes()
        assert vmstate.explain(changed, reference).verdict == "fails"
        assert KnownDestination(reference).check(changed) != []


PORT = "0000:00:1f.2/ich9_ahci.ahci.dev[0].port_regs.cmd"


@pytest.mark.parametrize(
    ("file", "latest"),
    [
        ("qemu-7.2-q35-virtio-net-queues-without-mq-cold", Release(7, 2)),
        ("qemu-10.0-q35-mq2-cold", Release(11, 0)),
        ("qemu-11.1-q35-virtio-devices-cold", Release(999, 0)),
    ],
)
def test_a_rule_that_differs_between_releases_is_judged_where_all_that_can_have_written_agree(
    file: str, latest: Release
) -> None:
    """Before 9.2 QEMU maps one page of what is not memory; both buffers of a port that is started are two."""
    with vmstate.load(FIXTURES / f"{file}.mig.xz") as stream:
        before = stream.to_bytes()
        assert possible_releases(stream) == (Release.read(file.split("-")[1]), latest)
        if latest < Release(9, 2):
            with pytest.raises(vmstate.RefusedError, match="ahci-mapped"):
                assign(stream, f"{PORT}=0x7f")
            assign(stream, f"{PORT}=0x7f", force=True)
        else:
            assign(stream, f"{PORT}=0x7f")
        verdict = vmstate.explain(stream, vmstate.load(before))
    assert ("ahci-mapped" in {finding.rule for finding in verdict.findings}) == (latest < Release(9, 2))


def test_what_was_broken_before_for_any_release_is_no_reason_to_refuse_another_change() -> None:
    with vmstate.load(FIXTURES / "qemu-7.2-q35-virtio-net-queues-without-mq-cold.mig.xz") as stream:
        assign(stream, f"{PORT}=0x7f", force=True)
        broken_already = stream.to_bytes()
    with vmstate.load(broken_already) as stream:
        assign(stream, "0000:00:1f.2/ich9_ahci.ahci.dev[0].port_regs.scr_err=1")
        with pytest.raises(vmstate.RefusedError, match="ahci-busy-slot"):
            assign(stream, "0000:00:1f.2/ich9_ahci.ahci.dev[0].busy_slot=32")
