"""Every recorded stream: decoded, written back the same, described as QEMU described it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from handmade import scalar, stream_with, vmdesc_text
from recorded import (
    FIXTURES,
    MAPPED_RAM,
    MICROVM,
    NO_VMDESC,
    POSTCOPY,
    PROVENANCE,
    S390X,
    STREAMS,
    opened,
    pairs_of,
    plain,
)

from vmstate import Section, Stream, TraceEntry, VMStateDescription, load, resolve, verify
from vmstate.cli import main
from vmstate.declare import facts_of, format_path
from vmstate.saved.document import beside, has_ram_beside, read_document, to_document
from vmstate.stream.registry import all_descriptions
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field
from vmstate.vmsd.expr import Ref
from vmstate.vmsd.path import Steps

SAMPLE = 5
"""Values that are changed in each section."""


class Recording(NamedTuple):
    file: str
    data: bytes
    stream: Stream


@pytest.fixture(scope="module", params=STREAMS)
def recording(request: pytest.FixtureRequest) -> Recording:
    """A recorded stream; all tests of one come together."""
    return Recording(request.param, plain(request.param), opened(request.param))


def device_sections(stream: Stream) -> list[Section]:
    return [section for section in stream.sections if not section.is_ram]


def test_fixtures_are_the_ones_of_the_manifest() -> None:
    assert set(STREAMS) == set(PROVENANCE)
    assert len(STREAMS) > 100


def test_provenance(recording: Recording) -> None:
    entry = PROVENANCE[recording.file]
    assert len(recording.data) == entry["size"]
    assert hashlib.sha256(recording.data).hexdigest() == entry["sha256"]
    configuration = recording.stream.configuration
    if configuration is not None:
        # QEMU names in the configuration only what both sides must agree about.
        assert set(configuration.capability_names) <= set(entry.get("capabilities") or [])


def test_written_back_the_same(recording: Recording) -> None:
    stream, data = recording.stream, recording.data
    for section in device_sections(stream):
        start = section.payload_offset
        assert section.payload() == data[start : start + len(section.payload())], section
        assert section.header.to_bytes() == data[section.offset : start], section
        behind = start + len(section.payload())
        assert section.footer.offset == behind
        assert section.footer.to_bytes() == data[behind : section.offset + section.size], section
    assert stream.to_bytes() == data


def test_parts_follow_each_other(recording: Recording) -> None:
    """What lies between two sections is a header, a configuration or a command: all that is not is in a section."""
    at = 8
    for section in recording.stream.sections:
        assert section.offset >= at
        at = section.offset + section.size
    assert at <= len(recording.data)


def test_every_section_is_decoded(recording: Recording) -> None:
    """What stays opaque is what nothing describes: no library, and no vmdesc, or one that gives only a size."""
    vmdesc = recording.stream.vmdesc
    described = {} if vmdesc is None else {(device.name, device.instance_id): device for device in vmdesc.devices}
    for section in device_sections(recording.stream):
        device = described.get((section.name, section.instance_id))
        if section.described_by == "none":
            assert isinstance(section.state, bytes)
            assert device is None or device.vmsd is None, section
            assert all_descriptions(section.name) == (), section
        elif section.described_by == "vmdesc":
            assert device is not None and device.vmsd is not None, section
        else:
            assert section.vmsd in all_descriptions(section.name)
        if section.described_by != "none":
            assert section.vmsd is not None


def test_decoded_without_the_library(recording: Recording) -> None:
    """vmdesc alone is enough, but for the one that QEMU 7.2 writes wrongly; without any, sections stay as they are."""
    if "s390x" in recording.file:
        pytest.skip("its vmdesc is wrong: only the library can read it")
    stream = load(recording.data, library=False)
    devices = () if stream.vmdesc is None else stream.vmdesc.devices
    described = {(device.name, device.instance_id) for device in devices if device.vmsd is not None}
    for section in device_sections(stream):
        assert (section.described_by == "vmdesc") == ((section.name, section.instance_id) in described), section
    assert stream.to_bytes() == recording.data


def test_vmdesc_is_written_as_qemu_wrote_it(recording: Recording) -> None:
    text = recording.stream.vmdesc_text
    if text is None:
        pytest.skip("the stream has none")
    written = recording.stream.write_vmdesc()
    # As lists of pairs first: where they differ, the message can be read.
    assert pairs_of(written) == pairs_of(text)
    assert written == text


def test_no_error_is_found(recording: Recording) -> None:
    findings = verify(recording.stream, memoryview(recording.data))
    assert [finding for finding in findings if finding.severity == "error"] == []


# The trace


def decoded_trace(section: Section) -> dict[str, TraceEntry]:
    """The same, found by reading the bytes."""
    assert section.vmsd is not None
    known = {"version_id": section.version_id, "facts": facts_of(section.state)}
    entries = section.vmsd.trace(section.payload(), **known)
    return {path: entry._replace(offset=entry.offset + section.payload_offset) for path, entry in entries.items()}


def overhead(entry: TraceEntry) -> int | None:
    """Bytes of an entry that belong to none inside it: headers and markers. None: it depends on what is there."""
    if entry.field is None:
        return None
    kind = entry.field.type
    if entry.field.pointers is not None or isinstance(kind, (t.QList, t.GTree, t.KeyedList, t.Choice, t.Nullptr)):
        return None
    return 0


def is_inside(path: str, entry: TraceEntry, outer_path: str, outer: TraceEntry) -> bool:
    """A wire name can look like a path, and so the bytes count too."""
    named = path.startswith((outer_path + ".", outer_path + "["))
    return named and outer.offset <= entry.offset and entry.offset + entry.size <= outer.offset + outer.size


def tree(trace: Mapping[str, TraceEntry], start: int, stop: int) -> Iterator[tuple[str, TraceEntry, list[TraceEntry]]]:
    """Each entry with those directly inside it; the whole section is the entry without a name."""
    whole = TraceEntry(start, stop - start, None)
    inside: dict[str, list[TraceEntry]] = {"": []}
    entries: dict[str, TraceEntry] = {"": whole}
    stack = [""]
    for path, entry in trace.items():
        while stack[-1] and not is_inside(path, entry, stack[-1], entries[stack[-1]]):
            stack.pop()
        inside[stack[-1]].append(entry)
        inside[path], entries[path] = [], entry
        stack.append(path)
    for path, children in inside.items():
        yield path, entries[path], children


def test_trace_tiles_every_section(recording: Recording) -> None:
    for section in device_sections(recording.stream):
        if section.vmsd is None:
            assert section.trace() == {}
            continue
        trace = section.trace()
        stop = section.footer.offset
        if len(trace) < 1000:
            assert trace == decoded_trace(section), section
        for path, entry, children in tree(trace, section.payload_offset, stop):
            where = f"{section!r}: {path}"
            at = entry.offset
            gaps = 0
            for child in children:
                assert child.offset >= at, where
                gaps += child.offset - at
                at = child.offset + child.size
            end = entry.offset + entry.size
            assert at <= end, where
            if not path:
                assert gaps == 0 and at == end, where
            elif entry.field is None:
                # A subsection: 0x05, u8 length, name, be32 version, then its fields.
                header = recording.data[entry.offset : entry.offset + 2]
                assert header[0] == 5, where
                assert gaps + (0 if children else end - at) == 6 + header[1], where
            elif children and overhead(entry) == 0:
                assert gaps == 0 and at == end, where


# One value


def referenced(vmsd: VMStateDescription) -> set[str]:
    """The names that anything in a description depends on."""
    names: set[str] = set()
    for part in vmsd.walk():
        expressions = [expr for field in part.fields for expr in field.expressions()]
        expressions += [
            condition
            for sub in part.subsections
            for condition in (sub.needed, sub.vmsd.needed)
            if condition is not None
        ]
        for expr in expressions:
            for node in expr.walk():
                if isinstance(node, Ref):
                    names.update(str(name) for name in node.names_)
    return names


class Leaf(NamedTuple):
    """A scalar in a section: its steps from the state, its first byte and its size."""

    steps: Steps
    offset: int
    size: int
    is_words: bool = False


def leaves(section: Section) -> list[Leaf]:
    """Some scalars from all over a section, of those that nothing else depends on."""
    assert section.vmsd is not None
    fixed = referenced(section.vmsd)
    places = [
        (path, entry, entry.field)
        for path, entry in section.trace().items()
        if entry.size and entry.field is not None and entry.field.attribute not in fixed and is_scalar(entry.field)
    ]
    chosen = []
    for turn, (path, entry, field) in enumerate(spread(places, SAMPLE)):
        steps, _ = resolve(section.state, path)
        if field.count is None:
            chosen.append(Leaf(steps, entry.offset, entry.size, field.type is t.UINT64_WORDS))
            continue
        size = field.type.size  # type: ignore[attr-defined]
        last = entry.size // size - 1
        number = (0, last // 2, last)[turn % 3]
        chosen.append(Leaf((*steps, *place(number, field)), entry.offset + number * size, size))
    return chosen


def is_scalar(field: Field) -> bool:
    return isinstance(field.type, t.Scalar) and field.type.order != "host" and field.pointers is None


def spread(places: list[Any], count: int) -> list[Any]:
    """Some of a list, from all over it."""
    return [places[number * len(places) // count] for number in range(count)] if len(places) > count else places


def place(number: int, field: Field) -> list[int]:
    """The indices of an element, where the field has rows."""
    places: list[int] = []
    for dimension in reversed((field.dims or ())[1:]):
        number, inner = divmod(number, dimension)
        places.insert(0, inner)
    return [number, *places]


def put(state: Any, steps: Steps, value: Any) -> None:
    """Set what is at some steps in a state."""
    for step in steps[:-1]:
        state = inner(state, step)
    if isinstance(state, (dict, list)) or isinstance(steps[-1], int):
        state[steps[-1]] = value
    else:
        setattr(state, steps[-1], value)


def inner(state: Any, step: str | int) -> Any:
    return state[step] if isinstance(step, int) or isinstance(state, dict) else getattr(state, step)


def test_one_value_changes_its_own_bytes(recording: Recording) -> None:
    seen = set()
    for section in device_sections(recording.stream):
        if section.vmsd is None or (section.name, section.vmsd) in seen:
            continue
        seen.add((section.name, section.vmsd))
        base, before = section.payload_offset, section.payload()
        for leaf in leaves(section):
            value = section.state
            for step in leaf.steps:
                value = inner(value, step)
            new_value = not value if isinstance(value, bool) else value ^ 1
            put(section.state, leaf.steps, new_value)
            try:
                after = section.vmsd.encode(section.state, version_id=section.version_id, force=True)
            finally:
                put(section.state, leaf.steps, value)
            where = f"{section!r}: {format_path(leaf.steps)}"
            start = leaf.offset - base
            stop = start + leaf.size
            assert len(after) == len(before), where
            assert (after[:start], after[stop:]) == (before[:start], before[stop:]), where
            assert after[start:stop] != before[start:stop], where
            changed = int.from_bytes(after[start:stop], "big") ^ int.from_bytes(before[start:stop], "big")
            # Bit 0 is in the last byte or in the first, or, of two words the lower first, in the fourth.
            assert changed in (1, 1 << (leaf.size - 1) * 8) or (leaf.is_words and changed == 1 << 32), where
        assert section.payload() == before


# Documents


def test_document_and_back(recording: Recording, tmp_path: Path) -> None:
    """As an editable JSON document, RAM beside it, and back."""
    stream = recording.stream
    document = to_document(stream, "x.ram" if has_ram_beside(stream) else None)
    if has_ram_beside(stream):
        (tmp_path / "x.ram").write_bytes(b"".join(beside(stream)))
    text = json.dumps(document).encode()
    with read_document(text, str(tmp_path), "x.json") as back:
        assert back.to_bytes() == recording.data
        again = to_document(back, "x.ram" if has_ram_beside(back) else None)
    assert json.dumps({**again, "file": document["file"]}).encode() == text


FEW = [MICROVM, NO_VMDESC, S390X, POSTCOPY, MAPPED_RAM, "recorded/qemu-7.2-pc-i440fx-2.0-cold.mig.xz"]


@pytest.mark.parametrize("file", FEW)
def test_decode_and_encode_commands(file: str, tmp_path: Path) -> None:
    document, stream = tmp_path / "d.json", tmp_path / "s.mig"
    assert main(["decode", str(FIXTURES / file), "-o", str(document)]) == 0
    assert main(["encode", str(document), "-o", str(stream)]) == 0
    assert stream.read_bytes() == plain(file)


def test_a_section_that_comes_again_has_the_same_description() -> None:
    """QEMU loads both, and the vmdesc may describe one."""
    data = stream_with(vmdesc_text(scalar("a")), b"x")
    end = data.index(b"\x7e") + 5
    again = data[:end] + data[8:]
    stream = load(again)
    assert [section.state for section in stream.sections] == [{"a": 120}] * 2
    text = json.dumps(to_document(stream, None)).encode()
    assert read_document(text, ".", "x.json").to_bytes() == again


def test_decode_and_encode_through_pipes(tmp_path: Path) -> None:
    env = dict(os.environ)
    vmstate = [sys.executable, "-m", "vmstate"]
    packed = (FIXTURES / MICROVM).read_bytes()
    decoded = subprocess.run(
        [*vmstate, "decode", "--memory", "-"], input=packed, capture_output=True, env=env, check=True
    )
    assert json.loads(decoded.stdout)["file"] == "<stdin>"
    command = [*vmstate, "encode", "-", "-o", "-"]
    encoded = subprocess.run(command, input=decoded.stdout, capture_output=True, env=env, check=True)
    assert encoded.stdout == plain(MICROVM)
    assert (decoded.stderr, encoded.stderr) == (b"", b"")
