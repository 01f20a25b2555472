"""`vmstate fuzz`: mutated streams through our decoder, a real QEMU, the early engine, or construct."""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vmstate.cli.trust import program_to_run, trust_arguments
from vmstate.errors import VMStateError

if TYPE_CHECKING:
    from vmstate.fuzz.campaign import Campaign, Elsewhere, Recipe, Share, Summary
    from vmstate.fuzz.subject import Subject
    from vmstate.fuzz.targets import FuzzTarget

TARGETS = ("decoder", "qemu", "early", "construct")
GUEST = 0.05
"""Seconds that the guest runs after a load in a fresh QEMU, unless the user says otherwise."""

RECORDED = "recorded.mig"
"""The seed that is recorded where none is named, in the folder of a campaign."""

RUNS = {"qemu": 200, "construct": 1000, "early": 1000}
USUAL_RUNS = 10_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("target", metavar="TARGET", choices=TARGETS, help=", ".join(TARGETS))
    parser.add_argument(
        "--seed",
        metavar="STREAM",
        nargs="+",
        action="extend",
        default=[],
        help="streams to spoil; without one they are made from descriptions, for qemu recorded",
    )
    parser.add_argument(
        "--shapes", metavar="N", type=_positive, help="so many streams whose vmdesc is made at random (decoder)"
    )
    parser.add_argument("--devices", metavar="GLOB", default="*", help="only sections of these names")
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--runs", metavar="N", type=_positive, help="so many cases in all")
    many.add_argument("--time", metavar="T", type=_seconds, help="for so long: 90, 15m, 2h")
    parser.add_argument("--jobs", metavar="N", type=_positive, default=1, help="so many processes")
    parser.add_argument("--scheduler", metavar="URL", help="the workers of a Dask scheduler: tcp://HOST:PORT")
    parser.add_argument("-o", metavar="DIR", dest="output", help="keep findings there; a campaign there goes on")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for a reader, or for a program")
    parser.add_argument("--random", metavar="N", type=int, default=0, help="the seed of the campaign (default 0)")
    parser.add_argument("--whole", action="store_true", help="whole streams; else each section by itself (decoder)")
    parser.add_argument("--no-framing", action="store_true", help="leave the framing of sections alone")
    parser.add_argument("--mutators", metavar="NAME,...", help="only these")
    parser.add_argument("--database", metavar="PLACE", help="share examples: a directory, or redis://HOST")
    parser.add_argument("--fresh", action="store_true", help="a QEMU of its own for each stream (qemu); else loadvm")
    parser.add_argument("--guest", metavar="SECONDS", type=_seconds, help="with --fresh: let the guest run so long")
    parser.add_argument("--limit", metavar="SECONDS", type=_seconds, default=15.0, help="a longer load is a hang")
    parser.add_argument("--boot", metavar="SECONDS", type=_seconds, default=0.0, help="before the seed is recorded")
    trust_arguments(parser)
    parser.add_argument("--replay", metavar="DIR", help="do one finding again")
    parser.epilog = "For qemu, -- COMMAND ... is the machine to be recorded, or to load the seeds with."
    parser.set_defaults(run=run, takes_command=True)


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 40:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of one or more")
    return int(text)


def _seconds(text: str) -> float:
    factor = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(text[-1:], 0)
    try:
        value = float(text[:-1]) * factor if factor else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 90, 15m, 2h")
    return value


def run(options: argparse.Namespace) -> int:
    """Run a campaign, or one finding again; 1 where something was found."""
    if options.fresh and options.target != "qemu":
        raise VMStateError("--fresh is for the target qemu")
    if options.guest is not None and not options.fresh and options.replay is None:
        raise VMStateError("the guest runs only in a QEMU of its own: --guest needs --fresh")
    if options.shapes is not None and (options.target != "decoder" or options.seed):
        raise VMStateError("--shapes is for the target decoder, in place of --seed")
    if options.replay is not None:
        return _replay(options)
    with tempfile.TemporaryDirectory(prefix="vmstate-fuzz-") as folder:
        return _campaign(options, Path(options.output or folder))


def _campaign(options: argparse.Namespace, folder: Path) -> int:
    from vmstate.fuzz.campaign import Campaign, Settings, store_in
    from vmstate.fuzz.examples import Examples
    from vmstate.fuzz.report import text

    store = store_in(options.output)
    subjects, make_target = target_of(options, folder)
    names = None if options.mutators is None else tuple(options.mutators.split(","))
    settings = Settings(options.target, options.random, names, not options.no_framing, fresh=options.fresh)
    examples = None if options.database is None else Examples(options.database, options.target)
    campaign = Campaign(settings, subjects, make_target, store=store, examples=examples)
    runs = options.runs
    if runs is None and options.time is None:
        runs = RUNS.get(options.target, USUAL_RUNS)
    stopped = False
    try:
        with _progress(runs, options.time) as show:
            campaign.run(runs=runs, seconds=options.time, progress=show, elsewhere=_elsewhere(options, folder))
    except KeyboardInterrupt:
        stopped = True
    except VMStateError:
        _print_campaign(campaign, options, text(campaign))
        raise
    _print_campaign(campaign, options, text(campaign))
    if store is not None:
        store.write(store.folder / "summary.json", campaign.as_json())
        (store.folder / "summary.txt").write_text(text(campaign) + "\n")
    if stopped:
        where = f"; the same command goes on from {options.output}" if options.output else ""
        print(f"vmstate: stopped after {campaign.summary.runs} runs{where}", file=sys.stderr)
        return 130
    return 1 if campaign.summary.findings else 0


def _elsewhere(options: argparse.Namespace, folder: Path) -> Elsewhere | None:
    """The workers of a scheduler or of a pool, if the arguments ask for some. Raises `VMStateError`."""
    if options.scheduler is None and options.jobs == 1:
        return None
    from vmstate.fleet.engine import as_they_come, cluster_of, pool_of
    from vmstate.fuzz.campaign import Elsewhere

    engine = cluster_of(options.scheduler) if options.scheduler else pool_of(options.jobs)

    def spread(share: Share, numbers: Sequence[int], is_over: Callable[[], bool]) -> Iterator[tuple[int, object]]:
        return as_they_come(share, numbers, engine, chunk=1, enough=is_over)

    return Elsewhere(spread, _recipe(options, folder), keeps=not options.scheduler)


def _recipe(options: argparse.Namespace, folder: Path) -> Recipe:
    """What makes the same seeds in workers, which see the same files; the user was asked here."""
    recorded = [str(folder.resolve() / RECORDED)] if options.target == "qemu" else []
    seed = [str(Path(file).resolve()) for file in options.seed] or recorded
    elsewhere = argparse.Namespace(**{**vars(options), "seed": seed, "trust": True, "output": None, "run": None})
    return partial(_made_again, elsewhere, folder)


def _made_again(options: argparse.Namespace, folder: Path) -> tuple[list[Subject], Callable[[], FuzzTarget]]:
    """The seeds and the target in a worker, which says nothing of what the user was told before."""
    with redirect_stderr(io.StringIO()):
        return target_of(options, folder)


def _print_campaign(campaign: Campaign, options: argparse.Namespace, text: str) -> None:
    if options.format == "json":
        json.dump(campaign.as_json(), sys.stdout)
        print()
    else:
        print(text)


@contextmanager
def _progress(runs: int | None, seconds: float | None) -> Iterator[Callable[[Summary], None] | None]:
    """What shows how far a campaign is, on a terminal; it is gone when the body ends."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from vmstate.fuzz.report import progress_line

    columns = BarColumn(bar_width=20), TimeRemainingColumn(), TextColumn("{task.description}", markup=False)
    begun = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        task = progress.add_task("", total=runs if seconds is None else seconds)

        def show(summary: Summary) -> None:
            done = summary.runs if seconds is None else time.monotonic() - begun
            progress.update(task, completed=done, description=progress_line(summary), refresh=True)

        yield show


def target_of(options: argparse.Namespace, folder: Path) -> tuple[list[Subject], Callable[[], FuzzTarget]]:
    """The seeds, and what makes the target."""
    from vmstate.fuzz import seeds

    if options.target == "qemu":
        return _qemu(options, folder)
    if options.target == "early" and options.devices == "*":
        options.devices = "virtio-net"
    if options.shapes is not None:
        subjects = seeds.shapes(options.shapes, options.random)
    elif not options.seed:
        subjects = seeds.made(options.devices, options.random)
    elif options.whole:
        subjects = seeds.whole(options.seed, options.devices)
    else:
        subjects = seeds.sections(options.seed, options.devices)
    if options.target == "construct":
        from vmstate.fuzz.targets.construct import ConstructTarget

        return subjects, ConstructTarget
    if options.target == "early":
        from vmstate.fuzz.targets.early import EarlyTarget

        return subjects, EarlyTarget
    from vmstate.fuzz.targets.decoder import DecoderTarget

    return subjects, DecoderTarget


def _qemu(options: argparse.Namespace, folder: Path) -> tuple[list[Subject], Callable[[], FuzzTarget]]:
    from vmstate.fuzz import seeds
    from vmstate.fuzz.findings import seed_name
    from vmstate.fuzz.targets.loadvm import LoadvmTarget
    from vmstate.fuzz.targets.qemu import QemuTarget, default_command, read_seed, record

    recorded = []
    files = [Path(file) for file in options.seed]
    if not files:
        file = folder / RECORDED
        if not file.exists():
            record(options.program or default_command(), file, seconds=options.boot)
        files = [file]
    for file in files:
        recorded.append(read_seed(file, _command_of(options, file)))
    subjects = seeds.whole(files, options.devices)
    if options.output is not None:
        # A finding is done again with the machine that it is of.
        for subject, seed in zip(subjects, recorded, strict=True):
            seed.keep_in(Path(options.output) / "seeds", seed_name(subject))
    by_name = {subject.name: seed for subject, seed in zip(subjects, recorded, strict=True)}
    if not options.fresh:
        return subjects, partial(LoadvmTarget, by_name, limit=options.limit)
    guest = GUEST if options.guest is None else options.guest
    return subjects, partial(QemuTarget, by_name, run_guest=guest, limit=options.limit)


def _command_of(options: argparse.Namespace, file: Path) -> list[str] | None:
    """The command line for a seed: the user's, or what was recorded with it, which he is asked about.

    What is recorded here, by the same command as now, needs no question.
    """
    from vmstate.fuzz.targets.qemu import default_command
    from vmstate.qemu.provenance import read_provenance

    if options.seed and options.program:
        return list(options.program)
    known = read_provenance(file) or {}
    argv = known.get("argv")
    if not argv or (not options.seed and argv == list(options.program or default_command())):
        return None
    return [program_to_run(known, str(file), options), *argv[1:]]


def _replay(options: argparse.Namespace) -> int:
    from vmstate.fuzz.findings import found_of, read_finding, words
    from vmstate.fuzz.minimise import spoilt
    from vmstate.fuzz.verdict import LEFT

    place = Path(options.replay)
    finding = read_finding(place / "finding.json")
    digest = str(finding.get("seed_sha256"))
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise VMStateError("the finding does not say which seed it is of", file=str(place), expected="seed_sha256")
    file = place.parent.parent / "seeds" / f"{digest}.mig"
    if not file.exists():
        # Whoever keeps findings for long has compressed it.
        file = file.with_name(file.name + ".xz")
    options.seed = options.seed or [str(file)]
    options.whole = True
    options.devices = "*"
    # A verdict is that of a fresh QEMU, but for what only one that goes on can show.
    verdict_kept = finding.get("verdict")
    options.fresh = not (isinstance(verdict_kept, dict) and verdict_kept.get("kind") == LEFT)
    subjects, make_target = target_of(options, place)
    again = found_of(finding, subjects[0])
    target = make_target()
    try:
        verdict = target.run(subjects[0], spoilt(subjects[0], again.mutations), again.mutations)
        left = target.settle()
    finally:
        target.close()
    verdict = left[0].verdict if left else verdict
    print(words(again.replace(verdict=verdict)), end="")
    return 1 if verdict.is_finding else 0
