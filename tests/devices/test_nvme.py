"""nvme: pointer arrays that QEMU 11.1 allocates as it loads, and what it checks of the queues."""

from __future__ import annotations

from typing import Any

import pytest
from recorded import opened, pairs_of, plain

from vmstate import Stream, VMStateError, assign, load
from vmstate.devices.nvme.ctrl import Cqe, Nvme, Request
from vmstate.rules import broken

BIOS = "recorded/qemu-11.1-q35-nvme-bios.mig.xz"


def fresh() -> Stream:
    return load(plain(BIOS))


def nvme() -> Any:
    return fresh().section("nvme", Nvme).state


def judged(state: Any, own: Any) -> list[Any]:
    return [finding for finding in broken(Nvme.vmsd, state, own=own) if finding.is_judged]


def test_queues_that_the_firmware_made() -> None:
    state = nvme()
    for queues in (state.sq, state.cq):
        assert [queue is not None for queue in queues] == [True, True, False, False, False]
    assert [(queue.sqid, queue.cqid, queue.size) for queue in state.sq[:2]] == [(0, 0, 64), (1, 1, 256)]
    assert opened(BIOS).section("nvme", Nvme).described_by == "library"


def test_by_the_vmdesc_alone() -> None:
    stream = load(plain(BIOS), library=False)
    queues = stream.find("nvme.sq")[2]
    assert len(queues) == 5
    assert queues[2:] == [None] * 3
    assert queues[1]["size"] == 256


def test_commands_that_wait() -> None:
    """Requests for events, each behind a marker; answers in the list of a queue, which has none."""
    state = nvme()
    state.outstanding_aers = 2
    state.aer_reqs = [Request(status=3, cqe=Cqe(cid=5)), None]
    state.cq[1].req_list = [Request(status=7)]
    data = Nvme.vmsd.encode(state)
    request = 2 + 16 + 64 + 16
    assert len(data) == len(Nvme.vmsd.encode(nvme())) + (1 + request) + 1 + (1 + request)
    again = Nvme.vmsd.decode(data)
    assert again == state
    assert again.aer_reqs[0].cqe.cid == 5


@pytest.mark.parametrize(
    ("change", "id"),
    [
        ("cq[1].cqid=0", "nvme-cq-number"),
        ("sq[1].sqid=2", "nvme-sq-number"),
        ("sq[1].cqid=3", "nvme-sq-completion"),
        ("sq[1].cqid=9", "nvme-sq-completion"),
    ],
)
def test_queues_that_do_not_fit_together(change: str, id: str) -> None:
    state = nvme()
    assert judged(state, state) == []
    with pytest.raises(VMStateError, match=id):
        assign(fresh(), f"nvme.{change}")


def test_a_destination_with_more_queues() -> None:
    state, destination = nvme(), nvme()
    destination.conf_ioqpairs = 64
    (finding,) = judged(state, destination)
    assert finding.rule.id == "nvme-queues"
    assert finding.text == "the source has room for 4 pairs of queues, the destination for 64"


def test_the_vmdesc_of_markers() -> None:
    stream = opened(BIOS)
    assert stream.write_vmdesc() == stream.vmdesc_text
    entry = next(e for e in dict(pairs_of(stream.vmdesc_text))["devices"] if dict(e)["vmsd_name"] == "nvme")
    types = [dict(field)["type"] for field in dict(entry)["fields"] if dict(field)["name"] == "sq"]
    assert types == ["ptr-marker", "struct"] * 2 + ["ptr-marker"] * 3
