"""Which bits of a PCI configuration space must be as the destination has them.

When QEMU loads one (get_pci_config_device), each byte is compared with that of the device that is there, by three
masks: a bit counts that is checked (`cmask`), that the guest cannot write (`wmask`) and that it cannot clear by writing
1 (`w1cmask`). The masks are nowhere in a stream; they follow from what the device's own space says before a guest ran:
header, base addresses, capabilities. Facts from QEMU's hw/pci and virtio-pci.c, and from the PCI specifications.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property

from vmstate.vmsd.data import Data, NamedTuple, Value
from vmstate.vmsd.release import Release

HEADER = 0x40
CONVENTIONAL = 0x100
STATUS = 0x06
CAP_LIST = 0x10
HEADER_TYPE = 0x0E
CAPABILITY_LIST = 0x34
BASE_ADDRESS = 0x10
BRIDGE = 1
ROM = 6
"""The number that QMP gives to the region of the expansion ROM."""

BASE_ADDRESSES = {0: 6, 1: 2}
ROM_ADDRESS = {0: 0x30, 1: 0x38}


class RefusedByte(Value):
    """A byte that QEMU refuses: where it stands, what comes, what the device has, and the three masks there."""

    at: int
    read: int
    device: int
    cmask: int
    wmask: int
    w1cmask: int


class Capability(Data):
    """A capability: its length, which can follow from its contents, and the registers in it whose bits may differ.

    `changes` are bits that a guest writes, `cleared` those that it clears by writing 1, `unchecked` those that the
    device changes by itself.
    """

    name: str
    length: int
    changes: Mapping[int, int] = {}
    cleared: Mapping[int, int] = {}
    unchecked: Mapping[int, int] = {}


SET_UP: Mapping[str, tuple[Mapping[int, int], ...]] = {
    "header": (
        {0x04: 0x507},
        {0x06: 0xF900},
    ),
    "PCI Express": (
        {0x08: 0x800F, 0x10: 0xC0, 0x18: 0xFF9, 0x1C: 0x7, 0x28: 0x8020},
        {0x0A: 0xF, 0x1A: 0x19},
        {0x12: 0xFFFF},
    ),
    "hot plug (SHPC)": ({0x02: 0xFF, 0x04: 0xFFFFFFFF},),
    "AER": (
        {0x0C: 0x3FFF030, 0x14: 0xF1C1, 0x18: 0x540, 0x2C: 0x7},
        {0x04: 0x3FFF030, 0x10: 0xF1C1, 0x30: 0x7F},
        {0x30: 0xF8000000},
    ),
    "ATS": ({0x06: 0x800F},),
    "SR-IOV": ({0x08: 0x19, 0x10: 0xFFFF, 0x20: 0x553},),
}
"""Written by make source-facts: 4.2 (b0ca999a43a2) to 10.2 (698104725efa)."""

CAPABILITIES: Mapping[int, Capability] = {
    0x01: Capability("power management", 8, {4: 0x9F03}),
    0x03: Capability("VPD", 8, {2: 0xFFFFFFFFFFFF}),
    0x04: Capability("slot identification", 4, {3: 0xFF}),
    0x05: Capability("MSI", 10),
    0x09: Capability("vendor-specific", 3),
    0x0C: Capability("hot plug (SHPC)", 8, *SET_UP["hot plug (SHPC)"]),
    0x0D: Capability("subsystem id", 8),
    0x10: Capability("PCI Express", 0x3C, *SET_UP["PCI Express"]),
    0x11: Capability("MSI-X", 12, {3: 0xC0}),
    0x12: Capability("SATA", 8),
    0x13: Capability("advanced features", 6),
}
"""By the id of the capability."""

EXTENDED: Mapping[int, Capability] = {
    0x01: Capability("AER", 0x48, *SET_UP["AER"]),
    0x03: Capability("Device Serial Number", 12),
    0x0D: Capability("ACS", 8),
    0x0E: Capability("ARI", 8),
    0x0F: Capability("ATS", 8, *SET_UP["ATS"]),
    0x10: Capability("SR-IOV", 0x40, *SET_UP["SR-IOV"]),
    0x13: Capability("PRI", 0x10, {4: 3, 6: 0x103, 0xC: 0xFFFFFFFF}),
    0x1B: Capability("PASID", 8, {6: 7}),
    0x23: Capability("DVSEC", 4),
    0x2E: Capability("DOE", 4),
}
"""By the id of the extended capability."""

AER_UNCORRECTABLE_MASK = {0x08: 0x3FFF030}
"""A register of AER that a guest can write only where the device has a default for it (`x-pcie-err-unc-mask`)."""

PRESENCE_DETECT = {0x1A: 0x40}
PRESENCE_UNCHECKED_SINCE = Release(8, 1)
"""The bit that says that a slot has a device, and the first release that does not compare it."""

VF_BASE_ADDRESS = 0x24
"""Where the base addresses of the virtual functions begin in the SR-IOV capability; there are six."""

VIRTIO_VENDOR, VIRTIO_CFG_TYPE = 0x1AF4, 5
VIRTIO_CFG = {4: 0xFF, 8: (1 << 96) - 1}
"""virtio's window on its regions: which, where, how much, and the data."""


class Region(NamedTuple):
    """A base address register, as query-pci has it: its number (6: the expansion ROM), kind, size in bytes."""

    bar: int
    kind: str
    size: int


def _joined(registers: Mapping[int, int], length: int) -> int:
    """All bits that are below a length, as one number."""
    return sum(bits << 8 * at for at, bits in registers.items() if 8 * at + bits.bit_length() <= 8 * length)


class Masks:
    """The three masks of a device, from its configuration space as it is before a guest runs.

    `regions` are its regions where they are known; `rom_size` is that of its expansion ROM, 0 where it has none.
    `release` is the QEMU's that has the device; one that is not known is taken for the newest.
    """

    def __init__(
        self,
        config: bytes,
        regions: tuple[Region, ...] | None = None,
        rom_size: int = 0,
        release: Release | None = None,
    ) -> None:
        self.config = config
        self.release = release
        size = len(config)
        self.cmask = bytearray(size)
        self.wmask = bytearray(size)
        self.w1cmask = bytearray(size)
        self._names: list[tuple[int, int, str]] = []
        self._header()
        self._base_addresses(regions, rom_size)
        self.wmask[HEADER:] = b"\xff" * (size - HEADER)
        for at, capability in self._capabilities():
            self._capability(at, capability)

    def differences(self, read: bytes) -> Iterator[RefusedByte]:
        """The bytes of a configuration space that QEMU refuses, the first first: QEMU names no other."""
        for at, (byte, device, bits) in enumerate(zip(read, self.config, self.compared, strict=False)):
            if (byte ^ device) & bits:
                yield RefusedByte(at, byte, device, self.cmask[at], self.wmask[at], self.w1cmask[at])

    @property
    def compared(self) -> bytes:
        """Of each byte, the bits that must be the same."""
        masks = zip(self.cmask, self.wmask, self.w1cmask, strict=True)
        return bytes(cmask & ~wmask & ~w1cmask for cmask, wmask, w1cmask in masks)

    def name_of(self, at: int) -> str:
        """What stands at a place: a register of the header, or a capability.

        Capabilities can overlap, as those of e1000e do (AER is longer than the room before the next): the later counts.
        """
        start, name = max(
            ((start, name) for start, size, name in self._names if start <= at < start + size),
            default=(at, "device-specific registers"),
        )
        return f"{name} + {at - start:#x}" if name != "device-specific registers" else name

    @cached_property
    def capabilities(self) -> Mapping[str, int]:
        """The names of the capabilities, as often as they are there."""
        return Counter(capability.name for _, capability in self._capabilities())

    @property
    def places(self) -> frozenset[tuple[int, str]]:
        """Each capability, by its place and name."""
        return frozenset((at, capability.name) for at, capability in self._capabilities())

    @property
    def is_virtio(self) -> bool:
        """Whether it is a virtio device."""
        return self._word(0) == VIRTIO_VENDOR

    def _word(self, at: int) -> int:
        return int.from_bytes(self.config[at : at + 2], "little")

    def _name_bytes(self, at: int, size: int, name: str) -> None:
        self._names.append((at, size, name))

    def _set(self, mask: bytearray, at: int, size: int, bits: int) -> None:
        for index, byte in enumerate(bits.to_bytes(size, "little")):
            if at + index < len(mask):
                mask[at + index] |= byte

    def _clear(self, mask: bytearray, at: int, size: int, bits: int) -> None:
        for index, byte in enumerate(bits.to_bytes(size, "little")):
            if at + index < len(mask):
                mask[at + index] &= ~byte & 0xFF

    @property
    def _header_type(self) -> int:
        return self.config[HEADER_TYPE] & 0x7F

    def _header(self) -> None:
        for at, size, name, bits in (
            (0x00, 2, "vendor id", 0xFFFF),
            (0x02, 2, "device id", 0xFFFF),
            (STATUS, 2, "status", CAP_LIST),
            (0x08, 1, "revision", 0xFF),
            (0x09, 1, "programming interface", 0xFF),
            (0x0A, 2, "class", 0xFFFF),
            (HEADER_TYPE, 1, "header type", 0xFF),
            (CAPABILITY_LIST, 1, "start of the capability list", 0xFF),
        ):
            self._set(self.cmask, at, size, bits)
            self._name_bytes(at, size, name)
        for mask, registers in zip((self.wmask, self.w1cmask), SET_UP["header"], strict=True):
            self._set(mask, 0, HEADER, _joined(registers, HEADER))
        self._set(self.wmask, 0x0C, 1, 0xFF)
        self._set(self.wmask, 0x3C, 1, 0xFF)
        if self._header_type == BRIDGE:
            self._bridge()

    def _bridge(self) -> None:
        self._set(self.wmask, 0x18, 4, 0xFFFFFFFF)
        for at, size, checked, written, name in (
            (0x1C, 1, 0x0F, 0xF0, "I/O base"),
            (0x1D, 1, 0x0F, 0xF0, "I/O limit"),
            (0x20, 2, 0, 0xFFF0, "memory base"),
            (0x22, 2, 0, 0xFFF0, "memory limit"),
            (0x24, 2, 0x0F, 0xFFF0, "prefetchable base"),
            (0x26, 2, 0x0F, 0xFFF0, "prefetchable limit"),
        ):
            self._set(self.cmask, at, size, checked)
            self._set(self.wmask, at, size, written)
            self._name_bytes(at, size, name)
        self._set(self.wmask, 0x28, 8, (1 << 64) - 1)

    def _base_addresses(self, regions: tuple[Region, ...] | None, rom_size: int) -> None:
        known = {region.bar: region for region in regions or ()}
        bars = iter(range(BASE_ADDRESSES.get(self._header_type, 0)))
        for bar in bars:
            at = BASE_ADDRESS + 4 * bar
            register = self.config[at]
            if bar not in known and register & 0xF == 0:
                # None, or memory below 4 GiB whose size is not known: an address fits the one as the other.
                continue
            wide = register & 0x7 == 0x4
            size = known[bar].size if bar in known else 4 if register & 1 else 16
            bytes_ = 8 if wide else 4
            self._set(self.cmask, at, bytes_, (1 << 8 * bytes_) - 1)
            self._set(self.wmask, at, bytes_, -size % (1 << 8 * bytes_))
            self._name_bytes(at, bytes_, f"base address {bar}")
            if wide:
                next(bars, None)
        rom = known[ROM].size if ROM in known else rom_size
        if rom and self._header_type in ROM_ADDRESS:
            at = ROM_ADDRESS[self._header_type]
            self._set(self.cmask, at, 4, 0xFFFFFFFF)
            self._set(self.wmask, at, 4, -rom % (1 << 32) | 1)
            self._name_bytes(at, 4, "expansion ROM base address")

    def _capabilities(self) -> Iterator[tuple[int, Capability]]:
        """Each capability with its place; one that is not known counts as long as its head."""
        seen: set[int] = set()
        at = self.config[CAPABILITY_LIST] & ~3 if self.config[STATUS] & CAP_LIST else 0
        while at >= HEADER and at not in seen and at + 2 < len(self.config):
            seen.add(at)
            number = self.config[at]
            yield at, self._capability_at(at, number)
            at = self.config[at + 1] & ~3
        at = CONVENTIONAL
        while CONVENTIONAL <= at < len(self.config) - 3 and at not in seen:
            seen.add(at)
            head = int.from_bytes(self.config[at : at + 4], "little")
            if head == 0:
                return
            # The first is there for the list alone where it has no id.
            yield at, EXTENDED.get(head & 0xFFFF, Capability(f"extended capability {head & 0xFFFF:#x}", 4))
            at = head >> 20

    def _capability_at(self, at: int, number: int) -> Capability:
        known = CAPABILITIES.get(number)
        if known is None:
            return Capability(f"capability {number:#x}", 2)
        if number == 0x05:
            return self._msi(at)
        if number == 0x09:
            return self._vendor(at)
        if number == 0x10 and self.config[at + 2] & 0xF < 2:
            return Capability(known.name, 0x14, *SET_UP[known.name])
        return known

    def _msi(self, at: int) -> Capability:
        flags = self._word(at + 2)
        wide, maskable = bool(flags & 0x80), bool(flags & 0x100)
        data = 0x0C if wide else 0x08
        changes = {2: 0x71, 4: 0xFFFFFFFC, data: 0xFFFF}
        if wide:
            changes[8] = 0xFFFFFFFF
        if maskable:
            changes[data + 4] = (1 << min(1 << (flags >> 1 & 7), 32)) - 1
        return Capability("MSI", data + (12 if maskable else 2), changes)

    def _vendor(self, at: int) -> Capability:
        length = max(self.config[at + 2], 3)
        window = self.is_virtio and self.config[at + 3] == VIRTIO_CFG_TYPE
        return Capability("vendor-specific", length, VIRTIO_CFG if window and length >= 20 else {})

    def _capability(self, at: int, capability: Capability) -> None:
        length = min(capability.length, len(self.config) - at)
        self.cmask[at : at + length] = b"\xff" * length
        self.wmask[at : at + length] = bytes(length)
        changes = capability.changes
        if capability.name == "AER" and any(self.config[at + 8 : at + 12]):
            changes = {**changes, **AER_UNCORRECTABLE_MASK}
        elif capability.name == "ACS":
            # What a downstream port can do a guest can turn on; another function can do none of it.
            changes = {6: self._word(at + 4)}
        unchecked = capability.unchecked
        if capability.name == "PCI Express" and (self.release is None or self.release >= PRESENCE_UNCHECKED_SINCE):
            unchecked = {**unchecked, **PRESENCE_DETECT}
        self._set(self.wmask, at, length, _joined(changes, length))
        self._set(self.w1cmask, at, length, _joined(capability.cleared, length))
        self._clear(self.cmask, at, length, _joined(unchecked, length))
        self._name_bytes(at, length, f"{capability.name} capability")
        if capability.name == "SR-IOV":
            self._addresses_of_functions(at + VF_BASE_ADDRESS)

    def _addresses_of_functions(self, start: int) -> None:
        """Of virtual functions nobody tells the sizes: an address fits in all but the lowest bits."""
        bars = iter(range(6))
        for bar in bars:
            at = start + 4 * bar
            register = self.config[at]
            if register & 0xF == 0:
                if self.is_virtio:
                    # None, or memory below 4 GiB, which the table of MSI-X of a virtio device is in.
                    self._clear(self.cmask, at, 4, 0xFFFFFFFF)
                continue
            bytes_ = 8 if register & 0x7 == 0x4 else 4
            self._set(self.wmask, at, bytes_, -(4 if register & 1 else 16) % (1 << 8 * bytes_))
            if bytes_ == 8:
                next(bars, None)
