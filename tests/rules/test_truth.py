"""What a real QEMU did with streams that break a rule each, against what the library says of the same streams."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import rule_pairs
from machines import needs_qemu
from rules_truth import ANSWERS, FOLDER, changed, plain, qemu_for, read_changes, record
from rules_truth_cases import MACHINES

import vmstate
from vmstate.compare import Target
from vmstate.declare import load_state
from vmstate.rules import KnownDestination, unjudged
from vmstate.rules.command_line import facts_of_command
from vmstate.rules.edit import Likeness
from vmstate.stream.finding import Finding
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.expr import IDSTR, OWN_STATE, RELEASE
from vmstate.vmsd.release import Release
from vmstate.vmsd.rule import KNOWN_SINCE
from vmstate.vmsd.state import facts_of

RECORDED = json.loads(ANSWERS.read_text())
CASES = RECORDED["cases"]
PLACES = {place.key: place for place in rule_pairs.all_places()}
LEAST = 60
"""Rules that QEMU has answered for, at least."""


def each_case(test: Any) -> Any:
    """Run a test with every case; all together they take a minute."""
    cases = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['machine']}-{case['rule']}")
    return pytest.mark.slow(cases(test))


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


def section_of(case: dict[str, Any], stream: Stream) -> Section:
    return next(section for section in stream.sections if section.name == case["changes"][0]["section"])


def told_of(case: dict[str, Any], stream: Stream) -> dict[str, Any]:
    """What QEMU said of the device that was broken, and what its command line says of it."""
    told: dict[str, Any] = dict(facts_of_command(RECORDED["machines"][case["machine"]]["argv"]))
    features = re.search("Allowed features: (0x[0-9a-f]+)", " ".join(case["lines"]))
    if features is not None:
        told["virtio_host_features"] = int(features[1], 16)
    section = section_of(case, stream)
    for _, _, facts in Likeness(section, section.payload()).readings:
        told |= {name: facts[name] for name in ("pci_config", "pci_config_compared") if name in facts}
    for change in case["changes"]:
        told |= change.get("facts", {})
    return told


def destination(case: dict[str, Any], stream: Stream) -> KnownDestination:
    """The machine that QEMU loaded in."""
    facts = {"qemu_release": release_of(case), "guest_memory": Blank()}
    return KnownDestination(stream, facts, {section_of(case, stream).name: told_of(case, stream)})


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
        assert MACHINES[case["machine"]].refuses_itself == bool(known.check(stream.to_bytes()))
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


@each_case
def test_explain_answers_as_qemu(case: dict[str, Any]) -> None:
    rule = case["rule"].partition("@")[0]
    with recorded(case) as reference, vmstate.load(broken(case)) as source:
        told = told_of(case, reference)
        section = section_of(case, reference)
        # Configuration spaces are compared without being told of.
        told = {name: value for name, value in told.items() if not name.startswith("pci_config")}
        offered = {(section.name, section.instance_id): told.pop("virtio_host_features", 0)}
        target = Target(
            "there",
            stream=reference,
            release=release_of(case),
            facts={"guest_memory": Blank(), **told},
            host_features=offered if rule == "virtio-features" else {},
        )
        explained = vmstate.explain(source, target)
    if case["verdict"] == "loads":
        assert explained.verdict != "fails", explained.findings
        return
    assert explained.verdict == "fails", explained.findings
    named = {KNOWN_SINCE: "subsection-unknown", "virtio-features": "feature"}.get(rule, rule)
    wanted = {named, "layout", "encode"}
    told_rules = {finding.rule for finding in explained.findings if finding.severity != "cosmetic"}
    assert told_rules & wanted, explained.findings
    line = next(finding.qemu_error for finding in explained.findings if finding.severity == "breaks")
    # Where an assertion ends QEMU it says nothing else.
    assert line is None or case["verdict"] == "aborts" or line in " | ".join(case["lines"])


@each_case
def test_set_refuses_what_qemu_refuses_or_has_not_judged_it(case: dict[str, Any]) -> None:
    rule = PLACES[case["rule"]].rule
    with recorded(case) as stream:
        before = stream.to_bytes()
        try:
            edits = changed(stream, read_changes(case["changes"]), force=False)
        except vmstate.VMStateError as error:
            # What QEMU mends is not read as it was written.
            assert case["verdict"] != "loads" or (rule.mended and "QEMU would read nothing" in str(error))
            assert len(case["changes"]) > 1 or stream.to_bytes() == before
            return
        if case["verdict"] == "loads":
            assert {finding.rule: finding.severity for finding in vmstate.check(stream)} == {rule.id: "note"}
            return
        assert rule.needs - {OWN_STATE.name}
        assert rule.id in {finding.rule for finding in unjudged(stream)}
        # And whoever changes it is told, but of what those releases would not have taken before the change either.
        was_broken = rule.needs == {RELEASE.name} and rule.id in {
            finding.rule for finding in unjudged(vmstate.load(before))
        }
        assert was_broken or rule.id in {finding.rule for edit in edits for finding in edit.not_judged}


@each_case
def test_load_state_answers_as_qemu(case: dict[str, Any]) -> None:
    with recorded(case) as stream:
        section = section_of(case, stream)
        vmsd, version, payload = section.vmsd, section.version_id, section.payload()
        assert vmsd is not None
        facts = {**facts_of(section.state), IDSTR.name: section.name}
        facts |= {"qemu_release": release_of(case), "guest_memory": Blank(), **told_of(case, stream)}
        facts[OWN_STATE.name] = vmsd.decode(payload, version_id=version, facts=facts)
        opaque = vmsd.decode(payload, version_id=version, facts=facts)
        changed(stream, read_changes(case["changes"]), force=True)
        data = section.payload()
    if case["verdict"] == "loads":
        load_state(vmsd, data, opaque, version, facts=facts)
        return
    with pytest.raises(vmstate.VMStateError):
        assert load_state(vmsd, data, opaque, version, facts=facts) == len(data), "the section does not end there"


@each_case
def test_what_qemu_mends_is_not_what_was_written(case: dict[str, Any]) -> None:
    assert (case["verdict"] == "loads") == PLACES[case["rule"]].rule.mended
    if case["verdict"] == "loads":
        with recorded(case) as stream:
            changed(stream, read_changes(case["changes"]), force=True)
            assert case["saved"] != [plain(stream.find(change["set"])[2]) for change in case["changes"]]


SAMPLE = {
    "pc-7.2": (),
    "microvm-7.2": (),
    "q35-11.1": (),
    "q35-7.2": (
        "known-since@i8259/ltim",
        "pci-irq-state@pci irq state.pins",
        "value-equal@PCIDevice.version_id",
        "virtio-net-mac-table@virtio-net-device.in_use",
        "virtqueue-element-in@virtqueue element.in_num",
    ),
}
"""Rules that QEMU is asked again of; none named means all of the machine."""


@pytest.mark.qemu
@needs_qemu
@pytest.mark.parametrize("name", SAMPLE)
def test_qemu_answers_as_it_did(name: str) -> None:
    if qemu_for(MACHINES[name]) is None:
        pytest.skip(f"no QEMU {MACHINES[name].release} is here")
    answers = record(name, MACHINES[name], SAMPLE[name])
    assert answers is not None
    before = {case["rule"]: case for case in CASES if case["machine"] == name}
    assert answers["cases"]
    for case in answers["cases"]:
        # As the recording is read: tuples are lists there.
        assert json.loads(json.dumps({"machine": name, **case})) == before[case["rule"]]
