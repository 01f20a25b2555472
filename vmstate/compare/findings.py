"""Findings of a comparison, and the file in which accepted ones are remembered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from vmstate.errors import SchemaError
from vmstate.files import write_atomic
from vmstate.saved.opening import open_input
from vmstate.stream.finding import Finding
from vmstate.vmsd.data import Data

BREAKS = "breaks"
MAY_BREAK = "may-break"
COSMETIC = "cosmetic"
SEVERITIES = (BREAKS, MAY_BREAK, COSMETIC)

FORWARD = "forward"
BACKWARD = "backward"


class CompatFinding(Finding):
    """One thing that the two sides see otherwise.

    `section` is what the side that saves calls it. `path` names fields from the outside in, a subsection by its name,
    with slashes between them. `offset` is the place in the section, or in the stream where there is one, in bytes; None
    where it is not known. `direction` is "forward" (a saves, b loads) or "backward". `when` is the condition under
    which a "may-break" breaks.
    """

    direction: str = FORWARD
    when: str | None = None

    @property
    def id(self) -> str:
        """What a baseline remembers it by: rule, section and path, and the direction where it is not the usual one."""
        backward = BACKWARD if self.direction == BACKWARD else None
        return ":".join(part for part in (self.rule, self.section, self.path, backward) if part)

    def as_dict(self) -> dict[str, Any]:
        """The values by name, with the id in the place of the rule."""
        values = super().as_dict()
        del values["rule"]
        return {"id": self.id, "severity": self.severity, "direction": self.direction} | values


FORMAT = 1
"""The version of the baseline's format."""


class Baseline(Data):
    """The findings that were accepted: id -> the reason."""

    name: str
    reasons: Mapping[str, str]


def read_baseline(source: Any) -> Baseline:
    """A baseline from its file. Raises `VMStateError`."""
    with open_input(source) as opened:
        try:
            top = json.loads(bytes(opened.data))
        except (ValueError, RecursionError) as error:
            raise SchemaError(f"the baseline is not JSON: {error}", file=opened.name) from None
        if not isinstance(top, dict) or "vmstate-baseline" not in top or not isinstance(top.get("accepted"), list):
            expected = '"vmstate-baseline" and a list "accepted"'
            raise SchemaError("this is no baseline", file=opened.name, expected=expected)
        if top["vmstate-baseline"] != FORMAT:
            version = json.dumps(top["vmstate-baseline"])[:40]
            raise SchemaError(
                "the baseline is of another version", file=opened.name, expected=str(FORMAT), found=version
            )
        reasons: dict[str, str] = {}
        for number, entry in enumerate(top["accepted"]):
            if not isinstance(entry, dict) or not _is_text(entry.get("id")) or not _is_text(entry.get("reason")):
                raise SchemaError(
                    f"entry {number} of the baseline is none", file=opened.name, expected='"id" and "reason", both text'
                )
            reasons[entry["id"]] = entry["reason"]
        return Baseline(opened.name, reasons)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


class Acceptable(Protocol):
    """Something that a baseline can accept."""

    @property
    def id(self) -> str:
        """What a baseline remembers it by."""

    @property
    def message(self) -> str:
        """What it is, for a reader of the baseline."""


def write_baseline(path: Any, findings: Iterable[Acceptable], reason: str, known: Mapping[str, str]) -> None:
    """Write a baseline that accepts findings: with the reason they had, or else the one given."""
    accepted = [
        {"id": finding.id, "reason": known.get(finding.id, reason), "message": finding.message}
        for finding in {finding.id: finding for finding in findings}.values()
    ]
    text = json.dumps({"vmstate-baseline": FORMAT, "accepted": accepted}, indent=1)
    write_atomic(path, [text.encode() + b"\n"])


def sarif(findings: Iterable[CompatFinding], accepted: Mapping[str, str], a: str, b: str, version: str) -> Any:
    """The findings as SARIF 2.1.0, those that were accepted as suppressed."""
    results = []
    rules: dict[str, str] = {}
    for finding in findings:
        rule = finding.rule
        rules.setdefault(rule, RULES.get(rule, rule))
        text = finding.message + (f" (when {finding.when})" if finding.when else "")
        name = "/".join(part for part in (finding.section, finding.path) if part)
        result: dict[str, Any] = {
            "ruleId": rule,
            "level": {BREAKS: "error", MAY_BREAK: "warning"}.get(finding.severity, "note"),
            "message": {"text": f"{finding.section}: {text}" if finding.section else text},
            "locations": [
                {
                    "physicalLocation": {"artifactLocation": {"uri": b if finding.direction == FORWARD else a}},
                    "logicalLocations": [{"fullyQualifiedName": name or rule}],
                }
            ],
            "partialFingerprints": {"vmstateFindingId/v1": finding.id},
            "properties": {"direction": finding.direction, "severity": finding.severity},
        }
        if finding.id in accepted:
            result["suppressions"] = [{"kind": "external", "justification": accepted[finding.id]}]
        results.append(result)
    driver = {
        "name": "vmstate compat",
        "version": version,
        "rules": [{"id": rule, "shortDescription": {"text": text}} for rule, text in rules.items()],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


RULES = {
    "machine": "the machine types differ",
    "section-unknown": "the destination has no such section",
    "section-not-listed": "the destination's dump does not list the section",
    "section-not-described": "nothing says what is in the section",
    "section-empty": "the source's device blocks migration",
    "section-class": "the device class has another name",
    "section-name": "the section has another idstr",
    "version-newer": "the source's version_id is higher than the destination's",
    "version-older": "the source's version_id is below the destination's minimum",
    "struct-version": "a nested struct has another version",
    "struct-name": "a nested struct has another name",
    "field-version": "a field is from another version on",
    "field-missing": "the destination does not read a field",
    "field-new": "the destination reads a field that is not sent",
    "field-size": "a field has another size",
    "field-count": "a field has another number of elements",
    "field-condition": "a field is conditional on one side only",
    "field-type": "a field has another type of the same size",
    "field-renamed": "a field has another name",
    "field-recut": "the same bytes are fields of another cut",
    "subsection-unknown": "the destination does not know a subsection",
    "subsection-repeated": "several subsections have one name",
    "subsection-moved": "a subsection stands in another struct",
    "section-missing": "the destination has a section that the stream has not: the device stays as after a reset",
    "layout": "what decides which fields are sent has another value at the destination",
    "feature": "the driver has accepted a feature that the destination does not offer",
    "feature-offered": "the source offers a feature that the destination does not",
    "pci-config": "a byte of PCI configuration space that a guest cannot write differs",
    "level-above": "a capability of the machine has a higher level than the destination takes",
    "identity-differs": "what identifies a device or CPU differs, and the destination does not take it",
    "wrong-object": "QEMU reads the section over an object that it is not of, and ends by that",
    "ram-block-unknown": "the destination has no such RAM block",
    "ram-block-size": "a RAM block has another size at the destination",
    "ram-record": "a record of the RAM section is of a kind that this destination does not take",
    "colo-memory": "the memory is of a COLO checkpoint",
    "uuid": "the machine's UUID differs",
    "target-page-bits": "the page size of the target differs",
    "capability-differs": "a migration capability that must be the same on both sides is not",
    "capability-unknown": "the destination does not know a migration capability of the configuration section",
    "capability-needed": "a command needs a migration capability that the destination has off",
    "command-unknown": "the destination does not know a command of the stream",
    "command-length": "a command has another length than QEMU wants",
    "command-place": "a command stands where QEMU does not take it",
    "destination-blocked": "the destination has a device that cannot be migrated",
    "destination-unsaved": "the destination cannot be saved, so that what its devices are is not known",
    "load": "the state of the section cannot be loaded as it is",
    "cut": "the stream is cut off",
}
"""What each rule of `compat` and `explain` is about; the rules of a device's state have their own (`rules.Rule`)."""
