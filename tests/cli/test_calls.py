"""What a verb does grows no faster than what its stream holds: calls are counted, which no busy machine changes."""

from __future__ import annotations

import gc
import math
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from vmstate.cli import main
from vmstate.schema.vmdesc import read_vmdesc

from ..stream import test_scaling as inputs

STEEPEST = 1.3
TIMES = 4
"""How many times as large the second input is."""

VERBS: dict[str, list[str]] = {
    "diff": ["diff", "A", "B"],
    "set": ["set", "A", "configuration.name=pc-q35-7.1", "-o", "OUT"],
    "repair": ["repair", "A", "--against", "B", "-o", "OUT"],
    "explain": ["explain", "A", "--against", "B"],
    "cmdline": ["cmdline", "A"],
    "report": ["report", "A", "-o", "OUT"],
    "thin": ["thin", "A", "-o", "OUT"],
    "scrub": ["thin", "--scrub", "A", "-o", "OUT"],
    "find": ["find", "A", "f1"],
}


CHANGED = ("fields", "elements", "array_of_structs", "names_in_pairs", "nesting")
"""Of these a stream is held against one with another value; of the others against one with a byte behind its end."""


def nesting(count: int) -> bytes:
    """Structs in one another as deep as can be, many times."""
    inner: list[Any] = [inputs.field("x")]
    for level in range(20):
        inner = [inputs.struct_field("s", inner, f"v{level}")]
    return inputs.one_device(bytes(count), [{**inner[0], "name": f"s{number}"} for number in range(count)])


SIZES = {
    "sections": 60,
    "blocks": 60,
    "fields": 200,
    "elements": 200,
    "array_of_structs": 60,
    "names_in_pairs": 100,
    "subsections": 40,
    "size_of_vmdesc": 100,
    "nesting": 10,
}


MACHINE = b"pc-q35-7.2"


def of_a_machine(data: bytes) -> bytes:
    """The same stream with the type of a machine."""
    return data[:8] + struct.pack(">BI", 7, len(MACHINE)) + MACHINE + data[8:]


def changed(data: bytes) -> bytes:
    """The same stream with another value at the end of its first section."""
    footer = data.find(b"\x7e\0\0\0")
    return data[: footer - 1] + bytes((data[footer - 1] ^ 1,)) + data[footer:]


def calls(words: list[str]) -> int:
    """How often a function is called, of Python or of C, by a command."""
    read_vmdesc.cache_clear()
    count = 0

    def counted(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()
    sys.setprofile(counted)
    try:
        main(words)
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("dimension", SIZES)
def test_calls_grow_with_the_size(
    verb: str, dimension: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make = nesting if dimension == "nesting" else getattr(inputs, dimension)
    counts = []
    # The first imports what is needed, and is not counted.
    for size in (SIZES[dimension], SIZES[dimension], TIMES * SIZES[dimension], TIMES**2 * SIZES[dimension]):
        data = of_a_machine(make(size))
        places = {"A": tmp_path / "a.mig", "B": tmp_path / "b.mig", "OUT": tmp_path / "out"}
        places["A"].write_bytes(data)
        places["B"].write_bytes(changed(data) if dimension in CHANGED else data + b"\0")
        counts.append(calls([str(places.get(word, word)) for word in VERBS[verb]]))
        assert "Traceback" not in capsys.readouterr().err
    _, small, middle, large = counts
    # Without what each command does anyway.
    grown = (large - small) / max(middle - small, small / 10)
    assert math.log(max(grown, 1), TIMES) < STEEPEST, counts
