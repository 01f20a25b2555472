"""What one part of the library used to refuse and another to take: one answer each, that of a real QEMU."""

from __future__ import annotations

from pathlib import Path

import pytest

import vmstate
from vmstate.compare import Target
from vmstate.rules import KnownDestination
from vmstate.rules.edit import assign
from vmstate.vmsd.release import Release

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "rules"
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
