"""`vmstate.explain` against a -dump-vmstate text: it has no values of the destination."""

from __future__ import annotations

from recorded import FIXTURES, plain

from vmstate import Explanation, assign, explain, load
from vmstate.compare.findings import BREAKS

CARD = "qemu-7.2-q35-virtio-net.mig.xz"
DUMP = FIXTURES / "dump-vmstate" / "qemu-7.2-q35.json.xz"


def of_changed(*changes: str) -> Explanation:
    with load(plain(CARD)) as stream:
        for change in changes:
            assign(stream, change, force=True)
        return explain(stream.to_bytes(), str(DUMP))


def test_what_no_qemu_takes_is_told_without_the_values_of_the_destination() -> None:
    explanation = of_changed("virtio-net.virtio.queue_sel=5000")
    assert explanation.verdict == "fails"
    (finding,) = (finding for finding in explanation.findings if finding.severity == BREAKS)
    assert (finding.section, finding.path) == ("0000:00:01.0/virtio-net", "virtio.queue_sel")
    assert "no QEMU takes this" in finding.message and "virtio-net" in str(finding.qemu_error)
    with load(plain(CARD)) as stream:
        assert finding.offset == stream["virtio-net"].trace()["virtio.queue_sel"].offset


def test_values_that_only_a_stream_of_the_destination_would_show_are_taken_for_granted() -> None:
    explanation = of_changed("virtio-net.virtio.isr=1")
    assert explanation.verdict == "loads"
    assert any("the devices of the source" in text for text in explanation.assumed)
    assert any("virtio features" in text for text in explanation.assumed)
