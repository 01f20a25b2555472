"""What a QEMU printed that refused a stream, line by line, with the finding that explains each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmstate.compare.explained import Explained, ExplainedLine
from vmstate.compare.findings import COSMETIC
from vmstate.rules import messages
from vmstate.rules.messages import LogLine


def explain_log(log: str, findings: Iterable[Explained]) -> Iterator[ExplainedLine]:
    """The lines of a log that say why a load failed, each with the finding that explains it."""
    breaking = [finding for finding in findings if finding.severity != COSMETIC]
    for line in messages.lines_of(log, [finding.qemu_error for finding in breaking if finding.qemu_error]):
        yield ExplainedLine(line, next(explaining_ids(line, breaking), None))


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
