"""volatility3, drgn and gdb on what a machine is kept in, where they are installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from saved_corpus import BY_DESIGN, Corpus
from saved_files import plain

from vmstate import load


@pytest.mark.slow
@pytest.mark.parametrize(("file", "part"), [("libvirt-9.0-save-lzop.save", ""), ("savevm-7.2.qcow2", "two")])
def test_volatility_reads_what_we_read(file: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = pytest.importorskip("volatility3.framework.contexts", reason="pip install volatility3")
    from volatility3.framework import exceptions
    from volatility3.framework.layers import physical

    path = tmp_path / file
    path.write_bytes(plain(file))
    monkeypatch.setenv("VMSTATE_SNAPSHOT", part)
    context = contexts.Context()
    context.config["base.location"] = f"file://{path}"
    context.add_layer(physical.FileLayer(context, "base", "base"))
    from vmstate.forensics.volatility import VmstateStacker

    layer = VmstateStacker.stack(context, "base")
    assert layer is not None
    with load(f"{path}@{part}" if part else str(path)) as stream:
        memory = stream.memory()
        (inside,) = memory.ranges
        for address in range(0, inside.size, 4096):
            assert layer.read(address, 4096) == memory.read(address, 4096)
    end = inside.size
    assert (layer.minimum_address, layer.maximum_address) == (0, end - 1)
    assert layer.is_valid(end - 1) and not layer.is_valid(end - 1, 2)
    assert layer.read(end - 8, 16, pad=True) == layer.read(end - 8, 8) + bytes(8)
    with pytest.raises(exceptions.InvalidAddressException):
        layer.read(end - 8, 16)


@pytest.mark.slow
def test_drgn_asks_for_a_linux_guest(tmp_path: Path) -> None:
    pytest.importorskip("drgn", reason="pip install drgn")
    from vmstate.errors import VMStateError
    from vmstate.forensics.drgn_program import program_of

    with pytest.raises(VMStateError, match="no VMCOREINFO in memory"):
        program_of("fixtures/saved/mapped-10.0.file.xz")


VMCOREINFO = b"OSRELEASE=6.1.0-of-a-test\nPAGESIZE=4096\nNUMBER(pgtable_l5_enabled)=0\nKERNELOFFSET=0\n"
VMCOREINFO += b"SYMBOL(init_top_pgt)=ffffffff82a10000\nSYMBOL(swapper_pg_dir)=ffffffff82a10000\nNUMBER(phys_base)=0\n"
BANNER = b"Linux version 6.1.0-of-a-test (nobody@nowhere) (gcc) #1 SMP\n"


def tagged(folder: Path, text: bytes, at: int) -> Path:
    """A mapped-ram file in whose memory a text stands at an address of a page that is there."""
    data = bytearray(plain("mapped-10.0.file"))
    with load(bytes(data)) as stream:
        place = stream.memory().source(at, 1)
    assert place is not None
    data[place[0] : place[0] + len(text) + 1] = text + b"\0"
    path = folder / "guest.file"
    path.write_bytes(data)
    return path


def command(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    """A command of ours, as it is installed."""
    code = (
        f"import sys; from vmstate.forensics.commands import {name}; sys.argv[0] = 'vmstate-{name}'; sys.exit({name}())"
    )
    program = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [*program, *map(str, words)], capture_output=True, text=True, timeout=120, check=False, env=environment
    )


@pytest.mark.slow
def test_the_command_of_volatility(tmp_path: Path) -> None:
    pytest.importorskip("volatility3", reason="pip install 'qemu-vmstate[forensics]'")
    path = tagged(tmp_path, BANNER, 0x101000)
    done = command("vol", "-q", "--offline", "-f", path, "banners.Banners")
    assert done.returncode == 0, done.stderr
    assert "0x101000" in done.stdout and "6.1.0-of-a-test" in done.stdout
    disk = tmp_path / "disk.qcow2"
    disk.write_bytes(plain("savevm-7.2.qcow2"))
    done = command("vol", "-q", "--offline", "-f", f"{disk}@two", "layerwriter.LayerWriter", "--list")
    assert done.returncode == 0 and "VmstateLayer" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_the_command_of_drgn(tmp_path: Path) -> None:
    pytest.importorskip("drgn", reason="pip install 'qemu-vmstate[forensics]'")
    path = tagged(tmp_path, VMCOREINFO, 0x102000)
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint(sys.argv[1:], prog['UTS_RELEASE'].string_(), prog.read(0x101000, 6, True))\n")
    done = command("drgn", path, script, "a", "b")
    assert done.stdout.startswith("['a', 'b'] b'6.1.0-of-a-test' b'page  "), done.stdout + done.stderr
    done = command("drgn", tmp_path / "none")
    assert done.returncode == 2 and "no such file" in done.stderr
    assert command("drgn").returncode == 2


def test_the_part_of_a_file_goes_beside_it(tmp_path: Path) -> None:
    from vmstate.forensics.commands import without_part

    named = tmp_path / "a@b"
    named.touch()
    for words, right, part in (
        (["-f", "disk@one", "x"], ["-f", "disk", "x"], "one"),
        (["-fdisk@one"], ["-fdisk"], "one"),
        (["--file=disk@0x10", "-q"], ["--file=disk", "-q"], "0x10"),
        (["--file", "disk@a@b"], ["--file", "disk@a"], "b"),
        (["-f", str(named)], ["-f", str(named)], None),
        (["-q", "x@y"], ["-q", "x@y"], None),
    ):
        assert without_part(words) == (right, part)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gdb") is None, reason="apt-get install gdb")
def test_gdb_reads_registers_and_memory_of_our_core(tmp_path: Path) -> None:
    from vmstate.cli import main

    source, changed, core = (tmp_path / name for name in ("guest.file", "changed.file", "core"))
    source.write_bytes(plain("mapped-10.0.file"))
    wanted = {"rbx": 0x1122334455667788, "rsp": 0xFFFFFFFF82A03E98, "rip": 0xFFFFFFFF81A17A0B, "r15": 0x14790}
    places = {"rbx": "env.regs[3]", "rsp": "env.regs[4]", "rip": "env.eip", "r15": "env.regs[15]"}
    words = [f"cpu.{places[name]}={value:#x}" for name, value in wanted.items()]
    assert main(["set", str(source), *words, "-o", str(changed)]) == 0
    assert main(["ram", str(changed), "--format", "elf", "-o", str(core)]) == 0
    done = subprocess.run(
        ["gdb", "-nx", "-batch", "-ex", f"core-file {core}", "-ex", "info registers", "-ex", "x/s 0x101000"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    registers = dict(line.split()[:2] for line in done.stdout.splitlines() if len(line.split()) >= 2)
    assert {name: int(registers[name], 16) for name in wanted} == wanted, done.stdout + done.stderr
    assert '"page    1 page' in done.stdout


FOLDER = os.environ.get("VMSTATE_SAVED")


@pytest.fixture(scope="module")
def linux(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """The recording of a Linux guest that ran, and its registers as QEMU's monitor told them."""
    if FOLDER is None:
        pytest.skip("needs recordings of saved machines: VMSTATE_SAVED=FOLDER")
    folder = tmp_path_factory.mktemp("linux")
    with tarfile.open(Path(FOLDER) / "linux-11.1.tar.xz") as packed:
        packed.extract("linux-11.1.mig", folder, filter="data")
    told = json.loads((Path(FOLDER) / "linux-11.1.info.json").read_text())["info registers"]
    registers = {name.lower(): int(value, 16) for name, value in re.findall(r"\b(R\w\w?) ?=([0-9a-f]{16})", told)}
    return folder / "linux-11.1.mig", registers


@pytest.mark.slow
def test_volatility_finds_the_banner_of_a_linux_guest(linux: tuple[Path, dict[str, int]]) -> None:
    pytest.importorskip("volatility3", reason="pip install 'qemu-vmstate[forensics]'")
    done = command("vol", "-q", "--offline", "-f", linux[0], "banners.Banners")
    assert done.returncode == 0, done.stderr
    assert "0x20001a0\tLinux version 6.1.0-57-cloud-amd64" in done.stdout


@pytest.mark.slow
def test_drgn_reads_init_uts_ns_through_the_tables_of_a_linux_guest(linux: tuple[Path, dict[str, int]]) -> None:
    pytest.importorskip("drgn", reason="pip install 'qemu-vmstate[forensics]'")
    from vmstate.forensics.drgn_program import program_of, vmcoreinfo_of

    with load(str(linux[0])) as stream:
        known = dict(line.split(b"=", 1) for line in vmcoreinfo_of(stream.memory()).splitlines() if b"=" in line)
    program = program_of(str(linux[0]))
    address = int(known[b"SYMBOL(init_uts_ns)"], 16) + int(known[b"OFFSET(uts_namespace.name)"])
    # struct new_utsname is of texts of 65 bytes: the system, the host, the release.
    system, _, release = (program.read(address + 65 * number, 65).partition(b"\0")[0] for number in range(3))
    assert (system, release) == (b"Linux", known[b"OSRELEASE"])
    assert program["UTS_RELEASE"].string_() == known[b"OSRELEASE"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gdb") is None, reason="apt-get install gdb")
def test_gdb_shows_the_registers_of_a_linux_guest(linux: tuple[Path, dict[str, int]], tmp_path: Path) -> None:
    from vmstate.cli import main

    core = tmp_path / "core"
    assert main(["ram", str(linux[0]), "--format", "elf", "-o", str(core)]) == 0
    words = ["gdb", "-nx", "-batch", "-ex", f"core-file {core}", "-ex", "info registers"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    shown = dict(line.split()[:2] for line in done.stdout.splitlines() if len(line.split()) >= 2)
    assert len(linux[1]) >= 16
    for name, value in linux[1].items():
        # QEMU's monitor calls the flags so.
        assert int(shown["eflags" if name == "rfl" else name], 16) == value, name


@pytest.mark.slow
def test_side_by_side_with_the_layer_that_volatility_has_itself(tmp_path: Path) -> None:
    """Ours is right on every recording in one file; docs/saved-files.md tells what theirs is."""
    pytest.importorskip("volatility3", reason="pip install 'qemu-vmstate[forensics]'")
    from beside_volatility import Counted, files_of_corpus, files_of_fixtures, rows

    files = [files_of_fixtures(tmp_path)]
    files += [files_of_corpus(Corpus(Path(FOLDER)), tmp_path)] if FOLDER else []
    theirs = {}
    for each in files:
        for name, pages, of_theirs, of_ours in rows(each):
            theirs[name] = of_theirs
            if name not in BY_DESIGN:
                assert of_ours == Counted(rom=of_ours.rom), (name, of_ours)
            assert of_ours.rom <= 96 and pages >= 1024, (name, of_ours)
    assert theirs["fixtures/saved/mapped-10.0.file"].refused.startswith("QEMU unknown section")
    assert theirs["fixtures/saved/savevm-7.2.qcow2@two"].refused == "No QEMU magic bytes"
    if FOLDER:
        assert theirs["tcp-plain-7.2"] == Counted(wrong=256, unreadable=8)


@pytest.mark.slow
def test_the_layers_are_told_of_shared_memory_and_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vmstate.errors import VMStateError
    from vmstate.forensics import opened_memory

    path, shared = tmp_path / "stream", tmp_path / "shared"
    path.write_bytes(plain("ignore-shared-7.2.file"))
    shared.write_bytes(plain("ignore-shared-7.2.shared-ram"))
    with pytest.raises(VMStateError, match="in a file of its own"):
        opened_memory(str(path))
    monkeypatch.setenv("VMSTATE_MEMORY", f"mem={shared}")
    stream, memory = opened_memory(str(path))
    assert memory.read(0x103000, 9) == b"page    3"
    stream.close()
    monkeypatch.setenv("VMSTATE_AT", "mem=nowhere")
    with pytest.raises(VMStateError, match="VMSTATE_AT tells no address"):
        opened_memory(str(path))
