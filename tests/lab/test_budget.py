"""What devices take to be loaded: QEMU's trace, the ways of a stream, real loads, and `what-if` with such figures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from machines import guest, needs_guest, needs_qemu
from recorded import opened

import vmstate
from vmstate.cli import main
from vmstate.early.copies import choose
from vmstate.early.measured import MeasuredLoads
from vmstate.errors import MachineError, VMStateError
from vmstate.lab.budget import (
    BASE,
    CARD_ALONE,
    INSERT,
    REVERSED,
    SKIP,
    WAYS,
    Budget,
    Measured,
    SetUp,
    is_at_stop,
    marginal,
    one_transaction,
    set_ups,
    stream_of_way,
)
from vmstate.lab.network import no_tap
from vmstate.lab.trace import SectionLoad, section_loads

STREAM = "qemu-7.2-q35-virtio-net-filters.mig.xz"

TRACE = """\
{0}qemu_loadvm_state_section 4
{1}qemu_loadvm_state_section_startfull 40(0000:00:01.0/virtio-net) 0 11
{2}flatview_new 0x55aa (root 0x1)
{2}flatview_new 0x55ab (root 0x2)
{3}flatview_new 0x55ac (root 0x1)
{3}flatview_new 0x55ad (root 0x2)
{4}qemu_loadvm_state_section 1
{4}qemu_loadvm_state_section_startfull 2(ram) 0 4
{5}flatview_new 0x55ae (root 0x1)
{5}qemu_loadvm_state_section 3
{5}qemu_loadvm_state_section 4
{5}qemu_loadvm_state_section_startfull 41(odd (name) here) 7 1
{6}qemu_loadvm_state_section 0
"""
STAMPS = (100, 110, 140, 150, 610, 700, 750)


@pytest.mark.parametrize("form", ["27527@1796010087.000{0}:", "2026-11-30T03:41:17.000{0}Z "])
def test_a_trace_is_read(form: str) -> None:
    text = TRACE.format(*(form.format(stamp) for stamp in STAMPS))
    card, second = section_loads(text)
    assert card.idstr, card.instance_id == ("0000:00:01.0/virtio-net", 0)
    assert card.microseconds == pytest.approx(500, abs=2)
    assert (card.views, card.updates, card.is_early) == (4, 2, True)
    # What was made anew while RAM came is no device's.
    assert (second.idstr, second.instance_id, second.views, second.is_early) == ("odd (name) here", 7, 0, False)
    assert section_loads("nothing\n" * 3) == []


def test_what_a_destination_gets_in_each_way() -> None:
    with opened(STREAM) as stream:
        whole = stream.to_bytes()
        choices = [*choose(stream.sections)]
        ways = {way: stream_of_way(stream, way) for way in WAYS}
    copies = [choice.copy for choice in choices if choice.copy is not None]
    assert ways[BASE] == whole
    assert len(ways[INSERT]) == len(ways[REVERSED]) == len(whole) + sum(map(len, copies))
    assert ways[INSERT].index(copies[0]) < ways[INSERT].index(copies[-1])
    assert ways[REVERSED].index(copies[-1]) < ways[REVERSED].index(copies[0])
    assert len(ways[SKIP]) < len(ways[INSERT])
    cards = [choice.copy for choice in choices if choice.copy and choice.key[0].endswith("/virtio-net")]
    assert len(ways[CARD_ALONE]) == len(whole) + sum(map(len, cards))
    for data in ways.values():
        vmstate.load(data).close()


def handmade(name: str, times: list[tuple[float, int]], *, pairs: int = 4, cards: int = 1) -> Measured:
    """A set-up of which devices took so many microseconds with so many updates, in two runs."""
    run = tuple(
        SectionLoad(f"0000:00:0{number}.0/virtio-net", 0, time, 2 * updates, updates, False)
        for number, (time, updates) in enumerate(times)
    )
    slow = tuple(section.replace(microseconds=3 * section.microseconds) for section in run)
    return Measured(SetUp(name, pairs=pairs, cards=cards), BASE, "11.1.0", (), (slow, run))


def test_what_one_transaction_would_leave_and_what_a_pair_adds() -> None:
    measured = handmade("4 pairs", [(110, 1), (210, 2), (310, 3), (10, 0)])
    worked_out = one_transaction(measured)
    assert worked_out is not None
    assert (worked_out.update, worked_out.updates, worked_out.now, worked_out.expected) == (100, 6, 640, 140)
    assert one_transaction(handmade("flat", [(5, 1), (9, 1)])) is None
    assert one_transaction(handmade("cheaper", [(9, 0), (5, 1)])) is None
    more = marginal(measured, handmade("16 pairs", [(1840, 6)], pairs=16))
    assert (more.whole, more.more, more.each) == (1200, 12, 100)
    assert marginal(measured, handmade("RSS", [(650, 6)])).each == 10
    assert measured.total(is_at_stop) == [1920, 640]


def test_set_ups_are_those_of_some_machine() -> None:
    names = [set_up.name for set_up in set_ups((1, 16), (8,))]
    assert names[:4] == ["4 pairs", "1 pair", "16 pairs", "8 cards"]
    assert len(set(names)) == len(names)
    for pairs, cards in (((0,), ()), ((65,), ()), ((), (17,))):
        with pytest.raises(MachineError, match="no such machine"):
            set_ups(pairs, cards)
    with pytest.raises(MachineError, match="there is no guest"):
        Budget(None)


def document(**changes: Any) -> dict[str, Any]:
    rows = []
    for pairs, cards, all_loads in ((4, 1, 4000), (16, 1, 7600), (4, 8, 40000)):
        for way, share in ((BASE, 1.0), (SKIP, 0.25)):
            row = handmade("x", [(all_loads * share, 1)], pairs=pairs, cards=cards)
            rows.append(Measured(row.set_up, way, "11.1.0", (), row.runs[1:]).as_dict())
    return {"kind": "early budget", "machine": "q35", "accel": "tcg", "loads": rows} | changes


def test_what_if_with_figures_of_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "budget.json"
    path.write_text(json.dumps(document()))
    measured = MeasuredLoads.read(path)
    assert measured.all_loads(10, 1) == {"base": 5.8, "skip": 1.45}
    assert measured.all_loads(10, 8) == {"base": 40 + 8 * 1.8, "skip": 10 + 8 * 0.45}
    assert measured.all_loads(64, 1) == {}
    words = ["early", "what-if", "--measured", str(path), "--backend", "tap", "--queue-pairs", "10"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "tap, per-item, measured here" in told
    assert "measured here: base 5.800, skip 1.450" in told
    assert main([*words, "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["device_loads_ms"] == {"base": 5.8, "skip": 1.45}
    assert "measured here" in answer["figures"]
    assert main([*words, "--nics", "9"]) == 0
    assert "so many cards were not measured here" in capsys.readouterr().out
    assert main([*words[:-1], "64"]) == 2
    assert "so many queue pairs were not measured" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '"kind"',
        "[" * 100_000,
        '{"kind": "early budget"}',
        json.dumps({"kind": "early budget", "loads": [1]}),
    ],
)
def test_what_is_no_budget_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "budget.json"
    path.write_text(text)
    with pytest.raises(VMStateError, match="not the figures of a budget"):
        MeasuredLoads.read(path)
    with pytest.raises(VMStateError, match="cannot be read"):
        MeasuredLoads.read(tmp_path)


def test_wrong_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in (
        (["--queue-pairs", "four"], "no list of numbers"),
        (["--cards", "99"], "no such machine"),
        (["--only", "nothing"], "no such set-up"),
        (["--guest", "/nowhere"], "there is no guest"),
    ):
        assert main(["early", "budget", *words]) == 2
        assert told in capsys.readouterr().err


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
@pytest.mark.parametrize(
    "load_accel",
    [None, pytest.param("kvm", marks=pytest.mark.skipif(not os.access("/dev/kvm", os.W_OK), reason="needs /dev/kvm"))],
)
def test_real_loads(load_accel: str | None) -> None:
    """Early copies take updates of the memory topology out of the stop, and put them in front of memory."""
    budget = Budget(guest(), load_accel=load_accel)
    (measured,) = budget.run([SetUp("user network", pairs=1, is_tap=False)], runs=1)
    assert measured[0].argv[measured[0].argv.index("-accel") + 1] == (load_accel or "tcg")
    ways = {way_measured.way: way_measured for way_measured in measured}
    updates = {way: way_measured.counts(early=False)[1] for way, way_measured in ways.items()}
    assert updates[BASE] > updates[CARD_ALONE] > updates[INSERT] >= updates[SKIP]
    assert ways[BASE].counts(early=True) == (0, 0)
    assert ways[INSERT].counts(early=True)[1] > ways[CARD_ALONE].counts(early=True)[1] > 0
    base = {row["idstr"] for row in ways[BASE].devices() if row["stop_us"]}
    assert "0000:00:01.0/virtio-net" in base
    assert {row["idstr"] for row in ways[SKIP].devices() if row["stop_us"]} < base


@pytest.mark.qemu
@pytest.mark.slow
@needs_qemu
@needs_guest
@pytest.mark.skipif(no_tap() is not None, reason=no_tap() or "")
def test_the_verb_measures_full_tables(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from machines import GUEST

    assert GUEST is not None
    folder = str(Path(GUEST.words[1]).parent)
    words = ["early", "budget", "--guest", folder, "--runs", "1", "--only", "full MAC table"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "full MAC table  base" in told
    assert "left out" in told
