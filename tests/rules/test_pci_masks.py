"""Which bits of PCI configuration space QEMU holds against the destination's own: capability by capability.

Lengths and bits are those of the PCI specifications and of what QEMU's devices let a guest write.
"""

from __future__ import annotations

import pytest

from vmstate.rules.pci_config import Masks

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


def refused(own: bytes, at: int) -> int:
    """The bits of a byte that cannot be others than the destination's."""
    bits = 0
    for bit in range(8):
        read = bytearray(own)
        read[at] ^= 1 << bit
        bits |= bool(list(Masks(own).differences(bytes(read)))) << bit
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
    own = space(capability)
    # The bytes that say what it is, and where the next is, change it into another.
    for place in range(2, length):
        assert refused(own, AT + place) == 0xFF & ~writable.get(place, 0), hex(place)
    assert refused(own, AT + length) == refused(own, AT + length + 1) == 0
    assert Masks(own).name_of(AT + length) == "device-specific registers"
    assert Masks(own).name_of(AT + length - 1).endswith(f"capability + {length - 1:#x}")
    assert Masks(own).name_of(AT - 1) != Masks(own).name_of(AT)


EXTENDED = {
    "AER": (0x01, 0x48),
    "serial number": (0x03, 12),
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


def test_a_capability_that_would_go_beyond_the_space_ends_with_it() -> None:
    config = bytearray(space(b""))
    config[0x34] = 0xFC
    config[0xFC] = 0x11
    assert Masks(bytes(config)).name_of(0xFF) == "MSI-X capability + 0x3"
    assert refused(bytes(config), 0xFE) == 0xFF
