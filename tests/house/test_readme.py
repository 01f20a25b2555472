"""The documents do what they say: every command and every snippet in README.md and docs/ is run, in order.

* A ```sh block is run by bash, and stops at the first command that fails.
* A ```python block is a program of its own, run in the same folder.
* A ```text block right behind one of them is what it prints. As in doctest, `...` there stands for anything.
* A ```text block with the name of a fixture behind its language is a hexdump of that fixture.
* A block with `not-in-tests` behind its language is not run; one with `needs-qemu` only where there is a QEMU.

The commands of one document share a folder, in which there are copies of the fixtures that the document names.
"""

from __future__ import annotations

import doctest
import lzma
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from itertools import zip_longest
from pathlib import Path
from types import FunctionType
from typing import NamedTuple

import pytest
from documents import DOCUMENTS, FENCE, ROOT, Block, blocks_of

from vmstate import declare
from vmstate.saved.corpus import corpus_members

FIXTURE = re.compile(r"fixtures/(?:source/\w+|[\w./-]+\.(?:xz|jsonl?|trace)\b)")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([\w-]+))?\)|(?:src|href)=\"(?!\w+:)([^\"#]+)\"")
HEX = re.compile(r"([0-9a-f]{8})  ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: |$)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
LANGUAGES = {"sh", "python", "text", "json", "toml", "c", "make", "mermaid"}
NOT_IN_TESTS = "not-in-tests"
NEEDS_QEMU = "needs-qemu"
SECONDS = 60


class Step(NamedTuple):
    """A block to run, and what it prints if the document says so."""

    block: Block
    expected: str | None


def steps_of(text: str) -> Iterator[Step]:
    blocks = blocks_of(text)
    for block, behind in zip_longest(blocks, blocks[1:]):
        if block.language not in ("sh", "python") or NOT_IN_TESTS in block.marks:
            continue
        if NEEDS_QEMU in block.marks and shutil.which("qemu-system-x86_64") is None:
            continue
        adjoins = behind is not None and behind.language == "text" and not text[block.end : behind.start].strip()
        yield Step(block, behind.body if behind is not None and adjoins else None)


def environment_in(folder: Path) -> dict[str, str]:
    """`vmstate` is the command that is installed beside this Python, or else `python -m vmstate`."""
    commands = folder / ".bin"
    commands.mkdir()
    if not (Path(sys.executable).parent / "vmstate").exists():
        command = commands / "vmstate"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vmstate "$@"\n', encoding="utf-8")
        command.chmod(0o755)
    places = (str(commands), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
    kept = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "PYTHONSTARTUP")}
    if not entry_points(group="pytest11", name="vmstate"):
        kept["PYTEST_PLUGINS"] = "vmstate.pytest_plugin"
    return {
        **kept,
        "PATH": os.pathsep.join(places),
        "PYTHONPATH": "",
        "PYTHONUTF8": "1",
        "XDG_CACHE_HOME": str(folder / ".cache"),
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
    }


def copy_fixtures(text: str, folder: Path) -> None:
    for name in sorted(set(FIXTURE.findall(text))):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target)
        else:
            shutil.copyfile(ROOT / name, target)


def run(block: Block, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    # A program in a file of its own, as a reader would have it.
    program = folder / ".bin" / f"line{block.line}"
    program.write_text(block.body, encoding="utf-8")
    return subprocess.run(
        [*(["bash", "-eu"] if block.language == "sh" else [sys.executable]), str(program)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=SECONDS,
    )


def complaint(step: Step, done: subprocess.CompletedProcess[str]) -> str | None:
    """What is wrong with a block that was run, if anything."""
    if done.returncode != 0:
        return f"exit code {done.returncode}:\n{step.block.body}\n{done.stdout}"
    if step.expected is None:
        return None
    checker = doctest.OutputChecker()
    if checker.check_output(step.expected, done.stdout, doctest.ELLIPSIS):
        return None
    example = doctest.Example(step.block.body, step.expected)
    return f"{step.block.body}\n{checker.output_difference(example, done.stdout, doctest.REPORT_NDIFF)}"


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_does_what_the_document_says(document: Path, tmp_path: Path) -> None:
    text = document.read_text(encoding="utf-8")
    copy_fixtures(text, tmp_path)
    environment = environment_in(tmp_path)
    wrong = []
    for step in steps_of(text):
        told = complaint(step, run(step.block, tmp_path, environment))
        if told is not None:
            wrong.append(f"{document.relative_to(ROOT)}:{step.block.line}: {told}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/declaring.md", "docs/editing.md", "docs/reading.md"])
def test_first_pages_need_nothing_but_the_package(name: str, tmp_path: Path) -> None:
    environment = environment_in(tmp_path)
    assert run(Block(0, "sh", (), "vmstate examples", 0, 0), tmp_path, environment).returncode == 0
    told = [
        complaint(step, run(step.block, tmp_path, environment))
        for step in steps_of((ROOT / name).read_text(encoding="utf-8"))
    ]
    assert len(told) > 2
    assert not any(told), "\n\n".join(filter(None, told))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_the_package_does_not_hold_is_told(document: Path) -> None:
    """Whoever has the package alone is told on a page what of its blocks needs files of the repository."""
    examples = {f"fixtures/{name}.xz" for name, _ in corpus_members()}
    text = document.read_text(encoding="utf-8")
    named = {name for step in steps_of(text) for name in FIXTURE.findall(step.block.body)}
    assert not named - examples or "the\nrepository's" in text or "the repository's" in text, sorted(named - examples)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_blocks_are_of_a_known_language(document: Path) -> None:
    blocks = blocks_of(document.read_text(encoding="utf-8"))
    assert [(block.line, block.language) for block in blocks if block.language not in LANGUAGES] == []


def anchors_of(text: str) -> set[str]:
    """The anchors of the headings, as a forge makes them."""
    headings = HEADING.findall(FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_hexdumps_are_of_the_file(document: Path) -> None:
    wrong = []
    for block in blocks_of(document.read_text(encoding="utf-8")):
        for name in (mark for mark in block.marks if FIXTURE.fullmatch(mark)):
            data = lzma.decompress((ROOT / name).read_bytes())
            lines = [HEX.match(line) for line in block.body.splitlines()]
            assert lines and all(lines), f"{document.name}:{block.line}"
            for line in filter(None, lines):
                offset, shown = int(line[1], 16), bytes.fromhex(line[2])
                if data[offset : offset + len(shown)] != shown:
                    wrong.append(line[0])
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for match in LINK.finditer(FENCE.sub("", document.read_text(encoding="utf-8"))):
        path, anchor, source = match.groups()
        target = document.parent / (path or source) if path or source else document
        missing = not target.exists()
        if missing or (anchor and anchor not in anchors_of(target.read_text(encoding="utf-8"))):
            broken.append(match.group())
    assert broken == []


def test_every_word_is_in_the_table_of_the_wire() -> None:
    words = {
        name
        for name in declare.__all__
        if getattr(declare, name).__class__ is FunctionType
        and getattr(declare, name).__module__ == "vmstate.vmsd.declare"
    } - {"description", "device", "later", "part", "rule", "secret", "undescribed", "variant", "virtio_device"}
    assert len(words) > 50
    table = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    assert sorted(word for word in words if not re.search(rf"`{word}\b", table)) == []


@pytest.mark.slow
def test_the_page_of_the_api_is_that_of_the_tree() -> None:
    """`make api` writes it."""
    made = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import runpy; print(runpy.run_path({str(ROOT / '.ci' / 'api.py')!r})['page'](), end='')",
        ],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        check=True,
    )
    assert made.stdout == (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_runner_sees_what_fails(tmp_path: Path) -> None:
    text = (
        "```sh\necho one\n```\n\n```text\ntwo\n```\n\n```python\nraise SystemExit(3)\n```\n\n```sh\nfalse\ntrue\n```\n"
    )
    environment = environment_in(tmp_path)
    told = [complaint(step, run(step.block, tmp_path, environment)) for step in steps_of(text)]
    assert [answer is not None for answer in told] == [True, True, True]


def test_the_runner_leaves_out_what_is_marked() -> None:
    text = f"```sh {NOT_IN_TESTS}\nmake demo\n```\n\n```sh\ntrue\n```\nwords\n```text\nno output\n```\n"
    assert [(step.block.body, step.expected) for step in steps_of(text)] == [("true\n", None)]
