"""Virtio devices of every recorded stream: opened, written back, and held against what QEMU itself answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import pytest
from recorded import PROVENANCE, STREAMS, opened, pairs_of, plain

from vmstate import Section, Stream, devices
from vmstate.declare import facts_of, set_facts
from vmstate.devices.pci.device import PCIDevice
from vmstate.devices.vhost.element import VirtQueueElement
from vmstate.devices.virtio.balloon import MISNAMED, MisnamedPagePoison
from vmstate.devices.virtio.blk import VirtIOBlk, VirtIOBlkConfig, VirtIOBlkRequest
from vmstate.devices.virtio.config import byte_order
from vmstate.devices.virtio.console import VirtIOSerialPort
from vmstate.devices.virtio.core import DeviceEndian, Features64, VirtIODevice
from vmstate.devices.virtio.early import RING_PACKED, rings_of
from vmstate.devices.virtio.features import Features, NetFeatures
from vmstate.devices.virtio.fs import VHostUserFSConfig
from vmstate.devices.virtio.mem import VirtIOMEMDeviceEarly
from vmstate.devices.virtio.net import VirtIONet, VirtIONetConfig
from vmstate.devices.virtio.pci import VirtIOPCIConfig
from vmstate.devices.virtio.queue import rings_agree
from vmstate.errors import VMStateError
from vmstate.events import find_vmdesc
from vmstate.stream.registry import last_part, shipped_descriptions

COLLECTIONS = [
    f"recorded/qemu-{release}-q35-virtio-devices-booted.mig.xz" for release in ("5.2", "7.2", "10.0", "11.1")
]
MADE_OF_VIRTIO = {"virtio", "virtio-gpu", "blob", "virtio-fs back-end state", "virtio-net vhost-user backend state"}
"""The hand-written parts of virtio devices, by the names that vmdesc has for them."""

OTHER_NAMES = {"virtio-serial": "virtio-console", "virtio-user-fs": "vhost-user-fs"}
"""Devices whose section has another name than the device has for QEMU's questions."""

MODERN = 1 << Features.VERSION_1.bit_length() - 1


class Device(NamedTuple):
    """A section, with its payload and the entry that vmdesc has for it."""

    section: Section
    raw: bytes
    entry: dict[str, Any]


def is_made_of_virtio(entry: dict[str, Any]) -> bool:
    return any(dict(field)["type"] in MADE_OF_VIRTIO for field in entry.get("fields", ()))


@lru_cache(maxsize=4)
def virtio_devices(file: str) -> tuple[Device, ...]:
    stream = opened(file)
    return tuple(_virtio_devices(stream, plain(file)))


def _virtio_devices(stream: Stream, data: bytes) -> Iterator[Device]:
    if stream.vmdesc_text is None:
        return
    entries = [dict(entry) for entry in dict(pairs_of(stream.vmdesc_text))["devices"]]
    for section in stream.sections:
        if section.is_ram:
            continue
        here = (section.name, section.instance_id)
        entry = next((entry for entry in entries if (entry["name"], entry["instance_id"]) == here), None)
        if entry is not None and is_made_of_virtio(entry):
            start = section.payload_offset
            yield Device(section, data[start : start + len(section.payload())], entry)


WITH_VIRTIO = [file for file in STREAMS if re.search("virtio|vhost", str(PROVENANCE[file].get("argv", "virtio")))]
"""Where the arguments of QEMU are not known there can be a device too."""


def sections_named(file: str, name: str) -> list[Section]:
    return [section for section in opened(file).sections if last_part(section.name) == name]


def the(file: str, name: str) -> Any:
    """The state of the one section of that name."""
    (section,) = sections_named(file, name)
    return section.state


@pytest.mark.parametrize("file", WITH_VIRTIO)
def test_every_device_is_opened_and_written_back(file: str) -> None:
    for section, raw, entry in virtio_devices(file):
        assert_configuration_space_and_back(section.state)
        assert section.described_by == "library", section
        assert section.vmsd is not None
        assert section.vmsd.encode(section.state, version_id=section.version_id) == raw, section
        sizes = {dict(field)["name"]: dict(field)["size"] for field in entry["fields"]}
        trace = section.vmsd.trace(raw, version_id=section.version_id, facts=facts_of(section.state))
        for name, size in sizes.items():
            assert trace[f'"{name}"' if f'"{name}"' in trace else {"virtio-gpu": "gpu"}.get(name, name)].size == size


@pytest.mark.slow
def test_no_device_is_left_out() -> None:
    seen = set()
    for file in STREAMS:
        text = find_vmdesc(memoryview(plain(file)))
        for entry in map(dict, dict(pairs_of(text))["devices"] if text is not None else ()):
            if is_made_of_virtio(entry):
                assert file in WITH_VIRTIO
                seen.add(last_part(entry["name"]))
    assert seen == {
        "vhost-user-blk",
        "vhost-user-fs",
        "virtio-9p",
        "virtio-balloon",
        "virtio-blk",
        "virtio-console",
        "virtio-gpu",
        "virtio-input",
        "virtio-iommu",
        "virtio-mem",
        "virtio-net",
        "virtio-rng",
        "virtio-scsi",
    }


# QEMU's own answers


def bits_named(value: int, flags: type[Features] | type[NetFeatures]) -> set[str]:
    return {flag.name for flag in flags if flag.name and value & flag}


def names_of(texts: list[str]) -> set[str]:
    """The names of features as QEMU says them, without what goes before."""
    names = [text.partition(":")[0] for text in texts]
    return {name.partition("_F_")[2] for name in names}


def asked(file: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each device's state, with what QEMU answered about it. Devices of a kind are told apart by their queues."""
    states: dict[str, list[Any]] = {}
    for section in opened(file).sections:
        if section.described_by == "library" and isinstance(getattr(section.state, "virtio", None), VirtIODevice):
            states.setdefault(last_part(section.name), []).append(section.state)
    for answer in PROVENANCE[file]["virtio"]:
        name = answer["status"]["name"]
        candidates = states.get(OTHER_NAMES.get(name, name), [])
        rings = [queue["vring-desc"] for queue in answer["queues"]]
        key = (answer["status"]["num-vqs"], rings)
        state = next(
            (
                candidate
                for candidate in candidates
                if key == (len(candidate.virtio.vq), [queue.desc for queue in candidate.virtio.vq][: len(rings)])
            ),
            None,
        )
        # virtio-pmem has nothing to save.
        assert state is not None or name == "virtio-pmem", name
        if state is not None:
            candidates.remove(state)
            yield state, answer
    assert not any(states.values())


@pytest.mark.parametrize("file", [file for file in STREAMS if PROVENANCE[file].get("virtio")])
def test_as_qemu_answers(file: str) -> None:
    for state, answer in asked(file):
        body, status = state.virtio, answer["status"]
        assert status["isr"] == body.isr
        assert status["queue-sel"] == body.queue_sel
        assert status["num-vqs"] == body.num_queues == len(body.vq)
        assert status["broken"] == (body.virtio.broken is not None)
        assert status["started"] == (body.virtio.started is not None and body.virtio.started.started)
        assert {text.partition(":")[0].removeprefix("VIRTIO_CONFIG_S_") for text in status["status"]["statuses"]} == {
            flag.name for flag in type(body.status) if flag & body.status
        }
        assert_features(state, status["guest-features"])
        assert status["device-endian"] == byte_order(body)
        for index, queue in enumerate(answer["queues"]):
            assert_queue(body, index, queue)


def assert_features(state: Any, told: dict[str, Any]) -> None:
    body = state.virtio
    features = body.guest_features
    if body.virtio.features64 is not None:
        assert body.virtio.features64.guest_features & 0xFFFFFFFF == features
        features = body.virtio.features64.guest_features
    unknown = told.get("unknown-dev-features", 0)
    names = [*told["dev-features"], *told["transports"]]
    assert (features & ~unknown).bit_count() == len(names)
    assert names_of(told["transports"]) == bits_named(features & ~unknown, Features)
    if isinstance(state, VirtIONet):
        assert names_of(names) == bits_named(features & ~unknown, NetFeatures)


def assert_queue(body: Any, index: int, told: dict[str, Any]) -> None:
    queue = body.vq[index]
    assert told["vring-num"] == queue.num
    assert told["vring-desc"] == queue.desc
    assert told["last-avail-idx"] == queue.last_avail_idx
    if queue.align is not None:
        assert told["vring-align"] == queue.align
    if body.virtio.virtqueues is not None:
        rings = body.virtio.virtqueues.vq[index]
        assert (told["vring-avail"], told["vring-used"]) == (rings.avail, rings.used)
    sizes = body.virtio.ringsize
    assert told["vring-num-default"] == (queue.num if sizes is None else sizes.vq[index].num_default)
    if body.virtio.packed_virtqueues is not None:
        packed = body.virtio.packed_virtqueues.vq[index]
        assert (told["used-idx"], told["inuse"]) == (packed.used_idx, packed.inuse)


@pytest.mark.parametrize("file", [file for file in STREAMS if PROVENANCE[file].get("rx_filter")])
def test_receive_filter_as_qemu_answers(file: str) -> None:
    cards = {bytes(section.state.net.mac).hex(":"): section.state for section in sections_named(file, "virtio-net")}
    for told in PROVENANCE[file]["rx_filter"]:
        if told["main-mac"] not in cards:
            continue
        state = cards[told["main-mac"]]
        net = state.net
        assert told["promiscuous"] == bool(net.promisc)
        # QEMU answers with the flag as it is, which says the opposite.
        assert told["broadcast-allowed"] == bool(net.nobcast)
        assert told["unicast"] == ("all" if net.alluni else "none" if net.nouni else "normal")
        assert told["multicast"] == ("all" if net.allmulti else "none" if net.nomulti else "normal")
        assert told["unicast-overflow"] == bool(net.uni_overflow)
        assert told["multicast-overflow"] == bool(net.multi_overflow)
        table = {net.macs[start : start + 6].hex(":") for start in range(0, len(net.macs), 6)}
        assert table == {*told["unicast-table"], *told["multicast-table"]}
        if told["vlan"] == "normal":
            assert set(told["vlan-table"]) == set(net.vlan_ids)


# Configuration spaces


def assert_configuration_space_and_back(state: Any) -> None:
    if not hasattr(type(state), "config_space"):
        assert state.virtio.config_len == 0
        return
    before = state.virtio.config
    state.config_space = state.config_space
    assert state.virtio.config == before


@pytest.mark.parametrize("file", COLLECTIONS)
def test_what_the_drivers_read(file: str) -> None:
    disk = the(file, "virtio-blk").config_space
    assert (disk.capacity, disk.blk_size, disk.num_queues) == (16 << 20 >> 9, 512, 2)
    assert disk.write_zeroes_may_unmap == 1
    assert disk.max_secure_erase_sectors is None
    adapter = the(file, "virtio-scsi").config_space
    assert (adapter.max_target, adapter.max_lun) == (255, 16383)
    assert the(file, "virtio-gpu").config_space.num_scanouts == 2
    assert the(file, "virtio-console").config_space.max_nr_ports == 31
    balloon = the(file, "virtio-balloon").config_space
    assert (balloon.num_pages, balloon.actual, balloon.poison_val) == (2048, 2048, 0xAAAAAAAA)


def test_configuration_space_is_set() -> None:
    state = VirtIOBlk()
    state.virtio.config_len = 36
    state.virtio.config = bytes(36)
    state.config_space = VirtIOBlkConfig(capacity=0x0102030405060708, wce=1)
    assert state.virtio.config[:8].hex() == "0807060504030201"
    assert state.config_space == VirtIOBlkConfig(capacity=0x0102030405060708, wce=1)
    with pytest.raises(VMStateError):
        state.config_space = VirtIOBlkConfig(capacity=1 << 64)


def test_configuration_space_in_the_order_of_the_device() -> None:
    state = VirtIONet()
    state.virtio.config_len = 10
    state.virtio.config = bytes(6) + b"\x00\x01\x00\x04"
    assert state.config_space == VirtIONetConfig(status=0x100, max_virtqueue_pairs=0x400)
    set_facts(state, device_endian="big")
    assert state.config_space == VirtIONetConfig(status=1, max_virtqueue_pairs=4)
    state.virtio.virtio.device_endian = DeviceEndian(device_endian=1)
    assert state.config_space.status == 0x100
    state.virtio.virtio.device_endian = DeviceEndian(device_endian=2)
    assert state.config_space.status == 1
    state.virtio.virtio.features64 = Features64(guest_features=MODERN)
    assert state.config_space.status == 0x100


def test_bytes_behind_the_known_members_stay() -> None:
    state = VirtIOBlk()
    state.virtio.config_len = 100
    state.virtio.config = bytes(96) + b"more"
    state.config_space = VirtIOBlkConfig(**dict.fromkeys(vars(VirtIOBlkConfig)["__vmstate_defaults__"], 1))
    assert state.virtio.config[:8].hex() == "0100000000000000"
    assert state.virtio.config[96:] == b"more"


@pytest.mark.parametrize("file", [file for file in STREAMS if "virtio-net" in str(PROVENANCE[file].get("rx_filter"))])
def test_card_shows_its_address(file: str) -> None:
    for section in sections_named(file, "virtio-net"):
        state: Any = section.state
        shown = state.config_space
        # Before the guest reads the space it is all zero.
        if any(state.virtio.config):
            assert shown.mac in (state.net.mac, bytes.fromhex("525400123456"))
            assert shown.max_virtqueue_pairs in (None, 1, state.net.max_queue_pairs)


# What each device says


@pytest.mark.parametrize("file", COLLECTIONS)
def test_requests_that_wait(file: str) -> None:
    (request,) = the(file, "virtio-blk").virtio.requests
    packed = "packed=on" in str(PROVENANCE[file]["argv"])
    assert request.queue in (0, 1)
    assert request.elem.ndescs == (1 if packed else None)
    assert (request.elem.out_num, request.elem.in_num) == (2, 1)
    assert [piece.iov_len for piece in request.elem.out_sg[:3]] in ([16, 4096, 0], [16, 8192, 0])
    assert request.elem.in_sg[0].iov_len == 1
    (port,) = the(file, "virtio-console").virtio.ports
    assert (port.id, port.guest_connected, port.host_connected, port.elem_popped) == (1, 0, 1, 1)
    assert (port.elem.out_num, port.elem.ndescs) == (1, 1 if packed else None)


@pytest.mark.parametrize("file", COLLECTIONS)
def test_screen(file: str) -> None:
    gpu = the(file, "virtio-gpu").gpu
    (screen,) = gpu.resources
    assert (screen.width, screen.height, len(screen.pixels)) == (320, 200, 320 * 200 * 4)
    assert sum(piece.length for piece in screen.backing) >= len(screen.pixels)
    first, second = gpu.scanouts.scanout
    assert (first.resource_id, first.width, first.height) == (screen.resource_id, 320, 200)
    assert second.resource_id == 0
    new = file.startswith(("recorded/qemu-10", "recorded/qemu-11"))
    assert first.fb_stride == (1280 if new else None)


def test_frame_buffer_of_the_first_display_alone() -> None:
    """What QEMU asks for the displays behind the first lies in memory that is not the device's."""
    fits = {}
    for file in COLLECTIONS[2:]:
        first, second = the(file, "virtio-gpu").gpu.scanouts.scanout
        fits[file[14:18]] = (first.fb_width is not None, second.fb_width is not None)
    assert fits == {"10.0": (True, True), "11.1": (True, False)}


def test_machine_type_without_frame_buffers() -> None:
    state = the("recorded/qemu-11.1-pc-q35-8.2-virtio-gpu-cold.mig.xz", "virtio-gpu")
    assert state.gpu.scanouts.first_scanout.fb_width is None
    assert state.virtio.config_len == 20


@pytest.mark.parametrize("file", COLLECTIONS)
def test_balloon(file: str) -> None:
    body = the(file, "virtio-balloon").virtio
    assert (body.balloon.num_pages, body.balloon.actual) == (2048, 2048)
    assert body.balloon.free_page_hint is not None
    poison = body.balloon.page_poison
    if "5.2" in file:
        assert poison is None
        assert (body.misnamed_page_poison.header, body.misnamed_page_poison.poison_val) == (MISNAMED, 0xAAAAAAAA)
    else:
        assert poison.poison_val == 0xAAAAAAAA


@pytest.mark.parametrize("file", COLLECTIONS[1:])
def test_plugged_memory(file: str) -> None:
    mem = the(file, "virtio-mem").virtio.mem
    assert (mem.usable_region_size, mem.requested_size) == (512 << 20, 256 << 20)
    early = sections_named(file, "virtio-mem-device-early")
    if "7.2" in file:
        assert not early
        plugged = mem
    else:
        assert mem.tmp is mem.size is mem.bitmap is None
        plugged = VirtIOMEMDeviceEarly.vmsd.decode(early[0].payload())
        assert VirtIOMEMDeviceEarly.vmsd.encode(plugged) == early[0].payload()
    assert (plugged.tmp.region_size, plugged.tmp.block_size, plugged.size) == (512 << 20, 2 << 20, 256 << 20)
    assert plugged.bitmap == (1 << 128) - 1


def test_memory_of_an_old_machine_type_does_not_go_ahead() -> None:
    file = "recorded/qemu-11.1-pc-q35-7.2-virtio-mem-cold.mig.xz"
    mem = the(file, "virtio-mem").virtio.mem
    assert (mem.tmp.region_size, mem.size, mem.bitmap) == (64 << 20, 0, 0)
    assert not sections_named(file, "virtio-mem-device-early")


@pytest.mark.parametrize("release", ["7.2", "10.0", "11.1"])
def test_domains(release: str) -> None:
    iommu = the(f"recorded/qemu-{release}-q35-virtio-iommu.mig.xz", "virtio-iommu").virtio.iommu
    domains = {
        key: (
            [endpoint.id for endpoint in domain.endpoint_list],
            [(pair.low, pair.high, to.phys_addr, to.flags) for pair, to in domain.mappings],
            domain.bypass,
        )
        for key, domain in iommu.domains
    }
    assert domains == {
        1: ([0x10], [(0x1000, 0x1FFF, 0x200000, 1), (0x100000, 0x10FFFF, 0x300000, 3)], False),
        7: ([0x18], [(0xFFFFF000, 0xFFFFFFFF, 0x400000, 2)], False),
    }
    assert iommu.bypass == 1


@pytest.mark.parametrize("release", ["10.0", "11.1"])
def test_state_of_a_back_end(release: str) -> None:
    state = the(f"recorded/qemu-{release}-q35-vhost-user-fs-cold.mig.xz", "vhost-user-fs")
    assert b"".join(state.backend.backend.pieces) == bytes(range(256)) * 8
    state.config_space = VHostUserFSConfig(tag="myfs".ljust(36, "\0"), num_request_queues=1)
    assert state.virtio.config == b"myfs".ljust(36, b"\0") + b"\1\0\0\0"


def test_requests_of_a_back_end() -> None:
    state = the("recorded/qemu-11.1-q35-vhost-user-blk-inflight.mig.xz", "vhost-user-blk")
    region = state.inflight.inflight
    assert (region.size, region.queue_size) == (4096, 128)
    assert region.buffer.addr[64] == 1
    assert [queue.last_avail_idx for queue in state.virtio.vq] == [3, 3]


@pytest.mark.parametrize("release", ["7.2", "11.1"])
def test_request_of_a_disk_on_an_adapter(release: str) -> None:
    """The disk saves it, and the adapter puts its own part inside."""
    (request,) = the(f"recorded/qemu-{release}-q35-virtio-scsi-request.mig.xz", "scsi-disk").qdev.requests
    assert (request.opcode, request.sector, request.sector_count) == (0x28, 0, 1)
    assert request.virtio.queue == 0
    assert (request.virtio.elem.out_num, request.virtio.elem.in_num) == (1, 2)
    assert request.virtio.elem.in_sg[1].iov_len == 512


def test_ports_of_a_big_endian_machine() -> None:
    """There the number of ports has its bytes the wrong way round."""
    file = "recorded/qemu-7.2-s390x-virtio-devices.mig.xz"
    body = the(file, "virtio-console").virtio
    assert (body.max_nr_ports, body.ports_map, [port.id for port in body.ports]) == (31 << 24, [0b1001], [3])
    disk = the(file, "virtio-blk")
    assert byte_order(disk.virtio) == "big"
    assert disk.config_space.capacity == 2097152


@pytest.mark.parametrize("release", ["5.2", "7.2", "10.0", "11.1"])
def test_two_words_of_ports(release: str) -> None:
    body = the(f"recorded/qemu-{release}-q35-virtio-devices-cold.mig.xz", "virtio-console").virtio
    assert (body.max_nr_ports, body.ports_map) == (40, [1, 1 << 3])
    assert [port.id for port in body.ports] == [0, 35]


# Cards before the guest starts


@pytest.mark.parametrize("release", ["7.2", "11.1"])
@pytest.mark.parametrize(
    ("kind", "pairs"),
    [("mq", 4), ("queues-without-mq", 4), ("mq-one-queue", None), ("packed", None), ("root-port", None)],
)
def test_card_before_the_guest_starts(release: str, kind: str, pairs: int | None) -> None:
    state = the(f"recorded/qemu-{release}-q35-virtio-net-{kind}-cold.mig.xz", "virtio-net")
    assert (state.net.max_queue_pairs, state.net.curr_queue_pairs) == (pairs, pairs and 1)
    assert len(state.virtio.vq) == 3
    assert (state.virtio.virtio.packed_virtqueues is not None) == (kind == "packed")
    assert len(state.virtio.transport.pci_dev.config) == (4096 if kind == "root-port" else 256)


# Changes and damage


def leaf(state: Any, path: str) -> tuple[Any, str]:
    *inner, last = path.split(".")
    for name in inner:
        state = state[int(name)] if name.isdigit() else getattr(state, name)
    return state, last


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "path", "value"),
    [
        ("virtio-blk", "virtio.requests.0.queue", 1),
        ("virtio-blk", "virtio.requests.0.elem.index", 77),
        ("virtio-blk", "virtio.requests.0.elem.out_sg.1.iov_len", 512),
        ("virtio-console", "virtio.ports.0.iov_offset", 5),
        ("virtio-console", "virtio.ports.0.elem.in_num", 2),
        ("virtio-gpu", "gpu.resources.0.format", 67),
        ("virtio-gpu", "gpu.resources.0.backing.1.addr", 1 << 40),
        ("virtio-gpu", "gpu.scanouts.first_scanout.cursor_hot_x", 9),
        ("virtio-balloon", "virtio.balloon.actual", 1),
        ("virtio-mem", "virtio.mem.requested_size", 0),
        ("virtio-scsi", "virtio.vq.3.last_avail_idx", 99),
        ("virtio-rng", "virtio.transport.config_vector", 1),
    ],
)
def test_a_change_changes_its_bytes(device: str, path: str, value: int) -> None:
    for file in COLLECTIONS[1:]:
        (section,) = sections_named(file, device)
        assert section.vmsd is not None
        owner, name = leaf(section.state, path)
        before = section.payload()
        traced = path
        for part in path.split("."):
            if part.isdigit():
                traced = traced.replace(f".{part}", f"[{part}]", 1)
        span = section.vmsd.trace(before, facts=facts_of(section.state))[traced]
        old = getattr(owner, name)
        setattr(owner, name, value if value != old else value + 1)
        after = section.vmsd.encode(section.state, force=True)
        stop = span.offset + span.size
        assert (after[: span.offset], after[stop:]) == (before[: span.offset], before[stop:])
        assert after[span.offset : stop] != before[span.offset : stop]
        setattr(owner, name, old)
        assert section.vmsd.encode(section.state) == before


CUTS = 60


@pytest.mark.parametrize("file", [*COLLECTIONS, "recorded/qemu-11.1-q35-virtio-iommu.mig.xz"])
def test_cut_short(file: str) -> None:
    """Only in front of a subsection can a device end early: the rest then may not be sent."""
    for section, raw, _ in virtio_devices(file):
        assert section.vmsd is not None
        facts = facts_of(section.state)
        trace = section.vmsd.trace(raw, facts=facts)
        ends = {entry.offset for entry in trace.values() if entry.field is None}
        for cut in {*range(0, len(raw), max(1, len(raw) // CUTS)), *range(24), *range(len(raw) - 24, len(raw))} - ends:
            with pytest.raises(VMStateError):
                section.vmsd.decode(raw[:cut], facts=facts), (section, cut)


def test_lists_that_are_too_long() -> None:
    """Counts out of a stream are held against the bytes that are left before anything is made of them."""
    (section,) = sections_named(COLLECTIONS[1], "virtio-gpu")
    assert section.vmsd is not None
    raw = section.payload()
    facts = facts_of(section.state)
    trace = section.vmsd.trace(raw, facts=facts)
    for path in ("gpu.resources[0].width", "gpu.resources[0].iov_cnt", "gpu.scanouts.max_outputs", "virtio.num_queues"):
        start = trace[path].offset
        with pytest.raises(VMStateError):
            section.vmsd.decode(raw[:start] + b"\x7f\xff\xff\xff" + raw[start + 4 :], facts=facts)


# From source, not seen in any stream


@pytest.mark.parametrize(
    "place", sorted({place for places in devices.INDEX.values() for place in places if ".virtio." in place})
)
def test_made_from_nothing(place: str) -> None:
    name = next(name for name, places in devices.INDEX.items() if place in places)
    vmsd = shipped_descriptions(name)[list(devices.INDEX[name]).index(place)]
    assert vmsd.state_class is not None
    facts = {
        "idstr": f"0000:00:02.0/{name}",
        "pci_express": False,
        "multi_queue": False,
        "virtio_gpu_scanout_fb": False,
        "virtio_mem_early": True,
    }
    state = vmsd.state_class()
    body = getattr(state, "virtio", None)
    if body is not None:
        body.transport = VirtIOPCIConfig(pci_dev=PCIDevice(conventional_config=bytes(256)))
    if place == "vmstate.devices.virtio.balloon:VIRTIO_BALLOON_5_2":
        body.misnamed_page_poison = MisnamedPagePoison()
    if name == "virtio-console":
        body.max_nr_ports, body.ports_map = 31, [0]
    if name == "virtio-net":
        body.net.macs = b""
    if "tmp" in vars(type(state)) and state.tmp is not None:
        state.tmp.block_size = 1
    raw = vmsd.encode(state, facts=facts)
    assert vmsd.encode(vmsd.decode(raw, facts=facts)) == raw


def test_elements_are_lists_with_markers() -> None:
    request = VirtIOBlkRequest(elem=VirtQueueElement(index=3))
    assert request.queue is None
    assert VirtIOSerialPort().elem is None


class Zeros:
    """Guest memory that nobody has written to."""

    def has(self, address: int, size: int) -> bool:
        return address + size <= 1 << 24

    def read(self, address: int, size: int) -> bytes:
        return bytes(size)

    def read_all(self, pieces: list[tuple[int, int]]) -> list[bytes]:
        return [bytes(size) for _, size in pieces]


ZEROS = Zeros()


def test_packed_rings_begin_at_both_indices_as_the_feature_says() -> None:
    """The driver's and the device's, each with its wrap counter above; whatever else was negotiated."""
    stream = opened("qemu-7.2-q35-virtio-net-packed.mig.xz")
    body = stream["virtio-net"].state.virtio
    accepted = body.virtio.features64.guest_features
    for bit in range(32, 64):
        body.virtio.features64.guest_features = accepted ^ (1 << bit if bit != RING_PACKED else 0)
        assert rings_of(body)[1].base == 0x80048004, bit
    body.virtio.features64.guest_features = accepted & ~(1 << RING_PACKED)
    assert [ring.base for ring in rings_of(body)] == [queue.last_avail_idx for queue in body.vq]


def test_what_a_device_with_packed_rings_says_of_a_split_queue_counts() -> None:
    """Its subsection is read after the queues: QEMU 7.2 takes an index that they contradict."""
    stream = opened("qemu-7.2-q35-virtio-net-packed.mig.xz")
    body = stream["virtio-net"].state.virtio
    body.guest_features = body.virtio.features64.guest_features = 0
    (packed, *_), (queue, *later) = body.virtio.packed_virtqueues.vq, body.vq
    queue.num, queue.desc, queue.last_avail_idx = 256, 0x1000, 0xFF00
    for empty in later:
        empty.desc = 0
    for last, agree in ((0, True), (0xFF00, False)):
        packed.last_avail_idx = last
        assert rings_agree(body.virtio, 0, body.vq, body.transport, ZEROS) is agree
    queue.last_avail_idx, body.virtio.packed_virtqueues = 0, None
    assert rings_agree(body.virtio, 0, body.vq, body.transport, ZEROS)


def test_devices_that_block_migration_are_said_to() -> None:
    for kind in ("gpio", "i2c", "input", "rng", "scmi", "spi"):
        (description,) = shipped_descriptions(f"0000:00:01.0/vhost-user-{kind}")
        assert description.unmigratable, kind
