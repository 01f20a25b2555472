"""Damaged, cut, hostile and foreign input: one line that says what and where, and nothing half done."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from handmade import ODD, as_text, changed, places, scalar, stream_with, structure, vmdesc_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import BARE, FIXTURES, MICROVM, NO_ANYTHING, NONE, S390X, opened, pairs_of, plain

from vmstate import SchemaError, Stream, StreamError, TruncatedError, VMStateError, load, verify
from vmstate.cli import main
from vmstate.cli.info import summary
from vmstate.cli.show import document
from vmstate.cli.show_text import stream_tree
from vmstate.saved.document import read_document, to_document
from vmstate.stream.registry import all_descriptions
from vmstate.stream.stream import Section

MIB = 1 << 20


def refused(data: bytes, **how: Any) -> VMStateError:
    """The error of a stream that cannot be read: one line, in which every part of it stands."""
    with pytest.raises(VMStateError) as caught:
        load(data, **how)
    return checked(caught.value)


def checked(error: VMStateError) -> VMStateError:
    text = str(error)
    assert text.isprintable()
    assert len(text) < 1000
    assert error.message in text
    for part in (error.file, error.section, error.path):
        assert part is None or part.isprintable() is False or part in text
    if error.offset is not None:
        assert f"at offset {error.offset:#x}" in text
    return error


@pytest.fixture
def fails(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Any:
    """Run a command that must fail: exit code 2, one line on standard error, nothing on standard output."""

    def run(*arguments: str) -> str:
        assert main(arguments) == 2
        out, err = capsysbinary.readouterr()
        assert out == b""
        line = err.decode()
        assert line.startswith("vmstate: ")
        assert line.endswith("\n")
        assert line.count("\n") == 1
        return line[len("vmstate: ") : -1]

    return run


# What is no stream


NO_STREAMS = {
    "empty": (b"", "the stream is empty"),
    "one byte": (b"Q", "the stream ends inside the header"),
    "magic only": (b"QEVM", "the stream ends inside the header"),
    "header cut": (b"QEVM\0\0\0", "the stream ends inside the header"),
    "nothing behind the header": (b"QEVM\0\0\0\3", "the stream ends inside the stream"),
    "text": (b"hello, world", "not a migration stream"),
    "version 2": (b"QEVM\0\0\0\2" + bytes(8), "the stream format of version 2 is obsolete"),
    "version 4": (b"QEVM\0\0\0\4" + bytes(8), "unknown stream format"),
    "an unknown part": (b"QEVM\0\0\0\3\x09", "no part of a stream begins so"),
    "a subsection as a part": (b"QEVM\0\0\0\3\x05", "no part of a stream begins so"),
    "configuration twice": (b"QEVM\0\0\0\3\x07\0\0\0\1x\x07\0\0\0\1x", "no part of a stream begins so"),
    "configuration cut": (b"QEVM\0\0\0\3\x07\0\0\0\5x", "the data ends too early"),
    "configuration of 4 GiB": (b"QEVM\0\0\0\3\x07\xff\xff\xff\xffx", "the size cannot be"),
    "an unknown subsection": (b"QEVM\0\0\0\3\x07\0\0\0\1x\x05\x14configuration/nothing\0\0\0\1", "does not exist"),
    "a part that was not started": (b"QEVM\0\0\0\3\x02\0\0\0\7", "a section part of an unknown section id"),
    "an end that was not started": (b"QEVM\0\0\0\3\x03\0\0\0\7", "a section end of an unknown section id"),
    "an idstr that is no UTF-8": (
        b"QEVM\0\0\0\3\x04\0\0\0\1\2\xff\xfe" + bytes(8),
        "the idstr of a section is not UTF-8",
    ),
    "an idstr cut": (b"QEVM\0\0\0\3\x04\0\0\0\1\x20abc", "the stream ends inside a section header"),
    "command 0": (b"QEVM\0\0\0\3\x08\0\0\0\0", "unknown command"),
    "command 12": (b"QEVM\0\0\0\3\x08\0\x0c\0\0", "unknown command"),
    "a command cut": (b"QEVM\0\0\0\3\x08\0\1\0\4ab", "the stream ends inside a command"),
    "no end": (b"QEVM\0\0\0\3\x08\0\1\0\0", "there is no end of it"),
    "a vmdesc cut": (b"QEVM\0\0\0\3\0\x06\0\0\0\x20{}", "the stream ends inside the vmdesc"),
    "a vmdesc that is too long": (b"QEVM\0\0\0\3\0\x06\xff\xff\xff\xff{}", "the stream ends inside the vmdesc"),
    "a vmdesc that is too short": (b'QEVM\0\0\0\3\0\x06\0\0\0\5{"devices": []}', "vmdesc is not JSON"),
    "a vmdesc without a length": (b"QEVM\0\0\0\3\0\x06", "the stream ends inside the vmdesc"),
    "a vmdesc that is no object": (b"QEVM\0\0\0\3\0\x06\0\0\0\2[]", "vmdesc is no JSON object"),
}


CUT = ("no end", "a vmdesc cut", "a vmdesc that is too long", "a vmdesc without a length")


@pytest.mark.parametrize("name", NO_STREAMS)
def test_what_is_no_stream(name: str, tmp_path: Path, fails: Any) -> None:
    data, message = NO_STREAMS[name]
    assert message in str(refused(data))
    path = tmp_path / "x.mig"
    path.write_bytes(data)
    # Of what is cut off, what is whole is shown (test_cut.py).
    for verb in ("decode",) if name in CUT else ("info", "show", "decode", "verify"):
        line = fails(verb, str(path))
        assert line.startswith(f"{path}: ")
        assert message in line


def test_expected_and_found_are_told() -> None:
    error = refused(b"QEVM\0\0\0\2" + bytes(8))
    assert (error.file, error.offset, error.expected, error.found) == ("<bytes>", 4, "3", "2")
    error = refused(b"hello, world")
    assert (error.offset, error.expected, error.found) == (0, '"QEVM", 5145564d', "'hell', 68656c6c")
    error = refused(b"QEVM\0\0\0\3\x02\0\0\0\7")
    assert (error.offset, error.found) == (9, "7")


def test_files_that_are_not_there(tmp_path: Path, fails: Any) -> None:
    assert fails("info", str(tmp_path / "none")) == f"{tmp_path / 'none'}: no such file or directory"
    assert fails("verify", str(tmp_path)).startswith(f"{tmp_path}: is a directory; one file in it has to be")
    assert fails("encode", str(tmp_path / "none"), "-o", str(tmp_path / "x")) == (
        f"{tmp_path / 'none'}: no such file or directory"
    )
    assert list(tmp_path.iterdir()) == []


def test_names_in_messages_are_one_line(tmp_path: Path, fails: Any) -> None:
    path = tmp_path / "a\nb\x1b[31m"
    path.write_bytes(b"hello, world")
    assert "a\\x0ab\\x1b[31m: not a migration stream" in fails("info", str(path))


# Cut anywhere


def sections_of(file: str, *names: str) -> Iterator[tuple[Section, bytes]]:
    data = plain(file)
    for section in opened(file).sections:
        if section.name.rpartition("/")[2] in names:
            yield section, data


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize(
    ("file", "name"),
    [
        (MICROVM, "timer"),
        (MICROVM, "fw_cfg"),
        (BARE, "apic"),
        (BARE, "kvm-tpr-opt"),
        (S390X, "slirp"),
    ],
)
def test_cut_at_every_byte_of_a_section(file: str, name: str, library: bool) -> None:
    """The vmdesc is gone with the rest: only a library, or nothing, describes the section."""
    for section, data in sections_of(file, name):
        for end in range(section.offset, section.offset + section.size):
            error = refused(data[:end], library=library)
            assert error.offset is None or error.offset <= end
            assert error.file == "<bytes>"
        return
    pytest.fail(f"no section {name}")


@pytest.mark.parametrize("kind", ["start", "part", "end"])
def test_cut_in_ram(kind: str) -> None:
    data = plain(MICROVM)
    section = next(section for section in opened(MICROVM).sections if section.is_ram and section.kind == kind)
    stop = section.offset + section.size
    ends = {
        *range(section.offset, min(stop, section.offset + 300)),
        *range(section.offset, stop, 97),
        *range(stop - 40, stop),
    }
    for end in sorted(ends):
        error = refused(data[:end])
        assert error.offset is not None
        assert error.offset <= end


@pytest.mark.slow
def test_cut_anywhere_in_a_stream() -> None:
    data = plain(MICROVM)
    whole = opened(MICROVM)
    end_of_stream = next(part.offset for part in whole.parts if type(part).__name__ == "EndOfStream")
    for end in [*range(0, len(data), 331), end_of_stream, end_of_stream + 2, len(data) - 1]:
        if end != end_of_stream + 1:
            refused(data[:end])
    # All there but the vmdesc: a stream like those of machine types that suppress it.
    stream = load(data[: end_of_stream + 1])
    assert stream.vmdesc is None
    assert stream.to_bytes() == data[: end_of_stream + 1]


@pytest.mark.slow
def test_cut_where_nothing_ends_a_section() -> None:
    """Without footers, vmdesc and library nothing tells where the last section ends, but all before is refused."""
    data = plain(NO_ANYTHING)
    headers = [section.offset for section in opened(NO_ANYTHING).sections]
    for end in range(8, headers[3], 61):
        refused(data[:end], library=False)


# Sections that do not fit


def bare_section(name: str) -> tuple[bytearray, Section]:
    """A stream, to be damaged, and one of its sections."""
    section = next(section for section in opened(BARE, library=False).sections if section.name == name)
    return bytearray(plain(BARE)), section


def test_wrong_footer() -> None:
    data, section = bare_section("timer")
    at = section.offset + section.size - 5
    data[at + 4] ^= 1
    error = refused(bytes(data))
    assert (error.section, error.offset) == ("timer", at)
    assert error.message == "the section does not end where its state ends"
    assert error.expected == f"a footer, 7e{section.section_id:08x}"
    assert error.found == f"7e{section.section_id ^ 1:08x}"


def test_missing_footer() -> None:
    data, section = bare_section("timer")
    end = section.offset + section.size
    del data[end - 5 : end]
    error = refused(bytes(data))
    assert (error.section, error.offset) == ("timer", end - 5)


@pytest.mark.parametrize("change", [-1, 1, 200, 1 << 24])
def test_version_out_of_range(change: int) -> None:
    data, section = bare_section("timer")
    at = section.payload_offset - 4
    version = (section.version_id + change) % (1 << 32)
    data[at : at + 4] = version.to_bytes(4, "big")
    error = refused(bytes(data), library=False)
    assert error.section == "timer"
    assert ("too old" if change < 0 else "too new") in error.message
    assert error.expected == f"at {'least' if change < 0 else 'most'} version {section.version_id}"
    assert error.found == str(version)


def test_a_byte_too_many_and_one_too_few() -> None:
    data, section = bare_section("timer")
    at = section.payload_offset
    for damaged in (data[:at] + b"\0" + data[at:], data[:at] + data[at + 1 :]):
        error = refused(bytes(damaged), library=False)
        assert error.section == "timer"
        assert error.offset is not None


def test_a_value_that_cannot_be_is_named_by_its_path() -> None:
    fields = structure("s", ['{"name": "p", "array_len": 2, "type": "nullptr", "size": 1}'], 2, '"array_len": 3, ')
    error = refused(stream_with(vmdesc_text(fields), b"000x00"), library=False)
    assert str(error) == (
        "<bytes>: dev: s[1].p[1]: not the marker of a NULL pointer at offset 0x1c (expected 0x30, found 0x78)"
    )


def unknown_section(name: bytes, body: bytes, section_id: int) -> bytes:
    head = struct.pack(">BIB", 4, section_id, len(name)) + name + struct.pack(">II", 0, 1)
    return head + body + struct.pack(">BI", 0x7E, section_id)


def test_an_unknown_device_is_kept_and_the_rest_goes_on() -> None:
    """Bytes that look like another footer, or like this one with nothing legal behind, do not end it."""
    body = b"abc" + struct.pack(">BI", 0x7E, 2) + struct.pack(">BI", 0x7E, 1) + b"xyz" + bytes(9)
    data = b"QEVM\0\0\0\3" + unknown_section(b"frobnicator", body, 1)
    data += unknown_section(b"timer", bytes(24), 2) + b"\0"
    stream = load(data)
    first, second = stream.sections
    assert (first.name, first.described_by, first.state) == ("frobnicator", "none", body)
    assert second.name == "timer"
    assert stream.to_bytes() == data
    findings = verify(stream, memoryview(data))
    assert ("opaque", "note", "frobnicator") in [
        (finding.rule, finding.severity, finding.section) for finding in findings
    ]
    assert [finding for finding in findings if finding.severity == "error"] == []


def test_a_layout_of_the_library_that_does_not_fit_leaves_the_section_opaque() -> None:
    """Without a vmdesc no layout is known to be this release's; the reason is kept."""
    data = b"QEVM\0\0\0\3" + unknown_section(b"timer", b"\x05" * 7, 1) + unknown_section(b"other", b"x", 2) + b"\0"
    stream = load(data)
    section = stream.sections[0]
    assert (section.described_by, section.state) == ("none", b"\x05" * 7)
    assert stream.to_bytes() == data
    if all_descriptions("timer"):
        assert section.problem is not None
        assert any(section.problem in finding.message for finding in verify(stream, memoryview(data)))


def test_a_description_of_its_own_that_does_not_fit_is_an_error(tmp_path: Path, fails: Any) -> None:
    data = stream_with(vmdesc_text(scalar("a", 4)), b"\1\2\3\4\5")
    path = tmp_path / "x.mig"
    path.write_bytes(data)
    for verb in ("info", "show", "verify"):
        assert "dev: the section does not end where its state ends at offset 0x1d" in fails(verb, str(path))


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize("size", [0, 3, 7, 1 << 31])
@pytest.mark.parametrize("name", ["timer", "globalstate"])
def test_a_vmdesc_that_lies_about_sizes(name: str, size: int, library: bool) -> None:
    """Whether the library knows the device or not: what a stream says of itself decides, and cannot be."""
    data = plain(BARE)
    text = opened(BARE).vmdesc_text
    assert text is not None
    at = text.index(b'"size": ', text.index(b'"name": "' + name.encode() + b'"')) + len(b'"size": ')
    told = text[at : text.index(b"}", at)]
    assert told != str(size).encode()
    lie = text[:at] + str(size).encode() + text[at + len(told) :]
    error = refused(data[: -len(text) - 4] + struct.pack(">I", len(lie)) + lie, library=library)
    assert error.section == name
    assert (error.expected, error.found) == (told.decode(), str(size))


def test_a_buffer_of_another_size_than_the_vmdesc_says() -> None:
    """Nothing but the footer tells, and the library is no way out."""
    data = plain(BARE)
    text = opened(BARE).vmdesc_text
    assert text is not None
    entry = b'"type": "unused_buffer", "size": 8'
    assert entry in text
    error = refused(data[: -len(text)] + text.replace(entry, entry[:-1] + b"6", 1))
    assert (error.section, error.message) == ("timer", "the section does not end where its state ends")


def test_a_wrong_footer_behind_facts_that_are_not_known() -> None:
    data = bytearray(plain(MICROVM))
    section = opened(MICROVM)["virtio-net"]
    end = section.offset + section.size - 5
    data[end + 4] ^= 1
    error = refused(bytes(data))
    assert (error.section, error.offset) == (section.name, end)
    assert error.expected is not None
    assert error.found is not None


def test_pointers_that_the_vmdesc_has_wrong_leave_the_section_opaque() -> None:
    """Before 10.0 the first element, a NULL, stands for all of them: the rest of the stream goes on without it."""
    fields = '{"name": "p", "array_len": 3, "type": "struct", "struct": {}, "size": 1}'
    data = stream_with(vmdesc_text(fields), b"0\1\2\0000")
    stream = load(data)
    assert [(section.described_by, section.problem is None) for section in stream.sections] == [("none", False)]
    assert stream.to_bytes() == data


@pytest.mark.parametrize("count", [1 << 31, 1 << 16, 1025])
@pytest.mark.parametrize("empty", [True, False])
def test_counts_that_lie(count: int, empty: bool) -> None:
    """Nothing is allocated for elements that are not there, not even for empty ones."""
    inner = [] if empty else [scalar("x")]
    fields = structure("s", inner, 0 if empty else 1, f'"array_len": {count}, ')
    data = stream_with(vmdesc_text(fields), b"\0" * 3)
    tracemalloc.start()
    try:
        error = refused(data, library=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MIB
    assert ("'array_len'" in error.message) == (count == 1 << 31)


def test_ram_that_lies() -> None:
    start = b"QEVM\0\0\0\3" + struct.pack(">BIB3sII", 1, 2, 3, b"ram", 0, 4)
    for payload, message in (
        (struct.pack(">Q", (1 << 62) | 4), "the stream ends inside the RAM section"),
        (struct.pack(">Q", (1 << 63) | 4), "impossible size of guest memory"),
        (struct.pack(">Q", 4096 | 4) + b"\1a" + struct.pack(">Q", 8192), "overruns the size of guest memory"),
        (struct.pack(">Q", 8) + b"\1a", "page of a RAM block that was not listed"),
    ):
        error = refused(start + payload)
        assert error.section == "ram"
        assert message in error.message


# Damage anywhere

SEED = plain(MICROVM)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, len(SEED)), st.integers(0, 255)),
        st.tuples(st.just("flip"), st.integers(0, len(SEED)), st.integers(0, 7)),
        st.tuples(st.just("delete"), st.integers(0, len(SEED)), st.integers(1, 300)),
        st.tuples(st.just("insert"), st.integers(0, len(SEED)), st.integers(1, 300)),
        # The first part of the stream is short, and has all the headers of RAM.
        st.tuples(st.just("flip"), st.integers(0, 300), st.integers(0, 7)),
        st.tuples(st.just("flip"), st.integers(len(SEED) - 70_000, len(SEED)), st.integers(0, 7)),
    ),
    min_size=1,
    max_size=3,
)


def damaged(data: bytes, edits: list[tuple[str, int, int]]) -> bytes:
    out = bytearray(data)
    for kind, place, value in edits:
        place %= len(out)
        if kind == "set":
            out[place] = value
        elif kind == "flip":
            out[place] ^= 1 << value
        elif kind == "delete":
            del out[place : place + value]
        else:
            out[place:place] = random.Random(value).randbytes(value)
    return bytes(out)


@pytest.mark.slow
@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(EDITS, st.booleans())
def test_damage_is_read_or_refused(edits: list[tuple[str, int, int]], library: bool) -> None:
    data = damaged(SEED, edits)
    started = time.process_time()
    try:
        stream = load(data, library=library)
    except VMStateError as error:
        checked(error)
    else:
        # What is read is written back the same, and can be looked at.
        assert stream.to_bytes() == data
        verify(stream, memoryview(data))
        json.dumps(summary(stream))
        document(stream, raw=True)
        stream_tree(stream, raw=False)
    assert time.process_time() - started < 2


def test_a_vmdesc_that_is_not_where_the_stream_ends() -> None:
    """The stream ends early, and what stands there for a vmdesc is none; a good one stands at the end of the data."""
    error = refused(b"QEVM\0\0\0\3\0\x06\0\0\0\1x" + SEED[-20_000:])
    assert error.message.startswith("vmdesc is not JSON")


@pytest.mark.slow
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(EDITS)
def test_damage_takes_no_memory(edits: list[tuple[str, int, int]]) -> None:
    data = damaged(SEED, edits)
    tracemalloc.start()
    try:
        try:
            load(data)
        except VMStateError as error:
            checked(error)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= MIB + 64 * len(data)


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_anything_behind_a_header(rest: bytes) -> None:
    data = b"QEVM\0\0\0\3" + rest
    try:
        assert load(data).to_bytes() == data
    except VMStateError as error:
        checked(error)


# Commands that fail leave things as they were


def test_decode_leaves_the_output_alone(tmp_path: Path, fails: Any) -> None:
    bad, out = tmp_path / "bad.mig", tmp_path / "out.json"
    bad.write_bytes(plain(BARE)[:30_000])
    out.write_text("as it was")
    fails("decode", str(bad), "-o", str(out))
    assert out.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.mig", "out.json"]


@pytest.fixture(scope="module")
def bare_document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(to_document(opened(BARE, library=False), None)))
    return document


def at_section(document: dict[str, Any], name: str) -> dict[str, Any]:
    part_found: dict[str, Any] = next(part for part in document["parts"] if part.get("name") == name)
    return part_found


def test_encode_leaves_the_output_alone(tmp_path: Path, fails: Any, bare_document: dict[str, Any]) -> None:
    """A value that does not fit is found while the stream is written."""
    changed_document = json.loads(json.dumps(bare_document))
    at_section(changed_document, "timer")["state"]["cpu_clock_offset"] = 1 << 63
    source, out = tmp_path / "x.json", tmp_path / "out.mig"
    source.write_text(json.dumps(changed_document))
    out.write_bytes(b"as it was")
    line = fails("encode", str(source), "-o", str(out))
    assert line == (
        f"{source}: timer: cpu_clock_offset: the value cannot be written "
        "(expected an integer from -9223372036854775808 to 9223372036854775807, found 9223372036854775808)"
    )
    assert out.read_bytes() == b"as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mig", "x.json"]
    # Nor does anything go to standard output before all of it is known to be right.
    fails("encode", str(source), "-o", "-")


def vmstate(*arguments: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    env = dict(os.environ)
    return subprocess.run(
        [sys.executable, "-m", "vmstate", *arguments], capture_output=True, env=env, check=False, **how
    )


@pytest.mark.slow
def test_failures_of_the_real_command(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mig"
    # What ends within its header is nothing at all; of what ends further on that is shown which is whole.
    bad.write_bytes(plain(BARE)[:6])
    for arguments in (["info", str(bad)], ["show", str(bad), "timer"], ["verify", "-"], ["encode", "-", "-o", "-"]):
        done = vmstate(*arguments, input=b"\xff\xfe not anything")
        assert (done.returncode, done.stdout) == (2, b""), arguments
        assert done.stderr.startswith(b"vmstate: ")
        assert done.stderr.count(b"\n") == 1
        assert b"Traceback" not in done.stderr


# Documents


def encoded(document: Any, folder: Path) -> bytes:
    return read_document(json.dumps(document).encode(), str(folder), "x.json").to_bytes()


def test_the_document_is_a_stream(bare_document: dict[str, Any], tmp_path: Path) -> None:
    assert encoded(bare_document, tmp_path) == plain(BARE)


def with_part(document: dict[str, Any], number: int, **changes: Any) -> dict[str, Any]:
    """The document with some keys of a part changed; None takes them out."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    for key, value in changes.items():
        if value is None:
            del copy["parts"][number][key]
        else:
            copy["parts"][number][key] = value
    return copy


TOPS = [
    *(None, 3, [], "x", {}, {"vmstate": 1}),
    {"vmstate": 1, "version": 3, "parts": []},
    {"kind": "provenance", "vmstate": 1, "version": 3, "parts": []},
    {"kind": "document", "vmstate": 2, "version": 3, "parts": []},
    {"kind": "document", "vmstate": 1, "version": 3, "parts": {}},
]


@pytest.mark.parametrize("top", TOPS, ids=repr)
def test_documents_of_nothing(top: Any, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"this is no document of a stream|the document has no list of parts"):
        encoded(top, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the document is not JSON"),
        (b"{", "the document is not JSON"),
        (b"\xff", "the document is not JSON"),
        (b"[" * 100_000, "the document nests too deeply"),
        (b"1" * 5000, "the document is not JSON"),
    ],
)
def test_documents_that_are_no_json(text: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=message) as caught:
        read_document(text, str(tmp_path), "x.json")
    checked(caught.value)


TIMER = "timer"
DOCUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "no kind of part": ({"part": "sausage"}, "an unknown part in the document"),
    "part is missing": ({"part": None}, "lacks 'part'"),
    "part is a number": ({"part": 3}, "lacks 'part'"),
    "kind is missing": ({"kind": None}, "lacks 'kind'"),
    "kind is unknown": ({"kind": "half"}, "an unknown kind of section"),
    "name is missing": ({"name": None}, "lacks 'name'"),
    "name is a number": ({"name": 7}, "lacks 'name'"),
    "name is too long": ({"name": "x" * 256}, "an idstr is too long"),
    "name is no text": ({"name": "\ud800"}, "no bytes are this text"),
    "name is bytes": ({"name": "\udcff"}, "nothing describes the section"),
    "section_id is missing": ({"section_id": None}, "lacks 'section_id'"),
    "section_id is text": ({"section_id": "1"}, "lacks 'section_id'"),
    "section_id is true": ({"section_id": True}, "lacks 'section_id'"),
    "section_id is too large": ({"section_id": 1 << 32}, "'section_id' does not fit"),
    "instance_id is below zero": ({"instance_id": -1}, "'instance_id' cannot be"),
    "version_id is a fraction": ({"version_id": 1.5}, "lacks 'version_id'"),
    "version_id is of no description": ({"version_id": 77}, "has no version 77"),
    "footer is missing": ({"footer": None}, "lacks 'footer'"),
    "footer is a number": ({"footer": 1}, "lacks 'footer'"),
    "described by nothing known": ({"described_by": "magic"}, "nothing describes the section"),
    "described by a list": ({"described_by": []}, "nothing describes the section"),
    "described by is missing": ({"described_by": None}, "nothing describes the section"),
    "described by none, but no hex": ({"described_by": "none"}, "lacks 'state'"),
    "state is bad hex": ({"described_by": "none", "state": "0x"}, "'state' is not hex"),
    "no such layout": ({"described_by": "library", "layout": 99}, "nothing describes the section"),
    "not described by its vmdesc": ({"instance_id": 9}, "nothing describes the section"),
    "state is missing": ({"state": None}, "the value cannot be"),
    "state is a list": ({"state": []}, "the value cannot be"),
    "state is empty": ({"state": {}}, "a value is missing"),
    "state has too much": ({"state": {"cpu_ticks_offset": 1, "cpu_clock_offset": 1, "more": 1}}, "has no 'more'"),
    "a value is text": ({"state": {"cpu_ticks_offset": "1", "cpu_clock_offset": 1}}, "the value cannot be"),
    "a value is true": ({"state": {"cpu_ticks_offset": True, "cpu_clock_offset": 1}}, "the value cannot be"),
    "a value is too large": (
        {"state": {"cpu_ticks_offset": 1 << 63, "cpu_clock_offset": 1}},
        "the value cannot be written",
    ),
    "a value is null": ({"state": {"cpu_ticks_offset": None, "cpu_clock_offset": 1}}, "the value cannot be written"),
    "beside is a number": ({"state": {"#": 3, "cpu_ticks_offset": 1, "cpu_clock_offset": 1}}, "what stands under '#'"),
    "beside has a bad version": (
        {"state": {"#": {"version_id": "2"}, "cpu_ticks_offset": 1, "cpu_clock_offset": 1}},
        "what stands under '#'",
    ),
    "beside has a subsection that is not there": (
        {"state": {"#": {"subsections": [[0, "x", "05", None]]}, "cpu_ticks_offset": 1, "cpu_clock_offset": 1}},
        "what stands under '#'",
    ),
    "beside has residue that is no hex": (
        {"state": {"#": {"residue": {"unused": ["zz", None]}}, "cpu_ticks_offset": 1, "cpu_clock_offset": 1}},
        "what stands under '#'",
    ),
    "ram is a number": ({"ram": 3}, "lacks 'ram'"),
    "ram is bad hex": ({"ram": "zz"}, "'ram' is not hex"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_wrong_documents(name: str, bare_document: dict[str, Any], tmp_path: Path) -> None:
    changes, message = DOCUMENTS[name]
    number = next(at for at, part in enumerate(bare_document["parts"]) if part.get("name") == TIMER)
    with pytest.raises(VMStateError) as caught:
        encoded(with_part(bare_document, number, **changes), tmp_path)
    assert message in str(checked(caught.value))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (3, "lacks 'part'"),
        ({"part": "command"}, "lacks 'command'"),
        ({"part": "command", "command": 1 << 16, "data": ""}, "'command' does not fit"),
        ({"part": "command", "command": 1, "data": "0"}, "'data' is not hex"),
        ({"part": "command", "command": 1, "data": "00" * 65536}, "the length of a command's data does not fit"),
        ({"part": "vmdesc"}, "lacks 'text'"),
        ({"part": "vmdesc", "text": "{"}, "vmdesc is not JSON"),
        ({"part": "vmdesc", "text": "\ud800"}, "no bytes are this text"),
        ({"part": "trailing", "data": 1}, "lacks 'data'"),
        ({"part": "configuration"}, "the value cannot be"),
        ({"part": "configuration", "state": {"len": 2, "name": "abc"}}, "the value cannot be written"),
    ],
)
def test_other_parts_that_are_wrong(part: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(VMStateError) as caught:
        encoded({"kind": "document", "vmstate": 1, "version": 3, "parts": [part]}, tmp_path)
    assert message in str(checked(caught.value))


def ram_part(place: Any) -> dict[str, Any]:
    return {
        "kind": "document",
        "vmstate": 1,
        "version": 3,
        "parts": [
            {
                "part": "section",
                "kind": "start",
                "name": "ram",
                "instance_id": 0,
                "section_id": 2,
                "version_id": 4,
                "footer": True,
                "ram": place,
            }
        ],
    }


@pytest.mark.parametrize(
    "name", ["../x.ram", "/etc/passwd", "a/b", "", ".", "..", "x\0", "nowhere.ram", 3, None, ["x"]]
)
def test_ram_is_read_from_beside_the_document_only(name: Any, tmp_path: Path) -> None:
    (tmp_path / "x.ram").write_bytes(b"\0" * 100)
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(VMStateError) as caught:
        encoded(ram_part({"file": name, "offset": 0, "size": 8}), inside)
    checked(caught.value)


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 101), (100, 1), (1 << 63, 1), (-1, 5), (0, -1), ("0", 5), (0, 1 << 70)]
)
def test_the_file_beside_is_long_enough(offset: Any, size: Any, tmp_path: Path) -> None:
    (tmp_path / "x.ram").write_bytes(b"\0" * 100)
    with pytest.raises(SchemaError) as caught:
        encoded(ram_part({"file": "x.ram", "offset": offset, "size": size}), tmp_path)
    checked(caught.value)
    assert len(encoded(ram_part({"file": "x.ram", "offset": 40, "size": 60}), tmp_path)) == 8 + 17 + 60 + 5


def test_two_files_beside_are_one_too_many(tmp_path: Path) -> None:
    document = ram_part({"file": "x.ram", "offset": 0, "size": 1})
    document["parts"] += ram_part({"file": "y.ram", "offset": 0, "size": 1})["parts"]
    for name in ("x.ram", "y.ram"):
        (tmp_path / name).write_bytes(b"\0")
    with pytest.raises(SchemaError, match="RAM stands in one file"):
        encoded(document, tmp_path)


CHANGES = st.lists(
    st.tuples(st.integers(0, 10_000), st.sampled_from(["replace", "drop", "double"]), ODD), min_size=1, max_size=3
)
SMALL_DOCUMENT = pairs_of(json.dumps(to_document(opened(NONE), None)))


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from(["replace", "drop", "double"]), ODD), min_size=1, max_size=3
    )
)
def test_mutated_documents_are_written_or_refused(changes: list[tuple[int, str, Any]]) -> None:
    tree = SMALL_DOCUMENT
    for number, change, value in changes:
        known = list(places(tree))
        if known:
            tree = changed(tree, known[number % len(known)], change, value)
    try:
        stream: Stream = read_document(as_text(tree), str(FIXTURES), "x.json")
        assert isinstance(stream.to_bytes(), bytes)
    except VMStateError as error:
        checked(error)


def test_errors_are_of_the_kind_that_says_it() -> None:
    """What is cut is told apart from what is wrong, so that a caller can wait for more."""
    data = plain(NONE)
    assert isinstance(refused(data[:50]), StreamError | TruncatedError)
    assert isinstance(refused(data[:10]), TruncatedError)
    assert isinstance(refused(b"not a stream"), StreamError)
