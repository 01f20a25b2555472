"""Which commands of the stream a destination takes that waits for an ordinary migration."""

from __future__ import annotations

import struct

import pytest
from recorded import MICROVM, plain

from vmstate import load
from vmstate.rules import KnownDestination
from vmstate.stream.events import CommandType
from vmstate.vmsd.release import Release

SLIRP = "qemu-7.2-q35-virtio-net.mig.xz"
NEWEST = Release(11, 1)
PLACE, LENGTH, UNKNOWN = "no place here", "wrong length", "does not know"

# command -> its length, and why it is refused all the same; from loadvm_process_command in migration/savevm.c
COMMANDS: dict[CommandType, tuple[int | None, str | None]] = {
    CommandType.OPEN_RETURN_PATH: (0, None),
    CommandType.PING: (4, PLACE),
    CommandType.POSTCOPY_LISTEN: (0, PLACE),
    CommandType.POSTCOPY_RUN: (0, PLACE),
    CommandType.POSTCOPY_RAM_DISCARD: (None, PLACE),
    CommandType.POSTCOPY_RESUME: (0, None),
    CommandType.RECV_BITMAP: (None, PLACE),
    CommandType.ENABLE_COLO: (0, None),
}


def answer(command: CommandType, size: int, release: Release = NEWEST) -> str | None:
    """Why the destination of a stream refuses it with a command in front of its first section."""
    data = plain(MICROVM)
    stream = load(data)
    at = stream.sections[0].offset
    told = struct.pack(">BHH", 8, command, size) + bytes(size)
    found = KnownDestination(stream, {"qemu_release": release}).check(data[:at] + told + data[at:])
    return next((finding.message for finding in found if finding.severity == "error"), None)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_has_its_length_and_its_place(command: CommandType) -> None:
    length, why = COMMANDS[command]
    told = answer(command, 2 if length is None else length)
    assert told is None if why is None else told is not None and why in told
    if length is not None:
        for size in {0, 1, 4, 5} - {length}:
            other = answer(command, size)
            assert other is not None and LENGTH in other, size


def test_advice_on_dirty_bitmaps_alone_is_taken() -> None:
    assert answer(CommandType.POSTCOPY_ADVISE, 0) is None
    assert PLACE in str(answer(CommandType.POSTCOPY_ADVISE, 16))


@pytest.mark.parametrize(("release", "taken"), [(Release(9, 2), False), (Release(10, 0), True), (NEWEST, True)])
def test_the_command_of_the_switchover_is_of_10_0(release: Release, taken: bool) -> None:
    told = answer(CommandType.SWITCHOVER_START, 0, release)
    assert told is None if taken else UNKNOWN in str(told)
    assert answer(CommandType.SWITCHOVER_START, 1, release) is not None


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
    found = [one for one in KnownDestination(stream).check(bytes(data)) if one.severity == "error"]
    assert (found == []) is taken
