"""Configuration spaces of any length, filters and rings that are just full, versions that are just too old."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from recorded import opened

from vmstate.declare import facts_of
from vmstate.devices.virtio import queue
from vmstate.devices.virtio.input import VirtIOInput, VirtIOInputConfig
from vmstate.devices.virtio.net import MacAddress, VirtIONet, VirtIONetConfig
from vmstate.devices.virtio.p9 import VirtIO9P
from vmstate.errors import DecodeError, EncodeError
from vmstate.stream.registry import shipped_descriptions

CARD = "qemu-7.2-q35-virtio-net.mig.xz"

# member -> where it ends; struct virtio_net_config of the VIRTIO specification, 5.1.4
ENDS_OF_NET = {
    "mac": 6,
    "status": 8,
    "max_virtqueue_pairs": 10,
    "mtu": 12,
    "speed": 16,
    "duplex": 17,
    "rss_max_key_size": 18,
    "rss_max_indirection_table_length": 20,
    "supported_hash_types": 24,
}


def card() -> VirtIONet:
    state: VirtIONet = opened(CARD)["virtio-net"].state
    return state


@pytest.mark.parametrize("size", range(6, 26))
def test_a_space_has_the_members_that_end_within_it(size: int) -> None:
    config = bytes(range(1, 1 + size))
    space = VirtIONetConfig.vmsd.codec.decode_at(memoryview(config), 0, facts={"config_len": size})[0]
    for name, end in ENDS_OF_NET.items():
        assert (getattr(space, name) is not None) is (end <= size), name
    last = [name for name, end in ENDS_OF_NET.items() if end <= size][-1]
    start = [0, *ENDS_OF_NET.values()][list(ENDS_OF_NET).index(last)]
    value = getattr(space, last)
    assert (bytes(value) if last == "mac" else value.to_bytes(ENDS_OF_NET[last] - start, "little")) == config[
        start : ENDS_OF_NET[last]
    ]


@pytest.mark.parametrize("size", [8, 9, 20, 136])
def test_an_input_device_has_as_much_room_as_its_space_leaves(size: int) -> None:
    config = bytes(range(size))
    space, end = VirtIOInputConfig.vmsd.codec.decode_at(memoryview(config), 0, facts={"config_len": size})
    assert end == size and space.u == config[8:]
    assert VirtIOInput.config_space.declared is VirtIOInputConfig


@pytest.mark.parametrize("tag", ["", "x", "shared", "host_files"])
def test_the_tag_of_a_shared_folder_is_all_that_follows_its_length(tag: str) -> None:
    config = len(tag).to_bytes(2, "little") + tag.encode()
    declared = VirtIO9P.config_space.declared
    space, end = declared.vmsd.codec.decode_at(memoryview(config), 0, facts={"config_len": len(config)})
    assert (space.tag_len, space.tag, end) == (len(tag), tag, len(config))


# Filters.


def test_a_filter_that_is_just_full_is_kept_and_one_that_is_more_is_not() -> None:
    state = card()
    state.net.mac_table = [MacAddress(f"02:00:00:00:00:{number:02x}") for number in range(64)]
    data = VirtIONet.vmsd.encode(state)
    again = VirtIONet.vmsd.decode(data, facts=facts_of(state)).net
    assert again.in_use == 64 and len(again.mac_table) == 64
    assert str(again.mac_table[63]) == "02:00:00:00:00:3f"
    state.net.in_use, state.net.macs = 65, None
    more = VirtIONet.vmsd.encode(state)
    assert len(more) == len(data) + 6
    assert VirtIONet.vmsd.decode(more, facts=facts_of(state)).net.macs is None


@pytest.mark.parametrize("vid", [-1, 4096])
def test_a_vlan_id_has_twelve_bits(vid: int) -> None:
    state = card()
    state.net.vlan_ids = {0, 4095}
    assert state.net.vlan_ids == {0, 4095}
    with pytest.raises(EncodeError, match=r"no VLAN id.*expected 0 to 4095"):
        state.net.vlan_ids = {5, vid}


# Rings.


class Rings:
    """Guest memory in which the words of a ring's indices are what they are told to be."""

    def __init__(self, words: dict[int, int]) -> None:
        self.words = words

    def has(self, address: int, size: int) -> bool:
        return True

    def read_all(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.words.get(address, 0).to_bytes(size, "little") for address, size in spans]


def agree(num: int, *, last: int, guest: int, used: int) -> bool:
    """Whether QEMU takes a modern device with one split queue whose indices are so."""
    state = card()
    virtio = state.virtio.virtio
    assert virtio.virtqueues is not None
    first = state.virtio.vq[0]
    first.num, first.desc, first.last_avail_idx = num, 0x10000, last
    virtio.virtqueues.vq[0].avail, virtio.virtqueues.vq[0].used = 0x20000, 0x30000
    memory: Any = Rings({0x20002: guest % 65536, 0x30002: used % 65536})
    return queue.rings_agree(virtio, state.virtio.guest_features, state.virtio.vq[:1], state.virtio.transport, memory)


@pytest.mark.parametrize("last", [0, 300, 65535])
def test_all_buffers_of_a_queue_can_be_in_use_and_no_more(last: int) -> None:
    assert agree(256, last=last, guest=last, used=last)
    assert agree(256, last=last, guest=last, used=last - 256)
    assert not agree(256, last=last, guest=last, used=last - 257)


@pytest.mark.parametrize("last", [0, 300, 65535])
def test_a_guest_index_that_is_too_far_ahead_breaks_the_device_and_not_the_load(last: int) -> None:
    """So what is in use is looked at as long as the guest's index is at most the size of the queue ahead."""
    assert not agree(256, last=last, guest=last + 256, used=last - 257)
    assert agree(256, last=last, guest=last + 257, used=last - 257)


# Versions.

# What QEMU's classes of virtio devices save inside the section (vdc->vmsd), and the section: version, lowest version.
VERSIONS = {
    "virtio-9p": (1, 1),
    "virtio-balloon": (1, 1),
    "virtio-blk": (2, 2),
    "virtio-console": (3, 3),
    "virtio-gpu": (1, 1),
    "virtio-input": (1, 1),
    "virtio-iommu": (2, 2),
    "virtio-mem": (1, 1),
    "virtio-net": (11, 11),
    "virtio-nsm": (1, 1),
    "virtio-rng": (1, 1),
    "virtio-scsi": (1, 1),
    "virtio-sound-device": (1, 1),
    "virtio-vhost_scsi": (1, 1),
    "virtio-vhost_vsock": (0, 0),
    "vhost-user-blk": (1, 1),
    "vhost-user-fs": (0, 0),
}
INSIDE = {
    "virtio-balloon-device": (1, 1),
    "virtio-gpu-scanouts": (1, 0),
    "virtio-iommu-device": (2, 2),
    "virtio-mem-device": (1, 1),
    "virtio-net-device": (11, 11),
}


@pytest.mark.parametrize("idstr", VERSIONS)
def test_the_versions_of_a_device(idstr: str) -> None:
    vmsd = shipped_descriptions(idstr)[0]
    assert (vmsd.version_id, vmsd.minimum_version_id) == VERSIONS[idstr]
    for part in vmsd.walk():
        if part.name in INSIDE:
            assert (part.version_id, part.minimum_version_id) == INSIDE[part.name], part.name
    if vmsd.minimum_version_id:
        with pytest.raises(DecodeError, match="version"):
            vmsd.decode(bytes(64), version_id=vmsd.minimum_version_id - 1)
