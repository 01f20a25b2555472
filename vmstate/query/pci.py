"""query-pci, as far as the configuration spaces tell.

A PCI device saves its configuration space as a field that vmdesc and the library alike call `pci config`; its slot, and
those of the bridges above it, stand in its idstr. What the space does not say has no key: the size of a region, the
regions whose register is zero, the name on the command line. Facts from QEMU's qapi/pci.json, hw/pci/pci-qmp-cmds.c,
hw/pci/pci.c and hw/pci/pci_bridge.c, and from the PCI Local Bus and PCI-to-PCI Bridge specifications.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from vmstate.query.ask import AskedSection, Inquiry
from vmstate.vmsd.question import LEFT_OUT, Ask, Keys, LeftOut

PCI_CONFIG = "pci config"
"""The name of the VMStateInfo."""

_PLACE = re.compile(r"([0-9a-f]{4}):([0-9a-f]{2})((?::[0-9a-f]{2}\.[0-7])+)/")
_SLOT = re.compile(r":([0-9a-f]{2})\.([0-7])")

VENDOR_ID = 0x00
DEVICE_ID = 0x02
COMMAND = 0x04
STATUS = 0x06
CLASS_DEVICE = 0x0A
HEADER_TYPE = 0x0E
BASE_ADDRESS_0 = 0x10
CAPABILITY_LIST = 0x34
INTERRUPT_LINE = 0x3C
INTERRUPT_PIN = 0x3D

COMMAND_IO = 1
COMMAND_MEMORY = 2
STATUS_CAP_LIST = 0x10
CAP_ID_PM = 1
PM_CTRL = 4
PM_STATE = 3
CAPABILITIES_MAX = 48

NORMAL, BRIDGE, CARDBUS = 0, 1, 2
MULTI_FUNCTION = 0x80
BASE_ADDRESSES = {NORMAL: 6, BRIDGE: 2, CARDBUS: 1}
ROM_ADDRESS = {NORMAL: 0x30, BRIDGE: 0x38}
SUBSYSTEM = {NORMAL: (0x2E, 0x2C), CARDBUS: (0x42, 0x40)}
"""Where the subsystem's id and that of its vendor stand."""
ROM_SLOT = 6
ROM_ENABLE = 1

PRIMARY_BUS, SECONDARY_BUS, SUBORDINATE_BUS = 0x18, 0x19, 0x1A

UNMAPPED = -1
"""PCI_BAR_UNMAPPED, all ones, as QMP's signed numbers have it."""

Place = tuple[str, tuple[tuple[int, int], ...]]
"""The root bus, and slot and function of every device on the way from there to the device."""


def query_pci(inquiry: Inquiry) -> Any:
    """[PciInfo]."""
    devices = devices_by_place(inquiry)
    roots = dict.fromkeys(root for root, _ in devices)
    return [
        {
            "bus": int(root[-2:], 16),
            "devices": Bus(inquiry, devices, root).devices((), int(root[-2:], 16), f"[{place}]"),
        }
        for place, root in enumerate(roots)
    ]


def devices_by_place(inquiry: Inquiry) -> dict[Place, tuple[AskedSection, str]]:
    """The PCI devices by their place: the section that has the configuration space, and its path there."""
    devices: dict[Place, tuple[AskedSection, str]] = {}
    for section in inquiry.sections:
        match = _PLACE.match(section.name)
        if match is None:
            continue
        place = f"{match[1]}:{match[2]}", tuple((int(slot, 16), int(fn)) for slot, fn in _SLOT.findall(match[3]))
        subject = AskedSection(section)
        path = next((path for path, entry in subject.trace.items() if is_config(entry.field)), None)
        if path is not None:
            devices.setdefault(place, (subject, path))
    return devices


def is_config(field: Any) -> bool:
    """Whether a field is a configuration space."""
    return field is not None and field.type.info == PCI_CONFIG


class Bus:
    """The devices below a root bus."""

    def __init__(self, inquiry: Inquiry, devices: dict[Place, tuple[AskedSection, str]], root: str) -> None:
        self.inquiry = inquiry
        self.known = {slots: device for (device_root, slots), device in devices.items() if device_root == root}

    def devices(self, above: tuple[tuple[int, int], ...], number: int, at: str) -> list[dict[str, Any]]:
        """[PciDeviceInfo] of the bus with this number, below the devices `above`; `at` is where that stands."""
        here = sorted(slots for slots in self.known if slots[:-1] == above)
        return [self.device(slots, number, f"{at}.devices[{place}]") for place, slots in enumerate(here)]

    def device(self, slots: tuple[tuple[int, int], ...], number: int, at: str) -> dict[str, Any]:
        """A PciDeviceInfo."""
        subject, path = self.known[slots]
        slot, function = slots[-1]
        told = {"bus": number, "slot": slot, "function": function}
        answer = self.inquiry.answer(subject, at, {**{key: from_idstr(told[key]) for key in told}, **config_keys(path)})
        bridge = answer.get("pci_bridge")
        if bridge is not None and (secondary := bridge["bus"]["secondary"]) != 0:
            bridge["devices"] = self.devices(slots, secondary, f"{at}.pci_bridge")
        return answer


def from_idstr(value: int) -> Callable[[Ask], int]:
    """What the idstr says of the place."""

    def answer(ask: Ask) -> int:
        # What is told has been cut out of it already.
        assert ask.idstr
        return value

    return answer


def config_keys(path: str) -> Keys:
    """The keys of a PciDeviceInfo that the configuration space at a path tells."""

    def of(function: Callable[[Config], Any]) -> Callable[[Ask], Any]:
        return lambda ask: function(Config(ask, path))

    return {
        "class_info": of(lambda config: {"class": config.word(CLASS_DEVICE)}),
        "id": of(device_id),
        "irq": of(lambda config: config.byte(INTERRUPT_LINE) if config.byte(INTERRUPT_PIN) else LEFT_OUT),
        "irq_pin": of(lambda config: config.byte(INTERRUPT_PIN)),
        "pci_bridge": of(bridge),
        "regions": of(regions_of),
    }


class Config:
    """A configuration space; numbers in it are little-endian."""

    def __init__(self, ask: Ask, path: str) -> None:
        self.ask = ask
        self.path = path

    def number(self, at: int, size: int) -> int:
        """`size` bytes from `at` on."""
        return int.from_bytes(self.ask.part(self.path, at, size), "little")

    def byte(self, at: int) -> int:
        """8 bits."""
        return self.number(at, 1)

    def word(self, at: int) -> int:
        """16 bits."""
        return self.number(at, 2)

    def long(self, at: int) -> int:
        """32 bits."""
        return self.number(at, 4)

    @property
    def layout(self) -> int:
        """NORMAL, BRIDGE or CARDBUS."""
        return self.byte(HEADER_TYPE) & ~MULTI_FUNCTION


def device_id(config: Config) -> dict[str, int]:
    """A PciDeviceId."""
    answer = {"device": config.word(DEVICE_ID), "vendor": config.word(VENDOR_ID)}
    if config.layout in SUBSYSTEM:
        subsystem, vendor = SUBSYSTEM[config.layout]
        answer |= {"subsystem": config.word(subsystem), "subsystem-vendor": config.word(vendor)}
    return answer


def regions_of(config: Config) -> list[dict[str, Any]]:
    """[PciMemoryRegion] of the base address registers that are not 0: one of 0 may be none that the device has."""
    answer = []
    bars = iter(range(BASE_ADDRESSES.get(config.layout, 0)))
    for bar in bars:
        at = BASE_ADDRESS_0 + 4 * bar
        value = config.long(at)
        if value & 1:
            answer.append({"bar": bar, "type": "io", **address_of(config, value & ~0x3, COMMAND_IO)})
            continue
        wide = value & 0x6 == 0x4
        kind = {"type": "memory", "prefetch": bool(value & 0x8), "mem_type_64": wide}
        if wide:
            value |= config.long(at + 4) << 32
            next(bars, None)
        if value:
            answer.append({"bar": bar, **kind, **address_of(config, value & ~0xF, COMMAND_MEMORY)})
    rom = config.long(ROM_ADDRESS[config.layout]) if config.layout in ROM_ADDRESS else 0
    if rom:
        kind = {"type": "memory", "prefetch": False, "mem_type_64": False}
        where = address_of(config, rom & ~0x7FF, COMMAND_MEMORY) if rom & ROM_ENABLE else {"address": UNMAPPED}
        answer.append({"bar": ROM_SLOT, **kind, **where})
    return answer


def address_of(config: Config, address: int, enable: int) -> dict[str, int]:
    """The address of a region as QMP has it, a signed 64-bit number; -1 while it is disabled.

    `enable` is the bit of the command register that enables regions of its kind. There is no answer for a region at
    address 0, which some machines map, and for a device in a sleeping D-state, which newer releases do not map.
    """
    if not config.word(COMMAND) & enable:
        return {"address": UNMAPPED}
    if address == 0 or power_state(config):
        return {}
    return {"address": address - (1 << 64) if address >> 63 else address}


def power_state(config: Config) -> int:
    """The D-state of a device with power management, 0 of any other."""
    if not config.word(STATUS) & STATUS_CAP_LIST:
        return 0
    at = config.byte(CAPABILITY_LIST)
    for _ in range(CAPABILITIES_MAX):
        at &= ~3
        if at == 0:
            return 0
        if config.byte(at) == CAP_ID_PM:
            return config.byte(at + PM_CTRL) & PM_STATE
        at = config.byte(at + 1)
    return 0


def bridge(config: Config) -> dict[str, Any] | LeftOut:
    """A PciBridgeInfo, but for the devices on the other side."""
    if config.layout != BRIDGE:
        return LEFT_OUT
    wide = config.byte(0x1C) & 0x0F == 1, config.byte(0x1D) & 0x0F == 1
    io_base = (config.byte(0x1C) & 0xF0) << 8 | (config.word(0x30) << 16 if wide[0] else 0)
    io_limit = (config.byte(0x1D) & 0xF0) << 8 | (config.word(0x32) << 16 if wide[1] else 0)
    memory_base, memory_limit = ((config.word(at) & 0xFFF0) << 16 for at in (0x20, 0x22))
    prefetchable_base, prefetchable_limit = (prefetchable_end(config, *at) for at in ((0x24, 0x28), (0x26, 0x2C)))
    return {
        "bus": {
            "number": config.byte(PRIMARY_BUS),
            "secondary": config.byte(SECONDARY_BUS),
            "subordinate": config.byte(SUBORDINATE_BUS),
            "io_range": {"base": io_base, "limit": io_limit | 0xFFF},
            "memory_range": {"base": memory_base, "limit": memory_limit | 0xFFFFF},
            "prefetchable_range": {"base": prefetchable_base, "limit": prefetchable_limit | 0xFFFFF},
        }
    }


def prefetchable_end(config: Config, at: int, upper: int) -> int:
    """One end of the prefetchable range in bytes; a 64-bit bridge has its upper 32 bits in the register `upper`."""
    low = config.word(at)
    return (low & 0xFFF0) << 16 | (config.long(upper) << 32 if low & 0xF == 1 else 0)
