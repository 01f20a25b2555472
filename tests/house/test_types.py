"""What a user writes type-checks: mypy --strict and pyright over the snippets of the documents and over tests/typing.

The snippets are taken out of README.md and docs/ as they stand, each a module of its own, and checked in one process.
tests/typing/public.py uses the whole face and says of what type each answer is; tests/typing/wrong.py holds mistakes,
each marked with what a checker must say of it: so a face that becomes `Any` somewhere is seen.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOMS, ROOT, blocks_of

TYPING = ROOT / "tests" / "typing"
PUBLIC, WRONG = TYPING / "public.py", TYPING / "wrong.py"
SECONDS = 300
HINT = "which the extra dev brings: pip install -e '.[dev]'"

MISTAKE = re.compile(r"# mistake: (?P<mypy>[\w-]+) (?P<pyright>\w+)$")


def snippets(folder: Path) -> dict[str, str]:
    """Module -> where the snippet stands; each is written into a folder."""
    places = {}
    for document in DOCUMENTS:
        for block in blocks_of(document.read_text(encoding="utf-8")):
            if block.language == "python":
                name = f"{document.stem.replace('-', '_').lower()}_{block.line}.py"
                (folder / name).write_text(block.body, encoding="utf-8")
                places[name] = f"{document.relative_to(ROOT)}:{block.line}"
    assert len(places) > 40
    return places


def mypy(*files: Path, folder: Path) -> list[tuple[str, int, str, str]]:
    """(file, line, rule, message) of every error that mypy --strict finds."""
    pytest.importorskip("mypy", reason=f"needs mypy, {HINT}")
    configuration = folder / "mypy.ini"
    configuration.write_text("[mypy]\nstrict = true\n", encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", str(configuration), "--output", "json"),
            *("--cache-dir", str(ROOT / ".mypy_cache" / "snippets")),
            *map(str, files),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert bool(told) == bool(done.returncode), done.stdout + done.stderr
    errors = [entry for entry in told if entry["severity"] == "error"]
    return [(Path(entry["file"]).name, entry["line"], entry["code"] or "", entry["message"]) for entry in errors]


def pyright(*files: Path, folder: Path) -> list[tuple[str, int, str, str]]:
    """The same of pyright, in the mode `standard`; it is basedpyright, which brings its own node."""
    if find_spec("basedpyright") is None:
        pytest.skip(f"needs basedpyright, {HINT}")
    (folder / "pyrightconfig.json").write_text(
        json.dumps({"typeCheckingMode": "standard", "include": [str(file) for file in files]}), encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] == len(files)
    return [
        (Path(entry["file"]).name, entry["range"]["start"]["line"] + 1, entry.get("rule", ""), entry["message"])
        for entry in told["generalDiagnostics"]
        if entry["severity"] == "error"
    ]


Checker = Callable[..., list[tuple[str, int, str, str]]]
CHECKERS = [pytest.param(mypy, id="mypy"), pytest.param(pyright, id="pyright")]


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_snippets_and_the_whole_face_type_check(checker: Checker, tmp_path: Path) -> None:
    places = snippets(tmp_path)
    (tmp_path / PUBLIC.name).write_bytes(PUBLIC.read_bytes())
    errors = checker(*(tmp_path / name for name in [*places, PUBLIC.name]), folder=tmp_path)
    assert [f"{places.get(file, file)} +{line}: {message} [{rule}]" for file, line, rule, message in errors] == []


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_mistakes_are_seen(checker: Checker, tmp_path: Path) -> None:
    """A checker that took everything for `Any` would find none of them."""
    lines = WRONG.read_text(encoding="utf-8").splitlines()
    marked = [
        (number, match[checker.__name__]) for number, line in enumerate(lines, 1) if (match := MISTAKE.search(line))
    ]
    assert len(marked) > 15
    copy = tmp_path / WRONG.name
    copy.write_bytes(WRONG.read_bytes())
    mistakes = [(line, rule) for _, line, rule, _ in checker(copy, folder=tmp_path)]
    assert sorted(set(mistakes)) == sorted(marked)


def test_the_whole_face_is_used() -> None:
    """Every public name of every room stands in tests/typing/public.py."""
    tree = ast.parse(PUBLIC.read_text(encoding="utf-8"))
    used = {
        (node.module, alias.name) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    } | {
        ("vmstate", node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "vmstate"
    }
    everywhere = {name for _, name in used}
    missing = [(room, name) for room in ROOMS for name in import_module(room).__all__ if name not in everywhere]
    assert missing == []


def test_no_snippet_silences_a_checker() -> None:
    for document in DOCUMENTS:
        for block in blocks_of(document.read_text(encoding="utf-8")):
            assert block.language != "python" or not re.search(r"type: ignore|pyright: ignore|cast\(", block.body)
