"""The command `vmstate`: what it prints, and how it ends."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import re
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
import zstandard
from handmade import scalar, stream_with, structure, vmdesc_text
from recorded import BARE, FIXTURES, MICROVM, NO_VMDESC, NONE, S390X, TWO_SLIRPS, opened, plain

from vmstate import __version__
from vmstate.cli import VERBS, main
from vmstate.cli.purposes import PURPOSES
from vmstate.errors import one_line
from vmstate.files import size_text
from vmstate.report.text import text_of

DIRTY_BITMAPS = "recorded/qemu-11.1-microvm-dirty-bitmaps-cold.mig.xz"
XBZRLE = "recorded/qemu-7.2-pc-xbzrle.mig.xz"


class Outcome:
    """What a command has done."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """The output, which must be JSON in one line."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def vmstate(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command in this process."""

    def run(*arguments: str | Path) -> Outcome:
        try:
            code: Any = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return run


Run = Callable[..., Outcome]


def fixture(file: str) -> str:
    return str(FIXTURES / file)


def command(*arguments: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a user does."""
    env = {**os.environ, **how.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "vmstate", *arguments], capture_output=True, env=env, check=False, **how
    )


def section(name: bytes, body: bytes = b"x") -> bytes:
    """A section that nothing describes."""
    head = struct.pack(">BIB", 4, 1, len(name)) + name + struct.pack(">II", 0, 1)
    return head + body + struct.pack(">BI", 0x7E, 1)


def failure(outcome: Outcome) -> str:
    """The one line of a command that could not do its work."""
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("vmstate: ")
    assert outcome.err.count("\n") == 1
    assert outcome.err.endswith("\n")
    return outcome.err[len("vmstate: ") : -1]


# The command line


def test_help_and_version(vmstate: Run) -> None:
    assert vmstate("--version").out == f"vmstate {__version__}\n"
    told = vmstate("--help")
    assert (told.code, told.err) == (0, "")
    assert tuple(PURPOSES) == VERBS
    for verb, purpose in PURPOSES.items():
        assert re.search(rf"^ +{verb} +{purpose[:20]}", told.out, re.MULTILINE), verb
        help_text = vmstate(verb, "--help")
        assert (help_text.code, help_text.err) == (0, "")
        assert help_text.out.startswith(f"usage: vmstate {verb}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"one of {', '.join(VERBS)} is needed (see vmstate --help)"),
        (["frobnicate"], "argument VERB: invalid choice: 'frobnicate'"),
        (["info"], "which stream? (expected a FILE, or a running machine (--qmp SOCKET))"),
        (["decode", "a", "b"], "unrecognized arguments: b"),
        (["diff", "a", "b", "c"], "unrecognized arguments: c"),
        (["inof", "a"], "argument VERB: there is no 'inof': did you mean info? (see vmstate --help)"),
        (["grep", "a", "b"], "argument VERB: there is no 'grep': did you mean find?"),
        (["help", "info"], "argument VERB: there is no 'help': did you mean --help?"),
        (["early", "check"], "argument ACTION: invalid choice: 'check'"),
        (["info", "a", "--format", "jsno"], "argument --format: there is no 'jsno': did you mean json?"),
        (["info", "a", "--fromat", "json"], "unrecognized arguments: --fromat json: did you mean --format?"),
        (["early", "paln", "a"], "argument ACTION: there is no 'paln': did you mean plan?"),
        (["info", "a", "--format", "xml"], "argument --format: invalid choice: 'xml'"),
        (["encode", "a"], "the following arguments are required: -o/--output"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_usage_is_one_line_too(vmstate: Run, arguments: list[str], message: str) -> None:
    assert failure(vmstate(*arguments)).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["info", "FILE", "--x\x1b[31m"], 2),
        (["capture", "--pid", "a\nb\0", "-o", "x"], 2),
        (["find", "FILE", "9" * 5000], 1),
        (["find", "FILE", "0x" + "f" * 5000], 1),
        (["thin", "FILE", "--scrub-key", "\udcff", "-o", "OUT"], 0),
        (["thin", "FILE", "-o", "a\0b"], 2),
        (["fuzz", "decoder", "--seed", "FILE", "--runs", "1", "-o", "a\0b"], 2),
        (["fuzz", "decoder", "--replay", "a\0b"], 2),
        (["show", "FILE", "\udcff"], 2),
        (["set", "FILE", "timer.cpu_ticks_offset=" + "[" * 100_000, "-o", "OUT"], 2),
        (["set", "FILE", "timer=" + '{"a":' * 100_000, "-o", "OUT"], 2),
        (["compat", "FILE", "FILE", "--fact", "x=" + "[" * 100_000], 0),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_odd_words_are_no_fault_of_the_program(vmstate: Run, arguments: list[str], code: int, tmp_path: Path) -> None:
    """Control characters, bytes that are no text, numbers without end: of whoever calls it, or of another program."""
    names = {"FILE": fixture(NONE), "OUT": str(tmp_path / "out")}
    outcome = vmstate(*(names.get(word, word) for word in arguments))
    assert outcome.code == code
    assert outcome.err.count("\n") == (code == 2)
    assert outcome.err.rstrip("\n").isprintable()


def test_options_stand_anywhere(vmstate: Run) -> None:
    asked = [
        ["show", fixture(BARE), "timer.cpu_clock_offset", "--format", "json"],
        ["show", "--format", "json", fixture(BARE), "timer.cpu_clock_offset"],
        ["show", fixture(BARE), "--format", "json", "timer.cpu_clock_offset"],
    ]
    told = [vmstate(*arguments) for arguments in asked]
    assert len({(answer.code, answer.out, answer.err) for answer in told}) == 1
    assert isinstance(told[0].json, int)


# info


def test_info(vmstate: Run) -> None:
    told = vmstate("info", fixture(MICROVM))
    assert (told.code, told.err) == (0, "")
    assert told.lines[:5] == [
        f"{fixture(MICROVM)}: QEMU migration stream, version 3",
        "  machine       microvm",
        "  capabilities  x-ignore-shared",
        "  vmdesc        16,141 bytes",
        "  RAM           96.07 MiB in 5 blocks; pages: 8 page, 11 zero",
    ]
    assert "        96 MiB  m0" in told.lines
    memory, *rows = told.lines[told.lines.index("  20 sections") + 1 :]
    assert memory.split(maxsplit=1)[1].startswith("not in it, but in a file of its own: m0 (96 MiB)")
    assert rows[0].split() == ["offset", "size", "id", "kind", "version", "described", "by", "name"]
    assert len(rows) == 21
    # A table: the offsets end in one column, and the names begin in one.
    assert len({re.search(r"0x[0-9a-f]+", row).end() for row in rows[1:]}) == 1  # type: ignore[union-attr]
    begins = rows[0].index("name")
    assert [row[begins:] for row in rows[1:]] == [
        section.name + (f"#{section.instance_id}" if section.instance_id else "")
        for section in opened(MICROVM).sections
    ]


def test_info_json(vmstate: Run) -> None:
    told = vmstate("info", "--format", "json", fixture(MICROVM)).json
    stream = opened(MICROVM)
    assert list(told) == ["file", "version", "machine", "capabilities", "vmdesc", "ram", "sections", "left_out"]
    assert told["left_out"]["blocks"] == ["m0"]
    assert (told["file"], told["version"], told["machine"]) == (fixture(MICROVM), 3, "microvm")
    assert told["capabilities"] == ["x-ignore-shared"]
    assert told["vmdesc"] == len(stream.vmdesc_text or b"")
    assert told["ram"]["total"] == sum(block["used_length"] for block in told["ram"]["blocks"])
    assert told["ram"]["pages"] == {"page": 8, "zero": 11}
    assert [section["name"] for section in told["sections"]] == [section.name for section in stream.sections]
    assert all(list(section) == SECTION_KEYS[:-1] for section in told["sections"])


def test_info_of_a_stream_without_anything(vmstate: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.mig"
    path.write_bytes(b"QEVM\0\0\0\3\0")
    told = vmstate("info", path)
    assert told.lines == [
        f"{path}: QEMU migration stream, version 3",
        "  machine       not said (no configuration section)",
        "  capabilities  none that change the stream",
        "  vmdesc        none",
        "  RAM           0 B in 0 blocks; pages: none",
        "  0 sections",
        "  offset  size  id  kind  version  described by  name",
    ]


@pytest.mark.parametrize("verb", ["info", "show"])
def test_parts_take_one_line(vmstate: Run, verb: str) -> None:
    """What is iterable comes in hundreds of parts, and takes turns with others."""
    told = vmstate(verb, fixture(XBZRLE))
    assert sum("767 parts" in line for line in told.lines) == 1
    assert len(told.lines) < 2000
    assert len(vmstate("info", "--format", "json", fixture(XBZRLE)).json["sections"]) == 800


def test_turns_are_sorted(vmstate: Run) -> None:
    sections = opened(DIRTY_BITMAPS).sections
    lines = vmstate("info", fixture(DIRTY_BITMAPS)).lines
    rows = [line.split() for line in lines[lines.index(f"  {len(sections)} sections") + 2 :]]
    parts = sum(section.kind == "part" and section.is_ram for section in sections)
    assert [(row[3], row[-1]) for row in rows[:4]] == [
        ("start", "ram"),
        ("start", "dirty-bitmap"),
        (str(parts), "ram"),
        (str(parts), "dirty-bitmap"),
    ]
    assert sum(int(row[1].replace(",", "")) for row in rows) == sum(section.size for section in sections)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1 << 20, "1 MiB"),
        (3 << 39, "1.5 TiB"),
        (1 << 60, "1.049e+06 TiB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text


# show

SECTION_KEYS = [
    "name",
    "instance_id",
    "section_id",
    "kind",
    "version_id",
    "offset",
    "size",
    "described_by",
    "state",
]


@pytest.mark.parametrize("file", [MICROVM, NONE, NO_VMDESC, S390X, "recorded/qemu-10.0-pc-devices2-cold.mig.xz"])
def test_show_json(vmstate: Run, file: str) -> None:
    told = vmstate("show", fixture(file), "--format", "json").json
    stream = opened(file)
    assert list(told) == ["file", "version", "configuration", "vmdesc", "sections"]
    assert told["file"] == fixture(file)
    assert told["version"] == 3
    assert told["vmdesc"] is (stream.vmdesc_text is not None)
    if stream.configuration is None:
        assert told["configuration"] is None
    else:
        assert told["configuration"]["name"] == stream.configuration.machine
    for entry, section in zip(told["sections"], stream.sections, strict=True):
        assert list(entry) == SECTION_KEYS
        for key in SECTION_KEYS[:-1]:
            assert entry[key] == getattr(section, key), key
        if section.is_ram:
            assert list(entry["state"]) == ["total", "blocks", "pages"]
        else:
            same(entry["state"], section.state)


def same(plain_value: Any, value: Any) -> None:
    """JSON says the same as a value: bytes as lower-case hex, integers as numbers."""
    if isinstance(value, bytes):
        assert plain_value == value.hex()
        assert plain_value == plain_value.lower()
    elif isinstance(value, (bool, str)) or value is None:
        assert plain_value == value
        assert type(plain_value) is type(value)
    elif isinstance(value, int):
        assert type(plain_value) is int
        assert plain_value == value
    elif isinstance(value, dict):
        assert list(plain_value) == list(value)
        for key, inner in value.items():
            same(plain_value[key], inner)
    elif hasattr(value, "__vmstate_defaults__"):
        assert list(plain_value) == list(value.__vmstate_defaults__)
        for key in plain_value:
            same(plain_value[key], getattr(value, key))
    else:
        assert len(plain_value) == len(value)
        for plain_item, item in zip(plain_value, value, strict=True):
            same(plain_item, item)


def test_show_is_a_tree(vmstate: Run) -> None:
    told = vmstate("show", fixture(MICROVM), "serial")
    assert (told.code, told.err) == (0, "")
    assert told.lines[:3] == ["serial", "└── state", "    ├── divider: 12 (0xc)"]
    assert all(len(line) < 200 for line in vmstate("show", fixture(MICROVM)).lines)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("serial.state.divider", "12 (0xc)"),
        ("i8259#1.imr", "255 (0xff)"),
        ("i8259#0.imr", "251 (0xfb)"),
        ("cpu.env.cr[3]", "90587136 (0x5664000)"),
        ('cpu."env.cr[3]"', "90587136 (0x5664000)"),
        ("cpu.env.segs[1].selector", "16 (0x10)"),
        ("cpu.env.regs[1]", "0"),
        ("globalstate.runstate", '"running" (100 bytes)'),
        ("configuration.name", "microvm"),
        ("virtio-net.virtio", None),
    ],
)
def test_paths(vmstate: Run, path: str, shown: str | None) -> None:
    told = vmstate("show", fixture(MICROVM), path)
    assert (told.code, told.err) == (0, "")
    if shown is not None:
        assert told.out == shown + "\n"


def test_sections_by_full_and_short_name(vmstate: Run) -> None:
    file = fixture("qemu-7.2-q35-virtio-net.mig.xz")
    names = ["0000:00:1f.0/ICH9LPC", "ICH9LPC", "ICH9LPC#0", "0000:00:1f.0/ICH9LPC#0"]
    told = [vmstate("show", file, name, "--format", "json") for name in names]
    assert {(answer.code, answer.out) for answer in told} == {(0, told[0].out)}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("i8259", "'i8259' means more than one section (expected one of i8259#0, i8259#1)"),
        ("i8259#7", "the stream has no section 'i8259#7' (expected i8259"),
        ("seriel", "the stream has no section 'seriel' (expected serial)"),
        ("serial.stat", "serial: stat: there is no 'stat' (expected state)"),
        ("serial.state.nothing", "there is no 'nothing' (expected divider, rbr, ier, iir, lcr, mcr, lsr, msr, "),
        ("cpu.env.segs[6]", "cpu: env.segs[6]: no such element (expected an index below 6)"),
        ("cpu.env.segs[0][0]", "cpu"),
        ("cpu.env.segs[0].selector.x", "has nothing inside it by name"),
        ("cpu.env.segs[", "env.segs has nothing inside it by name (found '[')"),
        ("serial.state.", "cannot read the path"),
        ("", "no section is named"),
        (".", "the stream has no section"),
        ("#", "the stream has no section"),
        ("serial#²", "the stream has no section"),
        ("serial#" + "9" * 5000, "the stream has no section"),
        ("serial#-1", "the stream has no section"),
        ("\x1b[31m", "the stream has no section"),
    ],
)
def test_paths_that_mean_nothing(vmstate: Run, path: str, message: str) -> None:
    line = failure(vmstate("show", fixture(MICROVM), path))
    assert line.startswith(fixture(MICROVM) + ": ")
    assert message in line
    assert line.isprintable()


def test_an_element_is_meant_before_a_name_that_looks_like_one(vmstate: Run, tmp_path: Path) -> None:
    fields = structure("ch", [scalar("x")], 1, '"array_len": 2, ') + ", " + scalar("ch[0].x") + ", " + scalar("ch[0].y")
    path = tmp_path / "x.mig"
    path.write_bytes(stream_with(vmdesc_text(fields), b"\1\2\3\4"))
    for text, value in (("ch[0].x", "1"), ("ch[1].x", "2"), ('"ch[0].x"', "3"), ('"ch[0].y"', "4")):
        assert vmstate("show", path, f"dev.{text}").out == value + "\n"


def test_long_arrays_of_equal_elements_are_folded(vmstate: Run, tmp_path: Path) -> None:
    fields = ", ".join(
        [
            structure("s", [scalar("x"), scalar("y")], 2, '"array_len": 1000, '),
            scalar("z", 4, '"array_len": 300, '),
            scalar("f", 2, '"array_len": 5, '),
            scalar("w", 8, '"array_len": 2, '),
        ]
    )
    body = bytes(10) + b"\1\2" + bytes(1988) + bytes(1200) + bytes(9) + b"\7" + b"\xff" * 8 + bytes(7) + b"\1"
    path = tmp_path / "x.mig"
    path.write_bytes(stream_with(vmdesc_text(fields), body))
    assert vmstate("show", path, "dev").lines == [
        "dev",
        "├── s",
        "│   ├── [0..4]",
        "│   │   ├── x: 0",
        "│   │   └── y: 0",
        "│   ├── [5]",
        "│   │   ├── x: 1",
        "│   │   └── y: 2",
        "│   └── [6..999]",
        "│       ├── x: 0",
        "│       └── y: 0",
        "├── z: 300 times 0",
        "├── f: [0, 0, 0, 0, 7]",
        "└── w: [0xffffffffffffffff, 1]",
    ]
    assert len(vmstate("show", path, "dev", "--format", "json").json["s"]) == 1000


def test_many_numbers_stand_in_rows(vmstate: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.mig"
    path.write_bytes(stream_with(vmdesc_text(scalar("z", more='"array_len": 20, ')), bytes(range(20))))
    assert vmstate("show", path, "dev").lines == [
        "dev",
        "└── z",
        "    ├── [0..7]: [0, 1, 2, 3, 4, 5, 6, 7]",
        "    ├── [8..15]: [8, 9, 10, 11, 12, 13, 14, 15]",
        "    └── [16..19]: [16, 17, 18, 19]",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (0, "0"),
        (-1, "-1"),
        (255, "255 (0xff)"),
        (-255, "-255 (-0xff)"),
        (None, "NULL"),
        (b"", "no bytes"),
        (b"\0", "00"),
        (bytes(5), "5 bytes, all zero"),
        (b"\x52\x54\0\x12\x34\x56", "52540012 3456"),
        (b"\xff" * 40, "ffffffff " * 8 + "... (40 bytes)"),
        (b"running" + bytes(93), '"running" (100 bytes)'),
        (b"abcdefgh", '"abcdefgh" (8 bytes)'),
        (b"abc" + bytes(9), "61626300 00000000 00000000"),
        (b"ab\ncdefg", "61620a63 64656667"),
        ([1, 2, 3], "[1, 2, 3]"),
        ([70000, 10], "[0x11170, 0xa]"),
        (["a (b)", "c"], "[a (b), c]"),
        ([True, False], "[true, false]"),
        ("a\x1b[31mb\n", "a\\x1b[31mb\\x0a"),
        ("\udcff", "\\xdcff"),
    ],
)
def test_values_for_a_reader(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_names_cannot_steer_a_terminal(vmstate: Run, tmp_path: Path) -> None:
    name = b"a\x1b[2Jb\n\xc3\xa9"
    path = tmp_path / "x.mig"
    path.write_bytes(b"QEVM\0\0\0\3\x07\0\0\0\4m\x1b\xff\n" + section(name) + b"\0")
    for verb in ("info", "show", "verify"):
        told = vmstate(verb, path)
        assert told.code == 0
        assert "a\\x1b[2Jb\\x0aé" in told.out
        assert all(line.isprintable() for line in told.lines)
    assert vmstate("show", path, "--format", "json").json["sections"][0]["name"] == name.decode()


def test_raw_shows_what_qemu_would_write_otherwise(vmstate: Run, tmp_path: Path) -> None:
    fields = '{"name": "flag", "type": "bool", "size": 1}, {"name": "pad", "type": "unused_buffer", "size": 2}'
    path = tmp_path / "x.mig"
    path.write_bytes(stream_with(vmdesc_text(fields), b"\2xy"))
    assert vmstate("show", path, "dev", "--format", "json").json == {"flag": True}
    told = vmstate("show", path, "dev", "--format", "json", "--raw").json
    assert told == {"#": {"residue": {"flag": ["02", True], "pad": ["7879", None]}}, "flag": True}
    assert "residue" in vmstate("show", path, "--raw").out
    assert "residue" not in vmstate("show", path).out


# verify


def test_verify(vmstate: Run) -> None:
    told = vmstate("verify", fixture(BARE))
    assert told.code == 0
    assert told.lines[-1] == f"{fixture(BARE)}: verifies: 13 sections, 13 described, 0 errors, 0 notes"
    told = vmstate("verify", fixture(BARE), "--format", "json")
    assert told.json == {"file": fixture(BARE), "ok": True, "sections": 13, "findings": []}


def test_verify_says_no_where_the_vmdesc_disagrees(vmstate: Run, tmp_path: Path) -> None:
    """A size that is not the field's, an index that is not the element's, a section that is not there."""
    good = stream_with(vmdesc_text(structure("s", [scalar("x")], 1)), b"\7")
    cases = {
        good.replace(b'"size": 1}]}, "size": 1}', b'"size": 1}]}, "size": 9}'): ".size",
        good.replace(b'"devices": [', b'"devices": [{"name": "x", "instance_id": 0, "size": 1}, '): "not there",
    }
    path = tmp_path / "x.mig"
    path.write_bytes(good)
    assert vmstate("verify", path).code == 0
    for data, words in cases.items():
        start = data.index(b"\x00\x06") + 2
        path.write_bytes(data[:start] + struct.pack(">I", len(data) - start - 4) + data[start + 4 :])
        told = vmstate("verify", path)
        assert (told.code, told.err) == (1, "")
        assert told.lines[0].startswith("error: ")
        assert told.lines[0].endswith("[vmdesc]")
        assert words in told.lines[0]
        assert "does not verify" in told.lines[-1]
        answer = vmstate("verify", path, "--format", "json")
        assert answer.code == 1
        assert answer.json["ok"] is False
        assert [finding["severity"] for finding in answer.json["findings"]] == ["error"]
        assert list(answer.json["findings"][0]) == ["rule", "severity", "section", "path", "offset", "message"]


def test_residue_is_a_note(vmstate: Run, tmp_path: Path) -> None:
    fields = '{"name": "flag", "type": "bool", "size": 1}'
    path = tmp_path / "x.mig"
    path.write_bytes(stream_with(vmdesc_text(fields), b"\2"))
    told = vmstate("verify", path)
    assert told.code == 0
    assert told.lines[0] == "note: dev: flag: QEMU accepts 02 here and would write something else at 0x19 [residue]"
    assert told.lines[1].endswith("verifies: 1 section, 1 described, 0 errors, 1 note")


def test_opaque_sections_are_notes(vmstate: Run, tmp_path: Path) -> None:
    told = vmstate("verify", fixture(TWO_SLIRPS))
    assert told.code == 0
    path = tmp_path / "x.mig"
    path.write_bytes(b"QEVM\0\0\0\3" + section(b"none", b"xyz") + b"\0")
    told = vmstate("verify", path)
    assert told.code == 0
    assert [line.rpartition("[")[2] for line in told.lines[:-1]] == ["opaque]", "no-vmdesc]"]


# Any file


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "lz4": lz4.frame.compress,
}


@pytest.mark.parametrize("form", PACKERS)
def test_every_compression_and_standard_input(form: str, vmstate: Run, tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(PACKERS[form](plain(NONE)))
    expected = vmstate("show", fixture(NONE), "--format", "json").json
    assert vmstate("show", path, "--format", "json").json == {**expected, "file": str(path)}
    done = command("show", "-", "--format", "json", input=path.read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == {**expected, "file": "<stdin>"}


def test_encode_reads_compressed_documents(vmstate: Run, tmp_path: Path) -> None:
    document, packed, out = tmp_path / "d.json", tmp_path / "d.json.gz", tmp_path / "x.mig"
    assert vmstate("decode", fixture(NONE), "-o", document).code == 0
    packed.write_bytes(gzip.compress(document.read_bytes()))
    assert vmstate("encode", packed, "-o", out).code == 0
    assert out.read_bytes() == plain(NONE)


def test_decode_puts_ram_beside_the_document(vmstate: Run, tmp_path: Path) -> None:
    document, out = tmp_path / "d.json", tmp_path / "x.mig"
    told = vmstate("decode", fixture(BARE), "-o", document)
    assert (told.code, told.out, told.err) == (0, "", "")
    ram = next(path.name for path in tmp_path.glob("*.ram"))
    assert ram == f"d.json.{hashlib.sha256((tmp_path / ram).read_bytes()).hexdigest()[:16]}.ram"
    assert {path.name for path in tmp_path.iterdir()} == {"d.json", "d.json.provenance.json", ram}
    parts = json.loads(document.read_text())["parts"]
    assert [part["part"] for part in parts][:2] == ["configuration", "section"]
    assert {"file": ram, "offset": 0, "size": 37629} in [part.get("ram") for part in parts]
    # The document and what is beside it can go elsewhere together.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("d.json", ram):
        (tmp_path / name).rename(elsewhere / name)
    assert vmstate("encode", elsewhere / "d.json", "-o", out).code == 0
    assert out.read_bytes() == plain(BARE)


def test_a_value_is_changed_through_a_document(vmstate: Run, tmp_path: Path) -> None:
    document, out = tmp_path / "d.json", tmp_path / "x.mig"
    vmstate("decode", fixture(MICROVM), "-o", document)
    changed = json.loads(document.read_text())
    serial = next(part for part in changed["parts"] if part.get("name") == "serial")
    serial["state"]["state"]["divider"] = 1
    document.write_text(json.dumps(changed))
    assert vmstate("encode", document, "-o", out).code == 0
    differ = [
        at for at, (first, second) in enumerate(zip(plain(MICROVM), out.read_bytes(), strict=True)) if first != second
    ]
    assert len(differ) == 1
    assert vmstate("show", out, "serial.state.divider").out == "1\n"
    assert vmstate("verify", out).code == 0


# Output that cannot be written


@pytest.mark.parametrize(("verb", "code"), [("show --format json", 0), ("decode", 141)])
def test_a_broken_pipe_is_quiet(verb: str, code: int) -> None:
    """With far more to write than a pipe holds; half of a document is of no use, and that is said."""
    file = fixture("qemu-7.2-q35-default-devices.mig.xz")
    script = f"{sys.executable} -m vmstate {verb} {file} | head -c 1; exit ${{PIPESTATUS[0]}}"
    environment = dict(os.environ)
    done = subprocess.run(["bash", "-c", script], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"{", b"")


@pytest.mark.parametrize("verb", ["info", "show", "decode"])
def test_a_full_disk_and_a_closed_output_are_one_line(verb: str) -> None:
    for redirected, message in (
        (">/dev/full", "output: No space left on device"),
        (">&-", "standard output is closed"),
    ):
        script = f"{sys.executable} -m vmstate {verb} {fixture(MICROVM)} {redirected}"
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            env=dict(os.environ),
            check=False,
        )
        assert (done.returncode, done.stderr) == (2, f"vmstate: {message}\n")


def test_a_terminal_without_unicode(tmp_path: Path) -> None:
    plain_ascii = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    path = tmp_path / "x.mig"
    path.write_bytes(b"QEVM\0\0\0\3" + section("é".encode()) + b"\0")
    for verb in ("info", "show", "verify", "decode"):
        done = command(verb, str(path), env=plain_ascii)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.isascii()
        assert b"\\xe9" in done.stdout or b"\\u00e9" in done.stdout


def test_output_that_cannot_be_a_file(vmstate: Run, tmp_path: Path) -> None:
    assert failure(vmstate("decode", fixture(NONE), "-o", tmp_path)) == f"{tmp_path}: is a directory"
    missing = tmp_path / "no" / "x.json"
    assert failure(vmstate("decode", fixture(NONE), "-o", missing)) == f"{missing}: no such file or directory"


# Start-up

NOT_IMPORTED = ("construct", "deepdiff", "rich", "hypothesis", "importlib.metadata", "attr", "attrs")


@pytest.mark.parametrize(
    "code",
    [
        "import vmstate",
        "import vmstate; vmstate.load",
        f"from vmstate.cli import main; main(['info', {fixture(NONE)!r}])",
        f"from vmstate.cli import main; main(['show', {fixture(NONE)!r}, '--format', 'json'])",
        f"from vmstate.cli import main; main(['verify', {fixture(NONE)!r}])",
    ],
)
def test_what_is_slow_is_not_imported(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=True,
    )
    loaded = set(json.loads(done.stderr))
    assert loaded.isdisjoint(NOT_IMPORTED)


def test_a_long_text_is_made_one_line_in_little_memory() -> None:
    text = "\x80a\n" * 100_000
    tracemalloc.start()
    try:
        assert one_line(text) == "\\x80a\\x0a" * 100_000
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
