"""What a real QEMU did with streams that break a rule each, against what the library says of the same streams."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import rule_pairs
from rules_truth import ANSWERS, FOLDER, changed, read_changes
from rules_truth_cases import MACHINES

import vmstate
from vmstate.rules import KnownDestination
from vmstate.rules.edit import Likeness
from vmstate.stream.stream import Stream
from vmstate.stream.verify import Finding
from vmstate.vmsd.release import Release

RECORDED = json.loads(ANSWERS.read_text())
CASES = RECORDED["cases"]
PLACES = {place.key: place for place in rule_pairs.all_places()}
LEAST = 60
"""Rules that QEMU has answered for, at least."""

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['machine']}-{case['rule']}")


class Blank:
    """Guest memory before a guest has run: zeros from address 0 on, as many as the machine has."""

    size = 16 << 20

    def has(self, address: int, size: int) -> bool:
        return address >= 0 and address + size <= self.size

    def read(self, address: int, size: int) -> bytes:
        return bytes(size)

    def read_all(self, pieces: list[tuple[int, int]]) -> list[bytes]:
        return [bytes(size) for _, size in pieces]

    def ranges(self) -> tuple[range]:
        return (range(self.size),)


def recorded(case: dict[str, Any]) -> Stream:
    return vmstate.load(FOLDER / RECORDED["machines"][case["machine"]]["stream"])


def release_of(case: dict[str, Any]) -> Release:
    major, minor, _ = RECORDED["machines"][case["machine"]]["qemu_version"].split(".")
    return Release(int(major), int(minor))


def broken(case: dict[str, Any]) -> bytes:
    """The stream that QEMU was given, but for guest memory."""
    with recorded(case) as stream:
        changed(stream, read_changes(case["changes"]), force=True)
        return stream.to_bytes()


def destination(case: dict[str, Any], stream: Stream) -> KnownDestination:
    """The machine that QEMU loaded in, with what it said of itself."""
    told: dict[str, Any] = {}
    features = re.search("Allowed features: (0x[0-9a-f]+)", " ".join(case["lines"]))
    if features is not None:
        told["virtio_host_features"] = int(features[1], 16)
    section = next(section for section in stream.sections if section.name == case["changes"][0]["section"])
    for _, _, facts in Likeness(section, section.payload(), None).readings:
        told |= {name: facts[name] for name in ("pci_config", "pci_config_compared") if name in facts}
    for change in case["changes"]:
        told |= change.get("facts", {})
    facts = {"qemu_release": release_of(case), "guest_memory": Blank()}
    return KnownDestination(stream, facts, {section.name: told})


def names_it(case: dict[str, Any], findings: list[Finding]) -> bool:
    """Whether the rule that was broken is among findings; what could not even be read has none."""
    rule = case["rule"].partition("@")[0]
    return any(finding.rule in (rule, "load") for finding in findings)


def test_qemu_has_answered_for_as_many_rules() -> None:
    assert len({case["rule"] for case in CASES}) >= LEAST
    assert {case["rule"] for case in CASES} <= PLACES.keys()
    assert {case["machine"] for case in CASES} == RECORDED["machines"].keys() == MACHINES.keys()


@each_case
def test_a_destination_that_is_known_answers_as_qemu(case: dict[str, Any]) -> None:
    with recorded(case) as stream:
        known = destination(case, stream)
        assert not known.check(stream.to_bytes())
        findings = known.check(broken(case))
    assert names_it(case, findings), findings
    refused = any(finding.severity == "error" for finding in findings)
    assert refused == (case["verdict"] != "loads"), findings


@each_case
def test_what_qemu_takes_is_taken(case: dict[str, Any]) -> None:
    if "kept" not in case:
        return
    with recorded(case) as stream:
        known = destination(case, stream)
        changed(stream, read_changes(case["kept"]), force=True)
        assert not known.check(stream.to_bytes())
