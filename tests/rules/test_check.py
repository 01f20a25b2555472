"""`vmstate.check`: what QEMU would refuse or change at load, and the values that have names."""

from __future__ import annotations

import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vmstate
from vmstate.cli import main
from vmstate.declare import facts_of
from vmstate.devices.virtio.features import NetFeatures
from vmstate.devices.virtio.net import MacAddress, TxWaiting, VirtIONet
from vmstate.schema.vmdesc import NOTHING_DESCRIBED

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
FILTERS = FIXTURES / "qemu-7.2-q35-virtio-net-filters.mig.xz"


def loaded(name: str) -> vmstate.Stream:
    return vmstate.load(lzma.decompress((FIXTURES / f"{name}.mig.xz").read_bytes()))


@pytest.fixture
def net() -> VirtIONet:
    state: VirtIONet = vmstate.load(FILTERS)["virtio-net"].state
    return state


@pytest.mark.parametrize("path", sorted(FIXTURES.rglob("*.mig.xz")), ids=lambda path: path.name)
def test_what_qemu_wrote_breaks_no_rule_of_qemus(path: Path) -> None:
    with vmstate.load(path) as stream:
        assert vmstate.check(stream) == []


def queue_sel(state: Any) -> None:
    state.virtio.queue_sel = 1024


def queue_count(state: Any) -> None:
    state.virtio.num_queues = 1025
    state.virtio.vq = [state.virtio.vq[0]] * 1025


def address(state: Any) -> None:
    state.virtio.vq[1].desc = 0
    state.virtio.vq[1].last_avail_idx = 5


def vector(state: Any) -> None:
    state.virtio.vq[0].vector = 4


def config_vector(state: Any) -> None:
    state.virtio.transport.config_vector = 4


BROKEN = {
    queue_sel: ("virtio-queue-sel", "virtio.queue_sel"),
    queue_count: ("virtio-queues", "virtio.num_queues"),
    address: ("virtio-queue-address", "virtio.vq[1].last_avail_idx"),
    vector: ("virtio-pci-vector", "virtio.vq[0].vector"),
    config_vector: ("virtio-pci-config-vector", "virtio.transport.config_vector"),
}


@pytest.mark.parametrize("breaks", BROKEN, ids=lambda breaks: breaks.__name__)
def test_a_broken_rule_is_found_and_refused(net: VirtIONet, breaks: Callable[[Any], None]) -> None:
    breaks(net)
    rule, path = BROKEN[breaks]
    assert [(finding.rule, finding.path) for finding in vmstate.check(net)] == [(rule, path)]
    with pytest.raises(vmstate.EncodeError, match=rule):
        VirtIONet.vmsd.encode(net)
    assert VirtIONet.vmsd.decode(VirtIONet.vmsd.encode(net, force=True), facts=facts_of(net)) == net


def test_a_table_and_queue_pairs_that_are_too_many() -> None:
    state: VirtIONet = loaded("pairs/qemu-7.2-mq4-rss-on-final")["virtio-net"].state
    assert state.net.rss is not None and state.net.max_queue_pairs is not None
    state.net.curr_queue_pairs = state.net.max_queue_pairs + 1
    state.net.tx_waiting.vqs_1 = [TxWaiting() for _ in range(state.net.max_queue_pairs)]
    assert [(finding.rule, finding.path) for finding in vmstate.check(state)] == [
        ("virtio-net-queue-pairs", "virtio.net.curr_queue_pairs")
    ]
    state.net.rss.indirections_table.append(1)
    findings = {finding.rule: finding.path for finding in vmstate.check(state)}
    assert findings["virtio-net-rss-table"] == "virtio.net.rss.indirections_table"
    with pytest.raises(vmstate.EncodeError, match="virtio-net-queue-pairs"):
        VirtIONet.vmsd.encode(state)


def test_what_qemu_mends_is_a_note_and_is_written(net: VirtIONet) -> None:
    net.net.in_use = 65
    net.net.macs = None
    assert [(finding.rule, finding.severity) for finding in vmstate.check(net)] == [("virtio-net-mac-table", "note")]
    VirtIONet.vmsd.encode(net)


def test_a_value_that_cannot_be_written_is_found(net: VirtIONet) -> None:
    net.net.promisc = 256
    (finding,) = vmstate.check(net)
    assert (finding.rule, finding.path) == ("encode", "virtio.net.promisc")


def test_a_stream_that_qemu_would_refuse_is_written_back_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = vmstate.load(FILTERS)
    stream["virtio-net"].state.virtio.queue_sel = 5000
    broken = tmp_path / "broken.mig"
    stream.save(broken)
    with vmstate.load(broken) as again:
        assert again.to_bytes() == broken.read_bytes()
    assert main(["verify", str(broken)]) == 0
    assert main(["verify", "--check", str(broken)]) == 1
    assert "virtio.queue_sel: the queue selected is below 1024" in capsys.readouterr().out


def test_a_state_that_nothing_describes_cannot_be_checked() -> None:
    with pytest.raises(vmstate.DescriptionError):
        vmstate.check(vmstate.State())


def test_values_read_as_what_they_are(net: VirtIONet) -> None:
    card = net.net
    assert str(card.mac) == "52:54:00:aa:bb:cc"
    assert MacAddress("33:33:00:00:00:01") in card.mac_table
    assert {0, 5, 777} == card.vlan_ids
    assert card.rx_modes == {"promisc"}
    assert str(card.status) == "LINK_UP"
    assert str(net.virtio.status) == "ACKNOWLEDGE|DRIVER|DRIVER_OK|FEATURES_OK"
    assert NetFeatures.VERSION_1 | NetFeatures.MRG_RXBUF in net.features


def test_the_raw_values_stay_reachable_and_settable(net: VirtIONet) -> None:
    card = net.net
    assert bytes(card.mac) == bytes.fromhex("525400aabbcc")
    assert int(card.status) == 1
    card.mac = bytes.fromhex("020000000001")  # type: ignore[assignment]
    card.mac_table = [MacAddress("02:00:00:00:00:02")]
    card.vlan_ids = {1, 4095}
    card.rx_modes = {"alluni"}
    again = VirtIONet.vmsd.decode(VirtIONet.vmsd.encode(net), facts=facts_of(net)).net
    assert str(again.mac) == "02:00:00:00:00:01"
    assert again.mac_table == [MacAddress("02:00:00:00:00:02")]
    assert again.vlan_ids == {1, 4095}
    assert again.rx_modes == {"alluni"}


def test_features_print_by_name_and_keep_unknown_bits() -> None:
    unknown = 1 << 48
    features = NetFeatures(1 << 15 | 1 << 17 | 1 << 32)
    assert str(features) == "MRG_RXBUF|CTRL_VQ|VERSION_1"
    assert int(NetFeatures(int(features) | unknown)) == int(features) | unknown
    assert str(NetFeatures(unknown)) == "0x1000000000000"
    assert str(NetFeatures(0)) == "0"


def test_more_than_one_queue_pair_is_found_from_the_bytes() -> None:
    for name, pairs in (("qemu-7.2-q35-virtio-net-mq4", 4), ("qemu-7.2-q35-virtio-net", None)):
        assert loaded(name)["virtio-net"].state.net.max_queue_pairs == pairs


# What cannot even be read


def with_bytes(stream: vmstate.Stream, path: str, data: bytes, at: int = 0) -> vmstate.Stream:
    """The stream again with bytes of its card put where something stands."""
    section = stream["virtio-net"]
    place = section.trace()[path].offset + at
    raw = bytearray(stream.to_bytes())
    raw[place : place + len(data)] = data
    return vmstate.load(bytes(raw))


CARD = "qemu-7.2-q35-virtio-net"


@pytest.mark.parametrize(
    ("path", "data", "at", "problem"),
    [
        ("virtio.num_queues", b"\0\0\4\1", 0, r"virtio\.num_queues: virtio-queues: there are at most 1024 queues"),
        ("virtio.config_len", b"\xff" * 4, 0, r"virtio\.config: the size cannot be .*found 4294967295"),
        ("virtio.config_len", b"\0\xff\0\0", 0, r"virtio\.config: the data ends too early"),
        (
            "virtio.transport.pci_dev.conventional_config",
            b"\0\0",
            0x9A,
            r"virtio\.transport\.config_vector: virtio-pci-config-vector: .* is one of the MSI-X table",
        ),
        ("virtio.virtio.started", b"virtio/startex", 2, r"VM subsection 'virtio/startex' in 'virtio' does not exist"),
        ("virtio.virtio.started", b"virtjo", 2, r"does not end where it should.*found 05 0e 76 69 72 74 6a 6f"),
    ],
)
@pytest.mark.slow
def test_the_rule_that_is_broken_is_why_a_device_stays_closed(path: str, data: bytes, at: int, problem: str) -> None:
    stream = with_bytes(loaded(CARD), path, data, at)
    section = stream["virtio-net"]
    assert section.described_by == "vmdesc"
    assert section.problem is not None and re.search(problem, section.problem)
    assert any(finding.message == section.problem for finding in vmstate.verify(stream, stream.to_bytes()))
    alone = vmstate.load(stream.to_bytes(), vmdesc=NOTHING_DESCRIBED)["virtio-net"]
    assert (alone.described_by, alone.problem) == ("none", section.problem)
    # A rule is known to be broken whatever the layout is.
    rules = re.findall(r": (virtio-[a-z-]+): ", section.problem)
    for closed in (section, alone):
        findings = vmstate.check(closed)
        assert [(finding.rule, finding.severity, finding.section) for finding in findings] == [
            (rule, "error", section.name) for rule in rules
        ]
        assert all(f"at offset {finding.offset:#x}" in section.problem for finding in findings)


def test_a_device_under_another_s_name() -> None:
    raw = loaded("qemu-7.2-q35-virtio-zoo").to_bytes().replace(b"/virtio-rng", b"/virtio-blk", 1)
    sections = {section.name: section for section in vmstate.load(raw).sections}
    assert sections["0000:00:03.0/virtio-blk"].problem is not None
    assert "at least version 2, found 1" in sections["0000:00:03.0/virtio-blk"].problem


@pytest.mark.parametrize("file", [CARD, "qemu-7.2-pc-virtio-net-legacy", "qemu-7.2-pc-virtio-net-transitional"])
def test_the_ids_of_another_device(file: str) -> None:
    stream = loaded(file)
    card = stream["virtio-net"].state
    pci = card.virtio.transport.pci_dev
    is_modern = pci.config[2:4] == b"\x41\x10"
    # QEMU does not compare the subsystem id.
    pci.conventional_config = pci.config[:0x2E] + b"\2\0" + pci.config[0x30:]
    assert not vmstate.check(stream)
    pci.conventional_config = pci.config[:2] + (0x1042 if is_modern else 0x1001).to_bytes(2, "little") + pci.config[4:]
    (finding,) = vmstate.check(stream)
    assert (finding.rule, finding.path, finding.severity) == ("virtio-pci-device-id", "virtio.transport", "error")
    with pytest.raises(vmstate.EncodeError, match="those of the device that the idstr names"):
        VirtIONet.vmsd.encode(card)
    # A space in which nothing is said yet says nothing wrong.
    pci.conventional_config = bytes(0x34) + pci.config[0x34:]
    assert "virtio-pci-device-id" not in [finding.rule for finding in vmstate.check(stream)]


def test_subsections_out_of_order_and_twice_are_told() -> None:
    stream = loaded("qemu-7.2-q35-virtio-net-mq4")
    section, whole = stream["virtio-net"], stream.to_bytes()
    places = {path: entry for path, entry in section.trace().items() if path.startswith("virtio.virtio.")}
    features, rings = (places[f"virtio.virtio.{name}"] for name in ("features64", "virtqueues"))
    cut, end = features.offset, rings.offset + rings.size
    assert cut + features.size == rings.offset
    first, second = whole[cut : rings.offset], whole[rings.offset : end]
    for middle, told in ((second + first, "comes behind one"), (first + first + second, "comes again later")):
        odd = vmstate.load(whole[:cut] + middle + whole[end:])
        data = odd.to_bytes()
        assert data == whole[:cut] + middle + whole[end:]
        assert odd["virtio-net"].state == section.state
        (finding,) = [finding for finding in vmstate.verify(odd, memoryview(data)) if finding.rule == "residue"]
        assert (finding.path, finding.severity) == ("virtio.virtio.features64", "note")
        assert told in finding.message
        (change,) = vmstate.diff(whole, data).changes
        assert told in str(change.after)
