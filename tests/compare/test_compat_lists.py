"""The lists for older machine types decide conditions: what is sent for one machine type and not for another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from vmstate.compare.compat import compat
from vmstate.source.compat_lists import MachineProperties
from vmstate.source.linking import Linked
from vmstate.source.reading import read_tree

BEEPER = Path(__file__).resolve().parents[2] / "fixtures" / "source" / "beeper"
DEVICE = "hw/audio/beeper.c"
HEADER = "include/hw/beeper.h"
PROPERTIES = """
#define PROP(n, s, f, i, b, d) { .name = n, .info = &i, .offset = offsetof(s, f), .bitnr = b, .defval.u = d }
static const Property beeper_properties[] = {
    PROP("x-migrate-echo", BeeperState, echo_on, qdev_prop_bool, 0, true),
    PROP("tune", BeeperState, tune_kind, qdev_prop_uint32, 0, 1),
    PROP("x-two", BeeperState, flags, qdev_prop_bit, 2, false),
    PROP("x-five", BeeperState, flags, qdev_prop_bit, 5, true),
};
GlobalProperty hw_compat_10_0[] = { { "beeper", "x-two", "on" }, { "beeper", "x-five", "off" } };
GlobalProperty hw_compat_9_2[] = { { "isa-device", "x-migrate-echo", "off" } };
GlobalProperty hw_compat_9_1[] = { { "beeper", "x-two", "off" }, { "beeper", "tune", "0x3" } };
GlobalProperty spapr_compat_9_2[] = { { "beeper", "x-five", "on" } };
static void ccw_machine_9_0_class_options(MachineClass *mc)
{
    static GlobalProperty compat[] = {
        { "beeper", "x-five", "on" },
    };
}
static const TypeInfo isa_info = { .name = "isa-device" };
static bool
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(BEEPER, tmp_path / "tree")
    text = (tmp_path / "tree" / DEVICE).read_text(encoding="utf-8")
    text = text.replace("return s->echo != 0", "return s->echo_on").replace(
        "static bool", PROPERTIES + "static bool", 1
    )
    text = text.replace("dc->vmsd = ", "device_class_set_props(dc, beeper_properties);\n    dc->vmsd = ")
    text = text.replace("return s->mode == BEEPER_TUNE", "return s->flags & (1 << 2)")
    (tmp_path / "tree" / DEVICE).write_text(text.replace("static bool\n\nstatic bool", "static bool"), encoding="utf-8")
    header = (tmp_path / "tree" / HEADER).read_text(encoding="utf-8")
    header = header.replace("uint8_t mode;", "bool echo_on; uint32_t tune_kind, flags; uint8_t mode;")
    (tmp_path / "tree" / HEADER).write_text(header, encoding="utf-8")
    return tmp_path / "tree"


@pytest.mark.parametrize(
    ("machine", "members"),
    [
        ("pc-q35-10.1", {"echo_on": (-1, 1), "flags": (36, 32)}),
        ("pc-q35-10.0", {"echo_on": (-1, 1), "flags": (36, 4)}),
        ("pc-q35-9.2", {"echo_on": (-1, 0), "flags": (36, 4)}),
        ("pc-q35-9.1", {"echo_on": (-1, 0), "flags": (36, 0), "tune_kind": (-1, 3)}),
        ("pseries-9.2", {"echo_on": (-1, 0), "flags": (36, 36)}),
        ("s390-ccw-virtio-9.0", {"echo_on": (-1, 0), "flags": (36, 32), "tune_kind": (-1, 3)}),
        # A board without a version gets what a new one has.
        ("microvm", {"echo_on": (-1, 1), "flags": (36, 32)}),
    ],
)
def test_what_a_machine_type_sets(tree: Path, machine: str, members: dict[str, tuple[int, int]]) -> None:
    read = read_tree(str(tree))
    assert read.problems == ()
    assert MachineProperties(Linked(read), machine).members("beeper") == members


def test_a_subsection_that_is_not_sent_is_not_missed(tree: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(tree, older)
    text = (older / DEVICE).read_text(encoding="utf-8")
    text = text.replace("        &vmstate_beeper_echo,\n", "").replace(
        ", BeeperState, beeper_has_tune", ", BeeperState, NULL"
    )
    (older / DEVICE).write_text(text, encoding="utf-8")

    def told(machine: str | None, *sides: Path) -> list[tuple[str, str | None, str]]:
        findings = compat(*map(str, sides), machine=machine).findings
        return [(finding.rule, finding.path, finding.severity) for finding in findings]

    echo, tune = ("subsection-unknown", "beeper/echo"), ("field-condition", "tune")
    assert told(None, tree, older) == [(*tune, "may-break"), (*echo, "may-break")]
    assert told("pc-q35-10.0", tree, older) == [(*echo, "breaks")]
    assert told("pc-q35-9.2", tree, older) == []
    assert told("pc-q35-9.1", tree, older) == [("field-new", "tune", "breaks")]
    assert told("pc-q35-9.2", older, tree) == []


def dumped(field: str, size: int, **more: object) -> dict[str, object]:
    return {"field": field, "version_id": 0, "field_exists": False, "size": size, **more}


@pytest.mark.parametrize("version", ["version_id", "version"])
def test_a_condition_that_a_tree_decides_is_decided_for_a_dump_too(tree: Path, tmp_path: Path, version: str) -> None:
    text = (tree / DEVICE).read_text(encoding="utf-8")
    old = f"static bool beeper_is_old(void *opaque, int {version})\n{{\n    return {version} < 2;\n}}\n"
    text = text.replace(
        "static const VMStateDescription vmstate_beeper =", f"{old}static const VMStateDescription vmstate_beeper ="
    )
    text = text.replace(", BeeperState, beeper_has_tune", ", BeeperState, beeper_is_old")
    (tree / DEVICE).write_text(text, encoding="utf-8")
    regs = {
        "name": "beeper/regs",
        "version_id": 1,
        "minimum_version_id": 1,
        "Fields": [dumped("pitch", 4), dumped("envelope", 2)],
    }
    echo = {"name": "beeper/echo", "version_id": 1, "minimum_version_id": 1, "Fields": [dumped("echo", 1)]}
    fields = [
        dumped("mode", 1),
        dumped("regs", 20, Description=regs),
        dumped("tune", 4, field_exists=True),
        dumped("name", 16),
        dumped("volume", 4, version_id=2),
    ]
    description = {"name": "beeper", "version_id": 2, "minimum_version_id": 1, "Fields": fields, "Subsections": [echo]}
    device = {"Name": "beeper", "version_id": 2, "minimum_version_id": 1, "Description": description}
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps({"beeper": device}), encoding="utf-8")
    findings = [*compat(str(tree), str(dump)).findings, *compat(str(dump), str(tree)).findings]
    assert [finding.path for finding in findings if finding.severity != "cosmetic"] == []
    # A field that another binary sends always is missed where a tree says that it is not sent.
    fields[2] = dumped("tune", 4)
    dump.write_text(json.dumps({"beeper": device}), encoding="utf-8")
    findings = compat(str(tree), str(dump)).findings
    assert [finding.path for finding in findings if finding.severity == "breaks"] == ["tune"]
