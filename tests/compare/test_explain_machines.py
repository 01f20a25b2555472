"""Kinds that random machines have shown (vmstate.lab.machines): each as real QEMU said it."""

from __future__ import annotations

from pathlib import Path

import framing_cases as framing
import pytest
from machines import PROGRAM, needs_qemu

import vmstate
from vmstate.compare import Target
from vmstate.compare.target import of_stream, open_target, write_target
from vmstate.errors import SchemaError
from vmstate.lab.target import target_of
from vmstate.rules.stream import Loader, takes_unsent
from vmstate.vmsd.release import Release


def sent() -> bytes:
    stream = framing.target_named("7.2", framing.PLAIN).stream
    assert stream is not None
    return stream.to_bytes()


BLOCKED = "State blocked by non-migratable device '/fe.1.003c/x-terminal3270'"


def test_a_destination_with_a_device_that_cannot_be_migrated_loads_nothing(tmp_path: Path) -> None:
    target = Target("there", release=Release(5, 2), machine_type="s390-ccw-virtio-5.2", blocked=BLOCKED)
    place = tmp_path / "target.json"
    write_target(place, target)
    for known in (target, open_target(str(place))):
        explained = vmstate.explain(sent(), known)
        assert (explained.verdict, explained.qemu_error) == ("fails", BLOCKED)
        (finding,) = explained.findings
        assert finding.rule == "destination-blocked" and "without that device" in str(finding.advice)
    with pytest.raises(SchemaError, match="only a destination that was started"):
        write_target(place, Target("there", release=Release(5, 2)))


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_a_real_destination_says_that_it_is_blocked() -> None:
    machine = ["-M", "pc", "-accel", "tcg", "-m", "16", "-nodefaults"]
    target = target_of([PROGRAM, *machine, "-device", "piix3-usb-uhci,id=u", "-device", "usb-ccid,bus=u.0"])
    assert target.blocked is None and target.stream is not None
    target = target_of([PROGRAM, *machine, "-device", "usb-ehci,id=u", "-device", "usb-wacom-tablet,bus=u.0"])
    assert target.blocked is not None and target.blocked.startswith("State blocked by non-migratable device '")
    assert target.stream is None and target.release is not None
    assert vmstate.explain(sent(), target).qemu_error == target.blocked


def test_storage_keys_are_sent_wherever_they_are_taken() -> None:
    """So a destination whose stream has none was started with migration-enabled=off, and refuses them."""
    loader = Loader(Release(7, 2), machine="s390-ccw-virtio-7.2")
    assert takes_unsent("s390-skeys", 0, loader) is False
    assert takes_unsent("qemu-s390-flic", 0, loader) is True


@pytest.mark.parametrize(
    ("release", "line"),
    [
        (None, "section or instance 'nosuch' 0"),
        (Release(10, 0), "Unknown savevm section or instance 'nosuch' 0"),
        (Release(11, 1), "Unknown section or instance 'nosuch' 0"),
    ],
)
def test_the_words_of_a_release_that_is_not_known_are_those_that_all_have(release: Release | None, line: str) -> None:
    stream = vmstate.load(sent())
    explained = vmstate.explain(framing.section("nosuch")(sent()), of_stream(stream).replaced(release=release))
    assert str(explained.qemu_error).startswith(f"{line}. Make sure")
