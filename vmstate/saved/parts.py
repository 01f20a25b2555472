"""FILE@PART: which stream in a file is meant, by the name of a snapshot or by its offset."""

from __future__ import annotations

import os


class Part(str):
    """A part of which it is told what it is: a "snapshot" or an "offset". One behind an @ can be either."""

    kind: str


class GivenFile(str):
    """The name of a file, FILE@PART where a part is told, which tells whoever opens it of the part.

    It tells of the `further` channels of its migration, too.
    """

    file: str
    part: Part | None
    further: tuple[str, ...]

    @classmethod
    def of(cls, file: str, snapshot: str | None, offset: int | None, further: tuple[str, ...]) -> GivenFile:
        """A file with what was told of it."""
        part = None
        if snapshot is not None or offset is not None:
            part = Part(offset if snapshot is None else snapshot)
            part.kind = "offset" if snapshot is None else "snapshot"
        given = cls(file if part is None else f"{file}@{part}")
        given.file, given.part, given.further = file, part, further
        return given


def split(name: str) -> tuple[str, str | None]:
    """The file and the part that a name means. Where several @ stand in it the file is the longest that there is."""
    if isinstance(name, GivenFile):
        return name.file, name.part
    if "@" not in name or os.path.exists(name):
        return name, None
    at = len(name)
    while (at := name.rfind("@", 0, at)) > 0:
        if name[:at] == "-" or os.path.exists(name[:at]):
            return name[:at], name[at + 1 :]
    file, _, part = name.rpartition("@")
    return file, part
