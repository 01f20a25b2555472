"""`cost_of`: bytes of each device, times from QEMU's traces, and another number of queue pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded import FIXTURES, STREAMS, opened, plain

from vmstate import EncodeError, load
from vmstate.cli import main
from vmstate.compare import cost_of
from vmstate.compare.cost import read_trace, what_if
from vmstate.errors import VMStateError

STREAM = "trace/qemu-11.1-mq4-tap.mig.xz"
TRACES = [str(FIXTURES / f"trace/qemu-11.1-mq4-tap.{direction}.trace") for direction in ("save", "load")]


@pytest.mark.parametrize("file", [file for file in STREAMS[::6] if "dirty-bitmaps" not in file])
def test_the_bytes_of_a_stream_are_all_counted(file: str) -> None:
    costs = cost_of(plain(file))
    assert costs.bytes == len(plain(file))
    for section in costs.sections:
        assert sum(part.bytes for part in section.parts if part.path.count(".") == 0) < section.bytes


def test_times_are_those_of_the_traces() -> None:
    costs = cost_of(plain(STREAM), traces=TRACES)
    named = {section.name: section for section in costs.sections}
    card = named["0000:00:01.0/virtio-net"]
    assert (card.save_us, card.load_us) == (389, 1239)
    assert {part.path: part.bytes for part in card.parts}["virtio.virtio.virtqueues"] == 7 + 16 + 16384
    assert [finding.save_us for finding in costs.sections if finding.name == "apic"] == [15, 6, 6, 5]
    lines = [line for trace in TRACES for line in Path(trace).read_text().splitlines()]
    total = sum(int(line.rpartition("=")[2]) for line in lines)
    known = (costs.total_us("save") or 0) + (costs.total_us("load") or 0)
    assert known + sum(took for *_, took in costs.unmatched) == total
    assert {name for _, name, _, _ in costs.unmatched} == {"smbus-eeprom", "dirty-bitmap"}


def test_a_trace_of_the_log_backend() -> None:
    line = b"4711@1700000000.123456:vmstate_downtime_load type=non-iterable idstr=a b/c instance_id=2 downtime=17\r\n"
    assert read_trace(line) == [("load", "a b/c", 2, 17)]
    with pytest.raises(VMStateError, match="no trace"):
        read_trace(b"migration_state 3\n")


@pytest.mark.parametrize("pairs", [1, 2, 4, 7])
def test_another_number_of_queue_pairs(pairs: int) -> None:
    stream = opened(STREAM)
    section = stream["virtio-net"]
    resized = section.state.with_queue_pairs(pairs)
    data = section.vmsd.encode(resized)  # type: ignore[union-attr]
    again = section.vmsd.decode(data)  # type: ignore[union-attr]
    assert again == resized
    assert (again.queue_pairs, len(again.virtio.vq)) == (pairs, 2 * pairs + 1)
    # A driver has set up the vectors of the four pairs; the others it has not seen, and masked they come.
    assert [entry.control & 1 for entry in again.virtio.transport.msix_table[10:]] == [1] * (2 * pairs - 8)
    (guess,) = what_if(stream, pairs, cost_of(stream, traces=TRACES).sections)
    # Two queues of 16 bytes, two vectors of 16, a flag of 4, and the bits of the vectors.
    assert abs(guess.bytes - guess.before - 68 * (pairs - 4)) <= abs(pairs - 4)
    assert guess.load_us is not None
    assert 1239 in guess.load_us
    assert section.state.queue_pairs == 4


def test_as_many_queue_pairs_change_nothing() -> None:
    section = opened(STREAM)["virtio-net"]
    same = section.state.with_queue_pairs(4)
    assert len(section.vmsd.encode(same)) == len(section.payload())  # type: ignore[union-attr]
    for pairs in (0, 1 << 16):
        with pytest.raises(EncodeError):
            section.state.with_queue_pairs(pairs)


def test_what_qemu_would_refuse_has_a_cost_all_the_same() -> None:
    stream = opened(STREAM)
    section = stream["virtio-net"]
    card = section.state.virtio.transport.pci_dev
    # The device id of another card.
    changed = bytearray(card.conventional_config)
    changed[2] ^= 0xFF
    card.conventional_config = bytes(changed)
    with pytest.raises(EncodeError):
        section.vmsd.encode(section.state)  # type: ignore[union-attr]
    known = cost_of(opened(STREAM)).sections
    assert what_if(stream, 8, known)[0].bytes == what_if(opened(STREAM), 8, known)[0].bytes


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(FIXTURES / STREAM)
    arguments = ["info", "--cost", file, "--trace", TRACES[0], "--trace", TRACES[1], "--queue-pairs", "8"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["46,479", "389", "1,239", "0000:00:01.0/virtio-net"]
    assert lines[-1].startswith("0000:00:01.0/virtio-net with 8 queue pairs in place of 4: 46,7")
    assert main([*arguments, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["bytes"] == len(plain(STREAM))
    assert document["what_if"][0]["pairs"] == 8
    assert main(["info", "--cost", file, "--trace", file]) == 2
    assert "no trace" in capsys.readouterr().err
    with load(file) as stream:
        assert len(document["sections"]) <= len(stream.sections)
