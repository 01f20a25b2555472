"""The smallest case that still does the same: fewest mutations, fewest edits, fewest bytes changed."""

from __future__ import annotations

from collections.abc import Callable

from vmstate.fuzz.mutate import Mutation
from vmstate.fuzz.subject import Edit, Subject, apply
from vmstate.fuzz.verdict import Verdict

RUNS = 64
"""The most runs of the target that minimising one finding takes."""

Run = Callable[[bytes, list[Mutation]], Verdict]


def spoilt(subject: Subject, mutations: list[Mutation]) -> bytes:
    """The stream with the mutations."""
    return apply(subject.data, [edit for mutation in mutations for edit in mutation.edits])


def minimise(subject: Subject, mutations: list[Mutation], verdict: Verdict, run: Run) -> tuple[list[Mutation], Verdict]:
    """The smallest mutations that give a verdict of the same key, and that verdict."""
    left = [RUNS]
    best = [verdict]

    def same(tried: list[Mutation]) -> bool:
        if left[0] <= 0 or not tried:
            return False
        left[0] -= 1
        outcome = run(spoilt(subject, tried), tried)
        if outcome.key != verdict.key:
            return False
        best[0] = outcome
        return True

    kept = list(mutations)
    for mutation in mutations:
        without = [kept_mutation for kept_mutation in kept if kept_mutation is not mutation]
        if same(without):
            kept = without
    for number, mutation in enumerate(kept):
        kept[number] = _fewest_edits(mutation, lambda smaller, n=number: same([*kept[:n], smaller, *kept[n + 1 :]]))  # type: ignore[misc]
    for number, mutation in enumerate(kept):
        kept[number] = _fewest_bytes(
            subject,
            mutation,
            lambda smaller, n=number: same([*kept[:n], smaller, *kept[n + 1 :]]),  # type: ignore[misc]
        )
    return kept, best[0]


def _fewest_edits(mutation: Mutation, same: Callable[[Mutation], bool]) -> Mutation:
    for edit in mutation.edits:
        if len(mutation.edits) == 1:
            break
        without = mutation.replace(edits=tuple(kept_edit for kept_edit in mutation.edits if kept_edit != edit))
        if same(without):
            mutation = without
    return mutation


def _fewest_bytes(subject: Subject, mutation: Mutation, same: Callable[[Mutation], bool]) -> Mutation:
    """The bytes that an edit of the same length leaves as they were need not stand in it."""
    edits = tuple(part for edit in mutation.edits for part in _changed(subject.data, edit))
    trimmed = mutation.replace(edits=edits)
    if edits == mutation.edits or not same(trimmed):
        trimmed = mutation
    return _fewest_edits(trimmed, same) if len(trimmed.edits) > 1 else trimmed


def _changed(data: bytes, edit: Edit) -> list[Edit]:
    start, stop, new = edit
    if stop - start != len(new):
        return [edit]
    return [
        (at, at + 1, new[at - start : at - start + 1]) for at in range(start, stop) if data[at] != new[at - start]
    ] or [edit]
