"""Random pairs of a stream and a destination: how they are drawn and recorded, and how `explain` is held to them."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import explain_accuracy
import pytest
from machines import PROGRAM, needs_qemu
from recorded import FIXTURES

from vmstate.errors import MachineError, VMStateError
from vmstate.lab.kinds import BOARDS, KINDS, PROVIDERS, SMP
from vmstate.lab.machines import (
    Drawer,
    Drawn,
    Installed,
    NotDrawnError,
    Recorder,
    UnfitError,
    cause_of,
    installed,
    main,
)
from vmstate.lab.statistics import wilson
from vmstate.qemu.machine import Qemu
from vmstate.vmsd.release import Release

TYPES = ("pc-q35-7.2", "pc-q35-7.1", "pc-i440fx-7.2", "microvm", "virt-7.2", "virt-6.2", "virt", "pseries-7.2")


def everything(program: str) -> Installed:
    """A QEMU that has all that the tables name."""
    kinds = {kind.name: frozenset(option for option, _ in kind.options) for kind in KINDS}
    machines = frozenset((*TYPES, "s390-ccw-virtio-7.2", "s390-ccw-virtio-7.1"))
    return Installed("a", program, None, Qemu((program,)), Release(7, 2), machines, kinds)


def drawn_pairs(seed: str, program: str, count: int) -> list[tuple[Drawn, Drawn, str]]:
    qemu = everything(program)
    drawer = Drawer(random.Random(seed), qemu, qemu)
    pairs = []
    for _ in range(count):
        try:
            board, machine = drawer.machine()
            pairs.append((machine, *drawer.change(board, machine)))
        except NotDrawnError:
            continue
    return pairs


@pytest.mark.parametrize("program", sorted({board.program for board in BOARDS}))
def test_a_seed_draws_the_same_pairs_and_each_change_changes_the_command_line(program: str) -> None:
    pairs = drawn_pairs("a", program, 150)
    assert len(pairs) > 100
    assert [(a.argv(), b.argv(), what) for a, b, what in pairs] == [
        (a.argv(), b.argv(), what) for a, b, what in drawn_pairs("a", program, 150)
    ]
    assert pairs[0][0].argv() != drawn_pairs("b", program, 150)[0][0].argv()
    for machine, changed, what in pairs:
        assert (machine.argv() == changed.argv()) == (what == "nothing"), what
        for word in (*machine.argv(), *changed.argv()):
            assert "{" not in word, word
    kinds = Counter(what.partition(" ")[0] for _, _, what in pairs)
    assert len(kinds) >= 6 and max(kinds.values()) < 0.6 * len(pairs), kinds


def test_nothing_is_drawn_that_a_qemu_has_not() -> None:
    whole = everything(PROGRAM)
    poor = whole.replace(name="b", machines=frozenset(["microvm"]), kinds={"virtio-rng-device": frozenset()})
    drawer = Drawer(random.Random("a"), whole, poor)
    for _ in range(60):
        board, machine = drawer.machine()
        assert board.pattern == machine.machine == "microvm"
        assert {device.kind.name for device in machine.devices} <= {"virtio-rng-device"}
        assert all(device.options == () for device in machine.devices)
    with pytest.raises(MachineError, match=r"no board of qemu-system-x86_64 .* both QEMUs have"):
        Drawer(random.Random("a"), whole, poor.replace(machines=frozenset()))


def test_a_device_is_removed_with_those_on_it_and_children_stand_on_their_parents() -> None:
    program = "qemu-system-s390x"
    qemu = everything(program)
    drawer = Drawer(random.Random("c"), qemu, qemu)
    board = next(board for board in BOARDS if board.program == program)
    bare = Drawn(program, "s390-ccw-virtio-7.2", (), "16", None, None, (), (), ())
    machine = drawer.with_device(board, bare, drawer.kind_named("scsi-hd"))
    controller, disk = machine.devices
    assert controller.kind.name in PROVIDERS["scsi"] and ("bus", controller.bus) in disk.place
    kept = set()
    for _ in range(20):
        changed, what = drawer.device_removed(board, machine)
        kept.add((what.rpartition(" ")[2] == "scsi-hd", len(changed.devices)))
    assert kept == {(True, 1), (False, 0)}


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (
            "qemu-system-x86_64: warning: x\n"
            "qemu-system-x86_64: Unknown savevm section or instance '0000:00:02.0/nvme' 0. Make sure that\n"
            "qemu-system-x86_64: load of migration failed: Invalid argument",
            "Unknown savevm section or instance 'nvme' N []",
        ),
        (
            "qemu-system-x86_64: get_pci_config_device: Bad config data: i=0x9a read: 9 device: 3 cmask: ff\n"
            "qemu-system-x86_64: error while loading state for instance 0x0 of device '0000:00:01.0/virtio-net'",
            "get_pci_config_device: Bad config data: i=0x9a [virtio-net]",
        ),
        ("Machine type received is 'pc-q35-7.2' and local is 'pc-q35-7.1'", "Machine type received []"),
        (
            "qemu: Size mismatch: pc.ram: 0x1000 != 0x2000: Invalid argument",
            "Size mismatch: pc.ram: N != N: Invalid argument []",
        ),
        ("error while loading state for instance 0x0 of device 'cpu'", "no words [cpu]"),
        (
            "qemu: load of migration failed: Invalid argument: Unknown section or instance 'i2c_bus' 0. Make sure",
            "Unknown section or instance 'i2c_bus' N []",
        ),
        (
            "qemu: load of migration failed: Invalid argument: error while loading state for instance 0x0 of device "
            "'0000:00:03.0/e1000e': 3 != 4",
            "N != N [e1000e]",
        ),
    ],
)
def test_a_cause_is_what_qemu_said_first_without_its_numbers(output: str, cause: str) -> None:
    assert cause_of(output) == cause


def test_half_of_the_pairs_fail_and_no_cause_has_more_than_its_share(tmp_path: Path) -> None:
    qemu = everything(PROGRAM)
    recorder = Recorder([qemu], [qemu], seed="a", count=100, folder=tmp_path)
    for number in range(50):
        recorder.take("loads", "nothing", None)
        recorder.take("fails", f"change {number // 2}", f"words {number // 2}")
    with pytest.raises(UnfitError, match="enough that load"):
        recorder.take("loads", "nothing", None)
    recorder = Recorder([qemu], [qemu], seed="a", count=100, folder=tmp_path)
    recorder.take("fails", "a", "words")
    recorder.take("fails", "b", "words")
    for change in ("c", "b"):
        with pytest.raises(UnfitError, match="enough of that cause"):
            recorder.take("fails", change, "words")
    assert recorder.kept == {"fails": 2}


def test_the_interval_of_a_share() -> None:
    # The example of Newcombe (1998), method 3: 81 of 263.
    assert [round(end, 4) for end in wilson(81, 263)] == [0.2553, 0.3662]
    assert [round(end, 4) for end in wilson(0, 20)] == [0.0, 0.1611]
    assert wilson(20, 20)[1] == 1.0 and wilson(0, 0) == (0.0, 1.0)


def pair_folder(tmp_path: Path, verdicts: list[dict[str, Any]]) -> Path:
    """Pairs of one stream and one destination, with what QEMU is to have said of each."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    for number, verdict in enumerate(verdicts):
        name = folder / f"{number:04}"
        shutil.copy(FIXTURES / "qemu-7.2-q35-virtio-net-mq4.mig.xz", f"{name}.mig.xz")
        shutil.copy(FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz", f"{name}.target.json")
        side = {"release": "7.2", "root": None, "argv": [PROGRAM]}
        top = {"arch": "x86_64", "change": "mq", "cause": None, "source": side, "destination": side, **verdict}
        Path(f"{name}.json").write_text(json.dumps(top))
    return folder


@pytest.mark.slow
def test_answers_are_counted_as_right_wrong_and_with_qemus_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "get_pci_config_device: Bad config data: i=0x9a read: 9 device: 3 cmask: ff wmask: 0 w1cmask:0"
    folder = pair_folder(
        tmp_path,
        [
            {"verdict": "fails", "output": f"qemu: {line}\n", "cause": "config"},
            {"verdict": "fails", "output": "qemu: something else\n", "cause": "else"},
            {"verdict": "loads", "output": ""},
        ],
    )
    (folder / "0002.target.json").write_text("no destination")
    answers = [
        answer
        for pair in explain_accuracy.read_pairs(folder)
        for answer in explain_accuracy.answers_of(pair, ways=["command"])
    ]
    assert [answer.verdict for answer in answers] == ["fails", "fails", "no answer"]
    assert [answer.is_right for answer in answers] == [True, True, False]
    assert [answer.is_wrong for answer in answers] == [False, False, False]
    assert [answer.line_is_right for answer in answers] == [True, False, None]
    shutil.copy(folder / "0000.target.json", folder / "0002.target.json")
    assert explain_accuracy.main([str(folder), "--way", "stream", "--wrong"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(f"{folder}/0001 stream: fails, and QEMU fails") and "something else" in printed[0]
    assert printed[1].startswith(f"{folder}/0002 stream: fails, and QEMU loads")
    row = next(text for text in printed if text.startswith("x86_64    stream"))
    assert row.split()[2:7] == ["3", "2", "2", "66.7%", "[20.8,93.9]"]
    assert row.split()[7:11] == ["1", "0", "0.0%", "[0.0,56.1]"] and row.split()[11:13] == ["0", "1"]


def test_a_folder_without_pairs_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain_accuracy.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"vmstate: {tmp_path}: this is no folder of recorded pairs\n"
    assert main(["--qemu", str(tmp_path), "--seed", "1", "-o", str(tmp_path / "x")]) == 2
    assert "a root has many QEMUs" in capsys.readouterr().err
    assert main(["--qemu", "no-such-qemu", "--seed", "1", "-o", str(tmp_path / "x")]) == 2
    assert "there is no no-such-qemu here" in capsys.readouterr().err
    (tmp_path / "0001.mig.xz").touch()
    qemu = everything(PROGRAM)
    with pytest.raises(VMStateError, match="there are pairs in it already"):
        next(Recorder([qemu], [qemu], seed="a", count=1, folder=tmp_path).run())


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_pairs_of_a_real_qemu_are_recorded_and_explained(tmp_path: Path) -> None:
    qemu = installed(PROGRAM)
    assert "virtio-net-pci" in qemu.kinds and "mq" in qemu.kinds["virtio-net-pci"] and "microvm" in qemu.machines
    folder = tmp_path / "pairs"
    recorder = Recorder([qemu], [qemu], seed="test", count=4, folder=folder)
    lines = list(recorder.run())
    assert len(lines) == 4
    pairs = explain_accuracy.read_pairs(folder)
    assert Counter(pair.top["verdict"] for pair in pairs) == {"loads": 2, "fails": 2}
    answers = [answer for pair in pairs for answer in explain_accuracy.answers_of(pair, ways=["command"])]
    assert [answer.verdict in ("loads", "fails", "unknown") for answer in answers] == [True] * 4
    assert json.loads((folder / "summary.json").read_text())["count"] == 4
    assert SMP and all(pair.top["source"]["argv"][0] == PROGRAM for pair in pairs)
