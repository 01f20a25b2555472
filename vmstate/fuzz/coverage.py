"""What a campaign has touched: fields, rules, mutators, and the refusals that it has provoked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from vmstate.fuzz.mutate import Mutation
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.verdict import REFUSED, Verdict, generalised
from vmstate.schema.plain import plain_number, plain_text


class Coverage:
    """Counts, which can be added up and kept as JSON."""

    def __init__(self) -> None:
        self.fields: Counter[str] = Counter()
        self.mutators: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.differences: Counter[str] = Counter()
        """Verdicts of a QEMU that had taken other streams before, where a fresh one said something else."""

    def note(self, mutations: Iterable[Mutation], verdict: Verdict) -> None:
        """Count one case."""
        self.verdicts[verdict.kind] += 1
        if verdict.by_loadvm is not None:
            by_loadvm = verdict.by_loadvm.partition(":")[0]
            self.differences[f"{by_loadvm} by loadvm, {verdict.kind} by a fresh QEMU"] += 1
        for mutation in mutations:
            self.mutators[mutation.mutator] += 1
            self.fields[mutation.label] += 1
            for rule in mutation.rules:
                self.rules[rule] += 1
        if verdict.kind == REFUSED:
            self.refusals[verdict.place or generalised(verdict.message)] += 1

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {name: dict(sorted(counts.items())) for name, counts in vars(self).items()}

    @classmethod
    def from_json(cls, data: Any) -> Coverage:
        """The coverage from what `as_json` made."""
        coverage = cls()
        for name, counts in vars(coverage).items():
            counts.update({plain_text(key): plain_number(value, 1 << 60) for key, value in dict(data[name]).items()})
        return coverage


def reachable(subjects: Iterable[Subject]) -> tuple[set[str], set[str]]:
    """The fields and the rules that subjects have."""
    fields: set[str] = set()
    rules: set[str] = set()
    for subject in subjects:
        for place in subject.places:
            fields.add(place.label)
            rules.update(use.rule.id for use in place.uses if use.rule is not None)
    return fields, rules
