"""Mutations, targets and campaigns: what is spoilt has a name, what is found is kept, and a campaign goes on."""

from __future__ import annotations

import errno
import json
import lzma
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from machines import children_of, gone

import vmstate
from vmstate.cli import main
from vmstate.fleet.engine import as_they_come, pool_of
from vmstate.fuzz import report, seeds
from vmstate.fuzz.campaign import Campaign, Cases, Elsewhere, Recipe, Settings, Share
from vmstate.fuzz.examples import Examples
from vmstate.fuzz.findings import FuzzFinding, Store
from vmstate.fuzz.guided import FindingError, entry, own_functions
from vmstate.fuzz.minimise import minimise, spoilt
from vmstate.fuzz.mutate import MUTATORS, Mutation, applicable, attempt, mutate
from vmstate.fuzz.source import BytesSource, RandomSource
from vmstate.fuzz.subject import Subject, apply, read_subject
from vmstate.fuzz.targets import FuzzTarget
from vmstate.fuzz.targets.construct import ConstructTarget
from vmstate.fuzz.targets.decoder import DecoderTarget
from vmstate.fuzz.targets.learn import learn
from vmstate.fuzz.verdict import ACCEPTED, CRASHED, DIFFERS, HUNG, MEMORY, REFUSED, Verdict

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
NET = FIXTURES / "qemu-7.2-q35-virtio-net-filters.mig.xz"
RAM = FIXTURES / "recorded" / "qemu-7.2-pc-postcopy-advised.mig.xz"
LONG = os.environ.get("VMSTATE_FUZZ_PROFILE") == "long"
"""With VMSTATE_FUZZ_PROFILE=long a million sections and ten thousand whole streams are read."""


@pytest.fixture(scope="module")
def net() -> Subject:
    return read_subject(NET)


@pytest.fixture(scope="module")
def ram() -> Subject:
    return read_subject(RAM)


@pytest.fixture(scope="module")
def cards() -> list[Subject]:
    return seeds.sections([NET], "virtio-net")


@pytest.fixture(scope="module")
def timers() -> list[Subject]:
    """A small device: a case of it takes less than a millisecond."""
    return seeds.sections([NET], "i8254")


# Mutations.


def test_places_cover_the_fields_of_a_section(net: Subject) -> None:
    labels = {place.label for place in net.places}
    assert "virtio-net: virtio.vq[*].last_avail_idx" in labels
    assert "virtio-net: virtio.net.macs" in labels
    part = next(part for part in net.parts if part.name.endswith("virtio-net"))
    covered = [place for place in net.places if place.number == part.number and place.field is not None]
    assert min(place.offset for place in covered) == part.payload
    assert max(place.end for place in covered) == part.footer


@pytest.mark.parametrize("name", sorted(MUTATORS))
def test_every_mutator_changes_something_and_says_what(name: str, net: Subject, ram: Subject) -> None:
    mutations = []
    for subject in (net, ram):
        for seed in range(40):
            mutation = attempt(subject, RandomSource(f"{name}{seed}"), MUTATORS[name])
            if mutation is not None:
                assert spoilt(subject, [mutation]) != subject.data
                assert mutation.mutator == name and mutation.path and mutation.text
                assert Mutation.from_json(json.loads(json.dumps(mutation.as_json()))) == mutation
                mutations.append(mutation)
    assert mutations


def test_mutations_keep_the_framing_unless_it_is_the_target(net: Subject) -> None:
    mutators = applicable(net, framing=False, names=[name for name in MUTATORS if name.startswith(("value", "bool"))])
    for seed in range(200):
        mutations = mutate(net, RandomSource(seed), mutators, 3)
        assert len(spoilt(net, mutations)) == len(net.data)
        assert all(mutation.section is not None for mutation in mutations)


def test_mutations_do_not_overlap(net: Subject) -> None:
    many = [mutate(net, RandomSource(seed), applicable(net), 4) for seed in range(400)]
    assert {len(row) for row in many} == {1, 2, 3, 4}
    for mutations in many:
        edits = sorted(edit for mutation in mutations for edit in mutation.edits)
        assert all(first[1] <= second[0] for first, second in pairwise(edits))


def test_edits_are_applied_from_the_front() -> None:
    assert apply(b"abcdef", [(4, 5, b"X"), (1, 2, b""), (6, 6, b"!")]) == b"acdXf!"


def test_a_count_grows_with_its_elements(net: Subject) -> None:
    for seed in range(200):
        mutation = attempt(net, RandomSource(seed), MUTATORS["count.grown"])
        if mutation is not None and mutation.path == "virtio.num_queues":
            break
    assert mutation is not None
    stream = vmstate.load(spoilt(net, [mutation]))
    body = stream["virtio-net"].state.virtio
    assert body.num_queues == len(body.vq) != 3


@pytest.mark.slow
def test_rules_are_broken_by_name(cards: list[Subject]) -> None:
    broken = set()
    for seed in range(120):
        mutation = attempt(cards[0], RandomSource(seed), MUTATORS["rule.edge"])
        if mutation is None:
            continue
        assert mutation.rules
        try:
            broken |= {finding.rule for finding in vmstate.check(vmstate.load(spoilt(cards[0], [mutation])))}
        except vmstate.VMStateError:
            continue
    assert {"virtio-queue-sel", "virtio-pci-vector", "virtio-pci-config-vector"} <= broken


# Targets.


class Broken(DecoderTarget):
    """A decoder that stumbles where the second timer's latch is odd."""

    def _read(self, subject: Subject, data: bytes) -> Verdict:
        verdict = super()._read(subject, data)
        if verdict.kind == ACCEPTED:
            stream = vmstate.load(data, vmdesc=subject.described)
            known = [section.state for section in stream.sections if section.vmsd is not None]
            if any(vmstate.resolve(state, "channels[1].latched_count")[1] & 1 for state in known):
                raise KeyError("odd")
        return verdict


def on_processes(jobs: int, recipe: Recipe) -> Elsewhere | None:
    """So many processes for a campaign; None where it is run in this one."""
    if jobs == 1:
        return None

    def spread(share: Share, numbers: Sequence[int], is_over: Callable[[], bool]) -> Iterator[tuple[int, object]]:
        return as_they_come(share, numbers, pool_of(jobs), chunk=1, enough=is_over)

    return Elsewhere(spread, recipe, keeps=True)


def decoded(files: list[Path], whole: bool) -> tuple[list[Subject], type[DecoderTarget]]:
    """What a worker makes of the campaign below."""
    return seeds.whole(files) if whole else seeds.sections(files), DecoderTarget


@pytest.mark.slow
@pytest.mark.parametrize(
    "whole", [pytest.param(False, id="sections"), pytest.param(True, id="streams", marks=pytest.mark.slow)]
)
def test_the_decoder_stands_spoilt_streams(whole: bool) -> None:
    """The short profile; the long one is a million sections, and ten thousand streams, of every recording."""
    files = sorted(FIXTURES.rglob("*.mig.xz")) if LONG else [NET, RAM]
    subjects = seeds.whole(files) if whole else seeds.sections(files)
    campaign = Campaign(Settings("decoder", 1), subjects, DecoderTarget)
    runs = (10_000 if whole else 1_000_000) if LONG else (40 if whole else 1000)
    elsewhere = on_processes(os.cpu_count() or 1, partial(decoded, files, whole)) if LONG else None
    summary = campaign.run(runs=runs, elsewhere=elsewhere)
    assert summary.runs >= runs * 0.99
    assert {
        finding.verdict.key: [str(mutation) for mutation in finding.mutations] for finding in summary.findings.values()
    } == {}
    assert summary.coverage.verdicts[ACCEPTED] and summary.coverage.verdicts[REFUSED]


@pytest.mark.slow
def test_the_decoder_stands_sections_made_from_descriptions() -> None:
    subjects = seeds.made("i8*", 3)
    summary = Campaign(Settings("decoder", 3), subjects, DecoderTarget).run(runs=1024)
    assert summary.findings == {}


@pytest.mark.parametrize("mutators", [None, ("vmdesc.json",)], ids=["all", "vmdesc"])
def test_the_decoder_stands_any_vmdesc(mutators: tuple[str, ...] | None) -> None:
    """Pointers, arrays of arrays of nothing, names that repeat; spoilt as everything is, and in the JSON alone."""
    subjects = seeds.shapes(20, 5)
    described = b"".join(subject.data for subject in subjects)
    for kind in (b"nullptr", b"ptr-marker", b"qtailq", b'"array_len": 0', b'"fields": []', b'"subsections"'):
        assert kind in described
    summary = Campaign(Settings("decoder", 5, mutators), subjects, DecoderTarget).run(runs=60)
    assert summary.runs > 50
    assert summary.findings == {}
    assert summary.coverage.verdicts[ACCEPTED] and summary.coverage.verdicts[REFUSED]


def test_the_document_of_what_was_read_is_compared(monkeypatch: pytest.MonkeyPatch, cards: list[Subject]) -> None:
    monkeypatch.setattr("vmstate.fuzz.targets.decoder.CHECKED", 1)
    target = DecoderTarget()
    (subject,) = seeds.shapes(1, 5)
    assert target.run(subject, subject.data, []).kind == ACCEPTED
    written = seeds.shapes(2, 6)[1]

    class Another:
        def to_bytes(self) -> bytes:
            return written.data

    monkeypatch.setattr("vmstate.fuzz.targets.decoder.read_document", lambda *_: Another())
    assert target.run(subject, subject.data, []).place == "document: not written back"


def test_construct_reads_the_same() -> None:
    subjects = seeds.sections([NET], "i82*") + seeds.sections([NET], "hpet") + seeds.sections([NET], "serial")
    summary = Campaign(Settings("construct", 1), subjects, ConstructTarget).run(runs=256)
    assert summary.findings == {}
    assert summary.coverage.verdicts[ACCEPTED] and summary.coverage.verdicts[REFUSED]


def run_with(monkeypatch: pytest.MonkeyPatch, subject: Subject, read: Any) -> Verdict:
    target = DecoderTarget()
    target._begun.add(id(subject))
    target._runs = 1
    monkeypatch.setattr("vmstate.fuzz.targets.decoder.load", read)
    return target.run(subject, subject.data, [])


def test_the_verdicts_of_the_decoder(monkeypatch: pytest.MonkeyPatch, cards: list[Subject]) -> None:
    def hangs(*_: Any, **__: Any) -> Any:
        while True:
            pass

    def grows(*_: Any, **__: Any) -> Any:
        big = bytearray(200 << 20)
        big[:: 1 << 12] = bytes(len(big[:: 1 << 12]))
        raise vmstate.StreamError("after much memory")

    def recurses(*words: Any, **options: Any) -> Any:
        return recurses(*words, **options)

    def unprintable(*_: Any, **__: Any) -> Any:
        raise Unprintable

    class Unprintable(vmstate.StreamError):
        def __init__(self) -> None:
            super().__init__("x")

        def __str__(self) -> str:
            return "\x1b[2J"

    monkeypatch.setattr("vmstate.fuzz.targets.decoder.SECONDS", 0.05)
    assert run_with(monkeypatch, cards[0], hangs).kind == HUNG
    assert run_with(monkeypatch, cards[0], recurses).kind == CRASHED
    assert run_with(monkeypatch, cards[0], unprintable).kind == CRASHED
    monkeypatch.setattr("vmstate.fuzz.targets.decoder._resident_bytes", iter([0, 1 << 40]).__next__)
    assert run_with(monkeypatch, cards[0], grows).kind == MEMORY


def test_a_seed_that_is_refused_is_a_finding(cards: list[Subject]) -> None:
    class Refuses(DecoderTarget):
        def _read(self, subject: Subject, data: bytes) -> Verdict:
            return Verdict(REFUSED, "no", "no")

    assert Refuses().run(cards[0], cards[0].data, []).kind == DIFFERS


# Campaigns.


def test_the_same_seed_is_the_same_campaign(timers: list[Subject]) -> None:
    first, second = (Cases(Settings("decoder", 5), timers) for _ in range(2))
    another = Cases(Settings("decoder", 6), timers)
    assert [first.case(n)[1] for n in range(50)] == [second.case(n)[1] for n in range(50)]
    assert [first.case(n)[1] for n in range(50)] != [another.case(n)[1] for n in range(50)]


@pytest.mark.slow
def test_a_finding_is_minimised_kept_and_done_again(tmp_path: Path, timers: list[Subject]) -> None:
    store = Store(tmp_path / "out")
    campaign = Campaign(Settings("decoder", 2), timers, Broken, store=store)
    summary = campaign.run(runs=2048)
    (finding,) = summary.findings.values()
    assert finding.verdict.kind == CRASHED and "KeyError" in finding.verdict.message
    assert len(finding.mutations) == 1 and finding.times > 1
    folder = tmp_path / "out" / "findings" / finding.id
    assert {file.name for file in folder.iterdir()} == {"stream.mig", "diff.txt", "finding.json", "reproduce.txt"}
    words = (folder / "diff.txt").read_text()
    assert "KeyError" in words and "latched_count" in words
    assert (folder / "stream.mig").read_bytes() == spoilt(finding.subject, finding.mutations)
    assert (folder / "reproduce.txt").read_text() == f"vmstate fuzz decoder --replay {folder}\n"
    kept = json.loads((folder / "finding.json").read_text())
    assert kept["mutations"][0]["section"] == "i8254"
    # The real decoder does nothing wrong there.
    assert main(["fuzz", "decoder", "--replay", str(folder)]) == 0


def test_minimising_leaves_the_fewest_changes(timers: list[Subject]) -> None:
    subject = timers[0]
    place = subject.at(0, "channels[1].latched_count")
    assert place is not None
    odd = Mutation("value.bound", place.section, place.path, ((place.offset, place.end, b"\x01\x03"),), "0 -> 259")
    others = [mutate(subject, RandomSource(seed), applicable(subject, framing=False), 1)[0] for seed in (1, 4)]
    target = Broken()
    mutations = [others[0], odd, others[1]]
    verdict = target.run(subject, spoilt(subject, mutations), mutations)
    assert verdict.kind == CRASHED
    fewest, again = minimise(subject, mutations, verdict, lambda data, tried: target.run(subject, data, tried))
    assert [mutation.path for mutation in fewest] == [place.path]
    assert sum(len(new) for _, _, new in fewest[0].edits) == 1
    assert again.key == verdict.key


@pytest.mark.slow
def test_a_campaign_goes_on_where_it_ended(tmp_path: Path, timers: list[Subject]) -> None:
    def campaign(folder: str) -> Campaign:
        return Campaign(Settings("decoder", 2), timers, Broken, store=Store(tmp_path / folder))

    campaign("one").run(runs=512)
    again = campaign("one").run(runs=1024)
    whole = campaign("two").run(runs=1024)
    assert again.runs == whole.runs
    assert again.coverage.as_json() == whole.coverage.as_json()
    assert {finding.id: finding.times for finding in again.findings.values()} == {
        finding.id: finding.times for finding in whole.findings.values()
    }
    assert campaign("one").run(runs=1024).runs == whole.runs, "nothing is done twice"
    with pytest.raises(vmstate.VMStateError, match="another campaign"):
        Campaign(Settings("decoder", 3), timers, Broken, store=Store(tmp_path / "one"))


class Foresees(Broken):
    """One that predicts that all is accepted."""

    def run(self, subject: Subject, data: bytes, mutations: list[Mutation]) -> Verdict:
        return super().run(subject, data, mutations).replace(expected="accepted")


def predicted_timers() -> tuple[list[Subject], type[Foresees]]:
    """What a worker makes of such a campaign."""
    return seeds.sections([NET], "i8254"), Foresees


@pytest.mark.slow
def test_a_predicted_case_is_recorded_once(tmp_path: Path, timers: list[Subject]) -> None:
    def campaign(folder: str, target: type[Broken] = Foresees) -> Campaign:
        return Campaign(Settings("decoder", 2), timers, target, store=Store(tmp_path / folder))

    def rows(folder: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in (tmp_path / folder / "verdicts.jsonl").read_text().splitlines()]

    campaign("one").run(runs=256)
    first = rows("one")[0]
    assert set(first) >= {"case", "seed", "mutations", "kind", "expected"} and first["mutations"]
    # Killed in the middle of the next block: of that a part stands there.
    with open(tmp_path / "one" / "verdicts.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({**first, "case": 300}) + '\n{"case": 301, "se')
    summary = campaign("one").run(runs=512)
    campaign("two").run(runs=512, elsewhere=on_processes(2, predicted_timers))
    assert sorted(map(str, rows("one"))) == sorted(map(str, rows("two")))
    assert len({row["case"] for row in rows("one")}) == len(rows("one")) == summary.runs
    campaign("three", Broken).run(runs=256)
    assert not (tmp_path / "three" / "verdicts.jsonl").exists(), "what nobody predicted is not recorded"


@pytest.mark.slow
def test_several_jobs_find_what_one_finds(timers: list[Subject]) -> None:
    alone = Campaign(Settings("decoder", 2), timers, Broken).run(runs=1024)
    two = Campaign(Settings("decoder", 2), timers, Broken).run(runs=1024, elsewhere=on_processes(2, broken_timers))
    assert two.coverage.as_json() == alone.coverage.as_json()
    assert set(two.findings) == set(alone.findings)


def broken_timers() -> tuple[list[Subject], type[Broken]]:
    """What a worker that is elsewhere makes of a campaign."""
    return seeds.sections([NET], "i8254"), Broken


class Slow(Broken):
    """A target that takes its time."""

    def run(self, subject: Subject, data: bytes, mutations: list[Mutation]) -> Verdict:
        time.sleep(0.05)
        return Verdict(ACCEPTED)


def slow_timers() -> tuple[list[Subject], type[Slow]]:
    """The same with a target that takes its time."""
    return seeds.sections([NET], "i8254"), Slow


class Fatal(Broken):
    """A target that ends its process, once."""

    once: Path

    def run(self, subject: Subject, data: bytes, mutations: list[Mutation]) -> Verdict:
        with suppress(FileExistsError):
            self.once.mkdir()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(subject, data, mutations)


def fatal_timers(once: Path) -> tuple[list[Subject], type[Fatal]]:
    """The same with a target that ends its process, once."""
    Fatal.once = once
    return seeds.sections([NET], "i8254"), Fatal


@pytest.mark.slow
def test_a_worker_that_dies_costs_a_campaign_nothing(tmp_path: Path, timers: list[Subject]) -> None:
    fatal = on_processes(2, partial(fatal_timers, tmp_path / "once"))
    alone = Campaign(Settings("decoder", 2), timers, Broken).run(runs=1024)
    two = Campaign(Settings("decoder", 2), timers, Broken).run(runs=1024, elsewhere=fatal)
    assert (tmp_path / "once").exists()
    assert two.coverage.as_json() == alone.coverage.as_json()
    assert {finding.id: finding.times for finding in two.findings.values()} == {
        finding.id: finding.times for finding in alone.findings.values()
    }


@pytest.mark.slow
def test_the_workers_of_a_scheduler_find_what_one_process_finds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the engine of many streams; also where a campaign goes on."""
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install qemu-vmstate[cluster]")
    words = ["fuzz", "decoder", "--seed", str(NET), "--devices", "i8254", "--random", "2", "--format", "json"]

    def told(*more: str) -> dict[str, Any]:
        assert main([*words, *more]) == 0
        summary: dict[str, Any] = json.loads(capsys.readouterr().out)
        return {name: value for name, value in summary.items() if name not in ("seconds", "rate")}

    alone = told("--runs", "2600")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        on_workers = ["--scheduler", cluster.scheduler_address]
        assert told("--runs", "2600", *on_workers) == alone
        first = told("--runs", "700", "-o", str(tmp_path), *on_workers)
        assert first["runs"] < alone["runs"] == told("--runs", "2600", "-o", str(tmp_path), *on_workers)["runs"]


@pytest.mark.slow
def test_what_ends_its_worker_is_named_and_the_rest_is_done(timers: list[Subject]) -> None:
    campaign = Campaign(Settings("decoder", 2), timers, Broken)

    def spread(share: Share, items: Sequence[int], enough: Callable[[], bool]) -> Iterator[tuple[int, object]]:
        assert not enough()
        for number in items:
            yield number, "set aside" if number == 1 else share(number)

    with pytest.raises(vmstate.VMStateError, match="left out: 1024 to 2047"):
        campaign.run(runs=2500, elsewhere=Elsewhere(spread, broken_timers, keeps=False))
    # Workers stop when the time is over, and what each has done until then counts.
    hurried = Campaign(Settings("decoder", 2), timers, Broken)

    def later(share: Share, items: Sequence[int], enough: Callable[[], bool]) -> Iterator[tuple[int, object]]:
        yield items[0], share.replace(until=time.time() + 600)(items[0])
        yield items[1], share.replace(until=time.time() - 1)(items[1])
        time.sleep(1)
        assert enough()
        yield items[1], share(items[1])

    assert hurried.run(seconds=1, elsewhere=Elsewhere(later, broken_timers, keeps=False)).runs > 900
    alone = Campaign(Settings("decoder", 2), timers, Broken)
    assert campaign.summary.runs < alone.run(runs=2500).runs and set(campaign.summary.findings)


@pytest.fixture(params=["directory", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place that campaigns of several machines share."""
    if request.param == "directory":
        yield str(tmp_path / "examples")
        return
    pytest.importorskip("redis", reason="needs the client of Redis: pip install redis")
    if shutil.which("redis-server") is None:
        pytest.skip("needs a Redis server: install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["redis-server", "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + 20
            while time.monotonic() < end:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.mark.slow
def test_examples_are_shared_between_campaigns(shared: str, timers: list[Subject]) -> None:
    place = shared
    first = Campaign(Settings("decoder", 2), timers, Broken, examples=Examples(place, "decoder")).run(runs=2048)
    another = Campaign(Settings("decoder", 9), timers, Broken, examples=Examples(place, "decoder"))
    another._replay_examples()
    assert set(another.summary.findings) == set(first.findings) != set()


@pytest.mark.slow
def test_coverage_counts_fields_rules_and_mutators(timers: list[Subject]) -> None:
    campaign = Campaign(Settings("decoder", 2), timers, DecoderTarget)
    campaign.run(runs=4096)
    summary_values = campaign.as_json()
    assert summary_values["coverage"]["fields"]["touched"] > 0.8 * summary_values["coverage"]["fields"]["of"]
    assert len(summary_values["coverage"]["mutators"]) > 20
    assert Counter(summary_values["verdicts"]).total() == summary_values["runs"]


def test_bytes_steer_the_same_mutations(timers: list[Subject]) -> None:
    once = entry(timers)
    for seed in range(50):
        once(RandomSource(seed).data(64))
    once(b"")
    assert BytesSource(b"").integer(3, 9) == 3
    assert {function.__module__.partition(".")[0] for function in own_functions()} == {"vmstate"}
    broken = entry(timers, Broken())
    with pytest.raises(FindingError, match="KeyError"):
        for seed in range(2000):
            broken(RandomSource(seed).data(64))


# The command.


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


@pytest.mark.slow
def test_the_command_finds_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["fuzz", "decoder", "--seed", str(NET), "--devices", "i8254", "--runs", "256", "-o", str(tmp_path)]
    assert main([*words, "--format", "json"]) == 0
    document = json.loads(lines(capsys)[0])
    assert document["target"] == "decoder" and document["findings"] == [] and document["runs"] >= 250
    assert json.loads((tmp_path / "summary.json").read_text())["runs"] == document["runs"]
    assert "nothing found" in (tmp_path / "summary.txt").read_text()
    assert main(words) == 0
    assert f"decoder: {document['runs']} runs" in lines(capsys)[0]


@pytest.mark.slow
@pytest.mark.parametrize("much", [["--runs", "64"], ["--time", "0.3"]])
def test_on_a_terminal_it_says_how_far_it_is(
    much: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["fuzz", "decoder", "--devices", "i8254", *much]) == 0
    printed = capsys.readouterr()
    assert "nothing found" in printed.out and "findings;" not in printed.out
    assert "runs, " in printed.err and "0 findings; " in printed.err


def test_the_command_finds_something(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("vmstate.fuzz.targets.decoder.DecoderTarget", Broken)
    words = ["fuzz", "decoder", "--seed", str(NET), "--devices", "i8254", "--runs", "2048", "-o", str(tmp_path)]
    assert main(words) == 1
    out, _ = lines(capsys)
    assert "crashed" in out and "latched_count" in out
    (folder,) = (tmp_path / "findings").iterdir()
    assert main(["fuzz", "decoder", "--replay", str(folder)]) == 1


def test_without_a_seed_sections_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "decoder", "--devices", "i8254", "--runs", "64"]) == 0
    assert "nothing found" in lines(capsys)[0]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_so_many_runs_are_so_many(jobs: int, tmp_path: Path, timers: list[Subject]) -> None:
    """Also where they are no whole blocks, and where a campaign goes on from there."""

    def campaign(folder: str) -> Campaign:
        return Campaign(Settings("decoder", 2), timers, Broken, store=Store(tmp_path / folder))

    for runs in (1, 30, 300):
        assert campaign("steps").run(runs=runs, elsewhere=on_processes(jobs, broken_timers)).runs == runs
    steps, whole = campaign("steps").run(runs=300), campaign("whole").run(runs=300)
    assert steps.coverage.as_json() == whole.coverage.as_json()
    assert {finding.id: finding.times for finding in steps.findings.values()} == {
        finding.id: finding.times for finding in whole.findings.values()
    }


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_time_ends_a_campaign_in_the_middle_of_a_block(jobs: int, tmp_path: Path, timers: list[Subject]) -> None:
    def campaign() -> Campaign:
        return Campaign(Settings("decoder", 2), timers, Slow, store=Store(tmp_path))

    # A process takes its time to start.
    ran = campaign().run(seconds=4 if jobs > 1 else 1, elsewhere=on_processes(jobs, slow_timers)).runs
    assert 0 < ran <= 81 * jobs
    assert campaign().run(runs=ran + 3).runs > ran


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "no-such-file"], "no-such-file: "),
        (["--seed", "GARBAGE"], "not a migration stream"),
        (["--seed", "DAMAGED"], "ends too early at offset"),
        (["--seed", str(NET), "--devices", "nothing-*"], "no section is called 'nothing-*'"),
        (["--devices", "nothing-*"], "the device library has nothing of the name 'nothing-*'"),
        (["--seed", str(NET), "--mutators", "no.such"], "no mutator 'no.such'"),
        (["--seed", str(NET), "--runs", "0"], "'0' is no number of one or more"),
        (["--seed", str(NET), "--time", "soon"], "'soon' is no time"),
        (["--replay", "no-such-folder"], "no-such-folder"),
    ],
    ids=lambda value: value[1] if isinstance(value, list) else "",
)
def test_bad_input_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], message: str
) -> None:
    garbage, damaged = tmp_path / "garbage", tmp_path / "damaged"
    garbage.write_bytes(b"no stream at all")
    damaged.write_bytes(lzma.decompress(NET.read_bytes())[:9000])
    words = [{"GARBAGE": str(garbage), "DAMAGED": str(damaged)}.get(word, word) for word in words]
    try:
        code = main(["fuzz", "decoder", *words])
    except SystemExit as stopped:
        code = int(str(stopped.code))
    out, err = lines(capsys)
    assert code == 2 and out == ""
    assert message in err and err.count("\n") == 1


@pytest.mark.slow
def test_a_full_disk_keeps_what_was_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise vmstate.StreamError(os.strerror(errno.ENOSPC), file="finding.json")

    monkeypatch.setattr("vmstate.fuzz.targets.decoder.DecoderTarget", Broken)
    words = ["fuzz", "decoder", "--seed", str(NET), "--devices", "i8254", "--runs", "2048", "-o", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr("vmstate.fuzz.findings.write_atomic", full)
        assert main(words) == 2
    _, err = lines(capsys)
    assert "No space left on device" in err
    assert main(words) == 1, "and then it goes on"


ODD: list[Any] = [None, True, -1, 1 << 70, float("inf"), "", "x\x1b[31m", [], {}, [None], [[0, 1 << 50]], {"0": -1}]
DEEP = "[" * 100_000


def odd_documents(document: dict[str, Any]) -> Iterator[str]:
    """The text of a JSON object with each member at the top, and each of one below, otherwise than it is."""
    yield from ("", DEEP, "3", "[]", '"x"', '{"a": 1e999}')
    for key, value in document.items():
        for odd in ODD:
            yield json.dumps({**document, key: odd})
        yield json.dumps({other: kept for other, kept in document.items() if other != key})
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0]
            for inner in value:
                yield from (json.dumps({**document, key: [{**value, inner: odd}]}) for odd in ODD)
        elif isinstance(value, dict):
            for inner in value:
                yield from (json.dumps({**document, key: {**value, inner: odd}}) for odd in ODD)


def one_line_or_done(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code = main(words)
    out, err = capsys.readouterr()
    assert code in (0, 1, 2)
    assert err.count("\n") == (code == 2), err
    assert all(line.isprintable() for line in (out + err).splitlines())


def test_a_campaign_of_others(tmp_path: Path, timers: list[Subject]) -> None:
    def campaign() -> Campaign:
        return Campaign(Settings("decoder", 2), timers, DecoderTarget, store=Store(tmp_path))

    campaign().run(runs=1)
    file = tmp_path / "campaign.json"
    for text in odd_documents(json.loads(file.read_text())):
        file.write_text(text)
        with suppress(vmstate.VMStateError):
            report.text(campaign())


@pytest.mark.slow
def test_a_finding_of_others(capsys: pytest.CaptureFixture[str], tmp_path: Path, timers: list[Subject]) -> None:
    finding = FuzzFinding(timers[0], mutate(timers[0], RandomSource(1), applicable(timers[0]), 1), Verdict(CRASHED), 7)
    folder = Store(tmp_path).keep("decoder", finding)
    place = folder / "finding.json"
    kept = json.loads(place.read_text())
    for text in odd_documents(kept):
        place.write_text(text)
        one_line_or_done(capsys, ["fuzz", "decoder", "--replay", str(folder)])
    place.write_text(json.dumps({**kept, "seed_sha256": "../../../etc/passwd"}))
    assert main(["fuzz", "decoder", "--replay", str(folder)]) == 2
    assert "does not say which seed" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_ends_it_and_leaves_no_process(tmp_path: Path) -> None:
    words = ["--seed", str(NET), "--devices", "i8254", "--time", "60", "--jobs", "2", "-o", str(tmp_path)]
    command = [sys.executable, "-m", "vmstate", "fuzz", "decoder", *words]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not (tmp_path / "campaign.json").exists() and time.monotonic() < end:
        time.sleep(0.1)
    below = children_of(process.pid)
    assert len(below) > 2
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped after" in err and "goes on from" in err and "Traceback" not in err
    assert "nothing found" in out
    assert gone(below)
    assert json.loads((tmp_path / "campaign.json").read_text())["runs"] > 0


def cannot() -> FuzzTarget:
    raise vmstate.VMStateError("the target never starts")


def timers_that_cannot() -> tuple[list[Subject], Callable[[], FuzzTarget]]:
    """The same with a target that never starts."""
    return seeds.sections([NET], "i8254"), cannot


@pytest.mark.slow
def test_a_worker_that_fails_is_said(timers: list[Subject]) -> None:
    for jobs in (1, 2):
        with pytest.raises(vmstate.VMStateError, match="the target never starts"):
            Campaign(Settings("decoder"), timers, cannot).run(runs=64, elsewhere=on_processes(jobs, timers_that_cannot))


@pytest.mark.parametrize(("slow", "is_learnt"), [(0, True), (2, True), (3, False)])
def test_a_qemu_that_does_not_answer_is_asked_again(slow: int, is_learnt: bool) -> None:
    """Else a device would be taken for one that compares nothing of its configuration space, for good."""
    subject = next(iter(seeds.whole([FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz"])))
    part = next(part for part in subject.parts if part.name == "0000:00:01.0/virtio-net")
    asked: list[bytes] = []

    def load(data: bytes) -> Verdict:
        asked.append(data)
        if len(asked) <= slow:
            return Verdict(HUNG, "no answer in 1 s")
        if len(asked) == slow + 1:
            line = "get_pci_config_device: Bad config data: i=0x1 read: e5 device: 1a cmask: ff wmask: 0 w1cmask:0"
            return Verdict(REFUSED, line)
        return Verdict(ACCEPTED)

    facts = learn(load, subject, part)
    assert ("pci_config_compared" in facts) is is_learnt
    if is_learnt:
        assert facts["pci_config_compared"].startswith("00ff00")
