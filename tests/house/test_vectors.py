"""fixtures/vectors: the files are what the library makes, and a reader of its own finds the same values in them."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from recorded import FIXTURES

ROOT = FIXTURES.parent
GENERATOR = ROOT / ".ci" / "vectors.py"
NAMES = ("vocabulary", "early", "record", "refused")


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vectors", GENERATOR)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def vectors(name: str) -> list[dict[str, Any]]:
    document = json.loads((FIXTURES / "vectors" / f"{name}.json").read_text())
    assert (document["kind"], document["version"], document["name"]) == ("vectors", 1, name)
    return list(document["vectors"])


def bytes_of(vector: dict[str, Any]) -> bytes:
    """As docs/vectors.md says it."""
    data = bytearray(vector["size"])
    for offset, text, stride, count in vector["runs"]:
        run = bytes.fromhex(text)
        for number in range(count):
            place = offset + number * stride
            data[place : place + len(run)] = run
    assert len(data) == vector["size"]
    return bytes(data)


def test_they_are_where_the_generator_says() -> None:
    assert set(generator().FILES) == set(NAMES)
    assert {path.stem for path in (FIXTURES / "vectors").iterdir()} == set(NAMES)
    assert sum(path.stat().st_size for path in (FIXTURES / "vectors").iterdir()) < 400_000


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in NAMES])
def test_they_are_what_the_library_makes(name: str) -> None:
    """Where they differ: `make vectors`, and a look at what changed."""
    assert generator().text_of(name) == (FIXTURES / "vectors" / f"{name}.json").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_of_its_own_finds_the_values(name: str) -> None:
    """Numbers, truth and bytes at their places, by nothing but offset and size."""
    checked = 0
    for vector in vectors(name):
        data = bytes_of(vector)
        end = 0
        for told in vector.get("values", ()):
            offset, size, value = told["offset"], told["size"], told["value"]
            assert end <= offset and offset + size <= len(data), (vector["name"], told)
            end = offset + size
            raw = data[offset:end]
            if isinstance(value, bool):
                assert value is bool(int.from_bytes(raw, "big"))
            elif isinstance(value, int) and size in (1, 2, 4, 8) and told.get("order", "big") in ("big", "little"):
                assert value % (1 << 8 * size) == int.from_bytes(raw, told.get("order", "big")), (vector["name"], told)
            elif isinstance(value, str) and value == raw.hex():
                pass
            else:
                continue
            checked += 1
    assert name == "refused" or checked > 40


def test_what_is_accepted_and_what_is_refused() -> None:
    verdicts = {name: {vector["verdict"] for vector in vectors(name)} for name in NAMES}
    assert verdicts == {
        "vocabulary": {"accepted"},
        "early": {"accepted"},
        "record": {"accepted"},
        "refused": {"refused"},
    }
    assert all(vector["error"] for vector in vectors("refused"))
    assert {vector["mode"] for vector in vectors("record")} == {"minimal", "full"}
    named = [vector["name"] for name in NAMES for vector in vectors(name)]
    assert len(set(named)) == len(named) > 60


def test_runs_are_the_bytes() -> None:
    runs = generator().runs
    for data in (b"", bytes(40), b"\1", bytes(20) + b"\1\2" + bytes(20), b"\1" + bytes(19), (b"\7" + bytes(27)) * 30):
        assert bytes_of({"size": len(data), "runs": runs(data)}) == data
    assert runs((b"\7" + bytes(27)) * 30) == [[0, "07", 28, 30]]


def test_every_word_of_the_vocabulary_is_in_one() -> None:
    table = (
        (ROOT / "docs" / "format.md").read_text().partition("## The vocabulary on the wire")[2].partition("\n## ")[0]
    )
    words = {
        re.split(r"\W", word)[0]
        for line in table.splitlines()
        if line.startswith("| `")
        for word in re.findall(r"`([^`]+)`", line.split("|")[1])
    }
    assert len(words) > 45
    used = set(re.findall(r"\bd\.(\w+)", GENERATOR.read_text()))
    # What has no bytes cannot be seen in any.
    assert words - used - {"host"} == set()


def test_the_page_reads_them_as_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "vectors.md").read_text()
    for name in NAMES:
        assert f"`{name}.json`" in page
