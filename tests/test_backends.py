"""The back ends of early migration: which orders of operations they take."""

from __future__ import annotations

import json

import pytest

from vmstate.early.operations import CVQ_COMMANDS, Operation, Phase


def test_an_operation_is_data() -> None:
    first = Operation("SET_VRING_BASE", queue=1, value=4, item="queue_indices", phase=Phase.EARLY)
    assert first == first.replace()
    assert first != first.replace(phase=Phase.STOP)
    assert str(first) == "SET_VRING_BASE queue 1 = 4"
    assert json.loads(json.dumps(first.as_dict())) == {
        "name": "SET_VRING_BASE",
        "queue": 1,
        "value": 4,
        "item": "queue_indices",
        "phase": "early",
    }
    with pytest.raises(AttributeError, match="cannot be changed"):
        first.queue = 2  # type: ignore[misc]


def test_the_commands_of_the_control_queue_are_those_of_the_specification() -> None:
    assert len(set(CVQ_COMMANDS)) == len(CVQ_COMMANDS) == 14
