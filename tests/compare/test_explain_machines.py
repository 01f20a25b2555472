"""Kinds that random machines have shown (vmstate.lab.machines): each as real QEMU said it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import framing_cases as framing
import pytest
from machines import PROGRAM, needs_qemu

import vmstate
from vmstate.compare import Target
from vmstate.compare.target import of_stream, open_target, write_target
from vmstate.errors import SchemaError
from vmstate.lab.incoming import load_into_qemu
from vmstate.lab.target import target_of
from vmstate.qemu.machine import Machine
from vmstate.qemu.migration import save
from vmstate.rules.stream import Loader, takes_unsent
from vmstate.stream.events import Vmdescription
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
    target = target_of([PROGRAM, *machine, "-device", "piix3-usb-uhci,id=u", "-device", "usb-wacom-tablet,bus=u.0"])
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


REGISTERS = 1024
PVR = 287
"""Where the processor version is among the special purpose registers."""


def powerpc(version: int, *, described: bool = True) -> bytes:
    """A stream with a processor of a version, as a vmdesc describes it, or as none does."""
    registers = [0] * REGISTERS
    registers[PVR] = version
    data = framing.section("cpu", version_id=5, payload=struct.pack(f">{REGISTERS}Q", *registers))(sent())
    stream = vmstate.load(data)
    if described:
        at = next(place for place, part in enumerate(stream.parts) if isinstance(part, Vmdescription))
        top = json.loads(stream.vmdesc_text or b"{}")
        field = {"name": "env.spr", "array_len": REGISTERS, "type": "uint64", "size": 8}
        entry = {"name": "cpu", "instance_id": 0, "vmsd_name": "cpu", "version": 5, "fields": [field]}
        top["devices"].append(entry)
        stream.parts[at] = Vmdescription(json.dumps(top).encode())
    return stream.to_bytes()


@pytest.mark.parametrize(
    ("received", "local", "takes"),
    [
        # power9_v2.0 is what 7.2 has by default, power9_v2.2 what 10.0 has: 10.0 refuses, as it does power8.
        (0x4E1200, 0x4E1202, False),
        (0x4E1202, 0x4E1200, False),
        (0x4E1201, 0x4E1200, True),
        (0x4D0200, 0x4E1200, False),
        (0x4D0200, 0x4D0201, True),
        (0x801200, 0x800200, True),
        (0x4E1200, 0x4E1200, True),
    ],
)
@pytest.mark.parametrize("described", [True, False])
def test_a_powerpc_processor_is_known_by_its_version(received: int, local: int, takes: bool, described: bool) -> None:
    target = of_stream(vmstate.load(powerpc(local))).replaced(release=Release(10, 0))
    explained = vmstate.explain(powerpc(received, described=described), target)
    assert explained.verdict == ("loads" if takes else "fails")
    if not takes:
        assert explained.qemu_error == "error while loading state for instance 0x0 of device 'cpu'"
        assert explained.findings[0].path == "env.spr[287]" and hex(received) in explained.findings[0].message


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_an_xhci_controller_without_msix_is_loaded_by_no_qemu_from_7_2_on(tmp_path: Path) -> None:
    machine = [
        PROGRAM,
        "-M",
        "pc",
        "-accel",
        "tcg",
        "-m",
        "16",
        "-nodefaults",
        "-device",
        "nec-usb-xhci,msix=off",
        "-S",
    ]
    path = tmp_path / "x.mig"
    with Machine(machine) as source:
        save(source, path)
    target = target_of(machine)
    explained = vmstate.explain(path, target)
    said = load_into_qemu(path, machine)
    if Release(7, 2) <= (target.release or Release(0, 0)):
        assert (explained.verdict, said.accepted) == ("fails", False)
        assert str(explained.qemu_error) in str(said.error)
    assert vmstate.explain(path, target.replaced(release=Release(7, 1))).verdict == "loads"


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_a_dump_that_is_cut_off_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of qemu-system-ppc64 5.2 is, at a multiple of 4096 bytes."""
    monkeypatch.setattr("vmstate.lab.target.dump_of", lambda *words, **more: b'{"vmschkmachine": {"Name": "pc"}, "cpu')
    target = target_of([PROGRAM, "-M", "pc", "-accel", "tcg", "-m", "16", "-nodefaults"])
    assert (target.schema, target.dump) == (None, None) and target.stream is not None
    assert vmstate.explain(target.stream, target).verdict == "loads"
