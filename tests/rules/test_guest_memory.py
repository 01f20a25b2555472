"""Rules over guest memory are judged by the memory that a stream holds; where it holds none they are told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from machines import needs_qemu

import vmstate
from vmstate.cli import main
from vmstate.compare import Target
from vmstate.declare import Release
from vmstate.rules import unjudged
from vmstate.rules.edit import assign
from vmstate.rules.memory import SentMemory
from vmstate.stream.memory import GuestMemory
from vmstate.stream.memory_map import known_ranges
from vmstate.stream.ram_records import RamBlock

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
WITH_MEMORY = FIXTURES / "recorded/qemu-7.2-pc-ram-cold.mig.xz"
RUNNING = FIXTURES / "recorded/qemu-7.2-q35-virtio-rings-ram.mig.xz"
NIC = "0000:00:01.0/virtio-net"
VAPIC = "kvm-tpr-opt.state=1"


def saved(stream: vmstate.Stream, path: Path) -> str:
    stream.save(path)
    return str(path)


@pytest.fixture
def thin_stream(tmp_path: Path) -> str:
    """The same machine without its memory."""
    path = tmp_path / "thin.mig"
    path.write_bytes(b"".join(vmstate.thin(WITH_MEMORY)))
    return str(path)


def test_set_judges_by_the_memory_of_the_stream() -> None:
    with vmstate.load(WITH_MEMORY) as stream:
        before = stream.to_bytes()
        with pytest.raises(vmstate.RefusedError, match="vapic-rom"):
            assign(stream, VAPIC)
        assert stream.to_bytes() == before


def test_check_and_explain_judge_by_it(tmp_path: Path) -> None:
    with vmstate.load(WITH_MEMORY) as stream, vmstate.load(WITH_MEMORY) as cold:
        assert vmstate.check(stream) == [] and vmstate.explain(stream, cold).verdict == "loads"
        assign(stream, VAPIC, force=True)
        path = saved(stream, tmp_path / "x.mig")
        (finding,) = vmstate.check(stream)
        assert (finding.rule, finding.severity, finding.section) == ("vapic-rom", "error", "kvm-tpr-opt")
        explained = vmstate.explain(path, cold)
    assert explained.verdict == "fails"
    (breaking,) = [finding for finding in explained.findings if finding.severity == "breaks"]
    assert breaking.rule == "vapic-rom" and breaking.message.startswith("no QEMU takes this")
    assert main(["verify", "--check", path]) == 1
    assert main(["explain", path, "--against", str(WITH_MEMORY)]) == 1


def test_against_layouts_alone_it_is_judged_too(tmp_path: Path) -> None:
    with vmstate.load(WITH_MEMORY) as stream:
        assign(stream, VAPIC, force=True)
        path = saved(stream, tmp_path / "x.mig")
    explained = vmstate.explain(path, "library")
    assert "vapic-rom" in {finding.rule for finding in explained.findings if finding.severity == "breaks"}


def test_a_queue_that_the_rings_in_memory_contradict(tmp_path: Path) -> None:
    with vmstate.load(RUNNING) as stream:
        assert vmstate.check(stream) == []
        assert vmstate.explain(stream, RUNNING).verdict == "loads"
        # One behind what the device has given back already.
        wrong = (stream[NIC].state.virtio.vq[1].last_avail_idx - 1) % 0x10000
        with pytest.raises(vmstate.RefusedError, match="virtio-queue-inuse"):
            assign(stream, f"{NIC}.virtio.vq[1].last_avail_idx={wrong}")


def test_what_no_stream_holds_is_told(thin_stream: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = str(tmp_path / "x.mig")
    assert main(["set", thin_stream, VAPIC, "-o", changed]) == 0
    told = capsys.readouterr().err
    assert "kvm-tpr-opt: not judged: the stream does not hold page 0x0 of pc.ram, at 0x2 [vapic-rom]" in told
    with vmstate.load(changed) as stream:
        assert "vapic-rom" in {finding.rule for finding in unjudged(stream)}
        explained = vmstate.explain(stream, thin_stream)
    assert explained.verdict != "fails" and "kvm-tpr-opt: vapic-rom" in explained.not_judged


def test_only_what_reads_the_change_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The features that a host offers are known to nobody, which matters only to whom features are changed for."""
    changed = str(tmp_path / "x.mig")
    assert main(["set", str(RUNNING), f"{NIC}.mac=52:54:00:00:00:01", "-o", changed]) == 0
    assert capsys.readouterr().err == ""
    with vmstate.load(RUNNING) as stream:
        features = stream[NIC].state.virtio.guest_features ^ 1 << 21
    assert main(["set", str(RUNNING), f"{NIC}.virtio.guest_features=0x{features:x}", "-o", changed]) == 0
    assert "not judged: virtio_host_features is not told [virtio-features]" in capsys.readouterr().err


def test_memory_is_looked_up_only_when_a_rule_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("memory was read")

    monkeypatch.setattr(GuestMemory, "_found_pages", refused)
    with vmstate.load(WITH_MEMORY) as stream, vmstate.load(WITH_MEMORY) as cold:
        assert vmstate.check(stream) == [] and vmstate.explain(stream, cold).verdict == "loads"
        assign(stream, "serial.lcr=3")
    assert not vars(SentMemory(stream)).keys() & {"_memory"}


def test_one_scan_for_all_queues_of_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    scans = []
    scan = GuestMemory._found_pages
    monkeypatch.setattr(GuestMemory, "_found_pages", lambda memory: scans.append(memory) or scan(memory))
    with vmstate.load(RUNNING) as stream:
        assert sum(bool(queue.desc) for queue in stream[NIC].state.virtio.vq) > 1
        assert vmstate.check(stream) == []
    # For the option ROM, and for the rings of each device of which the stream says that they are in use.
    assert len(scans) == 1


def test_memory_that_is_told_of_a_destination_counts_first(tmp_path: Path) -> None:
    class Blank:
        def has(self, address: int, size: int) -> bool:
            return True

        def read(self, address: int, size: int) -> bytes:
            return b"\1" * size

    with vmstate.load(WITH_MEMORY) as stream, vmstate.load(WITH_MEMORY) as cold:
        assign(stream, VAPIC, force=True)
        target = Target("there", stream=cold, release=Release(7, 2), facts={"guest_memory": Blank()})
        assert vmstate.explain(stream, target).verdict == "loads"


def blocks(*sizes: tuple[str, int]) -> list[RamBlock]:
    return [RamBlock(0, memoryview(b""), name, size, None, None, None) for name, size in sizes]


@pytest.mark.parametrize(
    ("machine", "parts", "expected"),
    [
        ("pc-q35-7.2", [("pc.ram", 1 << 24)], [(0, 1 << 24)]),
        ("pc-i440fx-7.2", [("/objects/m0", 1 << 24), ("pc.bios", 1 << 18)], [(0, 1 << 24)]),
        ("virt-7.2", [("mach-virt.ram", 1 << 24)], [(1 << 30, 1 << 24)]),
        # riscv and loongarch have a machine of that name, too.
        ("virt", [("/objects/m0", 1 << 24)], []),
        # Nodes, or a module that was plugged in: where each is, no stream says.
        ("pc-q35-7.2", [("/objects/m0", 1 << 24), ("/objects/m1", 1 << 24)], []),
        ("pseries-7.2", [("/objects/m0", 1 << 24)], []),
        (None, [("pc.ram", 1 << 24)], []),
        ("pc-q35-7.2", [], []),
    ],
)
def test_where_memory_is_known_to_be(
    machine: str | None, parts: list[tuple[str, int]], expected: list[tuple[int, int]]
) -> None:
    ranges = known_ranges(machine, blocks(*parts))
    assert [(part.address, part.size) for part in ranges] == expected


def test_a_machine_whose_memory_is_not_known_is_not_judged(tmp_path: Path) -> None:
    with vmstate.load(WITH_MEMORY) as stream:
        assign(stream, VAPIC, "configuration.name=none-such-machine-", force=True)
        path = saved(stream, tmp_path / "x.mig")
    with vmstate.load(path) as stream:
        told = {finding.rule: finding.message for finding in unjudged(stream)}
        assert "where the machine has its memory is not known" in told["vapic-rom"]
        assert "vapic-rom" not in {finding.rule for finding in vmstate.check(stream)}


def test_queues_behind_an_iommu_are_not_judged() -> None:
    with vmstate.load(RUNNING) as stream:
        section = stream[NIC]
        features = section.state.virtio.virtio.features64.guest_features
        assign(stream, f"{NIC}.virtio.virtio.features64.guest_features={features | 1 << 33}", force=True)
        told = {finding.rule: finding.message for finding in unjudged(stream)}
    assert "IOMMU" in told["virtio-queue-inuse"]


@needs_qemu
def test_qemu_says_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """7.2: "VQ 0 size 0x100 < last_avail_idx 0xffff - used_idx 0x0"."""
    whole, changed = str(tmp_path / "m.mig"), str(tmp_path / "x.mig")
    qemu = [
        "qemu-system-x86_64",
        *["-M", "q35", "-accel", "tcg", "-m", "16", "-nodefaults", "-S", "-device", "virtio-scsi-pci,id=s0"],
    ]
    assert main(["capture", "-o", whole, "--", *qemu]) == 0
    values = ["virtio-scsi.virtio.vq[0].desc=0x1000", "virtio-scsi.virtio.vq[0].last_avail_idx=0xffff"]
    assert main(["set", whole, *values, "-o", changed]) == 1
    assert main(["set", whole, *values, "--force", "-o", changed]) == 0
    assert main(["explain", changed, "--against", whole]) == 1
    assert main(["load", changed, "--", *qemu]) == 1
    assert "last_avail_idx 0xffff - used_idx 0x0" in "".join(capfd.readouterr())
