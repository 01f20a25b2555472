"""`vmstate.compat`: whether what one QEMU saves another can load.

Against what we did not write: -dump-vmstate of four releases, the findings of QEMU's own static checker on them, and
streams, which must fit the dump of the QEMU that wrote them.
"""

from __future__ import annotations

import itertools
import json
import lzma
import re
import shutil
import stat
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from handmade import scalar, stream_with, structure, vmdesc_text
from recorded import FIXTURES, PROVENANCE, STREAMS, plain

from vmstate import Compatibility, compat, load
from vmstate.cli import main
from vmstate.compare import CompatFinding, Schema, open_schema
from vmstate.compare.compat import _Pairing, _without_elements
from vmstate.compare.findings import BREAKS, COSMETIC, MAY_BREAK
from vmstate.compare.layout import Leaf
from vmstate.errors import VMStateError

RELEASES = ("5.2", "7.2", "10.0", "11.1")
MACHINES = ("pc-q35-5.2", "s390-ccw-virtio-5.2")
DUMPS = FIXTURES / "dump-vmstate"
PAIRS = [(machine, *pair) for machine in MACHINES for pair in itertools.permutations(RELEASES, 2)]


@lru_cache(maxsize=8)
def dump(release: str, machine: str = "pc-q35-5.2") -> Schema:
    return open_schema(str(DUMPS / f"qemu-{release}-{machine}.json.xz"))


@lru_cache(maxsize=32)
def between(machine: str, source: str, destination: str) -> Compatibility:
    return compat(dump(source, machine), dump(destination, machine))


def ids(compatibility: Compatibility, *severities: str) -> list[str]:
    return [finding.id for finding in compatibility.findings if finding.severity in severities or not severities]


# What QEMU's own checker finds.

RULES = {
    "section": "section-",
    "version": "version-|struct-version|field-version|section-(empty|name)|field-missing",
    "field": "field-|subsection-repeated|section-(empty|name)",
    "entry": "subsection-|field-missing|section-(empty|name)",
    "subsection": "subsection-|section-(empty|name)",
    "name": "section-name|struct-name",
    "size": "field-",
    "descr": "field-",
    "unused": "field-",
}


@lru_cache(maxsize=1)
def static_checker() -> dict[str, list[list[str | None]]]:
    document: dict[str, list[list[str | None]]] = json.loads(
        lzma.decompress((DUMPS / "static-checker.json.xz").read_bytes())
    )
    return document


@pytest.mark.parametrize(("machine", "source", "destination"), PAIRS)
def test_what_the_static_checker_finds_is_found(machine: str, source: str, destination: str) -> None:
    ours: dict[str | None, list[CompatFinding]] = {}
    for finding in between(machine, source, destination).findings:
        ours.setdefault(finding.section, []).append(finding)
    theirs = static_checker()[f"{machine} {source} {destination}"]
    missed = [
        row for row in theirs if not any(re.match(RULES[str(row[2])], finding.id) for finding in ours.get(row[0], ()))
    ]
    assert missed == []


def test_the_static_checker_has_found_something() -> None:
    assert sum(len(rows) for rows in static_checker().values()) == 670
    assert {finding[2] for rows in static_checker().values() for finding in rows} <= RULES.keys()


# What it gets wrong, both ways.


@pytest.mark.parametrize(("machine", "source", "destination"), PAIRS)
def test_known_false_positives_are_no_breaks(machine: str, source: str, destination: str) -> None:
    """Device classes that are gone, fields that were renamed, padding in place of an array, nested versions."""
    breaks = [finding for finding in between(machine, source, destination).findings if finding.severity == BREAKS]
    assert {finding.section for finding in breaks} <= {
        "am53c974",
        "dc390",
        "esp",
        "sysbus-esp",
        "virtio-iommu-device",
        "isa-vga",
        "nvme",
        "vhost-user-fs-device",
    }
    assert not [finding for finding in breaks if finding.id.startswith(("section-unknown", "section-class", "struct-"))]


def test_the_breaks_from_7_2_to_10_0() -> None:
    """drq_state stands behind a renamed field, where the static checker skips the rest."""
    compatibility = between("pc-q35-5.2", "7.2", "10.0")
    breaks = [(finding.section, finding.path) for finding in compatibility.findings if finding.severity == BREAKS]
    assert breaks == [(section, "esp/drq_state") for section in ("am53c974", "sysbus-esp", "dc390")]


OTHER_TARGETS = ("aarch64", "s390x", "riscv64")


@pytest.mark.parametrize("file", [file for file in STREAMS if not any(target in file for target in OTHER_TARGETS)])
def test_a_stream_fits_the_dump_of_the_qemu_that_wrote_it(file: str) -> None:
    release = PROVENANCE[file]["qemu_version"]
    if release not in RELEASES:
        pytest.skip(f"there is no dump of {release}")
    stream = open_schema(plain(file))
    for destination in (dump(release), open_schema("library"), stream):
        findings = [finding for finding in compat(stream, destination).findings if finding.severity != COSMETIC]
        assert [finding for finding in findings if not finding.id.startswith("machine")] == []


def test_an_array_of_nothing_leaves_no_trace_in_a_stream() -> None:
    """A dump does not say that a struct is an array, and that a field in it is called as one elsewhere says nothing."""
    text = vmdesc_text(f"{structure('s', [scalar('status'), scalar('b')], 2)}, {scalar('c')}")
    stream = stream_with(text, b"\1\2\3")
    (name,) = [section.name for section in load(stream).sections]
    inner = description("inner", field("status", 1), field("b", 1))
    reqs = description("reqs", field("status", 1), field("cid", 2))

    def found(*fields: dict[str, Any]) -> list[tuple[str, str | None]]:
        compatibility = compat(stream, schema(description(name, *fields)))
        return [(finding.rule, finding.path) for finding in compatibility.findings if finding.severity == BREAKS]

    s, c = struct("s", inner), field("c", 1)
    assert found(s, c) == []
    assert found(s, struct("reqs", reqs), c) == []
    assert found(s, field("status", 1), c) == [("field-new", "status")]
    assert found(s, struct("reqs", reqs, num=2), c) == [("field-new", "reqs")]
    assert found(struct("reqs", reqs), c) == [("field-missing", "s")]


def test_one_byte_is_no_bytes() -> None:
    (finding,) = compat(schema(description("d", A, field("b", 1))), schema(description("d", A))).findings
    assert finding.message == "'b' (1 byte) is sent, and the destination does not read it"


def test_a_stream_says_where() -> None:
    stream = load(plain("recorded/qemu-7.2-pc-devices-cold.mig.xz"))
    compatibility = compat(stream.to_bytes(), dump("5.2"))
    newer = next(finding for finding in compatibility.findings if finding.id.startswith("version-newer"))
    section = next(section for section in stream.sections if section.name == newer.section)
    assert newer.severity == BREAKS
    missing = next(finding for finding in compatibility.findings if finding.path == "esp/data_in_ready")
    assert missing.offset == section.trace()["esp.data_in_ready"].offset


# Layouts made by hand.


def field(name: str, size: int = 4, version: int = 0, exists: bool = False, **more: Any) -> dict[str, Any]:
    return {"field": name, "version_id": version, "field_exists": exists, "size": size, **more}


def description(
    name: str, *fields: dict[str, Any], version: int = 1, minimum: int = 1, subsections: tuple[Any, ...] = ()
) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "version_id": version, "minimum_version_id": minimum, "Fields": list(fields)}
    if subsections:
        made["Subsections"] = list(subsections)
    return made


def struct(name: str, inner: dict[str, Any], **more: Any) -> dict[str, Any]:
    return field(name, 100, Description=inner, **more)


COUNTED = description("counted", field("counted", 1, num=2))


def schema(*descriptions: dict[str, Any], machine: str = "pc-q35-5.2", **classes: dict[str, Any]) -> bytes:
    entries = {entry["name"]: entry for entry in (*descriptions, COUNTED)} | classes
    top: dict[str, Any] = {"vmschkmachine": {"Name": machine}}
    for key, entry in entries.items():
        versions = {"version_id": entry["version_id"], "minimum_version_id": entry["minimum_version_id"]}
        top[key] = {"Name": key, **versions, "Description": entry}
    return json.dumps(top).encode()


def told(source: dict[str, Any], destination: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    compatibility = compat(schema(source), schema(destination))
    return [(finding.rule, finding.severity, finding.path) for finding in compatibility.findings]


A, B, C = field("a"), field("b", 2), field("c", 8)


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        pytest.param((A, B), (A, B), [], id="equal"),
        pytest.param((A, B), (A,), [("field-missing", BREAKS, "b")], id="a field less"),
        pytest.param((A,), (A, B), [("field-new", BREAKS, "b")], id="only the destination has it"),
        pytest.param((A, B, C), (A, C), [("field-missing", BREAKS, "b")], id="re-aligned"),
        pytest.param(
            (A, B, C, field("d")),
            (A, C, field("e", 1)),
            [("field-missing", BREAKS, "b"), ("field-missing", BREAKS, "d"), ("field-new", BREAKS, "e")],
            id="two mismatches",
        ),
        pytest.param((A, B), (A, field("x", 2)), [("field-renamed", COSMETIC, "b")], id="renamed"),
        pytest.param((A, B), (field("a", 8), B), [("field-size", BREAKS, "a")], id="another size"),
        pytest.param((field("a", 8), B), (A, B), [("field-size", BREAKS, "a")], id="a smaller size"),
        pytest.param((field("a", 4, num=8),), (field("a", 4, num=9),), [("field-count", BREAKS, "a")], id="count"),
        pytest.param((A, B), (struct("s", description("s", A, B)),), [], id="wrapped in a struct"),
        pytest.param(
            (A, field("t.x"), field("t.y")),
            (A, field("t.p.x"), field("t.p.y")),
            [("field-renamed", COSMETIC, "t.x"), ("field-renamed", COSMETIC, "t.y")],
            id="a longer name",
        ),
        pytest.param(
            (A, field("old", 1, num=5), B),
            (A, field("unused", 5), B),
            [("field-recut", COSMETIC, "old")],
            id="padding in place of an array",
        ),
        pytest.param(
            (A, field("old", 1, num=5), B),
            (A, field("unused", 4), B),
            [("field-missing", BREAKS, "old"), ("field-new", BREAKS, "unused")],
            id="not enough padding",
        ),
        pytest.param(
            (A, field("b", exists=True)),
            (A,),
            [("field-missing", MAY_BREAK, "b")],
            id="a conditional field that is gone",
        ),
        pytest.param(
            (A, B), (A, field("b", 2, exists=True)), [("field-condition", MAY_BREAK, "b")], id="a new condition"
        ),
        pytest.param(
            (A, struct("s", description("s", B, version=2, minimum=2))),
            (A, struct("s", description("s", B, version=1, minimum=1))),
            [("struct-version", COSMETIC, "s")],
            id="a nested version is not on the wire",
        ),
        pytest.param(
            (A, struct("s", description("s", B, version=1))),
            (A, struct("s", description("s", B, field("new", 4, version=2), version=2))),
            [("field-new", BREAKS, "s/new")],
            id="a nested struct is read at the destination's own version",
        ),
        pytest.param(
            (struct("s", description("one", A)),),
            (struct("s", description("two", A)),),
            [("struct-name", COSMETIC, "s")],
            id="a nested name is not on the wire",
        ),
        pytest.param((field("t", 48),), (field("t", 56),), [("field-size", MAY_BREAK, "t")], id="a host's sizeof"),
        pytest.param((B, field("a", 4, version=3)), (B,), [], id="a field of a later version"),
        pytest.param((B, field("a", 4, version=3), C), (B, C), [], id="a field of a later version between others"),
        pytest.param(
            (A, struct("s", description("s", B, version=2, minimum=1))),
            (A, struct("s", description("s", B, version=2, minimum=1))),
            [],
            id="a nested struct that can be older",
        ),
        pytest.param(
            (A, struct("s", description("s", B, version=1, minimum=1))),
            (A, struct("s", description("s", B, version=2, minimum=1))),
            [],
            id="a nested struct that is older, as it can be",
        ),
        pytest.param(
            (A, struct("s", description("s", B, version=1, minimum=1))),
            (A, struct("s", description("s", B, version=2, minimum=2))),
            [("struct-version", COSMETIC, "s")],
            id="a nested struct that is older than it can be",
        ),
        pytest.param(
            (A, field("size")),
            (A, field("tx.size"), field("rx.size")),
            [("field-renamed", COSMETIC, "size"), ("field-new", BREAKS, "rx.size")],
            id="a name that two end with",
        ),
        pytest.param(
            (A, B, field("d")),
            (A, field("x", 8)),
            [("field-missing", BREAKS, "b"), ("field-missing", BREAKS, "d"), ("field-new", BREAKS, "x")],
            id="more fields, and none that is like the other",
        ),
        pytest.param(
            (A, field("size")),
            (A, field("new", 2), field("tx.size")),
            [("field-new", BREAKS, "new"), ("field-renamed", COSMETIC, "size")],
            id="a new field in front of one with a longer name",
        ),
        pytest.param(
            (A, field("x", 1), field("y", 1), field("z", 1), field("w", 1)),
            (A, field("word")),
            [("field-recut", COSMETIC, "x")],
            id="four bytes in place of a word",
        ),
        pytest.param(
            (A, field("dma_left", 2), field("gone")),
            (A, field("mig_dma_left", 2), field("new", 8)),
            [
                *(("field-missing", BREAKS, name) for name in ("dma_left", "gone")),
                *(("field-new", BREAKS, name) for name in ("mig_dma_left", "new")),
            ],
            id="as many fields on both sides: which is which is not guessed",
        ),
    ],
)
def test_fields(
    source: tuple[Any, ...], destination: tuple[Any, ...], expected: list[tuple[str, str, str | None]]
) -> None:
    assert told(description("x", *source), description("x", *destination)) == expected


@pytest.mark.parametrize(("count", "more"), [(4, ""), (5, " and 1 more"), (8, " and 4 more")])
def test_the_first_four_of_many_names_are_told(count: int, more: str) -> None:
    parts = [field(f"p{number}", 1) for number in range(count)]
    compatibility = compat(schema(description("x", *parts)), schema(description("x", field("whole", 1, num=count))))
    words = f"'p0', 'p1', 'p2', 'p3'{more} here, 'whole' there: the same {count} bytes"
    assert [finding.message for finding in compatibility.findings] == [words]


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        pytest.param((2, 1), (1, 1), [("version-newer", BREAKS, None)], id="newer"),
        pytest.param((1, 1), (3, 2), [("version-older", BREAKS, None)], id="older"),
        pytest.param((1, 1), (2, 1), [], id="a new version that reads the old"),
    ],
)
def test_versions_of_sections(
    source: tuple[int, int], destination: tuple[int, int], expected: list[tuple[str, str, str | None]]
) -> None:
    saved = description("x", A, version=source[0], minimum=source[1])
    loaded = description("x", A, field("later", version=2), version=destination[0], minimum=destination[1])
    if destination[0] == 1:
        loaded = description("x", A, version=1, minimum=1)
    assert told(saved, loaded) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"version_id": "1"},
        {"minimum_version_id": None},
        {"version_id": 1.0},
        {"version_id": True, "minimum_version_id": True},
        {"name": 1},
    ],
    ids=str,
)
def test_a_nested_description_that_is_none_is_refused(change: dict[str, Any]) -> None:
    inner = description("s", B) | change
    with pytest.raises(VMStateError):
        compat(schema(description("x", A, struct("s", inner))), schema(description("x", A)))


def test_what_breaks_is_not_compatible_and_what_may_is() -> None:
    same = compat(schema(description("x", A)), schema(description("x", A)))
    may = compat(schema(description("x", field("t", 48))), schema(description("x", field("t", 56))))
    breaks = compat(schema(description("x", A)), schema(description("x", A, B)))
    assert [finding.compatible for finding in (same, may, breaks)] == [True, True, False]
    assert (may.count(MAY_BREAK), breaks.count(BREAKS)) == (1, 1)


def test_subsections() -> None:
    sub = description("x/sub", B)
    another = description("x/sub", B, C)
    assert told(description("x", A, subsections=(sub,)), description("x", A)) == [
        ("subsection-unknown", MAY_BREAK, "x/sub")
    ]
    assert told(description("x", A), description("x", A, subsections=(sub,))) == []
    assert told(description("x", A, subsections=(sub,)), description("x", A, subsections=(another,))) == [
        ("field-new", MAY_BREAK, "x/sub/c")
    ]
    newer = description("x/sub", B, version=2)
    assert told(description("x", A, subsections=(newer,)), description("x", A, subsections=(sub,))) == [
        ("version-newer", MAY_BREAK, "x/sub")
    ]
    assert told(description("x", A, subsections=(sub,)), description("x", A, subsections=(sub, another))) == [
        ("subsection-repeated", COSMETIC, "x/sub")
    ]


def test_classes_and_idstrs() -> None:
    device = description("wire", A)
    renamed = compat(schema(old=device), schema(new=device))
    assert ids(renamed) == ["section-class:old"]
    assert renamed.findings[0].severity == COSMETIC
    gone = compat(schema(device), schema())
    assert ids(gone, MAY_BREAK) == ["section-unknown:wire"]
    assert gone.findings[0].when == "the machine has a 'wire'"
    compatibility = compat(schema(device=device), schema(device=description("another", A)))
    assert ids(compatibility, BREAKS) == ["section-name:device"]


def test_machine_types_that_differ_are_said_first() -> None:
    compatibility = compat(schema(description("x", A)), schema(description("x", B), machine="pc-q35-7.2"))
    assert compatibility.findings[0].id == "machine"
    assert "pc-q35-5.2" in compatibility.findings[0].message
    stream = compat(plain("qemu-7.2-q35-virtio-net.mig.xz"), dump("7.2"))
    assert (stream.findings[0].id, stream.findings[0].severity) == ("machine", BREAKS)


def test_a_description_without_fields_blocks_migration() -> None:
    empty, full = description("x", version=0, minimum=0), description("x", A)
    assert told(empty, full) == [("section-empty", MAY_BREAK, None)]
    assert told(full, empty) == [("version-newer", BREAKS, None), ("field-missing", BREAKS, None)]


def test_directions() -> None:
    first, second = schema(description("x", A, B)), schema(description("x", A))
    assert ids(compat(first, second)) == ["field-missing:x:b"]
    assert ids(compat(first, second, direction="backward")) == ["field-new:x:b:backward"]
    assert ids(compat(first, second, direction="both")) == ["field-missing:x:b", "field-new:x:b:backward"]
    with pytest.raises(VMStateError, match="no direction"):
        compat(first, second, direction="sideways")


def test_types_where_both_sides_say_them() -> None:
    def vmdesc(kind: str) -> bytes:
        fields = [{"name": "a", "type": kind, "size": 4}]
        device = {"name": "x", "instance_id": 0, "vmsd_name": "x", "version": 1, "fields": fields}
        return json.dumps({"page_size": 4096, "devices": [device]}).encode()

    compatibility = compat(vmdesc("int32"), vmdesc("uint32"))
    assert [(finding.id, finding.severity) for finding in compatibility.findings] == [("field-type:x:a", COSMETIC)]
    compatibility = compat(vmdesc("uint32"), vmdesc("uint32 equal"))
    assert [(finding.id, finding.severity) for finding in compatibility.findings] == [("field-type:x:a", MAY_BREAK)]


def test_padding_that_has_the_name_of_a_field_there() -> None:
    def vmdesc(*fields: tuple[str, str, int]) -> bytes:
        described = [{"name": name, "type": kind, "size": size} for name, kind, size in fields]
        device = {"name": "x", "instance_id": 0, "vmsd_name": "x", "version": 1, "fields": described}
        return json.dumps({"page_size": 4096, "devices": [device]}).encode()

    source = vmdesc(("a", "uint8", 1), ("pad", "unused_buffer", 2), ("more", "uint32", 4))
    compatibility = compat(source, vmdesc(("a", "uint8", 1), ("pad", "uint16", 2)))
    assert ids(compatibility) == ["field-renamed:x:pad", "field-type:x:pad", "field-missing:x:more"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(["a", "data_in_ready"], [("field-renamed", COSMETIC, "data_in_ready")], id="by another name"),
        pytest.param(["a"], [], id="not there"),
        pytest.param(["a", "fifo"], [("field-missing", BREAKS, "fifo")], id="something else"),
    ],
)
def test_a_stream_shows_whether_a_conditional_field_is_there(
    sent: list[str], expected: list[tuple[str, str, str | None]]
) -> None:
    fields = [{"name": name, "type": "uint32", "size": 4} for name in sent]
    device = {"name": "x", "instance_id": 0, "vmsd_name": "x", "version": 1, "fields": fields}
    vmdesc = json.dumps({"page_size": 4096, "devices": [device]}).encode()
    compatibility = compat(vmdesc, schema(description("x", A, field("data_ready", exists=True))))
    assert [
        (finding.id.partition(":")[0], finding.severity, finding.path) for finding in compatibility.findings
    ] == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param([("lun", 1), ("drq", 1)], [("field-missing", MAY_BREAK, "drq")], id="as many bytes, further on"),
        pytest.param([("lun", 1), ("drq", 2)], [("field-missing", BREAKS, "drq")], id="more bytes"),
        pytest.param(
            [("lun", 1), ("drq", 1), ("mode", 1)],
            [("field-missing", BREAKS, "drq"), ("field-missing", BREAKS, "mode")],
            id="two of them",
        ),
    ],
)
def test_a_field_may_be_read_in_the_place_of_another(
    sent: list[tuple[str, int]], expected: list[tuple[str, str, str | None]]
) -> None:
    """What QEMU 7.2 does with the am53c974 of 10.0, which it loads: `lun, drq_state` are its `ti_cmd, lun`."""
    fields = [{"name": name, "type": f"uint{8 * size}", "size": size} for name, size in [("a", 4), *sent]]
    device = {"name": "x", "instance_id": 0, "vmsd_name": "x", "version": 1, "fields": fields}
    vmdesc = json.dumps({"page_size": 4096, "devices": [device]}).encode()
    cmd, lun = field("ti_cmd", 1, exists=True), field("lun", 1, exists=True)
    compatibility = compat(vmdesc, schema(description("x", A, cmd, lun)))
    assert [(finding.rule, finding.severity, finding.path) for finding in compatibility.findings] == expected


def test_a_field_whose_size_a_dump_does_not_say_may_be_called_otherwise() -> None:
    """The bitmap of write-protected groups of an SD card, of which a dump has the size of the pointer to it."""
    names = [("a", "uint32", 4), ("wp_groups", "bitmap", 72), ("b", "uint16", 2)]
    fields = [{"name": name, "type": kind, "size": size} for name, kind, size in names]
    device = {"name": "x", "instance_id": 0, "vmsd_name": "x", "version": 1, "fields": fields}
    vmdesc = json.dumps({"page_size": 4096, "devices": [device]}).encode()
    compatibility = compat(vmdesc, schema(description("x", A, field("wp_group_bmap", 0), B)))
    assert [(finding.rule, finding.severity) for finding in compatibility.findings] == [("field-recut", MAY_BREAK)]


def test_facts_decide_conditions_of_the_library() -> None:
    without = compat("library", plain("qemu-7.2-q35-virtio-net.mig.xz"))
    assert without.count(BREAKS) == 0
    open_schema("library", facts={"multi_queue": True})


# The command.


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(["compat", *arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "one.json").write_bytes(schema(description("x", A, B), description("y", A)))
    (tmp_path / "two.json").write_bytes(schema(description("x", A), description("y", field("b"))))
    return str(tmp_path / "one.json"), str(tmp_path / "two.json")


def test_exit_codes_and_json(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *files, "--format", "json")
    document = json.loads(out)
    assert code == 1
    assert document["a"], document["b"] == files
    assert [finding["id"] for finding in document["findings"]] == ["field-missing:x:b", "field-renamed:y:a"]
    assert list(document["findings"][0]) == [
        "id",
        "severity",
        "direction",
        "section",
        "path",
        "offset",
        "message",
        "when",
    ]
    assert document["findings"][0]["offset"] == 4
    code, out, _ = run(capsys, files[0], files[0])
    assert code == 0
    assert "compatible: 0 break, 0 may break, 0 cosmetic" in out
    code, out, _ = run(capsys, *files, "--reverse")
    assert code == 1
    assert "b: 'b' (2 bytes) is not sent, and the destination reads it" in out
    code, out, _ = run(capsys, *files, "--both")
    assert "x (backward)" in out


def test_a_baseline(files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline = str(tmp_path / "baseline.json")
    assert run(capsys, *files, "--write-baseline", baseline, "--reason", "x is unused")[0] == 0
    written = json.loads(Path(baseline).read_text())
    assert [(entry["id"], entry["reason"]) for entry in written["accepted"]] == [("field-missing:x:b", "x is unused")]
    code, out, _ = run(capsys, *files, "--baseline", baseline)
    assert code == 0
    assert "1 accepted by the baseline" in out
    code, out, _ = run(capsys, files[0], files[0], "--baseline", baseline, "--format", "json")
    assert json.loads(out)["stale"] == ["field-missing:x:b"]
    code, out, _ = run(capsys, *files, "--baseline", baseline, "--format", "json")
    assert json.loads(out)["accepted"][0]["reason"] == "x is unused"
    assert run(capsys, *files, "--reverse", "--baseline", baseline)[0] == 1


def test_sarif(files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline = str(tmp_path / "baseline.json")
    run(capsys, *files, "--write-baseline", baseline)
    code, out, _ = run(capsys, *files, "--baseline", baseline, "--format", "sarif")
    document = json.loads(out)
    assert code == 0
    assert document["version"] == "2.1.0"
    results = document["runs"][0]["results"]
    assert [(result["ruleId"], result["level"]) for result in results] == [
        ("field-missing", "error"),
        ("field-renamed", "note"),
    ]
    assert results[0]["suppressions"][0]["kind"] == "external"
    rules = {rule["id"] for rule in document["runs"][0]["tool"]["driver"]["rules"]}
    assert rules == {result["ruleId"] for result in results}


def test_a_matrix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for release in RELEASES[1:]:
        shutil.copy(DUMPS / f"qemu-{release}-pc-q35-5.2.json.xz", tmp_path)
    shutil.copy(DUMPS / "qemu-11.1-q35.json.xz", tmp_path)
    code, out, _ = run(capsys, str(tmp_path))
    assert code == 1
    assert "pc-q35-5.2: breaks / may break" in out
    assert "qemu-11.1-q35: nothing else is of machine type pc-q35-11.1" in out
    rows = [line.split()[1] for line in out.splitlines() if line.startswith("│ qemu")]
    assert rows == [f"qemu-{release}-pc-q35-5.2" for release in RELEASES[1:]]
    code, out, _ = run(capsys, str(tmp_path), "--format", "json")
    assert len(json.loads(out)["pairs"]) == 6


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"not JSON",
        b'{"a": 1}',
        b'{"a": {"Name": "a", "version_id": 1, "minimum_version_id": 1, "Description": {"name": "a"}}}',
        b'{"vmschkmachine": {"Name": "x"}}',
        b'{"vmschkmachine": {}, "a": {}}',
        b'{"a": ' * 5000 + b"1" + b"}" * 5000,
        schema(description("x", {"field": "a"})),
        schema(description("x", field("a"), version="one")),  # type: ignore[arg-type]
        schema(description("x", struct("s", {"name": "s"}))),
        b'{"page_size": 1, "vmsd_name": 1, "devices": 3}',
    ],
)
def test_what_is_no_schema_is_refused(text: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(text)
    for arguments in ([str(path), str(DUMPS / "qemu-7.2-q35.json.xz")], [str(tmp_path)]):
        code, _, error = run(capsys, *arguments)
        assert code == 2
        assert error.startswith("vmstate: ")
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"vmstate-baseline": 2, "accepted": []}',
        '{"vmstate-baseline": 1, "accepted": [{"id": "x"}]}',
        '{"vmstate-baseline": 1, "accepted": [{"id": "x", "reason": ""}]}',
        '{"vmstate-baseline": 1}',
    ],
)
def test_what_is_no_baseline_is_refused(
    text: str, files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "baseline"
    path.write_text(text)
    code, _, error = run(capsys, *files, "--baseline", str(path))
    assert code == 2
    assert "baseline" in error
    assert error.count("\n") == 1


def test_usage_that_cannot_be(files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for arguments in (
        [files[0]],
        [str(tmp_path / "empty")],
        [files[0], "no-such-file"],
        [*files, "--fact", "x"],
        [*files, "--both", "--reverse"],
        [str(tmp_path), "--format", "sarif"],
        ["/bin/sh", files[0]],
    ):
        code, _, error = run(capsys, *arguments)
        assert code == 2, arguments
        assert error.startswith("vmstate: ") or "usage" in error


def program(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_binary_is_asked_for_its_dump(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    qemu = program(
        tmp_path / "qemu", f'[ "$2" = pc-q35-5.2 ] || {{ echo no such machine >&2; exit 1; }}; cat {files[0]} > "$6"'
    )
    code, out, _ = run(capsys, f"{qemu}:pc-q35-5.2", files[1])
    assert code == 1
    assert f"{qemu}:pc-q35-5.2 and" in out
    assert run(capsys, qemu, files[0], "--machine", "pc-q35-5.2")[0] == 0
    code, _, error = run(capsys, f"{qemu}:isapc", files[1])
    assert code == 2
    assert "no such machine" in error


def test_a_binary_that_hangs_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(VMStateError, match=r"no -dump-vmstate text within 0\.2 s"):
        open_schema(f"{program(tmp_path / 'qemu', 'exec sleep 60')}:none", seconds=0.2)


@pytest.mark.qemu
@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="needs a real QEMU: install qemu-system-x86")
def test_a_real_qemu_is_compatible_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "qemu-system-x86_64:q35", "qemu-system-x86_64", "--machine", "q35", "--both")
    assert code == 0
    assert "compatible: 0 break, 0 may break, 0 cosmetic" in out


# What a stream shows of lists and arrays of pointers, and of other architectures.


@pytest.mark.parametrize("name", ["qemu-7.2-s390x-virtio-net-ccw", "recorded/qemu-7.2-s390x-virtio-devices"])
@pytest.mark.parametrize("side", ["library", "dump"])
def test_a_stream_of_another_architecture_fits_its_own_release(name: str, side: str) -> None:
    """Its `s390_css` has a list without elements and an array of pointers that the vmdesc shows as NULL."""
    schema_name = "library" if side == "library" else str(DUMPS / "qemu-7.2-s390-ccw-virtio-5.2.json.xz")
    compatibility = compat(str(FIXTURES / f"{name}.mig.xz"), schema_name)
    assert [
        finding.id
        for finding in compatibility.findings
        if finding.severity != COSMETIC and not finding.id.startswith("machine")
    ] == []


def test_the_cpu_of_an_architecture_that_the_library_does_not_know(tmp_path: Path) -> None:
    """Nothing that is said of the CPUs in the library says anything of it: one of MIPS."""
    fields = [
        {"name": name, "size": size, "type": f"uint{8 * size}", "index": 0, "num": 1}
        for name, size in (("env.active_tc.HI", 8), ("env.CP0_Index", 4), ("env.CP0_EPC", 8), ("env.CP0_Count", 4))
    ]
    path = tmp_path / "vmdesc.json"
    device = {"name": "cpu", "instance_id": 0, "vmsd_name": "cpu", "version": 5, "fields": fields}
    path.write_text(json.dumps({"page_size": 4096, "devices": [device]}))
    assert ids(compat(str(path), "library"), BREAKS) == []
    assert ids(compat(str(path), "library"), MAY_BREAK) == ["section-unknown:cpu"]
    listed = compat(str(path), str(DUMPS / "qemu-7.2-s390-ccw-virtio-5.2.json.xz"))
    assert ids(listed, BREAKS, MAY_BREAK) == [] and "section-not-described:cpu" in ids(listed, COSMETIC)


# Single fields.


def leaf(path: str, size: int, kind: str | None = None, *, exact: bool = True) -> Leaf:
    return Leaf(tuple(path.split("/")), size, None, (), kind, None, 0, exact)


def test_a_size_counts_where_both_sides_are_certain_of_it() -> None:
    comparison: Any = SimpleNamespace(finding=lambda rule, severity, *_: severity)
    for here, there in itertools.product((True, False), repeat=2):
        severity = _Pairing.size(comparison, leaf("a", 4, exact=here), leaf("a", 8, exact=there), None)
        assert severity == (BREAKS if here and there else MAY_BREAK)  # type: ignore[comparison-overlap]


def test_a_list_without_elements_is_left_out_where_the_other_side_opens_it() -> None:
    """One that it does not open is compared; what is in one that has elements here is kept."""
    opened, filled, alone = leaf("opened", 0, "qtailq"), leaf("filled", 0, "qtailq"), leaf("alone", 0, "qtailq")
    element, other_element = leaf("filled/x", 4), leaf("opened/x", 4)
    shown = [opened, filled, element, alone]
    left, kept = _without_elements(shown, [other_element, leaf("filled/x", 4), leaf("z", 4)])
    assert [part.path for part in left] == [("filled", "x"), ("alone",)]
    assert [part.path for part in kept] == [("filled", "x"), ("z",)]
