"""The state of a CPR transfer (cpr-transfer, cpr-exec): what a new QEMU takes over from the one it replaces.

"QCPR", u32 version 1, and one state without header or footer: descriptors by name and id, and what VFIO with iommufd
keeps of its devices. A descriptor itself goes beside the file, by SCM_RIGHTS, and a blank stands for it; of cpr-exec
its number is in the file. Devices and memory are in the stream of the main channel. Facts from QEMU's migration/cpr.c
and hw/vfio/cpr-iommufd.c.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NoReturn

from vmstate.errors import StreamError, VMStateError
from vmstate.saved.containers import Container
from vmstate.saved.foreign import Foreign
from vmstate.saved.opening import UNKNOWN, Input, open_raw
from vmstate.stream.finding import Finding
from vmstate.vmsd.declare import description, fd, int32, qlist, subsection, uint32, vbuffer
from vmstate.vmsd.expr import this
from vmstate.vmsd.state import VMState, facts_of

HEADER = 8
VERSION = 1
SERVICE = 0x20
"""The byte that a descriptor beside the file has in it."""


class CprName(bytes):
    """A name with the NUL at its end, which its text does not have."""

    def __str__(self) -> str:
        return self.removesuffix(b"\0").decode(errors="backslashreplace")


@description("cpr fd", version_id=1, minimum_version_id=1)
class CprFd(VMState):
    """A descriptor: `name` ends with a NUL, `id` tells those of one name apart."""

    namelen: int = uint32()
    name: CprName = vbuffer(this.namelen, value=CprName)
    id: int = int32()
    fd: int = fd()


@description("cpr vfio device", version_id=1, minimum_version_id=1)
class CprVFIODevice(VMState):
    """A device of VFIO with its numbers in iommufd."""

    namelen: int = uint32()
    name: CprName = vbuffer(this.namelen, value=CprName)
    devid: int = int32()
    ioas_id: int = uint32()
    hwpt_id: int = uint32()


@description("CprState/vfio devices", version_id=1, minimum_version_id=1)
class CprVFIODevices(VMState):
    """The devices of VFIO."""

    vfio_devices: list[CprVFIODevice] = qlist(CprVFIODevice, version=1)


@description("CprState", version_id=1, minimum_version_id=1)
class CprState(VMState):
    """What the file has, in its order: the last that was noted comes first."""

    fds: list[CprFd] = qlist(CprFd, version=1)
    vfio: CprVFIODevices | None = subsection(CprVFIODevices)


class CprStateFile(Container):
    """The state of a CPR transfer, and its bytes."""

    state: CprState
    data: bytes

    @property
    def is_exec(self) -> bool:
        """Whether the descriptors are numbers that a process keeps over exec, and not beside the file."""
        return bool(facts_of(self.state).get("cpr_exec"))

    def encode(self) -> bytes:
        """The bytes of the file, made of the state."""
        return self.data[:HEADER] + CprState.vmsd.encode(self.state)

    def facts(self) -> dict[str, Any]:
        """What is in it."""
        devices = [] if self.state.vfio is None else self.state.vfio.vfio_devices
        return {
            "kind": "cpr",
            "mode": "exec" if self.is_exec else "transfer",
            "descriptors": [
                {"name": str(each.name), "id": each.id, "fd": each.fd if self.is_exec else None}
                for each in self.state.fds
            ],
            "vfio_devices": [
                {"name": str(each.name), "devid": each.devid, "ioas_id": each.ioas_id, "hwpt_id": each.hwpt_id}
                for each in devices
            ],
        }

    def lines(self) -> list[tuple[str, str]]:
        """The same for a reader."""
        facts = self.facts()
        where = "by number, kept over exec" if self.is_exec else "beside the file (SCM_RIGHTS)"
        rows = [("descriptors", f"{len(facts['descriptors'])}, {where}")]
        for each in facts["descriptors"]:
            number = "" if each["fd"] is None else f", descriptor {each['fd']}"
            rows.append(("", f"{each['name']} {each['id']}{number}"))
        rows += [
            (
                "vfio device",
                f"{each['name']}: device {each['devid']}, address space {each['ioas_id']}, page table "
                f"{each['hwpt_id']} of iommufd",
            )
            for each in facts["vfio_devices"]
        ]
        return rows

    def findings(self) -> Iterator[Finding]:
        """What is wrong with it."""
        if self.encode() != self.data:
            yield Finding("identical", "error", None, None, None, "what is written of it is not what was read")
        seen: set[tuple[bytes, int]] = set()
        for number, each in enumerate(self.state.fds):
            path = f"fds[{number}]"
            yield from _of_name(each.name, path)
            if not self.is_exec and each.fd != SERVICE:
                message = f"{each.fd:#x} stands for a descriptor: QEMU takes {SERVICE:#x} alone"
                yield Finding("descriptor", "error", "CprState", f"{path}.fd", None, message)
            if (each.name, each.id) in seen:
                message = f"{each.name} {each.id} comes twice: QEMU takes the first"
                yield Finding("twice", "note", "CprState", path, None, message)
            seen.add((each.name, each.id))
        for number, device in enumerate([] if self.state.vfio is None else self.state.vfio.vfio_devices):
            yield from _of_name(device.name, f"vfio.vfio_devices[{number}]")


class CprStateError(StreamError):
    """No migration stream: the state of a CPR transfer, which is `container`."""

    def __init__(self, container: CprStateFile, what: Foreign) -> None:
        message = f"this is no migration stream but {what.name}"
        super().__init__(message, file=container.file, expected=what.advice)
        self.container = container


def _of_name(name: CprName, path: str) -> Iterator[Finding]:
    if not name or name.find(b"\0") != len(name) - 1:
        message = f"{bytes(name[:64])!r} is no name with one NUL, at its end"
        yield Finding("name", "error", "CprState", f"{path}.name", None, message)


def open_cpr_state(file: str | os.PathLike[str]) -> CprStateFile:
    """The state in a file, plain or compressed. Raises `StreamError` for what is none, and for a damaged one."""
    with open_raw(os.fspath(file)) as opened:
        try:
            return cpr_state_in(opened)
        except StreamError as error:
            raise error.within(file=opened.name) from None


def cpr_state_in(opened: Input) -> CprStateFile:
    """The state in what was opened. Raises `StreamError`."""
    name = opened.name
    data = bytes(opened.data[: UNKNOWN + 1])
    if data[:4] != b"QCPR":
        raise StreamError("no state of a CPR transfer begins so", offset=0, found=data[:4].hex())
    if len(data) > UNKNOWN:
        raise StreamError("the state of a CPR transfer is larger than any", expected=f"{UNKNOWN} bytes")
    version = int.from_bytes(data[4:HEADER], "big")
    if len(data) < HEADER or version != VERSION:
        found = str(version) if len(data) >= HEADER else "the end"
        raise StreamError("a CPR transfer of another version", offset=4, expected=str(VERSION), found=found)
    state, error = _decoded(data, is_exec=False)
    if state is None:
        state, of_exec = _decoded(data, is_exec=True)
        # A blank is the first byte of no number that a descriptor has: such a file is of a transfer, and cut off.
        if state is None or any(each.fd >> 24 == SERVICE for each in state.fds):
            raise max(error, of_exec, key=lambda each: each.offset or 0)
    return CprStateFile(name, state, data)


def _decoded(data: bytes, *, is_exec: bool) -> tuple[CprState | None, StreamError]:
    try:
        return CprState.vmsd.decode(data[HEADER:], facts={"cpr_exec": is_exec}), StreamError("")
    except VMStateError as error:
        return None, StreamError(
            f"damaged: {error.message}",
            path=error.path,
            offset=None if error.offset is None else HEADER + error.offset,
            expected=error.expected,
            found=error.found,
        )


def refuse(opened: Input, what: Foreign) -> NoReturn:
    """Say what it is to whoever wants a stream. Raises `StreamError`."""
    try:
        container = cpr_state_in(opened)
    except StreamError as error:
        message = f"this is no migration stream but {what.name}; {error}"
        raise StreamError(message, file=opened.name, expected=what.advice) from None
    raise CprStateError(container, what)
