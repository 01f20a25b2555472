"""Each rule of the library, broken once: refused or told by whatever answers for a destination.

A rule that needs what a caller is not told is reported as not judged, never passed.
"""

from __future__ import annotations

import json

import pytest
import rule_pairs
from rule_pairs import Pair, Place
from rules_truth import ANSWERS

import vmstate
from vmstate.compare import Target
from vmstate.declare import load_state
from vmstate.rules import KnownDestination, broken, set_value, unjudged
from vmstate.vmsd.expr import IDSTR, OWN_STATE, RELEASE
from vmstate.vmsd.rule import KNOWN_SINCE, VALUE_EQUAL
from vmstate.vmsd.state import facts_of, version_of

PLACES = rule_pairs.all_places()
KEYS = [place.key for place in PLACES]

NOT_GENERATED = {
    "xhci-vectors",
    "arm-cpu-register-release",
    "arm-cpu-el3",
    "ppc-tlb-emb",
    "ahci-busy-slot",
    "ahci-dma-engine",
    "ahci-fis-engine",
    "ahci-ncq-halted",
    "ahci-ncq-used",
    "arm-cpu-register-constant",
    "arm-cpu-register-width",
    "ide-end-transfer",
    "nvme-sq-completion",
    "nvme-sq-number",
    "scsi-reservation",
    "virtio-gpu-backing",
    "virtio-gpu-formats",
    "virtio-gpu-outputs",
    "virtio-gpu-framebuffer",
    "virtio-gpu-rectangle",
    "virtio-gpu-resource-ids",
    "virtio-gpu-shown",
    "virtio-gpu-size",
    "virtio-mem-block-size",
    "virtio-net-mac-table-count",
    "virtio-net-queues",
    "virtio-net-rss-table",
    "virtio-pci-device-id",
    "virtio-queue-inuse",
    "virtio-queues",
    "x86-efer32",
    "x86-reenlightenment",
    "x86-tsc-frequency",
}
"""Rules for which trying finds no pair in a reasonable time."""

SLOW = {"ahci-mapped@ich9_ahci.ahci", "value-equal@ahci.ports"}
"""Rules whose pair takes many seconds to find."""

DEAR = "known-since@arm_gicv3_cpu/gicv4"
"""A rule whose pair is read in a hundred ways, since its section does not say how many processors there are."""

EXPLAINED_OTHERWISE = {"pci-config", "virtio-features"}
"""Rules that `explain` tells of by itself, byte by byte and feature by feature."""

READ_NO_FURTHER = {
    # As many regions of memory protection as the generated processor has no processor has that the library knows.
    "allocated@cpu/wfxt-timer": "a section footer or what follows a section is missing",
    "allocated@hda-audio-stream": "a version that the destination does not know",
    "value-equal@uhci.num_ports_vmstate": "a version that the destination does not know",
    "virtio-serial-max-ports@virtio-serial body.ports_map": "the count cannot be that",
}
"""Rules whose pair cannot be read by the layout of the destination: key -> what is said instead."""

TAKES_ITS_OWN: set[str] = set()
"""Rules for which no other state of a destination was found than one that is the source's."""

ANOTHER_BEFORE = {
    "arm-cpu-register-unknown@cpu.cpreg_vmstate_indexes",
    "arm-cpu-register-count@cpu.cpreg_vmstate_array_len",
    "value-equal@PCIE_AER_ERROR_LOG.log_max",
    "value-equal@qxl.num_surfaces",
    "value-equal@s390_subch_dev.devno",
    "value-equal@spapr_pci/lsi.irq",
    "value-equal@spapr_vio.irq",
    "value-equal@s390_subch_dev.ssid",
    "value-equal@uhci.num_ports_vmstate",
    "value-equal@vga.is_vbe_vmstate",
    "value-equal@virtio-gpu-scanouts.max_outputs",
    "value-equal@vmware_vga_internal.new_depth",
    "virtio-net-queue-pairs@virtio-net-device.curr_queue_pairs",
    "virtio-queues-made@virtio body.num_queues",
    "virtio-serial-max-ports@virtio-serial body.ports_map",
}
"""Rules whose pair breaks another one too, which `load_state` meets before."""

SET_OTHERWISE: set[str] = set()
"""Rules for which `set` refuses by what it reads back."""

LEAST = 75
"""Rules that there are at least: a rule that goes must be taken away here, too."""


def test_there_are_as_many_rules_as_there_were() -> None:
    assert len(PLACES) >= LEAST
    assert len(set(KEYS)) == len(KEYS)
    assert {place.rule.id for place in PLACES} >= NOT_GENERATED


OPEN = {
    # Of releases and boards that are not recorded.
    "arm-cpu-el3@cpu.cpreg_vmstate_values",
    "ppc-tlb-emb@cpu/tlb6xx.nb_tlb",
    "arm-cpu-register-release@cpu.cpreg_vmstate_values",
    # A state can break it; in a stream the length is what tells how many entries there are.
    "virtio-net-rss-table@virtio-net-device/rss.indirections_table",
}
"""Rules that neither a pair nor a recorded answer of QEMU breaks."""


def test_every_rule_is_broken_by_a_pair_or_by_a_recorded_answer_of_qemu() -> None:
    recorded = {case["rule"] for case in json.loads(ANSWERS.read_text())["cases"]}
    generated = {place.key for place in GENERATED}
    assert set(KEYS) - generated - recorded == OPEN
    assert len(recorded) >= 70


GENERATED = [place for place in PLACES if place.rule.id not in NOT_GENERATED and place.key not in SLOW]


@pytest.mark.parametrize(
    "place",
    # One of twenty while one works; each takes as long as a command.
    [
        pytest.param(place, id=place.key, marks=[] if number % 20 == 0 and place.key != DEAR else pytest.mark.slow)
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
    """By this rule: what it saved itself it takes, so that a reference must differ from the stream."""
    sent = pair.stream(pair.state)
    references = [pair.own, *rule_pairs.other_references(pair)] if pair.stream(pair.own) == sent else [pair.own]
    answers = []
    for local in references:
        written = pair.stream(local)
        if written == sent:
            continue
        with vmstate.load(written) as reference:
            answers.append(KnownDestination(reference, pair.facts).check(sent))
        expected = "note" if place.rule.mended else "error"
        if (place.rule.id, expected) in {(finding.rule, finding.severity) for finding in answers[-1]}:
            return
    if place.key in READ_NO_FURTHER:
        assert any(READ_NO_FURTHER[place.key] in finding.message for findings in answers for finding in findings), (
            answers
        )
        return
    assert place.key in TAKES_ITS_OWN and not answers, answers


def explain_tells_it(place: Place, pair: Pair) -> None:
    """By this rule, under its own id, and as what breaks the load."""
    if place.rule.mended or place.rule.id in EXPLAINED_OTHERWISE:
        return
    told = {name: value for name, value in pair.facts.items() if name != RELEASE.name}
    with vmstate.load(pair.stream(pair.own)) as reference, vmstate.load(pair.stream(pair.state)) as source:
        target = Target("there", stream=reference, release=pair.facts.get(RELEASE.name), facts=told)
        explained = vmstate.explain(source, target)
    rule = "subsection-unknown" if place.rule.id == KNOWN_SINCE else place.rule.id
    breaking = {finding.rule for finding in explained.findings if finding.severity == "breaks"}
    assert explained.verdict == "fails", explained.findings
    assert rule in breaking or place.key in READ_NO_FURTHER, explained.findings


def load_state_refuses_it(place: Place, pair: Pair) -> None:
    """By this rule, unless another is broken before it."""
    if place.rule.mended:
        return
    data = pair.vmsd.encode(pair.state, force=True)
    facts = {**facts_of(pair.state), **pair.facts, IDSTR.name: pair.idstr, OWN_STATE.name: pair.own}
    local = pair.vmsd.decode(pair.vmsd.encode(pair.own), version_id=version_of(pair.own), facts=facts_of(pair.own))
    with pytest.raises(vmstate.VMStateError) as caught:
        load_state(pair.vmsd, data, local, version_of(pair.state), facts=facts)
    if place.rule.id == VALUE_EQUAL:
        last = (caught.value.path or "").rpartition(".")[2].partition("[")[0]
        assert last == place.attribute or place.key in ANOTHER_BEFORE, caught.value
    else:
        assert caught.value.message.startswith(f"{place.rule.id}: ") or place.key in ANOTHER_BEFORE, caught.value


def set_refuses_it_or_has_not_judged_it(place: Place, pair: Pair) -> None:
    """By this rule; where the source tells nothing of what it needs, it is told as not judged."""
    if place.rule.mended or pair.changed is None:
        return
    with vmstate.load(pair.stream(pair.own)) as stream:
        section = stream.sections[0]
        assert section.vmsd is not None, section.problem
        path, value = pair.changed
        name = f"{section.name}.{path}"
        if pair.facts:
            assert place.rule.needs
            assert place.rule.id in {finding.rule for finding in set_value(stream, name, value).not_judged}
            return
        with pytest.raises(vmstate.RefusedError) as refused:
            set_value(stream, name, value)
        assert place.rule.id in {finding.rule for finding in refused.value.findings} or place.key in SET_OTHERWISE
        assert stream.to_bytes() == pair.stream(pair.own)
        (forced,) = [set_value(stream, name, value, force=True)]
        assert forced.path.endswith(path.rpartition(".")[2])


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
