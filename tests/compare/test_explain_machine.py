"""What `vmstate.explain` says of a machine: its UUID, its pages, commands, RAM blocks, sections of one side."""

from __future__ import annotations

import struct
from typing import Any

import explain_cases as cases
import pytest
from handmade import scalar, stream_with, vmdesc_text
from recorded import plain

from vmstate import Explanation, explain, load
from vmstate.compare.findings import BREAKS, COSMETIC, MAY_BREAK
from vmstate.stream.events import CommandType

UUID = "recorded/qemu-7.2-q35-uuid-cold.mig.xz"
PAGES = "qemu-7.2-aarch64-virt-virtio-net-pci.mig.xz"
TABLES = "/rom@etc/acpi/tables"


def of_rule(explanation: Explanation, rule: str) -> list[Any]:
    return [finding for finding in explanation.findings if finding.rule == rule]


def test_another_uuid() -> None:
    data = plain(UUID)
    configuration = load(data).configuration
    assert configuration is not None and configuration.uuid is not None
    uuid = bytes(configuration.uuid.data)
    assert data.count(uuid) == 1
    changed = data.replace(uuid, bytes(range(16)))
    assert of_rule(explain(data, load(data)), "uuid") == []
    (finding,) = of_rule(explain(changed, load(data)), "uuid")
    shown = f"{uuid[:4].hex()}-{uuid[4:6].hex()}-{uuid[6:8].hex()}-{uuid[8:10].hex()}-{uuid[10:].hex()}"
    counted = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert finding.message == f"the machine's UUID is {counted}, the destination's {shown}"
    assert finding.severity == BREAKS and counted in finding.qemu_error and shown in finding.qemu_error
    assert f"-uuid {counted}" in finding.advice


def test_other_pages() -> None:
    data = plain(PAGES)
    place = data.index(b"configuration/target-page-bits") + len(b"configuration/target-page-bits") + 4
    bits = int.from_bytes(data[place : place + 4], "big")
    changed = data[:place] + (bits + 1).to_bytes(4, "big") + data[place + 4 :]
    assert of_rule(explain(data, load(data)), "target-page-bits") == []
    (finding,) = of_rule(explain(data, load(changed)), "target-page-bits")
    assert finding.message == f"the target's pages have {bits} bits in the stream, {bits + 1} on the destination"
    assert str(bits) in finding.qemu_error and str(bits + 1) in finding.qemu_error


def with_command(data: bytes, command: CommandType) -> bytes:
    """A stream with a command in front of its first section."""
    at = load(data).sections[0].offset
    return data[:at] + struct.pack(">BHH", 8, command, 0) + data[at:]


@pytest.mark.parametrize(
    ("destination", "known"),
    [(None, False), (CommandType.OPEN_RETURN_PATH, False), (CommandType.SWITCHOVER_START, True)],
    ids=str,
)
def test_a_command_that_the_destination_does_not_send_itself(destination: CommandType | None, known: bool) -> None:
    data = plain("qemu-7.2-q35-virtio-net.mig.xz")
    destination_data = data if destination is None else with_command(data, destination)
    explanation = explain(with_command(data, CommandType.SWITCHOVER_START), load(destination_data))
    told = of_rule(explanation, "command-unknown")
    assert (told == []) is known
    for finding in told:
        assert "which QEMU has from 10.0 on" in finding.message
        assert finding.offset == load(data).sections[0].offset


def test_a_device_that_only_the_destination_has() -> None:
    explanation = explain(cases.stream_of("bare"), load(cases.stream_of("with-rng")))
    told = {finding.section: finding.severity for finding in of_rule(explanation, "section-missing")}
    assert told["0000:00:04.0/virtio-rng"] == COSMETIC
    assert explanation.verdict == "loads"
    assert of_rule(explain(cases.stream_of("bare"), load(cases.stream_of("bare"))), "section-missing") == []


def test_a_section_of_an_older_version_that_nobody_knows() -> None:
    """Which versions the destination takes is said by no stream."""
    old, new = (stream_with(vmdesc_text(scalar("a"), version=version), b"\1", version=version) for version in (4, 5))
    (finding,) = of_rule(explain(old, load(new)), "version-older")
    assert finding.severity == MAY_BREAK
    assert finding.message == "the section has version 4, the destination's has 5"
    assert finding.when == "the destination takes none below 5"


def with_block(data: bytes, idstr: str, size: int) -> bytes:
    """A stream whose first record says another size of a RAM block, and of all of them together."""
    whole = load(data).sections[0].payload_offset
    place = data.index(bytes([len(idstr)]) + idstr.encode()) + 1 + len(idstr)
    block_size, total = (int.from_bytes(data[at : at + 8], "big") for at in (place, whole))
    made = bytearray(data)
    made[place : place + 8] = size.to_bytes(8, "big")
    made[whole : whole + 8] = (total + size - block_size).to_bytes(8, "big")
    return bytes(made)


@pytest.mark.parametrize(("size", "fits"), [(0x20000, True), (0x200000, True), (0x201000, False)])
def test_a_block_of_tables_can_grow_to_its_bound(size: int, fits: bool) -> None:
    data = cases.stream_of("bare")
    explanation = explain(with_block(data, TABLES, size), load(data))
    told = [finding for finding in of_rule(explanation, "ram-block-size") if finding.path == TABLES]
    assert (told == []) is fits
    for finding in told:
        assert f"has {size:#x} bytes in the stream" in finding.message
        assert "can grow to 0x200000" in finding.message
