"""Where values stand, told once of all elements of an array, is where a trace has them."""

from __future__ import annotations

from collections import Counter

import pytest
from recorded import FIXTURES

import vmstate
from vmstate.codec.asked import judge_and_watch, spans_of
from vmstate.declare import VMState, array, description, rule, this, uint8, uint32


@pytest.mark.slow
def test_spans_are_the_entries_of_a_trace() -> None:
    folded = 0
    with vmstate.load(FIXTURES / "qemu-7.2-q35-virtio-net-mq4.mig.xz") as stream:
        for section in stream.sections:
            if section.kind != "full" or section.vmsd is None:
                continue
            spans, size = spans_of(section.vmsd, section.state, version_id=section.version_id)
            assert size == len(section.payload())
            told = Counter((offset, span.size, span.field) for span in spans.spans for _, offset in span.places())
            entries = section.vmsd.codec.trace_state(section.state, version_id=section.version_id).values()
            assert told == Counter(
                (entry.offset, entry.size, entry.field) for entry in entries if entry.field is not None and entry.size
            )
            folded += len(spans.arrays)
    assert folded


@description("lamp", rules=(rule("lamp-lit", this.lit < 2, "a lamp is lit or not"),))
class Lamp(VMState):
    lit: int = uint8()
    color: int = uint8()


@description("panel")
class Panel(VMState):
    number: int = uint32()
    lamps: list[Lamp] = array(Lamp, 5)


def test_what_is_read_of_an_element_is_read_of_those_like_it() -> None:
    state = Panel.vmsd.decode(bytes(4) + bytes([0, 1, 1, 1, 0, 1, 1, 2, 0, 1]))
    results, watch = judge_and_watch(Panel.vmsd, state, version_id=Panel.vmsd.version_id)
    assert not results
    # One of each kind is judged.
    assert watch.read == {("lamps", number, "lit") for number in (0, 1, 3)}
    assert watch.read_in_all() == {("lamps", number, "lit") for number in range(5)}
    spans, size = spans_of(Panel.vmsd, state)
    assert size == 14
    left = {span.steps[-1]: list(spans.beside(watch.read_in_all())(span)) for span in spans.spans}
    assert left == {"number": [0], "lit": [], "color": [5, 7, 9, 11, 13], "lamps": [4]}
    left = {span.steps[-1]: list(spans.beside(watch.read)(span)) for span in spans.spans}
    assert left["lit"] == [8, 12]
