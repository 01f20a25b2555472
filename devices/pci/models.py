"""Bridges and ports on QEMU's command line.

Names and ids from QEMU's hw/pci-bridge (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import CAP_ID_MSI, Model, ModelAsk, Property, has_capability

CAP_ID_SLOTID = 4
CAP_ID_SHPC = 0x0C
CAP_ID_EXP = 0x10
LINK_CAPABILITIES = 0x0C
SLOT_CAPABILITIES = 0x14
EXT_CAP_ID_ACS = 0x0D

PCI_EXPRESS = "pcie"
PCI = "pci"


def _slot(ask: ModelAsk) -> int | None:
    """The number of the slot, in the capabilities of the slot."""
    at = ask.space.capability(CAP_ID_EXP)
    return None if at is None else ask.space.long(at + SLOT_CAPABILITIES) >> 19


def _port(ask: ModelAsk) -> int | None:
    """The number of the port, in the capabilities of the link."""
    at = ask.space.capability(CAP_ID_EXP)
    return None if at is None else (ask.space.byte(at + LINK_CAPABILITIES + 3) or None)


def _hotplug(ask: ModelAsk) -> bool | None:
    """Off where the slot says that nothing can be plugged in."""
    at = ask.space.capability(CAP_ID_EXP)
    return None if at is None or ask.space.byte(at + SLOT_CAPABILITIES) & 0x40 else False


def _power_controller(ask: ModelAsk) -> bool | None:
    """Off where the slot has no power controller."""
    at = ask.space.capability(CAP_ID_EXP)
    return None if at is None or ask.space.byte(at + SLOT_CAPABILITIES) & 0x02 else False


_SPEEDS = {1: "2_5", 2: "5", 3: "8", 4: "16"}


def _speed(ask: ModelAsk) -> str | None:
    """The largest speed of the link in GT/s, as the property has it."""
    at = ask.space.capability(CAP_ID_EXP)
    return None if at is None else _SPEEDS.get(ask.space.byte(at + LINK_CAPABILITIES) & 0xF)


def _width(ask: ModelAsk) -> int | None:
    """The largest width of the link."""
    at = ask.space.capability(CAP_ID_EXP)
    return None if at is None else (ask.space.word(at + LINK_CAPABILITIES) >> 4 & 0x3F) or None


CAP_ID_VENDOR = 0x09


def _reserved(at: int, size: int) -> Property:
    """What a port reserves for devices to come, in the capability that QEMU has for that; all ones: nothing."""

    def of(ask: ModelAsk) -> int | None:
        start = ask.space.capability(CAP_ID_VENDOR)
        if start is None:
            return None
        value = sum(ask.space.long(start + at + step) << 8 * step for step in range(0, size, 4))
        return None if value == (1 << 8 * size) - 1 else value

    return of


_RESERVED = {
    "bus-reserve": _reserved(4, 4),
    "io-reserve": _reserved(8, 8),
    "mem-reserve": _reserved(16, 4),
    "pref32-reserve": _reserved(20, 4),
    "pref64-reserve": _reserved(24, 8),
}


def _chassis_nr(ask: ModelAsk) -> int | None:
    """The number of the chassis, in the slot numbering capability."""
    at = ask.space.capability(CAP_ID_SLOTID)
    return None if at is None else ask.space.byte(at + 3)


def _shpc(ask: ModelAsk) -> bool:
    """Whether there is a hotplug controller."""
    return ask.space.capability(CAP_ID_SHPC) is not None


def _disable_acs(ask: ModelAsk) -> bool | None:
    """On where the port does not control who may reach whom."""
    return True if ask.space.extended_capability(EXT_CAP_ID_ACS) is None else None


_SLOT = {"slot": _slot, "port": _port, "power_controller_present": _power_controller, "hotplug": _hotplug}
_MSI = has_capability(CAP_ID_MSI)

USUAL_IO_RESERVE = 4096
"""What a root port reserves by itself where ACPI plugs devices in, and not the port."""


def _plugs_by_acpi(ask: ModelAsk) -> bool:
    return _hotplug(ask) is False and _RESERVED["io-reserve"](ask) == USUAL_IO_RESERVE


_OF_ROOT_PORT: dict[str, Property] = {
    **_SLOT,
    "hotplug": lambda ask: None if _plugs_by_acpi(ask) else _hotplug(ask),
    "x-native-hotplug": lambda ask: False if _plugs_by_acpi(ask) else None,
    **_RESERVED,
    "io-reserve": lambda ask: None if _plugs_by_acpi(ask) else _RESERVED["io-reserve"](ask),
}

ROOT_PORT = (
    Model(
        "pcie-root-port",
        None,
        {**_OF_ROOT_PORT, "disable-acs": _disable_acs, "x-speed": _speed, "x-width": _width},
        bus=PCI_EXPRESS,
    ),
)
IOH3420 = (Model("ioh3420", None, _SLOT, bus=PCI_EXPRESS),)
UPSTREAM = (Model("x3130-upstream", bus=PCI_EXPRESS),)
DOWNSTREAM = (Model("xio3130-downstream", None, _SLOT, bus=PCI_EXPRESS),)
I82801B11 = (Model("i82801b11-bridge", bus=PCI),)
PCIE_PCI_BRIDGE = (Model("pcie-pci-bridge", None, {"msi": _MSI}, bus=PCI),)
_BRIDGE = {"chassis_nr": _chassis_nr, "shpc": _shpc, "msi": _MSI}
PCI_BRIDGE = (
    Model("pci-bridge", (0x1B36, 0x0001), _BRIDGE, bus=PCI),
    Model("pci-bridge-seat", (0x1B36, 0x000A), _BRIDGE, bus=PCI),
)
