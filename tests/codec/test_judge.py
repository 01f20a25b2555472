"""Rules are judged alike whether the elements of an array were looked at or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmstate import load
from vmstate.declare import VMState, array, description, rule, this, uint8, uint32, validate
from vmstate.rules.evaluate import broken
from vmstate.vmsd.walk import states_in

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
STREAM = FIXTURES / "qemu-7.2-q35-virtio-net-filters.mig.xz"


@pytest.mark.parametrize("queue_sel", [0, 2000])
def test_untouched_elements_are_judged_as_touched_ones(queue_sel: int) -> None:
    answers = []
    for touched in (False, True):
        with load(STREAM) as stream:
            section = stream["virtio-net"]
            state = section.state
            state.virtio.queue_sel = queue_sel
            assert section.vmsd is not None
            if touched:
                assert len(list(states_in(state))) > 1000
            answers.append(list(broken(section.vmsd, state, version=section.version_id)))
    assert answers[0] == answers[1]
    assert any(result.rule.id == "virtio-queue-sel" for result in answers[0]) == (queue_sel == 2000)


@description("lamp", rules=(rule("lamp-lit", this.lit < 2, "a lamp is lit or not"),))
class Lamp(VMState):
    lit: int = uint8()


@description("level")
class Level(VMState):
    high: int = uint32(rules=(rule("level-high", this.high < 10, "a level is below 10"),))


@description("gate")
class Gate(VMState):
    open: int = uint8()
    is_open_or_shut: None = validate(this.open < 2, name="open_or_shut")


@description("panel")
class Panel(VMState):
    lamps: list[Lamp] = array(Lamp, 3)
    levels: list[Level] = array(Level, 2)
    gates: list[Gate] = array(Gate, 2)


def test_what_elements_are_judged_by_is_judged_in_each() -> None:
    state = Panel.vmsd.decode(bytes([0, 1, 7]) + bytes(3) + b"\x20" + bytes(4) + bytes([1, 1]))
    assert [(result.rule.id, result.path) for result in broken(Panel.vmsd, state)] == [
        ("lamp-lit", "lamps[2]"),
        ("level-high", "levels[0].high"),
    ]
    state.gates[1].open = 9
    assert [result.path for result in broken(Panel.vmsd, state)][2:] == ["gates[1].is_open_or_shut"]
