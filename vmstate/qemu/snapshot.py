"""A qcow2 image whose snapshot holds a migration stream: what `loadvm` reads, changed in the file between two loads.

QEMU keeps the tables of an image in memory, not what they point to. They are written here once, before it opens the
image; afterwards only the bytes of the stream change, at the same place of the file. Behind the stream stand bytes that
begin no section, and behind those a cluster that cannot be read: a stream that is cut short ends as one from a pipe
does, with an error. The form of the image is from QEMU's docs/interop/qcow2.txt, and how loadvm uses it from
block/qcow2-snapshot.c (qcow2_snapshot_goto) and migration/savevm.c (load_snapshot).
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from vmstate.errors import VMStateError

if TYPE_CHECKING:
    from vmstate.qemu.machine import Machine

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS

NAME = "stream"
"""The name of the snapshot."""

NODE = "vmstate-snapshot"
"""The name of the block node, which no device has."""

LARGEST = 1 << 30
"""Bytes of room at most; the one table of reference counts would do for twice as much."""

SPARE = 1 << 20
"""Bytes that the image has room for beyond twice the stream that it was made for, so that a stream can grow."""

FILLER = 0xFF
"""What stands behind the stream: no kind of section, no footer, no kind of record."""

_ENTRIES = CLUSTER // 8
_HEADER, _REFERENCES, _COUNTS, _ACTIVE, _SAVED, _SNAPSHOTS, _FIRST = range(7)
"""The clusters of the image: its header, the tables of reference counts, the level 1 tables of the disk and of the
snapshot, the table of snapshots, and the first level 2 table."""

_MAGIC = 0x514649FB
_VERSION = 3
_COUNT_ORDER = 4
_HEADER_SIZE = 112
_COMPRESSED = 1 << 62


class SnapshotImage:
    """An image at `path`, which is made, with room for streams of twice `size` bytes and `SPARE` more.

    Raises `VMStateError` for a stream that is too large, and where the file cannot be written.
    """

    def __init__(self, path: str, size: int) -> None:
        clusters = -(-(2 * size + SPARE) // CLUSTER)
        if clusters * CLUSTER > LARGEST:
            raise VMStateError(
                "the stream is too large to be loaded from a snapshot",
                expected=f"at most {(LARGEST - SPARE) // 2:,} bytes",
            )
        self.path = path
        self.room = clusters * CLUSTER
        tables = -(-(clusters + 1) // _ENTRIES)
        self._start = (_FIRST + tables) * CLUSTER
        self._size = self.room
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                self._write_tables(clusters, tables)
                self.put(b"")
            except BaseException:
                os.close(self._file)
                raise
        except OSError as error:
            raise VMStateError(f"cannot be written: {error.strerror}", file=path) from None

    def _write_tables(self, clusters: int, tables: int) -> None:
        level1 = [0, *((_FIRST + number) * CLUSTER for number in range(tables))]
        disk = _ENTRIES * CLUSTER
        unreadable = self._start + clusters * CLUSTER
        header = struct.pack(">IIQIIQIIQQIIQ", _MAGIC, _VERSION, 0, 0, CLUSTER_BITS, disk, 0, len(level1),
                             _ACTIVE * CLUSTER, _REFERENCES * CLUSTER, 1, 1, _SNAPSHOTS * CLUSTER)  # fmt: skip
        header += struct.pack(">QQQIIQ", 0, 0, 0, _COUNT_ORDER, _HEADER_SIZE, 0)
        snapshot = struct.pack(">QIHHIIQII", _SAVED * CLUSTER, len(level1), 1, len(NAME), 0, 0, 0, 1, 16)
        snapshot += struct.pack(">QQ", self.room, disk) + b"1" + NAME.encode()
        # What the snapshot holds counts twice: once as the snapshot's, once as the disk's, which has gone to it.
        counts = [1] * _FIRST + [2] * (tables + clusters + 1)
        level2 = [self._start + number * CLUSTER for number in range(clusters)] + [_COMPRESSED | unreadable]
        for cluster, content in (
            (_HEADER, header),
            (_REFERENCES, struct.pack(">Q", _COUNTS * CLUSTER)),
            (_COUNTS, struct.pack(f">{len(counts)}H", *counts)),
            (_ACTIVE, struct.pack(f">{len(level1)}Q", *level1)),
            (_SAVED, struct.pack(f">{len(level1)}Q", *level1)),
            (_SNAPSHOTS, snapshot),
            (_FIRST, struct.pack(f">{len(level2)}Q", *level2)),
            # No deflated data begins so.
            (unreadable // CLUSTER, bytes([FILLER]) * CLUSTER),
        ):
            os.pwrite(self._file, content, cluster * CLUSTER)

    def put(self, data: bytes) -> None:
        """Make a stream the one that is loaded. Raises `OSError`; the stream must fit in `room`."""
        behind = self._size - len(data)
        os.pwrite(self._file, data + bytes([FILLER]) * behind if behind > 0 else data, self._start)
        self._size = len(data)

    def plug_in(self, machine: Machine) -> None:
        """Make it a block node of a machine that runs. Raises `MachineError` where QEMU does not take it."""
        file = {"driver": "file", "filename": os.path.abspath(self.path), "locking": "off"}
        machine.ask(
            "blockdev-add",
            {"driver": "qcow2", "node-name": NODE, "cache": {"direct": False, "no-flush": True}, "file": file},
        )

    @property
    def words(self) -> list[str]:
        """The options of QEMU that make it a block node."""
        image = self.path.replace(",", ",,")
        file = f"file.driver=file,file.filename={image},file.locking=off"
        return ["-blockdev", f"driver=qcow2,node-name={NODE},cache.no-flush=on,{file}"]

    def close(self) -> None:
        """Let the file go; it stays."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


_REFUSED = "Error: "
"""How the line begins in which the command loadvm says that it failed (hmp_handle_error); others are remarks."""

_JOB = "vmstate-load"

JOB_SINCE = (6, 0)
"""The first release with snapshot-load."""


def load_by_command(machine: Machine, limit: float, is_awaited: Callable[[], bool] | None = None) -> str | None:
    """Load by the command for people, which takes half as long as a job: why it is refused, or None.

    It wants the snapshot in each disk that can be written; `is_awaited` is as for `Monitor.ask`. Raises `MachineError`.
    """
    words = {"command-line": f"loadvm {NAME}"}
    answer: str = machine.monitor.ask("human-monitor-command", words, limit=limit, is_awaited=is_awaited)
    answer = answer.replace("\r\n", "\n")
    return answer if any(line.startswith(_REFUSED) for line in answer.splitlines()) else None


def load_by_job(machine: Machine, limit: float) -> str | None:
    """Load by a job, which leaves the machine's disks alone: why it is refused, or None. Raises `MachineError`."""
    end = time.monotonic() + limit
    monitor = machine.monitor
    node = {"tag": NAME, "vmstate": NODE, "devices": [NODE]}
    monitor.ask("snapshot-load", {"job-id": _JOB, **node}, limit=limit)
    is_refused = False
    while True:
        event = monitor.next_event(end - time.monotonic())
        status = event["data"].get("status") if event["event"] == "JOB_STATUS_CHANGE" else None
        if status == "aborting":
            is_refused = True
        elif status == "concluded":
            break
    jobs: list[Any] = monitor.ask("query-jobs", limit=limit) if is_refused else []
    monitor.ask("job-dismiss", {"id": _JOB}, limit=limit)
    printed = machine.new_output()
    if not is_refused:
        return None
    return printed + "".join(f"{_REFUSED}{job['error']}\n" for job in jobs if job.get("error"))
