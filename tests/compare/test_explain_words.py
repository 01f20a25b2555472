"""What `vmstate.explain` says of a finding, word by word: the numbers, the property, who is right."""

from __future__ import annotations

import lzma
from functools import lru_cache

import explain_cases as cases
import pytest
from explain_cases import Case, said_of
from handmade import scalar, stream_with, vmdesc_text
from recorded import FIXTURES, plain

from vmstate import Explanation, Stream, compat, explain, load
from vmstate.compare.findings import BREAKS, sarif
from vmstate.compare.text import differing, text_of, values
from vmstate.rules.command_line import facts_of_command


@lru_cache(maxsize=4)
def of_case(name: str) -> Explanation:
    case: Case = next(case for case in cases.CASES if case.name == name)
    return explain(cases.changed(cases.stream_of(case.source), case.changes), cases.target_named(case.destination))


def test_a_value_that_is_only_compared() -> None:
    explanation = of_case("tap4 -> tap2")
    (finding,) = (finding for finding in explanation.findings if finding.severity == BREAKS)
    assert finding.message == "4 in the stream and 2 on the destination, which takes only its own"
    assert finding.advice == "give the device the same max_queue_pairs on both sides"
    assert finding.qemu_error == "2 != 4" in said_of()["tap4 -> tap2"]["stderr"]


def test_a_line_that_only_names_the_device_is_explained_by_what_breaks_it() -> None:
    case = next(case for case in cases.CASES if case.name == "tap4 -> tap2")
    line = b"error while loading state for instance 0x0 of device '0000:00:02.0/virtio-net'"
    explanation = explain(cases.stream_of(case.source), cases.target_named(case.destination), log=line)
    (breaking,) = (finding.id for finding in explanation.findings if finding.severity == BREAKS)
    assert [joined.explained_by for joined in explanation.log] == [breaking]


def test_an_array_whose_length_is_sent_may_be_longer_there() -> None:
    """And what stands behind it is compared all the same."""

    def stream(count: int, *, sent: int, behind: int) -> Stream:
        fields = [scalar("n"), scalar("v", 1, f'"array_len": {count}, '), scalar("w", behind)]
        return load(stream_with(vmdesc_text(", ".join(fields)), bytes((sent, *range(10, 10 + count), *bytes(behind)))))

    def told(found: Explanation) -> list[tuple[str, str | None]]:
        return [(finding.rule, finding.path) for finding in found.findings]

    assert told(explain(stream(2, sent=2, behind=1), stream(3, sent=3, behind=1))) == []
    assert told(explain(stream(2, sent=9, behind=1), stream(3, sent=9, behind=1))) == [("field-count", "v")]
    assert told(explain(stream(2, sent=2, behind=1), stream(3, sent=3, behind=2))) == [("field-size", "w")]


def test_a_feature_that_another_driver_did_not_accept_is_taken_to_be_offered() -> None:
    file = "qemu-7.2-q35-virtio-net.mig.xz"
    with load(plain(file)) as stream:
        virtio = stream["virtio-net"].state.virtio
        for bits in (virtio, virtio.virtio.features64):
            bits.guest_features &= ~(1 << 15)
        fewer = stream.to_bytes()
    words = "0000:00:01.0/virtio-net: the destination offers what the driver accepted: VIRTIO_NET_F_MRG_RXBUF"
    assert explain(plain(file), load(fewer)).assumed == (words,)
    assert explain(fewer, load(plain(file))).assumed == ()


def test_a_feature_that_is_not_offered_names_its_property() -> None:
    name = next(case.name for case in cases.CASES if case.destination == "no-mrg_rxbuf" and case.changes)
    findings = [finding for finding in of_case(name).findings if finding.id.startswith("feature:")]
    assert findings and all("property mrg_rxbuf," in str(finding.advice) for finding in findings)
    assert all("(bit 15)" in finding.message for finding in findings)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (255, "255"),
        (256, "256 (0x100)"),
        (-255, "-255"),
        (-256, "-256 (-0x100)"),
        (True, "True"),
        (b"", "nothing"),
        (b"\1\2", "0102"),
        (None, "None"),
        ("words", "words"),
    ],
)
def test_a_value_in_few_words(value: object, text: str) -> None:
    assert text_of(value) == text


def test_of_long_buffers_the_bytes_that_differ_are_shown() -> None:
    before = bytes(64)
    after = before[:3] + b"\1\2\3" + before[6:9] + b"\4" + before[10:]
    assert differing(before, after) == [(3, 6), (9, 10)]
    assert values(before, after) == "byte 0x3..0x5 000000 -> 010203, byte 0x9 00 -> 04"


def test_a_long_value_is_cut() -> None:
    assert text_of("x" * 500).endswith("x ...") and len(text_of("x" * 500)) < 100


def test_a_finding_in_sarif_says_its_section() -> None:
    dump = FIXTURES / "dump-vmstate" / "qemu-7.2-q35.json.xz"
    compatibility = compat(dump, plain("qemu-7.2-pc-virtio-net-legacy.mig.xz"))
    top = sarif(compatibility.findings, {}, "a", "b", "1")
    texts = [result["message"]["text"] for result in top["runs"][0]["results"]]
    assert len(texts) == len(compatibility.findings) > 0
    for text, finding in zip(texts, compatibility.findings, strict=True):
        assert text.startswith(f"{finding.section}: {finding.message}" if finding.section else finding.message)
        assert "None" not in text.partition(":")[0]


def test_a_recorded_destination_tells_how_it_was_started() -> None:
    target = cases.target_named("port")
    assert target.command is not None and "pcie-root-port,id=rp,addr=3,chassis=1" in target.command


def test_a_rule_about_a_whole_section_is_met_behind_its_values() -> None:
    """QEMU has refused the vendor id before post_load comes to the vectors."""
    whole = lzma.decompress((FIXTURES / "rules" / "truth" / "xhci-7.2.stream.xz").read_bytes())
    vendor = b"\x33\x10\x94\x01"
    assert whole.count(vendor) == 1
    findings = explain(whole.replace(vendor, b"\x34\x10\x94\x01"), load(whole)).findings
    assert [finding.rule for finding in findings] == ["pci-config", "xhci-vectors"]


def test_a_capability_that_was_on_where_the_destination_was_saved() -> None:
    """What a stream says is what it was saved with: whether it is on where another is loaded nothing says."""
    source = load(stream_with(vmdesc_text(scalar("n")), b"\0", configuration=True))
    with load(plain("qemu-7.2-q35-virtio-net.mig.xz")) as destination:
        assumed = explain(source, destination).assumed
    assert (
        "the migration capability x-ignore-shared is off at the destination, as at the source: it was on" in assumed[-1]
    )


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        ("-cpu qemu64", {"user_tsc_khz": 0}),
        ("-cpu max,tsc-frequency=2500000999,+invtsc", {"user_tsc_khz": 2500000}),
        (
            "-cpu max,tsc-frequency=1000 -global driver=max-x86_64-cpu,property=tsc-frequency,value=2000",
            {"user_tsc_khz": 2},
        ),
        ("-cpu max,tsc-freq=2.5G", {}),
    ],
)
def test_what_a_command_line_says_of_the_frequency(words: str, facts: dict[str, int]) -> None:
    assert facts_of_command(words.split()) == facts
