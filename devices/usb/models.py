"""USB controllers and devices on QEMU's command line.

Names and ids from QEMU's hw/usb (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import CAP_ID_MSI, CAP_ID_MSIX, Model, ModelAsk, Property


def _unless(usual: bool, identifier: int) -> Property:
    """Whether there is a capability, where that is not as usual: releases before 6.0 have no property for it."""

    def of(ask: ModelAsk) -> bool | None:
        is_there = ask.space.capability(identifier) is not None
        return None if is_there is usual else is_there

    return of


_MSIX = _unless(True, CAP_ID_MSIX)

USUAL_PORTS = 8
"""Ports of an xHCI controller by itself, four of each speed."""


def _ports(ask: ModelAsk, is_fast: bool) -> int | None:
    """How many ports there are of a speed, where there are not as many as usual: which are which shows in no state, so
    that half of them are taken.
    """
    ports = ask("xhci.ports")
    if ports is None or len(ports) == USUAL_PORTS:
        return None
    return len(ports) // 2 if is_fast else len(ports) - len(ports) // 2


_PORTS: dict[str, Property] = {"p2": lambda ask: _ports(ask, False), "p3": lambda ask: _ports(ask, True)}

XHCI = (
    Model("qemu-xhci", (0x1B36, 0x000D), {"msi": _unless(False, CAP_ID_MSI), "msix": _MSIX, **_PORTS}, bus="usb"),
    Model("nec-usb-xhci", (0x1033, 0x0194), {"msi": _unless(True, CAP_ID_MSI), "msix": _MSIX, **_PORTS}, bus="usb"),
)
UHCI = (
    Model("piix3-usb-uhci", (0x8086, 0x7020), bus="usb"),
    Model("piix4-usb-uhci", (0x8086, 0x7112), bus="usb"),
    *(Model(f"ich9-usb-uhci{number}", (0x8086, 0x2933 + number), bus="usb") for number in range(1, 7)),
)
EHCI = (
    Model("usb-ehci", (0x8086, 0x24CD), bus="usb"),
    Model("ich9-usb-ehci1", (0x8086, 0x293A), bus="usb"),
    Model("ich9-usb-ehci2", (0x8086, 0x293C), bus="usb"),
)
OHCI = (Model("pci-ohci", bus="usb"),)
PTR = (Model("usb-tablet", or_else="usb-mouse"),)
"""What a pointing device sends does not say whether it is a tablet (usb-tablet) or a mouse (usb-mouse)."""
KBD = (Model("usb-kbd"),)
HUB = (Model("usb-hub"),)
STORAGE = (Model("usb-bot", when=lambda ask: not ask.has_children), Model("usb-storage", back_end="drive"))
"""Without a disk it is that of which the disk is a device of its own."""
CCID = (Model("usb-ccid"),)
CARD = (Model("ccid-card-passthru", back_end="chardev"),)
"""It has no place: it is in the reader."""
