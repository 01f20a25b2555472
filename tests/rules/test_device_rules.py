"""What devices mind when they are loaded, at and beyond each bound, as real QEMUs do it.

The bounds were found by loads of 7.2, 10.0 and 11.1, one value after the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vmstate
from vmstate.devices.audio.sb16 import SB16
from vmstate.devices.char.pl011 import PL011
from vmstate.devices.scsi.disk import PrState
from vmstate.devices.scsi.esp_pci import PCI_ESP_10_0
from vmstate.devices.scsi.lsi53c895a import LSISCSI
from vmstate.devices.scsi.mptsas import MPTSAS
from vmstate.devices.virtio.ccw import VirtioCcwDevice
from vmstate.devices.virtio.core import VirtQueue
from vmstate.devices.virtio.gpu import Backing, Resource, VirtIOGPU
from vmstate.devices.virtio.net import VirtIONet
from vmstate.devices.x86.cpu import X86CPU, KVMNestedState, NestedState
from vmstate.fuzz.compose import minimal, section_bytes
from vmstate.fuzz.grow import Grower
from vmstate.fuzz.source import RandomSource
from vmstate.fuzz.subject import read_subject
from vmstate.fuzz.targets.learn import learn
from vmstate.fuzz.verdict import ACCEPTED, REFUSED, Verdict
from vmstate.rules import KnownDestination, broken
from vmstate.rules.evaluate import ENCODE
from vmstate.schema.vmdesc import DIALECTS
from vmstate.schema.write import describe_device, json_text
from vmstate.stream.events import SectionHeader, Vmdescription
from vmstate.vmsd.expr import IDSTR
from vmstate.vmsd.release import Release

VIRT = Path(__file__).resolve().parents[2] / "fixtures" / "qemu-7.2-aarch64-virt-virtio-net-pci.mig.xz"
MASTER = b"\0\0\0\0\4" + bytes(251)
GPU = {"virtio_gpu_scanout_fb": True, IDSTR.name: "0000:00:02.0/virtio-gpu", "pci_express": False}


class Memory:
    """A mebibyte from 0 on."""

    def has(self, address: int, size: int) -> bool:
        return address + size <= 1 << 20

    def read_all(self, spans: list[tuple[int, int]]) -> list[bytes]:
        return [bytes(size) for _, size in spans]


def rules_broken(state: Any, **facts: Any) -> set[str]:
    results = broken(type(state).vmsd, state, facts={"qemu_release": Release(11, 1), "guest_memory": Memory(), **facts})
    return {result.rule.id for result in results if result.is_judged} - {ENCODE}


def changed(state: Any, values: dict[str, Any]) -> Any:
    for path, value in values.items():
        *steps, last = path.split(".")
        part = state
        for step in steps:
            part = getattr(part, step)
        setattr(part, last, value)
    return state


@pytest.mark.parametrize(
    ("declared", "values", "rule"),
    [
        (SB16, {"in_index": 10, "out_data_len": 50}, None),
        (SB16, {"in_index": 11}, "sb16-arguments"),
        (SB16, {"in_index": -1}, "sb16-arguments"),
        (SB16, {"out_data_len": 51}, "sb16-answer"),
        (LSISCSI, {"msg_len": 8}, None),
        (LSISCSI, {"msg_len": 9}, "lsi-message"),
        (LSISCSI, {"msg_len": -1}, "lsi-message"),
        (MPTSAS, {"doorbell_idx": 5, "doorbell_cnt": 5, "doorbell_reply_idx": -1, "diagnostic_idx": 4}, None),
        (MPTSAS, {"request_post_head": 129, "reply_free_tail": 129}, None),
        (MPTSAS, {"doorbell_idx": 1}, "mptsas-doorbell"),
        (MPTSAS, {"doorbell_cnt": 257}, "mptsas-doorbell"),
        (MPTSAS, {"doorbell_reply_idx": 1}, "mptsas-doorbell"),
        (MPTSAS, {"doorbell_reply_size": -1, "doorbell_reply_idx": -1}, "mptsas-doorbell"),
        (MPTSAS, {"diagnostic_idx": 5}, "mptsas-diagnostic"),
        (MPTSAS, {"request_post_head": 130}, "mptsas-queues"),
        (MPTSAS, {"reply_post_tail": 130}, "mptsas-queues"),
        (MPTSAS, {"reply_free_head": 130}, "mptsas-queues"),
        (PL011, {"read_pos": 15, "read_count": 16}, None),
        (PL011, {"read_pos": 16}, "pl011-received"),
        (PL011, {"read_count": 17}, "pl011-received"),
    ],
)
def test_a_bound(declared: type[Any], values: dict[str, Any], rule: str | None) -> None:
    assert rules_broken(changed(declared(), values)) == (set() if rule is None else {rule})


@pytest.mark.parametrize(("declared", "path"), [(SB16, "in_index"), (PL011, "read_count")])
def test_what_7_2_does_not_mind(declared: type[Any], path: str) -> None:
    assert rules_broken(changed(declared(), {path: 60}), qemu_release=Release(7, 2)) == set()


@pytest.mark.parametrize(("flags", "taken"), [(None, False), (0, False), (1, True)])
def test_a_guest_within_the_guest_has_its_state(flags: int | None, taken: bool) -> None:
    cpu = X86CPU(hflags=1 << 21)
    if flags is not None:
        cpu.nested_state = NestedState(nested_state=KVMNestedState(flags=flags))
    assert ("x86-nested-guest" in rules_broken(cpu)) is not taken
    assert "x86-nested-guest" not in rules_broken(X86CPU(hflags=0xFFDFFFFF))


def test_a_reservation_is_taken_over_by_a_disk_that_can() -> None:
    assert rules_broken(PrState(key=1), scsi_takes_reservations=False) == {"scsi-reservation"}
    assert rules_broken(PrState(key=1), scsi_takes_reservations=True) == set()
    assert rules_broken(PrState(resv_type=1), scsi_takes_reservations=False) == {"scsi-reservation"}
    assert rules_broken(PrState(), scsi_takes_reservations=False) == set()
    assert rules_broken(PrState(key=1)) == set()


def gpu(*resources: Resource, master: bool = True, **scanout: int) -> VirtIOGPU:
    card = VirtIOGPU()
    card.virtio.transport.pci_dev.conventional_config = MASTER if master else bytes(256)
    card.gpu.resources = list(resources)
    shown = card.gpu.scanouts.first_scanout
    for name in ("format", "bytes_pp", "width", "height", "stride", "offset"):
        setattr(shown, f"fb_{name}", 0)
    for name, value in scanout.items():
        setattr(shown, name, value)
    return card


def resource(number: int = 1, *backing: tuple[int, int], format: int = 1) -> Resource:
    pieces = [Backing(addr=address, length=size) for address, size in backing]
    pixel = {"width": 1, "height": 1, "pixels": bytes(4)}
    return Resource(resource_id=number, format=format, iov_cnt=len(pieces), backing=pieces, **pixel)


FORMAT = 0x20020888
"""PIXMAN_x8r8g8b8."""


def display(format: int = FORMAT, stride: int = 64, height: int = 16, x: int = 0) -> VirtIOGPU:
    """A card that shows 16 by 16 pixels out of a frame buffer of as many."""
    buffer = {"fb_format": format, "fb_width": 16, "fb_height": 16, "fb_stride": stride}
    return gpu(resource(1), resource_id=1, **buffer, width=16, height=height, x=x)


@pytest.mark.parametrize(
    ("card", "rule"),
    [
        (gpu(resource(1), resource(2, (0, 4096), (0xFF000, 4096)), resource_id=2), None),
        (gpu(resource(1), resource(1)), "virtio-gpu-resource-ids"),
        (gpu(resource(1, format=5)), "virtio-gpu-formats"),
        (gpu(resource(1), resource_id=2), "virtio-gpu-shown"),
        (gpu(resource(1, (0, 0))), "virtio-gpu-backing"),
        (gpu(resource(1, (0x100000, 4097))), "virtio-gpu-backing"),
        (gpu(resource(1, (0x100000, 2048), (0x100000, 2048))), None),
        (gpu(resource(1, (0x100000, 2048), (0x100000, 2049))), "virtio-gpu-backing"),
        (gpu(resource(1, (0, 4097)), master=False), "virtio-gpu-backing"),
        (display(), None),
        (display(height=15), "virtio-gpu-rectangle"),
        (display(x=-1), "virtio-gpu-rectangle"),
        (display(stride=68), None),
        (display(stride=66), "virtio-gpu-framebuffer"),
        (display(stride=60), "virtio-gpu-framebuffer"),
        (display(stride=0x80000040), "virtio-gpu-framebuffer"),
        (display(0x10020565, stride=32), None),
        (display(0x10020565, stride=28), "virtio-gpu-framebuffer"),
        (display(0x08020888), "virtio-gpu-framebuffer"),
        (display(0x02000000), None),
    ],
)
def test_resources_of_a_graphics_card(card: VirtIOGPU, rule: str | None) -> None:
    assert rules_broken(card, **GPU) == (set() if rule is None else {rule})


def test_from_9_2_on_a_resource_has_pixels() -> None:
    card = gpu(Resource(resource_id=1, format=1, width=1))
    assert rules_broken(card, **{**GPU, "qemu_release": Release(9, 1)}) == set()
    assert rules_broken(card, **{**GPU, "qemu_release": Release(9, 2)}) == {"virtio-gpu-size"}


def test_before_9_2_one_piece_is_mapped_that_is_no_memory() -> None:
    for pieces, taken in (((4096,), True), ((1024, 1024), False), ((4097,), False)):
        card = gpu(resource(1, *((0x100000, size) for size in pieces)))
        assert rules_broken(card, **GPU, qemu_release=Release(9, 1)) == (set() if taken else {"virtio-gpu-backing"})


@pytest.mark.parametrize(
    ("before", "sizes", "taken"),
    [
        (3, [256, 256, 64], True),
        (3, [256, 256], False),
        (3, [64], True),
        (3, [256], False),
        (3, [256, 256, 64, 64], True),
        (3, [256, 256, 256, 256, 64], True),
        (5, [256, 256, 64], True),
        (5, [256, 256, 256], False),
        (5, [256, 256, 64, 64], False),
    ],
)
def test_the_queues_that_a_network_card_makes_have_room_since_11_1(before: int, sizes: list[int], taken: bool) -> None:
    """Where it makes fewer than it has, that for commands lies where a large one was."""

    def card(sizes: list[int]) -> VirtIONet:
        state = VirtIONet()
        state.virtio.num_queues = len(sizes)
        state.virtio.vq = [VirtQueue(num=size) for size in sizes]
        return state

    facts = {IDSTR.name: "0000:00:02.0/virtio-net", "guest_memory": Memory()}
    own = card([256] * (before - 1) + [64])
    for release, refused in ((Release(11, 1), not taken), (Release(10, 0), False)):
        results = broken(VirtIONet.vmsd, card(sizes), own=own, facts={**facts, "qemu_release": release})
        assert ("virtio-net-queues" in {result.rule.id for result in results if result.is_judged}) is refused


@pytest.mark.parametrize(("number", "since"), [(7, None), (8, Release(11, 1)), (64, Release(11, 1))])
def test_a_subclass_of_interrupts_that_there_is_not(number: int, since: Release | None) -> None:
    """QEMU 11.1 refuses it, whether the guest uses such interrupts or not; releases before take it."""
    for release in (Release(10, 0), Release(11, 1)):
        state = VirtioCcwDevice(thinint_isc=number)
        results = broken(VirtioCcwDevice.vmsd, state, facts={"qemu_release": release})
        assert ("ccw-isc" in {result.rule.id for result in results}) is (release == since)


def test_a_layout_that_no_stream_shows_is_found_out() -> None:
    """How large a block of a flash memory is, of which none is being written: by what the destination takes."""
    machine = read_subject(VIRT)
    part = next(part for part in machine.parts if part.name.endswith("pflash_cfi01"))

    def load(data: bytes) -> Verdict:
        known = KnownDestination(vmstate.load(machine.data), None, {part.name: {"pflash_write_block": 512}})
        found = [finding for finding in known.check(data) if finding.severity == "error"]
        return Verdict(REFUSED if found else ACCEPTED)

    assert learn(load, machine, part)["pflash_write_block"] == 512
    card = next(part for part in machine.parts if part.name.endswith("virtio-net"))
    assert "pflash_write_block" not in learn(load, machine, card)


def test_of_several_layouts_that_fit_it_is_that_of_the_versions_inside() -> None:
    """A controller of 10.0 reads one of version 8 as its own 7: the layout of 11.1, which fits as well, would not."""
    name, vmsd = "0000:00:04.0/pciespscsi", PCI_ESP_10_0
    state = Grower(vmsd, RandomSource(1), {IDSTR.name: name}).grow(2)
    state.mig_version_id = 7
    header = SectionHeader("full", 1, name, 0, 2, 0)
    entry = describe_device(name, 0, vmsd, state, DIALECTS["10.0"], 2)
    vmdesc = Vmdescription(json_text([("page_size", 4096), ("devices", [entry])], spaced=False).encode()).to_bytes()
    sent = minimal(section_bytes(header, vmsd, state))
    state.mig_version_id = 8
    newer = minimal(section_bytes(header, vmsd, state))
    with vmstate.load(sent + vmdesc) as reference:
        known = KnownDestination(reference)
        assert [finding.message for finding in known.check(sent) + known.check(newer)] == []
    with vmstate.load(sent) as undescribed:
        assert known.check(newer) == [] != KnownDestination(undescribed).check(newer)
