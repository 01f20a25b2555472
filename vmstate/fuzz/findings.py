"""What a campaign found, kept on disk: the stream, the difference in words, and one line that does it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from vmstate.errors import SchemaError, VMStateError, one_line
from vmstate.files import write_atomic
from vmstate.fuzz.minimise import spoilt
from vmstate.fuzz.mutate import Mutation
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.verdict import Verdict
from vmstate.schema.plain import parse_plain, plain_number, plain_text
from vmstate.vmsd.data import Value

AROUND = 16
"""Bytes of the stream shown on each side of a change."""


class FuzzFinding(Value):
    """A finding: the seed, what was changed in it, and what came of that; `number` is that of the case."""

    subject: Subject
    mutations: list[Mutation]
    verdict: Verdict
    number: int
    times: int = 1

    @property
    def id(self) -> str:
        """A short name, the same for all cases that are one finding."""
        return hashlib.sha256(self.verdict.key.encode()).hexdigest()[:10]

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "id": self.id,
            "verdict": self.verdict.as_json(),
            "case": self.number,
            "times": self.times,
            "seed": self.subject.name,
            "seed_sha256": hashlib.sha256(self.subject.data).hexdigest(),
            "mutations": [mutation.as_json() for mutation in self.mutations],
        }


def seed_name(subject: Subject) -> str:
    """The name under which a seed is kept."""
    return f"{hashlib.sha256(subject.data).hexdigest()}.mig"


def words(finding: FuzzFinding) -> str:
    """The finding for a reader: what came of it, what was changed, the bytes before and after."""
    lines = [f"{finding.verdict.kind}: {finding.verdict.message or finding.verdict.place}"]
    if finding.verdict.expected is not None:
        why = f" ({finding.verdict.reason})" if finding.verdict.reason else ""
        lines.append(f"predicted: {finding.verdict.expected}{why}")
    lines.append(f"seed: {finding.subject.name}, case {finding.number}, seen {finding.times} times")
    for mutation in finding.mutations:
        lines.append(f"changed: {mutation}")
        for start, stop, new in mutation.edits:
            old = finding.subject.data[start:stop]
            lines += [f"  at {start:#x}", f"  - {_hex(old)}", f"  + {_hex(new)}"]
    return "\n".join(map(one_line, lines)) + "\n"


def _hex(data: bytes) -> str:
    return data[: 2 * AROUND].hex(" ") + (f" ... {len(data)} bytes" if len(data) > 2 * AROUND else "") or "(nothing)"


class Store:
    """The folder of a campaign.

    `findings/ID/` holds `stream.mig`, `diff.txt`, `finding.json` and `reproduce.txt`; `seeds/` the seeds that findings
    are of; `campaign.json` how far the campaign has come; `summary.txt` and `summary.json` what it found;
    `verdicts.jsonl` every case whose verdict was predicted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            (folder / "findings").mkdir(parents=True, exist_ok=True)
            (folder / "seeds").mkdir(exist_ok=True)
        except (OSError, ValueError) as error:
            raise VMStateError(f"cannot be used: {getattr(error, 'strerror', error)}", file=str(folder)) from None

    def keep(self, target: str, finding: FuzzFinding) -> Path:
        """Write a finding down; one that is there is replaced. Raises `VMStateError`."""
        place = self.folder / "findings" / finding.id
        try:
            place.mkdir(exist_ok=True)
        except OSError as error:
            raise VMStateError(f"cannot be written: {error.strerror}", file=str(place)) from None
        self._keep_seed(finding.subject)
        write_atomic(place / "stream.mig", [spoilt(finding.subject, finding.mutations)])
        write_atomic(place / "diff.txt", [words(finding).encode("utf-8", "backslashreplace")])
        write_atomic(place / "reproduce.txt", [f"vmstate fuzz {target} --replay {place}\n".encode()])
        self.write(place / "finding.json", {"target": target, **finding.as_json()})
        return place

    def _keep_seed(self, subject: Subject) -> None:
        place = self.folder / "seeds" / seed_name(subject)
        if not place.exists():
            write_atomic(place, [subject.data])

    def record(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add cases to `verdicts.jsonl`, one JSON object in a line. Raises `VMStateError`."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        if not text:
            return
        try:
            with open(self._verdicts, "a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise VMStateError(f"cannot be written: {error.strerror}", file=str(self._verdicts)) from None

    def recorded(self) -> Iterator[dict[str, Any]]:
        """The cases that are recorded; a line that was cut off is none. Raises `VMStateError`."""
        try:
            with open(self._verdicts, encoding="utf-8") as file:
                for line in file:
                    with suppress(SchemaError):
                        row = parse_plain(line, "a case")
                        if isinstance(row, dict) and type(row.get("case")) is int:
                            yield row
        except FileNotFoundError:
            return
        except OSError as error:
            raise VMStateError(f"cannot be read: {error.strerror}", file=str(self._verdicts)) from None

    def forget(self, wanted: Callable[[int], bool]) -> None:
        """Keep of the recorded cases those whose numbers are wanted. Raises `VMStateError`."""
        if self._verdicts.exists():
            lines = (json.dumps(row) + "\n" for row in self.recorded() if wanted(row["case"]))
            write_atomic(self._verdicts, (line.encode() for line in lines))

    @property
    def _verdicts(self) -> Path:
        return self.folder / "verdicts.jsonl"

    def write(self, place: Path, value: Any) -> None:
        """Write a JSON file. Raises `VMStateError`."""
        write_atomic(place, [(json.dumps(value, indent=1) + "\n").encode()])

    def progress(self) -> dict[str, Any] | None:
        """How far the campaign has come, if it has begun. Raises `VMStateError`."""
        place = self.folder / "campaign.json"
        try:
            return _object_in(place, "the campaign")
        except FileNotFoundError:
            return None

    def findings(self, subjects: Iterable[Subject]) -> list[FuzzFinding]:
        """The findings that are kept, of seeds that are known. Raises `VMStateError`."""
        known = {hashlib.sha256(subject.data).hexdigest(): subject for subject in subjects}
        findings = []
        for place in sorted((self.folder / "findings").glob("*/finding.json")):
            content = read_finding(place)
            subject = known.get(str(content.get("seed_sha256")))
            if subject is not None:
                findings.append(found_of(content, subject))
        return findings


def read_finding(place: Path) -> dict[str, Any]:
    """The JSON object of a finding. Raises `VMStateError`."""
    try:
        return _object_in(place, "the finding")
    except FileNotFoundError:
        raise VMStateError("no such file", file=str(place)) from None


def _object_in(place: Path, what: str) -> dict[str, Any]:
    """The JSON object of a file. Raises `VMStateError`, and FileNotFoundError where there is none."""
    try:
        content = parse_plain(place.read_bytes(), what)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise VMStateError(f"cannot be read: {error}", file=str(place)) from None
    except SchemaError as error:
        raise error.within(file=str(place)) from None
    if not isinstance(content, dict):
        raise VMStateError(f"{what} is no object", file=str(place))
    return content


def found_of(content: Any, subject: Subject) -> FuzzFinding:
    """A finding from its JSON. Raises `VMStateError`."""
    try:
        mutations = [Mutation.from_json(mutation) for mutation in content["mutations"]]
        verdict = Verdict(**{name: plain_text(value) for name, value in content["verdict"].items()})
        case, times = plain_number(content["case"] + 1, 1 << 40) - 1, plain_number(content["times"], 1 << 40)
        return FuzzFinding(subject, mutations, verdict, case, times)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VMStateError(f"is no finding: {error}") from None
