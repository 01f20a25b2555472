"""Kinds that random machines have shown (vmstate/lab/machines.py): each as real QEMU said it."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import framing_cases as framing
import pytest
from machines import PROGRAM, ROOT, needs_qemu

import vmstate
from vmstate.compare import Target
from vmstate.compare.schemas import dump_schema
from vmstate.compare.target import of_stream, open_target, write_target
from vmstate.devices.audio.hda_codec import has_stream
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


def test_what_can_load_and_not_save_is_not_known(tmp_path: Path) -> None:
    why = "migrate: Migration is disabled when using feature 'peer mode' in device 'ivshmem'"
    machine = vmstate.load(sent()).configuration
    assert machine is not None
    target = Target("there", release=Release(11, 1), machine_type=machine.machine, unsaved=why)
    place = tmp_path / "target.json"
    write_target(place, target)
    for known in (target, open_target(str(place))):
        explained = vmstate.explain(sent(), known)
        assert explained.verdict == "unknown" and why in explained.findings[0].message
    # What is known all the same is held against it.
    assert vmstate.explain(sent(), target.replaced(machine_type="isapc")).verdict == "fails"


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_a_real_destination_that_cannot_be_saved_says_why() -> None:
    machine = ["-M", "pc", "-accel", "tcg", "-m", "16", "-nodefaults", "-object", "memory-backend-ram,id=m,size=1M"]
    target = target_of([PROGRAM, *machine, "-device", "ivshmem-plain,memdev=m,master=off"])
    assert target.stream is None and target.blocked is None
    assert target.unsaved is not None and "ivshmem" in target.unsaved
    assert vmstate.explain(sent(), target).verdict in ("unknown", "fails")


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


def test_a_stream_without_arrays_does_not_tell_its_release() -> None:
    with vmstate.load(ROOT / "fixtures" / "recorded" / "qemu-11.1-none.mig.xz") as stream:
        assert of_stream(stream).release is None
        explained = vmstate.explain(framing.section("nosuch")(stream.to_bytes()), stream)
    # Of 11.1 it begins otherwise than of 10.0.
    assert str(explained.qemu_error).startswith("section or instance 'nosuch' 0. Make sure")


REGISTERS = 1024
PVR = 287
"""Where the processor version is among the special purpose registers."""


def powerpc(version: int, mode: int | None = None, *, with_vmdesc: bool = True) -> bytes:
    """A stream with a processor of a version, and what it runs as, as a vmdesc describes it, or as none does."""
    registers = [0] * REGISTERS
    registers[PVR] = version
    payload, more = struct.pack(f">{REGISTERS}Q", *registers), {}
    if mode is not None:
        payload += subsection("cpu/compat", 1, struct.pack(">I", mode))
        inner = {"name": "compat_pvr", "type": "uint32", "size": 4}
        more = {"subsections": [{"vmsd_name": "cpu/compat", "version": 1, "fields": [inner]}]}
    data = framing.section("cpu", version_id=5, payload=payload)(sent())
    field = {"name": "env.spr", "array_len": REGISTERS, "type": "uint64", "size": 8}
    return described(data, "cpu", version_id=5, fields=[field], **more) if with_vmdesc else data


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
@pytest.mark.parametrize("with_vmdesc", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_powerpc_processor_is_known_by_its_version(received: int, local: int, takes: bool, with_vmdesc: bool) -> None:
    target = of_stream(vmstate.load(powerpc(local))).replaced(release=Release(10, 0))
    explained = vmstate.explain(powerpc(received, with_vmdesc=with_vmdesc), target)
    assert explained.verdict == ("loads" if takes else "fails")
    if not takes:
        assert explained.qemu_error == "error while loading state for instance 0x0 of device 'cpu'"
        assert explained.findings[0].path == "env.spr[287]" and hex(received) in explained.findings[0].message


POWER7, POWER8E, POWER8, POWER9_1, POWER9_20, POWER9_22, POWER10, POWER11 = (
    0x3F0203,
    0x4B0201,
    0x4D0200,
    0x4E0100,
    0x4E1200,
    0x4E1202,
    0x801200,
    0x821200,
)
AS_POWER7, AS_POWER8, AS_POWER9 = 0xF000003, 0xF000004, 0xF000005


@pytest.mark.parametrize(
    ("release", "sent", "local", "verdict"),
    [
        ("5.2", (POWER8E, None), (POWER8, None), "loads"),
        ("7.2", (POWER8E, None), (POWER8, None), "fails"),
        ("5.2", (POWER9_1, None), (POWER9_20, None), "loads"),
        ("7.2", (POWER9_1, None), (POWER9_20, None), "fails"),
        ("10.0", (POWER9_20, None), (POWER9_22, None), "fails"),
        ("7.2", (POWER7, None), (POWER8, None), "fails"),
        ("10.0", (POWER9_20, AS_POWER8), (POWER8, None), "loads"),
        ("5.2", (POWER9_20, AS_POWER7), (POWER10, None), "loads"),
        ("10.0", (POWER10, AS_POWER9), (POWER8, None), "fails"),
        ("10.0", (POWER8, AS_POWER7), (POWER7, None), "loads"),
        ("10.0", (POWER11, None), (POWER10, None), "fails"),
        ("10.0", (POWER11, None), (POWER10, AS_POWER9), "loads"),
        ("7.2", (POWER8, None), (POWER9_20, AS_POWER8), "loads"),
    ],
)
@pytest.mark.parametrize("with_vmdesc", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_power_processor_that_runs_as_an_older_one(
    release: str, sent: tuple[int, int | None], local: tuple[int, int | None], verdict: str, with_vmdesc: bool
) -> None:
    """Each as a QEMU of that release did, which was given the streams of such machines."""
    target = of_stream(vmstate.load(powerpc(*local))).replaced(release=Release.read(release))
    explained = vmstate.explain(powerpc(*sent, with_vmdesc=with_vmdesc), target)
    assert explained.verdict == verdict
    rules = [finding.rule for finding in explained.findings if finding.severity == "breaks"]
    assert rules == ["identity-differs"] * (verdict == "fails")


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


def described(data: bytes, name: str, *, version_id: int, fields: list[dict[str, object]], **more: object) -> bytes:
    """A stream in whose vmdesc stands what is in the section of a name."""
    stream = vmstate.load(data)
    at = next(place for place, part in enumerate(stream.parts) if isinstance(part, Vmdescription))
    top = json.loads(stream.vmdesc_text or b"{}")
    entry = {"name": name, "instance_id": 0, "vmsd_name": name, "version": version_id, "fields": fields, **more}
    top["devices"].append(entry)
    stream.parts[at] = Vmdescription(json.dumps(top).encode())
    return stream.to_bytes()


COUNTER = {"name": "env.pc", "type": "uint64", "size": 8}


def subsection(name: str, version_id: int, body: bytes) -> bytes:
    return bytes((5, len(name))) + name.encode() + struct.pack(">I", version_id) + body


def processor(subsection_name: str | None, *, version_id: int = 1, vmdesc: bool = True) -> bytes:
    """A stream with a processor of one register, and a subsection of one more."""
    payload, more = struct.pack(">Q", 7), {}
    if subsection_name is not None:
        payload += subsection(subsection_name, version_id, struct.pack(">Q", 9))
        inner = {"vmsd_name": subsection_name, "version": version_id, "fields": [{**COUNTER, "name": "env.stimer"}]}
        more = {"subsections": [inner]}
    data = framing.section("cpu", version_id=5, payload=payload)(sent())
    return described(data, "cpu", version_id=5, fields=[COUNTER], **more) if vmdesc else data


def test_the_timers_of_riscv_want_a_destination_that_has_them() -> None:
    with_timers, without = processor("cpu/timer"), processor(None)
    explained = vmstate.explain(with_timers, without)
    assert explained.qemu_error == "Assertion `first_elem || !n_elems || !size' failed"
    assert explained.findings[0].path == "cpu/timer"
    assert vmstate.explain(without, with_timers).verdict == "loads"
    assert vmstate.explain(with_timers, with_timers).verdict == "loads"


@pytest.mark.parametrize(("version_id", "verdict"), [(1, "loads"), (2, "fails")])
def test_a_subsection_is_found_where_nothing_describes_the_section(version_id: int, verdict: str) -> None:
    data = processor("cpu/slb", version_id=version_id, vmdesc=False)
    explained = vmstate.explain(data, processor("cpu/slb"))
    assert explained.verdict == verdict
    if verdict == "fails":
        assert explained.qemu_error == "cpu/slb: incoming version_id 2 is too new for local version_id 1"


def test_a_powerpc_processor_is_known_by_its_version_where_its_subsections_are_others() -> None:
    received = powerpc(0x4E1200, with_vmdesc=False)
    stream = vmstate.load(received)
    cpu = next(section for section in stream.sections if section.name == "cpu")
    end = cpu.payload_offset + len(cpu.payload())
    received = received[:end] + subsection("cpu/other", 1, bytes(8)) + received[end:]
    target = of_stream(vmstate.load(powerpc(0x4E1202))).replaced(release=Release(11, 1))
    explained = vmstate.explain(received, target)
    assert (explained.verdict, explained.findings[0].path) == ("fails", "env.spr[287]")
    # The destination can be the one whose stream describes nothing.
    target = of_stream(vmstate.load(received)).replaced(release=Release(11, 1))
    assert vmstate.explain(powerpc(0x4E1202), target).findings[0].path == "env.spr[287]"
    assert vmstate.explain(powerpc(0x4E1200), target).verdict == "loads"


DISPLAYS = [
    ("cirrus_vga", 0, (7, 2), "fails", "Assertion `mr->alias' failed."),
    ("cirrus_vga", 0, (10, 0), "loads", None),
    ("vga", 0, (5, 2), "fails", "Assertion `offset + size <= s->vram_size' failed."),
    ("vga", 0x800000, (7, 2), "loads", None),
    ("vga", 0x7F3A12C0, (7, 2), "fails", None),
    ("vga", 0x800000, (10, 0), "loads", None),
    ("vga", 0, (10, 0), "fails", None),
    ("vga", 0x800000, (9, 0), "unknown", None),
    ("0000:00:02.0/vga", 0, (10, 0), "loads", None),
]


@pytest.mark.parametrize(("name", "latch", "release", "verdict", "line"), DISPLAYS)
def test_an_isa_display_is_read_over_the_wrong_object(
    name: str, latch: int, release: tuple[int, int], verdict: str, line: str | None
) -> None:
    payload = struct.pack(">II", latch, 0)
    data = described(framing.section(name, version_id=2, payload=payload)(sent()), name, version_id=2, fields=[COUNTER])
    target = of_stream(vmstate.load(data)).replaced(release=Release(*release), command=("qemu-system-x86_64",))
    explained = vmstate.explain(data, target)
    assert (explained.verdict, explained.qemu_error) == (verdict, line)
    if verdict == "fails":
        # Of a stream alone it is not certain which release wrote it.
        assert vmstate.explain(data, target.replaced(command=None)).verdict == "unknown"


def test_a_vmware_display_has_a_section_of_that_name_of_its_own() -> None:
    """vmware-svga sends a `vga` of no bus beside its own section; 5.2 and 10.0 load it."""
    name = "0000:00:02.0/vmware_vga"
    data = sent()
    for idstr, version in (("vga", 2), (name, 0)):
        added = framing.section(idstr, version_id=version, payload=bytes(8))(data)
        data = described(added, idstr, version_id=version, fields=[COUNTER])
    target = of_stream(vmstate.load(data)).replaced(release=Release(5, 2), command=("qemu-system-x86_64",))
    assert vmstate.explain(data, target).verdict == "loads"


def test_a_command_that_is_refused_is_told_once() -> None:
    """However often a stream repeats it: a PING before there is a way back."""
    pings = framing.in_front(framing.command(2, bytes(4)) * 500)
    (finding,) = vmstate.explain(pings(sent()), framing.target_named("7.2", framing.PLAIN)).findings
    assert finding.qemu_error is not None and "PING" in finding.qemu_error


@pytest.mark.parametrize(
    ("release", "own_buffer", "has_it"),
    [
        ((5, 2), None, False),
        ((5, 2), object(), True),
        ((7, 2), None, True),
        ((8, 1), None, False),
        ((9, 0), None, True),
        ((9, 2), None, True),
        (None, None, True),
    ],
)
def test_streams_of_sound_have_a_timer_where_it_is_used(
    release: tuple[int, int] | None, own_buffer: Any, has_it: bool
) -> None:
    """hda-micro with use-timer=off: 5.2 aborts, 7.2.22 and later load it."""
    of = None if release is None else Release(*release)
    sent_buffer: Any = object()
    assert has_stream(sent_buffer, 0x11, own_buffer, of) is has_it
    assert not has_stream(sent_buffer, 0, own_buffer, of)


@pytest.mark.parametrize(("device", "taken"), [("hda-audio", True), ("0000:00:04.0/intel-hda", False)])
def test_a_controller_alone_has_no_back_end_of_sound(device: str, taken: bool) -> None:
    """A 5.2 with an HDA controller and no codec refuses `audio`."""
    loader = Loader(release=Release(5, 2), sections=((device, 0),), command=("qemu",))
    assert takes_unsent("audio", 0, loader) is taken


def test_an_array_of_no_elements_is_in_the_dump_alone() -> None:
    """riscv_aplic of 7.2 with aia=aplic-imsic: a vmdesc leaves out what has no elements."""
    names = ("there", "none")
    dump = {
        "riscv_aplic": {
            "Name": "riscv_aplic",
            "version_id": 1,
            "minimum_version_id": 1,
            "Description": {
                "name": "riscv_aplic",
                "version_id": 1,
                "minimum_version_id": 1,
                "Fields": [{"field": name, "version_id": 0, "field_exists": False, "size": 8} for name in names],
            },
        }
    }
    data, changed = (
        described(
            framing.section("riscv_aplic", payload=struct.pack(">Q", value))(sent()),
            "riscv_aplic",
            version_id=1,
            fields=[{**COUNTER, "name": "there"}],
        )
        for value in (1, 2)
    )
    schema = dump_schema(json.dumps(dump).encode(), "there")
    target = of_stream(vmstate.load(data)).replaced(schema=schema)
    assert vmstate.explain(changed, target).verdict == "loads"
    assert vmstate.explain(changed, schema).verdict == "fails"


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-system-riscv64") is None, reason="needs qemu-system-misc")
def test_a_card_behind_spi_is_taken_by_no_qemu(tmp_path: Path) -> None:
    """It is powered up from its reset on, and QEMU powers it up in front of what it reads: not even its own."""
    words = ["qemu-system-riscv64", "-M", "sifive_u", "-nodefaults", "-S"]
    path = tmp_path / "sifive.mig"
    with Machine(words, limit=30) as machine:
        save(machine, path, limit=30)
    explained = vmstate.explain(path, target_of(words, limit=30))
    assert explained.verdict == "fails" and explained.findings[0].section == "sd-card"
    outcome = load_into_qemu(path, words, limit=30)
    assert not outcome.accepted and explained.qemu_error is not None and explained.qemu_error in str(outcome.error)
