"""Which streams would meet a change of QEMU's source: findings of `vmstate source lint`, by the names in a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vmstate.errors import SchemaError, VMStateError
from vmstate.saved.opening import open_input
from vmstate.schema.plain import parse_plain
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.description import VMStateDescription
from vmstate.vmsd.walk import described_states

OF_SUBSECTIONS = frozenset(("subsection-removed", "subsection-changed"))
"""Rules of which the field is a subsection: a stream without it does not meet them."""

UNPROMISED = "unpromised"


class Changes:
    """Findings of changes, by the name that the description has in a stream."""

    def __init__(self, findings: list[Mapping[str, Any]]) -> None:
        self.by_name: dict[str, list[Mapping[str, Any]]] = {}
        for finding in findings:
            if finding.get("severity") != UNPROMISED:
                self.by_name.setdefault(str(finding["name"]), []).append(finding)

    def met_by(self, stream: Stream) -> list[dict[str, Any]]:
        """The changes of what a stream holds: section, rule, severity, message."""
        met: dict[tuple[str, ...], dict[str, Any]] = {}
        vmdesc = stream.vmdesc
        described = {} if vmdesc is None else {(each.name, each.instance_id): each.vmsd for each in vmdesc.devices}
        for section in stream.sections:
            if section.is_ram or section.kind not in ("start", "full"):
                continue
            names = set(_names_in(section, described.get((section.name, section.instance_id))))
            for name in names & self.by_name.keys():
                for finding in self.by_name[name]:
                    if finding["rule"] in OF_SUBSECTIONS and finding.get("field") not in names:
                        continue
                    change = {key: finding.get(key) for key in ("rule", "severity", "message")}
                    met.setdefault((section.name, *map(str, change.values())), {"section": section.name, **change})
        return [met[key] for key in sorted(met)]


def _names_in(section: Section, described: VMStateDescription | None) -> Iterator[str]:
    """The names of the descriptions of what a section holds: the vmdesc says them, and what it does not, the state."""
    if described is not None:
        yield from (part.name for part in described.walk())
    if section.vmsd is not None and section.described_by == "library":
        yield from (vmsd.name for _, vmsd, _ in described_states(section.vmsd, section.state))


def read_changes(path: str) -> Changes:
    """What `vmstate source lint REPOSITORY A..B --format json` wrote. Raises `VMStateError`."""
    try:
        with open_input(path) as opened:
            top = parse_plain(bytes(opened.data), "the findings")
        return Changes([dict(finding) for finding in top["findings"] if isinstance(finding["name"], str)])
    except VMStateError as error:
        raise error.named(path) from None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        expected = "what vmstate source lint --format json wrote"
        raise SchemaError("these are no findings of source lint", file=path, expected=expected) from None
