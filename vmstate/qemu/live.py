"""The device state of a machine that runs, without migrating it.

QMP's `xen-save-devices-state` stops the guest, writes every device section, and lets the guest go on. Xen is only where
the command came from: it works with any accelerator, on every target, and in the middle of a migration. What it writes
is the header, the sections without RAM and the end: no configuration section and no vmdesc (QEMU's migration/savevm.c,
qmp_xen_save_devices_state). The machine type, which the configuration section would have, is asked of QMP.

In the middle of a migration the state is asked for only where memory is left that no source sends in the meantime, or,
where somebody holds up what the source sends, that it cannot get rid of. QEMU
stops the guest for the command in the run state save-vm, and waits for its CPUs without its lock; where a migration
comes to its own stop in that moment, it sets finish-migrate, a transition that no QEMU has, and QEMU aborts
(system/runstate.c, runstate_set): the guest is gone.

The argument `live` is always given as false. With true QEMU gives up its block devices where the guest was not running,
for a tool of Xen that stops it first; in either case a guest that ran goes on.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable
from typing import Any

from vmstate.errors import MachineError, NoAnswerError
from vmstate.files import write_atomic
from vmstate.qemu.monitor import Monitor, answers_understood, command_line_of, read_address
from vmstate.qemu.provenance import recorded_now, refuse_place, write_provenance
from vmstate.stream.configuration import Configuration
from vmstate.stream.events import MAGIC, ConfigurationSection, SectionFooter, SectionHeader
from vmstate.stream.ram_records import EOS, HEADER, MEM_SIZE
from vmstate.stream.reader import RAM, RAM_VERSION
from vmstate.vmsd.data import Data

COMMAND = "xen-save-devices-state"
LIMIT = 30.0
"""Seconds that QEMU may take for its greeting, and for the state: it waits for requests to disks that are under way."""

_MEANWHILE = 0.05
"""Seconds that may pass from the question how far a migration is until the guest goes on; it takes milliseconds."""

_SCANNED = 4 << 30
"""Bytes of memory that no source gets through in a second, however many are zero."""

_WINDOW = 0.1
"""Seconds over which a source measures how fast it sends: BUFFER_DELAY in QEMU's migration/migration.c."""

_PAGE = 4096
_ZERO_PAGE = 9
"""Bytes of a page of zeros in a stream: be64 address and flags, one byte; a limit of the bandwidth counts no more."""

_HEADER = 8
_RAM_SECTION = 0xFFFFFFFF
"""A section_id that QEMU gives to none: it counts from 0."""

_BLOCK = re.compile(r"(\S.*?)\s+\d+ \w+\s+0x[0-9a-f]+\s+(0x[0-9a-f]{1,16})\s+0x[0-9a-f]+")
"""A line of HMP's `info ramblock`: name, page size, offset, used length, greatest length, ..."""

_OWN_STATE = 10, 0
"""The first release whose network cards ask a vhost-user back end for state of its own (DEVICE_STATE)."""

_LONGEST_LINE = 512
_MOST_BLOCKS = 1 << 14
_LONGEST_NAME = 255
"""Bytes of a name of a machine or block: in a stream a byte has the length of the latter."""

MOST_STATE = 1 << 29
"""Bytes of a device state: far more than any has, the picture of a virtio-gpu included."""

_MACHINE_SUFFIX = "-machine"


class LiveState(Data):
    """The device state of a machine at one moment.

    `data` is the stream as QEMU wrote it. `machine` is the machine type, None where QEMU does not say it; `blocks` are
    the names and used lengths (bytes) of its blocks of RAM. `status` is the run state before. `pause_ms` is from QMP's
    event STOP to RESUME, milliseconds; None for a guest that was not running. `call_ms` is the whole command as seen
    here. `migration` is what query-migrate called a migration that was under way, None where there was none.
    """

    data: bytes
    machine: str | None
    blocks: tuple[tuple[str, int], ...]
    status: str
    pause_ms: float | None
    call_ms: float
    qemu_version: str
    migration: str | None

    def stream(self) -> bytes:
        """The stream as a migration would begin it, as far as that is known: with the configuration section, and with
        the list of the RAM blocks, whose pages are not there.
        """
        begin = bytearray(self.data[:_HEADER])
        if self.machine is not None:
            configuration = Configuration(len=len(self.machine), name=self.machine)
            begin += ConfigurationSection(configuration, 0, 0).to_bytes()
        if self.blocks:
            begin += _ram_start(self.blocks)
        return bytes(begin) + self.data[_HEADER:]

    def as_dict(self) -> dict[str, Any]:
        """What is known of the moment, as JSON values, without the stream."""
        return {
            "machine": self.machine,
            "status": self.status,
            "pause_ms": self.pause_ms,
            "call_ms": self.call_ms,
            "migration": self.migration,
        }


def _ram_start(blocks: tuple[tuple[str, int], ...]) -> bytes:
    """The section that a migration begins RAM with, the list of the blocks: be64 size and flag, for each block u8
    length, name, be64 used length; be64 end.
    """
    header = SectionHeader("start", _RAM_SECTION, RAM, 0, RAM_VERSION, 0)
    names = ((name.encode(), length) for name, length in blocks)
    listed = b"".join(bytes([len(name)]) + name + HEADER.pack(length) for name, length in names)
    body = HEADER.pack(sum(length for _, length in blocks) | MEM_SIZE) + listed + HEADER.pack(EOS)
    return header.to_bytes() + body + SectionFooter(_RAM_SECTION, 0).to_bytes()


def connected(address: str, *, limit: float = LIMIT) -> Monitor:
    """The monitor at `address` (unix:PATH, or PATH). Raises `MachineError`, also where somebody else is connected."""
    place = read_address(address)
    if isinstance(place, tuple):
        raise MachineError(
            "the state of a running machine comes through a descriptor, which only a local socket can pass",
            expected="unix:PATH",
            found=address,
        )
    try:
        return Monitor(place, limit=limit)
    except NoAnswerError:
        raise MachineError(
            f"the monitor does not greet in {limit:g} s: a monitor has one client at a time, so somebody else may be "
            "connected to it",
            expected="a QMP monitor of its own (a second -qmp option)",
            file=address,
        ) from None
    except MachineError as error:
        raise error.within(file=address) from None


def live_state_at(address: str, *, limit: float = LIMIT) -> LiveState:
    """The device state of the machine whose monitor is at `address`. Raises `MachineError`."""
    with connected(address, limit=limit) as monitor:
        try:
            return live_state(monitor, limit=limit)
        except MachineError as error:
            raise error.within(file=address) from None


def live_state(monitor: Monitor, *, limit: float = LIMIT, room: Callable[[], int | None] | None = None) -> LiveState:
    """The device state of a machine now. The guest is paused for it, some milliseconds.

    `room` says how many bytes a migration under way can still get rid of while this goes on, if somebody holds it up;
    None where that is not known. Raises `MachineError`, also where a migration may be near its stop, and where a card
    is on a vhost-user back end that may give its own state away with the answer: passt, which has done its part then,
    ends, and the guest has no network.
    """
    with answers_understood(), tempfile.TemporaryFile() as file:
        if monitor.version >= _OWN_STATE:
            cards = str(monitor.ask_or_none("human-monitor-command", {"command-line": "info network"}))
            if "type=vhost-user," in cards:
                raise MachineError(
                    "a network card is on a vhost-user back end, whose own state QEMU would take as for a migration: "
                    "passt ends then, and the guest has no network",
                    expected="cards on other back ends, or a saved stream",
                )
        status = str(monitor.ask("query-status")["status"])
        migration = (monitor.ask_or_none("query-migrate") or {}).get("status")
        name = monitor.ask_or_none("qom-get", {"path": "/machine", "property": "type"})
        machine = _name(name.removesuffix(_MACHINE_SUFFIX)) if isinstance(name, str) else None
        text = monitor.ask_or_none("human-monitor-command", {"command-line": "info ramblock"})
        blocks = _blocks_of(str(text or ""))
        monitor.events()
        # QEMU takes a descriptor of a set only for the access that it was opened for.
        writing = os.open(f"/proc/self/fd/{file.fileno()}", os.O_WRONLY)
        try:
            number = monitor.add_descriptor(writing)
        finally:
            os.close(writing)
        try:
            if status == "running" and is_near_stop(monitor, None if room is None else room()):
                raise MachineError(
                    "a migration is under way and may stop the guest at any moment: QEMU aborts where that meets this "
                    "question",
                    expected="another moment, or a lower max-bandwidth",
                )
            begun = time.monotonic()
            _save(monitor, f"/dev/fdset/{number}", limit)
            call_ms = 1000 * (time.monotonic() - begun)
        finally:
            if monitor.is_open:
                monitor.ask_or_none("remove-fd", {"fdset-id": number})
        pause_ms = _pause_of(monitor.events())
        if os.fstat(file.fileno()).st_size > MOST_STATE:
            expected = f"at most {MOST_STATE} bytes"
            raise MachineError(f"{COMMAND}: what was written is too much for a device state", expected=expected)
        data = file.read(MOST_STATE)
    if data[: len(MAGIC)] != MAGIC:
        raise MachineError(f"{COMMAND}: QEMU wrote no stream", found=data[: len(MAGIC)].hex() or "nothing")
    return LiveState(
        data=data,
        machine=machine,
        blocks=blocks,
        status=status,
        pause_ms=pause_ms,
        call_ms=round(call_ms, 3),
        qemu_version=".".join(map(str, monitor.version)),
        migration=migration if migration in UNDER_WAY else None,
    )


def _name(text: str) -> str:
    """A name as a stream can have it. Raises `ValueError`."""
    if not 0 < len(text.encode()) <= _LONGEST_NAME:
        raise ValueError(f"a name of {len(text)} characters")
    return text


def _blocks_of(text: str) -> tuple[tuple[str, int], ...]:
    """The names and used lengths (bytes) of HMP's `info ramblock`. Raises `ValueError`."""
    lines = (line.strip() for line in text.splitlines() if len(line) < _LONGEST_LINE)
    blocks = tuple((_name(match[1]), int(match[2], 16)) for match in map(_BLOCK.match, lines) if match is not None)
    if len(blocks) > _MOST_BLOCKS or any(length >= 1 << 63 for _, length in blocks):
        raise ValueError(f"{len(blocks)} blocks of RAM, or one of more than any machine has")
    return blocks


def capture_devices(path: str | os.PathLike[str], address: str, *, limit: float = LIMIT) -> dict[str, Any]:
    """Write the device state of a running machine to a file, its provenance beside it; the provenance.

    In it `live` is what `LiveState.as_dict` says. The stream has a configuration section, which is made here. Raises
    `VMStateError`.
    """
    refuse_place(path)
    with connected(address, limit=limit) as monitor:
        try:
            state = live_state(monitor, limit=limit)
            pid, build = monitor.peer, monitor.build
        except MachineError as error:
            raise error.within(file=address) from None
    data = state.stream()
    known = {
        **recorded_now(path, size=len(data), sha256=hashlib.sha256(data).hexdigest()),
        "qemu_version": state.qemu_version,
        "qemu_build": build,
        "argv": None if pid is None else command_line_of(pid),
        "live": state.as_dict(),
    }
    write_atomic(path, [data])
    write_provenance(path, known)
    return known


def _number(value: Any) -> float:
    """A number of an answer, 0 where there is none. Raises `TypeError`: a text times a number is a longer text."""
    if value is not None and not isinstance(value, (int, float)):
        raise TypeError(f"{str(value)[:40]!r} in the place of a number")
    return value or 0


def is_near_stop(monitor: Monitor, room: int | None = None) -> bool:
    """Whether a migration is under way that may stop the guest in the next moment. Raises `MachineError`.

    By what query-migrate says is left (bytes), and how fast that may be sent. With `room`, the bytes that it can still
    get rid of, it goes by those, however fast they are.
    """
    told = monitor.ask("query-migrate")
    if told.get("status") not in UNDER_WAY:
        return False
    parameters = monitor.ask("query-migrate-parameters")
    seconds = _number(parameters.get("downtime-limit")) / 1000
    memory = told.get("ram") or {}
    if room is None:
        bandwidth = min(_number(parameters.get("max-bandwidth")) or _SCANNED, _SCANNED)
        meanwhile = min(_SCANNED, bandwidth * _PAGE / _ZERO_PAGE) * _MEANWHILE
        at_the_stop = bandwidth * seconds
    else:
        # A source stops where it could send the rest in time, as fast as in its last 100 ms or as somebody has told it.
        meanwhile = room * _PAGE / _ZERO_PAGE
        measured = max(_number(memory.get("mbps")) * 1e6 / 8, room / _WINDOW)
        at_the_stop = (_number(parameters.get("avail-switchover-bandwidth")) or measured) * seconds
    return bool(told["status"] != "active" or _number(memory.get("remaining")) < meanwhile + at_the_stop)


UNDER_WAY = ("setup", "active", "device", "pre-switchover", "wait-unplug", "postcopy-active", "postcopy-paused")
"""What query-migrate calls a migration that has begun and not ended."""


def _save(monitor: Monitor, filename: str, limit: float) -> None:
    try:
        monitor.ask(COMMAND, {"filename": filename, "live": False}, limit=limit)
    except NoAnswerError:
        raise
    except MachineError as error:
        if "has not been found" not in error.message:
            raise
        raise MachineError(
            f"this QEMU cannot write its device state while it runs: it has no command {COMMAND}",
            found=".".join(map(str, monitor.version)),
        ) from None


def _pause_of(events: list[dict[str, Any]]) -> float | None:
    """Milliseconds from the event STOP to RESUME; None where there were none."""
    times: dict[str, float] = {}
    for event in events:
        stamp = event["timestamp"]
        times[event["event"]] = 1_000_000 * _number(stamp["seconds"]) + _number(stamp["microseconds"])
    if "STOP" not in times or "RESUME" not in times:
        return None
    return (times["RESUME"] - times["STOP"]) / 1000
