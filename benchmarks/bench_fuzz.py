"""Mutated sections against plain random bytes: streams a second on one core, and how far either gets.

    python benchmarks/bench_fuzz.py [--seconds N]
    python benchmarks/bench_fuzz.py --qemu N

Both go through the same decoder (load, then write back). The plain fuzzer is `hypothesis.strategies.binary()`: by
itself, and behind the header of a stream and of the section, so that the envelope at least is right.

With --qemu instead: N streams of the machine that `vmstate fuzz qemu` starts itself, in the system's QEMU and those of
the roots that VMSTATE_QEMU_ROOTS names, by loadvm, and a tenth as many in a fresh QEMU each. A stream is spoilt, its
answer predicted, loaded, and where that was not foreseen asked for again. Counted is the processor time of all
processes: what runs beside them does not change it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import vmstate
from vmstate.fuzz import seeds
from vmstate.fuzz.campaign import Cases, Settings
from vmstate.fuzz.minimise import spoilt
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.targets.decoder import refusal
from vmstate.fuzz.targets.loadvm import LoadvmTarget
from vmstate.fuzz.targets.qemu import QemuTarget, Seed, default_command, record
from vmstate.qemu.machine import find_qemu
from vmstate.stream.registry import last_part

ROOT = Path(__file__).parent.parent
SEED = ROOT / "fixtures" / "qemu-7.2-q35-virtio-net-filters.mig.xz"
SHARE = 8
"""One stream in so many that are accepted is checked against QEMU's rules."""


class Reached:
    """What a fuzzer has reached."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.streams = 0
        self.accepted = 0
        self.inside = 0
        self.refusals: set[str] = set()
        self.rules: set[str] = set()

    def read(self, data: bytes) -> None:
        """Read a stream."""
        self.streams += 1
        try:
            with vmstate.load(data, vmdesc=self.subject.described) as stream:
                stream.to_bytes()
                self.accepted += 1
                opened = [section for section in stream.sections if section.described_by != "none"]
                self.inside += bool(opened)
                if opened and self.accepted % SHARE == 0:
                    self.rules.update(finding.rule for finding in vmstate.check(stream))
        except vmstate.VMStateError as error:
            self.inside += error.section is not None and error.section != "configuration"
            self.refusals.add(refusal(error))


def mutated(subject: Subject, seconds: float) -> Reached:
    """Streams spoilt in one place."""
    reached = Reached(subject)
    cases = Cases(Settings("bench", 1), [subject])
    end = time.perf_counter() + seconds
    number = 0
    while time.perf_counter() < end:
        chosen, mutations = cases.case(number)
        reached.read(spoilt(chosen, mutations))
        number += 1
    return reached


def drawn(subject: Subject, seconds: float, whole: Callable[[bytes], bytes]) -> Reached:
    """Streams that hypothesis draws."""
    reached = Reached(subject)
    end = time.perf_counter() + seconds

    @settings(
        max_examples=1 << 30,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(max_size=len(subject.data)))
    def fuzz(data: bytes) -> None:
        if time.perf_counter() > end:
            raise TimeoutError
        reached.read(whole(data))

    with contextlib.suppress(TimeoutError):
        fuzz()
    return reached


VALUES = ("value.bound", "value.step", "value.bit", "value.random", "value.known", "value.other")


def processor_seconds() -> float:
    """What this process and all that it started, and that have ended, have taken."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def loads(target: QemuTarget, seed: Seed, subject: Subject, runs: int) -> int:
    """Streams with another value in a timer, loaded and nothing else."""
    cases = Cases(Settings("bench", 1, VALUES), [subject])
    for number in range(runs):
        target.load(seed, spoilt(*cases.case(number)))
    return 0


def campaign(target: QemuTarget, seed: Seed, subject: Subject, runs: int) -> int:
    """Streams as a campaign has them: spoilt by all mutators, predicted, asked for again; how many QEMU died of."""
    cases = Cases(Settings("bench", 1), [subject])
    verdicts = []
    for number in range(runs):
        chosen, mutations = cases.case(number)
        verdicts.append(target.run(chosen, spoilt(chosen, mutations), mutations))
    return sum(verdict.kind not in ("accepted", "refused") for verdict in verdicts)


def bench_qemu(runs: int) -> None:
    """Measure the two ways through each QEMU, and print a table."""
    titles = f"{'streams':>7} {'a second':>8} {'and processor':>13} {'ms processor':>12} {'crashed, ...':>12}"
    print(f"{'QEMU':6} {'what':20} {'way':6} {titles}")
    roots = [root for root in os.environ.get("VMSTATE_QEMU_ROOTS", "").split(":") if root]
    for root in (None, *roots):
        with tempfile.TemporaryDirectory() as folder:
            command = [*find_qemu("qemu-system-x86_64", root).command, *default_command()[1:]]
            seed = record(command, Path(folder, "cold.mig"))
            for words, measured, devices in (("i8254, loads alone", loads, "i8254"), ("a campaign", campaign, "*")):
                (subject,) = seeds.whole([seed.path], devices)
                learning = LoadvmTarget({subject.name: seed})
                learning.destination(subject)
                learning.close()
                for way, make, streams in (("loadvm", LoadvmTarget, runs), ("fresh", QemuTarget, runs // 10)):
                    begun, before = time.perf_counter(), processor_seconds()
                    target = make({subject.name: seed})
                    lost = measured(target, seed, subject, streams)
                    target.close()
                    used, elapsed = processor_seconds() - before, time.perf_counter() - begun
                    rates = f"{streams / elapsed:8.0f} {streams / used:13.0f} {1000 * used / streams:12.1f}"
                    print(f"{seed.release!s:6} {words:20} {way:6} {streams:7} {rates} {lost:12}", flush=True)


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0, help="for each row")
    parser.add_argument("--qemu", type=int, metavar="N", help="N streams through real QEMUs instead")
    options = parser.parse_args()
    if options.qemu is not None:
        bench_qemu(options.qemu)
        return 0
    seconds = options.seconds
    print(f"Python {platform.python_version()}, {seconds:g} s for each row, one core")
    print(
        f"{'device':12} {'fuzzer':28} {'streams/s':>9}"
        f" {'in the state':>12} {'accepted':>8} {'refusals':>8} {'rules':>5}"
    )
    for device in ("i8254", "virtio-net"):
        (subject,) = seeds.sections([SEED], device)
        part = subject.parts[0]
        head, tail = subject.data[: part.payload], subject.data[part.footer :]
        rows = {
            "vmstate.fuzz": lambda subject=subject: mutated(subject, seconds),
            "binary()": lambda subject=subject: drawn(subject, seconds, lambda data: data),
            "binary() as the state": lambda subject=subject, head=head, tail=tail: drawn(
                subject, seconds, lambda data: head + data + tail
            ),
        }
        for name, run in rows.items():
            got = run()
            share = f"{100 * got.inside / got.streams:.1f} %"
            accepted = f"{100 * got.accepted / got.streams:.1f} %"
            rate = got.streams / seconds
            print(
                f"{last_part(part.name):12} {name:28} {rate:9.0f} {share:>12} {accepted:>8}"
                f" {len(got.refusals):8} {len(got.rules):5}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
