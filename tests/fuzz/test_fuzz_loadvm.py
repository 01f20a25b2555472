"""One QEMU that takes spoilt streams by loadvm: its verdicts are those of a fresh one, and it is replaced in time."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from vmstate.cli import main
from vmstate.errors import MachineError
from vmstate.fuzz import seeds
from vmstate.fuzz.campaign import Campaign, Settings
from vmstate.fuzz.findings import Store, found_of, read_finding
from vmstate.fuzz.minimise import spoilt
from vmstate.fuzz.mutate import Mutation
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.targets.loadvm import LoadvmTarget, LongLived, without_vmdesc
from vmstate.fuzz.targets.qemu import QemuTarget, Seed, default_command, read_seed, record
from vmstate.fuzz.verdict import ACCEPTED, CRASHED, HUNG, LEFT, MEMORY, MISPREDICTED, REFUSED, Verdict
from vmstate.qemu.process import Keeper

HAS_QEMU = shutil.which("qemu-system-x86_64") is not None
pytestmark = [
    pytest.mark.qemu,
    pytest.mark.skipif(not HAS_QEMU, reason="needs a real QEMU: install qemu-system-x86 (or the like)"),
]
PCI_VERSION = "virtio.transport.pci_dev.version_id"
FINDINGS = Path(__file__).resolve().parents[2] / "fixtures" / "fuzz"


@pytest.fixture
def target(seed: Seed, card: Subject):
    target = LoadvmTarget({card.name: seed})
    yield target
    target.close()


def change(card: Subject, path: str, value: int) -> Mutation:
    place = next(
        place for place in card.places if place.path == path and place.section and place.section.endswith("virtio-net")
    )
    edit = (place.offset, place.end, value.to_bytes(place.size, "big"))
    return Mutation("value.bound", place.section, path, (edit,), "", place.label)


def run(target: LoadvmTarget, card: Subject, *mutations: Mutation):
    return target.run(card, spoilt(card, list(mutations)), list(mutations))


def machine_of(target: LoadvmTarget, seed: Seed):
    return target._machines[seed.path]


def test_one_qemu_takes_all_streams_and_says_why_not(target: LoadvmTarget, card: Subject, seed: Seed) -> None:
    pids = set()
    for value, kind in ((1024, REFUSED), (7, ACCEPTED), (1025, REFUSED), (1023, ACCEPTED)) * 3:
        verdict = run(target, card, change(card, "virtio.queue_sel", value))
        assert (verdict.kind, verdict.expected, verdict.by_loadvm) == (kind, kind, None), verdict
        pids.add(machine_of(target, seed)._machine.pid)
    assert len(pids) == 1
    assert target.settle() == []
    refused = target.load(seed, spoilt(card, [change(card, "virtio.queue_sel", 1024)]))
    assert refused.message.startswith("virtio") or "virtio-net" in refused.message
    assert "Error: Error" not in refused.message and "\r" not in refused.message


def test_streams_of_any_length_up_to_the_room_for_them(target: LoadvmTarget, card: Subject, seed: Seed) -> None:
    end = next(iter(card.of_kind("end"))).offset
    assert target.load(seed, card.data[: end + 1]).kind == ACCEPTED
    # Without the mark of its end, and in the middle of a section, as a pipe that is closed there.
    assert target.load(seed, card.data[:end]).kind == REFUSED
    assert target.load(seed, card.data[: end - 20]).kind == REFUSED
    assert target.load(seed, b"").kind == REFUSED
    assert target.load(seed, card.data).kind == ACCEPTED
    # Behind the end nothing is minded.
    assert target.load(seed, card.data + bytes(machine_of(target, seed)._image.room - len(card.data))).kind == ACCEPTED
    before = machine_of(target, seed)._machine.pid
    assert target.load(seed, card.data + bytes(machine_of(target, seed)._image.room)).kind == ACCEPTED
    assert machine_of(target, seed)._machine.pid == before
    assert target.load(seed, card.data).kind == ACCEPTED


def test_what_a_destination_offers_is_found_out_alike(card: Subject, seed: Seed, target: LoadvmTarget) -> None:
    seed.learnt = {}
    target.destination(card)
    by_loadvm, seed.learnt = seed.learnt, {}
    fresh = QemuTarget({card.name: seed})
    fresh.destination(card)
    fresh.close()
    assert by_loadvm == seed.learnt != {}


def test_a_qemu_that_crashes_is_replaced(target: LoadvmTarget, card: Subject, seed: Seed) -> None:
    run(target, card, change(card, "virtio.queue_sel", 1))
    before = machine_of(target, seed)._machine.pid
    folder = Path(machine_of(target, seed)._folder)
    verdict = run(target, card, change(card, "virtio.num_queues", 1024))
    assert verdict.kind == CRASHED and verdict.by_loadvm is None and verdict.place.startswith("load")
    assert not folder.exists()
    assert run(target, card, change(card, "virtio.queue_sel", 1)).kind == ACCEPTED
    assert machine_of(target, seed)._machine.pid != before
    assert target.settle() == []


def test_a_qemu_that_hangs_is_replaced_and_a_fresh_one_asked(
    target: LoadvmTarget, card: Subject, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(target, card, change(card, "virtio.queue_sel", 1))
    stopped = machine_of(target, seed)._machine
    os.kill(stopped.pid, signal.SIGSTOP)
    # It takes no time of the processor, and may be slow.
    monkeypatch.setattr(machine_of(target, seed), "limit", 1.5)
    verdict = run(target, card, change(card, "virtio.queue_sel", 2))
    assert (verdict.kind, verdict.expected) == (ACCEPTED, ACCEPTED)
    assert verdict.by_loadvm is not None and verdict.by_loadvm.startswith(HUNG)
    assert stopped.wait_for_end(1) is not None
    # Nothing that was loaded did it.
    assert target.settle() == []


def test_a_stream_that_wants_an_answer_goes_to_a_fresh_qemu(target: LoadvmTarget, card: Subject, seed: Seed) -> None:
    """It would be written into the snapshot's file, and end the one that reads by loadvm."""
    run(target, card, change(card, "virtio.queue_sel", 1))
    before = machine_of(target, seed)._machine.pid
    end = next(iter(card.of_kind("end"))).offset
    command = Mutation("command.added", None, "end", ((end, end, b"\x08\0\1\0\0"),), "")
    verdict = run(target, card, command)
    assert verdict.by_loadvm is None and verdict.kind in (ACCEPTED, REFUSED)
    assert machine_of(target, seed)._machine.pid == before


def test_a_hang_that_a_fresh_one_says_more_of_is_asked_about_once(
    target: LoadvmTarget, card: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def hangs(machine: LongLived, data: bytes) -> Verdict:
        machine.close()
        return Verdict(HUNG, "no answer in 0.4 s", "load")

    def aborts(target: QemuTarget, seed: Seed, data: bytes) -> Verdict:
        asked.append(data)
        return Verdict(CRASHED, "SIGABRT", "load: SIGABRT")

    run(target, card, change(card, "virtio.queue_sel", 1))
    monkeypatch.setattr(LongLived, "load", hangs)
    monkeypatch.setattr(QemuTarget, "load", aborts)
    for value in (2, 3, 2):
        verdict = run(target, card, change(card, "virtio.queue_sel", value))
        assert (verdict.kind, verdict.place) == (CRASHED, "load: SIGABRT")
        assert verdict.by_loadvm is not None and verdict.by_loadvm.startswith(HUNG)
    assert len(asked) == 1
    # Of another place nothing is known.
    run(target, card, change(card, PCI_VERSION, 1))
    assert len(asked) == 2


def test_what_a_stream_leaves_behind_is_found_out(target: LoadvmTarget, card: Subject) -> None:
    innocent, guilty = change(card, "virtio.queue_sel", 1), change(card, PCI_VERSION, 1)
    for mutation in (innocent, guilty, innocent):
        verdict = run(target, card, mutation)
        assert (verdict.kind, verdict.expected) == (ACCEPTED, ACCEPTED), verdict
    # The third was refused, and a fresh QEMU took it.
    assert verdict.by_loadvm is not None and verdict.by_loadvm.startswith(f"{REFUSED}: Invalid value 2")
    ((subject, mutations, left),) = target.settle()
    assert (subject, mutations, left.kind) == (card, [guilty], LEFT)
    assert left.place == f"refused after: {guilty.label}"
    assert run(target, card, innocent).by_loadvm is None
    # Once it is known the seed is loaded at once.
    assert run(target, card, guilty).kind == ACCEPTED
    assert run(target, card, innocent).by_loadvm is None
    assert [left.mutations for left in target.settle()] == [[guilty]]


def test_of_several_changes_the_one_that_is_left_is_told(target: LoadvmTarget, card: Subject) -> None:
    innocent, guilty = change(card, "virtio.queue_sel", 1), change(card, PCI_VERSION, 1)
    run(target, card, innocent, guilty)
    assert [left.mutations for left in target.settle()] == [[guilty]]


def test_a_fresh_qemu_has_the_last_word(target: LoadvmTarget, card: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "predicted", lambda subject, data: "a wrong rule")
    verdict = run(target, card, change(card, "virtio.queue_sel", 1))
    assert (verdict.kind, verdict.expected, verdict.by_loadvm) == (MISPREDICTED, REFUSED, None)


def test_a_campaign_keeps_what_was_left_behind(seed: Seed, card: Subject, tmp_path: Path) -> None:
    settings = Settings("qemu", 1, mutators=("equal.differs",))
    store = Store(tmp_path)
    make = lambda: LoadvmTarget({card.name: seed})  # noqa: E731
    summary = Campaign(settings, [card], make, store=store).run(runs=128)
    assert summary.wrong == 0 and summary.right >= 100
    left = [finding for finding in summary.findings.values() if finding.verdict.kind == LEFT]
    assert any(PCI_VERSION in finding.verdict.place for finding in left)
    assert all(0 <= finding.number < 128 for finding in left)
    # It is kept, goes along with its seed, and can be done again.
    finding = next(finding for finding in left if PCI_VERSION in finding.verdict.place)
    seed.keep_in(tmp_path / "seeds", "kept.mig")
    place = tmp_path / "findings" / finding.id
    again = found_of(read_finding(place / "finding.json"), card)
    assert again.verdict == finding.verdict


def test_a_finding_of_what_is_left_is_done_again(
    seed: Seed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "found")
    command = [
        "fuzz",
        "qemu",
        "--trust",
        "--seed",
        str(seed.path),
        "--devices",
        "virtio-net",
        "--mutators",
        "equal.differs",
    ]
    assert main([*command, "--runs", "64", "-o", folder]) == 1
    left = [place for place in Path(folder, "findings").iterdir() if PCI_VERSION in (place / "diff.txt").read_text()]
    capsys.readouterr()
    assert main(["fuzz", "qemu", "--trust", "--replay", str(left[0])]) == 1
    assert "left: then the seed: refused" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("finding", "kind", "place"),
    [
        ("virtio-blk-queue-size-0", CRASHED, "len > 0"),
        # GLib says so where nobody hears it: into the answer of the command that is never given.
        ("configuration-caps", MEMORY, "load"),
    ],
)
def test_a_known_crash_is_done_again_by_loadvm(finding: str, kind: str, place: str) -> None:
    (path,) = FINDINGS.glob("seeds/*.mig.xz")
    (subject,) = seeds.whole([path])
    replayed = found_of(read_finding(FINDINGS / "findings" / finding / "finding.json"), subject)
    seed = read_seed(path)
    loadvm = LoadvmTarget({subject.name: seed})
    verdict = loadvm.load(seed, spoilt(subject, replayed.mutations))
    loadvm.close()
    assert verdict.kind == kind and place in verdict.place


def test_guest_memory_is_what_it_was_when_the_good_stream_is_loaded(
    target: LoadvmTarget, card: Subject, seed: Seed
) -> None:
    run(target, card, change(card, "virtio.queue_sel", 1))
    machine = machine_of(target, seed)
    memory = Path(machine._folder, "m0")
    with open(memory, "r+b") as file:
        file.seek(1 << 20)
        file.write(b"spoilt")
    assert machine.takes_the_good_one().kind == ACCEPTED
    assert memory.read_bytes() == seed.files["m0"].read_bytes()


def test_the_vmdesc_is_not_loaded(card: Subject) -> None:
    start = next(iter(card.of_kind("vmdesc"))).offset
    grown = Mutation("x", None, "", ((100, 102, b"12345"),), "")
    behind = Mutation("x", None, "", ((start, start, b"12345"), (start + 1, start + 5, b"\xff" * 4)), "")
    across = Mutation("x", None, "", ((start - 1, len(card.data), b""),), "")
    for mutations, size in (([], start), ([grown], start + 3), ([behind], start), ([grown, behind], start + 3)):
        data = spoilt(card, mutations)
        assert without_vmdesc(card, data, mutations) == data[:size]
        assert data[size - 1] == 0, "the mark of the end"
    assert without_vmdesc(card, spoilt(card, [across]), [across]) == card.data[: start - 1]


@pytest.mark.parametrize("readonly", ["on", "off"])
def test_a_machine_with_a_disk_that_has_no_snapshots(tmp_path: Path, readonly: str) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(b"content" + bytes(1 << 20))
    kind = f"format=raw,if=none,id=d0,file.locking=off,readonly={readonly}"
    drive = ["-drive", f"file={disk},{kind}", "-device", "virtio-blk-pci,drive=d0"]
    seed = record([*default_command(), *drive], tmp_path / "disk.mig")
    (subject,) = seeds.whole([seed.path], "virtio-net")
    target = LoadvmTarget({subject.name: seed})
    pids = set()
    for value, kind in ((1024, REFUSED), (7, ACCEPTED), (1025, REFUSED)):
        verdict = run(target, subject, change(subject, "virtio.queue_sel", value))
        assert (verdict.kind, verdict.expected, verdict.by_loadvm) == (kind, kind, None), verdict
        pids.add(machine_of(target, seed)._machine.pid)
        # A disk that nobody can write to needs no job, which takes twice as long.
        assert machine_of(target, seed)._has_disks is (readonly == "off")
    assert "error while loading state" in verdict.message and "Error" not in verdict.message
    target.close()
    assert len(pids) == 1 and disk.read_bytes().startswith(b"content")


def test_a_seed_that_no_snapshot_can_hold(seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed, "capabilities", [*seed.capabilities, "multifd"])
    with Keeper() as keeper, pytest.raises(MachineError, match="use --fresh"):
        LongLived(seed, keeper, 10).load(b"")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["qemu", "--guest", "1"], "--guest needs --fresh"),
        (["decoder", "--fresh"], "--fresh is for the target qemu"),
    ],
)
def test_options_that_have_no_meaning(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", *words]) == 2
    assert complaint in capsys.readouterr().err
