"""Bridges and ports on QEMU's command line.

Names and ids from QEMU's hw/pci-bridge (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model, ModelAsk

CAP_ID_SLOTID = 4
CAP_ID_SHPC = 0x0C
CAP_ID_MSI = 5
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


def _chassis_nr(ask: ModelAsk) -> int | None:
    """The number of the chassis, in the slot numbering capability."""
    at = ask.space.capability(CAP_ID_SLOTID)
    return None if at is None else ask.space.byte(at + 3)


def _shpc(ask: ModelAsk) -> bool:
    """Whether there is a hotplug controller."""
    return ask.space.capability(CAP_ID_SHPC) is not None


_SLOT = {"slot": _slot, "port": _port}

ROOT_PORT = (Model("pcie-root-port", None, {**_SLOT, "hotplug": _hotplug}, bus=PCI_EXPRESS),)
IOH3420 = (Model("ioh3420", None, _SLOT, bus=PCI_EXPRESS),)
UPSTREAM = (Model("x3130-upstream", bus=PCI_EXPRESS),)
DOWNSTREAM = (Model("xio3130-downstream", None, _SLOT, bus=PCI_EXPRESS),)
PCIE_PCI_BRIDGE = (Model("pcie-pci-bridge", bus=PCI),)
PCI_BRIDGE = (
    Model("pci-bridge", (0x1B36, 0x0001), {"chassis_nr": _chassis_nr, "shpc": _shpc}, bus=PCI),
    Model("pci-bridge-seat", (0x1B36, 0x000A), {"chassis_nr": _chassis_nr, "shpc": _shpc}, bus=PCI),
)
