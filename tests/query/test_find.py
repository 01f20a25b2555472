"""Where something is in a stream, held against QEMU's own answers and against the bytes at the place that is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded import opened, plain

from vmstate.cli import main
from vmstate.errors import QueryError
from vmstate.query.find import find

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
FILTERS = "qemu-7.2-q35-virtio-net-filters.mig.xz"
NICS = "recorded/qemu-7.2-pc-devices-cold.mig.xz"


def places(file: str, word: str) -> list[tuple[str, str]]:
    with opened(file) as stream:
        return [(match.whole_path, match.by) for match in find(stream, word)]


def test_a_mac_address_stands_where_the_bytes_are() -> None:
    data = plain(FILTERS)
    with opened(FILTERS) as stream:
        (match,) = find(stream, "52:54:00:AA:bb-cc".replace("-", ":"))
        assert stream.query("query-rx-filter")[0]["main-mac"] == "52:54:00:aa:bb:cc"
    assert (match.section, match.path, match.by) == ("0000:00:01.0/virtio-net", "virtio.net.mac", "bytes")
    assert data[match.offset : match.offset + match.size] == bytes.fromhex("525400aabbcc")


def test_a_mac_address_is_known_in_the_words_of_a_card_that_keeps_it_swapped() -> None:
    """An e1000e has it in an EEPROM of 16-bit words too, and as the serial number of its PCI capability."""
    with opened("recorded/qemu-7.2-q35-devices-cold.mig.xz") as stream:
        named = next(match for match in find(stream, "permanent_mac") if match.by == "name")
        mac = bytes(named.value)
        matches = [match for match in find(stream, mac.hex(":")) if match.section == named.section]
    assert named.path in {match.path for match in matches}
    assert any(match.value != mac for match in matches)


def test_a_number_is_found_as_a_value_in_any_base() -> None:
    with opened(FILTERS) as stream:
        desc = stream["virtio-net"].state.virtio.vq[0].desc
    expected = [
        ("0000:00:01.0/virtio-net.virtio.vq[0].desc", "value"),
        ("0000:00:01.0/virtio-net.virtio.virtio.extra_state.extra_state.modern_state.vqs[0].desc", "value"),
    ]
    assert places(FILTERS, str(desc)) == expected
    assert places(FILTERS, hex(desc)) == expected


def test_an_element_of_an_array_has_a_place_of_its_own() -> None:
    data = plain(FILTERS)
    with opened(FILTERS) as stream:
        vlans = stream["virtio-net"].state.virtio.net.vlans
        number = next(number for number, word in enumerate(vlans) if word > 1)
        matches = {match.path: match for match in find(stream, str(vlans[number]))}
    match = matches[f"virtio.net.vlans[{number}]"]
    assert int.from_bytes(data[match.offset : match.offset + 4], "little") == vlans[number]
    assert match.size == 4


MEANINGS = {
    "q35": ("configuration.name", "value"),
    "last_avail": ("0000:00:01.0/virtio-net.virtio.vq[1].last_avail_idx", "name"),
    "52:54:00:aa": ("0000:00:01.0/virtio-net.virtio.net.mac", "bytes"),
    "mrg_rxbuf": ("0000:00:01.0/virtio-net.virtio.virtio.features64.guest_features", "feature"),
    "virtio-net": ("0000:00:01.0/virtio-net", "name"),
    "hex:525400aabbcc": ("0000:00:01.0/virtio-net.virtio.net.mac", "bytes"),
    "54 00 aa": ("0000:00:01.0/virtio-net.virtio.net.mac", "bytes"),
    "1af4:1000": ("0000:00:01.0/virtio-net.virtio.transport.pci_dev.conventional_config", "bytes"),
    "525400aabbcc": ("0000:00:01.0/virtio-net.virtio.net.mac", "bytes"),
}


@pytest.mark.parametrize(
    ("word", "place"),
    # Each of another kind while one works.
    [
        pytest.param(word, place, marks=[] if number < 4 else pytest.mark.slow)
        for number, (word, place) in enumerate(MEANINGS.items())
    ],
)
def test_a_word_is_found_as_what_it_can_mean(word: str, place: tuple[str, str]) -> None:
    assert place in places(FILTERS, word)


def test_a_feature_that_was_not_accepted_is_nowhere() -> None:
    with opened(FILTERS) as stream:
        listed = stream.query("x-query-virtio-status")["guest-features"]["dev-features"]
    assert not any("GUEST_UFO" in name for name in listed)
    assert places(FILTERS, "VIRTIO_NET_F_GUEST_UFO") == []


def test_a_ram_block_is_found_by_its_name() -> None:
    data = plain("recorded/qemu-7.2-microvm-bare-cold.mig.xz")
    with opened("recorded/qemu-7.2-microvm-bare-cold.mig.xz") as stream:
        (match,) = find(stream, "microvm.ram")
    assert match.value == "microvm.ram"
    assert b"microvm.ram" in data[match.offset : match.offset + match.size]


@pytest.mark.slow
def test_what_is_told_can_be_shown_and_text_in_bytes_is_found() -> None:
    with opened("qemu-7.2-q35-default-devices.mig.xz") as stream:
        for word in ("config", "0x8086", "enabled"):
            for match in find(stream, word):
                if not match.whole_path.startswith("configuration") and match.path:
                    stream.find(match.whole_path)


def test_the_command_tells_places_and_answers_by_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(FIXTURES / FILTERS)
    assert main(["find", file, "last_avail_idx", "--format", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["value"] for line in lines] == [0, 5, 58]
    assert main(["find", file, "nothing-of-the-kind"]) == 1
    assert "nothing is named 'nothing-of-the-kind'" in capsys.readouterr().out


@pytest.mark.slow
def test_several_files_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(FIXTURES / FILTERS), str(FIXTURES / "qemu-7.2-q35-default-devices.mig.xz")]
    assert main(["find", *files, "hpet_counter"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": 0x")[0] for line in lines] == files
    assert main(["find", *files, "/nowhere/a.mig", "hpet_counter", "--format", "json"]) == 2
    printed = capsys.readouterr()
    assert [json.loads(line)["file"] for line in printed.out.splitlines()] == files
    assert printed.err == "vmstate: /nowhere/a.mig: no such file or directory\n"
    # What is in one alone is nowhere in the other.
    assert main(["find", *files, "virtio.net.mac"]) == 1
    assert main(["find", files[0]]) == 2
    assert "what is looked for?" in capsys.readouterr().err


def test_no_word_is_no_question() -> None:
    with opened(FILTERS) as stream, pytest.raises(QueryError, match="there is no word to look for"):
        list(find(stream, ""))
