"""`verify`: what QEMU accepts and would have written otherwise, wherever it stands."""

from __future__ import annotations

import explain_cases as cases
import pytest
from handmade import scalar, stream_with, structure, vmdesc_text

from vmstate import Stream, load, verify
from vmstate.schema.values import from_plain, to_plain
from vmstate.stream.verify import rewritten
from vmstate.vmsd import types as t
from vmstate.vmsd.description import Field, VMStateDescription

E1000 = cases.stream_of("e1000")
FIRST, LAST = "e1000/mit_state", "e1000/tx_tso_state"


def part(name: str) -> slice:
    """Where a subsection of the card stands in the stream."""
    with load(E1000) as stream:
        trace = stream["e1000"].trace()
        entry = next(entry for path, entry in trace.items() if path.strip('"') == name.strip('"'))
        return slice(entry.offset, entry.offset + entry.size)


def notes(data: bytes) -> list[tuple[str | None, str | None, str]]:
    return [
        (finding.section, finding.path, finding.message)
        for finding in verify(load(data), memoryview(data))
        if finding.rule == "residue"
    ]


def of_the_card(data: bytes) -> list[tuple[str | None, str]]:
    return [(path, message) for section, path, message in notes(data) if section == "0000:00:03.0/e1000"]


def test_subsections_in_another_order() -> None:
    assert of_the_card(E1000) == []
    first, last = part(FIRST), part(LAST)
    assert first.start < last.start
    data = E1000[: first.start] + E1000[last] + E1000[first.stop : last.start] + E1000[first] + E1000[last.stop :]
    assert len(data) == len(E1000)
    told = of_the_card(data)
    assert [path for path, _ in told] == ["e1000/full_mac_state", FIRST]
    assert all("comes behind one that QEMU would write after it" in message for _, message in told)


def test_a_subsection_that_comes_twice() -> None:
    first = part(FIRST)
    data = E1000[: first.stop] + E1000[first] + E1000[first.stop :]
    ((path, message),) = of_the_card(data)
    assert path == FIRST and "comes again later" in message


def test_padding_that_is_not_zero_in_an_element_of_an_array() -> None:
    pad = '{"name": "pad", "type": "unused_buffer", "size": 2}'
    fields = ", ".join(structure("ch", [scalar("a"), pad], 3, f'"index": {index}, ') for index in range(3))
    body = b"\1\0\0\2\0\x07\3\0\0"
    data = stream_with(vmdesc_text(fields), body)
    stream: Stream = load(data, library=False)
    assert stream.to_bytes() == data
    told = [
        (finding.path, finding.offset, finding.message)
        for finding in verify(stream, memoryview(data))
        if finding.rule == "residue"
    ]
    assert [path for path, _, _ in told] == ["ch[1].pad"]
    assert data[told[0][1] : told[0][1] + 2] == b"\0\7" and "accepts 0007" in told[0][2]


@pytest.mark.parametrize("value", [b"\1\2\3\4\5", b"\0\0\0\0\0"])
def test_a_name_that_repeats_goes_through_a_document(value: bytes) -> None:
    vmsd = VMStateDescription(
        "gathered", [Field("v", t.UINT8, count=2), Field("w", t.UINT8), Field("v", t.UINT8), Field("v", t.UINT8)]
    )
    state = vmsd.decode(value)
    assert list(state["v"]) == [value[0], value[1], value[3], value[4]]
    again = from_plain(vmsd, to_plain(state))
    assert again == state and vmsd.encode(again) == value


@pytest.mark.parametrize("change", [1, -1], ids=["higher", "lower"])
def test_the_first_byte_that_is_written_otherwise_is_named(change: int) -> None:
    place = part(FIRST).start + 5
    data = bytearray(E1000)
    data[place] += change
    data[place + 9] ^= 0xFF
    (finding,) = rewritten(load(E1000), memoryview(data))
    assert (finding.rule, finding.section, finding.offset) == ("rewrite", "0000:00:03.0/e1000", place)
    (finding,) = rewritten(load(E1000), memoryview(E1000 + b"more"))
    assert (finding.section, finding.offset) == (None, len(E1000))
