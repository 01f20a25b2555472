"""Answers at their edges: what a command takes, power states behind other capabilities, kinds of PCI headers."""

from __future__ import annotations

import pytest
from recorded import opened

from vmstate import ask
from vmstate.errors import QueryError
from vmstate.query.pci import Config, bridge, power_state
from vmstate.vmsd.question import LEFT_OUT

CARD = "qemu-7.2-q35-virtio-net.mig.xz"


@pytest.mark.parametrize(
    ("command", "takes"),
    [
        ("query-status", "none"),
        ("query-pci", "none"),
        ("query-rx-filter", "name"),
        ("x-query-virtio-status", "path"),
        ("x-query-virtio-queue-status", "path, queue"),
    ],
)
def test_an_argument_that_there_is_not_is_told_with_those_that_there_are(command: str, takes: str) -> None:
    with pytest.raises(QueryError, match="has no argument 'speed'") as caught:
        opened(CARD).query(command, {"speed": 1})
    assert caught.value.expected == takes


class Space(Config):
    """A configuration space that is no part of a stream."""

    def __init__(self, **bytes_at: int) -> None:
        self.data = bytearray(256)
        for place, value in bytes_at.items():
            self.data[int(place.removeprefix("at_"), 16)] = value

    def number(self, at: int, size: int) -> int:
        return int.from_bytes(self.data[at : at + size], "little")


def with_power_management(state: int, **bytes_at: int) -> Space:
    """MSI-X at 0x40, vendor-specific at 0x50, power management at 0x60."""
    chain = {"at_06": 0x10, "at_34": 0x40, "at_40": 0x11, "at_41": 0x50, "at_50": 0x09, "at_51": 0x60, "at_60": 0x01}
    return Space(**{**chain, "at_64": state, **bytes_at})


@pytest.mark.parametrize("state", range(4))
def test_the_power_state_is_found_behind_other_capabilities(state: int) -> None:
    assert power_state(with_power_management(state)) == state
    assert power_state(with_power_management(state | 8)) == state
    # The two low bits of a link are none of its.
    assert power_state(with_power_management(state, at_41=0x53)) == state


def test_a_device_without_power_management_is_on() -> None:
    assert power_state(Space()) == 0
    assert power_state(with_power_management(3, at_06=0)) == 0
    assert power_state(with_power_management(3, at_51=0)) == 0
    # Round and round: it has none.
    assert power_state(with_power_management(3, at_51=0x40)) == 0


def test_kinds_of_headers() -> None:
    """PCI Local Bus 3.0, 6.2.1: 0 a device, 1 a bridge, 2 a CardBus bridge; bit 7: there are more functions."""
    assert [Space(at_0e=kind).layout for kind in (0, 1, 2, 0x80, 0x81)] == [0, 1, 2, 0, 1]
    assert [bridge(Space(at_0e=kind)) is LEFT_OUT for kind in (0, 1, 2, 0x80, 0x81)] == [True, False, True, True, False]


def test_the_ranges_of_a_bridge() -> None:
    space = Space(
        **{"at_0e": 1, "at_18": 1, "at_19": 2, "at_1a": 3},
        **{"at_1c": 0x11, "at_1d": 0x21, "at_30": 0x01, "at_32": 0x02},
        **{"at_20": 0x10, "at_21": 0xFE, "at_22": 0x20, "at_23": 0xFE},
        **{"at_24": 0x01, "at_25": 0xFD, "at_26": 0x11, "at_27": 0xFD, "at_28": 0x03, "at_2c": 0x04},
    )
    told = bridge(space)
    assert isinstance(told, dict)
    assert told["bus"] == {
        "number": 1,
        "secondary": 2,
        "subordinate": 3,
        "io_range": {"base": 0x11000, "limit": 0x22FFF},
        "memory_range": {"base": 0xFE100000, "limit": 0xFE2FFFFF},
        "prefetchable_range": {"base": 0x3FD000000, "limit": 0x4FD1FFFFF},
    }


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no-such-thing", "no-such-thing"),
        ("0000:00:09.0/virtio-net", "0000:00:09.0/virtio-net"),
        ("timer", "'timer' is no virtio device"),
        ("serial", "'serial' is no virtio device"),
    ],
)
def test_a_device_that_is_none_is_told_with_those_that_are(path: str, message: str) -> None:
    with pytest.raises(QueryError, match=message) as caught:
        opened(CARD).query("x-query-virtio-status", {"path": path})
    assert "virtio-net" in str(caught.value.expected)


def test_what_a_stream_is_silent_about_has_a_place_without_bytes() -> None:
    """`broken` is sent only where it is set: the answer comes from the subsection that is not there."""
    answer = ask(opened(CARD), "x-query-virtio-status")
    assert answer.value["broken"] is False
    silent = [source for sources in answer.sources.values() for source in sources if source.offset is None]
    assert silent and all(source.size == 0 for source in silent)
    assert any("broken" in str(source.path) for source in silent)
