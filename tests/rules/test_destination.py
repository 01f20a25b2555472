"""What a destination says to a stream before it is asked: RAM records, instances, versions, capabilities, devices.

That a real QEMU says the same is what the campaigns show (tests/test_fuzz_qemu.py, docs/fuzzing.md).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vmstate
from vmstate.compare.target import of_stream
from vmstate.devices.acpi.cpu_hotplug import DEV_COUNT
from vmstate.fuzz.compose import minimal
from vmstate.fuzz.grow import Grower
from vmstate.fuzz.source import RandomSource
from vmstate.fuzz.subject import FieldPlace, Subject, apply, read_subject
from vmstate.rules import KnownDestination
from vmstate.stream.events import SectionFooter, SectionHeader
from vmstate.stream.registry import shipped_descriptions
from vmstate.stream.xbzrle import is_difference
from vmstate.vmsd.release import Release

RELEASES = (Release(7, 2), Release(8, 1), Release(8, 2), Release(10, 0), Release(11, 1))
STREAM = Path(__file__).resolve().parents[2] / "fixtures" / "qemu-7.2-q35-default-devices.mig.xz"


@pytest.fixture(scope="module")
def machine() -> Subject:
    return read_subject(STREAM)


@pytest.fixture(scope="module")
def destination(machine: Subject) -> Callable[[Release], KnownDestination]:
    reference = vmstate.load(machine.data)
    known = {}
    for release in RELEASES:
        known[release] = KnownDestination(reference, {"qemu_release": release})
        assert known[release].check(machine.data) == []
    return known.__getitem__


def place_of(machine: Subject, section: str | None, path: str) -> FieldPlace:
    return next(
        place
        for place in machine.places
        if place.path == path and (section is None or (place.section or "").rpartition("/")[2] == section)
    )


def refusal_of(destination: Any, machine: Subject, start: int, stop: int, new: bytes) -> str | None:
    findings = [
        finding
        for finding in destination.check(apply(machine.data, [(start, stop, new)]))
        if finding.severity == "error"
    ]
    return findings[0].message if findings else None


RECORDS = {
    "hook": (0x80, b"", Release(8, 2), "a hook, and no RDMA"),
    "multifd flush": (0x200, b"", Release(8, 1), "from 8.1 on"),
    "compressed": (0x120, b"\0\0\0\4" + bytes(4), None, "a compressed page"),
    "xbzrle": (0x60, b"\1\0\3" + b"\0\1A", Release(0, 0), ""),
    "xbzrle that is none": (0x60, b"\1\0\4" + bytes(4), None, "cannot be decoded"),
    "unknown": (0x400, b"", None, "unknown combination"),
}
"""By name: flags, what follows, the release from which it is taken (None: by none), why it is refused before that."""


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("release", RELEASES[:4])
def test_a_record_of_ram(destination: Any, machine: Subject, name: str, release: Release) -> None:
    flags, body, since, why = RECORDS[name]
    second = machine.of_kind("ram pages")[1].offset
    answer = refusal_of(destination(release), machine, second, second, flags.to_bytes(8, "big") + body)
    if since is not None and release >= since:
        assert answer is None
    else:
        assert answer is not None and why in answer


@pytest.mark.parametrize(("release", "taken"), [(Release(7, 2), True), (Release(8, 1), True), (Release(8, 2), False)])
def test_a_zero_page_of_another_byte(destination: Any, machine: Subject, release: Release, taken: bool) -> None:
    run = next(place for place in machine.of_kind("ram pages") if place.path.startswith("zero"))
    answer = refusal_of(destination(release), machine, run.end - 1, run.end, b"\x7f")
    assert answer is None if taken else answer is not None and "fill byte" in answer


def test_memory_holds_the_byte_that_a_page_is_filled_with(machine: Subject) -> None:
    run = next(place for place in machine.of_kind("ram pages") if place.path.startswith("zero"))
    data = apply(machine.data, [(run.end - 1, run.end, b"\x7f")])
    with pytest.raises(vmstate.VMStateError, match="fill byte"):
        vmstate.load(data)


@pytest.mark.parametrize(
    ("difference", "taken"),
    [
        ("", True),
        ("00 01 41", True),
        ("02 01 41 01 01 42", True),
        ("01", False),
        ("00 00 41", False),
        ("00 01 41 00 01 42", False),
        ("00 02 41", False),
        ("ff 1f 01 41", True),
        ("80 20 01 41", False),
        ("80 80 01 41", False),
    ],
)
def test_differences(difference: str, taken: bool) -> None:
    assert is_difference(bytes.fromhex(difference), 4096) is taken


@pytest.mark.parametrize(
    ("section", "instance", "is_had"),
    [
        ("ram", 0x80000000, False),
        ("ram", 0xFFFFFFFF, False),
        ("slirp", 0xFFFFFFFF, False),
        ("serial", 0xFFFFFFFF, False),
        ("serial", 0x3F8, True),
        ("serial", 0x2F8, False),
        ("i8254", 0x40, True),
        ("hpet", 0xFFFFFFFF, True),
        ("cpu", 0xFFFFFFFF, True),
        ("cpu", 1, False),
    ],
)
def test_an_instance_is_found_by_its_number_or_alias(
    destination: Any, machine: Subject, section: str, instance: int, is_had: bool
) -> None:
    place = place_of(machine, section, "instance_id")
    answer = refusal_of(destination(Release(7, 2)), machine, place.offset, place.end, instance.to_bytes(4, "big"))
    assert (answer is None) is is_had


@pytest.mark.parametrize(
    ("section", "version", "taken"),
    [("slirp", 3, True), ("slirp", 2, False), ("slirp", 0, False), ("slirp", 5, False), ("ram", 3, False)],
)
def test_a_section_at_another_version(
    destination: Any, machine: Subject, section: str, version: int, taken: bool
) -> None:
    place = place_of(machine, section, "version_id")
    answer = refusal_of(destination(Release(7, 2)), machine, place.offset, place.end, version.to_bytes(4, "big"))
    assert (answer is None) is taken


@pytest.mark.parametrize(
    ("section", "path", "new", "taken"),
    [
        ("cpu", "fpregs_format_vmstate", "0001", False),
        ("ich9_ahci", "ahci.dev[1].ncq_tfs[3].used", "ff", False),
        ("ich9_ahci", "ahci.dev[1].busy_slot", "00000020", False),
        ("ich9_ahci", "ahci.dev[1].busy_slot", "0000001f", True),
        ("ich9_ahci", "ahci.dev[1].cmd", "00008006", False),
        ("ich9_ahci", "ahci.dev[1].cmd", "00004006", False),
        ("serial", "state.lsr", "20", False),
        ("serial", "state.lsr", "ff", True),
        ("globalstate", "runstate", b"paused".ljust(32, b"\0").hex(), True),
        ("globalstate", "runstate", b"pauses".ljust(32, b"\0").hex(), False),
        ("kvm-tpr-opt", "state", "00000000", True),
    ],
)
def test_a_value_of_a_device(
    destination: Any, machine: Subject, section: str, path: str, new: str, taken: bool
) -> None:
    place = place_of(machine, section, path)
    assert place.size == len(new) // 2
    answer = refusal_of(destination(Release(7, 2)), machine, place.offset, place.end, bytes.fromhex(new))
    assert (answer is None) is taken, answer


@pytest.mark.parametrize(("count", "taken"), [(0, True), (0xFF000000, True), (0x80000000, True), (0x7FFFFFFF, False)])
def test_a_count_from_2_31_on_is_none(destination: Any, machine: Subject, count: int, taken: bool) -> None:
    place = place_of(machine, "virtio-net", "virtio.net.in_use")
    macs = place.end + 6 * machine.value(place)
    answer = refusal_of(destination(Release(7, 2)), machine, place.offset, macs, count.to_bytes(4, "big"))
    assert (answer is None) is taken
    answer = refusal_of(destination(Release(11, 1)), machine, place.offset, macs, count.to_bytes(4, "big"))
    assert (answer is None) is (count == 0)


@pytest.mark.parametrize(("address", "taken"), [(0xFFFFFFFF, False), (1 << 20, False), (512, True)])
def test_an_option_rom_is_in_the_memory_that_begins_at_0(machine: Subject, address: int, taken: bool) -> None:
    class Memory:
        """A mebibyte with a size in the second block."""

        def has(self, address: int, size: int) -> bool:
            return address + size <= 1 << 20

        def read(self, address: int, size: int) -> bytes:
            return b"\x05" * size if address >= 512 else bytes(size)

    destination = KnownDestination(
        vmstate.load(machine.data), {"qemu_release": Release(7, 2), "guest_memory": Memory()}
    )
    place = place_of(machine, "kvm-tpr-opt", "rom_state_paddr")
    findings = destination.check(apply(machine.data, [(place.offset, place.end, address.to_bytes(4, "big"))]))
    assert [finding.rule for finding in findings if finding.section == "kvm-tpr-opt"] == (
        [] if taken else ["vapic-rom"]
    )


def test_a_section_that_is_called_ram_is_of_its_version(destination: Any, machine: Subject) -> None:
    place = place_of(machine, "hpet", "idstr")
    answer = refusal_of(destination(Release(7, 2)), machine, place.offset, place.end, b"\3ram")
    assert answer is not None and "version" in answer


def test_a_port_that_is_started_has_its_buffers_in_memory(machine: Subject) -> None:
    reference = vmstate.load(machine.data)
    told = {"qemu_release": Release(7, 2), "guest_memory": reference.memory()}
    place = place_of(machine, "ich9_ahci", "ahci.dev[1].cmd")
    start, both = (value.to_bytes(4, "big") for value in (0x07, 0x17))
    config = place_of(machine, "ich9_ahci", "parent_obj.conventional_config").offset + 4
    for master, new, taken in ((0, start, True), (0, both, False), (4, both, True)):
        edits = [(config, config + 1, bytes((master | 3,))), (place.offset, place.end, new)]
        findings = KnownDestination(reference, told).check(apply(machine.data, edits))
        assert [finding.rule for finding in findings] == ([] if taken else ["ahci-mapped"])


@pytest.mark.parametrize(
    ("length", "name", "taken"),
    [(10, b"pc-q35-7.2", True), (9, b"pc-q35-7.", True), (10, b"pc-q35-7.1", False), (12, b"pc-q35-7.2\0?", True)],
)
def test_a_machine_type_is_compared_as_far_as_it_goes(
    destination: Any, machine: Subject, length: int, name: bytes, taken: bool
) -> None:
    place = place_of(machine, "configuration", "name")
    start = place_of(machine, "configuration", "len").offset
    answer = refusal_of(destination(Release(7, 2)), machine, start, place.end, length.to_bytes(4, "big") + name)
    assert (answer is None) is taken


@pytest.mark.parametrize(
    ("name", "why"), [(b"x-ignore-sharee", "no release knows"), (b"auto-converge\0?", "on at one side only")]
)
def test_capabilities(destination: Any, machine: Subject, name: bytes, why: str) -> None:
    at = machine.data.index(b"\x0fx-ignore-shared")
    answer = refusal_of(destination(Release(7, 2)), machine, at, at + 16, bytes((len(name),)) + name)
    assert answer is not None and why in answer


def test_a_section_that_comes_twice_is_held_against_what_came_first(destination: Any, machine: Subject) -> None:
    """Of a value that may only shrink the destination keeps the smaller one."""
    place = place_of(machine, "virtio-net", "virtio.transport.pci_dev.version_id")
    part = machine.parts[place.number]
    first = apply(machine.data, [(place.offset, place.end, (1).to_bytes(4, "big"))])
    assert destination(Release(7, 2)).check(first) == []
    twice = first[: part.end] + machine.data[part.start :]
    assert [finding.rule for finding in destination(Release(7, 2)).check(twice)] == ["value-equal"]
    again = first[: part.end] + first[part.start :]
    assert destination(Release(7, 2)).check(again) == []


@pytest.mark.parametrize(
    ("versions", "rules"),
    # By what 11.1 does, each in a fresh machine.
    [((2, 2), 0), ((2, 1), 0), ((1, 1), 0), ((1, 2), 1), ((3, 2), 1), ((-1, 2), 2)],
)
def test_a_subsection_that_comes_twice_is_held_against_what_came_first(versions: tuple[int, int], rules: int) -> None:
    vmsd = shipped_descriptions("pvscsi")[0]
    grown = (vmsd.encode(Grower(vmsd, RandomSource(seed), {}).grow(), force=True) for seed in range(50))
    whole = next(payload for payload in grown if b"pvscsi/pcie" in payload)
    at = whole.index(b"\x05\x0bpvscsi/pcie")
    body = at + 2 + len("pvscsi/pcie") + 4

    def stream(*each: int) -> bytes:
        words = (version.to_bytes(4, "big", signed=True) for version in each)
        payload = whole[:at] + b"".join(whole[at:body] + word + whole[body + 4 :] for word in words)
        header = SectionHeader("full", 1, "0000:00:05.0/pvscsi", 0, vmsd.version_id, 0)
        return minimal(header.to_bytes() + payload + SectionFooter(1, 0).to_bytes())

    known = KnownDestination(vmstate.load(stream(2)), {"qemu_release": Release(11, 1)})
    assert [finding.rule for finding in known.check(stream(*versions))] == ["value-equal"] * rules


@pytest.mark.parametrize("path", sorted(STREAM.parent.glob("*.mig.xz")), ids=lambda path: path.name.split(".mig")[0])
def test_a_destination_takes_the_stream_that_it_is_known_by(path: Path) -> None:
    """Also what is sent in parts, of which nothing describes any, as s390x's storage attributes."""
    with vmstate.load(path) as stream:
        errors = [finding for finding in vmstate.check(stream, KnownDestination(stream)) if finding.severity == "error"]
    assert errors == []


def test_a_clock_is_found_by_its_address_before_10_1(
    machine: Subject, destination: Callable[[Release], KnownDestination]
) -> None:
    place = place_of(machine, "mc146818rtc", "instance_id")
    for release, by_address in ((Release(7, 2), True), (Release(10, 0), True), (Release(11, 1), False)):
        for instance_id, is_address in ((0x70, True), (0xFFFFFFFF, False)):
            data = apply(machine.data, [(place.offset, place.end, instance_id.to_bytes(4, "big"))])
            assert (destination(release).check(data) == []) == (is_address == by_address), (release, instance_id)


def test_the_timers_of_hpet_are_those_of_the_destination_since_10_0(
    machine: Subject, destination: Callable[[Release], KnownDestination]
) -> None:
    count = place_of(machine, "hpet", "num_timers_save")
    timers = place_of(machine, "hpet", "timer_")
    one_more = machine.raw(timers)[: timers.size // 3]
    grown = [(count.offset, count.end, b"\4"), (timers.end, timers.end, one_more)]
    for release, is_refused in ((Release(7, 2), False), (Release(10, 0), True)):
        rules = [finding.rule for finding in destination(release).check(apply(machine.data, grown))]
        assert rules == (["hpet-timers"] if is_refused else [])


def test_a_rule_of_a_newer_release_is_told_so_where_the_release_is_not_known(machine: Subject) -> None:
    count, timers = place_of(machine, "hpet", "num_timers_save"), place_of(machine, "hpet", "timer_")
    one_more = machine.raw(timers)[: timers.size // 3]
    grown = vmstate.load(apply(machine.data, [(count.offset, count.end, b"\4"), (timers.end, timers.end, one_more)]))
    target = of_stream(vmstate.load(machine.data))
    (finding,) = vmstate.explain(grown, target.replaced(release=None)).findings
    assert finding.message.endswith("the destination 3 (QEMU minds it from 10.0 on)")
    (finding,) = vmstate.explain(grown, target.replaced(release=Release(10, 0))).findings
    assert finding.message.endswith("the destination 3")


@pytest.mark.parametrize(
    ("name", "release", "is_taken"),
    [
        ("recorded/qemu-5.2-q35-virtio-net-changed", Release(5, 2), True),
        ("qemu-7.2-q35-default-devices", Release(7, 2), True),
        ("recorded/qemu-10.0-q35-virtio-net-changed", Release(10, 0), False),
        ("qemu-11.1-q35-virtio-net-mq4", Release(11, 1), False),
    ],
)
def test_an_hpet_of_version_1_has_three_timers_up_to_9_2(name: str, release: Release, is_taken: bool) -> None:
    """Its number stands in version 2 alone. So do real QEMUs of the four releases answer."""
    machine = read_subject(STREAM.parent / f"{name}.mig.xz")
    count, version = (place_of(machine, "hpet", path) for path in ("num_timers_save", "version_id"))
    old = [(version.offset, version.end, (1).to_bytes(4, "big")), (count.offset, count.end, b"")]
    destination = KnownDestination(vmstate.load(machine.data), {"qemu_release": release})
    assert destination.check(machine.data) == []
    assert (destination.check(apply(machine.data, old)) == []) == is_taken


def test_a_block_of_ram_may_be_listed_twice_where_the_sum_is_right(
    machine: Subject, destination: Callable[[Release], KnownDestination]
) -> None:
    total = place_of(machine, "ram", "the total of the blocks")
    block = place_of(machine, "ram", "block /rom@etc/acpi/rsdp")
    length = int.from_bytes(machine.raw(place_of(machine, "ram", "block /rom@etc/acpi/rsdp: length")), "big")
    again = (block.end, block.end, machine.raw(block))
    # Flags stand in the low bits of the sum.
    sum_of_all = int.from_bytes(machine.raw(total), "big") + length
    rightly_summed = apply(machine.data, [(total.offset, total.end, sum_of_all.to_bytes(8, "big")), again])
    assert destination(Release(7, 2)).check(rightly_summed) == []
    assert destination(Release(7, 2)).check(apply(machine.data, [again])) != []
    with pytest.raises(vmstate.VMStateError, match="listed twice"):
        vmstate.load(rightly_summed)


def test_a_block_of_ram_that_is_not_listed_has_its_pages_all_the_same(
    machine: Subject, destination: Callable[[Release], KnownDestination]
) -> None:
    total = place_of(machine, "ram", "the total of the blocks")
    block = place_of(machine, "ram", "block /rom@etc/acpi/rsdp")
    length = int.from_bytes(machine.raw(place_of(machine, "ram", "block /rom@etc/acpi/rsdp: length")), "big")
    without = int.from_bytes(machine.raw(total), "big") - length
    left_out = apply(
        machine.data, [(total.offset, total.end, without.to_bytes(8, "big")), (block.offset, block.end, b"")]
    )
    assert b"/rom@etc/acpi/rsdp" in left_out
    assert destination(Release(10, 0)).check(left_out) == []
    with pytest.raises(vmstate.VMStateError, match="not listed"):
        vmstate.load(left_out)


def pages(second: int) -> bytes:
    """A stream of a block of one page and one of 16 that are zero, the first of which says that it is elsewhere."""
    text = b'{"page_size": 4096, "devices": []}'
    start = struct.pack(">BIB3sIIQ", 1, 2, 3, b"ram", 0, 4, 0x11000 | 4)
    start += b"\1a" + struct.pack(">Q", 0x1000) + b"\1b" + struct.pack(">Q", 0x10000)
    sent = struct.pack(">QB1s", 8, 1, b"a") + b"x" * 0x1000 + struct.pack(">QB1sB", second | 2, 1, b"b", 0)
    sent += b"".join(struct.pack(">QB", address | 0x22, 0) for address in range(0x1000, 0x10000, 0x1000))
    end = struct.pack(">QBI", 16, 0x7E, 2)
    parts = start + end + struct.pack(">BI", 3, 2) + sent + end
    return b"QEVM\0\0\0\3" + parts + b"\0" + struct.pack(">BI", 6, len(text)) + text


def test_a_destination_knows_how_large_a_page_is() -> None:
    """Without a vmdesc a stream tells it by how far its pages are apart."""
    destination = KnownDestination(vmstate.load(pages(0)))
    for second in (0, 0x1000):
        without_vmdesc = pages(second)[:-39]
        assert without_vmdesc[-1] == 0
        assert [finding.message for finding in destination.check(without_vmdesc)] == []


def test_processors_that_cannot_be_added() -> None:
    """microvm's acpi-ged takes a subsection of none of them, which is found out where it is the only fact."""
    assert 0 in DEV_COUNT.candidates
    assert list(DEV_COUNT.candidates).index(0) == len(DEV_COUNT.candidates) - 1
