"""Every exception of the library.

All of them are `VMStateError`: one line that says what is wrong and where (file, section, path, offset) and,
where it applies, what was expected and what was found.
"""

from __future__ import annotations

from typing import Self

__all__ = [
    "DecodeError",
    "DescriptionError",
    "EarlyError",
    "EncodeError",
    "MachineError",
    "PathError",
    "QueryError",
    "SchemaError",
    "StreamError",
    "TruncatedError",
    "VMStateError",
    "VersionError",
]


LONGEST = 4000
"""Characters of an error at most: a stream can have names and lists of any length."""


def one_line(text: str) -> str:
    """The text with nothing in it that could break the line or steer a terminal, whatever came out of a stream."""
    if text.isprintable():
        return text
    return text.translate({ord(char): f"\\x{ord(char):02x}" for char in set(text) if not char.isprintable()})


class VMStateError(Exception):
    """What went wrong, and where.

    `file` is the name the user gave; `section` an idstr; `path` the state path inside the section; `offset` the
    absolute offset in the stream (or in the buffer that was given) in bytes. `expected` and `found` are texts.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        section: str | None = None,
        path: str | None = None,
        offset: int | None = None,
        expected: str | None = None,
        found: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.section = section
        self.path = path
        self.offset = offset
        self.expected = expected
        self.found = found

    def within(self, *, file: str | None = None, section: str | None = None) -> Self:
        """Add what only the caller knows; what is already known stays. Returns the error itself."""
        self.file = self.file or file
        self.section = self.section or section
        return self

    def named(self, file: str) -> Self:
        """Say that it is of another file than the one that was read. Returns the error itself."""
        self.file = file
        return self

    def __str__(self) -> str:
        where = [part for part in (self.file, self.section) if part]
        if self.path:
            where.append(self.path)
        text = ": ".join([*where, self.message])
        if self.offset is not None:
            text += f" at offset {self.offset:#x}"
        details = []
        if self.expected is not None:
            details.append(f"expected {self.expected}")
        if self.found is not None:
            details.append(f"found {self.found}")
        if details:
            text += f" ({', '.join(details)})"
        if len(text) > LONGEST:
            text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
        return one_line(text)


class DescriptionError(VMStateError):
    """A description that cannot be: found when it is declared."""


class DecodeError(VMStateError):
    """Bytes that a description does not accept."""


class VersionError(DecodeError):
    """A version in the header of a section or a subsection that its description does not take.

    `description` is the name of that; `version_id` the version that came, `known` the nearest one that it takes.
    `offset` is behind the header of a section, and where the version stands in that of a subsection.
    """

    description: str = ""
    version_id: int = 0
    known: int = 0


class TruncatedError(DecodeError):
    """The bytes end too early. `needed` is the offset up to which bytes must be there to get further."""

    def __init__(self, message: str, *, needed: int, **where: object) -> None:
        super().__init__(message, **where)  # type: ignore[arg-type]
        self.needed = needed


class DeviceLibraryWarning(UserWarning):
    """The device library of another distribution is broken, and left out."""


class UnfinishedWarning(UserWarning):
    """A file that was still being written: what it has is read."""


class DeviceLibraryError(VMStateError):
    """The device library of another distribution fails while a section is read or written with it."""


class EncodeError(VMStateError):
    """A state that cannot be written."""


class SchemaError(VMStateError):
    """A vmdesc or a -dump-vmstate text that is not one, or that does not say what is asked of it."""


class StreamError(VMStateError):
    """A migration stream, or the file that holds it, that cannot be read or written."""


class EarlyError(VMStateError):
    """Early state, final state or a record that do not belong together; `expected` and `found` name both sides."""


class PathError(VMStateError):
    """A path that names nothing, or more than one thing, in a stream or a state."""


class QueryError(VMStateError):
    """A question that a stream has no answer to, or that is none."""


class MachineError(VMStateError):
    """A QEMU that cannot be started, has gone, refuses a command, or does not answer in time.

    `output` is the end of what it printed, its guest's console included where that was waited for.
    """

    def __init__(self, message: str, *, output: str = "", **where: object) -> None:
        super().__init__(message, **where)  # type: ignore[arg-type]
        self.output = output


class NoAnswerError(MachineError):
    """A QEMU that is there and does not answer in time."""
