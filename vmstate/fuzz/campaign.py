"""Campaigns: many mutated streams through a target, here or by workers, until they are done or somebody stops.

Case number N of a campaign is the same on every machine: it depends on the seed of the campaign, the seed streams and
N. Cases are run in blocks; what is done of each is written down, so that a campaign goes on where it ended.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from typing import Any

from vmstate.errors import VMStateError
from vmstate.fuzz.coverage import Coverage, reachable
from vmstate.fuzz.examples import Examples
from vmstate.fuzz.findings import FuzzFinding, Store
from vmstate.fuzz.minimise import minimise, spoilt
from vmstate.fuzz.mutate import MUTATORS, Mutation, Mutator, applicable, mutate
from vmstate.fuzz.source import RandomSource
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.targets import FuzzTarget
from vmstate.fuzz.verdict import Verdict
from vmstate.schema.plain import plain_number
from vmstate.stream.registry import last_part
from vmstate.vmsd.data import Data, NamedTuple, Value

BLOCK = {"qemu": 128, "early": 64}
"""Cases between two reports of a worker, by target; they are kept or run again together."""

USUAL_BLOCK = 256
FRESH_BLOCK = 16
"""Where each case has a QEMU of its own."""

BLOCKS = 1 << 20
"""Blocks of a campaign at most."""

MANY = 1 << 60

AT_ONCE = 4
"""Blocks that are sent at a time to a worker which keeps no target: it makes one for them."""

MakeTarget = Callable[[], FuzzTarget]
Progress = Callable[["Summary"], None]
Recipe = Callable[[], tuple[Sequence[Subject], MakeTarget]]
"""Makes the seeds of a campaign, and tells how to make a target; it is pickled."""

Spread = Callable[["Share", Sequence[int], Callable[[], bool]], Iterable[tuple[int, Any]]]
"""Calls a function with each of many items wherever there are workers, and gives the number of each item and what comes
of it; for an item that ended its worker each time anything that is no list. Nothing more goes out where what is asked
before says that there is enough. The function and the items are pickled.
"""


class Elsewhere(Data):
    """Workers that do a campaign, and how they make its seeds and its target."""

    spread: Spread
    recipe: Recipe
    keeps: bool
    """Whether a worker keeps its target, since it ends with the campaign."""


class Settings(Data):
    """What a campaign is: the name of the target, the seed, and how streams are spoilt.

    `mutators` are names, None stands for all; `framing` says whether those that break the framing take part; `most` is
    the most mutations of one stream; `fresh` says whether each stream gets a QEMU of its own.
    """

    target: str
    seed: int = 0
    mutators: tuple[str, ...] | None = None
    framing: bool = True
    most: int = 3
    fresh: bool = False

    @property
    def block(self) -> int:
        """Cases of a block."""
        return FRESH_BLOCK if self.fresh else BLOCK.get(self.target, USUAL_BLOCK)

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        names = None if self.mutators is None else list(self.mutators)
        return {
            "target": self.target,
            "seed": self.seed,
            "mutators": names,
            "framing": self.framing,
            "most": self.most,
            "fresh": self.fresh,
        }


class Summary:
    """What has come of a campaign so far."""

    def __init__(self) -> None:
        self.runs = 0
        self.seconds = 0.0
        self.coverage = Coverage()
        self.findings: dict[str, FuzzFinding] = {}
        self.right = 0
        self.wrong = 0

    @property
    def rate(self) -> float:
        """Cases in a second."""
        return self.runs / self.seconds if self.seconds else 0.0


class Cases:
    """The cases of a campaign by their number."""

    def __init__(self, settings: Settings, subjects: Sequence[Subject]) -> None:
        if settings.mutators is not None and (unknown := set(settings.mutators) - set(MUTATORS)):
            raise VMStateError(f"no mutator {sorted(unknown)[0]!r}", expected=", ".join(sorted(MUTATORS)))
        self.settings = settings
        devices: dict[str, list[tuple[Subject, list[Mutator]]]] = {}
        for subject in subjects:
            applying = applicable(subject, framing=settings.framing, names=settings.mutators)
            if applying:
                devices.setdefault(_device_name(subject), []).append((subject, applying))
        # A device that was recorded often is not spoilt more often.
        self._with = list(devices.values())
        if not self._with:
            raise VMStateError("there is nothing to spoil in the seeds")

    def case(self, number: int) -> tuple[Subject, list[Mutation]]:
        """The subject and the mutations of a case."""
        source = RandomSource(f"{self.settings.seed}/{number}")
        subject, mutators = source.choice(source.choice(self._with))
        return subject, mutate(subject, source, mutators, self.settings.most)


def _device_name(subject: Subject) -> str:
    """The device of a subject that is one section and no more; else the subject itself."""
    is_section = len(subject.parts) == 1 and not subject.of_kind("vmdesc")
    return last_part(subject.parts[0].name) if is_section else subject.name


class Span(NamedTuple):
    """Cases from a number on, up to another: a block of them, or the part of one that is left or wanted."""

    first: int
    stop: int


class _Report(Value):
    """What a worker says of a span; `stop` is in front of its end where the time was over."""

    first: int
    stop: int
    runs: int
    coverage: Coverage
    findings: list[FuzzFinding]
    right: int
    wrong: int
    rows: list[dict[str, Any]]
    """The cases that were predicted, for the record."""

    def packed(self, subjects: Sequence[Subject]) -> _Report:
        """This report with subjects by their number, so that it can be sent to another process."""
        numbered = [finding.replace(subject=subjects.index(finding.subject)) for finding in self.findings]
        return self.replace(findings=numbered)

    def unpacked(self, subjects: Sequence[Subject]) -> _Report:
        """The report that `packed` made, with the subjects themselves."""
        numbered = [finding.replace(subject=subjects[finding.subject]) for finding in self.findings]  # type: ignore[call-overload]
        return self.replace(findings=numbered)


def run_span(cases: Cases, target: FuzzTarget, span: Span, seen: set[str], deadline: float | None = None) -> _Report:
    """Run the cases of a span, until `deadline` by the monotonic clock; a finding that is not among those seen is
    minimised.
    """
    coverage = Coverage()
    findings: dict[str, FuzzFinding] = {}
    right = wrong = runs = 0
    rows: list[dict[str, Any]] = []
    ran: list[tuple[int, list[Mutation]]] = []
    number = span.first - 1
    for number in range(span.first, span.stop):
        if deadline is not None and time.monotonic() >= deadline:
            number -= 1
            break
        subject, mutations = cases.case(number)
        if not mutations:
            continue
        runs += 1
        ran.append((number, mutations))
        verdict = target.run(subject, spoilt(subject, mutations), mutations)
        coverage.note(mutations, verdict)
        if verdict.expected is not None:
            is_right = verdict.kind in ("accepted", "refused")
            right, wrong = right + is_right, wrong + (verdict.kind == "mispredicted")
            rows.append(_case_values(subject, mutations, verdict, number))
        if verdict.is_finding:
            _count_in(findings, _finding_of(target, subject, mutations, verdict, number, seen))
    number_of = {id(mutations): number_ran for number_ran, mutations in ran}
    for subject, mutations, verdict in target.settle():
        _count_in(findings, FuzzFinding(subject, mutations, verdict, number_of.get(id(mutations), -1)))
    return _Report(span.first, number + 1, runs, coverage, list(findings.values()), right, wrong, rows)


def _case_values(subject: Subject, mutations: list[Mutation], verdict: Verdict, number: int) -> dict[str, Any]:
    """A case for the record: its number, the seed, what was changed in words, what came of it, what was expected."""
    changed = [str(mutation) for mutation in mutations]
    return {"case": number, "seed": Path(subject.name).name, "mutations": changed, **verdict.as_json()}


def _finding_of(
    target: FuzzTarget, subject: Subject, mutations: list[Mutation], verdict: Verdict, number: int, seen: set[str]
) -> FuzzFinding:
    if verdict.key not in seen:
        seen.add(verdict.key)
        mutations, verdict = minimise(subject, mutations, verdict, lambda data, tried: target.run(subject, data, tried))
    return FuzzFinding(subject, mutations, verdict, number)


def _count_in(findings: dict[str, FuzzFinding], finding: FuzzFinding) -> bool:
    """Count a finding in; whether it is new, or smaller than the one that is there."""
    known = findings.get(finding.id)
    if known is None:
        findings[finding.id] = finding
        return True
    smaller = len(finding.mutations) < len(known.mutations)
    kept = finding if smaller else known
    times = known.times + finding.times
    findings[finding.id] = FuzzFinding(kept.subject, kept.mutations, kept.verdict, kept.number, times)
    return smaller


class Share(Value):
    """What a worker that is elsewhere does of a campaign.

    `packed` has its settings, its recipe, which kinds of findings it has, and how many cases of each block are done.

    `runs` are cases in all, and `until` is when to stop, in seconds since the epoch; None: never. `at_once` are the
    blocks of a number, and `keeps` is that of `Elsewhere`.
    """

    packed: bytes
    runs: int | None
    until: float | None
    at_once: int
    keeps: bool

    def __call__(self, number: int) -> list[_Report]:
        """The reports of what is left of some blocks, by their number. Raises `VMStateError`."""
        cases, subjects, make_target, seen, done = _unpacked(self.packed)
        deadline = None if self.until is None else time.monotonic() + self.until - time.time()
        blocks = range(number * self.at_once, (number + 1) * self.at_once)
        spans = list(_spans(blocks, cases.settings.block, done, self.runs))
        if not spans:
            return []
        target = _kept_target(self.packed) if self.keeps else make_target()
        try:
            return [run_span(cases, target, span, seen, deadline).packed(subjects) for span in spans]
        finally:
            if not self.keeps:
                target.close()


@lru_cache(maxsize=1)
def _kept_target(packed: bytes) -> FuzzTarget:
    """The target of a worker that does one campaign. What it has started ends with the worker."""
    return _unpacked(packed)[2]()


@lru_cache(maxsize=2)
def _unpacked(packed: bytes) -> tuple[Cases, list[Subject], MakeTarget, set[str], dict[int, int]]:
    """What a worker keeps of a campaign; findings of kinds that it has met it does not minimise."""
    settings, recipe, seen, done = pickle.loads(packed)
    subjects, make_target = recipe()
    return Cases(settings, subjects), list(subjects), make_target, seen, done


def _spans(blocks: Iterable[int], size: int, done: Mapping[int, int], runs: int | None) -> Iterator[Span]:
    """What is left of the first so many cases, block by block."""
    for block in blocks:
        first = block * size + done.get(block, 0)
        stop = (block + 1) * size if runs is None else min((block + 1) * size, runs)
        if first < stop:
            yield Span(first, stop)
        if runs is not None and stop >= runs:
            return


class Campaign:
    """A campaign: settings, seeds, a target for each worker, and where what is found is kept.

    `make_target` is called in each worker. Without a store findings are in the summary alone.
    """

    def __init__(
        self,
        settings: Settings,
        subjects: Sequence[Subject],
        make_target: MakeTarget,
        *,
        store: Store | None = None,
        examples: Examples | None = None,
    ) -> None:
        self.settings = settings
        self.subjects = list(subjects)
        self.make_target = make_target
        self.store = store
        self.examples = examples
        self.cases = Cases(settings, self.subjects)
        self.summary = Summary()
        self._size = settings.block
        self._done: dict[int, int] = {}
        """Block -> how many of its cases are done, from its first on."""
        if store is not None:
            self._resume(store)

    def run(
        self,
        *,
        runs: int | None = None,
        seconds: float | None = None,
        progress: Progress | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> Summary:
        """Run until the first so many cases are done, or so many seconds are over; returns the summary.

        It is done by this process or, by a recipe that makes the same seeds, by workers that are elsewhere.
        KeyboardInterrupt and `VMStateError` leave everything kept that was reported. Raises `VMStateError` where the
        target cannot be had or findings cannot be kept.
        """
        self._replay_examples()
        begun = time.monotonic()
        before = self.summary.seconds

        def report(span_report: _Report) -> bool:
            """Take in what a worker said; whether the campaign goes on."""
            self._take_in(span_report)
            self.summary.seconds = before + time.monotonic() - begun
            if progress is not None:
                progress(self.summary)
            return not _is_over(deadline)

        deadline = None if seconds is None else begun + seconds
        try:
            if elsewhere is not None:
                self._run_elsewhere(elsewhere, runs, report, deadline)
            else:
                self._run_here(runs, report, deadline)
        finally:
            self.summary.seconds = before + time.monotonic() - begun
            self._keep_progress()
        return self.summary

    def _run_here(self, runs: int | None, report: Callable[[_Report], bool], deadline: float | None) -> None:
        seen = {finding.verdict.key for finding in self.summary.findings.values()}
        spans = _spans(count(), self._size, self._done, runs)
        target: FuzzTarget | None = None
        try:
            for span in spans:
                target = target or self.make_target()
                if not report(run_span(self.cases, target, span, seen, deadline)):
                    break
        finally:
            if target is not None:
                target.close()

    def _run_elsewhere(
        self, elsewhere: Elsewhere, runs: int | None, report: Callable[[_Report], bool], deadline: float | None
    ) -> None:
        seen = {finding.verdict.key for finding in self.summary.findings.values()}
        packed = pickle.dumps((self.settings, elsewhere.recipe, seen, self._done))
        until = None if deadline is None else time.time() + deadline - time.monotonic()
        at_once = 1 if elsewhere.keeps else AT_ONCE
        share = Share(packed, runs, until, at_once, elsewhere.keeps)
        size = at_once * self._size
        # Without an end there are as many as can be asked for.
        numbers = range(BLOCKS // at_once if runs is None else -(-runs // size))
        is_over = partial(_is_over, deadline)
        lost = []
        for number, reports in elsewhere.spread(share, numbers, is_over):
            if isinstance(reports, list):
                for span_report in reports:
                    report(span_report.unpacked(self.subjects))
            else:
                lost.append(f"{number * size} to {(number + 1) * size - 1}")
        if lost:
            raise VMStateError(f"cases end their worker each time, and are left out: {', '.join(lost)}")

    def _take_in(self, span_report: _Report) -> None:
        summary = self.summary
        summary.runs += span_report.runs
        summary.right += span_report.right
        summary.wrong += span_report.wrong
        for name, counts in vars(span_report.coverage).items():
            getattr(summary.coverage, name).update(counts)
        if self.store is not None:
            self.store.record(span_report.rows)
        block = span_report.first // self._size
        self._done[block] = span_report.stop - block * self._size
        for finding in span_report.findings:
            if _count_in(summary.findings, finding):
                self._save_finding(summary.findings[finding.id])
        if self.store is not None and (span_report.findings or span_report.rows or len(self._done) % 16 == 0):
            self._keep_progress()

    def _save_finding(self, finding: FuzzFinding) -> None:
        if self.store is not None:
            self.store.keep(self.settings.target, finding)
        if self.examples is not None:
            self.examples.save(finding.subject, finding.mutations)

    # Going on.

    def _keep_progress(self) -> None:
        if self.store is None:
            return
        summary = self.summary
        progress = {
            "settings": self.settings.as_json(),
            "done": _runs_of_numbers({block for block, cases in self._done.items() if cases == self._size}),
            "begun": {str(block): cases for block, cases in self._done.items() if cases < self._size},
            "runs": summary.runs,
            "seconds": round(summary.seconds, 3),
            "right": summary.right,
            "wrong": summary.wrong,
            "coverage": summary.coverage.as_json(),
            "times": {name: finding.times for name, finding in summary.findings.items()},
        }
        self.store.write(self.store.folder / "campaign.json", progress)

    def _resume(self, store: Store) -> None:
        progress = store.progress()
        if progress is None:
            store.forget(lambda number: False)
            return
        if progress.get("settings") != self.settings.as_json():
            raise VMStateError(
                "another campaign is kept there",
                file=str(store.folder),
                expected=str(self.settings.as_json()),
                found=str(progress.get("settings")),
            )
        try:
            self._done = {
                block: self._size
                for first, last in progress["done"]
                for block in range(plain_number(first, BLOCKS), plain_number(last, BLOCKS) + 1)
            }
            for block, cases in progress["begun"].items():
                self._done[plain_number(int(block), BLOCKS)] = plain_number(cases, self._size)
            self.summary.runs = plain_number(progress["runs"], MANY)
            self.summary.seconds = float(progress["seconds"])
            self.summary.right, self.summary.wrong = (plain_number(progress[name], MANY) for name in ("right", "wrong"))
            self.summary.coverage = Coverage.from_json(progress["coverage"])
            times = {name: plain_number(count, MANY) for name, count in progress["times"].items()}
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise VMStateError(f"is no campaign: {error}", file=str(store.folder / "campaign.json")) from None
        # What a block that is run again had recorded would stand there twice.
        store.forget(lambda number: number % self._size < self._done.get(number // self._size, 0))
        for finding in store.findings(self.subjects):
            self.summary.findings[finding.id] = finding.replace(times=times.get(finding.id, finding.times))

    def _replay_examples(self) -> None:
        """First what others have found."""
        if self.examples is None:
            return
        target: FuzzTarget | None = None
        try:
            for subject, mutations in self.examples.cases(self.subjects):
                target = target or self.make_target()
                verdict = target.run(subject, spoilt(subject, mutations), mutations)
                if verdict.is_finding and _count_in(
                    self.summary.findings, FuzzFinding(subject, mutations, verdict, -1)
                ):
                    finding = FuzzFinding(subject, mutations, verdict, -1)
                    if self.store is not None:
                        self.store.keep(self.settings.target, finding)
        finally:
            if target is not None:
                target.close()

    # What has come of it.

    def as_json(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        summary = self.summary
        fields, rules = reachable(self.subjects)
        touched = summary.coverage
        summary_json: dict[str, Any] = {
            **self.settings.as_json(),
            "seeds": [subject.name for subject in self.subjects],
            "runs": summary.runs,
            "seconds": round(summary.seconds, 3),
            "rate": round(summary.rate, 1),
            "verdicts": dict(sorted(touched.verdicts.items())),
            "findings": [finding.as_json() for finding in summary.findings.values()],
            "coverage": {
                "fields": {"touched": len(fields & set(touched.fields)), "of": len(fields)},
                "rules": {"touched": sorted(set(touched.rules)), "of": len(rules)},
                "mutators": dict(sorted(touched.mutators.items())),
                "refusals": len(touched.refusals),
            },
        }
        if summary.right or summary.wrong:
            summary_json["prediction"] = {"right": summary.right, "wrong": summary.wrong}
        return summary_json


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline


def _runs_of_numbers(numbers: set[int]) -> list[list[int]]:
    """Numbers as [first, last] of each run of them."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def store_in(folder: str | None) -> Store | None:
    """The store of a folder, if one is named."""
    return None if folder is None else Store(Path(folder))
