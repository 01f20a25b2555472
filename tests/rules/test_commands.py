"""Which commands of the stream a destination takes that waits for an ordinary migration."""

from __future__ import annotations

import struct

import pytest
from recorded import MICROVM, plain

from vmstate import load
from vmstate.devices.block.pflash_cfi01 import BlkWrite
from vmstate.devices.riscv.cpu import Timer
from vmstate.rules import KnownDestination
from vmstate.rules.stream import alias_ids
from vmstate.stream.events import CommandType
from vmstate.vmsd.expr import Const
from vmstate.vmsd.release import Release
from vmstate.vmsd.rule import KNOWN_SINCE

SLIRP = "qemu-7.2-q35-virtio-net.mig.xz"
NEWEST = Release(11, 1)

# command -> its length, what is sent, and why it is refused all the same; from loadvm_process_command in
# migration/savevm.c, and what 5.2, 7.2, 10.0 and 11.1 do (test_framing)
COMMANDS: dict[CommandType, tuple[int | None, bytes, str | None]] = {
    CommandType.OPEN_RETURN_PATH: (0, b"", None),
    CommandType.PING: (4, bytes(4), "before a way back was opened"),
    CommandType.POSTCOPY_LISTEN: (0, b"", "no place here"),
    CommandType.POSTCOPY_RUN: (0, b"", "no place here"),
    CommandType.POSTCOPY_RAM_DISCARD: (None, bytes(2), "no place here"),
    CommandType.POSTCOPY_RESUME: (0, b"", None),
    CommandType.RECV_BITMAP: (None, b"\7pc.bios", None),
    CommandType.ENABLE_COLO: (0, b"", "no longer"),
}


def answer(command: CommandType, data: bytes, release: Release = NEWEST) -> str | None:
    """Why the destination of a stream refuses it with a command in front of its first section."""
    plain_stream = plain(MICROVM)
    stream = load(plain_stream)
    at = stream.sections[0].offset
    sent = struct.pack(">BHH", 8, command, len(data)) + data
    known = KnownDestination(stream, {"qemu_release": release})
    findings = known.check(plain_stream[:at] + sent + plain_stream[at:])
    return next((finding.message for finding in findings if finding.severity == "error"), None)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_has_its_length_and_its_place(command: CommandType) -> None:
    length, data, why = COMMANDS[command]
    message = answer(command, data)
    assert message is None if why is None else message is not None and why in message
    if length is not None:
        for size in {0, 1, 4, 5} - {length}:
            assert f"QEMU wants {length}" in str(answer(command, bytes(size))), size


def test_an_answer_is_given_where_there_is_a_way_back() -> None:
    data = plain(MICROVM)
    stream = load(data)
    at = stream.sections[0].offset
    sent = struct.pack(">BHHBHHI", 8, CommandType.OPEN_RETURN_PATH, 0, 8, CommandType.PING, 4, 1)
    assert KnownDestination(stream).check(data[:at] + sent + data[at:]) == []


def test_a_bitmap_is_of_a_block_that_is_there() -> None:
    assert "has not" in str(answer(CommandType.RECV_BITMAP, b"\3abc"))
    assert "as long as the name" in str(answer(CommandType.RECV_BITMAP, b"\7pc.bio"))


def test_advice_on_dirty_bitmaps_alone_is_taken() -> None:
    assert answer(CommandType.POSTCOPY_ADVISE, b"") is None
    assert "postcopy-ram" in str(answer(CommandType.POSTCOPY_ADVISE, bytes(16)))
    assert "wants none or 16" in str(answer(CommandType.POSTCOPY_ADVISE, bytes(5)))


def test_a_list_of_pages_to_discard_has_a_range() -> None:
    """Version, length of the name, name, NUL and a range of 16 bytes: 20 bytes where the name is one letter."""
    plain_stream = plain(MICROVM)
    stream = load(plain_stream)
    at = stream.sections[0].offset
    advice = struct.pack(">BHH", 8, CommandType.POSTCOPY_ADVISE, 0)
    known = KnownDestination(stream, {"qemu_release": NEWEST})
    for size, refused in ((19, True), (20, False)):
        discard = struct.pack(">BHH", 8, CommandType.POSTCOPY_RAM_DISCARD, size) + bytes(size)
        findings = known.check(plain_stream[:at] + advice + discard + plain_stream[at:])
        assert any("too few for one range" in finding.message for finding in findings) is refused, size


@pytest.mark.parametrize(("release", "taken"), [(Release(8, 0), True), (Release(8, 1), False), (NEWEST, False)])
def test_colo_needs_its_capability_from_8_1_on(release: Release, taken: bool) -> None:
    assert (answer(CommandType.ENABLE_COLO, b"", release) is None) is taken


@pytest.mark.parametrize(("release", "taken"), [(Release(9, 2), False), (Release(10, 0), True), (NEWEST, True)])
def test_the_command_of_the_switchover_is_of_10_0(release: Release, taken: bool) -> None:
    message = answer(CommandType.SWITCHOVER_START, b"", release)
    assert message is None if taken else "from 10.0 on" in str(message)
    assert answer(CommandType.SWITCHOVER_START, b"1", release) is not None


# Instances.


@pytest.mark.parametrize(
    ("name", "instance_id", "taken"),
    [
        ("ram", 0, True),
        ("ram", 1, False),
        ("slirp", 0, True),
        ("slirp", 1, False),
        ("timer", 0, True),
        ("timer", 1, False),
    ],
)
def test_what_is_registered_without_a_description_has_the_instance_0(name: str, instance_id: int, taken: bool) -> None:
    """find_se: an instance_id is that of the section, or the other that it had once (alias_id), which is 0 as well."""
    data = bytearray(plain(SLIRP))
    stream = load(bytes(data))
    section = stream[name]
    at = section.offset + 6 + len(name)
    assert data[at : at + 4] == section.instance_id.to_bytes(4, "big")
    data[at : at + 4] = instance_id.to_bytes(4, "big")
    findings = [finding for finding in KnownDestination(stream).check(bytes(data)) if finding.severity == "error"]
    assert (findings == []) is taken


@pytest.mark.parametrize(
    ("name", "release", "alias"),
    [
        ("ipmi-interface", Release(10, 0), 0xFFFFFFFF),
        ("ipmi-interface", Release(10, 1), 0xCA2),
        ("ipmi-interface-isa-bt", Release(7, 2), 0xFFFFFFFF),
        ("ipmi-interface-isa-bt", None, 0xE4),
        ("mc146818rtc", Release(10, 0), 0x70),
        ("mc146818rtc", Release(10, 1), 0xFFFFFFFF),
    ],
)
def test_an_alias_is_one_of_some_releases(name: str, release: Release | None, alias: int) -> None:
    """IPMI's interfaces were registered by hand up to 10.0; the clock is found by its own instance from 10.1 on."""
    assert alias_ids([(name, 0)], release) == {(name, 0): alias}


@pytest.mark.parametrize(
    ("timers", "release", "known"),
    [(Timer, Release(10, 0), True), (Timer, Release(7, 2), False), (BlkWrite, Release(7, 2), True)],
)
def test_what_stable_releases_have_is_known_to_them(timers: type, release: Release, known: bool) -> None:
    """10.0.13 and 7.2.22 have it in their programs, and take it."""
    (rule,) = [rule for rule in timers.vmsd.rules if rule.id == KNOWN_SINCE]
    assert isinstance(rule.local, Const)
    assert (rule.local.constant <= release) is known
