"""USB controllers and devices on QEMU's command line.

Names and ids from QEMU's hw/usb (-device help, query-pci).
"""

from __future__ import annotations

from vmstate.vmsd.model import Model

XHCI = (
    Model("qemu-xhci", (0x1B36, 0x000D), bus="usb"),
    Model("nec-usb-xhci", (0x1033, 0x0194), bus="usb"),
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
PTR = (Model("usb-tablet"),)
"""What a pointing device sends does not say whether it is a tablet (usb-tablet) or a mouse (usb-mouse)."""
KBD = (Model("usb-kbd"),)
HUB = (Model("usb-hub"),)
STORAGE = (Model("usb-storage", back_end="drive"),)
CCID = (Model("usb-ccid"),)
