"""A tree as a series of patches makes it: mails as `git format-patch` writes them or a mailing list keeps them, or the
output of `git diff`. The patches are applied in memory to the files that are read, and to nothing else.

A hunk is put where its lines are, at the place that it says or the nearest one; none is applied to lines that differ.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from vmstate.errors import VMStateError
from vmstate.source.tree import MAX_FILE, Tree, is_wanted
from vmstate.vmsd.data import Data

MAX_SERIES = 64 << 20
"""Bytes of a series."""

MAX_HUNKS = 50_000
"""Hunks of a series."""

MAX_MOVED = 2000
"""Lines by which a hunk may stand elsewhere than it says."""

MAIL = re.compile(rb"^From \S+ .*\d{4}\r?$", re.M)
HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
NUMBER = re.compile(r"\[[^\]]*?(\d{1,4})/(\d{1,4})\s*\]")


class Hunk(Data):
    """The lines that a patch expects from line `start` (from 1) on, and those that it puts there."""

    start: int
    old: list[bytes]
    new: list[bytes]


class FilePatch(Data):
    """What a patch does to a file. `old` is None for a new file, `new` for one that goes."""

    patch: str
    old: str | None
    new: str | None
    hunks: list[Hunk]
    is_binary: bool


class PatchedTree(Tree):
    """A tree with a series applied to it. `patches` says how many patches of it there were."""

    def __init__(self, base: Tree, series: bytes, name: str = "the series") -> None:
        self.base = base
        self.name = base.name
        self.release = base.release
        self._large = dict(base.too_large)
        self.too_large = self._large
        self._texts: dict[str, bytes] = {}
        blobs = dict(base.blobs)
        self.blobs = blobs
        if len(series) > MAX_SERIES:
            raise VMStateError(f"more than {MAX_SERIES >> 20} MiB of patches", file=name)
        patches = [each for text in _texts_of(series) for each in _patches(text, name)]
        if not patches:
            raise VMStateError("no patch", file=name, expected="mails of git format-patch, or the output of git diff")
        if sum(len(patch.hunks) for patch in patches) > MAX_HUNKS:
            raise VMStateError(f"more than {MAX_HUNKS} hunks", file=name)
        self.patches = len(patches)
        for patch in patches:
            self._apply(patch, blobs, name)

    def _apply(self, patch: FilePatch, blobs: dict[str, str], name: str) -> None:
        places = [path for path in (patch.old, patch.new) if path is not None]
        if not any(is_wanted(path) for path in places):
            return
        if patch.is_binary:
            raise VMStateError(f"{patch.patch}: a binary patch of {places[0]}, which is not read", file=name)
        if patch.old is None:
            if patch.new in blobs:
                raise VMStateError(f"{patch.patch}: {patch.new} is new there, and in the tree already", file=name)
            lines = []
        elif patch.old not in blobs:
            reason = "is too large to be read" if patch.old in self.too_large else "is not in the tree"
            raise VMStateError(f"{patch.patch}: {patch.old} {reason}", file=name)
        else:
            lines = self.read(patch.old).splitlines(keepends=True)
            blobs.pop(patch.old)
            self._texts.pop(patch.old, None)
        moved = 0
        for hunk in patch.hunks:
            expected = max(hunk.start - 1, 0) + moved if hunk.old else hunk.start + moved
            place = _place(lines, hunk.old, expected)
            if place is None:
                at = f"the hunk at line {hunk.start} does not apply to {patch.old or patch.new}"
                raise VMStateError(f"{patch.patch}: {at}", file=name, expected=f"lines as in {self.name}")
            lines[place : place + len(hunk.old)] = hunk.new
            moved = place - (expected - moved) + len(hunk.new) - len(hunk.old)
        if patch.new is None or not is_wanted(patch.new):
            return
        data = b"".join(lines)
        if len(data) > MAX_FILE:
            self._large[patch.new] = len(data)
            return
        self._texts[patch.new] = data
        blobs[patch.new] = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

    def read(self, path: str) -> bytes:
        known = self._texts.get(path)
        return self.base.read(path) if known is None else known

    def earlier(self, blob: str) -> bytes | None:
        return self.base.earlier(blob)

    def close(self) -> None:
        self.base.close()


def _place(lines: list[bytes], wanted: list[bytes], expected: int) -> int | None:
    """Where some lines stand: as near to the place where they should as can be."""
    last = len(lines) - len(wanted)
    for distance in range(MAX_MOVED):
        for place in (expected - distance, expected + distance) if distance else (expected,):
            if 0 <= place <= last and lines[place : place + len(wanted)] == wanted:
                return place
    return None


def _texts_of(series: bytes) -> list[tuple[str, bytes]]:
    """The bodies of mails with their subjects, in the order of their numbers; or the whole, where there is no mail."""
    starts = [mark.start() for mark in MAIL.finditer(series)]
    if not series.startswith(b"From ") or not starts:
        return [("the patch", series)]
    # Not every verb needs it, and it is large.
    import email
    import email.policy

    mails: list[tuple[int, str, bytes]] = []
    for start, end in zip(starts, [*starts[1:], len(series)], strict=True):
        raw = series[start:end].partition(b"\n")[2]
        message = email.message_from_bytes(raw)
        subject = " ".join(str(message.get("Subject", "a patch")).split())
        number = NUMBER.search(subject)
        bodies = [part for part in message.walk() if part.get_content_maintype() == "text"][:8]
        payloads = [part.get_payload(decode=True) for part in bodies]
        body = b"\n".join(payload for payload in payloads if isinstance(payload, bytes))
        mails.append((int(number[1]) if number else 0, subject[:120], body))
    numbered = len({number for number, _, _ in mails}) == len(mails)
    return [(subject, body) for _, subject, body in (sorted(mails) if numbered else mails)]


def _patches(text: tuple[str, bytes], name: str) -> Iterator[FilePatch]:
    """The files that one mail, or a diff, changes."""
    subject, body = text
    lines = body.replace(b"\r\n", b"\n").splitlines(keepends=True)
    at = 0
    old: str | None = None
    new: str | None = None
    hunks: list[Hunk] = []
    is_binary = is_open = False
    while at < len(lines):
        line = lines[at]
        if line.startswith(b"diff --git "):
            if is_open:
                yield FilePatch(subject, old, new, hunks, is_binary)
            old, new = _paths_of(line)
            hunks, is_binary, is_open = [], False, True
        elif line.startswith(b"--- ") and at + 1 < len(lines) and lines[at + 1].startswith(b"+++ "):
            if is_open and hunks:
                yield FilePatch(subject, old, new, hunks, is_binary)
                hunks = []
            is_open = True
            old, new = _path(line[4:]), _path(lines[at + 1][4:])
            at += 1
        elif is_open and line.startswith(b"rename from "):
            old = _decoded(line[12:])
        elif is_open and line.startswith((b"rename to ", b"copy to ")):
            new = _decoded(line.split(b" ", 2)[2])
        elif is_open and line.startswith(b"deleted file mode"):
            new = None
        elif is_open and line.startswith(b"new file mode"):
            old = None
        elif is_open and line.startswith((b"GIT binary patch", b"Binary files ")):
            is_binary = True
        elif is_open and line.startswith(b"@@ "):
            hunk, at = _hunk(lines, at, subject, name)
            hunks.append(hunk)
            continue
        at += 1
    if is_open:
        yield FilePatch(subject, old, new, hunks, is_binary)


def _hunk(lines: list[bytes], at: int, subject: str, name: str) -> tuple[Hunk, int]:
    """The hunk whose head stands at a line, and the line behind it."""
    head = HUNK.match(lines[at])
    if head is None:
        raise VMStateError(f"{subject}: a hunk without its line numbers", file=name)
    left, right = (int(count) if count else 1 for count in (head[2], head[4]))
    old: list[bytes] = []
    new: list[bytes] = []
    at += 1
    while (left or right) and at < len(lines):
        line = lines[at]
        sign, rest = line[:1], line[1:]
        if sign in (b" ", b"\n"):
            # Mail programs take the blank of an empty line away.
            rest = rest if sign == b" " else b"\n"
            old.append(rest)
            new.append(rest)
            left, right = left - 1, right - 1
        elif sign == b"-":
            old.append(rest)
            left -= 1
        elif sign == b"+":
            new.append(rest)
            right -= 1
        elif sign == b"\\":
            _without_end(lines[at - 1][:1], old, new)
        else:
            break
        at += 1
    if left or right:
        raise VMStateError(f"{subject}: the hunk at line {int(head[1])} ends early", file=name)
    if at < len(lines) and lines[at].startswith(b"\\"):
        _without_end(lines[at - 1][:1], old, new)
        at += 1
    return Hunk(int(head[1]), old, new), at


def _without_end(sign: bytes, old: list[bytes], new: list[bytes]) -> None:
    """The last line of a side is one without a newline."""
    for marks, side in ((b" -", old), (b" +", new)):
        if sign in marks and side:
            side[-1] = side[-1].removesuffix(b"\n")


def _paths_of(line: bytes) -> tuple[str | None, str | None]:
    """The paths in `diff --git a/X b/X`, where they are the same: else other lines say them."""
    rest = line[len(b"diff --git ") :].rstrip(b"\n")
    half = len(rest) // 2
    left, right = rest[:half], rest[half + 1 :]
    if left.startswith(b"a/") and right.startswith(b"b/") and left[2:] == right[2:]:
        path = _decoded(left[2:])
        return path, path
    return None, None


def _path(text: bytes) -> str | None:
    """The path of a line --- or +++; None for /dev/null."""
    plain = text.partition(b"\t")[0].rstrip(b"\n")
    if plain == b"/dev/null":
        return None
    return _decoded(plain[2:] if plain[:2] in (b"a/", b"b/") else plain)


def _decoded(path: bytes) -> str:
    return path.rstrip(b"\n").decode("utf-8", "surrogateescape")
