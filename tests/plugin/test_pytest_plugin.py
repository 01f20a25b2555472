"""The pytest plugin as another project has it: pytest is started elsewhere, and finds the plugin by its entry point."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from machines import needs_qemu
from recorded import FIXTURES, NONE, ROOT, plain

from vmstate import Stream, StreamError, load
from vmstate.pytest_plugin import (
    assert_loads_in_qemu,
    assert_roundtrip,
    assert_same_state,
    find_stream,
)

EXAMPLE = ROOT / "examples" / "ipoctal"
LIMIT = 120
QUIET = ("-p", "no:cacheprovider", "-p", "no:randomly", "-q", "-rs")
EARLY, FINAL = "pairs/qemu-7.2-mq4-rss-on-early.mig.xz", "pairs/qemu-7.2-mq4-rss-on-final.mig.xz"
HEAVY = ("construct", "deepdiff", "hypothesis", "numpy", "rich", "vmstate.devices", "vmstate.qemu")


def announce(project: Path, folder: Path) -> None:
    """What an installer leaves of the entry points of a project."""
    known = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    name = known["name"].replace("-", "_")
    info = folder / f"{name}-{known['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {known['name']}\nVersion: {known['version']}\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {place}" for name, place in entries.items())])
        for group, entries in known["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")


def installed() -> bool:
    """Whether this project is installed, so that its plugin is there anyway."""
    from importlib.metadata import entry_points

    return bool(entry_points(group="pytest11", name="vmstate"))


def run_pytest(folder: Path, *words: str, places: tuple[Path, ...] = (), **more: str) -> tuple[int, str]:
    """The exit code of pytest in a folder, and what it prints."""
    announced = folder.parent / f"{folder.name}-announced"
    announced.mkdir()
    if not installed():
        announce(ROOT, announced)
    if places:
        announce(places[0], announced)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_"))}
    path = os.pathsep.join(str(place) for place in (ROOT, announced, *places))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *QUIET, *words],
        cwd=folder,
        env={**kept, "PYTHONPATH": path, "COLUMNS": "140", "NO_COLOR": "1", **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_plugin_brings_nothing_slow(tmp_path: Path) -> None:
    """Every run of every project that has the package installed pays for what is imported here."""
    (tmp_path / "test_it.py").write_text(
        "import sys, json\n"
        "def test_it(request):\n"
        "    assert request.config.pluginmanager.hasplugin('vmstate')\n"
        "    print(json.dumps(sorted(sys.modules)))\n"
    )
    code, output = run_pytest(tmp_path, "-s")
    assert code == 0, output
    loaded = json.loads(next(line for line in output.splitlines() if line.startswith("[")))
    assert [name for name in loaded if name.split(".")[0] == "vmstate"] == [
        "vmstate",
        "vmstate.lazy",
        "vmstate.pytest_plugin",
    ]
    assert [name for name in loaded if any(f"{name}.".startswith(f"{heavy}.") for heavy in HEAVY)] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "qemu",
    [pytest.param(True, marks=[pytest.mark.qemu, needs_qemu], id="qemu"), pytest.param(False, id="no qemu")],
)
def test_the_example_project(qemu: bool, tmp_path: Path) -> None:
    """As its author would run it: with QEMU nothing is skipped, without it what needs it says what to install."""
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__"))
    more = {} if qemu else {"PATH": str(tmp_path)}
    code, output = run_pytest(project, places=(project,), **more)
    assert code == 0, output
    if qemu:
        assert re.search(r"\b10 passed", output) and "skipped" not in output, output
    else:
        assert "6 passed, 4 skipped" in output, output
        assert "needs a real QEMU: " in output and "install qemu-system-x86" in output, output


FAILING = """
import pytest

def test_same(golden_stream, assert_same_state):
    assert_same_state(golden_stream("EARLY"), golden_stream("FINAL"), ignore=["*.in_use"])

def test_changed(golden_stream, assert_roundtrip):
    stream = golden_stream("qemu-7.2-microvm-virtio-net-mmio")
    stream["serial"].state["state"]["divider"] = 1
    assert_roundtrip(stream)

def test_cut(assert_roundtrip):
    assert_roundtrip("cut.mig")

def test_absent(golden_stream):
    golden_stream("qemu-7.2-q35-virtio-nett")
"""


@pytest.mark.slow
def test_a_relative_path_has_one_base(tmp_path: Path) -> None:
    """That of the test's file, for every fixture, wherever pytest is started; the current folder comes behind."""
    below = tmp_path / "below"
    below.mkdir()
    (below / "a.mig").write_bytes(plain(NONE))
    (tmp_path / "a.mig").write_bytes(b"another")
    (tmp_path / "b.mig").write_bytes(plain(NONE))
    (below / "test_it.py").write_text(
        "def test_it(golden_stream, assert_roundtrip, assert_same_state):\n"
        "    assert_roundtrip('a.mig')\n"
        "    assert_same_state('a.mig', golden_stream('a'))\n"
        "    assert_same_state('a.mig', 'b.mig')\n"
    )
    code, output = run_pytest(tmp_path)
    assert code == 0 and "1 passed" in output, output


@pytest.mark.slow
def test_failures_read_well(tmp_path: Path) -> None:
    """A failure shows the line of the test, and what is wrong; nothing of the inside."""
    (tmp_path / "cut.mig").write_bytes(plain(NONE)[:300])
    text = FAILING.replace("EARLY", EARLY.removesuffix(".mig.xz")).replace("FINAL", FINAL.removesuffix(".mig.xz"))
    (tmp_path / "test_it.py").write_text(text)
    code, output = run_pytest(tmp_path)
    assert code == 1 and "4 failed" in output, output
    assert "pytest_plugin.py" not in output and "__tracebackhide__" not in output and "vmstate/" not in output, output
    shown = [line[2:].strip() for line in output.splitlines() if line.startswith("E ")]
    first = f"AssertionError: {FIXTURES / EARLY} and {FIXTURES / FINAL} differ: 1 change; not counted as noise: timer "
    assert shown[0].startswith(first), output
    assert shown[1] == "0000:00:01.0/virtio-net" and shown[2].startswith("+ virtio.net.rss: {"), output
    changed, cut, absent = shown[3:]
    assert "serial: state.divider: what is written back is not what was read at offset 0x9059 " in changed, output
    assert "(expected 0c 00 " in changed and ", found 01 00 " in changed, output
    assert cut.startswith("AssertionError: cut.mig: the stream ends inside the vmdesc at offset 0x105"), output
    assert "(expected qemu-7.2-q35-virtio-net or " in absent, output


@pytest.mark.slow
def test_streams_are_found_by_name_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, streams = tmp_path / "tests", tmp_path / "streams"
    for folder in (beside / "data", streams / "deep" / "one", streams / "other"):
        folder.mkdir(parents=True)
    for place in (beside / "a.mig", beside / "data" / "b.mig.xz", streams / "a.mig", streams / "c.mig.gz"):
        place.write_bytes(b"")
    for place in (streams / "deep" / "one" / "d.mig", streams / "other" / "d.mig", streams / "other" / "e.bin"):
        place.write_bytes(b"")

    def golden(name: str) -> Path | str:
        return find_stream(name, beside, [streams])

    assert golden("a") == golden("a.mig") == beside / "a.mig"
    assert golden("data/b") == golden("data/b.mig") == beside / "data" / "b.mig.xz"
    assert golden("../streams/a") == beside / ".." / "streams" / "a.mig"
    assert golden("c") == streams / "c.mig.gz"
    assert golden("e.bin") == streams / "other" / "e.bin"
    assert golden("one/d") == golden("deep/one/d") == streams / "deep" / "one" / "d.mig"
    assert golden(str(streams / "a")) == streams / "a.mig"
    # Those of the repository are beside the package there, and nowhere where that is installed.
    monkeypatch.setattr("vmstate.pytest_plugin._own_fixtures", lambda: [FIXTURES])
    assert golden("qemu-7.2-none") == FIXTURES / NONE
    monkeypatch.setattr("vmstate.pytest_plugin._own_fixtures", list)
    assert golden("qemu-7.2-none") == golden("recorded/qemu-7.2-none.mig.xz"[:-3]) == "recorded/qemu-7.2-none.mig"
    with pytest.raises(StreamError, match=r"more than one golden stream"):
        golden("d")
    for name in ("f", "b", "", ".", "..", "/", str(tmp_path / "x"), "a\0"):
        with pytest.raises(StreamError, match="no golden stream"):
            golden(name)
    with pytest.raises(StreamError, match=r"nowhere: the setting vmstate_streams names a folder"):
        find_stream("f", beside, [tmp_path / "nowhere"])


@pytest.mark.parametrize(
    "file", [NONE, "qemu-7.2-microvm-virtio-net-mmio.mig.xz", "recorded/qemu-7.2-pc-ram-cold.mig.xz"]
)
def test_roundtrip(file: str) -> None:
    assert_roundtrip(FIXTURES / file)
    assert_roundtrip(plain(file))
    with load(FIXTURES / file) as stream:
        assert_roundtrip(stream)
        stream["timer"].state["cpu_ticks_offset"] ^= 1
        with pytest.raises(AssertionError, match=r"timer: cpu_ticks_offset: what is written back"):
            assert_roundtrip(stream)
    # One that was made in Python can only be held against itself.
    assert_roundtrip(Stream([part for part in stream.parts if not getattr(part, "is_ram", False)]))
    with pytest.raises(AssertionError, match=r"nowhere\.mig: no such file"):
        assert_roundtrip("nowhere.mig")


def test_same_state_of_streams_and_sections() -> None:
    early, final = load(plain(EARLY)), load(plain(FINAL))
    assert_same_state(early, plain(EARLY))
    assert_same_state(early, final, ignore="virtio-net")
    assert_same_state(early["serial"], final["serial"])
    with pytest.raises(AssertionError, match=r"differ: \d+ changes?[^\n]*\n0000:00:01.0/virtio-net\n"):
        assert_same_state(early["virtio-net"], final["virtio-net"])
    with pytest.raises(AssertionError, match="last_avail_idx"):
        assert_same_state(early, final, ignore=["virtio-net.virtio.net"], noise=[])
    with pytest.raises(AssertionError, match="no kind of noise 'clock'"):
        assert_same_state(early, final, noise=["clock"])


@pytest.mark.qemu
@needs_qemu
def test_a_captured_stream_loads_with_its_provenance(tmp_path: Path) -> None:
    from vmstate.qemu.capture import capture_started

    argv = ["qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-m", "4", "-nodefaults", "-vga", "none", "-S"]
    capture_started(tmp_path / "cold.mig", argv, ram=False)
    assert assert_loads_in_qemu(tmp_path / "cold.mig").status == "prelaunch"
    packed = tmp_path / "cold.mig.xz"
    subprocess.run(["xz", "-0", str(tmp_path / "cold.mig")], check=True)
    with load(packed) as stream:
        assert assert_loads_in_qemu(stream).argv == tuple(argv)
        stream["globalstate"].header = stream["globalstate"].header.replace(name="globalstatf")
        with pytest.raises(AssertionError) as caught:
            assert_loads_in_qemu(stream)
    first, *places, last = str(caught.value).splitlines()
    assert first.startswith(f"{packed}: refused by QEMU ") and "globalstatf" in first
    assert [line for line in places if "globalstatf at offset 0x" in line and "has no such device" in line]
    assert last == f"QEMU was started with {' '.join(argv)}"
    with pytest.raises(AssertionError, match="nothing says which machine to start"):
        assert_loads_in_qemu(packed.read_bytes())
    with pytest.raises(AssertionError, match=r"QEMU did not start: .*(no-such|machine type)"):
        assert_loads_in_qemu(packed, args="-M no-such")
