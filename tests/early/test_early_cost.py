"""What a plan costs: the figures are those of their sources, and the model only adds them up."""

from __future__ import annotations

import argparse
import json
import statistics
from itertools import pairwise

import pytest
from recorded import FIXTURES

from vmstate.cli import early_what_if
from vmstate.devices.vhost.user import FrontendRequest
from vmstate.early.backends import BACKENDS
from vmstate.early.backends.kernel import VhostNet
from vmstate.early.backends.user import VhostUser
from vmstate.early.backends.vdpa import VhostVdpa
from vmstate.early.cost import (
    ANSWERED,
    LAB,
    PUBLISHED,
    SETS,
    PolicyCost,
    Question,
    cost_of,
    example,
    record_bytes,
    what_if,
)
from vmstate.early.operations import Operation, Phase
from vmstate.errors import VMStateError


def test_every_figure_has_a_name_of_its_own_and_a_source() -> None:
    for figures in SETS:
        assert len({figure.name for figure in figures.figures}) == len(figures.figures)
        for figure in figures.figures:
            assert figure.ms > 0
            assert figure.of
            assert figure.source
            assert ("fixtures" in figure.source or "Linux" in figure.source) == (figures is LAB)


def test_derived_figures_follow_from_the_others() -> None:
    walks = PUBLISHED["load virtqueues"] + PUBLISHED["load extra_state"]
    assert PUBLISHED["load minimal"] == pytest.approx(PUBLISHED["load full"] - walks)
    moved = (PUBLISHED["downtime vhost=on baseline"] - PUBLISHED["downtime vhost=on early"]) - (
        PUBLISHED["downtime vhost=off baseline"] - PUBLISHED["downtime vhost=off early"]
    )
    backend = VhostNet().open()
    early = [operation.name for operation in backend.early_start(example(4))]
    assert len(early) - early.count("SET_VRING_BASE") == 34  # a base is set once more at the stop
    assert PUBLISHED["vhost ioctl"] == pytest.approx(moved / 34, abs=0.001)
    assert PUBLISHED["vdpa configuration per pair"] == pytest.approx(PUBLISHED["vdpa configuration"] / 8, abs=0.05)
    assert PUBLISHED["vdpa enable"] == pytest.approx(0.071 / 16, abs=0.0001)


def test_the_lab_s_load_and_save_are_those_of_the_trace() -> None:
    for way in ("load", "save"):
        lines = (FIXTURES / f"trace/qemu-11.1-mq4-tap.{way}.trace").read_text().splitlines()
        (line,) = [line for line in lines if "/virtio-net " in line]
        assert LAB[f"{way} full"] == int(line.rpartition("=")[2]) / 1000


def test_the_lab_s_messages_are_those_of_the_transcripts() -> None:
    answered: dict[str, list[float]] = {}
    plain: list[float] = []
    for path in sorted(FIXTURES.glob("vhost-user/*.jsonl")):
        lines = [json.loads(text) for text in path.read_text().splitlines()]
        for line, behind in pairwise(lines):
            took = (behind["t"] - line["t"]) * 1000
            if (line["dir"], behind["dir"]) == (">", "<"):
                answered.setdefault(FrontendRequest(line["request"]).name, []).append(took)
            elif (line["dir"], behind["dir"]) == (">", ">") and took < 1:
                plain.append(took)
    everything = [took for times in answered.values() for took in times]
    assert LAB["vhost-user reply"] == pytest.approx(statistics.median(everything), abs=0.001)
    assert LAB["vhost-user message"] == pytest.approx(statistics.median(plain), abs=0.001)
    assert set(ANSWERED) <= set(answered)


def test_what_has_no_figure_is_named_and_not_guessed() -> None:
    operations = [Operation("SET_FEATURES"), Operation("SET_VRING_NUM", 0)]
    cost = cost_of(LAB, "vhost-net", operations, full=True, queue_pairs=1)
    assert (cost.back_end, cost.not_counted) == (0.0, ("SET_FEATURES", "SET_VRING_NUM"))
    assert cost.as_ms() == {"load": 1.239, "back_end": 0.0, "total": 1.239}


def test_only_what_is_done_at_the_stop_costs_downtime() -> None:
    operations = [Operation("SET_VRING_NUM", 0, phase=phase) for phase in (Phase.EARLY, Phase.STOP)]
    cost = cost_of(PUBLISHED, "vhost-net", operations, full=False, queue_pairs=1)
    assert cost.back_end == PUBLISHED["vhost ioctl"]
    assert cost.load == PUBLISHED["load minimal"]


def answer(policy: str = "per-item", figures: str = "published", **question: object) -> PolicyCost:
    (answer,) = [
        answer for answer in what_if(Question(**question)) if (answer.policy, answer.figures) == (policy, figures)
    ]
    return answer


def test_vdpa_falls_from_its_whole_configuration_to_enabling_the_queues() -> None:
    cost = answer(backend="vhost-vdpa", queue_pairs=8)
    assert cost.baseline == pytest.approx(PUBLISHED["load full"] + PUBLISHED["vdpa configuration"], rel=0.01)
    assert cost.minimal == pytest.approx(PUBLISHED["load minimal"] + 0.071, rel=0.02)


def test_kernel_vhost_keeps_two_ioctls_for_each_queue() -> None:
    cost = answer(queue_pairs=4)
    assert cost.minimal == pytest.approx(PUBLISHED["load minimal"] + 16 * PUBLISHED["vhost ioctl"])


def test_a_full_reload_behind_an_early_start_costs_more_than_no_early_start() -> None:
    cost = answer(backend="vhost-net")
    assert cost.full > cost.baseline > cost.minimal


@pytest.mark.parametrize("backend", BACKENDS)
def test_changes_cost_one_policy_a_reload_and_the_other_a_command(backend: str) -> None:
    quiet = {policy: answer(policy, backend=backend) for policy in ("per-item", "rfc-v2")}
    assert quiet["per-item"].expected == quiet["rfc-v2"].expected == quiet["rfc-v2"].minimal
    busy = {policy: answer(policy, backend=backend, change_rate=100.0) for policy in ("per-item", "rfc-v2")}
    assert busy["per-item"].full_probability == 0
    assert busy["rfc-v2"].full_probability == pytest.approx(1)
    assert busy["rfc-v2"].expected == pytest.approx(busy["rfc-v2"].full)
    assert busy["per-item"].expected < busy["rfc-v2"].expected
    reset = {policy: answer(policy, backend=backend, reset_rate=100.0) for policy in ("per-item", "rfc-v2")}
    assert reset["per-item"].expected == pytest.approx(reset["rfc-v2"].expected) == pytest.approx(reset["rfc-v2"].full)


def test_what_leaves_the_downtime_is_paid_in_set_up() -> None:
    cost = answer(backend="vhost-vdpa", queue_pairs=8)
    assert cost.setup == pytest.approx(cost.baseline, rel=0.01)
    assert answer(backend="vhost-vdpa", queue_pairs=8, nics=16).setup == pytest.approx(16 * cost.setup)
    assert answer(backend="vhost-net").setup < answer(backend="vhost-net").baseline


def test_a_question_is_of_a_quiet_card_with_four_queue_pairs() -> None:
    assert Question() == Question(4, 1, "vhost-net", 0.0, 0.0, 10.0)


def test_cards_are_served_one_after_the_other() -> None:
    assert answer(nics=16).expected == pytest.approx(16 * answer().expected)


def test_the_record_without_change() -> None:
    assert record_bytes(4) == 9 * 2 + 11 + 4 * 4 + 160 + 2 + 64 < 300


@pytest.mark.parametrize(
    "question",
    [
        {"queue_pairs": 0},
        {"queue_pairs": 512},
        {"queue_pairs": 1 << 20},
        {"nics": -1},
        {"nics": 1025},
        {"change_rate": -1.0},
        {"change_rate": float("nan")},
        {"seconds": float("inf")},
        {"backend": "af-xdp"},
    ],
)
def test_impossible_questions(question: dict[str, object]) -> None:
    with pytest.raises(VMStateError, match="expected"):
        what_if(Question(**question))


def test_a_machine_with_as_many_queues_as_there_can_be() -> None:
    """VIRTIO_QUEUE_MAX is 1024, and one of them is the control queue."""
    Question(queue_pairs=511, nics=1024).check()


def asked(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    parser = argparse.ArgumentParser()
    early_what_if.arguments(parser)
    options = parser.parse_args(words)
    assert options.run(options) == 0
    return capsys.readouterr().out


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(asked("--format", "json", "--queue-pairs", "8", "--change-rate", "0.1", capsys=capsys))
    assert [answer["backend"] for answer in document["what_if"]] == list(BACKENDS)
    for answer in document["what_if"]:
        assert [(a["figures"], a["policy"]) for a in answer["answers"]] == [
            (figures, policy) for figures in ("published", "lab") for policy in ("per-item", "rfc-v2")
        ]
    assert {name: len(figures) for name, figures in document["figures"].items()} == {
        "published": len(PUBLISHED.figures),
        "lab": len(LAB.figures),
    }


def test_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    text = asked("--backend", "vhost-vdpa", "--figures", "published", capsys=capsys)
    assert len(text.splitlines()) == 3
    assert "vhost-vdpa, rfc-v2, published" in text


@pytest.mark.parametrize("kind", [VhostNet, VhostUser, VhostVdpa])
def test_the_models_take_the_plans_that_are_priced(kind: type[VhostNet]) -> None:
    backend = kind().open()
    layout = example(3)
    backend.run(backend.early_start(layout))
    backend.run(backend.finish(layout))
    assert backend.running == set(layout.data)
