"""Which bits of a PCI configuration space must be as the destination has them.

When QEMU loads one (get_pci_config_device), each byte is compared with that of the device that is there, by three
masks: a bit counts that is checked (`cmask`), that the guest cannot write (`wmask`) and that it cannot clear by writing
1 (`w1cmask`). The masks are nowhere in a stream; they follow from what the device's own space says before a guest ran:
header, base addresses, capabilities. Facts from QEMU's hw/pci/pci.c, pcie.c, pcie_aer.c, msi.c, msix.c, shpc.c,
slotid_cap.c and hw/virtio/virtio-pci.c, and from the PCI specifications.
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

UNCORRECTABLE = 0x03FFF030
CORRECTABLE = 0x0000F1C1


class RefusedByte(Value):
    """A byte that QEMU refuses: where it stands, what comes, what the device has, and the three masks there."""

    at: int
    read: int
    device: int
    cmask: int
    wmask: int
    w1cmask: int


class Writable(NamedTuple):
    """Bits of a register that are not compared: `at` from the start of its capability, `size` bytes."""

    at: int
    size: int
    bits: int


class Capability(Data):
    """A capability: its length, which can follow from its contents, and the bits in it that may differ.

    `changes` are bits that a guest writes, `cleared` those that it clears by writing 1, `unchecked` those that the
    device changes by itself.
    """

    name: str
    length: int
    changes: tuple[Writable, ...] = ()
    cleared: tuple[Writable, ...] = ()
    unchecked: tuple[Writable, ...] = ()


CAPABILITIES: Mapping[int, Capability] = {
    0x01: Capability("power management", 8, (Writable(4, 2, 0x9F03),)),
    0x03: Capability("VPD", 8, (Writable(2, 6, 0xFFFFFFFFFFFF),)),
    0x04: Capability("slot identification", 4, (Writable(3, 1, 0xFF),)),
    0x05: Capability("MSI", 10),
    0x09: Capability("vendor-specific", 3),
    0x0C: Capability("hot plug (SHPC)", 8, (Writable(2, 1, 0xFF), Writable(4, 4, 0xFFFFFFFF))),
    0x0D: Capability("subsystem id", 8),
    0x10: Capability(
        "PCI Express",
        0x3C,
        (
            Writable(0x08, 2, 0x800F),
            Writable(0x10, 2, 0x00C0),
            Writable(0x18, 2, 0x0FF9),
            Writable(0x1C, 2, 0x0007),
            Writable(0x28, 2, 0x8020),
        ),
        (Writable(0x0A, 2, 0x000F), Writable(0x1A, 2, 0x0019)),
        (Writable(0x12, 2, 0xFFFF),),
    ),
    0x11: Capability("MSI-X", 12, (Writable(3, 1, 0xC0),)),
    0x12: Capability("SATA", 8),
    0x13: Capability("advanced features", 6),
}
"""By the id of the capability."""

EXTENDED: Mapping[int, Capability] = {
    0x01: Capability(
        "AER",
        0x48,
        (
            Writable(0x0C, 4, UNCORRECTABLE),
            Writable(0x14, 4, CORRECTABLE),
            Writable(0x18, 4, 0x540),
            Writable(0x2C, 4, 0x7),
        ),
        (Writable(0x04, 4, UNCORRECTABLE), Writable(0x10, 4, CORRECTABLE), Writable(0x30, 4, 0x7F)),
        (Writable(0x30, 4, 0xF8000000),),
    ),
    0x03: Capability("Device Serial Number", 12),
    0x0D: Capability("ACS", 8),
    0x0E: Capability("ARI", 8),
    0x0F: Capability("ATS", 8, (Writable(6, 2, 0x800F),)),
    0x10: Capability("SR-IOV", 0x40, (Writable(8, 2, 0x19), Writable(0x10, 2, 0xFFFF), Writable(0x20, 2, 0x553))),
    0x13: Capability("PRI", 0x10, (Writable(4, 2, 3), Writable(6, 2, 0x103), Writable(0xC, 4, 0xFFFFFFFF))),
    0x1B: Capability("PASID", 8, (Writable(6, 2, 7),)),
    0x23: Capability("DVSEC", 4),
    0x2E: Capability("DOE", 4),
}
"""By the id of the extended capability."""

AER_UNCORRECTABLE_MASK = Writable(0x08, 4, UNCORRECTABLE)
"""A register of AER that a guest can write only where the device has a default for it (`x-pcie-err-unc-mask`)."""

PRESENCE_DETECT = Writable(0x1A, 2, 0x0040)
"""The bit of the slot status that says that there is a device in the slot."""

PRESENCE_UNCHECKED_SINCE = Release(8, 1)
"""The first release that does not compare it."""

VF_BASE_ADDRESS = 0x24
"""Where the base addresses of the virtual functions begin in the SR-IOV capability; there are six."""

VIRTIO_VENDOR, VIRTIO_CFG_TYPE = 0x1AF4, 5
VIRTIO_CFG = (Writable(4, 1, 0xFF), Writable(8, 12, (1 << 96) - 1))
"""virtio's window on its regions: which, where, how much, and the data."""


class Region(NamedTuple):
    """A base address register, as query-pci has it: its number (6: the expansion ROM), kind, size in bytes."""

    bar: int
    kind: str
    size: int


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
        self._set(self.wmask, 0x04, 2, 0x0507)
        self._set(self.wmask, 0x0C, 1, 0xFF)
        self._set(self.wmask, 0x3C, 1, 0xFF)
        self._set(self.w1cmask, STATUS, 2, 0xF900)
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
            return Capability(known.name, 0x14, known.changes, known.cleared, known.unchecked)
        return known

    def _msi(self, at: int) -> Capability:
        flags = self._word(at + 2)
        wide, maskable = bool(flags & 0x80), bool(flags & 0x100)
        data = 0x0C if wide else 0x08
        changes = [Writable(2, 2, 0x71), Writable(4, 4, 0xFFFFFFFC), Writable(data, 2, 0xFFFF)]
        if wide:
            changes.append(Writable(8, 4, 0xFFFFFFFF))
        if maskable:
            vectors = 1 << (flags >> 1 & 7)
            changes.append(Writable(data + 4, 4, (1 << min(vectors, 32)) - 1))
        length = (0x18 if maskable else 0x0E) if wide else (0x14 if maskable else 0x0A)
        return Capability("MSI", length, tuple(changes))

    def _vendor(self, at: int) -> Capability:
        length = max(self.config[at + 2], 3)
        window = self.is_virtio and self.config[at + 3] == VIRTIO_CFG_TYPE
        return Capability("vendor-specific", length, VIRTIO_CFG if window and length >= 20 else ())

    def _capability(self, at: int, capability: Capability) -> None:
        length = min(capability.length, len(self.config) - at)
        ones = (1 << 8 * length) - 1
        self._set(self.cmask, at, length, ones)
        self._clear(self.wmask, at, length, ones)
        changes = capability.changes
        if capability.name == "AER" and any(self.config[at + 8 : at + 12]):
            changes = (*changes, AER_UNCORRECTABLE_MASK)
        elif capability.name == "ACS":
            # What a downstream port can do a guest can turn on; another function can do none of it.
            changes = (Writable(6, 2, self._word(at + 4)),)
        for change in changes:
            if change.at + change.size <= length:
                self._set(self.wmask, at + change.at, change.size, change.bits)
        for change in capability.cleared:
            if change.at + change.size <= length:
                self._set(self.w1cmask, at + change.at, change.size, change.bits)
        unchecked = capability.unchecked
        if capability.name == "PCI Express" and (self.release is None or self.release >= PRESENCE_UNCHECKED_SINCE):
            unchecked = (*unchecked, PRESENCE_DETECT)
        for change in unchecked:
            if change.at + change.size <= length:
                self._clear(self.cmask, at + change.at, change.size, change.bits)
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
