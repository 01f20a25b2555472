"""What holds a few values is written in one way: the idioms that docs/architecture.md tells, and no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "devices/vhost/abi.py": {"attrs"},
    "vmstate/qemu/keeper.py": {"typing.NamedTuple"},
    "vmstate/vmsd/data.py": {"typing.NamedTuple", "collections.namedtuple"},
    "vmstate/vmsd/state.py": {"attrs"},
}
"""What other idioms a module may use: C structures, a program that imports nothing, `Data` itself, `attrs.fields`."""


def idioms(tree: ast.AST) -> Iterator[str]:
    """The ways of making a record that a module imports, other than those of `vmstate.vmsd.data`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in ("attr", "attrs", "dataclasses"))
        elif isinstance(node, ast.ImportFrom):
            if node.module in ("attr", "attrs", "dataclasses"):
                yield node.module
            yield from (
                f"{node.module}.{alias.name}"
                for alias in node.names
                if alias.name in ("NamedTuple", "namedtuple")
                if node.module in ("typing", "collections")
            )


def test_the_search_sees_every_idiom() -> None:
    source = "import attrs\nfrom dataclasses import field\ndef f():\n    from typing import Any, NamedTuple\n"
    assert list(idioms(ast.parse(source))) == ["attrs", "dataclasses", "typing.NamedTuple"]


@pytest.mark.slow
def test_records_are_made_in_one_way() -> None:
    files = sorted([*(ROOT / "vmstate").rglob("*.py"), *(ROOT / "devices").rglob("*.py")])
    assert len(files) > 300
    odd = {}
    for file in files:
        name = str(file.relative_to(ROOT)).replace("vmstate/devices/", "devices/")
        used = set(idioms(ast.parse(file.read_text(encoding="utf-8"))))
        if used - ELSEWHERE.get(name, set()):
            odd[name] = used
    assert odd == {}
