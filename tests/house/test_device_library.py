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
from typing import Any

import pytest

import vmstate
from vmstate import devices
from vmstate.declare import description, this, uint8
from vmstate.errors import DescriptionError
from vmstate.vmsd.declare import check_key
from vmstate.vmsd.description import MAX_DEPTH, VMStateDescription, validate
from vmstate.vmsd.state import StateClass, VMState
from vmstate.vmsd.types import KeyedList

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
        spec = importlib.machinery.PathFinder.find_spec("devices", [entry])
        assert spec is None or Path(entry).resolve() == ROOT, f"{entry} makes a bare `devices` importable"
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
    for module_info in pkgutil.walk_packages(vmstate.__path__, "vmstate."):
        if module_info.name.endswith("__main__") or module_info.name == "vmstate.lab.receiver":
            continue
        try:
            module = importlib.import_module(module_info.name)
        except ImportError as error:
            pytest.skip(f"{module_info.name}: install {error.name}")
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


def test_every_description_of_the_library_can_be() -> None:
    """The library's own are completed when something asks, so only here does each of them show what is wrong."""
    described: dict[int, VMStateDescription] = {}
    for device in pkgutil.walk_packages(devices.__path__, "vmstate.devices."):
        for value in vars(importlib.import_module(device.name)).values():
            vmsd = getattr(value, "vmsd", value) if inspect.isclass(value) else value
            if isinstance(vmsd, VMStateDescription):
                described |= {id(part): part for part in vmsd.walk()}
    assert len(described) > 500
    for vmsd in described.values():
        validate(vmsd)
        assert vmsd.depth <= MAX_DEPTH
        for field in vmsd.fields:
            if isinstance(field.type, KeyedList):
                check_key(field.type)


def test_what_is_wrong_with_a_deferred_description_shows_when_it_is_looked_over() -> None:
    with pytest.raises(DescriptionError, match="'a' depends on 'b', which comes later"):
        _wrong("vmstate_of_others")
    vmsd = _wrong("vmstate.devices.example")
    assert (vmsd.name, vmsd.version_id) == ("wrong", 3)
    with pytest.raises(DescriptionError, match="'a' depends on 'b', which comes later"):
        validate(vmsd)


def _wrong(module: str) -> VMStateDescription:
    body = {"__module__": module, "a": uint8(exists=this.b == 1), "b": uint8()}
    vmsd: VMStateDescription = description("wrong", version_id=3)(StateClass("Wrong", (VMState,), body)).vmsd  # type: ignore[attr-defined]
    return vmsd


def test_a_deferred_description_is_as_one_that_is_not() -> None:
    """Asked for its defaults first, for its depth, or copied."""
    states = [_example("vmstate.devices.example"), _example("vmstate_of_others")]
    assert [state.vmsd.depth for state in states] == [1, 1]
    assert [repr(state()) for state in states] == ["Example(a=0, b=7)"] * 2
    assert [state.vmsd.encode(state(a=1)) for state in states] == [b"\1\7"] * 2
    assert [state.vmsd.replace(name="more").name for state in states] == ["more"] * 2
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = _example("vmstate.devices.example").vmsd.nothing


def _example(module: str) -> Any:
    body = {"__module__": module, "a": uint8(), "b": uint8(default=7)}
    return description("example")(StateClass("Example", (VMState,), body))


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
