"""What `vmstate.explain` answers: the verdict, the findings, and what both take for granted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vmstate.compare.findings import BREAKS, FORWARD, CompatFinding
from vmstate.stream.stream import Section
from vmstate.vmsd.data import Data, Value

LOADS, FAILS, UNKNOWN = "loads", "fails", "unknown"


class Explained(CompatFinding):
    """A finding of `compat`, with what QEMU prints of it and what to do.

    `qemu_error` is the part of QEMU's line that is the same wherever it prints it; None where it prints nothing of the
    kind. `advice` says what to change, and on which side.
    """

    qemu_error: str | None = None
    advice: str | None = None


class LogLine(Value):
    """A line of a log, without QEMU's name and the time in front of it, and what it names as far as it does.

    `says` is the line in words, None for one that is not known; `advice` what to change. `refuses` is whether QEMU
    prints it where it refuses a stream.
    """

    text: str
    section: str | None = None
    instance_id: int | None = None
    subject: str | None = None
    says: str | None = None
    advice: str | None = None
    refuses: bool = False


class ExplainedLine(Data):
    """A line of QEMU's log, and the id of the finding that explains it; None where none does.

    `contradicts` is whether it says otherwise than the verdict: that a stream was refused which is said to load.
    """

    line: LogLine
    explained_by: str | None
    contradicts: bool = False


class Explanation(Data):
    """What was found. `findings` are in the order in which QEMU meets them; the first that breaks is what it prints.

    `assumed` says in words what the verdict takes for granted, `not_judged` which rules need what nothing tells of the
    destination: "SECTION: PATH: RULE", or "SECTION: RULE" for one that is about the whole section.
    """

    stream: str
    target: str
    verdict: str
    findings: tuple[Explained, ...]
    assumed: tuple[str, ...]
    not_judged: tuple[str, ...] = ()
    log: tuple[ExplainedLine, ...] = ()

    @property
    def qemu_error(self) -> str | None:
        """The line that QEMU will print first; None where it loads, or where nothing says."""
        return next((finding.qemu_error for finding in self.findings if finding.severity == BREAKS), None)

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        top: dict[str, Any] = {
            "stream": self.stream,
            "target": self.target,
            "verdict": self.verdict,
            "qemu_error": self.qemu_error,
            "findings": [finding.as_dict() for finding in self.findings],
            "assumed": list(self.assumed),
            "not_judged": list(self.not_judged),
        }
        if self.log:
            top["log"] = [
                {**entry.line.as_dict(), "explained_by": entry.explained_by, "contradicts": entry.contradicts}
                for entry in self.log
            ]
        return top


class Findings:
    """Words the findings of one stream, and notes what they take for granted and what could not be judged.

    `repeated` are the section names (idstrs) that more than one section has: of those the instance_id is told, too.
    """

    def __init__(self, repeated: Collection[str]) -> None:
        self.repeated = repeated
        self.assumed: list[str] = []
        self.compared_by_layout: list[str] = []
        """Sections of which two vmdescs say that they are laid out alike, and nothing more is known."""
        self.not_judged: list[str] = []

    def finding(
        self,
        rule: str,
        message: str,
        *,
        section: Section | str | None = None,
        path: str | None = None,
        offset: int | None = None,
        severity: str = BREAKS,
        when: str | None = None,
        qemu_error: str | None = None,
        advice: str | None = None,
    ) -> Explained:
        """A finding; of a section that others share the name with, the instance is told."""
        name = section if isinstance(section, str) or section is None else self.name_of(section)
        return Explained(rule, severity, name, path, offset, message, FORWARD, when, qemu_error, advice)

    def name_of(self, section: Section) -> str:
        """The idstr, with the instance_id where it repeats."""
        return f"{section.name}#{section.instance_id}" if section.name in self.repeated else section.name
