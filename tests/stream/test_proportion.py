"""What a file takes of memory is bounded where it is sparse, and in proportion where its vmdesc is large."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmstate import VMStateError, load
from vmstate.codec.runtime import MOST_NUMBERS
from vmstate.errors import SchemaError
from vmstate.schema import vmdesc as whole
from vmstate.schema.large import LONGEST, Entries, read_entries
from vmstate.schema.vmdesc import LARGE, read_vmdesc
from vmstate.stream.verify import vmdesc_entries

from .test_scaling import device, field, one_device, section, stream, struct_field

MIB = 1 << 20
ITSELF = 24 * MIB
"""What Python and our modules take."""


CODE = """
import contextlib, os, sys
from vmstate.cli import main
with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
    code = main(sys.argv[1:])
held = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
print(code, held)
"""


def peak(*words: str) -> tuple[int, int, str]:
    """The exit code of a command, the most bytes that it held, and what it complained of."""
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True)
    code, held = done.stdout.split()
    return int(code), int(held) << 10, done.stderr


def sparse(path: Path, size: int, entry: dict[str, Any] | None) -> str:
    """A stream whose one section has so many bytes, none of which is on the disk."""
    text = json.dumps({"page_size": 4096, "devices": [entry]}).encode()
    head = b"QEVM\0\0\0\3" + section("dev", b"", footer=False)
    with open(path, "wb") as file:
        file.write(head)
        file.seek(len(head) + size)
        file.write(struct.pack(">BI", 0x7E, 1) + b"\0")
        if entry is not None:
            file.write(struct.pack(">BI", 6, len(text)) + text)
    return str(path)


GIB = 1 << 30
SPARSE: dict[str, tuple[int, dict[str, Any] | None]] = {
    "nothing describes it": (180 * MIB, None),
    "its length alone is told": (180 * MIB, {"name": "dev", "instance_id": 0, "size": 180 * MIB}),
    "a buffer": (GIB, device([field("b", "buffer", GIB)])),
    "an info": (GIB, device([field("b", "some info", GIB)])),
    "padding": (GIB, device([field("unused", "unused_buffer", GIB)])),
    "numbers": (MOST_NUMBERS + 1, device([field("b", array_len=MOST_NUMBERS + 1)])),
    "numbers in many arrays": (250 * MIB, device([field(f"b{n}", array_len=MIB) for n in range(250)])),
    "structs": (GIB, device([struct_field("a", [field("x")], array_len=GIB)])),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say how much memory was held at most")
@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("verb", ["info", "show"])
@pytest.mark.slow
def test_a_sparse_section(tmp_path: Path, kind: str, verb: str) -> None:
    code, held, printed = peak(verb, sparse(tmp_path / "sparse.mig", *SPARSE[kind]))
    assert (code, printed.count("\n")) in ((0, 0), (2, 1)), printed
    assert held < ITSELF + 64 * MIB, held


LARGE_VALUES = {
    "buffer": field("b", "buffer", 120 * MIB),
    "info": field("b", "some info", 120 * MIB),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say how much memory was held at most")
@pytest.mark.parametrize("kind", LARGE_VALUES)
@pytest.mark.parametrize(
    "words",
    [
        ["info"],
        ["verify"],
        ["find", "word"],
        ["thin", "-o", "/dev/null"],
    ],
)
@pytest.mark.slow
def test_a_large_value_is_held_once(tmp_path: Path, kind: str, words: list[str]) -> None:
    """Once, and in the pages of the file, which the system takes back where it needs them."""
    file = sparse(tmp_path / "large.mig", 120 * MIB, device([LARGE_VALUES[kind]]))
    verb, *more = words
    code, held, printed = peak(verb, file, *more)
    assert code in (0, 1), printed
    assert held < ITSELF + 270 * MIB, held


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say how much memory was held at most")
@pytest.mark.parametrize("words", ["set dev.b=7", "unpack"])
@pytest.mark.slow
def test_a_hole_behind_the_end_is_one_where_it_is_written(words: str, tmp_path: Path) -> None:
    """Of a terabyte, which nobody reads through."""
    verb, *more = words.split()
    path, written = tmp_path / "tail.mig", tmp_path / "out.mig"
    path.write_bytes(one_device(b"ab", [field("a"), field("b")]))
    with open(path, "r+b") as file:
        file.truncate(1 << 40)
    code, held, printed = peak(verb, str(path), *more, "-o", str(written))
    assert code == 0, printed
    assert held < ITSELF + 64 * MIB, held
    assert written.stat().st_size == 1 << 40 and written.stat().st_blocks * 512 < 3 * MIB
    code, held, printed = peak("diff", str(path), str(written))
    assert (code, printed) == (int(verb == "set"), "")
    assert held < ITSELF + 64 * MIB, held


def entries_of(count: int, entry: dict[str, Any]) -> bytes:
    return json.dumps({"page_size": 4096, "devices": [device([field("a")]), *[entry] * count]}).encode()


VMDESCS: dict[str, Callable[[], bytes]] = {
    "keys of one field": lambda: entries_of(1, device([field("a", **{f"k{n}": n for n in range(1_300_000)})])),
    "lists beside the devices": lambda: json.dumps({"more": [[[]]] * 2_000_000, "devices": []}).encode(),
    "many fields": lambda: entries_of(1, device([field(f"f{n}") for n in range(350_000)])),
    "lists in many entries": lambda: entries_of(9, {**device([field("a")]), "x": [[[]]] * 250_000}),
    "many entries": lambda: entries_of(400, device([field(f"field{n}") for n in range(1000)])),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say how much memory was held at most")
@pytest.mark.parametrize("kind", VMDESCS)
@pytest.mark.parametrize("verb", ["info", "verify"])
@pytest.mark.slow
def test_a_large_vmdesc(tmp_path: Path, kind: str, verb: str) -> None:
    data = stream(section("dev", b"a"), text=VMDESCS[kind]())
    path = tmp_path / "large.mig"
    path.write_bytes(data)
    code, held, printed = peak(verb, str(path))
    assert code in (0, 1, 2) and printed.count("\n") <= 1, printed
    # The file, the text, and what one entry is made into.
    assert held < ITSELF + 4 * len(data) + 112 * MIB


def test_a_large_vmdesc_says_what_it_says_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    node = '"vmsd_name": "el", "version": 1, "fields": [{"name": "x\u00e9", "type": "uint8", "size": 1}]'
    twice = f'{{"name": "l", "type": "qtailq", "size": 1, {node}, {node}}}'
    entry = f'{{"name": "dev", "instance_id": 0, "vmsd_name": "dev", "version": 1, "fields": [{twice}]}}'
    entries = ", \n".join([entry] * (2 * LARGE // len(entry)))
    text = f' {{"page_size": 4096, "more": [1], "devices": [{entries}] }} '.encode()
    assert len(text) > LARGE
    large = read_vmdesc.__wrapped__(text)
    packed = Entries(text, list)
    monkeypatch.setattr(whole, "LARGE", 1 << 30)
    assert repr(read_vmdesc.__wrapped__(text)) == repr(large)
    monkeypatch.setattr("vmstate.stream.verify.LARGE", 1 << 30)
    at_once = vmdesc_entries.__wrapped__(text)
    assert len(packed) == len(at_once) and packed[3] == at_once[3]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b'{"devices": [1',
        b'{"devices": [{}',
        b'{"devices": [{}}',
        b'{"devices": []',
        b'{"devices": []} x',
        b'{"devices" []}',
        b'{"page_size": "x", "devices": []}',
        b'{"devices": {}}',
        b'{"page_size": 4096}',
        b'{"devices": [], "\xff": 1}',
        b'{"devices": [' + b"[" * 100_000,
        b'{"devices": [{"name": "' + b"n" * LONGEST + b'"}]}',
        b'{"devices": [[' + b" " * LONGEST + b"]]}",
    ],
)
def test_a_large_vmdesc_that_is_none(text: bytes) -> None:
    with pytest.raises(SchemaError, match="vmdesc"):
        read_entries(text, None, spaced=False)


def test_a_large_vmdesc_without_devices() -> None:
    for text in (b'{"devices": []}', b'{"devices": [], "devices": []}', b'{ "more" : {} , "devices" : [ ] }'):
        assert read_entries(text, None, spaced=False)[0].devices == ()


def test_an_array_of_as_many_numbers_as_can_be() -> None:
    with load(one_device(bytes(MOST_NUMBERS), [field("a", array_len=MOST_NUMBERS)])) as read:
        assert read.sections[0].described_by == "vmdesc"
    with pytest.raises(VMStateError, match="dev: a: more numbers than any device has"):
        load(one_device(bytes(MOST_NUMBERS + 1), [field("a", array_len=MOST_NUMBERS + 1)]))
