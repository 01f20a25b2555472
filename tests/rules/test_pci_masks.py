"""Which bits of PCI configuration space QEMU holds against the destination's own: capability by capability.

Lengths and bits are those of the PCI specifications and of what QEMU's devices let a guest write.
"""

from __future__ import annotations

import pytest

from vmstate.compare.section import on_one_side, pci_advice
from vmstate.rules import messages
from vmstate.rules.pci_config import Masks, Region
from vmstate.vmsd.release import Release

AT = 0x40


def space(capability: bytes, *, size: int = 256, vendor: int = 0x1AF4) -> bytes:
    """A configuration space with one capability at 0x40."""
    config = bytearray(size)
    config[0:4] = vendor.to_bytes(2, "little") + b"\x00\x10"
    config[0x06], config[0x34] = 0x10, AT
    config[AT : AT + len(capability)] = capability
    return bytes(config)


def extended(head: int) -> bytes:
    """A space of PCI Express with one extended capability, the first."""
    config = bytearray(space(b"", size=4096))
    config[0x100:0x104] = (1 << 16 | head).to_bytes(4, "little")
    return bytes(config)


def refused(config: bytes, at: int) -> int:
    """The bits of a byte that cannot be others than the destination's."""
    bits = 0
    for bit in range(8):
        read = bytearray(config)
        read[at] ^= 1 << bit
        bits |= bool(list(Masks(config).differences(bytes(read)))) << bit
    return bits


# name, the bytes of the capability, its length, and what a guest can write: place -> bits
CAPABILITIES = {
    "power management": (b"\x01\0\3\0", 8, {4: 0x03, 5: 0x9F}),
    "VPD": (b"\x03\0", 8, dict.fromkeys(range(2, 8), 0xFF)),
    "slot identification": (b"\x04\0", 4, {3: 0xFF}),
    "hot plug (SHPC)": (b"\x0c\0", 8, {2: 0xFF, **dict.fromkeys(range(4, 8), 0xFF)}),
    "subsystem id": (b"\x0d\0", 8, {}),
    "SATA": (b"\x12\0", 8, {}),
    "advanced features": (b"\x13\0\6", 6, {}),
    "MSI-X": (b"\x11\0", 12, {3: 0xC0}),
    "MSI": (b"\x05\0", 10, {2: 0x71, 4: 0xFC, 5: 0xFF, 6: 0xFF, 7: 0xFF, 8: 0xFF, 9: 0xFF}),
    "MSI, wide": (b"\x05\0\x80", 14, {2: 0x71, 4: 0xFC, **dict.fromkeys((5, 6, 7, *range(8, 14)), 0xFF)}),
    "MSI, maskable": (
        b"\x05\0\x04\1",
        20,
        {2: 0x71, 4: 0xFC, **dict.fromkeys((5, 6, 7, 8, 9), 0xFF), 12: 0x0F},
    ),
    "MSI, wide and maskable": (
        b"\x05\0\x8a\1",
        24,
        {2: 0x71, 4: 0xFC, **dict.fromkeys((5, 6, 7, *range(8, 14)), 0xFF), **dict.fromkeys(range(16, 20), 0xFF)},
    ),
    "vendor-specific": (b"\x09\0\x10\1", 16, {}),
    "vendor-specific, virtio's window": (
        b"\x09\0\x14\5",
        20,
        {4: 0xFF, **dict.fromkeys(range(8, 20), 0xFF)},
    ),
    "PCI Express, version 1": (b"\x10\0\1\0", 20, {8: 0x0F, 9: 0x80, 10: 0x0F, 0x10: 0xC0, 0x12: 0xFF, 0x13: 0xFF}),
    "PCI Express, version 2": (
        b"\x10\0\2\0",
        60,
        {
            **{8: 0x0F, 9: 0x80, 10: 0x0F, 0x10: 0xC0, 0x12: 0xFF, 0x13: 0xFF},
            # The slot: control; events, and whether there is a card; root: control. Device control 2.
            **{0x18: 0xF9, 0x19: 0x0F, 0x1A: 0x59, 0x1C: 0x07, 0x28: 0x20, 0x29: 0x80},
        },
    ),
    "one that is not known": (b"\x77\0", 2, {}),
}


@pytest.mark.parametrize(("capability", "length", "writable"), CAPABILITIES.values(), ids=list(CAPABILITIES))
def test_a_capability_is_compared_but_for_what_a_guest_writes(
    capability: bytes, length: int, writable: dict[int, int]
) -> None:
    config = space(capability)
    # The bytes that say what it is, and where the next is, change it into another.
    for place in range(2, length):
        assert refused(config, AT + place) == 0xFF & ~writable.get(place, 0), hex(place)
    assert refused(config, AT + length) == refused(config, AT + length + 1) == 0
    assert Masks(config).name_of(AT + length) == "device-specific registers"
    assert Masks(config).name_of(AT + length - 1).endswith(f"capability + {length - 1:#x}")
    assert Masks(config).name_of(AT - 1) != Masks(config).name_of(AT)


EXTENDED = {
    "AER": (0x01, 0x48),
    "Device Serial Number": (0x03, 12),
    "ACS": (0x0D, 8),
    "ARI": (0x0E, 8),
    "ATS": (0x0F, 8),
    "SR-IOV": (0x10, 0x40),
    "PRI": (0x13, 0x10),
    "PASID": (0x1B, 8),
    "extended capability 0x77": (0x77, 4),
}


@pytest.mark.parametrize("name", EXTENDED)
def test_an_extended_capability_is_as_long_as_it_is(name: str) -> None:
    head, length = EXTENDED[name]
    masks = Masks(extended(head))
    assert masks.name_of(0x100) == f"{name} capability + 0x0"
    assert masks.name_of(0x100 + length - 1) == f"{name} capability + {length - 1:#x}"
    assert masks.name_of(0x100 + length) == "device-specific registers"


def test_what_a_guest_writes_of_advanced_error_reporting() -> None:
    """0x18 asks for ECRC and for many headers, 0x2c for interrupts; 0x30 is cleared, and its number is the device's."""
    own = extended(0x01)
    writable = {0x18: 0x40, 0x19: 0x05, 0x2C: 0x07, 0x30: 0x7F, 0x33: 0xF8}
    for place in (*range(0x18, 0x1C), *range(0x2C, 0x34)):
        assert refused(own, 0x100 + place) == 0xFF & ~writable.get(place, 0), hex(place)


def test_a_space_of_pci_express_without_an_extended_capability() -> None:
    masks = Masks(space(b"", size=4096))
    assert masks.name_of(0x100) == masks.name_of(0x103) == "device-specific registers"


def test_a_capability_that_would_go_beyond_the_space_ends_with_it() -> None:
    config = bytearray(space(b""))
    config[0x34] = 0xFC
    config[0xFC] = 0x11
    assert Masks(bytes(config)).name_of(0xFF) == "MSI-X capability + 0x3"
    assert refused(bytes(config), 0xFE) == 0xFF


# The header.

HEADER = {
    **dict.fromkeys((0, 1, 2, 3), 0xFF),
    **{0x06: 0x10, 0x08: 0xFF, 0x09: 0xFF, 0x0A: 0xFF, 0x0B: 0xFF, 0x0E: 0xFF, 0x34: 0xFF},
}
"""Vendor, device, whether there are capabilities, revision, class, the type, where the capabilities begin."""
BRIDGE = {**HEADER, 0x1C: 0x0F, 0x1D: 0x0F, 0x24: 0x0F, 0x26: 0x0F}
"""And how wide the bridge's ranges are."""


def of_type(kind: int, **bytes_at: int) -> bytes:
    config = bytearray(256)
    config[0:4] = b"\xf4\x1a\x00\x10"
    config[0x0E] = kind
    for place, value in bytes_at.items():
        config[int(place.removeprefix("at_"), 16)] = value
    return bytes(config)


@pytest.mark.parametrize(("kind", "compared"), [(0, HEADER), (1, BRIDGE), (0x81, BRIDGE)])
def test_what_is_compared_of_a_header(kind: int, compared: dict[int, int]) -> None:
    config = of_type(kind)
    assert {at: refused(config, at) for at in range(64) if refused(config, at)} == compared
    if kind:
        masks = Masks(config)
        names = [masks.name_of(at) for at in (0x1C, 0x1D, 0x20, 0x22, 0x24, 0x26)]
        assert names == [
            f"{name} + 0x0"
            for name in (
                *("I/O base", "I/O limit", "memory base", "memory limit"),
                *("prefetchable base", "prefetchable limit"),
            )
        ]


@pytest.mark.parametrize(
    ("bar", "register", "size", "width"),
    [(0, 0x00, 0x1000, 4), (1, 0x01, 0x20, 4), (2, 0x0C, 0x4000, 8), (4, 0x04, 0x100000, 8), (5, 0x08, 0x10, 4)],
)
def test_of_an_address_the_bits_below_its_size_are_compared(bar: int, register: int, size: int, width: int) -> None:
    at = 0x10 + 4 * bar
    config = of_type(0, **{f"at_{at:x}": register})
    masks = Masks(config, (Region(bar, "memory", size),))
    bits = int.from_bytes(masks.compared[at : at + width], "little")
    assert bits == size - 1
    assert masks.name_of(at) == f"base address {bar} + 0x0"
    assert masks.name_of(at + width - 1) == f"base address {bar} + {width - 1:#x}"
    assert not any(masks.compared[0x10:at]) and not any(masks.compared[at + width : 0x28])


@pytest.mark.parametrize(("kind", "at"), [(0, 0x30), (1, 0x38)])
@pytest.mark.parametrize("told", [True, False])
def test_of_a_rom_its_size_and_whether_it_is_on(kind: int, at: int, told: bool) -> None:
    """A guest may switch it on (bit 0) and move it."""
    size = 0x10000
    masks = Masks(of_type(kind), (Region(6, "memory", size),)) if told else Masks(of_type(kind), None, size)
    assert int.from_bytes(masks.compared[at : at + 4], "little") == size - 2
    assert masks.name_of(at) == "expansion ROM base address + 0x0"
    assert masks.name_of(at + 3) == "expansion ROM base address + 0x3" != masks.name_of(at + 4)
    assert "ROM" not in masks.name_of(at + 4)
    assert not any(Masks(of_type(kind)).compared[at : at + 4])


# What a port or a function says of itself decides. Each was tried on a real QEMU: 7.2 (ACS, e1000e) and 11.1 (igb).


def with_extended(head: int, capability: bytes, *, vendor: int = 0x8086) -> bytes:
    config = bytearray(space(b"", size=4096, vendor=vendor))
    config[0x100:0x104] = (1 << 16 | head).to_bytes(4, "little")
    config[0x104 : 0x104 + len(capability)] = capability
    return bytes(config)


def test_a_guest_turns_on_what_a_downstream_port_can() -> None:
    port, function = with_extended(0x0D, b"\x5f\0"), with_extended(0x0D, b"\0\0")
    assert refused(port, 0x106) == 0xFF & ~0x5F
    assert refused(port, 0x104) == 0xFF
    assert refused(function, 0x106) == 0xFF


def test_the_addresses_of_virtual_functions() -> None:
    addresses = {0: 0x0C, 3: 0x0C, 5: 0x01}
    capability = bytearray(0x3C)
    capability[0x1C] = 1
    for bar, low in addresses.items():
        capability[0x20 + 4 * bar] = low
    for vendor in (0x8086, 0x1AF4):
        config = with_extended(0x10, bytes(capability), vendor=vendor)
        bar0, bar1, bar2, bar5 = (0x124 + 4 * bar for bar in (0, 1, 2, 5))
        assert refused(config, bar0) == 0x0F
        assert refused(config, bar0 + 3) == refused(config, bar1) == 0
        assert refused(config, bar5) == 0x03
        # That there is none is known, but for the 32-bit memory that a virtio device has its vectors in.
        assert refused(config, bar2) == (0xFF if vendor == 0x8086 else 0)
        assert refused(config, 0x120) == 0xFF & ~0x53
        assert refused(config, 0x122) == 0xFF


def test_of_capabilities_that_overlap_the_later_has_the_byte() -> None:
    """AER of e1000e is longer than the room before its serial number, in which the MAC address is."""
    config = bytearray(with_extended(0x01, b""))
    config[0x100:0x104] = (0x140 << 20 | 1 << 16 | 0x01).to_bytes(4, "little")
    config[0x140:0x144] = (1 << 16 | 0x03).to_bytes(4, "little")
    masks = Masks(bytes(config))
    assert masks.name_of(0x144) == "Device Serial Number capability + 0x4"
    assert masks.name_of(0x13C) == "AER capability + 0x3c"
    assert "mac=" in pci_advice(masks.name_of(0x144), is_virtio=False)


def test_what_only_one_side_can() -> None:
    with_ats, without = Masks(with_extended(0x0F, b"")), Masks(space(b"", size=4096))
    assert on_one_side(with_ats, without) == "; only the device of the stream has the capability ATS"
    assert on_one_side(without, with_ats) == "; only the device of the destination has the capability ATS"
    assert on_one_side(with_ats, with_ats) == ""


def test_the_properties_of_a_virtio_device() -> None:
    assert "page-per-vq" in pci_advice("vendor-specific capability + 0xd", is_virtio=True)
    assert "page-per-vq" not in pci_advice("vendor-specific capability + 0xd", is_virtio=False)
    assert "vectors=" in pci_advice("MSI-X capability + 0x2", is_virtio=True)


@pytest.mark.parametrize(("release", "is_compared"), [((7, 2), True), ((8, 0), True), ((8, 1), False), (None, False)])
def test_whether_a_slot_is_empty_is_compared_before_8_1(release: tuple[int, int] | None, is_compared: bool) -> None:
    config = of_type(1, at_06=0x10, at_34=0x54, at_54=0x10, at_56=0x42)
    masks = Masks(config, release=None if release is None else Release(*release))
    sent = bytearray(config)
    sent[0x54 + 0x1A] = 0x40
    refusals = list(masks.differences(bytes(sent)))
    assert [refused.at for refused in refusals] == ([0x6E] if is_compared else [])
    if is_compared:
        # As 7.2 prints it of a pcie-root-port whose device is not there.
        line = "get_pci_config_device: Bad config data: i=0x6e read: 40 device: 0 cmask: ff wmask: 0 w1cmask:19"
        assert messages.pci_config(refusals[0]) == line
