"""What nothing models: it is no silent "loads"."""

from __future__ import annotations

import json
import struct
from typing import Any

import framing_cases as framing
import pytest

import vmstate
from vmstate.compare import Target
from vmstate.compare.schemas import dump_schema
from vmstate.stream.events import Vmdescription


def base() -> bytes:
    stream = framing.target_named("7.2", framing.PLAIN).stream
    assert stream is not None
    return stream.to_bytes()


def with_section(payload: bytes, fields: list[dict[str, Any]] | None = None) -> bytes:
    """The stream with a section that no library knows; with fields its vmdesc describes it."""
    data = framing.section("nosuch", payload=payload)(base())
    stream = vmstate.load(data)
    if fields is not None:
        at = next(place for place, part in enumerate(stream.parts) if isinstance(part, Vmdescription))
        assert stream.vmdesc_text is not None
        top = json.loads(stream.vmdesc_text)
        entry = {"name": "nosuch", "instance_id": 0, "vmsd_name": "nosuch", "version": 1, "fields": fields}
        top["devices"].append(entry)
        stream.parts[at] = Vmdescription(json.dumps(top).encode())
    return stream.to_bytes()


LISTED = {"field": "a", "version_id": 0, "field_exists": False, "size": 4}
"""A field in a -dump-vmstate text."""


def field(name: str, kind: str, size: int) -> dict[str, Any]:
    return {"name": name, "type": kind, "size": size}


def test_a_section_that_nothing_describes_is_taken_for_granted() -> None:
    explained = vmstate.explain(with_section(b"2"), vmstate.load(with_section(b"1")))
    assert explained.verdict == "loads"
    assert [text for text in explained.assumed if text.startswith("nosuch")] == [
        "nosuch loads: nothing describes it, and its bytes are not the destination's own"
    ]
    same = vmstate.explain(with_section(b"1"), vmstate.load(with_section(b"1")))
    assert same.verdict == "loads" and not any("nosuch" in text for text in same.assumed)


def test_what_is_compared_by_its_layout_alone_is_told() -> None:
    fields = [field("a", "uint32", 4)]
    own = with_section(struct.pack(">I", 1), fields)
    explained = vmstate.explain(with_section(struct.pack(">I", 2), fields), vmstate.load(own))
    assert explained.verdict == "loads"
    assert "values go together in what is compared by its layout alone: nosuch" in explained.assumed
    assert not any("nosuch" in text for text in vmstate.explain(own, vmstate.load(own)).assumed)


def test_two_vmdescs_are_compared_where_there_is_a_dump_too() -> None:
    own = vmstate.load(with_section(struct.pack(">H", 1), [field("a", "uint16", 2)]))
    listed = {
        "Name": "nosuch",
        "version_id": 1,
        "minimum_version_id": 1,
        "Description": {"name": "nosuch", "version_id": 1, "minimum_version_id": 1, "Fields": [LISTED]},
    }
    schema = dump_schema(json.dumps({"nosuch": listed}).encode(), "dump")
    target = Target("there", stream=own, schema=schema)
    explained = vmstate.explain(with_section(struct.pack(">I", 1), [field("a", "uint32", 4)]), target)
    assert explained.verdict == "fails"
    assert [finding.message for finding in explained.findings if finding.section == "nosuch"] == [
        "4 bytes here, 2 there"
    ]


def test_a_length_that_travels_is_no_constant() -> None:
    """As `spapr_dtb/fdt_blob` and the blobs of `tpm-emulator`: a number beside it says how long it is."""

    def sized(length: int) -> bytes:
        fields = [field("blob_size", "uint32", 4), field("blob", "buffer", length)]
        return with_section(struct.pack(">I", length) + bytes(length), fields)

    assert vmstate.explain(sized(7), vmstate.load(sized(3))).verdict == "loads"
    plain = with_section(struct.pack(">I", 9) + bytes(7), [field("x", "uint32", 4), field("blob", "buffer", 7)])
    other = with_section(struct.pack(">I", 9) + bytes(3), [field("x", "uint32", 4), field("blob", "buffer", 3)])
    assert vmstate.explain(plain, vmstate.load(other)).verdict == "fails"


def with_version(data: bytes, name: str, version: int) -> bytes:
    """The stream with another version in the header of a section, and the same bytes behind it."""
    section = vmstate.load(data)[name]
    at = section.offset + 10 + len(section.name)
    assert data[at : at + 4] == section.version_id.to_bytes(4, "big")
    return data[:at] + version.to_bytes(4, "big") + data[at + 4 :]


@pytest.mark.parametrize(
    ("release", "name", "version", "line"),
    [
        ("10.0", "timer", 1, "Missing section footer for timer"),
        ("11.1", "timer", 1, "Missing section footer for timer"),
        ("10.0", "apic", 2, "apic: incoming version_id 2 is too old for local minimum version_id  3"),
        ("11.1", "apic", 2, "apic: incoming version_id 2 is too old for local minimum version_id 3"),
        ("11.1", "apic", 4, "unsupported version 4 for 'apic' v3"),
    ],
)
def test_a_version_that_the_bytes_are_not_of(release: str, name: str, version: int, line: str) -> None:
    """As real QEMUs of 10.0 and 11.1 say of microvm's stream."""
    target = framing.target_named(release, framing.MICROVM)
    assert target.stream is not None
    explained = vmstate.explain(with_version(target.stream.to_bytes(), name, version), target)
    assert (explained.verdict, explained.qemu_error) == ("fails", line)
