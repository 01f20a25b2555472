"""Each rule of the library, broken once: refused or told by whatever answers for a destination.

A rule that needs what a caller is not told is reported as not judged, never passed.
"""

from __future__ import annotations

import pytest
import rule_pairs
from rule_pairs import Pair, Place

import vmstate
from vmstate.compare import Target
from vmstate.declare import load_state
from vmstate.rules import KnownDestination, broken, set_value, unjudged
from vmstate.vmsd.expr import IDSTR, OWN_STATE, RELEASE
from vmstate.vmsd.rule import KNOWN_SINCE
from vmstate.vmsd.state import facts_of, version_of

PLACES = rule_pairs.all_places()
KEYS = [place.key for place in PLACES]

NOT_GENERATED = {
    "arm-cpu-register-release",
    "ahci-busy-slot",
    "ahci-dma-engine",
    "ahci-fis-engine",
    "ahci-ncq-halted",
    "ahci-ncq-used",
    "arm-cpu-register-constant",
    "ide-end-transfer",
    "nvme-sq-completion",
    "nvme-sq-number",
    "virtio-gpu-outputs",
    "virtio-mem-block-size",
    "virtio-net-mac-table-count",
    "virtio-net-rss-table",
    "virtio-pci-device-id",
    "virtio-queue-inuse",
    "virtio-queues",
}
"""Rules for which trying finds no pair in a reasonable time."""

SLOW = {"ahci-mapped@ich9_ahci.ahci", "value-equal@ahci.ports"}
"""Rules whose pair takes many seconds to find."""

EXPLAINED_OTHERWISE = {"pci-config", "virtio-features"}
"""Rules that `explain` tells of by itself, byte by byte and feature by feature."""

LEAST = 75
"""Rules that there are at least: a rule that goes must be taken away here, too."""


def test_there_are_as_many_rules_as_there_were() -> None:
    assert len(PLACES) >= LEAST
    assert len(set(KEYS)) == len(KEYS)
    assert {place.rule.id for place in PLACES} >= NOT_GENERATED


GENERATED = [place for place in PLACES if place.rule.id not in NOT_GENERATED and place.key not in SLOW]


@pytest.mark.parametrize(
    "place",
    # One of five while one works; each takes as long as a command.
    [
        pytest.param(place, id=place.key, marks=[] if number % 5 == 0 else pytest.mark.slow)
        for number, place in enumerate(GENERATED)
    ],
)
def test_all_that_answer_for_a_destination_agree(place: Place) -> None:
    pair = rule_pairs.pair_of(place)
    assert pair is not None, f"no pair was found that breaks {place.key}"
    a_destination_that_is_known_refuses_it(place, pair)
    explain_tells_it(place, pair)
    load_state_refuses_it(place, pair)
    set_refuses_it_or_has_not_judged_it(place, pair)
    what_is_not_told_is_not_judged(place, pair)


def a_destination_that_is_known_refuses_it(place: Place, pair: Pair) -> None:
    if pair.stream(pair.own) == pair.stream(pair.state):
        # What it saved itself it takes, whatever it is told to be.
        return
    with vmstate.load(pair.stream(pair.own)) as reference:
        findings = KnownDestination(reference, pair.facts).check(pair.stream(pair.state))
    assert place.rule.id in {finding.rule for finding in findings} or any(
        finding.rule == "load" for finding in findings
    )


def explain_tells_it(place: Place, pair: Pair) -> None:
    if place.rule.mended or place.rule.id in EXPLAINED_OTHERWISE:
        return
    told = {name: value for name, value in pair.facts.items() if name != RELEASE.name}
    with vmstate.load(pair.stream(pair.own)) as reference, vmstate.load(pair.stream(pair.state)) as source:
        target = Target("there", stream=reference, release=pair.facts.get(RELEASE.name), facts=told)
        explained = vmstate.explain(source, target)
    rule = "subsection-unknown" if place.rule.id == KNOWN_SINCE else place.rule.id
    rules = {finding.rule for finding in explained.findings if finding.severity != "cosmetic"}
    assert rules & {rule, "layout", "encode", "version-newer"}, explained.findings
    assert explained.verdict == "fails"


def load_state_refuses_it(place: Place, pair: Pair) -> None:
    if place.rule.mended:
        return
    data = pair.vmsd.encode(pair.state, force=True)
    facts = {**facts_of(pair.state), **pair.facts, IDSTR.name: pair.idstr, OWN_STATE.name: pair.own}
    local = pair.vmsd.decode(pair.vmsd.encode(pair.own), version_id=version_of(pair.own), facts=facts_of(pair.own))
    with pytest.raises(vmstate.VMStateError):
        load_state(pair.vmsd, data, local, version_of(pair.state), facts=facts)


def set_refuses_it_or_has_not_judged_it(place: Place, pair: Pair) -> None:
    if place.rule.mended or pair.changed is None:
        return
    with vmstate.load(pair.stream(pair.own)) as stream:
        section = stream.sections[0]
        assert section.vmsd is not None, section.problem
        path, value = pair.changed
        name = f"{section.name}.{path}"
        if pair.facts:
            # The source tells nothing of what the rule needs.
            assert place.rule.needs
            return
        with pytest.raises(vmstate.VMStateError):
            set_value(stream, name, value)
        assert stream.to_bytes() == pair.stream(pair.own)


def what_is_not_told_is_not_judged(place: Place, pair: Pair) -> None:
    if not place.rule.needs:
        return
    results = list(broken(pair.vmsd, pair.state, version=version_of(pair.state), facts={IDSTR.name: pair.idstr}))
    alike = [result for result in results if result.rule.id == place.rule.id and result.path == pair.path]
    assert alike and all(result.missing for result in alike)
    with vmstate.load(pair.stream(pair.state)) as stream:
        if stream.sections[0].problem is None:
            assert place.rule.id in {finding.rule for finding in unjudged(stream)}
            assert place.rule.id not in {finding.rule for finding in vmstate.check(stream) if finding.path == pair.path}
