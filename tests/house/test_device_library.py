"""Where the device library is found: as `vmstate.devices`, and never as a bare `devices`."""

from __future__ import annotations

import importlib
import importlib.machinery
import inspect
import os
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import vmstate
from vmstate import devices

ROOT = Path(__file__).resolve().parents[2]
STREAM = ROOT / "fixtures" / "qemu-7.2-microvm-virtio-net-mmio.mig.xz"

FOREIGN = {
    "a module": {"devices.py": "INDEX = 1\n"},
    "a package": {"devices/__init__.py": "INDEX = {'virtio-net': ('nowhere:Nothing',)}\n"},
    "a namespace package": {"devices/readme.txt": "no python here\n"},
    "a module that raises": {"devices.py": "raise RuntimeError('not yours to import')\n"},
}


@pytest.fixture(params=FOREIGN.values(), ids=FOREIGN)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A user's own folder that holds something called `devices`."""
    for name, text in request.param.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder: Path, *argv: str | Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *argv], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_foreign_devices_does_not_disturb_the_command(folder: Path) -> None:
    assert "virtio-net" in run(folder, "-m", "vmstate", "show", STREAM, "virtio-net")


def test_a_foreign_devices_does_not_disturb_the_library(folder: Path) -> None:
    code = f"import vmstate; print(vmstate.load({str(STREAM)!r})['virtio-net'].described_by)"
    assert run(folder, "-c", code).strip() == "library"


@pytest.mark.slow
def test_a_foreign_devices_does_not_disturb_pytest(folder: Path) -> None:
    """With a conftest beside it, so that pytest puts the folder on sys.path."""
    (folder / "conftest.py").write_text("try:\n    import devices\nexcept RuntimeError:\n    pass\n")
    (folder / "test_mine.py").write_text(
        f"import vmstate\n\ndef test_mine():\n    assert vmstate.load({str(STREAM)!r})['virtio-net'].state\n"
    )
    assert "1 passed" in run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder)


def test_no_entry_of_sys_path_makes_a_bare_devices_importable() -> None:
    for entry in sys.path:
        found = importlib.machinery.PathFinder.find_spec("devices", [entry])
        assert found is None or Path(entry).resolve() == ROOT, f"{entry} makes a bare `devices` importable"
    assert "devices" not in sys.modules


def test_the_folder_itself_refuses_the_bare_name() -> None:
    """From the top of a checkout Python finds the folder; it says what its name is."""
    done = subprocess.run(
        [sys.executable, "-c", "import devices.virtio.net"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "ImportError: the device library is vmstate.devices" in done.stderr


@pytest.mark.slow
def test_no_class_has_two_module_names() -> None:
    homes: dict[tuple[str, str, int], str] = {}
    for found in pkgutil.walk_packages(vmstate.__path__, "vmstate."):
        if found.name.endswith("__main__") or found.name == "vmstate.lab.receiver":
            continue
        try:
            module = importlib.import_module(found.name)
        except ImportError as error:
            pytest.skip(f"{found.name}: install {error.name}")
        for value in vars(module).values():
            if not inspect.isclass(value) or not value.__module__.startswith(("vmstate", "devices")):
                continue
            try:
                place = (inspect.getsourcefile(value) or "", value.__qualname__, inspect.getsourcelines(value)[1])
            except (OSError, TypeError):
                # Made while the library runs, from a description.
                continue
            key = (os.path.realpath(place[0]), place[1], place[2])
            assert homes.setdefault(key, value.__module__) == value.__module__
    assert len(homes) > 500
    assert not [name for name in sys.modules if name.partition(".")[0] == "devices"]
    assert devices.__name__ == "vmstate.devices"


def test_a_wheel_holds_no_top_level_devices(tmp_path: Path) -> None:
    build = pytest.importorskip("hatchling.build", reason="pip install hatchling")
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        wheel = tmp_path / build.build_wheel(str(tmp_path))
    finally:
        os.chdir(before)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"vmstate"}
    assert "vmstate/devices/virtio/net.py" in names
    assert len(names) == len(set(names))
