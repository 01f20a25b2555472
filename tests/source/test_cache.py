"""A tree that was read once is not read again, and one that differs only as far as it does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vmstate.source import cache
from vmstate.source.reading import read_tree

BEEPER = Path(__file__).resolve().parents[2] / "fixtures" / "source" / "beeper"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(BEEPER, tmp_path / "tree")
    (tmp_path / "tree" / "hw" / "none.c").write_text("int nothing;\n", encoding="utf-8")
    return tmp_path / "tree"


def test_what_was_read_is_kept(tree: Path) -> None:
    first = read_tree(str(tree), cached=True)
    second = read_tree(str(tree), cached=True)
    assert (first.read, second.read) == (3, 0)
    assert first.units == second.units
    # Another configuration is another result.
    assert read_tree(str(tree), cached=True, options={"CONFIG_X": False}).read == 3


def test_a_header_that_was_changed_is_read_again(tree: Path) -> None:
    read_tree(str(tree), cached=True)
    header = tree / "include" / "hw" / "beeper.h"
    header.write_text(header.read_text(encoding="utf-8").replace("4 << 1", "4 << 2"), encoding="utf-8")
    after = read_tree(str(tree), cached=True)
    assert after.read == 1
    (regs,) = (vmsd for vmsd in after.descriptions() if vmsd.name == "beeper/regs")
    assert regs.fields[1].count == 16


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x78\x01"])
def test_a_spoilt_cache_is_none(tree: Path, content: bytes) -> None:
    first = read_tree(str(tree), cached=True)
    (file,) = Path(cache.folder()).iterdir()
    file.write_bytes(content)
    assert read_tree(str(tree), cached=True).units == first.units


def test_no_more_than_a_few_trees_are_kept(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_KEPT", 2)
    for number in range(4):
        read_tree(str(tree), cached=True, options={f"CONFIG_{number}": True})
    assert len(list(Path(cache.folder()).iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    assert read_tree(str(tree), cached=True).read == 3
