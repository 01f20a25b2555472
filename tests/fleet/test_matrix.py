"""What a side of a matrix can be: a release, each device of a QEMU, a source tree, random machines; and who judges."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from machines import PROGRAM, needs_qemu
from recorded import FIXTURES

from vmstate import load
from vmstate.cli import main
from vmstate.cli import matrix as cli
from vmstate.compare.schemas import dump_of
from vmstate.compare.target import Target, open_target, write_target
from vmstate.errors import MachineError, VMStateError
from vmstate.fleet import matrix
from vmstate.fleet.matrix import Lab, each_device, sides_of
from vmstate.lab import alone
from vmstate.lab.alone import devices_of, words_of
from vmstate.qemu.machine import Qemu

STREAM = FIXTURES / "qemu-7.2-q35-virtio-net.mig.xz"
OTHER = FIXTURES / "qemu-7.2-q35-virtio-net-mq4.mig.xz"
DUMPS = FIXTURES / "dump-vmstate"
BEEPER = FIXTURES / "source" / "beeper"

SCRIPT = """#!/bin/sh
case "$*" in
*--version*) echo "QEMU emulator version {version} (a test)" ;;
*"-device help"*) {listing} ;;
*"-device disk,help"*) printf 'disk options:\\n  drive=<str> - node\\n  serial=<child<x>>\\n  canbus9=<str>\\n' ;;
*"-device usb-pen,help"*) printf 'usb-pen options:\\n  chardev=<str>\\n  port=<str>\\n' ;;
*"-device of-a-module,help"*) ;;
*"-device bridge,help"*) printf 'bridge options:\\n  chassis_nr=<uint8>\\n' ;;
*) echo "no such device" >&2; exit 1 ;;
esac
"""
LISTING = r"""printf 'Storage devices:\nname "disk", bus PCI\n\nUSB devices:\nname "usb-pen", bus usb-bus, desc "x"\n"""
LISTING += r"""name "bridge"\nname "gone", bus PCI\n\nCPU devices:\nname "max-cpu"\n'"""


def script(path: Path, version: str, listing: str = LISTING) -> Path:
    """A program that tells of itself what QEMU of a version does."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(SCRIPT.format(version=version, listing=listing))
    path.chmod(0o755)
    return path


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, ...]]:
    """A QEMU 7.2 and none else; the command lines of what is started, all of which are one machine or another.

    What workers do is done here, since they would have no such QEMU.
    """
    script(tmp_path / "bin" / PROGRAM, "7.2.19")
    monkeypatch.delenv("VMSTATE_QEMU_ROOTS", raising=False)
    monkeypatch.setattr(matrix, "find_qemu", lambda program, _=None: Qemu((str(tmp_path / "bin" / program),)))
    monkeypatch.setattr(cli, "in_order", lambda work, items, *_, **__: map(work, items))
    matrix._release_of.cache_clear()
    lines: list[tuple[str, ...]] = []

    def target_of(argv: Sequence[str], *, qemu: Qemu, limit: float) -> Target:
        lines.append(tuple(argv))
        if "bridge,chassis_nr=1" in argv:
            raise MachineError("it does not start")
        return open_target(str(OTHER if argv[-1].startswith("usb-pen") else STREAM))

    monkeypatch.setattr(matrix, "target_of", target_of)
    return lines


def cells_of(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[dict[str, Any]], str]:
    """The exit code, the cells and what is told beside them."""
    code = main(["matrix", *map(str, words), "--workers", "1", "--format", "json"])
    told = capsys.readouterr()
    return code, [json.loads(line) for line in told.out.splitlines()], told.err


# A release.


@pytest.mark.usefixtures("lines")
def test_a_release_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(str(tmp_path / "bin"), 10)
    [side] = sides_of("7.2:pc-q35-7.2", lab)
    assert (side.argv or ())[:3] == (PROGRAM, "-M", "pc-q35-7.2") and side.root is None and side.error is None
    roots = {None: "7.2.19", "/a": "10.0.3", "/b": "10.0.9"}
    monkeypatch.setattr(matrix, "find_qemu", lambda _, root=None: Qemu((str(script(tmp_path / "c", roots[root])),)))
    matrix._release_of.cache_clear()
    [side] = sides_of("10.0:q35", lab.replace(roots=("/a", "/b")))
    assert side.root == "/a"
    with pytest.raises(MachineError, match=r"8\.0 here"):
        sides_of("8.0:q35", lab.replace(roots=("/a", "/b")))


@pytest.mark.usefixtures("lines")
def test_a_folder_called_like_a_release_is_a_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "8.0").mkdir()
    monkeypatch.chdir(tmp_path)
    [side] = sides_of("8.0:q35", Lab(str(tmp_path), 10))
    assert side.root == "8.0"


# Each device.


def test_a_device_has_what_its_properties_name(tmp_path: Path) -> None:
    qemu = Qemu((str(script(tmp_path / "qemu", "7.2")),))
    assert devices_of(qemu, "q35") == {"disk": "PCI", "usb-pen": "usb-bus", "bridge": "", "gone": "PCI"}
    assert words_of(qemu, "q35", "disk", "PCI") == [
        *("-blockdev", "driver=null-co,node-name=x,read-zeroes=on,size=1073741824", "-device", "disk,drive=x")
    ]
    assert words_of(qemu, "q35", "usb-pen", "usb-bus") == [
        *("-device", "qemu-xhci", "-chardev", "null,id=x", "-device", "usb-pen,chardev=x")
    ]
    assert words_of(qemu, "q35", "bridge", "") == ["-device", "bridge,chassis_nr=1"]
    assert words_of(qemu, "q35", "gone", "PCI") is words_of(qemu, "q35", "of-a-module", "PCI") is None


def test_each_device_meets_itself(
    lines: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_a_disk(qemu: Qemu, machine: str, device: str, bus: str) -> list[str] | None:
        return None if (machine, device) == ("pc", "disk") else words_of(qemu, machine, device, bus)

    monkeypatch.setattr(matrix, "words_of", without_a_disk)
    code, cells, told = cells_of(capsys, "7.2:q35+all", "--to", "7.2:q35+all", "7.2:pc+all")
    assert [(cell["source"], cell["destination"], cell["verdict"]) for cell in cells] == [
        ("7.2 q35 +disk", "7.2 q35 +all", "loads"),
        ("7.2 q35 +disk", "7.2 pc +all", "fails"),
        ("7.2 q35 +usb-pen", "7.2 q35 +all", "loads"),
        ("7.2 q35 +usb-pen", "7.2 pc +all", "loads"),
    ]
    assert cells[1]["cause"] == "this QEMU has no such device" and code == 1
    assert "7.2 q35 +all: 1 of 3 devices do not start alone, or are not saved: bridge" in told
    assert {line[2] for line in lines} == {"q35", "pc"} and all("max-cpu" not in line for line in lines)


def test_one_that_cannot_list_its_devices_has_those_of_the_others(tmp_path: Path, lines: object) -> None:
    script(tmp_path / "bin" / "qemu-lame", "10.0", "exit 6")
    lab = Lab(str(tmp_path / "bin"), 10)
    lame, whole = (sides_of(f"{program}:q35+all", lab)[0] for program in ("qemu-lame", PROGRAM))
    assert {side.member for base, side in each_device([whole, lame]) if base is lame} == {
        *("disk", "usb-pen", "bridge")
    }
    with pytest.raises(MachineError, match="-device help"):
        next(each_device([lame]))


@pytest.mark.usefixtures("lines")
def test_many_machines_are_no_destination_of_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    code, cells, told = cells_of(capsys, STREAM, "--to", "7.2:q35+all")
    assert (code, cells) == (2, []) and told.count("\n") == 1 + told.count("do not start")
    assert "many machines are a destination of their own sources alone" in told


# A source tree, and compat.


def test_a_source_tree_is_a_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "in_order", lambda work, items, *_, **__: map(work, items))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # A plus sign in the name of a folder begins no devices.
    before, after = tmp_path / "a+b", tmp_path / "after"
    for path in (before, after):
        shutil.copytree(BEEPER, path)
    header = after / "include" / "hw" / "beeper.h"
    header.write_text(header.read_text(encoding="utf-8").replace("4 << 1", "4 << 2"), encoding="utf-8")
    code, cells, _ = cells_of(capsys, before, "--to", before, after, f"{before}:pc")
    assert [(cell["destination"], cell["verdict"]) for cell in cells] == [
        *(("a+b", "loads"), ("after", "fails"), ("a+b pc", "loads"))
    ]
    assert code == 1 and cells[1]["rule"] and "beeper" in cells[1]["cause"]
    # A stream has none of its devices' sections in such a tree, and a tree no command line.
    code, cells, _ = cells_of(capsys, STREAM, "--to", before)
    assert (code, cells[0]["verdict"], cells[0]["rule"]) == (1, "fails", "section-unknown")
    code, cells, _ = cells_of(capsys, STREAM, "--to", before, "--really")
    assert code == 2 and "only a destination with a command line can really load" in cells[0]["cause"]
    code, cells, told = cells_of(capsys, f"{tmp_path}@nosuch:pc")
    assert code == 2 and told.count("\n") == 1


@pytest.mark.slow
def test_by_compat(capsys: pytest.CaptureFixture[str]) -> None:
    dumps = [DUMPS / f"qemu-{release}-pc-q35-5.2.json.xz" for release in ("7.2", "5.2")]
    verdicts = {}
    for by in ("explain", "compat"):
        code, cells, _ = cells_of(capsys, *dumps, STREAM, "--to", dumps[0], "--by", by)
        verdicts[by] = [cell["verdict"] for cell in cells]
        assert (code, cells[2]["rule"]) == (1, "machine")
    # A list of devices has no values to explain.
    assert verdicts["explain"] == verdicts["compat"] == ["loads", "fails", "fails"]
    code, cells, _ = cells_of(capsys, dumps[0], "--to", dumps[1])
    assert (code, cells[0]["verdict"]) == (1, "fails") and cells[0]["rule"] and ": " in cells[0]["cause"]


# Pairs.


def pairs_in(folder: Path, change: Callable[[dict[str, Any]], None] = lambda _: None) -> Path:
    """Two pairs as they are recorded: the first loads, the second does not."""
    folder.mkdir()
    for number, destination in enumerate((STREAM, OTHER)):
        shutil.copy(STREAM, folder / f"{number:04}.mig.xz")
        target = open_target(str(destination))
        write_target(folder / f"{number:04}.target.json", target)
        top = {"destination": {"release": "7.2", "root": "/srv/evil", "argv": [f"/tmp/{PROGRAM}", "-M", "q35"]}}
        change(top)
        (folder / f"{number:04}.json").write_text(json.dumps(top))
    return folder


@pytest.mark.usefixtures("lines")
def test_a_folder_of_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pairs_in(tmp_path / "pairs")
    code, cells, _ = cells_of(capsys, folder)
    assert [(cell["source"], cell["destination"], cell["verdict"]) for cell in cells] == [
        *(("0000", "pairs", "loads"), ("0001", "pairs", "fails"))
    ]
    assert code == 1
    # Whose program and root a file names is not what is started.
    side = sides_of(str(folder), Lab(str(tmp_path), 10))[0]
    assert (side.argv, side.root) == ((PROGRAM, "-M", "q35"), None)
    code, cells, _ = cells_of(capsys, folder, "--to", STREAM)
    assert [cell["verdict"] for cell in cells] == ["loads", "loads"] and code == 0


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize("field", ["argv", "release"])
def test_what_is_no_pair_is_a_line(tmp_path: Path, field: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pairs_in(tmp_path / "pairs", lambda top: top["destination"].pop(field))
    code, cells, told = cells_of(capsys, folder)
    assert (code, cells) == (2, []) and "this is no recorded pair" in told and told.count("\n") == 1


@pytest.mark.usefixtures("lines")
def test_a_command_line_of_a_file_is_not_run_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it touches is told before; with --trust, too, no program is started but a QEMU of that name."""
    code, cells, told = cells_of(capsys, pairs_in(tmp_path / "pairs"), "--really")
    assert (code, cells) == (2, []) and "is not run unasked" in told
    for program, starts in ((f"/srv/evil/{PROGRAM}", True), ("/srv/evil/script", False)):
        place = tmp_path / f"{starts}.json"
        command = (program, "-M", "q35", "-serial", "file:/srv/out")
        with load(STREAM) as stream:
            write_target(place, Target("a", stream, command=command))
        [side] = sides_of(str(place), Lab(str(tmp_path), 10))
        if starts:
            assert side.qemu.command == (str(tmp_path / "bin" / PROGRAM),)
            code, cells, told = cells_of(capsys, STREAM, "--to", place, "--really")
            assert (code, cells) == (2, []) and "file:/srv/out" in told and "is not run unasked" in told
        else:
            code, cells, told = cells_of(capsys, STREAM, "--to", place, "--really", "--trust")
            assert code == 2 and "starts no QEMU by its name" in cells[0]["cause"]


@pytest.mark.usefixtures("lines")
def test_a_pair_of_a_release_that_is_not_here_is_explained_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pairs_in(tmp_path / "pairs", lambda top: top["destination"].update(release="9.1"))
    assert [cell["verdict"] for cell in cells_of(capsys, folder)[1]] == ["loads", "fails"]
    assert {cell["verdict"] for cell in cells_of(capsys, folder, "--really")[1]} == {"error"}


@pytest.mark.parametrize("text", ["random:", "random:0", "random:x", "random:-1:a", "random:9999999"])
def test_no_number_of_random_machines(text: str, tmp_path: Path) -> None:
    with pytest.raises(VMStateError, match="no number of random machines"):
        sides_of(text, Lab(str(tmp_path), 10))


def test_random_machines_where_they_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vmstate.lab.machines", None)
    with pytest.raises(VMStateError, match="is not in the package"):
        sides_of("random:3", Lab(str(tmp_path), 10))


def test_random_machines_want_a_qemu(tmp_path: Path) -> None:
    pytest.importorskip("vmstate.lab.machines", reason="what draws machines is in no wheel: needs a checkout")
    with pytest.raises(MachineError, match="there is no qemu-none here"):
        sides_of("random:3", Lab(str(tmp_path), 10, "qemu-none"))


# Real QEMU.


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_what_is_explained_of_each_device_is_what_loads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {"e1000e": "PCI", "hda-duplex": "HDA", "scsi-hd": "SCSI", "usb-kbd": "usb-bus", "pcie-root-port": "PCI"}
    listed = alone.devices_of(matrix.find_qemu(PROGRAM), "q35")
    assert chosen.items() <= listed.items() and len(listed) > 200
    monkeypatch.setattr(matrix, "devices_of", lambda *_: chosen)
    verdicts = []
    for way in ([], ["--really"]):
        code, cells, told = cells_of(capsys, f"{PROGRAM}:q35+all", *way)
        assert (code, told) == (0, "")
        verdicts.append({cell["source"].partition("+")[2]: cell["verdict"] for cell in cells})
    assert verdicts[0] == verdicts[1] == dict.fromkeys(chosen, "loads")


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_random_machines_are_judged_as_they_load(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("vmstate.lab.machines")
    by_way = [cells_of(capsys, "random:4:fleet", "--roots", "", *way)[1] for way in ([], ["--really"])]
    explained, loaded = ([cell["verdict"] for cell in cells] for cells in by_way)
    assert explained == loaded and sorted(loaded) == ["fails", "fails", "loads", "loads"]


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
def test_compat_asks_a_qemu_for_its_devices(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "dump.json").write_bytes(dump_of(PROGRAM, "q35"))
    code, cells, _ = cells_of(capsys, f"{PROGRAM}:q35", "--to", tmp_path / "dump.json", "--by", "compat")
    assert (code, cells[0]["verdict"]) == (0, "loads")
