"""What a migration stream is made of, as the reader tells it and the writer takes it.

Each event has `offset`, the absolute offset of its first byte, and `to_bytes()`, the bytes it stands for; those of all
events of a stream, one after the other, are the stream. Integers are big-endian. Facts from QEMU's migration/savevm.h
and migration/savevm.c.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from vmstate.errors import StreamError
from vmstate.stream.configuration import Configuration
from vmstate.stream.ram_records import RamEvent
from vmstate.vmsd.data import Value
from vmstate.vmsd.description import VMStateDescription

MAGIC: Final = b"QEVM"
VERSION: Final = 3
VERSION_COMPAT: Final = 2
FOOTER: Final = 0x7E


class Mark(enum.IntEnum):
    """The byte that opens each part of a stream."""

    EOF = 0x00
    SECTION_START = 0x01
    SECTION_PART = 0x02
    SECTION_END = 0x03
    SECTION_FULL = 0x04
    SUBSECTION = 0x05
    VMDESCRIPTION = 0x06
    CONFIGURATION = 0x07
    COMMAND = 0x08


KINDS: Final[dict[int, str]] = {
    Mark.SECTION_START: "start",
    Mark.SECTION_PART: "part",
    Mark.SECTION_END: "end",
    Mark.SECTION_FULL: "full",
}
MARKS: Final = {kind: Mark(mark) for mark, kind in KINDS.items()}


class CommandType(enum.IntEnum):
    """The commands a source can put into a stream."""

    INVALID = 0
    OPEN_RETURN_PATH = 1
    PING = 2
    POSTCOPY_ADVISE = 3
    POSTCOPY_LISTEN = 4
    POSTCOPY_RUN = 5
    POSTCOPY_RAM_DISCARD = 6
    PACKAGED = 7
    ENABLE_COLO = 8
    POSTCOPY_RESUME = 9
    RECV_BITMAP = 10
    SWITCHOVER_START = 11


def _number(value: int, size: int, what: str) -> bytes:
    if not 0 <= value < 1 << 8 * size:
        raise StreamError(f"{what} does not fit", expected=f"0 to {(1 << 8 * size) - 1}", found=str(value))
    return value.to_bytes(size, "big")


class Header(Value):
    """The magic "QEVM" and the version of the stream format, 4 bytes each."""

    version: int
    offset: int = 0

    def to_bytes(self) -> bytes:
        """8 bytes."""
        return MAGIC + self.version.to_bytes(4, "big")


class ConfigurationSection(Value):
    """The configuration: a byte 0x07, then the description's fields and subsections, with no footer."""

    state: Configuration
    offset: int
    size: int

    def to_bytes(self) -> bytes:
        """The bytes of the section."""
        vmsd: VMStateDescription = Configuration.vmsd  # type: ignore[attr-defined]
        return bytes((Mark.CONFIGURATION,)) + vmsd.encode(self.state)


class SectionHeader(Value):
    """u8 mark, u32 section_id; for start and full also u8 length, idstr, u32 instance_id, u32 version_id.

    `kind` is "start", "part", "end" or "full". A part or end says only its section_id: `name`, `instance_id` and
    `version_id` are those of its start.
    """

    kind: str
    section_id: int
    name: str
    instance_id: int
    version_id: int
    offset: int

    def to_bytes(self) -> bytes:
        """The bytes of the header."""
        if self.kind not in MARKS:
            raise StreamError("there is no such kind of section", expected=", ".join(MARKS), found=repr(self.kind))
        out = bytes((MARKS[self.kind],)) + _number(self.section_id, 4, "a section_id")
        if self.kind in ("start", "full"):
            try:
                name = self.name.encode()
            except UnicodeEncodeError:
                raise StreamError("an idstr must be text that UTF-8 can say", found=repr(self.name)) from None
            out += _number(len(name), 1, "the length of an idstr") + name
            out += _number(self.instance_id, 4, "an instance_id") + _number(self.version_id, 4, "a version_id")
        return out


class DeviceState(Value):
    """What a section holds that is not RAM.

    `described_by` is "library", "vmdesc" or "none"; without a description `state` is the bytes as they came.
    """

    state: Any
    vmsd: VMStateDescription | None
    described_by: str
    version_id: int
    offset: int
    size: int
    problem: str | None = None
    """Why no description that the library has for the idstr was of use, if it has any."""

    def to_bytes(self) -> bytes:
        """The bytes of the state."""
        if self.vmsd is None:
            return bytes(self.state)
        from vmstate.codec.pieces import pieces_of

        return b"".join(pieces_of(self.vmsd, self.state, self.version_id, self.size))


class SectionFooter(Value):
    """u8 0x7e, u32 section_id; `section_id` is None where the machine type writes no footers."""

    section_id: int | None
    offset: int

    def to_bytes(self) -> bytes:
        """5 bytes, or none."""
        return b"" if self.section_id is None else bytes((FOOTER,)) + self.section_id.to_bytes(4, "big")


class Command(Value):
    """u8 0x08, u16 command, u16 length, data. What PACKAGED wraps (u32 length) follows as parts of the stream."""

    command: int
    data: bytes
    offset: int

    @property
    def name(self) -> str:
        """QEMU's name of the command."""
        return CommandType(self.command).name if self.command in CommandType.__members__.values() else "unknown"

    def to_bytes(self) -> bytes:
        """The bytes of the command."""
        head = bytes((Mark.COMMAND,)) + _number(self.command, 2, "the number of a command")
        return head + _number(len(self.data), 2, "the length of a command's data") + self.data


class EndOfStream(Value):
    """A byte 0x00."""

    offset: int

    def to_bytes(self) -> bytes:
        """1 byte."""
        return b"\0"


class Vmdescription(Value):
    """u8 0x06, u32 length, the JSON text."""

    text: bytes
    offset: int = 0

    def to_bytes(self) -> bytes:
        """The bytes of the description."""
        return bytes((Mark.VMDESCRIPTION,)) + len(self.text).to_bytes(4, "big") + self.text


class Trailing(Value):
    """What follows the end, of which QEMU reads nothing."""

    raw: bytes | memoryview
    offset: int = 0

    def to_bytes(self) -> bytes:
        """The bytes as they came."""
        return bytes(self.raw)


Event = (
    Header
    | ConfigurationSection
    | SectionHeader
    | DeviceState
    | RamEvent
    | SectionFooter
    | Command
    | EndOfStream
    | Vmdescription
    | Trailing
)


class NeedData(enum.Enum):
    """The answer of a reader that waits for bytes."""

    # A value of an enum, so that a type checker knows after `is NEED_DATA` what is left.
    NEED_DATA = enum.auto()

    def __repr__(self) -> str:
        return "NEED_DATA"


NEED_DATA: Final = NeedData.NEED_DATA


class Done(enum.Enum):
    """The answer of a reader that has come to the end."""

    DONE = enum.auto()

    def __repr__(self) -> str:
        return "DONE"


DONE: Final = Done.DONE
