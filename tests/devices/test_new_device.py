"""A virtio device that is added in one new file has everything that one of the library has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from libraries import install, run
from recorded import FIXTURES, ROOT

SUPPORT = Path(__file__).resolve().parents[1] / "support"
DEVICE = (SUPPORT / "virtio_mine.py").read_text(encoding="utf-8")
RECORDED = FIXTURES / "recorded" / "qemu-10.0-q35-virtio-devices-booted.mig.xz"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package, with the device library in it."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "vmstate", tmp_path / "vmstate", ignore=shutil.ignore_patterns("__pycache__", "devices"))
    shutil.copytree(ROOT / "devices", tmp_path / "vmstate" / "devices", ignore=ignored)
    return tmp_path


def check(folder: Path, path: Path | None) -> None:
    pytest.importorskip("hypothesis", reason="pip install 'qemu-vmstate[fuzz]'")
    done = run(folder, SUPPORT / "check_virtio_mine.py", RECORDED, path=path)
    assert done.stdout == "all there\n", done.stderr


@pytest.mark.slow
def test_a_virtio_device_in_one_file_of_the_library(tree: Path) -> None:
    (tree / "vmstate" / "devices" / "virtio" / "mine.py").write_text(DEVICE)
    done = run(tree, "-m", "vmstate.devices.index", path=tree)
    assert done.returncode == 0, done.stderr
    check(tree, tree)


@pytest.mark.slow
def test_a_virtio_device_in_one_file_of_others(tmp_path: Path) -> None:
    install(tmp_path, f'{DEVICE}\n\nINDEX = {{"virtio-mine": ("mydevices:VirtIOMine",)}}\n')
    check(tmp_path, None)


def test_a_new_file_is_seen_before_make_index(tree: Path) -> None:
    """By what the test of the index compares."""
    (tree / "vmstate" / "devices" / "virtio" / "mine.py").write_text(DEVICE)
    code = (
        "from pathlib import Path; from vmstate import devices; from vmstate.devices import _index, index; "
        "print(devices.__file__, index.tables_of(devices).source == Path(_index.__file__).read_text())"
    )
    assert run(tree, "-c", code, path=tree).stdout == f"{tree}/vmstate/devices/__init__.py False\n"
