"""Spoilt streams in a real QEMU: its answers, and whether they were foreseen."""

from __future__ import annotations

import lzma
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from fake_qemu import fake_qemu
from machines import children_of, gone, name_of
from recorded import FIXTURES

from vmstate import check, lab, load
from vmstate.cli import main
from vmstate.fuzz import seeds
from vmstate.fuzz.campaign import Campaign, Settings
from vmstate.fuzz.findings import found_of, read_finding
from vmstate.fuzz.minimise import spoilt
from vmstate.fuzz.mutate import MUTATORS, Mutation, attempt
from vmstate.fuzz.source import RandomSource
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.targets.loadvm import LoadvmTarget
from vmstate.fuzz.targets.qemu import QemuTarget, Seed, default_command, read_seed, started
from vmstate.fuzz.verdict import ACCEPTED, CRASHED, HUNG, LEFT, REFUSED, Verdict, generalised
from vmstate.qemu.machine import Machine
from vmstate.qemu.monitor import command_line_of
from vmstate.qemu.provenance import read_provenance
from vmstate.rules import KnownDestination
from vmstate.vmsd.release import Release

HAS_QEMU = shutil.which("qemu-system-x86_64") is not None
MEMORY = {"path": "/objects/m0", "property": "mem-path"}
WITH_RAM = FIXTURES / "recorded" / "qemu-7.2-q35-virtio-rings-ram.mig.xz"
needs_qemu = pytest.mark.skipif(not HAS_QEMU, reason="needs a real QEMU: install qemu-system-x86 (or the like)")


@pytest.fixture(scope="module")
def target(seed: Seed, card: Subject) -> QemuTarget:
    return QemuTarget({card.name: seed})


def changed(card: Subject, path: str, value: int) -> bytes:
    place = next(
        place for place in card.places if place.path == path and place.section and place.section.endswith("virtio-net")
    )
    edit = (place.offset, place.end, value.to_bytes(place.size, "big"))
    return spoilt(card, [Mutation("value.bound", place.section, path, (edit,), "")])


@pytest.mark.qemu
@needs_qemu
def test_the_seed_is_accepted_and_its_guest_runs(seed: Seed, card: Subject) -> None:
    target = QemuTarget({card.name: seed}, run_guest=0.2)
    assert target.load(seed, card.data).kind == ACCEPTED
    target.close()


@pytest.mark.qemu
@needs_qemu
@pytest.mark.parametrize(
    ("path", "value", "kind", "why"),
    [
        ("virtio.queue_sel", 1024, REFUSED, "the queue selected is below 1024"),
        ("virtio.queue_sel", 1023, ACCEPTED, None),
        ("virtio.num_queues", 1025, REFUSED, "at most 1024 queues"),
        ("virtio.net.has_vnet_hdr.has_vnet_hdr", 1, REFUSED, "has virtio-net headers"),
        ("virtio.net.promisc", 7, ACCEPTED, None),
        ("virtio.virtio.features64.guest_features", 1 << 63, REFUSED, "no feature that the destination does not offer"),
        ("virtio.transport.pci_dev.version_id", 3, REFUSED, "takes no more than that"),
    ],
)
def test_an_answer_is_foreseen(
    target: QemuTarget, card: Subject, path: str, value: int, kind: str, why: str | None
) -> None:
    data = changed(card, path, value)
    verdict = target.run(card, data, [])
    assert (verdict.kind, verdict.expected) == (kind, kind), verdict
    assert why is None or why in str(verdict.reason)


def test_memory_that_a_seed_sends_is_what_rules_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "machine.mig"
    path.write_bytes(lzma.decompress(WITH_RAM.read_bytes()))
    (subject,) = seeds.whole([path])
    seed = Seed(path, ["qemu-system-x86_64"], {})
    seed._release = Release(7, 2)
    monkeypatch.setattr(QemuTarget, "learnt", lambda self, seed, subject: {})
    destination = QemuTarget({subject.name: seed}).destination(subject)
    assert destination.facts["guest_memory"].has(0, 4096)
    assert not destination.facts["guest_memory"].has(1 << 40, 1)


@pytest.mark.qemu
@needs_qemu
def test_what_a_destination_offers_is_found_out_once(target: QemuTarget, card: Subject, seed: Seed) -> None:
    target.destination(card)
    facts = next(facts for name, facts in seed.learnt.items() if name.endswith("virtio-net"))
    assert facts["virtio_host_features"] >> 32 & 1, "VERSION_1"
    mask = bytes.fromhex(facts["pci_config_compared"])
    assert mask[:4] == b"\xff" * 4 and mask[0x3C] == 0
    assert read_seed(seed.path).learnt == seed.learnt


@pytest.mark.qemu
@needs_qemu
def test_a_campaign_is_foreseen(seed: Seed, card: Subject, target: QemuTarget) -> None:
    settings = Settings("qemu", 1, mutators=("value.bound", "rule.edge", "subsection.dropped", "section.version"))
    summary = Campaign(settings, [card], lambda: QemuTarget({card.name: seed})).run(runs=32)
    assert summary.wrong == 0
    assert summary.coverage.verdicts[ACCEPTED] and summary.coverage.verdicts[REFUSED]


@pytest.mark.qemu
@needs_qemu
def test_nothing_is_left_behind(seed: Seed) -> None:
    with started(seed.argv, "-S", files=seed.files) as machine:
        folder = Path(machine.ask("qom-get", MEMORY)).parent
        assert folder.exists()
    assert gone({machine.pid}, 0.1) and not folder.exists()


@pytest.mark.qemu
@needs_qemu
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("way", [["--fresh", "--guest", "60"], ["--runs", "100000"]], ids=["fresh", "loadvm"])
def test_a_campaign_that_is_killed_leaves_nothing(seed: Seed, number: int, way: list[str]) -> None:
    command = [
        sys.executable,
        "-m",
        "vmstate",
        "fuzz",
        "qemu",
        "--trust",
        "--seed",
        str(seed.path),
        *way,
        "--jobs",
        "2",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as tool:
        end = time.monotonic() + 60
        below: set[int] = set()
        folders: set[str] = set()
        # One that ends just then no longer tells where its memory is.
        while not folders or sum(name_of(pid).startswith("qemu") for pid in below) < 2:
            assert time.monotonic() < end and tool.poll() is None
            time.sleep(0.02)
            below = children_of(tool.pid)
            words = (word for pid in below for word in command_line_of(pid) or ())
            folders |= {word.partition("mem-path=")[2] for word in words} - {""}
        tool.send_signal(number)
        tool.wait(20)
    assert folders and gone(below, 20)
    assert [folder for folder in folders if Path(folder).parent.exists()] == []


@pytest.mark.qemu
@needs_qemu
def test_a_guest_that_kills_its_qemu_is_a_finding(seed: Seed, card: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    target = QemuTarget({card.name: seed}, run_guest=5)
    after = QemuTarget._after

    def killed(self: QemuTarget, machine: Machine) -> Verdict:
        threading.Timer(0.2, os.kill, [machine.pid, signal.SIGSEGV]).start()
        return after(self, machine)

    monkeypatch.setattr(QemuTarget, "_after", killed)
    verdict = target.run(card, card.data, [])
    assert verdict.kind == CRASHED and "SIGSEGV" in verdict.place and verdict.place.startswith("guest")
    target.close()


@pytest.mark.qemu
@needs_qemu
@pytest.mark.parametrize(("number", "kind"), [(signal.SIGSTOP, HUNG), (signal.SIGABRT, CRASHED)])
def test_a_load_that_does_not_end(
    seed: Seed, card: Subject, number: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = QemuTarget({card.name: seed}, limit=0.5)
    outcome = QemuTarget._outcome

    def stopped(self: QemuTarget, machine: Machine, capabilities: Iterable[str], uri: str) -> Verdict:
        os.kill(machine.pid, number)
        return outcome(self, machine, capabilities, uri)

    monkeypatch.setattr(QemuTarget, "_outcome", stopped)
    verdict = target.load(seed, card.data)
    assert verdict.kind == kind and verdict.place.startswith("load")
    target.close()


@pytest.mark.qemu
@needs_qemu
def test_a_seed_goes_along_with_its_findings(seed: Seed, card: Subject, tmp_path: Path) -> None:
    seed.keep_in(tmp_path, "kept.mig")
    kept = read_seed(tmp_path / "kept.mig")
    # Of a command line that came with a file the program is one on PATH, by its name.
    assert kept.argv == [Path(seed.argv[0]).name, *seed.argv[1:]]
    assert kept.capabilities == seed.capabilities and set(kept.files) == set(seed.files)
    target = QemuTarget({card.name: kept})
    assert target.load(kept, (tmp_path / "kept.mig").read_bytes()).kind == ACCEPTED
    target.close()


# What QEMU does to streams that are wrong in one place: found by campaigns, minimised, kept.

FINDINGS = Path(__file__).resolve().parents[2] / "fixtures" / "fuzz"
KEPT = sorted(FINDINGS.glob("findings/*/finding.json"))


@pytest.fixture(scope="module")
def kept() -> tuple[Subject, Seed]:
    (path,) = FINDINGS.glob("seeds/*.mig.xz")
    (subject,) = seeds.whole([path])
    seed = read_seed(path)
    if seed.release != Release(7, 2):
        pytest.skip(f"the findings are of QEMU 7.2: this is {seed.release}")
    return subject, seed


@pytest.mark.qemu
@needs_qemu
def test_the_seed_of_the_kept_findings_is_accepted(kept: tuple[Subject, Seed]) -> None:
    subject, seed = kept
    target = QemuTarget({subject.name: seed}, run_guest=0.2)
    assert target.load(seed, subject.data).kind == ACCEPTED
    target.close()


@pytest.mark.qemu
@needs_qemu
@pytest.mark.parametrize("place", KEPT, ids=lambda place: place.parent.name)
def test_a_kept_finding_is_what_7_2_does(kept: tuple[Subject, Seed], place: Path) -> None:
    subject, seed = kept
    finding = found_of(read_finding(place), subject)
    # A load takes a tenth of a second where it does not hang.
    limit = 4.0 if finding.verdict.kind == HUNG else 15.0
    data = spoilt(subject, finding.mutations)
    if finding.verdict.kind == LEFT:
        lasting = LoadvmTarget({subject.name: seed}, limit=limit)
        lasting.run(subject, data, finding.mutations)
        (left,) = lasting.settle()
        lasting.close()
        assert left.verdict.place == finding.verdict.place
        verdict = left.verdict
    else:
        target = QemuTarget({subject.name: seed}, run_guest=1.0, limit=limit)
        verdict = target.load(seed, data)
        target.close()
    assert verdict.kind == finding.verdict.kind, verdict
    when, _, what = finding.verdict.place.partition(": ")
    assert verdict.place.startswith(when)
    if "Assertion" in what:
        # Another build of 7.2 may have other folders and line numbers.
        assert generalised(verdict.place.rpartition("/")[2]) == generalised(what.rpartition("/")[2])


@pytest.mark.qemu
@needs_qemu
def test_a_kept_finding_is_done_again(kept: tuple[Subject, Seed], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "qemu", "--trust", "--replay", str(FINDINGS / "findings" / "virtio-net-queues-2")]) == 1
    assert "old_num_queues >= 3" in capsys.readouterr().out


def test_the_same_is_foreseen_without_qemu() -> None:
    """What needs nothing but a stream that the destination takes."""
    path = Path(__file__).resolve().parents[2] / "fixtures" / "qemu-7.2-q35-virtio-net-filters.mig.xz"
    (card,) = seeds.whole([path], "virtio-net")
    reference = load(card.data)
    destination = KnownDestination(reference)
    assert check(reference, destination) == []
    findings = check(changed(card, "virtio.queue_sel", 1024), destination)  # type: ignore[arg-type]
    assert [(finding.rule, finding.path) for finding in findings] == [("virtio-queue-sel", "virtio.queue_sel")]
    for name in ("section.name", "section.version", "footer.wrong", "subsection.renamed"):
        mutation = attempt(card, RandomSource(2), MUTATORS[name])
        assert mutation is not None
        assert [finding.severity for finding in check(spoilt(card, [mutation]), destination)] == ["error"]
    for name in ("section.dropped", "section.twice", "subsection.dropped"):
        mutation = attempt(card, RandomSource(2), MUTATORS[name])
        assert mutation is not None
        assert check(spoilt(card, [mutation]), destination) == []


# Bad input.


def test_a_seed_without_a_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.mig"
    file.write_bytes(b"QEVM\0\0\0\3\0")
    assert main(["fuzz", "qemu", "--seed", str(file)]) == 2
    assert "nothing says how to load it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-qemu"], "there is no no-such-qemu"),
        (["false"], "QEMU did not start"),
        (["sleep", "1"], "did not start"),
    ],
    ids=["none", "false", "sleep"],
)
def test_a_target_that_never_starts(command: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "qemu", "--runs", "1", "--", *command]) == 2
    out, err = capsys.readouterr()
    assert message in err and err.count("\n") == 1 and out == ""


@pytest.mark.qemu
@needs_qemu
def test_one_form_of_provenance_is_for_all(seed: Seed, tmp_path: Path) -> None:
    """What the fuzzer records is loaded by `vmstate load`, and what `vmstate capture` records is a seed."""
    assert seed.provenance["kind"] == "provenance" and seed.files["m0"].exists()
    assert lab.load_into_qemu(seed.path).accepted
    argv = [*default_command()[:1], "-accel", "tcg", "-M", "q35", "-nodefaults", "-vga", "none", "-m", "16", "-S"]
    path = tmp_path / "captured.mig"
    lab.capture_started(path, argv, ram=False)
    captured = read_seed(path)
    assert list(captured.files.values()) == [tmp_path / "captured.mig.vmstate-memory.ram"]
    (subject,) = seeds.whole([path])
    target = QemuTarget({subject.name: captured})
    assert target.load(captured, subject.data).kind == ACCEPTED
    target.close()
    # A seed that was put elsewhere, and compressed there.
    (tmp_path / "kept").mkdir()
    captured.keep_in(tmp_path / "kept", "kept.mig")
    packed = tmp_path / "kept" / "kept.mig.xz"
    packed.write_bytes(lzma.compress((tmp_path / "kept" / "kept.mig").read_bytes(), preset=0))
    (tmp_path / "kept" / "kept.mig").unlink()
    assert lab.load_into_qemu(packed).accepted
    assert read_seed(packed).command == [Path(argv[0]).name, *argv[1:]]


@pytest.mark.slow
def test_a_crash_is_minimised_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that passes for a QEMU dies of one field: kept are that, the stream, its command line and words."""
    program = fake_qemu(tmp_path)
    seed, out = tmp_path / "cold.mig", tmp_path / "out"
    fixture = Path(__file__).resolve().parents[2] / "fixtures" / "qemu-7.2-q35-virtio-net-cold.mig.xz"
    seed.write_bytes(lzma.decompress(fixture.read_bytes()))
    words = ["--devices", "i8254", "--mutators", "value.bound,value.random", "--runs", "48", "--fresh", "--trust"]
    command = [program, "-M", "q35", "-name", "dies"]
    assert main(["fuzz", "qemu", "--seed", str(seed), *words, "-o", str(out), "--", *command]) == 1
    printed = capsys.readouterr().out
    assert "crashed, " in printed and "Assertion `number <= 65536' failed." in printed
    (place,) = (folder for folder in (out / "findings").iterdir() if "crashed" in (folder / "diff.txt").read_text())
    finding = read_finding(place / "finding.json")
    assert finding["verdict"]["kind"] == CRASHED
    assert "fake_post_load: Assertion `number <= 65536' failed." in finding["verdict"]["message"]
    (mutation,) = finding["mutations"]
    assert mutation["path"] == "channels_0_irq_disabled" and finding["times"] >= 1
    stream, whole = (place / "stream.mig").read_bytes(), seed.read_bytes()
    differing = [at for at, (new, old) in enumerate(zip(stream, whole, strict=True)) if new != old]
    assert differing and differing[-1] - differing[0] < 4
    words_kept = (place / "diff.txt").read_text()
    assert "changed: i8254: channels_0_irq_disabled" in words_kept and "cold.mig, case" in words_kept
    known = read_provenance(out / "seeds" / f"{finding['seed_sha256']}.mig")
    assert known is not None and known["argv"] == command
    assert (place / "reproduce.txt").read_text() == f"vmstate fuzz qemu --replay {place}\n"
    assert main(["fuzz", "qemu", "--replay", str(place), "--trust", "--qemu", program]) == 1
    assert "crashed: SIGABRT: " in capsys.readouterr().out
