"""A variable says what it holds: the words that say nothing are rare."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAY_NOTHING = frozenset(("one", "found", "other", "own", "there", "said"))
FOLDERS = {"vmstate": 80, "devices": 20, "tests": 60, "benchmarks": 10, "examples": 0}
"""The most such bindings of a folder."""


def bindings(tree: ast.AST) -> Iterator[str]:
    """Every name that is bound: assigned, a parameter, a loop's, a pattern's, a definition's."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.ExceptHandler(name=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name


def test_the_count_sees_every_kind_of_binding() -> None:
    source = (
        "def said(one, *, own=1):\n    for found in there: pass\n"
        "    return [other for other in one if (own := other)]\n"
    )
    assert sum(name in SAY_NOTHING for name in bindings(ast.parse(source))) == 6


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.slow
def test_variables_say_what_they_hold(folder: str) -> None:
    counts: Counter[str] = Counter()
    every = 0
    for file in sorted((ROOT / folder).rglob("*.py")):
        if file.is_relative_to(ROOT / "vmstate" / "devices"):
            # The link: these are the files of devices.
            continue
        names = list(bindings(ast.parse(file.read_text(encoding="utf-8"))))
        every += len(names)
        counts[str(file.relative_to(ROOT))] += sum(name in SAY_NOTHING for name in names)
    assert every > 40
    assert counts.total() <= FOLDERS[folder], counts.most_common(10)
