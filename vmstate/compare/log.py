"""A log of QEMU's: how it was started, where libvirt wrote that down, and each of its lines in words.

    log = read_log("/var/log/libvirt/qemu/NAME.log")
    log.start.command, log.start.release, [line.says for line in log.lines]

With a stream and a destination each line is joined with the finding that explains it (`explain_log`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from vmstate.compare.explained import Explained, ExplainedLine, LogLine
from vmstate.compare.findings import COSMETIC
from vmstate.compare.log_lines import lines_of
from vmstate.saved.opening import StreamLike, open_input
from vmstate.vmsd.data import Data
from vmstate.vmsd.release import Release

LARGEST = 16 << 20
"""Bytes of a log that are read: of a longer one the end."""

LONGEST_COMMAND = 1 << 20
"""Characters of a command line in a log."""

_START = re.compile(r"\d{4}-\S+ \S+: starting up\b")
_QEMU_VERSION = re.compile(r"qemu version: (\d+)\.(\d+)(?:\.(\d+))?")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")


class LogStart(Data):
    """How a QEMU was started, by libvirt's log: `command` without the variables in front of it, `release` where it is
    told, `when` as it stands there. `environment` has the variables, NAME -> value.
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    release: Release | None
    when: str

    @property
    def machine_type(self) -> str | None:
        """The machine type of the command line."""
        value = _value_of(self.command, ("machine", "M"))
        if value is None:
            return None
        named = dict(part.partition("=")[::2] for part in value.split(","))
        return named.get("type") or value.partition(",")[0]

    @property
    def is_destination(self) -> bool:
        """Whether it waits for a stream."""
        return _value_of(self.command, ("incoming",)) is not None

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "command": list(self.command),
            "release": None if self.release is None else str(self.release),
            "machine": self.machine_type,
            "incoming": self.is_destination,
            "when": self.when,
        }


class Log(Data):
    """A log: how its last QEMU was started, None where it does not say, and the lines since then.

    `earlier` is the number of starts before, whose lines are not in `lines`.
    """

    name: str
    start: LogStart | None
    lines: tuple[LogLine, ...]
    earlier: int = 0

    @property
    def refuses(self) -> bool:
        """Whether a line says that a stream was refused."""
        return any(line.refuses for line in self.lines)

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "log": self.name,
            "start": None if self.start is None else self.start.as_dict(),
            "earlier_starts": self.earlier,
            "refused": self.refuses,
            "lines": [line.as_dict() for line in self.lines],
        }


def read_log(source: StreamLike) -> Log:
    """A log: a file, or bytes; what is no UTF-8 in it is replaced.

    Of a log with several starts it is the last, or the last in which a stream was refused. Raises `VMStateError`.
    """
    with open_input(source) as opened:
        text = bytes(opened.data[max(0, len(opened.data) - LARGEST) :]).decode(errors="replace")
        name = opened.name
    runs = [(start, tuple(lines_of(lines))) for start, lines in _runs(text.splitlines())]
    refused = [number for number, (_, lines) in enumerate(runs) if any(line.refuses for line in lines)]
    number = refused[-1] if refused else len(runs) - 1
    start, lines = runs[number]
    return Log(str(name), start, lines, sum(run[0] is not None for run in runs[:number]))


def _runs(lines: list[str]) -> Iterator[tuple[LogStart | None, list[str]]]:
    """(how it was started, its lines) of each QEMU in a log; of what stands in front of the first start, None."""
    starts = [number for number, line in enumerate(lines) if _START.match(line)]
    if not starts:
        yield None, lines
        return
    if any(line.strip() for line in lines[: starts[0]]):
        yield None, lines[: starts[0]]
    for first, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        start, behind = _start_of(lines[first:end])
        yield start, lines[first + behind : end]


def _start_of(lines: list[str]) -> tuple[LogStart | None, int]:
    """The start that the lines begin with, and how many of them it takes; None where there is no command line."""
    behind = 1
    while behind < len(lines) and lines[behind].endswith("\\"):
        behind += 1
    behind += 1
    text = " ".join(line.removesuffix("\\") for line in lines[1:behind])[:LONGEST_COMMAND]
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    environment: dict[str, str] = {}
    while words and _VARIABLE.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if not words or ("qemu" not in words[0] and "kvm" not in words[0]):
        return None, 1
    version = _QEMU_VERSION.search(lines[0])
    release = None if version is None else Release(int(version[1]), int(version[2]))
    when = lines[0].partition(": starting up")[0]
    return LogStart(tuple(words), environment, release, when), behind


def _value_of(command: tuple[str, ...], names: Iterable[str]) -> str | None:
    """The value of the last option of such a name."""
    options = {f"-{name}" for name in names} | {f"--{name}" for name in names}
    values = [value for word, value in pairwise(command) if word in options]
    return values[-1] if values else None


def explain_log(log: Log, findings: Iterable[Explained], *, loads: bool) -> Iterator[ExplainedLine]:
    """The lines of a log, each with the finding that explains it.

    A line that says that the stream was refused contradicts the verdict where that is that it `loads`.
    """
    breaking = [finding for finding in findings if finding.severity != COSMETIC]
    for line in log.lines:
        explained_by = next(explaining_ids(line, breaking), None)
        yield ExplainedLine(line, explained_by, loads and line.refuses)


def explaining_ids(line: LogLine, findings: list[Explained]) -> Iterator[str]:
    """The ids of the findings that a line is about, the surest first."""
    for finding in findings:
        if finding.qemu_error is not None and finding.qemu_error in line.text:
            yield finding.id
    for finding in findings:
        if line.section is not None and finding.section is not None:
            name, _, instance = finding.section.partition("#")
            if name == line.section and (not instance or line.instance_id in (None, int(instance))):
                yield finding.id
    for finding in findings:
        if line.subject is not None and line.subject in (finding.path, finding.section):
            yield finding.id
