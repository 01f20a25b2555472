"""What stands in the way of a stream is taken away, by class; what cannot be is told."""

from __future__ import annotations

import time
from pathlib import Path

import explain_cases as cases
import pytest
from machines import needs_qemu
from recorded import FIXTURES, MAPPED_RAM, plain

from vmstate import explain, load
from vmstate.cli import main
from vmstate.compare.ram_edit import RamEdit, edit_ram
from vmstate.compare.repair import BREAKS, CLASSES, INVISIBLE, SEEN, Repair, moved, repair, without_device
from vmstate.compare.target import of_stream, open_target
from vmstate.errors import StreamError
from vmstate.stream.verify import verify

ALL = tuple(CLASSES)
BY_NAME = {case.name: case for case in cases.CASES}


def repaired(name: str, *, accept: tuple[str, ...] = (INVISIBLE,), keep: bool = True) -> tuple[Repair, bytes]:
    case = BY_NAME[name]
    source = cases.changed(cases.stream_of(case.source), case.changes)
    return repair(source, cases.target_named(case.destination), accept=accept, keep_destination=keep), source


MENDED = (
    ("rom64 -> rom128", INVISIBLE, "ram-block-size"),
    ("microvm-10.0 -> microvm-7.2", INVISIBLE, "command-unknown"),
    ("q35-7.2-7.2 -> slots2", INVISIBLE, "layout"),
    ("gpu-11.1 -> gpu-scanouts-11.1", INVISIBLE, "layout"),
    ("q35-7.2-7.2 -> q35-6.2", SEEN, "machine"),
    ("q35-7.2-7.2 -> multifunction", SEEN, "pci-config"),
    ("q35-7.2-7.2 -> vectors5", SEEN, "pci-config"),
    ("q35-7.2-7.2 -> no-vectors", BREAKS, "pci-config"),
    ("q35-7.2-7.2 -> no-hpet", BREAKS, "section-unknown"),
    ("q35-7.2-7.2 -> q35-7.2-7.2 [version i8254=4]", BREAKS, "version-newer"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "severity", "rule"), MENDED, ids=[name for name, _, _ in MENDED])
def test_a_step_of_its_class_makes_it_load(name: str, severity: str, rule: str) -> None:
    below = ALL[: ALL.index(severity)]
    if below:
        left, _ = repaired(name, accept=below)
        assert left.data is None and left.refused and f"--accept {severity}" in left.refused[0].why
    result, _ = repaired(name, accept=ALL[: ALL.index(severity) + 1])
    assert result.data is not None
    assert (severity, rule) in {(step.severity, step.rule) for step in result.steps}
    target = cases.target_named(BY_NAME[name].destination)
    assert explain(result.data, target).verdict == "loads"
    with load(result.data) as stream:
        assert [finding for finding in verify(stream, memoryview(result.data)) if finding.severity == "error"] == []


REFUSED = (
    ("q35-7.2-7.2 -> memory32", "the guest has that memory"),
    ("q35-7.2-7.2 -> bios128", "firmware of another size"),
    ("smp2 -> q35-7.2-7.2", "a processor cannot be taken"),
    ("ports64 -> ports0", "as many queues as ports"),
    ("mem2 -> mem4", "in blocks of that size"),
    ("blk4 -> blk1", "the destination counts otherwise"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "why"), REFUSED, ids=[name for name, _ in REFUSED])
def test_what_cannot_be_done_says_why(name: str, why: str) -> None:
    result, _ = repaired(name, accept=ALL)
    assert result.data is None
    assert any(why in refused.why for refused in result.refused)


def test_a_command_line_is_enough() -> None:
    result, _ = repaired("q35-7.2-7.2 -> no-hpet", accept=ALL, keep=False)
    assert result.data is None and result.steps == () and [finding.rule for finding in result.by_option]


def test_the_property_that_differs_is_named() -> None:
    result, _ = repaired("q35-7.2-7.2 -> no-vectors", accept=ALL, keep=False)
    (finding,) = [finding for finding in result.by_option if finding.rule == "pci-config"]
    assert finding.advice == "give the destination's device vectors=4"


def test_another_board_is_one_reason() -> None:
    pc = FIXTURES / "qemu-7.2-pc-virtio-net-transitional.mig.xz"
    result = repair(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz", open_target(pc), accept=ALL)
    (refused,) = result.refused
    assert result.data is None and "another board" in refused.why


def test_a_device_moves_to_a_free_place_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(FIXTURES / "qemu-7.2-q35-virtio-zoo2-cold.mig.xz")
    for place, why in (("0000:00:07.0", "another device is at 0000:00:07.0"), ("slot7", "this is no place on PCI")):
        words = ["--move", f"0000:00:06.0/virtio-blk={place}", "-o", str(tmp_path / "out.mig")]
        assert main(["repair", source, "--against", source, *words]) == 2
        assert why in capsys.readouterr().err


def test_the_destination_is_not_written_over(tmp_path: Path) -> None:
    place = tmp_path / "destination.mig.xz"
    place.write_bytes((FIXTURES / "qemu-7.2-q35-virtio-net-cold.mig.xz").read_bytes())
    before = place.read_bytes()
    source = str(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz")
    assert main(["repair", source, "--against", str(place), "-o", str(place)]) == 2 and place.read_bytes() == before


def test_without_a_destination_it_asks_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    source = str(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz")
    assert main(["repair", source, "--drop", "slirp", "--plan"]) == 2
    assert "against what?" in capsys.readouterr().err


def test_what_loads_is_left_as_it_is() -> None:
    result, source = repaired("q35-7.2-7.2 -> q35-7.2-10.0")
    assert result.steps == () and result.data == source


def test_a_block_is_resized_renamed_and_dropped() -> None:
    data = cases.stream_of("rom64")
    with load(data) as stream:
        name, before = next(
            (block.idstr, block.used_length) for block in stream.ram.blocks if block.idstr.endswith(".rom")
        )
        total = stream.ram.total
    assert edit_ram(data, RamEdit()) == data
    for edit, size in ((RamEdit(sizes={name: 0x1000}), 0x1000), (RamEdit(names={name: "new"}), before)):
        with load(edit_ram(data, edit)) as stream:
            blocks = {block.idstr: block.used_length for block in stream.ram.blocks}
            assert blocks[edit.names.get(name, name)] == size
            assert stream.ram.total == sum(blocks.values())
    with load(edit_ram(data, RamEdit(drop=frozenset((name,))))) as stream:
        assert name not in {block.idstr for block in stream.ram.blocks}
        assert total is not None and stream.ram.total == total - before


def test_blocks_of_mapped_ram_are_resized_renamed_and_dropped() -> None:
    """Their pages, and those of the blocks behind them, are laid out anew."""
    data = plain(MAPPED_RAM)
    with load(data) as stream:
        sizes = {block.idstr: block.used_length for block in stream.ram.blocks}
        pages = {name: stream.memory().read_block(name) for name in sizes}
    assert edit_ram(data, RamEdit()) == data
    name = next(name for name, size in sizes.items() if 0x1000 < size < 1 << 20 and any(pages[name]))
    for edit, after in (
        (RamEdit(sizes={name: 0x1000}), {**pages, name: pages[name][:0x1000]}),
        (RamEdit(sizes={name: 3 << 20}), {**pages, name: pages[name].ljust(3 << 20, b"\0")}),
        (RamEdit(names={name: "new"}), {"new" if each == name else each: pages[each] for each in pages}),
        (RamEdit(drop=frozenset((name,))), {each: pages[each] for each in pages if each != name}),
    ):
        edited = edit_ram(data, edit)
        with load(edited) as stream:
            assert {block.idstr: stream.memory().read_block(block.idstr) for block in stream.ram.blocks} == after
            assert stream.ram.total == sum(map(len, after.values()))
            assert stream.vmdesc_text is not None and edited.endswith(stream.vmdesc_text)


@pytest.mark.slow
def test_by_hand_the_vmdesc_follows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = FIXTURES / "qemu-7.2-q35-virtio-zoo2-cold.mig.xz"
    with load(source) as stream:
        elsewhere = moved(without_device(stream.to_bytes(), "0000:00:07.0"), "0000:00:06.0", "0000:00:15.0")
    (tmp_path / "target.mig").write_bytes(elsewhere)
    out = tmp_path / "out.mig"
    words = ["--drop", "0000:00:07.0/virtio-scsi", "--move", "0000:00:06.0/virtio-blk=0000:00:15.0", "-o", str(out)]
    assert main(["repair", str(source), "--against", str(tmp_path / "target.mig"), *words]) == 0
    assert capsys.readouterr().out.count("asked for by hand") == 2
    assert out.read_bytes() == elsewhere
    with load(out) as stream:
        names = {section.name for section in stream.sections}
        assert "0000:00:15.0/virtio-blk" in names and not any("0000:00:07.0" in name for name in names)
        assert [finding for finding in verify(stream, memoryview(elsewhere)) if finding.severity == "error"] == []


REAL = (
    "rom64 -> rom128",
    "microvm-10.0 -> microvm-7.2",
    "q35-7.2-7.2 -> q35-6.2",
    "q35-7.2-7.2 -> multifunction",
    "q35-7.2-7.2 -> no-hpet",
    "q35-7.2-7.2 -> no-vectors",
    "q35-7.2-7.2 -> no-sata",
    "gpu-11.1 -> gpu-scanouts-11.1",
)


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@pytest.mark.parametrize("name", REAL)
def test_a_real_qemu_takes_what_was_repaired(name: str, tmp_path: Path) -> None:
    machine = cases.MACHINES[BY_NAME[name].destination]
    qemu = cases.qemu_of_release(machine.release)
    if qemu is None:
        pytest.skip(f"needs a root with QEMU {machine.release} (VMSTATE_QEMU_ROOTS)")
    cases.firmware_files(str(tmp_path))
    result, source = repaired(name, accept=ALL)
    assert result.data is not None
    assert not cases.loaded(source, machine, str(tmp_path), qemu)[0]
    accepted, words = cases.loaded(result.data, machine, str(tmp_path), qemu)
    assert accepted, words


def test_more_than_is_taken_away_is_not_tried_one_by_one() -> None:
    """Each would be looked for in the whole stream: ten thousand sections of nothing took minutes."""
    full = (bytes((4, 0, 0, 0, 1, 5)) + b"%05d" % number + bytes(7) + b"\1\x7e\0\0\0\1" for number in range(2000))
    data = b"QEVM\0\0\0\3" + b"".join(full) + b"\0"
    start = time.process_time()
    with pytest.raises(StreamError, match="more stands in the way than is taken away"):
        repair(data, of_stream(load(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz")))
    assert time.process_time() - start < 5
